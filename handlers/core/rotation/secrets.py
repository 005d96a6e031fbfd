"""What a managed secret is: its name, kind, store, policy and consumers, from a file the team wrote.

- The file names where values are kept; it never holds one.
- Where a secret lives and what is run for it come from this file alone, never from chat or from the secret itself.
- Everything that is wrong with it is told at once, each with its place in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
PLACE = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*")
RESERVED = frozenset({
    "due", "status", "help", "retire", "rollback", "pause", "continue", "now", "emergency", "reencrypt", "slack-tokens",
})  # fmt: skip
MAX_AGE = timedelta(days=90)
KEY_OVERLAP = timedelta(hours=24)
"""AWS tells the last use of a key to a quarter of an hour; nobody is sure of it sooner. A key of data is kept while a
backup that was begun with it may still be on its way."""
_SPAN = re.compile(r"(\d{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_URL = re.compile(r"https?://[^\s/@]+(/\S*)?")


class Kind(Enum):
    """How a secret is rotated."""

    GENERIC = "generic"
    JWT = "jwt"
    MONGO_USER = "mongo_user"
    AWS_KEY = "aws_key"
    ENCRYPTION_KEY = "encryption_key"
    FACTOR_KEY = "factor_key"
    AUDIT_KEY = "audit_key"
    WEBHOOK_TOKEN = "webhook_token"  # noqa: S105 the name of a kind


OWN = frozenset({Kind.FACTOR_KEY, Kind.AUDIT_KEY, Kind.WEBHOOK_TOKEN})
"""The bot's own: it reads them where the engine keeps them, so that no setting holds them. One secret of each kind."""
OWN_OVERLAP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Use:
    """A program that uses a secret. Commands are run without a shell; addresses carry no password. `login_body`: the
    path of a file that holds what is sent to log the probe in. `reencrypt`: where it counts and re-encrypts data.
    `deployments`: of Kubernetes, which are pointed at each new version, instead of `roll_out`."""

    name: str
    roll_out: str = ""
    reports: tuple[str, ...] = ()
    health: str = ""
    login: str = ""
    login_body: str = ""
    check: str = ""
    verify: str = ""
    seconds: int = 120
    reencrypt: str = ""
    deployments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Secret:
    """See the module. `overlap`: how long the old value is accepted beside the new one. `single_value`: the program
    knows one value only, so that everybody is logged out; allowed only when `accept_logout` says so. `users`: the pair
    of a database that takes turns; `admin_uri_file`: the path of a file with the address of who may change them;
    `canary`: a collection they must be able to write in. `iam_user`: whose access keys of AWS are rotated. `targets`:
    whose data it encrypts; none named: the bot's own."""

    name: str
    kind: Kind
    store: str
    place: str
    max_age: timedelta = MAX_AGE
    overlap: timedelta = timedelta(0)
    characters: int = 52
    single_value: bool = False
    accept_logout: bool = False
    notice: str = ""
    users: tuple[str, ...] = ()
    admin_uri_file: str = ""
    canary: str = ""
    iam_user: str = ""
    uses: tuple[Use, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreSpec:
    """Which store. `where`: a folder, the mount of a Vault, what stands before the names in Secrets Manager, or a
    namespace of Kubernetes. `config`: the path of a kubeconfig; empty: the pod's own service account."""

    name: str
    kind: str
    where: str = ""
    config: str = ""


@dataclass(frozen=True, slots=True)
class Managed:
    """Everything in the file."""

    stores: Mapping[str, StoreSpec] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    def own(self, kind: Kind) -> Secret | None:
        """The bot's own secret of that kind, when the file has one."""
        return next((each for each in self.secrets.values() if each.kind is kind), None)


class _Reader:
    """Reads one mapping, noting what is wrong."""

    def __init__(self, data: Any, where: str, problems: list[str], known: set[str]) -> None:
        self.where, self._problems = where, problems
        self._data: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        if not isinstance(data, Mapping):
            self.wrong("expected a mapping")
        for name in sorted(map(str, set(self._data) - known)):
            self.wrong(f"`{name[:40]}` is not known")

    def wrong(self, what: str) -> None:
        self._problems.append(f"{self.where}: {what}")

    def word(self, name: str, pattern: re.Pattern[str] | None = None, default: str | None = "") -> str:
        value = self._data.get(name, default)
        if value is None:
            self.wrong(f"`{name}` is missing")
            return ""
        if not isinstance(value, str) or (value and pattern is not None and not pattern.fullmatch(value)):
            self.wrong(f"`{name}` is not what it must be")
            return ""
        return value

    def words(self, name: str, pattern: re.Pattern[str]) -> tuple[str, ...]:
        value = self._data.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and pattern.fullmatch(each) for each in value):
            self.wrong(f"`{name}` is not a list of what it must be")
            return ()
        return tuple(value)

    def flag(self, name: str) -> bool:
        value = self._data.get(name, False)
        if not isinstance(value, bool):
            self.wrong(f"`{name}` is true or false")
            return False
        return value

    def number(self, name: str, default: int, least: int, most: int) -> int:
        value = self._data.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.wrong(f"`{name}` is a whole number from {least} to {most}")
            return default
        return value

    def span(self, name: str, default: timedelta) -> timedelta:
        if name not in self._data:
            return default
        match = _SPAN.fullmatch(str(self._data[name]))
        if match is None:
            self.wrong(f"`{name}` is a time like 90d, 12h or 30m")
            return default
        return timedelta(**{_UNITS[match[2]]: int(match[1])})

    def has(self, name: str) -> bool:
        return name in self._data


def read(data: object) -> tuple[Managed, tuple[str, ...]]:
    """What the file says, and everything that is wrong with it."""
    problems: list[str] = []
    if not isinstance(data, Mapping) or set(data) != {"stores", "secrets"}:
        return Managed(), ("expected a mapping with `stores` and `secrets`",)
    stores = {name: _store(name, each, problems) for name, each in _named(data["stores"], "stores", problems)}
    secrets = {
        name: _secret(name, each, stores, problems) for name, each in _named(data["secrets"], "secrets", problems)
    }
    seen: dict[tuple[str, str], str] = {}
    for secret in secrets.values():
        first = seen.setdefault((secret.store, secret.place), secret.name)
        if first != secret.name:
            problems.append(f"secret {secret.name}: lives in the same place as {first}")
    for kind in sorted(OWN, key=lambda each: each.value):
        found = [secret.name for secret in secrets.values() if secret.kind is kind]
        if len(found) > 1:
            problems.append(f"secrets {', '.join(found)}: the bot has one `{kind.value}`")
    return Managed(stores, secrets), tuple(problems)


def _named(data: Any, where: str, problems: list[str]) -> list[tuple[str, Any]]:
    if not isinstance(data, Mapping) or not data:
        problems.append(f"{where}: expected names")
        return []
    found = []
    for name, each in data.items():
        if not isinstance(name, str) or not NAME.fullmatch(name) or name in RESERVED:
            problems.append(f"{where}: `{str(name)[:40]}` cannot be a name")
        else:
            found.append((name, each))
    return found


def _store(name: str, data: Any, problems: list[str]) -> StoreSpec:
    reader = _Reader(data, f"store {name}", problems, {"kind", "folder", "mount", "prefix", "namespace", "config"})
    kind = reader.word("kind", re.compile("files|vault|secrets_manager|kubernetes"), None)
    match kind:
        case "files":
            return StoreSpec(name, kind, reader.word("folder", re.compile(r"/.+"), None))
        case "vault":
            return StoreSpec(name, kind, reader.word("mount", PLACE, "secret"))
        case "secrets_manager":
            return StoreSpec(name, kind, reader.word("prefix", PLACE))
        case "kubernetes":
            config = reader.word("config", re.compile(r"/.+"))
            return StoreSpec(name, kind, reader.word("namespace", NAME, None), config)
        case _:
            return StoreSpec(name, kind)


_SECRET = {
    "kind", "store", "place", "max_age", "overlap", "characters", "single_value", "accept_logout", "notice",
    "consumers", "users", "admin_uri_file", "canary", "iam_user", "targets",
}  # fmt: skip
_OVERLAPS = {
    Kind.AWS_KEY.value: KEY_OVERLAP,
    Kind.ENCRYPTION_KEY.value: KEY_OVERLAP,
    **{each.value: OWN_OVERLAP for each in OWN},
}
_USE = {
    "name",
    "roll_out",
    "reports",
    "health",
    "login",
    "login_body",
    "check",
    "verify",
    "seconds",
    "reencrypt",
    "deployments",
}


def _secret(name: str, data: Any, stores: Mapping[str, StoreSpec], problems: list[str]) -> Secret:
    reader = _Reader(data, f"secret {name}", problems, _SECRET)
    kind = reader.word("kind", re.compile("|".join(each.value for each in Kind)), None)
    store = reader.word("store", NAME, None)
    if store and store not in stores:
        reader.wrong(f"there is no store `{store}`")
    listed = data.get("consumers", []) if isinstance(data, Mapping) else []
    if not isinstance(listed, list):
        reader.wrong("`consumers` is a list")
        listed = []
    secret = Secret(
        name=name,
        kind=Kind(kind) if kind else Kind.GENERIC,
        store=store,
        place=reader.word("place", PLACE, name),
        max_age=reader.span("max_age", MAX_AGE),
        overlap=reader.span("overlap", _OVERLAPS.get(kind, timedelta(0))),
        characters=reader.number("characters", 52, 26, 512),
        single_value=reader.flag("single_value"),
        accept_logout=reader.flag("accept_logout"),
        notice=reader.word("notice"),
        users=reader.words("users", re.compile(r"[A-Za-z0-9_.-]{1,60}")),
        admin_uri_file=reader.word("admin_uri_file", re.compile(r"/.+")),
        canary=reader.word("canary", re.compile(r"[^.\s]+\.\S+")),
        iam_user=reader.word("iam_user", re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")),
        targets=reader.words("targets", re.compile(r"[A-Za-z0-9_.-]{1,60}")),
        uses=tuple(_use(name, number, each, problems) for number, each in enumerate(listed, 1)),
    )
    if secret.kind is Kind.JWT and not secret.single_value:
        if not reader.has("overlap"):
            reader.wrong("`overlap` is missing: how long does the longest token live?")
        if not any(use.check for use in secret.uses):
            reader.wrong("no consumer has a `check` address, so nothing could be proved")
    in_kubernetes = store in stores and stores[store].kind == "kubernetes"
    if in_kubernetes and ("_" in secret.place or "-/" in f"{secret.place}/"):
        reader.wrong("`place` cannot be the name of a secret of Kubernetes")
    if any(use.deployments and (use.roll_out or not in_kubernetes) for use in secret.uses):
        reader.wrong("`deployments` are for a store in Kubernetes, and instead of `roll_out`")
    for what in _missing(secret):
        reader.wrong(what)
    return secret


def _missing(secret: Secret) -> Iterator[str]:
    if secret.kind in {Kind.GENERIC, Kind.AWS_KEY} and not any(use.verify or use.health for use in secret.uses):
        yield "no consumer has `verify` or `health`, so nothing could be proved"
    if secret.kind is Kind.MONGO_USER and len(set(secret.users)) != 2:
        yield "`users` names the two users that take turns"
    if secret.kind is Kind.MONGO_USER and not secret.admin_uri_file:
        yield "`admin_uri_file` is missing: who changes the users?"
    if secret.kind is Kind.AWS_KEY and not secret.iam_user:
        yield "`iam_user` is missing: whose access keys?"
    if secret.kind is Kind.AWS_KEY and secret.overlap < KEY_OVERLAP:
        yield "`overlap` of an access key is a day or more"
    if secret.kind is Kind.ENCRYPTION_KEY and not any(use.reencrypt for use in secret.uses):
        yield "no consumer has a `reencrypt` address, so nothing could be re-encrypted"


def _use(secret: str, number: int, data: Any, problems: list[str]) -> Use:
    reader = _Reader(data, f"secret {secret}, consumer {number}", problems, _USE)
    return Use(
        name=reader.word("name", NAME, None),
        roll_out=reader.word("roll_out"),
        reports=reader.words("reports", _URL),
        health=reader.word("health", _URL),
        login=reader.word("login", _URL),
        login_body=reader.word("login_body", re.compile(r"/.+")),
        check=reader.word("check", _URL),
        verify=reader.word("verify"),
        seconds=reader.number("seconds", 120, 1, 3600),
        reencrypt=reader.word("reencrypt", _URL),
        deployments=reader.words("deployments", re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")),
    )
