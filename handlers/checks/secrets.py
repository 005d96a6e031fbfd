"""Secrets: their age against the policy, their stores, what each replica uses, the bot's own tokens, and IAM.

- Each secret, token and account is asked by itself, side by side: one store that hangs hides no other.
- A replica that says nothing is UNKNOWN; while a rotation is at work, so is one that says something else.
- IAM, by the credential report: a password without a second factor, the root without one or with keys, and active keys
  older than 90 days fail. What the report does not say is UNKNOWN. People of an identity provider are not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from handlers.core.health.accesses import ROOT, Cloud, CloudUser, CredentialReport, OwnToken, OwnTokens
from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.vitals import Check, Examiner
from handlers.core.ports import Clock
from handlers.core.rotation.estates import Estate
from handlers.core.rotation.secret_stores import Consumer
from handlers.core.rotation.secrets import Secret
from handlers.core.rotation.standings import standing
from handlers.core.words.answers import TargetName
from handlers.core.words.cards import Tone
from handlers.core.words.text import Code, Seconds, Text, spelled_seconds

TOKEN_LEFT, KEY_AGE = timedelta(days=7), timedelta(days=90)
OWN_SECONDS = 0.6
"""What is left for this check itself of the time it was given."""
IAM = "the credential report"


@dataclass(frozen=True, slots=True)
class SecretsCheck:
    """See the module. `cloud` None: nobody said that there is an account to look at."""

    estate: Estate
    examiner: Examiner
    clock: Clock
    tokens: OwnTokens = field(default_factory=dict)
    cloud: Cloud | None = None

    def __call__(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        """The findings; nothing is raised."""
        checks: dict[str, Check] = {}
        for secret in self.estate.managed.secrets.values():
            checks[f"secret {secret.name}"] = _apart(partial(self._secret, secret))
            for name, consumer in self.estate.consumers.get(secret.name, {}).items():
                if any(use.name == name and use.reports for use in secret.uses):
                    checks[f"replicas {name}, {secret.name}"] = _apart(partial(self._replicas, secret, name, consumer))
        for name, token in self.tokens.items():
            checks[f"token for {name}"] = _apart(partial(self._token, name, token))
        if self.cloud is not None:
            checks["IAM"] = partial(self._accounts, self.cloud)
        found = self.examiner.examine(checks, target, max(0.5, seconds - OWN_SECONDS))
        return tuple(each for findings in found.values() for each in findings)

    def _secret(self, secret: Secret) -> Iterator[Finding]:
        name, source = f"secret {secret.name}", self.estate.store(secret).describe()
        found, limit = standing(self.estate, secret), spelled_seconds(secret.max_age.total_seconds())
        match found.tone:
            case Tone.GOOD | Tone.WORKING | Tone.WARNING:
                yield passed(name, found.text, limit=limit, source=source)
            case Tone.UNKNOWN:
                yield unknown(name, found.text, source=source)
            case _:
                yield failed(name, found.text, limit=limit, source=source)

    def _replicas(self, secret: Secret, name: str, consumer: Consumer) -> Iterator[Finding]:
        title, current = f"replicas {name}, {secret.name}", self.estate.store(secret).look(secret.place).current_id
        reports = consumer.reports(secret.name)
        silent = [each.replica for each in reports if not each.version]
        behind = [each.replica for each in reports if each.version and each.version != current]
        if not current or not reports or silent:
            text = Text("Which version of {secret} is used by {who} is not known.", secret=Code(secret.name),
                        who=", ".join(silent) or name)  # fmt: skip
            yield unknown(title, text, source=name)
        elif behind and standing(self.estate, secret).tone is Tone.WORKING:
            text = Text("A rotation of {secret} is at work: {who} is not there yet.", secret=Code(secret.name),
                        who=", ".join(behind))  # fmt: skip
            yield unknown(title, text, source=name)
        elif behind:
            text = Text("{who} does not use the current {secret}. Restart it, or roll out again.",
                        who=", ".join(behind), secret=Code(secret.name))  # fmt: skip
            yield failed(title, text, value=str(len(behind)), limit="0", source=name)
        else:
            text = Text("{count} replicas of {name} use the current {secret}.", count=len(reports), name=name,
                        secret=Code(secret.name))  # fmt: skip
            yield passed(title, text, value=str(len(reports)), source=name)

    def _token(self, name: str, token: OwnToken) -> Iterator[Finding]:
        title, ends = f"token for {name}", token.ends()
        if ends is None:
            yield passed(title, Text("The bot's token for {name} does not end.", name=name), source=name)
            return
        left = ends - self.clock.now()
        text = Text("The bot's token for {name} ends in {left}.", name=name, left=Seconds(left.total_seconds()))
        if left <= timedelta(0):
            text = Text("The bot's token for {name} has ended.", name=name)
        made = passed if left > TOKEN_LEFT else failed
        yield made(title, text, value=spelled_seconds(max(0.0, left.total_seconds())), limit="7 days", source=name)

    def _accounts(self, cloud: Cloud, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        report = cloud.report(seconds)
        return tuple(accounts(report, self.clock.now()))


def accounts(report: CredentialReport, now: datetime) -> Iterator[Finding]:
    """The judgement of a credential report."""
    if not report.users:
        yield unknown("IAM", Text("The credential report names nobody."), source=IAM)
        return
    yield _factors([each for each in report.users if each.password or each.name == ROOT])
    yield _keys(report.users, now)
    root = next((each for each in report.users if each.name == ROOT), None)
    if root is not None and root.keys:
        text = Text("The root of the account has access keys. Delete them.")
        yield failed("IAM root keys", text, value=str(len(root.keys)), limit="0", source=IAM)


def _factors(people: list[CloudUser]) -> Finding:
    name = "IAM second factor"
    without = [each.name for each in people if each.mfa is False]
    silent = [each.name for each in people if each.mfa is None]
    if without:
        text = Text("Without a second factor: {who}.", who=Code(", ".join(without[:10])))
        return failed(name, text, value=str(len(without)), limit="0", source=IAM)
    if silent:
        text = Text("Whether these have a second factor is not known: {who}.", who=Code(", ".join(silent[:10])))
        return unknown(name, text, source=IAM)
    text = Text("All {count} who have a password have a second factor.", count=len(people))
    return passed(name, text, value="0", limit="0", source=IAM)


def _keys(users: tuple[CloudUser, ...], now: datetime) -> Finding:
    name, limit = "IAM key age", f"{KEY_AGE.days} days"
    keys = [(each.name, key) for each in users for key in each.keys]
    old = [who for who, key in keys if key.rotated is not None and now - key.rotated > KEY_AGE]
    silent = [who for who, key in keys if key.rotated is None]
    if old:
        text = Text("Access keys older than 90 days: {who}.", who=Code(", ".join(dict.fromkeys(old[:10]))))
        return failed(name, text, value=str(len(old)), limit=limit, source=IAM)
    if silent:
        text = Text("The age of these access keys is not known: {who}.", who=Code(", ".join(silent[:10])))
        return unknown(name, text, source=IAM)
    text = Text("{count} access keys are active, none older than 90 days.", count=len(keys))
    return passed(name, text, value=str(len(keys)), limit=limit, source=IAM)


def _apart(look: Callable[[], Iterator[Finding]]) -> Check:
    def check(target: TargetName, seconds: float) -> tuple[Finding, ...]:
        return tuple(look())

    return check
