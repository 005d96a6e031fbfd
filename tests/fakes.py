"""Fakes of the ports, written once: each keeps its port's contract in memory; tests/contracts holds them to it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from handlers.core.answers import Actor, JobId, PersonId, Surface
from handlers.core.audit import AuditEvent
from handlers.core.errors import OutsideError
from handlers.core.ports import Artifact, Factor, Held, Standing
from handlers.core.text import Text

STEP_SECONDS = 30


class FakeClock:
    """A clock that moves when told, and when somebody sleeps."""

    def __init__(self, moment: datetime = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)) -> None:
        self.moment = moment
        self.on_sleep: Callable[[], None] | None = None

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        if self.on_sleep is not None:
            self.on_sleep()

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class FakeEntropy:
    """Never the same token twice, always the same ones."""

    def __init__(self) -> None:
        self._count = itertools.count()
        self._lock = threading.Lock()

    def token(self, characters: int) -> str:
        with self._lock:
            number = next(self._count)
        letters = "abcdefghijklmnopqrstuvwxyz234567"
        spelled = ""
        for _ in range(characters):
            spelled = letters[number % 32] + spelled
            number //= 32
        return spelled


class MemoryState:
    """State in one process. `flush` forgets everything; `away` makes every call fail."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._values: dict[str, tuple[Held, float | None]] = {}
        self._versions = itertools.count(1)
        self._life = 1
        self._lock = threading.Lock()
        self.away = False
        self.writes = 0

    def _reached(self) -> None:
        if self.away:
            raise OutsideError(Text("Redis does not answer."))

    def _live(self, key: str) -> Held | None:
        found = self._values.get(key)
        if found is None or (found[1] is not None and self._clock.monotonic() >= found[1]):
            self._values.pop(key, None)
            return None
        return found[0]

    def get(self, key: str) -> Held | None:
        with self._lock:
            self._reached()
            return self._live(key)

    def put_if(self, key: str, value: bytes, version: str | None, *, seconds: int | None = None) -> str | None:
        with self._lock:
            self._reached()
            held = self._live(key)
            if (None if held is None else held.version) != version:
                return None
            new = Held(value, f"v{next(self._versions)}")
            self._values[key] = (new, None if seconds is None else self._clock.monotonic() + seconds)
            self.writes += 1
            return new.version

    def delete_if(self, key: str, version: str) -> bool:
        with self._lock:
            self._reached()
            held = self._live(key)
            if held is None or held.version != version:
                return False
            del self._values[key]
            return True

    def keys(self, prefix: str) -> tuple[str, ...]:
        with self._lock:
            self._reached()
            return tuple(sorted(key for key in list(self._values) if key.startswith(prefix) and self._live(key)))

    def incarnation(self) -> str:
        self._reached()
        return f"life {self._life}"

    def restart(self) -> None:
        """As Redis with an append-only file: everything is there, but it may have been lost."""
        self._life += 1

    def flush(self) -> None:
        """Forgets everything."""
        self._values.clear()
        self.restart()


@dataclass
class MemoryQueue:
    """Remembers what was put."""

    jobs: list[JobId] = field(default_factory=list)

    def put(self, job: JobId) -> None:
        self.jobs.append(job)


@dataclass
class MemoryAudit:
    """Remembers what was written. `away` makes it fail."""

    events: list[AuditEvent] = field(default_factory=list)
    away: bool = False

    def write(self, event: AuditEvent) -> None:
        if self.away:
            raise OutsideError(Text("The audit record cannot be written, so nothing was done."))
        self.events.append(event)


@dataclass
class FakePeople:
    """Everybody is a member unless said otherwise."""

    standings: dict[str, Standing] = field(default_factory=dict)

    def standing(self, actor: Actor) -> Standing:
        return self.standings.get(actor.person, "member")


class FakeFactors:
    """Factors whose codes can be asked for: `code(person, step)`."""

    def __init__(self) -> None:
        self._factors: dict[str, Factor] = {}
        self._lock = threading.Lock()

    def add(self, person: str, *, floor_step: int = 0, used: bool = False) -> None:
        self._factors[person] = Factor(PersonId(person), floor_step, used, locked=False, version=1)

    @staticmethod
    def code(person: str, step: int) -> str:
        return f"{(step * 7919 + sum(person.encode())) % 1_000_000:06d}"

    def get(self, person: PersonId, team: str) -> Factor | None:
        return self._factors.get(person)

    def matching_step(self, factor: Factor, team: str, code: str, moment: datetime) -> int | None:
        now = int(moment.timestamp()) // STEP_SECONDS
        return next((step for step in (now, now - 1) if self.code(factor.person, step) == code), None)

    def mark(self, factor: Factor, team: str, *, used: bool, locked: bool) -> Factor | None:
        with self._lock:
            if self._factors[factor.person].version != factor.version:
                return None
            changed = replace(factor, used=used, locked=locked, version=factor.version + 1)
            self._factors[factor.person] = changed
            return changed


class MemoryStore:
    """An artifact store in memory."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.artifacts: dict[str, tuple[bytes, datetime]] = {}
        self.open_uploads: list[MemoryUpload] = []
        self._lock = threading.Lock()

    def open_write(self, key: str) -> MemoryUpload:
        upload = MemoryUpload(self, key, self._clock.now())
        self.open_uploads.append(upload)
        return upload

    def read(self, key: str) -> Iterator[bytes]:
        found = self.get(key)
        if found is None:
            raise OutsideError(Text("It is not there."), permanent=True)
        for start in range(0, len(found), 1 << 20):
            yield found[start : start + (1 << 20)]

    def put_new(self, key: str, data: bytes) -> bool:
        with self._lock:
            if key in self.artifacts:
                return False
            self.artifacts[key] = (data, self._clock.now())
            return True

    def get(self, key: str) -> bytes | None:
        found = self.artifacts.get(key)
        return None if found is None else found[0]

    def list(self, prefix: str) -> tuple[Artifact, ...]:
        return tuple(
            Artifact(key, len(data), moment)
            for key, (data, moment) in sorted(self.artifacts.items())
            if key.startswith(prefix)
        )

    def delete(self, key: str) -> None:
        self.artifacts.pop(key, None)

    def sweep(self, before: datetime, under: str = "") -> int:
        old = [each for each in self.open_uploads if each.begun < before and each.key.startswith(under)]
        for each in old:
            self.open_uploads.remove(each)
        return len(old)

    def describe(self) -> str:
        return "memory"


class MemoryUpload:
    """An upload into a MemoryStore."""

    def __init__(self, store: MemoryStore, key: str, begun: datetime) -> None:
        self.key = key
        self.begun = begun
        self._store = store
        self._data = bytearray()

    def write(self, data: bytes) -> None:
        self._data += data

    def commit(self) -> None:
        self.abort()
        if not self._store.put_new(self.key, bytes(self._data)):
            raise OutsideError(Text("It is taken."), permanent=True)

    def abort(self) -> None:
        if self in self._store.open_uploads:
            self._store.open_uploads.remove(self)


def someone(person: str = "U0SARA", surface: Surface = Surface.SLACK) -> Actor:
    """An actor of the seeded workspace."""
    return Actor(PersonId(person), "T0LOCAL", surface)
