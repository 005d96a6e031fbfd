"""A dump with a slice of the oplog around it is the database at one moment; slices after it lead to any later one."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pymongo.database import Database

from bot.adapters.mongo import MongoDatabase
from handlers.core.manifests import CollectionKind, CollectionSpec, incomplete
from handlers.core.optimes import OpTime
from handlers.core.ports import SliceEvidence
from tests.bot.mongo import traffic
from tests.bot.mongo.traffic import TOTAL, Traffic
from tests.fake_database import EveryName

Real = Database[dict[str, Any]]
PREFIX = "__rst_test_"
SLOW_SECONDS = 0.02
INSTANTS = 20


@dataclass
class Capture:
    """A dump and the slice around it."""

    archive: list[bytes] = field(default_factory=list)
    slice: list[bytes] = field(default_factory=list)
    specs: tuple[CollectionSpec, ...] = ()
    seen: SliceEvidence | None = None

    @property
    def end(self) -> OpTime:
        assert self.seen is not None
        return self.seen.end


def captured(adapter: MongoDatabase, *, pause_seconds: float = 0.0) -> Capture:
    """Takes one, as slowly as told."""
    taken = Capture()
    with adapter.tail(None) as tail:
        with adapter.dump() as dump:
            while piece := dump.read():
                taken.archive.append(piece)
                taken.slice.append(tail.read())
                time.sleep(pause_seconds)
            evidence = dump.evidence()
        taken.slice.append(tail.finish(through=adapter.now()))
        taken.seen = tail.evidence()
    assert incomplete(evidence) is None
    assert taken.seen.problem is None
    taken.specs = evidence.announced
    return taken


def loaded(adapter: MongoDatabase, taken: Capture, prefix: str = PREFIX) -> None:
    solid = {spec.name for spec in taken.specs if spec.kind is not CollectionKind.VIEW}
    evidence = adapter.load(taken.archive, prefix, solid)
    assert (evidence.return_code, evidence.failed) == (0, 0)


def test_a_dump_is_torn_and_its_slice_makes_it_whole(adapter: MongoDatabase, real: Real) -> None:
    bank = Traffic(real, "x" * 40_000)
    with bank.flowing():
        taken = captured(adapter, pause_seconds=SLOW_SECONDS)
        # More happens that is not to be seen.
        time.sleep(0.2)
    loaded(adapter, taken)
    torn = traffic.money(real, PREFIX)
    assert torn != bank.balances(traffic.ledger(real, PREFIX))
    evidence = adapter.replay([taken.slice], PREFIX, taken.specs, names=EveryName())
    assert evidence.entries > 100
    whole = traffic.money(real, PREFIX)
    assert whole.total() == TOTAL
    assert whole == bank.balances(traffic.ledger(real, PREFIX))
    assert traffic.held(real, PREFIX) == traffic.seen_at(real, taken.end)
    assert [replace(spec, documents=0) for spec in evidence.specs] == [
        replace(spec, documents=0, size_bytes=0) for spec in taken.specs
    ]
    print(torn.total(), evidence.entries)


def test_every_moment_after_a_backup_can_be_reached(adapter: MongoDatabase, real: Real) -> None:
    bank, draw = Traffic(real, "x" * 100), random.Random(11)
    slices: list[list[bytes]] = []
    with bank.flowing():
        taken = captured(adapter)
        end = taken.end
        for _ in range(4):
            with adapter.tail(end) as tail:
                time.sleep(0.4)
                pieces = [tail.read() for _ in range(3)]
                slices.append([*pieces, tail.finish()])
                end = tail.evidence().end
    loaded(adapter, taken, "base_")
    numbers = set()
    for number in range(INSTANTS):
        seconds = draw.randrange(taken.end.seconds, end.seconds + 1)
        increment = draw.randrange(1, 400)
        moment = min(max(OpTime(seconds, increment), taken.end), end)
        prefix = f"r{number}_"
        for name in traffic.COLLECTIONS:
            list(real["base_" + name].aggregate([{"$out": prefix + name}]))
        evidence = adapter.replay([taken.slice, *slices], prefix, taken.specs, names=EveryName(), until=moment)
        assert evidence.last is not None
        assert evidence.last <= moment
        there = traffic.ledger(real, prefix)
        numbers.add(len(there))
        assert traffic.money(real, prefix) == bank.balances(there)
        assert traffic.held(real, prefix) == traffic.seen_at(real, moment)
        for name in traffic.COLLECTIONS:
            real.drop_collection(prefix + name)
    assert len(numbers) > INSTANTS // 2
    print(sorted(numbers), len(bank.moved))
