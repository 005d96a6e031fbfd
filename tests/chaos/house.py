"""A desk with real MongoDB, Redis and files behind it, and one breaking point built into it.

- A point is a word: `rename.2.before` is the moment before the second rename; `put.decision.after` the moment after the
  journal's decision was stored; `read.1.after` after the first piece of a dump; `fed.1.after` after the first piece was
  given to the loader.
- What happens there is the caller's: kill this process, kill MongoDB, kill a tool.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.command import ShellCommand
from bot.adapters.mongo import Engine, MongoDatabase
from bot.adapters.mongo.scratch import ScratchMongod
from bot.adapters.state_redis import RedisState
from bot.adapters.store_directory import DirectoryStore
from handlers.backup import BackupHandler
from handlers.core.backups.catalogue import Catalogue
from handlers.core.backups.holdings import Holdings
from handlers.core.backups.keeping import Keeping
from handlers.core.door.approval import Gate
from handlers.core.door.desk import Began, Desk, Outside
from handlers.core.door.records import Jobs
from handlers.core.ports import NO_DATA_KEYS, ArtifactStore, LoadEvidence, Target
from handlers.core.restores.drills import Laboratory
from handlers.core.restores.restorations import Restorations
from handlers.core.rotation.data_key_books import DataKeyBook
from handlers.core.rotation.estates import Estate
from handlers.core.rotation.key_holds import KeyHolds
from handlers.core.rotation.rotations import Rotations
from handlers.core.words.answers import Actor, Invocation, JobId, TargetName
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.questions import Question
from handlers.restore import RestoreHandler
from handlers.rotate import RotateHandler
from tests.fakes import FakeFactors, FakePeople, MemoryAudit, MemoryQueue, someone

SHOP = TargetName("shop")
SARA = someone("U0SARA")


class QuickClock(SystemClock):
    """Waits less, at most `longest_seconds`; `meanwhile` is what happens while somebody waits; `ahead`: how much later
    it is here."""

    longest_seconds = 0.2

    meanwhile: Callable[[], None] = staticmethod(lambda: None)
    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.meanwhile()
        super().sleep(min(seconds, self.longest_seconds))


@dataclass
class Break:
    """Where something happens, once. An empty point: nowhere."""

    point: str = ""
    action: Callable[[], None] = lambda: None
    reached: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    own: threading.local = field(default_factory=threading.local)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def at(self, method: str, when: str) -> None:
        """Says that this moment has come. A few steps are taken at once: each knows its own number."""
        with self.lock:
            if when == "before":
                self.counts[method] = self.counts.get(method, 0) + 1
                setattr(self.own, method, self.counts[method])
            nth = getattr(self.own, method)
            if self.point not in {f"{method}.{nth}.{when}", f"{method}.{when}"} or self.reached:
                return
            self.reached = True
        self.action()


class BreakingDatabase(MongoDatabase):
    """The real one, with moments."""

    breaking = Break()

    def _around(self, method: str, call: Callable[[], None]) -> None:
        self.breaking.at(method, "before")
        call()
        self.breaking.at(method, "after")

    def rename(self, name: str, to: str) -> None:
        self._around("rename", lambda: super(BreakingDatabase, self).rename(name, to))

    def drop(self, name: str) -> None:
        self._around("drop", lambda: super(BreakingDatabase, self).drop(name))

    def create_indexes(self, name: str, indexes: Sequence[str], *, expire: bool) -> None:
        self._around("index", lambda: super(BreakingDatabase, self).create_indexes(name, indexes, expire=expire))

    def set_expiry(self, name: str, indexes: Sequence[str]) -> None:
        self._around("expiry", lambda: super(BreakingDatabase, self).set_expiry(name, indexes))

    def create_view(self, spec: Any) -> None:
        self._around("view", lambda: super(BreakingDatabase, self).create_view(spec))

    def copy_timeseries(self, spec: Any, source: str, to: str) -> None:
        self._around("copy", lambda: super(BreakingDatabase, self).copy_timeseries(spec, source, to))

    @contextmanager
    def dump(self) -> Iterator[Any]:
        with super().dump() as dump:
            yield BreakingDump(dump, self.breaking)

    def load(self, packed: Iterable[bytes], prefix: str, names: Container[str]) -> LoadEvidence:
        def watched() -> Iterator[bytes]:
            for piece in packed:
                self.breaking.at("fed", "before")
                # Fed in two, so that there is a moment in the middle of the archive whatever its size.
                yield piece[: len(piece) // 2]
                self.breaking.at("fed", "after")
                yield piece[len(piece) // 2 :]

        return super().load(watched(), prefix, names)


class BreakingDump:
    """A dump with moments."""

    def __init__(self, inner: Any, breaking: Break) -> None:
        self._inner, self._breaking = inner, breaking

    @property
    def raw_bytes(self) -> int:
        return int(self._inner.raw_bytes)

    def read(self) -> bytes:
        self._breaking.at("read", "before")
        piece: bytes = self._inner.read()
        self._breaking.at("read", "after")
        return piece

    def evidence(self) -> Any:
        return self._inner.evidence()


class BreakingStore(DirectoryStore):
    """The real one, with moments around what the journal and the catalogue put, and what is deleted."""

    breaking = Break()

    def put_new(self, key: str, data: bytes, *, lock_until: datetime | None = None) -> bool:
        name = f"put.{Path(key).stem}"
        self.breaking.at(name, "before")
        stored = super().put_new(key, data, lock_until=lock_until)
        self.breaking.at(name, "after")
        return stored

    def delete(self, key: str, *, version: str = "") -> None:
        self.breaking.at("delete", "before")
        super().delete(key, version=version)
        self.breaking.at("delete", "after")


class BreakingScratch(ScratchMongod):
    """The real one, whose databases have moments."""

    breaking = Break()

    def database(self, uri: str, path: str) -> BreakingDatabase:
        database = BreakingDatabase(uri, path=path)
        database.breaking = self.breaking
        return database


@dataclass
class House:
    """The desk and what a test asks about."""

    desk: Desk
    state: RedisState
    store: ArtifactStore
    catalogue: Catalogue
    factors: FakeFactors
    clock: QuickClock
    breaking: Break
    database: BreakingDatabase
    others: tuple[BreakingDatabase, ...] = ()

    def close(self) -> None:
        """Ends its connections to MongoDB."""
        for each in (self.database, *self.others):
            each.close()

    def asked(self, command: str, *words: str, by: Actor = SARA) -> JobId:
        """A job that was asked for, and confirmed when it must be. A code counts once: who confirms twice within half a
        minute must be another person."""
        if by != SARA:
            self.factors.add(by.person)
        answer = self.desk.ask(Invocation(command, words, by, "C0OPS"))
        assert isinstance(answer, Began), answer
        if self.loaded(answer.job).state is JobState.OFFERED:
            challenge = self.desk.challenge(answer.job, by)
            step = int(self.clock.now().timestamp()) // 30
            verdict = self.desk.approve(challenge.id, by, self.factors.code(by.person, step))
            assert not hasattr(verdict, "text"), verdict
        return answer.job

    def loaded(self, job: JobId) -> Job:
        """The job's record."""
        found = self.desk.load(job)
        assert found is not None
        return found


def house(
    uri: str,
    redis_url: str,
    folder: Path,
    path: str,
    breaking: Break | None = None,
    elsewhere: ArtifactStore | None = None,
    *,
    keep_hours: int = 0,
    scratch: str = "",
    questions: tuple[Question, ...] = (),
    loader: Engine = "native",
    servers: Mapping[str, str] = {},
    secrets: Callable[[ArtifactStore], Estate] | None = None,
) -> House:
    """Builds one; every process builds its own. `elsewhere`: a store in place of the folder; `scratch`: where drills
    keep their data; `servers`: the addresses of other servers, by the names to restore to; `secrets`: what is
    rotated, if anything."""
    breaking = breaking or Break()
    clock, entropy, factors = QuickClock(), SystemEntropy(), FakeFactors()
    factors.add("U0SARA")
    state, breaking_store = RedisState(redis_url), BreakingStore(folder)
    drilling = BreakingScratch("mongod", scratch, path=path)
    drilling.breaking = breaking
    database = BreakingDatabase(uri, path=path, stall_seconds=20, loader=loader)
    database.breaking = breaking_store.breaking = breaking
    store = elsewhere or breaking_store
    estate = None if secrets is None else replace(secrets(store), clock=clock)
    keys = NO_DATA_KEYS if estate is None else DataKeyBook(estate, SHOP)
    targets = {SHOP: Target(SHOP, database, store, ShellCommand("", uri), keys)}
    others, opened = {}, []
    for name, address in servers.items():
        other = BreakingDatabase(address, path=path, stall_seconds=20, loader=loader)
        other.breaking = breaking
        opened.append(other)
        others[TargetName(name)] = Target(TargetName(name), other, store, ShellCommand("", ""))
    targets |= others
    catalogues = {each: Catalogue(each, store) for each in targets}
    catalogue = catalogues[SHOP]
    keeping = Keeping(Holdings(targets, catalogues, clock), state, clock)
    handlers: Any = {
        "backup": BackupHandler(targets, catalogues, Jobs(state), clock, keeping, Laboratory(drilling, questions)),
        "restore": RestoreHandler(Restorations(targets, catalogues, clock, servers=others), keep_hours=keep_hours),
    }
    if estate is not None:
        held = replace(estate, holds=KeyHolds(store, catalogues, SHOP, Jobs(state)))
        handlers["rotate"] = RotateHandler(Rotations(held))
    outside = Outside(state, MemoryQueue(), MemoryAudit(), FakePeople(), clock, entropy)
    desk = Desk(handlers, Gate(state, factors, clock, entropy), outside)
    return House(desk, state, store, catalogue, factors, clock, breaking, database, tuple(opened))
