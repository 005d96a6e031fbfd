"""Fakes of what steps of runbooks look at and act on: each answers what a test put there, or raises it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from handlers.core.alertmanagers import Listing
from handlers.core.answers import Actor, JobId, TargetName
from handlers.core.errors import OutsideError
from handlers.core.matchers import Matcher
from handlers.core.probes import Certificate, Connected, Finished, Page, ReplicaState, Sample
from handlers.core.rollbacks import Change
from handlers.core.text import Text

_T = TypeVar("_T")
AWAY = OutsideError(Text("It could not be asked."))


def given(answer: _T | OutsideError) -> _T:
    if isinstance(answer, OutsideError):
        raise answer
    return answer


@dataclass
class FakeWeb:
    """Web. `during` happens while a page is asked for."""

    answer: Page | OutsideError = field(default_factory=lambda: Page(200, "ok", 0.1))
    asked: list[str] = field(default_factory=list)
    during: Callable[[str], None] | None = None

    def get(self, url: str, seconds: float) -> Page:
        self.asked.append(url)
        if self.during is not None:
            self.during(url)
        return given(self.answer)


@dataclass
class FakeNetwork:
    """Network: names in `names` exist."""

    names: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"db": ("10.0.0.1",)})
    connected: Connected | OutsideError = field(default_factory=lambda: Connected(0.01))
    shown: Certificate | OutsideError = field(default_factory=lambda: Certificate(None, 0.01))
    away: OutsideError | None = None

    def resolve(self, host: str, seconds: float) -> tuple[str, ...]:
        return given(self.away or self.names.get(host, ()))

    def connect(self, host: str, port: int, seconds: float) -> Connected:
        return given(self.connected)

    def tls(self, host: str, port: int, seconds: float) -> Certificate:
        return given(self.shown)


@dataclass
class FakeMetrics:
    """Metrics."""

    answer: tuple[Sample, ...] | OutsideError = ()
    asked: list[str] = field(default_factory=list)

    def ask(self, expression: str, seconds: float) -> tuple[Sample, ...]:
        self.asked.append(expression)
        return given(self.answer)


@dataclass
class FakeMongoState:
    """MongoState."""

    answer: ReplicaState | OutsideError

    def look(self, seconds: float) -> ReplicaState:
        return given(self.answer)


@dataclass
class FakeProgram:
    """Program."""

    answer: Finished | OutsideError = field(default_factory=lambda: Finished(0, "done"))
    ran: list[tuple[str, ...]] = field(default_factory=list)

    def run(self, words: Sequence[str], seconds: float, beat: Iterable[None] = ()) -> Finished:
        self.ran.append(tuple(words))
        return given(self.answer)


@dataclass
class FakeBackups:
    """Backups: ended as told, after so many looks."""

    answer: tuple[bool, Text] = (True, Text("It is kept."))
    looks: int = 2
    begun: list[tuple[str, str]] = field(default_factory=list)

    def begin(self, target: TargetName, actor: Actor, channel: str) -> JobId:
        self.begun.append((target, actor.person))
        return JobId("backupjob")

    def ended(self, job: JobId) -> tuple[bool, Text] | None:
        self.looks -= 1
        return None if self.looks >= 0 else self.answer


@dataclass
class FakeAlertmanager:
    """Alertmanager: remembers silences."""

    silenced: list[tuple[tuple[Matcher, ...], datetime, str]] = field(default_factory=list)
    away: OutsideError | None = None

    def look(self) -> Listing:
        raise AWAY

    def matching(self, matchers: Sequence[Matcher]) -> tuple[Mapping[str, str], ...]:
        raise AWAY

    def silence(self, matchers: Sequence[Matcher], until: datetime, by: str, comment: str, known: str = "") -> str:
        self.silenced.append((tuple(matchers), until, by))
        return given(self.away or "silence-1")

    def lift(self, silence: str) -> None:
        raise AWAY


@dataclass
class FakeNotices:
    """Notices."""

    told: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, channel: str, text: Text, target: TargetName, actor: Actor) -> None:
        self.told.append((channel, str(text)))


@dataclass
class FakeRollback:
    """Rollback. `during` happens while it is done."""

    changes: tuple[Change, ...] = (Change("shop", "v2", "v1"),)
    answer: Finished = field(default_factory=lambda: Finished(0, "rolled"))
    ran: list[tuple[Change, ...]] = field(default_factory=list)
    during: Callable[[], None] | None = None

    def plan(self) -> tuple[Change, ...]:
        return self.changes

    def run(self, changes: Sequence[Change], seconds: float, beat: Iterable[None]) -> Finished:
        self.ran.append(tuple(changes))
        if self.during is not None:
            self.during()
        return self.answer
