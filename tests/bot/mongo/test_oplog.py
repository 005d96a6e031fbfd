"""A dump with a slice of the oplog around it is the database at one moment; slices after it lead to any later one."""

from __future__ import annotations

import hashlib
import random
import time
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Binary, Int64
from pymongo import WriteConcern
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.entries import entries, stamp_of, time_of
from bot.adapters.mongo.oplog import OplogTail
from bot.adapters.mongo.packing import Packer, unpacked
from bot.adapters.mongo.primary import Primary
from handlers.core.formats.manifests import CollectionKind, CollectionSpec, incomplete
from handlers.core.formats.objects import Packing
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import SliceEvidence
from handlers.core.words.errors import Damage, OutsideError, Refusal
from sandbox.servers.mongod import Member, Mongod
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
    # More than a batch of mongodump's in each collection, so that the last of it is read late.
    bank = Traffic(real, 60_000)
    with bank.flowing():
        taken = captured(adapter, pause_seconds=SLOW_SECONDS)
        # More happens that is not to be seen.
        time.sleep(0.2)
    loaded(adapter, taken)
    torn = traffic.money(real, PREFIX)
    assert torn != bank.balances(traffic.ledger(real, PREFIX))
    evidence = adapter.replay([taken.slice], PREFIX, taken.specs, names=EveryName())
    assert evidence.entries > 100
    whole, names = traffic.money(real, PREFIX), set(traffic.COLLECTIONS)
    assert whole.total() == TOTAL
    assert whole == bank.balances(traffic.ledger(real, PREFIX))
    assert traffic.held(real, PREFIX, names) == traffic.seen_at(real, taken.end, names)
    assert [replace(spec, documents=0) for spec in evidence.specs] == [
        replace(spec, documents=0, size_bytes=0) for spec in taken.specs
    ]


def test_every_moment_after_a_backup_can_be_reached(adapter: MongoDatabase, real: Real) -> None:
    bank, draw = Traffic(real, 100), random.Random(11)
    slices: list[list[bytes]] = []
    with bank.flowing(large_seconds=0.7):
        taken = captured(adapter)
        end = taken.end
        for _ in range(4):
            with adapter.tail(end) as tail:
                time.sleep(0.3)
                slices.append([tail.read(), tail.finish()])
                assert tail.start == end
                end = tail.evidence().end
    loaded(adapter, taken, "base_")
    # Many of them lie before the backup's end or after the last slice's, and how many is the machine's speed.
    moments = [OpTime(draw.randrange(taken.end.seconds, end.seconds + 1), draw.randrange(1, 300)) for _ in range(2_000)]
    inside = [moment for moment in moments if taken.end <= moment <= end]
    moments = [taken.end, *inside[: INSTANTS - 2], end]
    numbers = set()
    for count, moment in enumerate(moments):
        # The large documents are copied a few times only: they take all the time.
        names = set(traffic.COLLECTIONS) - (set() if count % 9 == 0 else {"papers"})
        for name in names:
            list(real["base_" + name].aggregate([{"$out": PREFIX + name}]))
        evidence = adapter.replay([taken.slice, *slices], PREFIX, taken.specs, names=names, until=moment)
        assert evidence.last is None or evidence.last <= moment
        there = traffic.ledger(real, PREFIX)
        numbers.add(len(there))
        assert traffic.money(real, PREFIX) == bank.balances(there)
        assert traffic.held(real, PREFIX, names) == traffic.seen_at(real, moment, names)
    assert len(moments) == INSTANTS
    assert len(numbers) > INSTANTS // 2


def test_a_slice_holds_what_is_of_its_database_and_nothing_else(adapter: MongoDatabase, real: Real) -> None:
    other = real.client[real.name + "x"]
    for each in (real, other):
        each.create_collection("c")
    with adapter.tail(None) as tail:
        other.c.insert_one({"secret": 1})
        other.create_collection("d")
        real.c.insert_one({"_id": 1})
        for large in (False, True):
            with real.client.start_session() as session, session.start_transaction():
                for _ in range(3):
                    other.c.insert_one({"secret": "x" * (6_000_000 if large else 1)}, session=session)
                real.c.insert_one({"_id": f"with others {large}"}, session=session)
        with real.client.start_session() as session, session.start_transaction():
            other.c.insert_one({"secret": "alone"}, session=session)
        packed = [tail.read(), tail.finish(through=adapter.now())]
        evidence = tail.evidence()
    raw = b"".join(unpacked(packed))
    assert b"secret" not in raw
    assert len(raw) == evidence.raw_bytes < 10_000
    assert len(b"".join(packed)) == evidence.stored_bytes
    assert hashlib.sha256(b"".join(packed)).hexdigest() == evidence.sha256
    assert evidence.entries == len(list(entries([raw])))
    real.create_collection(PREFIX + "c")
    spec = CollectionSpec("c", CollectionKind.COLLECTION, "{}", (), 0)
    adapter.replay([packed], PREFIX, [spec], names={"c"})
    assert {each["_id"] for each in real[PREFIX + "c"].find()} == {1, "with others False", "with others True"}
    real.client.drop_database(other.name)


def test_a_read_is_bounded_and_says_that_more_is_waiting(adapter: MongoDatabase, real: Real) -> None:
    with adapter.tail(None) as tail:
        assert not tail.waiting
        for number in range(4):
            real.c.insert_one({"_id": number, "text": "x" * 9_000_000})
        goal, packed = adapter.now(), []
        waits: list[bool] = []
        while tail.last < goal:
            packed.append(tail.read())
            waits.append(tail.waiting)
        packed.append(tail.finish(through=goal))
    assert waits.count(True) >= 1
    assert len(list(entries(unpacked(packed)))) == 5


def test_a_rename_makes_a_dump_untrustworthy_unless_its_source_is_new(adapter: MongoDatabase, real: Real) -> None:
    real.a.insert_one({})
    with adapter.tail(None) as tail:
        real.b.insert_one({})
        real.b.rename("c")
        real.c.rename("d")
        list(real.d.aggregate([{"$out": "a"}]))
        tail.finish(through=adapter.now())
        assert tail.evidence().problem is None
    with adapter.tail(None) as tail:
        real.a.rename("z")
        tail.finish(through=adapter.now())
        assert "a was renamed to z" in str(tail.evidence().problem)


def test_a_slice_can_wait_for_nothing(adapter: MongoDatabase) -> None:
    with adapter.tail(None) as tail:
        assert tail.read() == b""
        packed = tail.finish()
        evidence = tail.evidence()
    assert list(entries(unpacked([packed]))) == []
    assert (evidence.entries, evidence.raw_bytes) == (0, 0)
    assert evidence.end >= evidence.start == tail.start


def test_a_time_that_the_oplog_has_forgotten_is_a_gap(adapter: MongoDatabase) -> None:
    with pytest.raises(Damage, match="gap"), adapter.tail(OpTime(1, 1)):
        pass


class Cut(Primary):
    """Has lost everything that is older than the entry which comes next."""

    lost = False

    def oldest(self) -> OpTime:
        return self.applied() if self.lost else super().oldest()


def test_an_oplog_that_is_cut_while_it_is_read_is_a_gap(real: Real) -> None:
    primary = Cut(real.client)
    tail = OplogTail(primary, real.name, None, Packer(Packing()), lambda _: nullcontext())
    real.c.insert_one({})
    tail.read()
    real.c.insert_one({})
    primary.lost = True
    with pytest.raises(Damage, match="gap"):
        tail.finish(through=primary.applied())


def test_the_oldest_entry_is_asked_for_again_when_it_is_deleted_just_then() -> None:
    with Mongod(arguments=("--setParameter", "enableTestCommands=1")) as server, server.client() as client:
        primary = Primary(client)
        oldest = primary.oldest()
        lost = {"failCommands": ["find"], "errorCode": 136, "namespace": "local.oplog.rs"}
        client.admin.command("configureFailPoint", "failCommand", mode={"times": 3}, data=lost)
        assert primary.oldest() == oldest
        client.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=lost)
        try:
            with pytest.raises(OperationFailure):
                primary.oldest()
        finally:
            client.admin.command("configureFailPoint", "failCommand", mode="off")


def test_a_slice_begins_before_the_chain_of_a_large_transaction() -> None:
    # The small cache of other tests may refuse so large a transaction.
    with Mongod(cache_gigabytes=1) as server, server.client() as client:
        primary = Primary(client)
        before = primary.majority()
        client.shop.create_collection("c")
        with client.start_session() as session, session.start_transaction():
            client.shop.c.insert_many([{"text": "x" * 8_400_000} for _ in range(3)], session=session)
        chain = [time_of(each) for each in primary.entries.find({"o.partialTxn": True})]
        assert len(chain) == 2
        assert before <= primary.beginning(chain[-1]) < chain[0]


def test_a_slice_begins_before_an_open_transaction(real: Real) -> None:
    primary = Primary(real.client)
    newest = primary.majority()
    began = {"ts": stamp_of(newest), "t": 1}
    # Unacknowledged writes are the only ones without a session, and this collection takes no others.
    sessions = real.client.config.get_collection("transactions", write_concern=WriteConcern(w=0))
    session = {"id": Binary(b"1" * 16, 4), "uid": Binary(b"1" * 32)}
    opened = {"_id": session, "txnNumber": Int64(1), "state": "prepared", "startOpTime": began}
    sessions.insert_one({**opened, "lastWriteOpTime": began, "lastWriteDate": datetime.now(UTC)})
    try:
        for _ in range(100):
            if sessions.find_one({"_id": session}) is not None:
                break
            time.sleep(0.02)
        assert primary.beginning(OpTime(newest.seconds + 9, 1)) < newest
    finally:
        sessions.delete_one({"_id": session})


def test_another_primary_ends_a_slice(mongod: Mongod, adapter: MongoDatabase, real: Real) -> None:
    with adapter.tail(None) as tail:
        real.c.insert_one({})
        tail.read()
        with suppress(PyMongoError):
            real.client.admin.command({"replSetStepDown": 1, "force": True})
        mongod.wait_for_primary()
        with pytest.raises(OutsideError, match=r"primary .* changed") as raised:
            tail.read()
        assert not raised.value.permanent
    with adapter.tail(tail.last) as again:
        again.finish()


def test_a_server_that_stops_is_an_outside_error() -> None:
    with (
        Mongod() as server,
        closing(MongoDatabase(server.uri("shop"), selection_seconds=0.5)) as adapter,
        adapter.tail(None) as tail,
    ):
        server.kill()
        with pytest.raises(OutsideError) as raised:
            tail.read()
        assert not raised.value.permanent
        with pytest.raises(OutsideError):
            tail.finish()


class Single(Member):
    """A mongod that is no replica set."""

    def command(self) -> list[str]:
        command = super().command()
        at = command.index("--replSet")
        return command[:at] + command[at + 2 :]


def test_a_single_server_has_no_oplog() -> None:
    with (
        Single(0.25, None, ()) as server,
        closing(MongoDatabase(f"mongodb://127.0.0.1:{server.port}/shop?directConnection=true")) as adapter,
    ):
        with pytest.raises(Refusal, match="no oplog"), adapter.tail(None):
            pass
        with pytest.raises(Refusal, match="no oplog"):
            adapter.now()


def test_rights_are_said_when_they_are_missing_and_suffice_as_they_are_written() -> None:
    with Mongod(authentication=True) as server, server.client() as client:
        client.shop.c.insert_one({"_id": 1})
        for name, roles in (("weak", [("readWrite", "shop")]), ("bot", [("backup", "admin"), ("restore", "admin")])):
            client.admin.command("createUser", name, pwd="pw", roles=[{"role": r, "db": d} for r, d in roles])
        uri = f"127.0.0.1:{server.port}/shop?replicaSet=rs0&authSource=admin"
        weak = MongoDatabase(f"mongodb://weak:pw@{uri}")
        with closing(weak), pytest.raises(Refusal, match="backup"), weak.tail(None):
            pass
        with closing(MongoDatabase(f"mongodb://bot:pw@{uri}")) as adapter:
            with adapter.tail(None) as tail:
                client.shop.c.insert_one({"_id": 2})
                client.shop.d.insert_one({"_id": 3})
                packed = tail.finish(through=adapter.now())
            spec = CollectionSpec("c", CollectionKind.COLLECTION, "{}", (), 0)
            client.shop.create_collection("p_c")
            adapter.replay([[packed]], "p_", [spec], names=EveryName())
        assert [each["_id"] for each in client.shop.p_c.find()] == [2]
        assert [each["_id"] for each in client.shop.p_d.find()] == [3]
