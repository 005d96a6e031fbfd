"""Replaying an hour of small writes, against `mongorestore --oplogReplay` of the same entries."""

from __future__ import annotations

import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import DeleteOne, InsertOne, UpdateOne
from pymongo.database import Database

from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.packing import unpacked
from handlers.core.formats.manifests import CollectionKind, CollectionSpec
from handlers.core.ports import SliceEvidence
from sandbox.parts import require
from sandbox.servers.mongod import Mongod
from tests.bench.page import Section, megabytes

OPERATIONS = 20_000
TRANSACTIONS = 1_000
ROUNDS = 3
NAMES = ("orders", "visits")
PREFIX = "staged_"
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A slice of the oplog, and where it is replayed. `read_seconds`: how long it took to read and pack it."""

    mongod: Mongod
    real: Database[dict[str, Any]]
    adapter: MongoDatabase
    packed: list[bytes]
    seen: SliceEvidence
    read_seconds: float

    def ours(self) -> tuple[float, int]:
        """Seconds and entries of our replay, beside the live data."""
        self._emptied(PREFIX)
        specs = [CollectionSpec(name, CollectionKind.COLLECTION, "{}", (), 0) for name in NAMES]
        begun = time.perf_counter()
        evidence = self.adapter.replay([self.packed], PREFIX, specs, names=set(NAMES))
        return time.perf_counter() - begun, evidence.entries

    def theirs(self, place: Path) -> float:
        """Seconds of mongorestore's, into the live data."""
        self._emptied("")
        begun = time.perf_counter()
        command = [str(require("mongorestore")), f"--uri={self.mongod.uri()}", "--oplogReplay", "--quiet", str(place)]
        subprocess.run(command, check=True)
        return time.perf_counter() - begun

    def _emptied(self, prefix: str) -> None:
        for name in NAMES:
            self.real.drop_collection(prefix + name)
            self.real.create_collection(prefix + name)


@contextmanager
def prepared() -> Iterator[Prepared]:
    """An hour of small writes."""
    with (
        Mongod(cache_gigabytes=1) as mongod,
        mongod.client() as client,
        closing(MongoDatabase(mongod.uri("bench"))) as adapter,
    ):
        real = client.get_database("bench")
        yield Prepared(mongod, real, adapter, *_slice(adapter, real))


def measure() -> Section:
    """See the module."""
    with prepared() as bench, tempfile.TemporaryDirectory() as place:
        seen, read_seconds = bench.seen, bench.read_seconds
        Path(place, "oplog.bson").write_bytes(b"".join(unpacked(bench.packed)))
        ours, theirs, count = [], [], 0
        for number in range(-1, ROUNDS):
            seconds, count = bench.ours()
            other = bench.theirs(Path(place))
            print(f"  round {number + 1}: ours {seconds:.2f} s, mongorestore {other:.2f} s", flush=True)
            if number >= 0:
                ours.append(seconds)
                theirs.append(other)
    mine, other = statistics.median(ours), statistics.median(theirs)
    ratio = statistics.median(one / two for one, two in zip(theirs, ours, strict=True))
    return Section(
        "replay",
        "Replaying the oplog",
        f"**{count / mine:,.0f} small operations a second are replayed, {ratio:.1f} times as many as by "
        f"`mongorestore --oplogReplay`**, which cannot replay beside the live data. {count:,} operations in "
        f"{seen.entries:,} entries, {megabytes(seen.raw_bytes)} of oplog stored in {megabytes(seen.stored_bytes)}; "
        f"{ROUNDS} rounds in turns after one to warm up, medians.",
        ("what", "seconds", "operations per second"),
        (
            ("reading the slice out of the oplog, packed", f"{read_seconds:.2f}", f"{count / read_seconds:,.0f}"),
            ("`mongorestore --oplogReplay`", f"{other:.2f}", f"{count / other:,.0f}"),
            ("our replay, beside the live data", f"{mine:.2f}", f"{count / mine:,.0f}"),
        ),
        "Inserts, updates of one or two fields, pushes and deletes of documents of about 150 bytes, and transactions "
        "of three writes. A majority, of a replica set of one, has every batch before the next one is sent.",
    )


def _slice(adapter: MongoDatabase, real: Database[dict[str, Any]]) -> tuple[list[bytes], SliceEvidence, float]:
    for name in NAMES:
        real.create_collection(name)
    with adapter.tail(None) as tail:
        _write(real)
        goal, begun, packed = adapter.now(), time.perf_counter(), []
        while tail.last < goal:
            packed.append(tail.read())
        packed.append(tail.finish(through=goal))
        return packed, tail.evidence(), time.perf_counter() - begun


def _write(real: Database[dict[str, Any]]) -> None:
    draw = random.Random(3)
    for batch in range(OPERATIONS // (_BATCH * len(NAMES))):
        for name in NAMES:
            first = batch * _BATCH
            real[name].bulk_write([_operation(draw, first + number) for number in range(_BATCH)], ordered=True)
    for number in range(TRANSACTIONS):
        with real.client.start_session() as session, session.start_transaction():
            real.orders.update_one({"_id": 0}, {"$inc": {"total": 1}}, session=session)
            real.visits.update_one({"_id": 0}, {"$inc": {"total": -1}}, session=session)
            real.orders.insert_one({"_id": -1 - number, "of": "a transaction"}, session=session)


def _operation(draw: random.Random, number: int) -> InsertOne[dict[str, Any]] | UpdateOne | DeleteOne:
    known = draw.randrange(max(number, 1)) // 2 * 2
    match number % 4:
        case 0 | 2:
            return InsertOne(
                {"_id": number, "customer": draw.randrange(999), "note": "x" * 100, "total": 0, "lines": []}
            )
        case 1:
            return UpdateOne({"_id": known}, {"$set": {"state": "paid"}, "$inc": {"total": 1}}, upsert=True)
        case _ if number % 16 == 15:
            return DeleteOne({"_id": known})
        case _:
            return UpdateOne({"_id": known}, {"$push": {"lines": number}}, upsert=True)
