"""Other databases of the same deployment, what is newer than a backup, and what restores keep for themselves."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.connection import Connection
from handlers.core.restores.switches import RESERVED
from sandbox.servers.mongod import Mongod
from tests.bot.mongo.stock import dumped

Real = Database[dict[str, Any]]


@pytest.fixture
def adapter(mongod: Mongod, database: str, tools_path: str) -> Iterator[MongoDatabase]:
    with closing(MongoDatabase(mongod.uri(database), path=tools_path)) as adapter:
        yield adapter


@pytest.fixture
def real(mongod: Mongod, database: str) -> Iterator[Real]:
    with mongod.client() as client:
        yield client[database]


def test_a_sibling_is_another_database_over_the_same_connections(adapter: MongoDatabase, real: Real) -> None:
    name = f"test_{secrets.token_hex(6)}"
    sibling = adapter.sibling(name)
    assert sibling.name == name
    assert sibling.facts().collections == 0
    real.client[name].things.insert_one({"_id": 1})
    try:
        assert [each.spec.name for each in sibling.collections()] == ["things"]
        assert adapter.collections() == ()
        assert dumped(sibling)[1].announced[0].name == "things"
    finally:
        real.client.drop_database(name)


def test_a_siblings_user_stays_where_it_is() -> None:
    with Mongod(authentication=True) as server:
        uri = server.uri("shop")
        with closing(MongoDatabase(uri)) as adapter:
            assert adapter.sibling("another").facts().collections == 0
    moved = Connection("mongodb://u:p@h/shop?retryWrites=true").uri_of("an other")
    assert moved == "mongodb://u:p@h/an%20other?retryWrites=true&authSource=shop"
    kept = Connection("mongodb://u:p@h/shop?authSource=admin").uri_of("other")
    assert kept == "mongodb://u:p@h/other?authSource=admin"


def test_newer_documents_are_counted_by_the_time_in_their_ids(adapter: MongoDatabase, real: Real) -> None:
    moment = datetime(2026, 11, 24, 3, 0, 0, tzinfo=UTC)
    for number, name in enumerate(("orders", "users")):
        real[name].insert_many(
            [{"_id": ObjectId.from_datetime(moment + timedelta(seconds=n))} for n in (-5, 0, 1, 2 + number)]
        )
    real.named.insert_many([{"_id": f"{n}"} for n in range(3)])
    assert adapter.newer(moment, ["orders", "users", "named", "nowhere"]) == {
        "orders": 2,
        "users": 2,
        "named": 0,
        "nowhere": 0,
    }


def test_what_restores_keep_is_not_dumped(adapter: MongoDatabase, real: Real) -> None:
    real.orders.insert_one({"_id": 1})
    for prefix in RESERVED:
        real[f"{prefix}abc_orders"].insert_one({"_id": 1})
        real.create_collection(f"{prefix}abc_weather", timeseries={"timeField": "t"})
        real[f"{prefix}abc_weather"].insert_one({"t": datetime(2026, 1, 1, tzinfo=UTC)})
    _, evidence = dumped(adapter)
    assert [spec.name for spec in evidence.announced] == ["orders"]


def test_blocked_writes_are_refused_and_open_again() -> None:
    with (
        Mongod(authentication=True) as server,
        closing(MongoDatabase(server.uri("shop"))) as adapter,
        server.client() as root,
    ):
        root.shop.orders.insert_one({"_id": 1})
        root.shop.command("createUser", "app", pwd="app", roles=["readWrite"])
        uri = server.uri("shop").replace(f"{server.user}:{server.password}@", "app:app@")
        with client_of(uri.replace("authSource=admin", "authSource=shop")) as app:
            app.shop.orders.insert_one({"_id": 2})
            adapter.block_writes(block=True)
            adapter.block_writes(block=True)
            with pytest.raises(OperationFailure, match="blocked"):
                app.shop.orders.insert_one({"_id": 3})
            root.shop.orders.insert_one({"_id": 4})
            adapter.block_writes(block=False)
            adapter.block_writes(block=False)
            app.shop.orders.insert_one({"_id": 5})
        assert root.shop.orders.count_documents({}) == 4


def client_of(uri: str) -> MongoClient[dict[str, Any]]:

    return MongoClient[dict[str, Any]](uri)


def test_the_disk_is_measured(adapter: MongoDatabase, real: Real) -> None:
    real.orders.insert_many([{"_id": n, "text": secrets.token_hex(500)} for n in range(500)])
    time.sleep(0.1)
    facts = adapter.facts()
    assert facts.disk_bytes > 0
    assert facts.free_bytes is not None
    assert facts.free_bytes > 10**6
    assert facts.deployment == "rs0"
