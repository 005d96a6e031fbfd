"""The driver's side when MongoDB is gone, frozen, locked, sharded or behind a wrong connection string."""

from __future__ import annotations

import os
import signal
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import bson
import psutil
import pytest
from pymongo.database import Database

from bot.adapters.mongo.connection import Connection
from bot.adapters.mongo.driver import MongoDriver
from handlers.core.formats.manifests import CollectionKind, CollectionSpec
from handlers.core.words.errors import OutsideError, Refusal
from sandbox.servers.mongod import Mongod

Real = Database[dict[str, Any]]
VIEW = CollectionSpec("shown", CollectionKind.VIEW, '{"pipeline":[],"viewOn":"orders"}', (), 0)


def counted(driver: MongoDriver) -> dict[str, int]:
    """The names, and how many documents each has."""
    return {each.spec.name: each.spec.documents for each in driver.collections(count=True)}


@pytest.mark.parametrize("said", ["w=0", "w=1&wtimeoutMS=1", "timeoutMS=1&socketTimeoutMS=1", "readPreference=nearest"])
def test_what_the_connection_string_says_about_concerns_and_times_is_not_used(
    mongod: Mongod, real: Real, said: str
) -> None:
    real.old.insert_one({})
    with closing(MongoDriver(Connection(f"{mongod.uri(real.name)}&{said}"))) as driver:
        with pytest.raises(OutsideError):
            driver.rename("gone", "new")
        driver.rename("old", "new")
        assert counted(driver) == {"new": 1}


def test_a_lock_that_others_hold_ends_a_step_in_time_and_may_pass(mongod: Mongod, real: Real) -> None:
    real.orders.insert_one({})
    with closing(MongoDriver(Connection(mongod.uri(real.name)), step_seconds=0.3)) as driver, mongod.client() as client:
        with client.start_session() as session, session.start_transaction():
            real.client[real.name].orders.find_one({})
            client[real.name].orders.insert_one({}, session=session)
            with pytest.raises(OutsideError, match="time limit") as caught:
                driver.rename("orders", "new")
        assert not caught.value.permanent
        assert counted(driver) == {"orders": 2}


def test_a_database_that_is_gone_is_told_soon_and_may_come_back() -> None:
    with Mongod() as server, closing(MongoDriver(Connection(server.uri("shop")), selection_seconds=0.3)) as driver:
        with server.client() as client:
            client.shop.orders.insert_many({"n": n} for n in range(10))
        assert counted(driver) == {"orders": 10}
        server.kill()
        steps: list[Callable[[], object]] = [
            driver.facts,
            driver.collections,
            lambda: driver.create_indexes("orders", ['{"key":{"n":{"$numberInt":"1"}},"name":"n"}'], expire=True),
            lambda: driver.set_expiry("orders", ['{"name":"n","expireAfterSeconds":{"$numberInt":"1"}}']),
            lambda: driver.create_view(VIEW),
            lambda: driver.rename("orders", "new"),
            lambda: driver.drop("orders"),
            lambda: driver.copy_timeseries(VIEW, "a", "b"),
        ]
        for step in steps:
            begun = time.monotonic()
            with pytest.raises(OutsideError, match="MongoDB is silent") as caught:
                step()
            assert not caught.value.permanent
            assert time.monotonic() - begun < 5
        server.restart()
        assert counted(driver) == {"orders": 10}


def test_a_server_that_freezes_is_noticed() -> None:
    with Mongod() as server, closing(MongoDriver(Connection(server.uri("shop")), selection_seconds=1)) as driver:
        driver.facts()
        os.kill(server.pid, signal.SIGSTOP)
        while psutil.Process(server.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)
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
