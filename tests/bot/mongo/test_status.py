"""One server's word on itself, on real servers: sizes, and an index while it is built."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from bot.adapters.mongo.replica import ReplicaProbe
from bot.adapters.mongo.status import ServerProbe
from handlers.checks.mongo import replica, server
from handlers.checks.storage import storage
from handlers.core.formats.evidence import Verdict
from handlers.core.words.errors import OutsideError
from sandbox.servers.mongod import Mongod
from sandbox.servers.ports import free_port
from tests.conftest import needs


@pytest.fixture(scope="module")
def mongod() -> Iterator[Mongod]:
    needs("mongod")
    with Mongod(arguments=("--setParameter", "enableTestCommands=1")) as running:
        yield running


def test_every_collection_is_weighed_and_a_view_is_not(mongod: Mongod) -> None:
    with mongod.client() as client:
        client.shop.orders.insert_many([{"n": number, "text": "x" * 500} for number in range(2000)])
        client.shop.create_collection("cheap", viewOn="orders", pipeline=[])
        client.admin.command("fsync")
    sizes = ServerProbe(mongod.uri("shop")).sizes(10)
    assert set(sizes.collections) - {"system.views"} == {"orders"}
    assert sizes.collections["orders"] > 10_000
    assert sizes.term >= 1
    assert sizes.free_bytes is None or sizes.free_bytes > 0


def test_an_index_is_seen_while_it_is_built(mongod: Mongod) -> None:
    point = "hangAfterSettingUpIndexBuild"
    with mongod.client() as client:
        client.shop.orders.insert_many([{"n": number} for number in range(200)])
        client.admin.command("configureFailPoint", point, mode="alwaysOn")
        building = threading.Thread(target=client.shop.orders.create_index, args=("n",), daemon=True)
        building.start()
        try:
            until = time.monotonic() + 15
            while not (builds := ReplicaProbe(mongod.uri("shop")).look(10).builds) and time.monotonic() < until:
                time.sleep(0.1)
        finally:
            client.admin.command("configureFailPoint", point, mode="off")
            building.join(30)
        assert builds is not None
        assert builds[0].collection == "shop.orders"
        state = ReplicaProbe(mongod.uri("shop")).look(10)
    assert state.builds == ()
    assert {each.name: each.verdict for each in replica(state)}["index builds"] is Verdict.PASS


def judged(mongod: Mongod) -> dict[str, Verdict]:
    return {each.name: each.verdict for each in storage(ServerProbe(mongod.uri("shop")).facts(10))}


def test_cache_and_tickets_of_a_server_at_rest_are_told_and_well(mongod: Mongod) -> None:
    facts = ServerProbe(mongod.uri("shop")).facts(10)
    assert facts.cache_share is not None
    assert facts.dirty_share is not None
    assert 0 <= facts.dirty_share <= facts.cache_share < 0.95
    assert facts.tickets is not None
    assert all(each.total > each.out >= 0 and each.waiting is not None for each in facts.tickets.values())
    assert set(judged(mongod).values()) == {Verdict.PASS}


def test_readers_that_wait_for_a_ticket_are_found(mongod: Mongod) -> None:
    """Twelve slow readers, five tickets: MongoDB takes no fewer."""
    name, slow = "wiredTigerConcurrentReadTransactions", {"$where": "sleep(20) || true"}
    with mongod.client() as client:
        client.shop.slow.insert_many([{"n": number} for number in range(400)])
        client.admin.command({"setParameter": 1, name: 5})
        readers = [threading.Thread(target=lambda: list(client.shop.slow.find(slow)), daemon=True) for _ in range(12)]
        for each in readers:
            each.start()
        try:
            until = time.monotonic() + 20
            while (found := judged(mongod)["read tickets"]) is not Verdict.FAIL and time.monotonic() < until:
                time.sleep(0.05)
        finally:
            client.admin.command({"setParameter": 1, name: 128})
            for each in readers:
                each.join(60)
    assert found is Verdict.FAIL
    assert judged(mongod)["read tickets"] is Verdict.PASS


def test_a_cache_that_holds_more_than_it_may_is_found(mongod: Mongod) -> None:
    """The limit falls below what is in it."""
    parameter = "wiredTigerEngineRuntimeConfig"
    with mongod.client() as client:
        client.shop.large.insert_many([{"text": os.urandom(50_000)} for _ in range(2000)])
        client.admin.command({"setParameter": 1, parameter: "cache_size=40M"})
        try:
            until = time.monotonic() + 80
            while (found := judged(mongod)["cache"]) is not Verdict.FAIL and time.monotonic() < until:
                list(client.shop.large.find())
        finally:
            client.admin.command({"setParameter": 1, parameter: "cache_size=512M"})
    assert found is Verdict.FAIL


def test_who_may_not_ask_is_not_told_that_all_is_well() -> None:
    needs("mongod")
    with Mongod(authentication=True) as guarded, guarded.client() as client:
        client.admin.command("createUser", "reader", pwd="reader", roles=[{"role": "read", "db": "shop"}])
        uri = guarded.uri("shop").replace(f"{guarded.user}:{guarded.password}@", "reader:reader@")
        found = {each.name: each.verdict for each in server(ServerProbe(uri).facts(10))}
    asked = ("connections", "cache", "dirty cache", "read tickets", "write tickets")
    assert {name: found[name] for name in asked} == dict.fromkeys(asked, Verdict.UNKNOWN)


def test_sizes_of_a_server_that_is_not_there_are_not_known() -> None:
    with pytest.raises(OutsideError):
        ServerProbe(f"mongodb://127.0.0.1:{free_port()}/shop").sizes(1)
