"""Whatever is done to a database can be replayed, documents and definitions, and only beside the live ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
import zstandard
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import PyMongoError

from bot.adapters.mongo import MongoDatabase
from handlers.core.formats.manifests import CollectionKind, CollectionSpec
from handlers.core.ports import ReplayEvidence
from handlers.core.words.errors import Damage, OutsideError
from handlers.core.words.text import Text
from sandbox.servers.mongod import Mongod
from tests import zoo
from tests.bot.mongo.test_oplog import PREFIX, Capture, captured, loaded
from tests.fake_database import EveryName

Real = Database[dict[str, Any]]


def sliced(adapter: MongoDatabase, after: Capture, change: Callable[[], object]) -> list[bytes]:
    """The slice of what is changed."""
    with adapter.tail(after.end) as tail:
        change()
        return [tail.read(), tail.finish(through=adapter.now())]


def definitions(specs: Sequence[CollectionSpec]) -> dict[str, CollectionSpec]:
    """Without counts."""
    return {spec.name: replace(spec, documents=0, size_bytes=0) for spec in specs}


def live(adapter: MongoDatabase) -> dict[str, CollectionSpec]:
    """What the server lists now, but what is staged."""
    return definitions([each.spec for each in adapter.collections() if not each.spec.name.startswith(PREFIX)])


def finished(adapter: MongoDatabase, evidence: ReplayEvidence) -> None:
    """Builds what a replay only tells."""
    for spec in evidence.specs:
        if spec.kind is not CollectionKind.VIEW:
            adapter.set_validator(PREFIX + spec.name, spec)
            adapter.create_indexes(PREFIX + spec.name, spec.indexes, expire=True)


def solid(picture: dict[str, Any]) -> dict[str, Any]:
    """Without views, and without what is staged."""
    return {name: each for name, each in picture.items() if each["type"] != "view" and not name.startswith(PREFIX)}


def uuids(real: Real) -> dict[str, str]:
    """Of live collections. Where definitions of views are kept, a staged time-series is too."""
    return {name: uuid for name, uuid in zoo.uuids(real).items() if PREFIX not in name and name != "system.views"}


def followed(adapter: MongoDatabase, real: Real, taken: Capture, slices: Sequence[list[bytes]]) -> None:
    """Loads, replays, and finds that what is staged is what is live."""
    before = solid(zoo.picture(real)), uuids(real)
    loaded(adapter, taken)
    evidence = adapter.replay([taken.slice, *slices], PREFIX, taken.specs, names=EveryName())
    assert definitions(evidence.specs) == live(adapter)
    finished(adapter, evidence)
    staged = zoo.picture(real, prefix=PREFIX)
    assert staged.keys() == before[0].keys()
    for name, each in before[0].items():
        assert staged[name] == each, name
    assert uuids(real) == before[1]


@pytest.fixture
def empty(adapter: MongoDatabase, real: Real) -> Capture:
    """A capture of next to nothing."""
    real.first.insert_one({"_id": 1})
    return captured(adapter)


def test_a_whole_zoo_is_replayed_from_nothing(adapter: MongoDatabase, real: Real, empty: Capture) -> None:
    piece = sliced(adapter, empty, lambda: zoo.plant(real))
    followed(adapter, real, empty, [piece])


def shop(real: Real) -> None:
    """What is changed further on."""
    real.orders.insert_many({"_id": n, "n": n, "state": "new", "at": datetime.now(UTC)} for n in range(50))
    real.orders.create_index("n", name="number", unique=True)
    real.orders.create_index("at", name="age", expireAfterSeconds=86_400)
    real.orders.create_index("state", name="state")
    real.old.insert_many({"_id": n} for n in range(5))
    real.target.insert_one({"_id": "overwritten"})
    real.create_collection("log", capped=True, size=4096, max=5)
    real.log.insert_many({"_id": n, "line": n} for n in range(9))
    real.create_collection("cheap", viewOn="orders", pipeline=[{"$match": {"n": {"$lt": 5}}}])
    real.create_collection("gone view", viewOn="orders", pipeline=[])
    real.create_collection("labels", collation={"locale": "de", "strength": 1})
    real.labels.insert_many([{"_id": "Straße", "n": 1}, {"_id": "Apfel", "n": 2}])
    real.create_collection("weather", timeseries={"timeField": "at", "metaField": "place"}, expireAfterSeconds=864_000)
    measure(real, 50)
    real.weather.create_index([("place.city", 1), ("at", -1)], name="where and when")
    real.create_collection("gone weather", timeseries={"timeField": "at"})
    real["سفارش.ها"].insert_many({"_id": n} for n in range(3))
    # So many fields that mongodump will not leave them in their order by chance.
    real.create_collection("ruled", validator={field: {"$exists": False} for field in "zyxwvutsrqponm"})


def measure(real: Real, count: int) -> None:
    real.weather.insert_many(
        {"at": datetime.now(UTC) - timedelta(minutes=n), "place": {"city": n % 4}, "t": n} for n in range(count)
    )


def documents(real: Real) -> None:
    real.orders.update_many(
        {"n": {"$lt": 20}}, {"$set": {"state": "paid", "lines": [1, 2, {"a": 3}]}, "$inc": {"n": 1000}}
    )
    real.orders.update_many({}, [{"$set": {"double": {"$multiply": ["$n", 2]}}}])
    real.orders.update_one({"_id": 3}, {"$set": {"lines.2.a": 4, "lines.0": "first"}, "$unset": {"at": ""}})
    real.orders.replace_one({"_id": 4}, {"n": 4, "replaced": True})
    real.orders.delete_many({"_id": {"$gt": 40}})
    real.orders.insert_one({"_id": 45, "n": 45, "again": True})
    real.orders.find_one_and_update({"_id": 99}, {"$set": {"n": 99}}, upsert=True)
    real.log.insert_many({"_id": n, "line": n} for n in range(20, 24))
    real.log.update_one({"_id": 22}, {"$set": {"line": -22}})
    real.labels.update_one({"_id": "strasse"}, {"$set": {"n": 5}})
    real.labels.delete_one({"_id": "APFEL"})
    real["سفارش.ها"].update_many({}, {"$set": {"نام": "🌷"}})
    real.ruled.insert_one({"_id": 1, "z": "older than the rule"}, bypass_document_validation=True)
    measure(real, 90)
    real.weather.delete_many({"place.city": 2})


def options(real: Real) -> None:
    real.command(
        "collMod", "orders", validator={"z": {"$exists": False}, "a": {"$exists": False}}, validationLevel="moderate"
    )
    real.command("collMod", "orders", validationAction="warn")
    real.command("collMod", "old", changeStreamPreAndPostImages={"enabled": True})
    real.command("collMod", "ruled", validationLevel="moderate")
    real.command("collMod", "log", cappedSize=8192, cappedMax=50)
    real.log.insert_many({"_id": n, "line": n} for n in range(100, 120))
    real.command("collMod", "weather", timeseries={"granularity": "hours"})
    real.command("collMod", "weather", expireAfterSeconds=900_000)
    measure(real, 20)
    real.orders.insert_one({"_id": 500, "n": 500, "z": "breaks the rule, with a warning"})


def indexes(real: Real) -> None:
    real.command("collMod", "orders", index={"name": "age", "expireAfterSeconds": 90_000.5})
    real.command("collMod", "orders", index={"keyPattern": {"state": 1}, "hidden": True})
    real.command(
        "createIndexes",
        "orders",
        indexes=[{"key": {"a": 1}, "name": "a"}, {"key": {"b": -1, "c": "text"}, "name": "b"}],
    )
    real.orders.drop_index("number")
    real.orders.create_index([("n", 1)], name="number", sparse=True, collation={"locale": "fr"})
    real.command("collMod", "orders", index={"name": "a", "hidden": True})
    real.command("collMod", "orders", index={"name": "a", "hidden": False})
    real.old.create_index("u", name="later unique", sparse=True)
    real.command("collMod", "old", index={"name": "later unique", "prepareUnique": True})
    real.command("collMod", "old", index={"name": "later unique", "unique": True})
    real.old.create_index("p", name="prepared")
    real.command("collMod", "old", index={"name": "prepared", "prepareUnique": True})
    real.labels.create_index("n")
    real.weather.create_index([("t", -1)], name="measured")
    real.weather.create_index([("place.where", "2dsphere")], name="round")
    real.weather.create_index([("place", 1), ("at", 1)], name="meta", hidden=True)
    real.weather.drop_index("where and when")
    real["سفارش.ها"].create_index([("نام.x", 1)])
    real["سفارش.ها"].drop_indexes()


def views(real: Real) -> None:
    real.command(
        "collMod", "cheap", viewOn="orders", pipeline=[{"$match": {"n": {"$lt": 7}}}, {"$project": {"z": 1, "a": 1}}]
    )
    real.drop_collection("gone view")
    real.create_collection(
        "new view", viewOn="labels", pipeline=[{"$limit": 3}], collation={"locale": "de", "strength": 1}
    )
    real.create_collection("made and gone", viewOn="cheap", pipeline=[])
    real.drop_collection("made and gone")


def collections(real: Real) -> None:
    real.old.rename("target", dropTarget=True)
    real["سفارش.ها"].rename("dots.and 🌷")
    real.drop_collection("labels")
    real.create_collection("labels", clusteredIndex={"key": {"_id": 1}, "unique": True}, expireAfterSeconds=864_000)
    real.labels.insert_one({"_id": datetime.now(UTC)})
    real.drop_collection("gone weather")
    real.create_collection("snow", timeseries={"timeField": "at", "granularity": "minutes"})
    real.snow.insert_one({"at": datetime.now(UTC), "cm": 4})
    real.command("convertToCapped", "orders", size=100_000)
    list(real.log.aggregate([{"$match": {"line": {"$gt": 6}}}, {"$out": "copied"}]))
    real.drop_collection("weather")


def transactions(real: Real) -> None:
    for large in (False, True):

        def write(session: ClientSession, large: bool = large) -> None:
            for n in range(600, 603):
                document = {"_id": n + large * 10, "n": n + large * 10, "text": "x" * large * 6_000_000}
                real.orders.insert_one(document, session=session)
            real.orders.update_many({"n": {"$lt": 9}}, {"$inc": {"n": 2000}}, session=session)
            real[f"made inside {large}"].insert_one({"_id": 1}, session=session)
            real.client[real.name + "_other"].elsewhere.insert_one({"secret": 1}, session=session)
            real.orders.delete_one({"_id": 600}, session=session)

        with real.client.start_session() as session:
            # Repeated when the small cache is full.
            session.with_transaction(write)
    with real.client.start_session() as session:
        session.start_transaction()
        real.orders.insert_one({"_id": "never"}, session=session)
        session.abort_transaction()


def everything_dropped(real: Real) -> None:
    real.client.drop_database(real.name)
    real.orders.insert_one({"_id": "new"})


def all_of(*changes: Callable[[Real], None]) -> Callable[[Real], None]:
    """One after the other."""

    def change(real: Real) -> None:
        for each in changes:
            each(real)

    return change


@pytest.mark.parametrize(
    "change",
    [all_of(documents, options, indexes, views, transactions, collections), everything_dropped],
    ids=["everything", "dropDatabase"],
)
def test_what_is_done_is_replayed(adapter: MongoDatabase, real: Real, change: Callable[[Real], None]) -> None:
    shop(real)
    taken = captured(adapter)
    piece = sliced(adapter, taken, lambda: change(real))
    followed(adapter, real, taken, [piece])
    real.client.drop_database(real.name + "_other")


@pytest.mark.parametrize(
    "change",
    [all_of(documents, indexes, views, transactions), everything_dropped],
    ids=["everything", "dropDatabase"],
)
def test_a_slice_that_is_older_than_what_was_dumped_changes_nothing_and_again(
    adapter: MongoDatabase, real: Real, change: Callable[[Real], None]
) -> None:
    shop(real)
    with adapter.tail(None) as tail:
        change(real)
        taken = captured(adapter)
        taken.slice = [tail.read(), tail.finish(through=adapter.now())]
        assert tail.evidence().problem is None
    followed(adapter, real, taken, [taken.slice])
    staged = zoo.picture(real, prefix=PREFIX)
    adapter.replay([taken.slice], PREFIX, taken.specs, names=EveryName())
    assert documents_of(zoo.picture(real, prefix=PREFIX)) == documents_of(staged)
    real.client.drop_database(real.name + "_other")


def documents_of(picture: dict[str, Any]) -> dict[str, Any]:
    """Without indexes: a collection that is created again has none."""
    return {name: (each["documents"], each["buckets"], each["options"]) for name, each in picture.items()}


def test_a_capped_collection_keeps_its_order_also_when_the_dump_is_newer(adapter: MongoDatabase, real: Real) -> None:
    real.create_collection("log", capped=True, size=4096)
    with adapter.tail(None) as tail:
        real.log.insert_many([{"_id": "gone", "text": "x" * 550}, {"_id": "large", "text": "x" * 2950}])
        real.log.delete_one({"_id": "gone"})
        real.log.insert_many([{"_id": "middle", "text": "x" * 550}, {"_id": "last", "text": "x" * 150}])
        taken = captured(adapter)
        taken.slice = [tail.finish(through=adapter.now())]
    followed(adapter, real, taken, [])
    assert [each["_id"] for each in real[PREFIX + "log"].find()] == ["large", "middle", "last"]


def test_the_live_data_is_not_changed_back(adapter: MongoDatabase, real: Real) -> None:
    real.a.insert_one({"_id": 1, "n": 0})
    taken = captured(adapter)
    piece = sliced(adapter, taken, lambda: real.a.update_one({"_id": 1}, {"$set": {"n": 1}}))
    real.a.update_one({"_id": 1}, {"$set": {"n": 2}})
    loaded(adapter, taken)
    adapter.replay([taken.slice, piece], PREFIX, taken.specs, names=EveryName())
    assert (real.a.find_one(1), real[PREFIX + "a"].find_one(1)) == ({"_id": 1, "n": 2}, {"_id": 1, "n": 1})


def test_another_primary_ends_a_replay(mongod: Mongod, adapter: MongoDatabase, real: Real) -> None:
    real.a.insert_one({"_id": 1})
    taken = captured(adapter)
    piece = sliced(adapter, taken, lambda: real.a.insert_one({"_id": 2}))

    def meanwhile() -> Iterator[bytes]:
        yield from piece
        with suppress(PyMongoError):
            real.client.admin.command({"replSetStepDown": 1, "force": True})
        mongod.wait_for_primary()

    loaded(adapter, taken)
    with pytest.raises(OutsideError, match="during the replay"):
        adapter.replay([taken.slice, meanwhile()], PREFIX, taken.specs, names=EveryName())


def test_only_the_chosen_collections_are_touched(adapter: MongoDatabase, real: Real) -> None:
    for name in ("a", "b"):
        real[name].insert_one({"_id": 1})
    taken = captured(adapter)

    def change(real: Real) -> None:
        for name in ("a", "b", "c"):
            real[name].insert_one({"_id": 2})
        real.create_collection("view of a", viewOn="a", pipeline=[])
        real.create_collection("view of b", viewOn="b", pipeline=[])
        real.c.rename("d")
        real.b.drop()

    piece = sliced(adapter, taken, lambda: change(real))
    names = {"a", "view of a"}
    adapter.load(taken.archive, PREFIX, names)
    evidence = adapter.replay([taken.slice, piece], PREFIX, taken.specs, names=names)
    assert [spec.name for spec in evidence.specs] == ["a", "view of a"]
    assert [name for name in real.list_collection_names() if name.startswith(PREFIX)] == [PREFIX + "a"]
    assert real[PREFIX + "a"].count_documents({}) == 2
    with pytest.raises(Damage, match="c was renamed to d"):
        adapter.replay([taken.slice, piece], PREFIX, taken.specs, names={"d"})


def test_what_does_not_continue_the_backup_is_damage(adapter: MongoDatabase, real: Real) -> None:
    real.a.insert_many([{"_id": n} for n in range(3)])
    taken = captured(adapter)
    unseen = sliced(adapter, taken, lambda: real.a.insert_one({"_id": 7}))
    after = captured(adapter)
    piece = sliced(adapter, after, lambda: real.a.update_one({"_id": 7}, {"$set": {"x": 1}}))
    assert len(unseen) == 2
    loaded(adapter, taken)
    with pytest.raises(Damage, match="does not continue"):
        adapter.replay([taken.slice, piece], PREFIX, taken.specs, names=EveryName())
    adapter.replay([taken.slice, unseen, piece], PREFIX, taken.specs, names=EveryName())
    assert real[PREFIX + "a"].find_one(7) == {"_id": 7, "x": 1}
    with pytest.raises(Damage, match="not in the backup"):
        adapter.replay([taken.slice, unseen, piece], PREFIX, [], names=EveryName())


def test_entries_of_slices_that_overlap_count_once(adapter: MongoDatabase, real: Real) -> None:
    real.a.insert_one({"_id": 1})
    taken = captured(adapter)

    def change(real: Real) -> None:
        real.a.update_one({"_id": 1}, {"$set": {"x": 1}})
        real.a.delete_one({"_id": 1})

    piece = sliced(adapter, taken, lambda: change(real))
    longer = sliced(adapter, taken, lambda: real.a.insert_one({"_id": 2}))
    loaded(adapter, taken)
    evidence = adapter.replay([taken.slice, piece, longer], PREFIX, taken.specs, names=EveryName())
    assert evidence.entries == 3
    assert [each["_id"] for each in real[PREFIX + "a"].find()] == [2]


def _noted(seconds: int) -> bytes:
    return bson.encode({"op": "n", "ns": "", "o": {}, "ts": bson.Timestamp(2**31 + seconds, 1)})


@pytest.mark.parametrize("fault", ["cut", "flipped", "not packed", "not an oplog", "out of order"])
def test_a_damaged_slice_is_damage(adapter: MongoDatabase, real: Real, fault: str) -> None:
    real.a.insert_one({"_id": 1})
    taken = captured(adapter)
    packed = b"".join(sliced(adapter, taken, lambda: real.a.insert_many([{"_id": n} for n in range(2, 40)])))
    middle = len(packed) // 2
    damaged = {
        "cut": packed[:-3],
        "flipped": packed[:middle] + bytes([packed[middle] ^ 16]) + packed[middle + 1 :],
        "not packed": b"x" * 500,
        "not an oplog": zstandard.compress(bson.encode({"no": "time"})),
        "out of order": zstandard.compress(_noted(2) + _noted(1)),
    }[fault]
    loaded(adapter, taken)
    with pytest.raises(Damage):
        adapter.replay([taken.slice, [damaged]], PREFIX, taken.specs, names=EveryName())
    assert real.a.count_documents({}) == 39


def test_what_a_slice_raises_goes_through_also_behind_the_moment_that_is_wanted(
    adapter: MongoDatabase, real: Real
) -> None:
    real.a.insert_one({"_id": 1})
    taken = captured(adapter)
    piece = sliced(adapter, taken, lambda: real.a.insert_one({"_id": 2}))

    def failing() -> Iterator[bytes]:
        yield from piece
        raise Damage(Text("its sum is wrong"))

    loaded(adapter, taken)
    with pytest.raises(Damage, match="sum is wrong"):
        adapter.replay([taken.slice, failing()], PREFIX, taken.specs, names=EveryName(), until=taken.end)
    assert real[PREFIX + "a"].count_documents({}) == 1


@pytest.mark.parametrize(
    "strange",
    [
        {"op": "c", "ns": "shop.$cmd", "o": {"importCollection": "a"}},
        {"op": "km", "ns": "shop.a", "o": {}},
        {"op": "i", "ns": "shop.system.strange", "o": {"_id": 1}},
        {"op": "u", "ns": "shop.system.views", "o": {"$v": 2, "diff": {}}, "o2": {"_id": "shop.v"}},
        {"op": "c", "ns": "shop.$cmd", "o": {"renameCollection": "shop.system.buckets.a", "to": "shop.b"}},
    ],
)
def test_an_operation_that_is_not_known_is_never_passed_over(adapter: MongoDatabase, strange: dict[str, Any]) -> None:
    packed = zstandard.compress(bson.encode({**strange, "ts": bson.Timestamp(9, 1)}))
    with pytest.raises(OutsideError, match="cannot be replayed") as raised:
        adapter.replay([[packed]], PREFIX, [], names=EveryName())
    assert raised.value.permanent
