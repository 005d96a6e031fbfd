"""Fakes of the ports, written once: each keeps the contract of its port, in memory; tests/contracts holds them to it.

- `Faults` makes any call of any fake fail, before or after its effect, or ends the whole process there.
- Fakes that share one `Faults` live in one process: after a `Killed` none of them does anything until `revive`, so
  that no clean-up runs which a kill -9 would not have run either.
- What stands outside the process (values, artifacts, collections) is still there after that.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from handlers.core.formats.objects import Receipt
from handlers.core.ports import Artifact, Clock, Factor, Held, Locking, Standing
from handlers.core.words.answers import Actor, JobId, PersonId, Surface
from handlers.core.words.audit import AuditEvent
from handlers.core.words.errors import Damage, OutsideError
from handlers.core.words.text import Text

STEP_SECONDS = 30
PIECE_BYTES = 1 << 20
MAX_KEY_CHARACTERS = 200
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class Killed(BaseException):
    """The process ended here, as by kill -9. Not an Exception: nobody may catch it as a failure."""


class Faults:
    """What goes wrong, and when. Calls are named `store.get`, `database.rename`, …; `*` means every call."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._planned: dict[tuple[str, int], tuple[BaseException, bool]] = {}
        self._meanwhile: dict[tuple[str, int], Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._dead = False

    def fail(self, call: str, nth: int = 1, *, after: bool = False, error: BaseException | None = None) -> None:
        """The nth call from now on raises (an OutsideError); `after`: it took effect, and only its answer was lost."""
        if after and call == "upload.commit":
            raise ValueError("a commit that failed shows nothing: that is the port's promise")
        self._plan(call, nth, error or OutsideError(Text("{call} failed.", call=call)), after)

    def kill(self, call: str = "*", nth: int = 1, *, after: bool = False) -> None:
        """The process ends at the nth call from now on, before or after its effect."""
        self._plan(call, nth, Killed(f"{call} {nth}"), after)

    def meanwhile(self, call: str, nth: int, act: Callable[[], None]) -> None:
        """Something else happens when the nth call from now on has had its effect."""
        self._meanwhile[call, self.calls.count(call) + nth] = act

    def calm(self) -> None:
        """What has not happened meanwhile never does."""
        self._meanwhile.clear()

    def revive(self) -> None:
        """Another process goes on; nothing more is planned."""
        self._dead = False
        self._planned.clear()

    def _plan(self, call: str, nth: int, error: BaseException, after: bool) -> None:
        so_far = len(self.calls) if call == "*" else self.calls.count(call)
        self._planned[call, so_far + nth] = (error, after)

    @contextmanager
    def at(self, call: str) -> Iterator[None]:
        """Around the effect of one call."""
        with self._lock:
            if self._dead:
                raise Killed("this process has ended")
            self.calls.append(call)
            planned = self._planned.pop((call, self.calls.count(call)), None)
            planned = planned or self._planned.pop(("*", len(self.calls)), None)
            act = self._meanwhile.pop((call, self.calls.count(call)), None)
        if planned is not None and not planned[1]:
            self._happen(planned[0])
        yield
        if act is not None:
            act()
        if planned is not None:
            self._happen(planned[0])

    def _happen(self, error: BaseException) -> None:
        self._dead = isinstance(error, Killed)
        raise error


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
    """Never the same token twice, and for one seed always the same ones; their first characters differ too."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._count = itertools.count()

    def token(self, characters: int) -> str:
        mixed = hashlib.shake_256(f"{self._seed} {next(self._count)}".encode()).digest(characters)
        return "".join("abcdefghijklmnopqrstuvwxyz234567"[byte % 32] for byte in mixed)


class MemoryState:
    """State (calls `state.…`). `flush` forgets everything; `away` makes every call fail."""

    def __init__(self, clock: Clock, faults: Faults | None = None) -> None:
        self._clock = clock
        self._faults = faults or Faults()
        self._values: dict[str, tuple[Held, float | None]] = {}
        self._versions = itertools.count(1)
        self._life = 1
        self._lock = threading.Lock()
        self.away = False
        self.writes = 0

    @contextmanager
    def _reached(self, call: str) -> Iterator[None]:
        with self._lock, self._faults.at(f"state.{call}"):
            if self.away:
                raise OutsideError(Text("Redis does not answer."))
            yield

    def _live(self, key: str) -> Held | None:
        found = self._values.get(key)
        if found is None or (found[1] is not None and self._clock.monotonic() >= found[1]):
            self._values.pop(key, None)
            return None
        return found[0]

    def get(self, key: str) -> Held | None:
        with self._reached("get"):
            return self._live(key)

    def put_if(
        self, key: str, value: bytes, version: str | None, *, seconds: int | None = None, touch: str = ""
    ) -> str | None:
        with self._reached("put_if"):
            held = self._live(key)
            if (None if held is None else held.version) != version:
                return None
            new = Held(bytes(value), f"v{next(self._versions)}")
            until = None if seconds is None else self._clock.monotonic() + seconds
            self._values[key] = (new, until)
            if touch:
                marked = self._live(touch)
                times = int(marked.value) if marked is not None and marked.value.isdigit() else 0
                self._values[touch] = (Held(b"%d" % (times + 1), new.version), until)
            self.writes += 1
            return new.version

    def delete_if(self, key: str, version: str) -> bool:
        with self._reached("delete_if"):
            held = self._live(key)
            if held is None or held.version != version:
                return False
            del self._values[key]
            return True

    def keys(self, prefix: str) -> tuple[str, ...]:
        with self._reached("keys"):
            return tuple(sorted(key for key in list(self._values) if key.startswith(prefix) and self._live(key)))

    def incarnation(self) -> str:
        with self._reached("incarnation"):
            return f"life {self._life}"

    def restart(self) -> None:
        """As Redis with an append-only file: everything is there, but it may have been lost."""
        self._life += 1

    def beside(self, faults: Faults) -> MemoryState:
        """The same memory as another process reaches it."""
        other = MemoryState(self._clock, faults)
        other._values, other._versions, other._lock = self._values, self._versions, self._lock
        return other

    def flush(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._values.clear()
        self.restart()


@dataclass
class MemoryQueue:
    """Queue (call `queue.put`). Remembers what was put; `hand_out` is the worker's side."""

    jobs: list[JobId] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)

    def put(self, job: JobId) -> None:
        with self.faults.at("queue.put"):
            self.jobs.append(job)

    def hand_out(self, work: Callable[[JobId], None], times: int = 1) -> None:
        """Gives every job that is there to `work`; more than once is allowed."""
        given, self.jobs[:] = list(self.jobs), []
        for job in given:
            for _ in range(times):
                work(job)


@dataclass
class MemoryAudit:
    """Audit (call `audit.write`). Remembers what was written; `away` makes it fail."""

    events: list[AuditEvent] = field(default_factory=list)
    away: bool = False
    faults: Faults = field(default_factory=Faults)

    def write(self, event: AuditEvent) -> None:
        with self.faults.at("audit.write"):
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
    """Factors (calls `factors.…`) whose codes can be asked for: `code(person, step)`. A person is their own seed."""

    def __init__(self, faults: Faults | None = None) -> None:
        self._factors: dict[str, Factor] = {}
        self._faults = faults or Faults()
        self._lock = threading.Lock()
        self.damaged: set[str] = set()

    def add(self, person: str, *, floor_step: int = 0, used: bool = False) -> None:
        """Enrols, or enrols anew: the version grows."""
        version = self._factors[person].version + 1 if person in self._factors else 1
        self._factors[person] = Factor(PersonId(person), floor_step, used, locked=False, version=version)

    @staticmethod
    def code(person: str, step: int) -> str:
        """Codes of ten thousand steps in a row all differ, as adding 7919 (a prime) wraps only after a million."""
        seed = int.from_bytes(hashlib.sha256(person.encode()).digest()[:8], "big")
        return f"{(step * 7919 + seed) % 1_000_000:06d}"

    def get(self, person: PersonId, team: str) -> Factor | None:
        with self._faults.at("factors.get"):
            if person in self.damaged:
                raise Damage(Text("The second factor of {person} cannot be read.", person=person))
            return self._factors.get(person)

    def matching_step(self, factor: Factor, team: str, code: str, moment: datetime) -> int | None:
        with self._faults.at("factors.matching_step"):
            now = int(moment.timestamp()) // STEP_SECONDS
            return next((step for step in (now, now - 1) if self.code(factor.person, step) == code), None)

    def mark(
        self, factor: Factor, team: str, *, used: bool, locked: bool, failures: int = 0, floor_step: int = 0
    ) -> Factor | None:
        with self._lock, self._faults.at("factors.mark"):
            if self._factors[factor.person].version != factor.version:
                return None
            floor = max(floor_step, factor.floor_step)
            changed = replace(
                factor, used=used, locked=locked, failures=failures, floor_step=floor, version=factor.version + 1
            )
            self._factors[factor.person] = changed
            return changed


class MemoryStore:
    """ArtifactStore (calls `store.…`, `store.piece` for each piece read, and `upload.…`). `lock_mode`: it has versions
    and locks; without one it has neither. `ahead` is how far its clock is before the bot's; `deaf`: it takes the wish
    for a lock and keeps none, as some real stores do."""

    def __init__(self, clock: Clock, faults: Faults | None = None, *, lock_mode: str = "") -> None:
        self.clock = clock
        self.faults = faults or Faults()
        self.lock_mode = lock_mode
        self.artifacts: dict[str, tuple[bytes, datetime]] = {}
        self.receipts: dict[str, Receipt] = {}
        self.hidden: set[str] = set()
        self.open_uploads: list[MemoryUpload] = []
        self.lock = threading.Lock()
        self.ahead = timedelta()
        self.deaf = False
        self._versions = itertools.count(1)

    def open_write(self, key: str, *, lock_until: datetime | None = None) -> MemoryUpload:
        with self.faults.at("store.open_write"):
            self._must_lock(lock_until)
            upload = MemoryUpload(self, _checked(key), self.clock.now(), lock_until)
            self.open_uploads.append(upload)
            return upload

    def read(self, key: str, *, version: str = "") -> Iterator[bytes]:
        with self.faults.at("store.read"):
            found = self.artifacts.get(key) if self._has(_checked(key), version) else None
            if found is None:
                raise OutsideError(Text("There is no {key}.", key=key), permanent=True)
        for start in range(0, len(found[0]), PIECE_BYTES):
            with self.faults.at("store.piece"):
                piece = found[0][start : start + PIECE_BYTES]
            yield piece

    def put_new(self, key: str, data: bytes, *, lock_until: datetime | None = None) -> bool:
        with self.faults.at("store.put_new"):
            self._must_lock(lock_until)
            return self.place(_checked(key), data, lock_until)

    def place(self, key: str, data: bytes, lock_until: datetime | None = None) -> bool:
        """Makes it visible, unless the key is taken or the lock does not come."""
        with self.lock:
            if key in self.artifacts:
                return False
            if lock_until is not None and self.deaf:
                raise OutsideError(Text("{key} is not locked as it was asked for.", key=key), permanent=True)
            self.artifacts[key] = (bytes(data), self.clock.now())
            self.receipts[key] = Receipt(f"v{next(self._versions)}" if self.lock_mode else "", lock_until)
            return True

    def get(self, key: str, *, version: str = "") -> bytes | None:
        with self.faults.at("store.get"):
            return self.artifacts[key][0] if self._has(_checked(key), version) else None

    def list(self, prefix: str) -> tuple[Artifact, ...]:
        with self.faults.at("store.list"):
            return tuple(
                Artifact(key, len(data), at, self.receipts[key].version, key in self.hidden)
                for key, (data, at) in sorted(self.artifacts.items())
                if key.startswith(prefix)
            )

    def receipt(self, key: str, version: str = "") -> Receipt | None:
        with self.faults.at("store.receipt"):
            return self.receipts[key] if self._has(_checked(key), version) else None

    def extend_lock(self, key: str, version: str, until: datetime) -> Receipt:
        with self.lock, self.faults.at("store.extend_lock"):
            there = self._has(_checked(key), version)
            self._must_lock(until)
            if not there:
                raise OutsideError(Text("There is no {key}.", key=key), permanent=True)
            held = self.receipts[key]
            if held.locked_until is None or held.locked_until < until:
                if self.deaf:
                    raise OutsideError(Text("{key} is not locked as it was asked for.", key=key), permanent=True)
                self.receipts[key] = replace(held, locked_until=until)
            return self.receipts[key]

    def locking(self) -> Locking:
        with self.faults.at("store.locking"):
            if self.lock_mode:
                return Locking(self.lock_mode)
            return Locking(why_not=Text("Memory locks nothing."))

    def delete(self, key: str, *, version: str = "") -> None:
        with self.lock, self.faults.at("store.delete"):
            if not self._has(_checked(key), version):
                return
            until = self.receipts[key].locked_until
            if until is not None and until > self._moment():
                raise OutsideError(Text("{key} is locked until {until}.", key=key, until=until), permanent=True)
            del self.artifacts[key], self.receipts[key]
            self.hidden.discard(key)

    def hide(self, key: str) -> None:
        """As a delete without a version id does in a bucket with versions: a delete marker over it."""
        self.hidden.add(key)

    def moment(self) -> datetime:
        with self.faults.at("store.moment"):
            return self._moment()

    def sweep(self, before: datetime, under: str = "") -> int:
        with self.faults.at("store.sweep"):
            old = [each for each in self.open_uploads if each.begun < before and each.key.startswith(under)]
            for each in old:
                self.open_uploads.remove(each)
            return len(old)

    def describe(self) -> str:
        return "memory"

    def _has(self, key: str, version: str) -> bool:
        return key in self.artifacts and (version in {"", self.receipts[key].version} or not self.lock_mode)

    def _must_lock(self, until: datetime | None) -> None:
        if until is not None and not self.lock_mode:
            raise OutsideError(Text("Memory locks nothing."), permanent=True)

    def _moment(self) -> datetime:
        return self.clock.now() + self.ahead


class MemoryUpload:
    """An upload into a MemoryStore. It is there as long as it is among the store's `open_uploads`."""

    def __init__(self, store: MemoryStore, key: str, begun: datetime, lock_until: datetime | None = None) -> None:
        self.key = key
        self.begun = begun
        self._lock_until = lock_until
        self._store = store
        self._data = bytearray()
        self._over = False

    def write(self, data: bytes) -> None:
        with self._store.faults.at("upload.write"):
            if self._over:
                raise OutsideError(Text("The upload of {key} has ended.", key=self.key), permanent=True)
            self._data += data

    def commit(self) -> Receipt:
        with self._store.faults.at("upload.commit"):
            there = self in self._store.open_uploads and not self._over
            self._end()
            if not there:
                raise OutsideError(Text("The upload of {key} is not there any more.", key=self.key))
            if not self._store.place(self.key, bytes(self._data), self._lock_until):
                raise OutsideError(Text("{key} is there already.", key=self.key), permanent=True)
            return self._store.receipts[self.key]

    def abort(self) -> None:
        """What cannot be removed stays for `sweep`."""
        try:
            with self._store.faults.at("upload.abort"):
                self._end()
        except OutsideError:
            self._over = True

    def _end(self) -> None:
        self._over = True
        if self in self._store.open_uploads:
            self._store.open_uploads.remove(self)


def _checked(key: str) -> str:
    if len(key) > MAX_KEY_CHARACTERS or not _KEY.fullmatch(key):
        raise OutsideError(Text("{key} is not a name that the store takes.", key=key), permanent=True)
    return key


def someone(person: str = "U0SARA", surface: Surface = Surface.SLACK) -> Actor:
    """An actor of the seeded workspace."""
    return Actor(PersonId(person), "T0LOCAL", surface)
