"""A shop with two backups in memory, made and restored by the real handlers; only MongoDB is played (see archives).

- `World.copy` is a world of its own whose store may be damaged.
- `World.restore` asks, confirms, runs and, after a failure, recovers, as the desk and its worker do.
- `guard_of` names the safeguard whose sentence a person would have read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pyrage
from bson import json_util

from handlers.core.backups.captures import capture
from handlers.core.backups.catalogue import Catalogue
from handlers.core.formats.manifests import BackupKind, CollectionKind, Manifest
from handlers.core.formats.objects import Packing, Receipt
from handlers.core.ports import Target
from handlers.core.restores.restorations import Restorations
from handlers.core.words.answers import Confirm, Invocation, JobId, Plan, TargetName
from handlers.core.words.digests import Json, canonical, digest
from handlers.core.words.errors import Problem
from handlers.core.words.jobs import Job, JobState, Progress
from handlers.core.words.text import Text
from handlers.restore import RestoreHandler
from tests.chaos.archives import SECRET, ArchiveDatabase
from tests.fake_database import FakeCommand
from tests.fakes import FakeClock, MemoryStore, someone

SHOP = TargetName("shop")
SARA = someone("U0SARA")


@dataclass
class QuietWork:
    """Work that tells nobody."""

    job: Job

    def check(self) -> None:
        return

    def progress(self, progress: Progress) -> None:
        return

    def note(self, note: Text) -> None:
        return

    def record(self, event: str, **facts: Json) -> None:
        return

    def settle(self) -> None:
        return


@dataclass
class World:
    """A database, its store, and the newest two of its backups."""

    database: ArchiveDatabase
    store: MemoryStore
    clock: FakeClock
    first: Manifest
    second: Manifest

    def copy(self) -> World:
        """With the same live data and artifacts."""
        database, clock = ArchiveDatabase(), FakeClock(self.clock.moment)
        database.packing, store = self.database.packing, MemoryStore(clock)
        database.there = {
            name: replace(each, documents=list(each.documents)) for name, each in self.database.there.items()
        }
        store.artifacts, store.receipts = dict(self.store.artifacts), dict(self.store.receipts)
        return World(database, store, clock, self.first, self.second)

    def live(self) -> object:
        """All that people would see, and the identity of each collection."""
        return {
            name: (each.kind, each.options, tuple(each.indexes), json_util.dumps(each.documents), each.uuid)
            for name, each in self.database.there.items()
        }

    def content(self) -> object:
        """What is there, whatever its identity."""
        return self.database.content()

    def put(self, key: str, data: bytes | None) -> None:
        """Into the store, over what is there; None takes it away."""
        if data is None:
            del self.store.artifacts[key], self.store.receipts[key]
        else:
            self.store.artifacts[key] = (data, self.clock.moment)
            self.store.receipts.setdefault(key, Receipt())

    def get(self, key: str) -> bytes:
        """What is stored there."""
        return self.store.artifacts[key][0]

    def _handler(self, target: Target) -> RestoreHandler:
        catalogues = {SHOP: Catalogue(SHOP, self.store)}
        return RestoreHandler(Restorations({SHOP: target}, catalogues, self.clock), keep_hours=0)

    def restore(self, between: Callable[[], None] = lambda: None) -> None:
        """The first backup. `between` happens after it was confirmed. Raises the Problem that stopped it."""
        target = Target(SHOP, self.database, self.store, FakeCommand())
        handler = self._handler(target)
        answer = handler.ask(Invocation("restore", (self.first.id,), SARA, "C0OPS"))
        assert isinstance(answer, Confirm)
        job = job_of(answer.draft.operation, answer.draft.arguments, self.clock, "restore")
        between()
        handler = self._handler(target)
        try:
            outcome = handler.run(QuietWork(job))
        except Problem as problem:
            handler.recover(job, problem.text)
            raise
        assert outcome.state is JobState.DONE


def job_of(operation: str, arguments: Any, clock: FakeClock, word: str) -> Job:
    """A running job."""
    plan = Plan(operation, SHOP, arguments, SARA, "C0OPS", clock.now().isoformat(), "nonce")
    return Job(JobId(f"{word}aaaaaaaa"[:8]), plan, JobState.RUNNING, clock.now())


def world(*, encrypted: bool) -> World:
    """Two backups, and live data that is neither."""
    clock, database = FakeClock(), ArchiveDatabase()
    if encrypted:
        database.packing = Packing(3, (str(pyrage.x25519.Identity.from_str(SECRET).to_public()),))
    store = MemoryStore(clock)
    catalogue, target = Catalogue(SHOP, store), Target(SHOP, database, store, FakeCommand())
    made = []
    for round_, word in enumerate(("first", "second")):
        _fill(database, round_)
        work = QuietWork(job_of("backup.now", {}, clock, f"{word}b"))
        made.append(capture(target, catalogue, BackupKind.MANUAL, work, clock))
        clock.advance(3600)
    _fill(database, 2)
    return World(database, store, clock, made[0], made[1])


def _fill(database: ArchiveDatabase, round_: int) -> None:
    unique = '{"key":{"sku":{"$numberInt":"1"}},"name":"sku_1","unique":true}'
    items = [{"_id": number, "sku": f"s{number}", "text": f"{number * 7919} of {round_}"} for number in range(20)]
    database.add("items", items, indexes=[unique])
    database.add("orders", [{"_id": number, "total": number * 3 + round_} for number in range(12 + round_)])
    database.add(
        "weather", [{"_id": f"b{round_}"}], kind=CollectionKind.TIMESERIES, options='{"timeseries":{"timeField":"t"}}'
    )
    database.add("cheap", kind=CollectionKind.VIEW, options='{"pipeline":[],"viewOn":"items"}')
    if round_ != 1:
        database.add(f"only{round_}", [{"_id": 1}])


def resealed(stored: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A manifest that was changed by somebody who can count its digests."""
    body = json.loads(stored)
    del body["digest"]
    change(body)
    for spec in body["collections"]:
        if isinstance(spec, dict):
            spec["fingerprint"] = digest("collection", [spec[name] for name in ("name", "kind", "options", "indexes")])
    return canonical({**body, "digest": digest("manifest", body)})


GUARDS = {
    "A manifest in the store is damaged": "manifest",
    "belongs to another backup": "place",
    "There is no backup": "catalogue",
    "is not the one that was confirmed": "plan",
    "no key that opens it": "key",
    "There is no v1/": "store",
    "the SHA-256 of": "checksum",
    "No key of this host": "age header",
    "cannot be decrypted": "age",
    "cannot be unpacked": "zstd",
    "is not an archive": "archive",
    "Loading ended with": "loader",
    "do not name the same collections": "names",
    "documents were loaded; the backup holds": "count",
    "is not what was saved": "definitions",
}


def guard_of(problem: Problem) -> str:
    """Which safeguard spoke."""
    return next((guard for words, guard in GUARDS.items() if words in str(problem)), f"? {problem}")
