"""The driver's side against a real MongoDB: definitions told and made again, and what is told when it fails."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest
from pymongo.database import Database

from bot.adapters.mongo.canonical import definition
from bot.adapters.mongo.connection import Connection
from bot.adapters.mongo.driver import LONGEST_EXPIRY_SECONDS, MongoDriver
from handlers.core.errors import OutsideError, Refusal
from handlers.core.manifests import CollectionKind, CollectionSpec
from handlers.core.ports import LiveCollection
from sandbox.servers.mongod import Mongod
from tests import zoo

Real = Database[dict[str, Any]]
COPY = "copy of "


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
    return CollectionSpec(name, CollectionKind.VIEW, json.dumps({"pipeline": [], "viewOn": source}), (), 0)


def in_front(real: Real, **shape: Any) -> None:
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
    in_front(real)
    assert {each.spec.name: each.spec.documents for each in driver.collections(count=True)} == {
        "orders": 321,
        "nothing": 0,
        "metrics": real["system.buckets.metrics"].count_documents({}),
    }
    assert {each.spec.documents for each in driver.collections()} == {0}


def test_what_mongodb_keeps_for_itself_is_not_told(driver: MongoDriver, real: Real) -> None:
    in_front(real)
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
    in_front(real)
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
    assert live(driver, "shown").spec.options == spec.options.replace(" ", "")


def test_a_copied_time_series_is_the_same_to_the_last_byte_but_not_the_same_one(
    driver: MongoDriver, real: Real
) -> None:
    in_front(real, expireAfterSeconds=zoo.MONTH_SECONDS)
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


def test_a_time_series_larger_than_one_batch_is_copied_whole(
    driver: MongoDriver, real: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_front(real)
    monkeypatch.setattr("bot.adapters.mongo.timeseries.BATCH_BYTES", 1)
    driver.copy_timeseries(live(driver, "metrics").spec, "metrics", "other")
    assert real.other.count_documents({}) == 90


def test_what_is_no_time_series_is_not_copied_and_nothing_is_dropped(driver: MongoDriver, real: Real) -> None:
    in_front(real)
    spec = live(driver, "metrics").spec
    real.plain.insert_one({})
    for source in ("gone", "plain", "metrics"):
        with pytest.raises(OutsideError, match="is not a time-series") as caught:
            driver.copy_timeseries(spec, source, "metrics")
        assert caught.value.permanent
    assert real.metrics.count_documents({}) == 90


def test_a_bucket_that_does_not_arrive_is_noticed(driver: MongoDriver, real: Real) -> None:
    in_front(real)
    spec = live(driver, "metrics").spec
    # A copy that expires at once: the server would take what is older than a second, as soon as it can.
    stale = datetime.now(UTC) - timedelta(days=400)
    real.metrics.insert_many({"at": stale + timedelta(hours=n * 2), "m": 1, "v": n} for n in range(30))
    driver.copy_timeseries(
        replace(spec, options=json.dumps({**json.loads(spec.options), "expireAfterSeconds": 1})), "metrics", "short"
    )
    assert within(20, lambda: real.short.count_documents({}) == 90)


@pytest.mark.parametrize("said", ["w=0", "w=1&wtimeoutMS=1", "timeoutMS=1&socketTimeoutMS=1", "readPreference=nearest"])
def test_what_the_connection_string_says_about_concerns_and_times_is_not_used(
    mongod: Mongod, real: Real, said: str
) -> None:
    real.old.insert_one({})
    with closing(MongoDriver(Connection(f"{mongod.uri(real.name)}&{said}"))) as driver:
        with pytest.raises(OutsideError):
            driver.rename("gone", "new")
        driver.rename("old", "new")
        assert live(driver, "new").spec.documents == 1


def test_a_lock_that_others_hold_ends_a_step_in_time_and_may_pass(mongod: Mongod, real: Real) -> None:
    real.orders.insert_one({})
    with closing(MongoDriver(Connection(mongod.uri(real.name)), step_seconds=0.3)) as driver, mongod.client() as client:
        with client.start_session() as session, session.start_transaction():
            real.client[real.name].orders.find_one({})
            client[real.name].orders.insert_one({}, session=session)
            with pytest.raises(OutsideError, match="time limit") as caught:
                driver.rename("orders", "new")
        assert not caught.value.permanent
        assert there(driver) == ["orders"]


def test_a_database_that_is_gone_is_told_soon_and_may_come_back() -> None:
    with Mongod() as server, closing(MongoDriver(Connection(server.uri("shop")), selection_seconds=1)) as driver:
        with server.client() as client:
            client.shop.orders.insert_many({"n": n} for n in range(10))
        assert there(driver) == ["orders"]
        server.kill()
        spec = view_of("shown", "orders")
        steps: list[Callable[[], object]] = [
            driver.facts,
            driver.collections,
            lambda: driver.create_indexes("orders", ['{"key":{"n":{"$numberInt":"1"}},"name":"n"}'], expire=True),
            lambda: driver.set_expiry("orders", ['{"name":"n","expireAfterSeconds":{"$numberInt":"1"}}']),
            lambda: driver.create_view(spec),
            lambda: driver.rename("orders", "new"),
            lambda: driver.drop("orders"),
            lambda: driver.copy_timeseries(spec, "a", "b"),
        ]
        for step in steps:
            begun = time.monotonic()
            with pytest.raises(OutsideError, match="MongoDB is silent") as caught:
                step()
            assert not caught.value.permanent
            assert time.monotonic() - begun < 5
        server.restart()
        assert live(driver, "orders").spec.documents == 10


def test_a_server_that_freezes_is_noticed() -> None:
    with Mongod() as server, closing(MongoDriver(Connection(server.uri("shop")), selection_seconds=1)) as driver:
        driver.facts()
        os.kill(server.pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with pytest.raises(OutsideError, match="MongoDB is silent"):
                driver.collections(count=True)
            assert time.monotonic() - begun < 40
        finally:
            os.kill(server.pid, signal.SIGCONT)


def test_no_password_is_ever_told() -> None:
    with Mongod(authentication=True) as server:
        wrong = server.uri("shop").replace(server.password, "hunter22")
        with closing(MongoDriver(Connection(wrong))) as driver, pytest.raises(OutsideError) as caught:
            driver.facts()
        assert caught.value.permanent
        assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("uri", ["mongodb://u:hunter22@x@h:1/shop", "mongodb://u:p:hunter22@h/shop", "mongodb://h:x/a"])
def test_a_connection_string_that_cannot_be_read_is_not_quoted(uri: str) -> None:
    driver = MongoDriver(Connection(uri))
    with pytest.raises(OutsideError, match="percent-encoded") as caught:
        driver.facts()
    assert caught.value.permanent
    assert caught.value.__cause__ is None
    assert "hunter22" not in str(caught.value)


def test_a_sharded_cluster_is_refused() -> None:
    with _mongos() as port:
        uri = f"mongodb://127.0.0.1:{port}/shop"
        with closing(MongoDriver(Connection(uri))) as driver, pytest.raises(Refusal, match="sharded"):
            driver.facts()


class _Mongos(socketserver.BaseRequestHandler):
    """Says hello as a mongos does, to whatever it is asked (mongodb.com/docs, MongoDB Wire Protocol)."""

    def handle(self) -> None:
        while head := self.request.recv(16, 0):
            length, number, operation = (int.from_bytes(head[at : at + 4], "little") for at in (0, 4, 12))
            self.request.recv(length - 16)
            hello = {"ok": 1, "isWritablePrimary": True, "msg": "isdbgrid", "minWireVersion": 0, "maxWireVersion": 17}
            body = bson.encode(hello)
            query, message = 2004, 2013
            if operation == query:
                reply, code = bytes(16) + (1).to_bytes(4, "little") + body, 1
            else:
                reply, code = bytes(5) + body, message
            fields = (len(reply) + 16, 1, number, code)
            self.request.sendall(b"".join(field.to_bytes(4, "little") for field in fields) + reply)


@contextmanager
def _mongos() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mongos) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(5)
