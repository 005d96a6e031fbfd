"""Fakes of what rotations touch: a store of secrets, and a program that reads from it. See tests/fakes.py.

- `MemorySecrets` keeps the contract of SecretStore (calls `secrets.…`); tests/contracts holds it to it.
- `FakeApp` is a program with replicas that read their value at a roll-out (calls `app.…`). Its sessions are tokens;
  `logged_out` counts those that were refused although nobody retired their key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.adapters.aws.secrets_manager import SecretsManager
from bot.adapters.kubernetes.asking import connected
from bot.adapters.kubernetes.secrets import KubernetesSecrets
from bot.adapters.secrets_files import FileSecrets
from bot.adapters.vault import Login, VaultSecrets
from handlers.core.rotation.access_keys import KeyFacts, KeyPair
from handlers.core.rotation.accounts import Credentials
from handlers.core.rotation.data_keys import Batch, KeyCounts
from handlers.core.rotation.key_rings import KeyRing, signer
from handlers.core.rotation.secret_stores import (
    Report,
    Sealed,
    SecretStore,
    Shelf,
    Version,
    absent,
    crowded,
    in_use,
    taken,
)
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text
from sandbox.kube.objects import Refused
from sandbox.kube.server import Kube
from sandbox.servers.openbao import OpenBao
from tests.fakes import FakeClock, Faults

BATCH = 3
PLACE = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*")
ID = re.compile(r"[A-Za-z0-9-]{32,64}")


@dataclass
class _Kept:
    values: dict[str, tuple[Sealed, Version]] = field(default_factory=dict)
    current: str = ""
    pending: str = ""
    previous: str = ""


class MemorySecrets:
    """See the module."""

    def __init__(self, clock: FakeClock, faults: Faults | None = None) -> None:
        self._clock = clock
        self._faults = faults or Faults()
        self._places: dict[str, _Kept] = {}
        self._count = 0

    def put(self, place: str, value: bytes) -> str:
        """A first value, or one that somebody puts there by hand."""
        kept = self._at(place)
        self._count += 1
        version = f"found-{self._count:032}"
        kept.values[version] = (Sealed(value), Version(version, self._clock.now()))
        kept.previous, kept.current = kept.current, version
        return version

    def seen(self, place: str) -> bytes:
        """What a program reads there."""
        kept = self._at(place)
        return kept.values[kept.current][0].reveal()

    def versions(self, place: str) -> set[str]:
        """All that are kept."""
        return set(self._at(place).values)

    def describe(self) -> str:
        return "memory"

    def look(self, place: str) -> Shelf:
        with self._faults.at("secrets.look"):
            kept = self._at(place)
            found = [kept.values[each][1] if each else None for each in (kept.current, kept.pending, kept.previous)]
            return Shelf(*found)

    def value(self, place: str, version: str) -> Sealed:
        with self._faults.at("secrets.value"):
            found = self._at(place).values.get(version)
            if found is None:
                raise absent(place, version)
            return found[0]

    def stage(self, place: str, version: str, value: Sealed, over: str) -> None:
        with self._faults.at("secrets.stage"):
            kept = self._at(place)
            if not ID.fullmatch(version) or not value.reveal():
                raise OutsideError(Text("That cannot be a version."), permanent=True)
            if version in kept.values:
                if kept.values[version][0] == value:
                    return
                raise taken(place)
            if kept.pending:
                raise crowded(place)
            if kept.current != over:
                raise taken(place)
            if kept.current and kept.values[kept.current][0] == value:
                raise OutsideError(Text("It has that value already."), permanent=True)
            kept.values[version] = (value, Version(version, self._clock.now()))
            kept.pending = version

    def promote(self, place: str, version: str, over: str) -> None:
        with self._faults.at("secrets.promote"):
            kept = self._at(place)
            if kept.current == version:
                return
            if kept.current != over:
                raise taken(place)
            if version not in kept.values:
                raise absent(place, version)
            kept.previous, kept.current = kept.current, version
            if kept.pending == version:
                kept.pending = ""

    def remove(self, place: str, version: str) -> None:
        with self._faults.at("secrets.remove"):
            kept = self._at(place)
            if kept.current == version and version:
                raise in_use(place)
            kept.values.pop(version, None)
            kept.pending = "" if kept.pending == version else kept.pending
            kept.previous = "" if kept.previous == version else kept.previous

    def _at(self, place: str) -> _Kept:
        if not PLACE.fullmatch(place) or len(place) > 100:
            raise OutsideError(Text("That is no place."), permanent=True)
        return self._places.setdefault(place, _Kept())


class FakeApp:
    """See the module. `read`: what stands in the store for programs; `broken`: it works with no value that this says
    yes to; `lame`: replicas that do not read anew."""

    def __init__(self, read: Callable[[], bytes], faults: Faults | None = None, replicas: int = 2) -> None:
        self._read = read
        self._faults = faults or Faults()
        self.values = [read()] * replicas
        self.broken: Callable[[bytes], bool] = lambda value: False
        self.lame: set[int] = set()
        self.clock: FakeClock | None = None
        self.data: dict[str, str] | None = None
        """Which key each piece of its data is under."""
        self.damaged: set[str] = set()
        self.meanwhile: Callable[[], None] = lambda: None

    def roll_out(self, beat: Iterable[None] = ()) -> None:
        with self._faults.at("app.roll_out"):
            self.values = [each if at in self.lame else self._read() for at, each in enumerate(self.values)]

    def reports(self, secret: str) -> tuple[Report, ...]:
        with self._faults.at("app.reports"):
            return tuple(Report(f"{at}", str(_json(each).get("version", ""))) for at, each in enumerate(self.values))

    def healthy(self) -> bool:
        with self._faults.at("app.healthy"):
            return not any(self.broken(each) for each in self.values)

    def log_in(self) -> Sealed | None:
        with self._faults.at("app.log_in"):
            return self.session()

    def accepts(self, token: Sealed) -> bool | None:
        with self._faults.at("app.accepts"):
            return self.lets_in(token)

    def verified(self, value: Sealed) -> bool:
        with self._faults.at("app.verified"):
            return all(each == value.reveal() for each in self.values)

    def encrypted(self) -> KeyCounts | None:
        with self._faults.at("app.encrypted"):
            if self.data is None:
                return None
            active = self._rings()[0].active
            keys = {active: 0} | {key: list(self.data.values()).count(key) for key in self.data.values()}
            opens = {key for key in keys if all(key in ring.keys for ring in self._rings())}
            return KeyCounts(active, keys, frozenset(opens))

    def reencrypt(self, key: str, after: str) -> Batch:
        with self._faults.at("app.reencrypt"):
            ring = self._rings()[0]
            if self.data is None or ring.active != key:
                raise OutsideError(Text("It writes under another key."), permanent=True)
            found = sorted(each for each, under in self.data.items() if under != key and each > after)[:BATCH]
            good = [each for each in found if self.data[each] in ring.keys and each not in self.damaged]
            self.data |= dict.fromkeys(good, key)
            self.meanwhile()
            return Batch(len(good), len(found) - len(good), found[-1] if len(found) == BATCH else "")

    def readable(self) -> bool:
        """Whether every replica can read every piece of its data."""
        return all(key in ring.keys for ring in self._rings() for key in (self.data or {}).values())

    def _rings(self) -> list[KeyRing]:
        return [KeyRing.read(Sealed(each)) for each in self.values]

    def session(self, replica: int = 0) -> Sealed:
        """A fresh login at one replica."""
        ring = KeyRing.read(Sealed(self.values[replica]))
        assert self.clock is not None
        return ring.token(ring.active, self.clock.now())

    def lets_in(self, token: Sealed) -> bool:
        """Whether every replica does; time does not matter here."""
        return all(_signed(token, KeyRing.read(Sealed(each)).keys.get(signer(token), "")) for each in self.values)


@dataclass
class FakeAccounts:
    """A pair of users (calls `accounts.…`). `users`: each one's password and roles."""

    users: dict[str, tuple[str, str]]
    faults: Faults = field(default_factory=Faults)

    def prepare(self, new: Credentials, like: str) -> None:
        with self.faults.at("accounts.prepare"):
            if like not in self.users:
                raise OutsideError(Text("There is no such user."), permanent=True)
            self.users[new.username] = (new.password, self.users[like][1])

    def works(self, new: Credentials) -> None:
        with self.faults.at("accounts.works"):
            if not self.lets_in(new):
                raise OutsideError(Text("That user does not get in."), permanent=True)

    def lock(self, user: str, unknown: Sealed) -> None:
        with self.faults.at("accounts.lock"):
            self.users[user] = (unknown.reveal().decode(), self.users[user][1])

    def lets_in(self, user: Credentials) -> bool:
        """Whether somebody with these gets in."""
        return user.username in self.users and self.users[user.username][0] == user.password


class FakeKeys:
    """The access keys of one user (calls `keys.…`). `deleted`: whether each was active when it was deleted;
    `propagation`: how many seconds a new or changed key is known in every third place only."""

    def __init__(self, clock: FakeClock, faults: Faults | None = None) -> None:
        self._clock, self._faults = clock, faults or Faults()
        self.keys: dict[str, tuple[KeyPair, KeyFacts]] = {}
        self.used: dict[str, datetime] = {}
        self.deleted: dict[str, bool] = {}
        self.propagation = 0.0
        self._changed: dict[str, datetime] = {}
        self._asked = 0
        first = KeyPair("AKIAFIRST", "first-key-CANARY")
        self.keys[first.id] = (first, KeyFacts(first.id, active=True, made=clock.now()))

    def listed(self) -> tuple[KeyFacts, ...]:
        with self._faults.at("keys.listed"):
            return tuple(facts for _, facts in self.keys.values())

    def make(self) -> KeyPair:
        with self._faults.at("keys.make"):
            if len(self.keys) > 1:
                raise OutsideError(Text("There are two."), permanent=True)
            pair = KeyPair(f"AKIA{len(self.deleted) + len(self.keys)}", f"CANARY-{len(self.deleted)}")
            self.keys[pair.id] = (pair, KeyFacts(pair.id, active=True, made=self._clock.now()))
            self._changed[pair.id] = self._clock.now()
            return pair

    def knock(self, key: KeyPair) -> bool:
        with self._faults.at("keys.knock"):
            return self.lets_in(key)

    def lets_in(self, key: KeyPair) -> bool:
        """Whether somebody with it gets in."""
        found = self.keys.get(key.id)
        if found is None or found[0].secret != key.secret or not found[1].active:
            return False
        self.used[key.id] = self._clock.now()
        changed = self._changed.get(key.id)
        self._asked += 1
        early = changed is not None and (self._clock.now() - changed).total_seconds() < self.propagation
        return self._asked % 3 == 0 if early else True

    def last_used(self, key: str) -> datetime | None:
        with self._faults.at("keys.last_used"):
            return self.used.get(key)

    def switch(self, key: str, *, active: bool) -> None:
        with self._faults.at("keys.switch"):
            if key in self.keys and self.keys[key][1].active is not active:
                self.keys[key] = (self.keys[key][0], replace(self.keys[key][1], active=active))
                self._changed[key] = self._clock.now()

    def delete(self, key: str) -> None:
        with self._faults.at("keys.delete"):
            if key in self.keys:
                self.deleted[key] = self.keys.pop(key)[1].active


def first_key() -> bytes:
    """What stands in the store before any rotation."""
    return KeyPair("AKIAFIRST", "first-key-CANARY").sealed("").reveal()


def first_user() -> bytes:
    """What stands in the store before any rotation."""
    return Credentials("app_a", "first-password-CANARY").sealed().reveal()


def first_ring() -> bytes:
    """A key ring that no rotation made."""
    return KeyRing("", "k-first", {"k-first": "first-key-of-the-ring-CANARY"}).sealed().reveal()


def _signed(token: Sealed, key: str) -> bool:
    text, _, signature = token.reveal().rpartition(b".")
    mac = base64.urlsafe_b64encode(hmac.new(key.encode(), text, hashlib.sha256).digest()).rstrip(b"=")
    return bool(key) and hmac.compare_digest(mac, signature)


def _json(value: bytes) -> dict[str, object]:
    try:
        data = json.loads(value)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


class FaultySecrets:
    """A real store, with faults (calls `secrets.…`)."""

    def __init__(self, store: SecretStore, faults: Faults) -> None:
        self._store = store
        self._faults = faults

    def describe(self) -> str:
        return self._store.describe()

    def look(self, place: str) -> Shelf:
        with self._faults.at("secrets.look"):
            return self._store.look(place)

    def value(self, place: str, version: str) -> Sealed:
        with self._faults.at("secrets.value"):
            return self._store.value(place, version)

    def stage(self, place: str, version: str, value: Sealed, over: str) -> None:
        with self._faults.at("secrets.stage"):
            self._store.stage(place, version, value, over)

    def promote(self, place: str, version: str, over: str) -> None:
        with self._faults.at("secrets.promote"):
            self._store.promote(place, version, over)

    def remove(self, place: str, version: str) -> None:
        with self._faults.at("secrets.remove"):
            self._store.remove(place, version)

    def put(self, place: str, value: bytes) -> str:
        """A value that somebody puts there by hand."""
        raise NotImplementedError

    def seen(self, place: str) -> bytes:
        """What a program reads there."""
        return self._store.value(place, self._store.look(place).current_id).reveal()

    def versions(self, place: str) -> set[str]:
        """All that are kept."""
        raise NotImplementedError


class FaultyFiles(FaultySecrets):
    """Files."""

    def __init__(self, folder: Path, faults: Faults) -> None:
        super().__init__(FileSecrets(folder), faults)
        self._folder = folder

    def put(self, place: str, value: bytes) -> str:
        (self._folder / place).write_bytes(value)
        return self._store.look(place).current_id

    def versions(self, place: str) -> set[str]:
        folder = self._folder / ".versions" / place
        kept = {each.name.partition(".")[2] for each in folder.iterdir()} if folder.is_dir() else set()
        return kept | {self._store.look(place).current_id}


class FaultyVault(FaultySecrets):
    """Vault."""

    def __init__(self, bao: OpenBao, faults: Faults) -> None:
        self._vault = VaultSecrets(bao.url, Login(bao.token))
        super().__init__(self._vault, faults)
        self._bao = bao

    def put(self, place: str, value: bytes) -> str:
        self._bao.ask("DELETE", f"secret/metadata/{place}")
        self._bao.ask("DELETE", f"secret/metadata/pending/{place}")
        self._bao.ask("POST", f"secret/data/{place}", {"data": {"value": value.decode()}})
        return self._store.look(place).current_id

    def versions(self, place: str) -> set[str]:
        live = self._bao.ask("GET", f"secret/metadata/{place}")["data"]["versions"].items()
        numbers = [number for number, each in live if not each["destroyed"]]
        data = [self._bao.ask("GET", f"secret/data/{place}?version={number}")["data"]["data"] for number in numbers]
        return {each.get("version", number) for each, number in zip(data, numbers, strict=True)}


class FaultyKube(FaultySecrets):
    """Kubernetes, in a namespace of its own."""

    def __init__(self, kube: Kube, config: Path, faults: Faults) -> None:
        self._kube, self._namespace = kube, f"team-{uuid.uuid4()}"
        kube.write_config(config)
        super().__init__(KubernetesSecrets(connected(str(config)), self._namespace), faults)

    def put(self, place: str, value: bytes) -> str:
        body = {"metadata": {"name": place}, "data": {"value": base64.b64encode(value).decode()}}
        try:
            self._kube.secrets.replaced(self._namespace, place, body)
        except Refused:
            self._kube.secrets.created(self._namespace, body)
        return self._store.look(place).current_id

    def versions(self, place: str) -> set[str]:
        found = self._kube.secrets.listed(self._namespace)["items"]
        mine = (each["metadata"] for each in found if each["metadata"]["name"].startswith(f"{place}-"))
        return {each["annotations"]["negahban.dev/version"] for each in mine}


class FaultyAws(FaultySecrets):
    """Secrets Manager, in a place of its own. `client`: boto3's, as the administrator."""

    def __init__(self, client: Any, faults: Faults) -> None:
        self._prefix = f"team-{uuid.uuid4()}"
        super().__init__(SecretsManager(self._prefix), faults)
        self._client = client

    def put(self, place: str, value: bytes) -> str:
        given = {"SecretString": value.decode(), "ClientRequestToken": str(uuid.uuid4())}
        try:
            self._client.create_secret(Name=f"{self._prefix}/{place}", **given)
        except self._client.exceptions.ResourceExistsException:
            self._client.put_secret_value(SecretId=f"{self._prefix}/{place}", **given)
        return self._store.look(place).current_id

    def versions(self, place: str) -> set[str]:
        found = self._client.list_secret_version_ids(SecretId=f"{self._prefix}/{place}")["Versions"]
        return {each["VersionId"] for each in found}
