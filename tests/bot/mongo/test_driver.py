"""The driver's side against a real MongoDB: definitions told and made again, and the small steps of a restore."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.database import Database

from bot.adapters.mongo.canonical import definition
from bot.adapters.mongo.connection import Connection
from bot.adapters.mongo.driver import LONGEST_EXPIRY_SECONDS, MongoDriver
from bot.adapters.mongo.timeseries import BATCH_DOCUMENTS, check_whole
from handlers.core.formats.manifests import CollectionKind, CollectionSpec
from handlers.core.ports import LiveCollection
from handlers.core.words.errors import OutsideError
from sandbox.servers.mongod import Mongod
from tests import zoo

Real = Database[dict[str, Any]]
COPY = "copy of "
WRITES = {"create", "insert", "drop", "createIndexes", "collMod"}


@pytest.fixture
def driver(mongod: Mongod, database: str) -> Iterator[MongoDriver]:
    """What is tested, without the tools."""
    with closing(MongoDriver(Connection(mongod.uri(database)))) as driver:
        yield driver


def live(driver: MongoDriver, name: str) -> LiveCollection:
    """One collection, counted."""
    return next(each for each in driver.collections(count=True) if each.spec.name == name)


def there(driver: MongoDriver) -> list[str]:
    """The names."""
    return [each.spec.name for each in driver.collections()]


def view_of(name: str, source: str) -> CollectionSpec:
    """A view without steps."""
    return CollectionSpec(name, CollectionKind.VIEW, f'{{"pipeline":[],"viewOn":"{source}"}}', (), 0)


def measured(real: Real, **shape: Any) -> None:
    """A time-series of three buckets."""
    real.create_collection("metrics", timeseries={"timeField": "at", "metaField": "m"}, **shape)
    real.metrics.insert_many({"at": datetime.now(UTC) + timedelta(minutes=n), "m": n % 3, "v": n} for n in range(90))


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_every_definition_can_be_made_again_as_it_was_told(driver: MongoDriver, real: Real) -> None:
    zoo.plant(real)
    specs = [each.spec for each in driver.collections(count=True) if len(each.spec.name) < 100]
    assert len(specs) > 30
    for spec in specs:
        copy = COPY + spec.name
        match spec.kind:
            case CollectionKind.VIEW:
                driver.create_view(replace(spec, name=copy))
            case CollectionKind.TIMESERIES:
                driver.copy_timeseries(spec, spec.name, copy)
            case CollectionKind.COLLECTION:
                real.command({"create": copy, **definition(spec.options)})
                driver.create_indexes(copy, spec.indexes, expire=False)
                driver.set_expiry(copy, spec.indexes)
    again = {each.spec.name: each.spec for each in driver.collections(count=True, prefix=COPY)}
    for spec in specs:
        counted = spec.documents if spec.kind is CollectionKind.TIMESERIES else 0
        assert again[COPY + spec.name] == replace(spec, name=COPY + spec.name, documents=counted)


def test_documents_are_counted_one_by_one_and_only_when_asked(driver: MongoDriver, real: Real) -> None:
    real.orders.insert_many({"n": n} for n in range(321))
    real.create_collection("nothing")
    measured(real)
    assert {each.spec.name: each.spec.documents for each in driver.collections(count=True)} == {
        "orders": 321,
        "nothing": 0,
        "metrics": real["system.buckets.metrics"].count_documents({}),
    }
    assert {each.spec.documents for each in driver.collections()} == {0}


def test_what_mongodb_keeps_for_itself_is_not_told(driver: MongoDriver, real: Real) -> None:
    measured(real)
    real.create_collection("shown", viewOn="metrics", pipeline=[])
    assert "system.views" in real.list_collection_names()
    assert there(driver) == ["metrics", "shown"]
    assert [each.spec.name for each in driver.collections(prefix="sh")] == ["shown"]
    assert driver.collections(prefix="system.") == ()


def test_facts_say_which_database_of_which_server_and_how_large(
    driver: MongoDriver, real: Real, database: str, mongod: Mongod
) -> None:
    real.orders.insert_many({"text": "x" * 1000} for _ in range(50))
    facts = driver.facts()
    assert driver.name == facts.database == database
    with mongod.client() as client:
        assert facts.server == client.server_info()["version"]
    assert (facts.documents, facts.collections) == (50, 1)
    assert 50_000 < facts.data_bytes < 60_000


def test_a_rename_keeps_the_uuid_and_never_goes_over_something(driver: MongoDriver, real: Real) -> None:
    real["a.b"].insert_one({"_id": 1})
    real.other.insert_one({"_id": 2})
    before = live(driver, "a.b")
    with pytest.raises(OutsideError) as caught:
        driver.rename("a.b", "other")
    assert caught.value.permanent
    assert list(real.other.find()) == [{"_id": 2}]
    driver.rename("a.b", "__old_x_a.b")
    assert live(driver, "__old_x_a.b").uuid == before.uuid != ""
    assert there(driver) == ["__old_x_a.b", "other"]
    with pytest.raises(OutsideError):
        driver.rename("a.b", "new")


def test_dropping_takes_any_kind_and_may_be_repeated(driver: MongoDriver, real: Real) -> None:
    real.orders.insert_one({})
    measured(real)
    real.create_collection("shown", viewOn="orders", pipeline=[])
    for name in ("shown", "metrics", "orders", "orders", "shown", "metrics", "never there"):
        driver.drop(name)
    assert there(driver) == []
    assert [name for name in real.list_collection_names() if "buckets" in name] == []


def test_nothing_expires_before_its_expiry_is_set(driver: MongoDriver, real: Real) -> None:
    real.old.insert_many({"at": datetime(2001, 1, 1, tzinfo=UTC)} for _ in range(5))
    real.reference.insert_one({"at": datetime(2001, 1, 1, tzinfo=UTC)})
    real.model.create_index("at", expireAfterSeconds=60, name="ttl")
    indexes = live(driver, "model").spec.indexes
    driver.create_indexes("old", indexes, expire=False)
    driver.create_indexes("reference", indexes, expire=True)
    # The reference shows that the server has been at work since.
    assert within(20, lambda: real.reference.count_documents({}) == 0)
    assert real.old.count_documents({}) == 5
    assert [each["expireAfterSeconds"] for each in real.old.list_indexes() if each["name"] == "ttl"] == [
        LONGEST_EXPIRY_SECONDS
    ]
    driver.set_expiry("old", indexes)
    driver.set_expiry("old", indexes)
    assert live(driver, "old").spec.indexes == indexes
    assert within(20, lambda: real.old.count_documents({}) == 0)


def test_an_index_that_cannot_be_built_is_told_as_permanent(driver: MongoDriver, real: Real) -> None:
    real.model.create_index("n", unique=True)
    real.doubled.insert_many([{"n": 1}, {"n": 1}])
    with pytest.raises(OutsideError, match="duplicate key") as caught:
        driver.create_indexes("doubled", live(driver, "model").spec.indexes, expire=True)
    assert caught.value.permanent


def test_a_view_may_be_made_twice_but_never_in_place_of_something_else(driver: MongoDriver, real: Real) -> None:
    real.orders.insert_one({"_id": 1})
    spec = view_of("shown", "orders")
    driver.create_view(spec)
    driver.create_view(spec)
    assert list(real.shown.find()) == [{"_id": 1}]
    for other in (view_of("shown", "elsewhere"), view_of("orders", "shown")):
        with pytest.raises(OutsideError) as caught:
            driver.create_view(other)
        assert caught.value.permanent
    assert live(driver, "shown").spec.options == spec.options


def test_a_copied_time_series_is_the_same_to_the_last_byte_but_not_the_same_one(
    driver: MongoDriver, real: Real
) -> None:
    measured(real, expireAfterSeconds=zoo.MONTH_SECONDS)
    real.metrics.create_index([("m", 1), ("at", -1)], name="by m")
    before = live(driver, "metrics")
    real["copied metrics"].insert_one({"_id": "in the way"})
    for _ in range(2):
        driver.copy_timeseries(before.spec, "metrics", "copied metrics")
    picture = zoo.picture(real)
    assert len(picture["metrics"]["documents"]) == 90
    assert picture["copied metrics"] == picture["metrics"]
    copied = live(driver, "copied metrics")
    assert copied.spec == replace(before.spec, name="copied metrics")
    assert copied.uuid not in ("", before.uuid)
    assert live(driver, "metrics").uuid == before.uuid


def test_a_time_series_larger_than_one_batch_is_copied_whole(driver: MongoDriver, real: Real) -> None:
    real.create_collection("metrics", timeseries={"timeField": "at", "metaField": "m"})
    real.metrics.insert_many({"at": datetime.now(UTC), "m": n} for n in range(BATCH_DOCUMENTS + 100))
    spec = live(driver, "metrics").spec
    assert spec.documents == BATCH_DOCUMENTS + 100
    driver.copy_timeseries(spec, "metrics", "other")
    assert live(driver, "other").spec == replace(spec, name="other")


def test_what_is_no_time_series_is_not_copied_and_nothing_is_dropped(driver: MongoDriver, real: Real) -> None:
    measured(real)
    spec = live(driver, "metrics").spec
    real.plain.insert_one({})
    for source in ("gone", "plain", "metrics"):
        with pytest.raises(OutsideError, match="is not a time-series") as caught:
            driver.copy_timeseries(spec, source, "metrics")
        assert caught.value.permanent
    assert real.metrics.count_documents({}) == 90


@pytest.mark.parametrize(("arrived", "left"), [(89, 90), (91, 90), (90, 91), (0, 0)])
def test_a_bucket_that_does_not_arrive_or_comes_late_is_noticed(arrived: int, left: int) -> None:
    check_whole("metrics", copied=90, arrived=90, left=90)
    check_whole("metrics", copied=90, arrived=90, left=80)
    with pytest.raises(OutsideError, match="Not every bucket"):
        check_whole("metrics", copied=90, arrived=arrived, left=left)


def test_every_write_waits_for_a_majority_and_a_copy_gets_its_age_last(driver: MongoDriver, real: Real) -> None:
    measured(real, expireAfterSeconds=zoo.MONTH_SECONDS)
    real.orders.insert_one({"at": datetime.now(UTC)})
    real.orders.create_index("at", name="ttl", expireAfterSeconds=zoo.MONTH_SECONDS)
    metrics, orders = live(driver, "metrics").spec, live(driver, "orders").spec
    real.command("profile", 2)
    driver.copy_timeseries(metrics, "metrics", "other")
    driver.create_view(view_of("shown", "orders"))
    driver.drop("shown")
    driver.rename("orders", "new")
    driver.create_indexes("fresh", orders.indexes, expire=True)
    driver.set_expiry("new", orders.indexes)
    real.command("profile", 0)
    seen = [each["command"] for each in real["system.profile"].find().sort("ts", 1)]
    writes = [each for each in seen if WRITES & each.keys()]
    assert {name for each in writes for name in WRITES & each.keys()} == WRITES
    assert {each["writeConcern"]["w"] for each in writes} == {"majority"}
    of_copy = [each for each in writes if "other" in str(next(iter(each.values())))]
    assert [next(iter(each)) for each in of_copy if "expireAfterSeconds" in each] == ["collMod"]
    assert "expireAfterSeconds" in of_copy[-1]
