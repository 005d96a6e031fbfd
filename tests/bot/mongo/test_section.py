"""The section `mongo` of /health on real servers: each check well, wrong and not known where one can be made so."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from bot.adapters.mongo.replica import ReplicaProbe
from bot.adapters.mongo.status import ServerProbe
from handlers.checks.mongo import MongoCheck
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding
from handlers.core.words.answers import TargetName
from sandbox.servers.certificates import Authority
from sandbox.servers.mongod import Member, Mongod, direct_client
from tests.bot.mongo.test_members import locked
from tests.conftest import needs

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
PATIENCE_SECONDS = 60.0
MOST_CONNECTIONS = 60


def looked(uri: str) -> dict[str, Finding]:
    check = MongoCheck(ReplicaProbe(uri), ServerProbe(uri))
    return {each.name: each for each in check(TargetName("shop"), 8)}


def until(uri: str, wanted: Callable[[dict[str, Finding]], bool]) -> dict[str, Finding]:
    """Looks again until it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not wanted(found := looked(uri)):
        assert time.monotonic() < deadline, found
        time.sleep(0.3)
    return found


@pytest.fixture(scope="module")
def guarded() -> Iterator[Mongod]:
    """A server that asks who somebody is, and takes few connections."""
    needs("mongod")
    with Mongod(authentication=True, arguments=("--maxConns", str(MOST_CONNECTIONS))) as running:
        with running.client() as client:
            client.shop.orders.insert_one({})
        yield running


def of(guarded: Mongod, user: str, *roles: Any) -> str:
    """The address for a new user with these roles."""
    with guarded.client() as client:
        client.admin.command("createUser", user, pwd=user, roles=list(roles))
    return guarded.uri("shop").replace(f"{guarded.user}:{guarded.password}@", f"{user}:{user}@")


def test_a_server_at_rest_is_well(guarded: Mongod) -> None:
    found = until(guarded.uri("shop"), lambda each: each["oplog window"].verdict is not UNKNOWN)
    names = ("primary", "authentication", "passwords", "connections", "slow operations", "index builds", "disk")
    well = {name: found[name].verdict for name in names if name != "disk"}
    assert well == dict.fromkeys(well, PASS)
    assert found["disk"].verdict is not UNKNOWN
    assert found["TLS"].verdict is FAIL


def test_a_user_without_the_newer_hash_is_named(guarded: Mongod) -> None:
    with guarded.client() as client:
        client.admin.command("createUser", "old", pwd="old", roles=[], mechanisms=["SCRAM-SHA-1"])
        try:
            found = looked(guarded.uri("shop"))["passwords"]
        finally:
            client.admin.command("dropUser", "old")
    assert (found.verdict, "admin.old" in str(found.text)) == (FAIL, True)


def test_connections_near_the_limit_are_found(guarded: Mongod) -> None:
    assert looked(guarded.uri("shop"))["connections"].verdict is PASS
    with ExitStack() as open_:
        for _ in range(MOST_CONNECTIONS * 7 // 10):
            open_.enter_context(socket.create_connection(("127.0.0.1", guarded.port), 5))
        found = until(guarded.uri("shop"), lambda each: each["connections"].verdict is FAIL)["connections"]
    assert found.limit == f"80 % of {MOST_CONNECTIONS}".replace(" %", "%")


def test_an_operation_that_takes_seconds_is_told(guarded: Mongod) -> None:
    uri = guarded.uri("shop")
    with guarded.client() as client:
        client.shop.slow.insert_one({})
        slow = threading.Thread(target=lambda: list(client.shop.slow.find({"$where": "sleep(6000) || true"})))
        slow.start()
        try:
            found = until(uri, lambda each: each["slow operations"].verdict is FAIL)["slow operations"]
        finally:
            slow.join(60)
    assert "shop.slow" in str(found.text)
    assert "sleep" not in str(found.text)
    assert until(uri, lambda each: each["slow operations"].verdict is PASS)


def test_what_a_user_may_not_ask_is_not_known_each_by_itself(guarded: Mongod) -> None:
    found = looked(of(guarded, "reader", {"role": "read", "db": "shop"}))
    assert found["replica set"].verdict is UNKNOWN
    names = ("connections", "authentication", "TLS", "passwords", "cache", "read tickets")
    assert {name: found[name].verdict for name in names} == dict.fromkeys(names, UNKNOWN)
    with guarded.client() as client:
        rights = [{"resource": {"cluster": True}, "actions": ["replSetGetStatus", "serverStatus"]}]
        client.admin.command("createRole", "glance", privileges=rights, roles=[])
    found = looked(of(guarded, "glancer", "glance", {"role": "read", "db": "shop"}))
    names = ("oplog window", "slow operations", "index builds", "authentication", "TLS", "passwords")
    assert {name: found[name].verdict for name in names} == dict.fromkeys(names, UNKNOWN)
    assert [found[name].verdict for name in ("primary", "connections")] == [PASS, PASS]


class Encrypted(Member):
    """It takes encrypted connections only, and is in no set."""

    def is_ready(self) -> bool:
        """It takes connections; `Member` asks without encryption."""
        return "Waiting for connections" in self.log.read_text()

    def command(self) -> list[str]:
        """See Member."""
        words = super().command()
        at = words.index("--replSet")
        return words[:at] + words[at + 2 :]


def test_a_server_that_takes_encrypted_connections_only_is_well(tmp_path: Path) -> None:
    needs("mongod")
    authority = Authority(tmp_path)
    files = authority.server("db")
    pem = tmp_path / "db-all.pem"
    pem.write_bytes(files["server.pem"] + files["server.key"])
    words = ("--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(pem), "--tlsCAFile", str(authority.root),
             "--tlsAllowConnectionsWithoutCertificates")  # fmt: skip
    with Encrypted(0.25, None, words) as server:
        uri = f"mongodb://localhost:{server.port}/shop?directConnection=true&tls=true&tlsCAFile={authority.root}"
        found = looked(uri)
    assert found["TLS"].verdict is PASS
    assert found["replica set"].verdict is UNKNOWN


def test_a_set_that_loses_its_members_one_by_one_says_who_is_behind_who_is_gone_and_that_nobody_can_write() -> None:
    needs("mongod")
    with Mongod(members=3) as members:
        uri, ports = members.uri("shop"), [member.port for member in members.members]
        found = until(uri, lambda each: sum(name.startswith("lag of") for name in each) == 2)
        leads = ports.index(int(found["primary"].value.rpartition(":")[2]))
        first, second = (number for number in range(3) if number != leads)
        lag = f"lag of 127.0.0.1:{ports[first]}"
        assert until(uri, lambda each: lag in each and each[lag].verdict is PASS)
        with members.client() as client, direct_client(ports[first]) as stands:
            locked(stands)
            try:
                assert until(uri, lambda each: behind(client, each, lag))
            finally:
                stands.admin.command("fsyncUnlock")
            assert until(uri, lambda each: lag in each and each[lag].verdict is PASS)
        members.kill(first)
        gone = f"member 127.0.0.1:{ports[first]}"
        assert until(uri, lambda each: gone in each and each[gone].verdict is FAIL)
        members.kill(second)
        found = until(uri, lambda each: "primary" in each and each["primary"].verdict is FAIL)
        assert "nobody can write" in str(found["primary"].text)
        assert not [each for each in found.values() if each.name.startswith("lag of") and each.verdict is PASS]


def behind(client: MongoClient[dict[str, Any]], found: dict[str, Finding], lag: str) -> bool:
    """Whether it is too far behind by now, of a set that is written to."""
    client.shop.orders.insert_one({})
    return lag in found and found[lag].verdict is FAIL
