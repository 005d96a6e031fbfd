"""Fakes of what steps of runbooks look at and act on: each answers what a test put there, or raises it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from handlers import looks
from handlers.core.alerts.alertmanagers import Listing
from handlers.core.alerts.matchers import Matcher
from handlers.core.runbooks.attempts import Result, StepState
from handlers.core.runbooks.deployments import Change, Seen, Version
from handlers.core.runbooks.probes import Certificate, Connected, Finished, Page, ReplicaState, Sample
from handlers.core.runbooks.rollbacks import Rollbacks
from handlers.core.words.answers import Actor, JobId, TargetName
from handlers.core.words.errors import OutsideError, Problem, Refusal
from handlers.core.words.text import Text
from handlers.looks import Eyes
from tests.fakes import FakeClock, Faults, MemoryStore

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


def v(name: str) -> Version:
    return Version(name)


@dataclass
class FakeServices:
    """Services (calls `services.…`): `now` is what runs; `answer` is how the first change ends.`during` happens while a
    change is made, which has a call of its own for each service."""

    now: dict[str, Version] = field(default_factory=lambda: {"shop": v("v2")})
    before: dict[str, Version] | None = field(default_factory=lambda: {"shop": v("v1")})
    takes_back: bool = True
    answer: Finished | Problem = field(default_factory=lambda: Finished(0, "rolled"))
    missing: set[str] = field(default_factory=set)
    puts: list[tuple[Change, ...]] = field(default_factory=list)
    during: Callable[[], None] | None = None
    faults: Faults = field(default_factory=Faults)

    def look(self) -> Seen:
        with self.faults.at("services.look"):
            return Seen(dict(self.now), None if self.before is None else dict(self.before))

    def fetch(self, versions: Mapping[str, Version], seconds: float) -> None:
        with self.faults.at("services.fetch"):
            for service, version in versions.items():
                if version.id in self.missing:
                    raise Refusal(Text("{service}: {version} is not here.", service=service, version=version.id))

    def put(self, changes: Sequence[Change], seconds: float, beat: Iterable[None] = ()) -> Finished:
        beats = iter(beat)
        for each in changes:
            running = self.now.get(each.service)
            if running is not None and running.id not in {each.before.id, each.after.id}:
                raise Refusal(Text("{service} was changed by somebody else.", service=each.service))
        self.puts.append(tuple(changes))
        answer, self.answer = self.answer, Finished(0, "rolled")
        if self.during is not None:
            self.during()
        for each in changes:
            next(beats, None)
            with self.faults.at("services.put"):
                if not isinstance(answer, Problem) and answer.code == 0:
                    self.now[each.service] = each.after
        return given_or_raised(answer)


def given_or_raised(answer: Finished | Problem) -> Finished:
    if isinstance(answer, Problem):
        raise answer
    return answer


def rollbacks_of(
    services: FakeServices, clock: FakeClock, eyes: Eyes | None = None, store: MemoryStore | None = None
) -> Rollbacks:
    """Rollbacks over fakes; without eyes there is no health address."""

    def well(seconds: float) -> Result:
        try:
            return looks.http(eyes, {}, seconds) if eyes else Result(StepState.UNKNOWN, Text(""))
        except OutsideError as error:
            return Result(StepState.UNKNOWN, error.text)

    store = store or MemoryStore(clock, services.faults)
    return Rollbacks(TargetName("shop"), services, store, clock, well if eyes else None)
