"""The embedded servers keep what they were told, and leave nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.request import urlopen

import pytest
import redis

from sandbox.servers.alertmanager import Alertmanager
from sandbox.servers.mongod import Mongod
from sandbox.servers.ports import free_port
from sandbox.servers.process import NotReady, Server, is_running
from sandbox.servers.prometheus import Prometheus
from sandbox.servers.radosgw import PROGRAMS, Radosgw
from sandbox.servers.redis import RedisServer
from tests.conftest import needs

ROOT = Path(__file__).parents[2]

STARTS_TWO_AND_WAITS = """
import json, os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # who was started in the background ignores it
from sandbox.servers.mongod import Mongod
from sandbox.servers.radosgw import PROGRAMS, Radosgw
from sandbox.servers.redis import RedisServer
with Mongod() as mongod, RedisServer() as redis_server:
    servers = [mongod.members[0], redis_server]
    print(json.dumps({
        "pids": [os.getpid(), *(server.pid for server in servers)],
        "guards": [server._guard.pid for server in servers],
        "folders": [str(server.folder) for server in servers],
    }), flush=True)
    time.sleep(60)
"""


class Sleeper(Server):
    """A process that is ready at once, or never."""

    name = "sleeper"

    def __init__(self, program: str, ready: bool) -> None:
        super().__init__()
        self._program = program
        self._ready = ready

    def command(self) -> list[str]:
        """The program, run by this Python."""
        return [sys.executable, "-c", self._program]

    def is_ready(self) -> bool:
        """As it was told."""
        return self._ready


@pytest.fixture
def two_servers_of_another_process() -> Iterator[tuple[subprocess.Popen[str], dict[str, list[int]], list[Path]]]:
    """A process that has started a mongod and a Redis: itself, the ids, the servers' folders."""
    needs("mongod")
    needs("redis-server")
    command = [sys.executable, "-c", STARTS_TWO_AND_WAITS]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        said = json.loads(parent.stdout.readline())
        folders = [Path(folder) for folder in said["folders"]]
        try:
            yield parent, said, folders
        finally:
            parent.kill()
            for folder in folders:  # of a test that has killed the guards as well
                shutil.rmtree(folder, ignore_errors=True)


def test_a_killed_mongod_comes_back_with_its_data_on_the_same_address() -> None:
    needs("mongod")
    with Mongod() as mongod:
        with mongod.client() as client:
            client["shop"]["orders"].insert_one({"_id": 1, "total": 12})
        first_pid, address = mongod.pid, mongod.uri()
        mongod.kill()
        assert not is_running(first_pid)
        mongod.restart()
        assert (mongod.pid != first_pid, mongod.uri()) == (True, address)
        with mongod.client() as client:
            assert client["shop"]["orders"].find_one() == {"_id": 1, "total": 12}


def test_a_killed_redis_comes_back_with_what_it_had_answered() -> None:
    needs("redis-server")
    with RedisServer() as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("spent", "yes")
        server.kill()
        assert not server.alive
        server.restart()
        with redis.Redis.from_url(server.url) as client:
            assert client.get("spent") == b"yes"
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        server.flush()
        with redis.Redis.from_url(server.url) as client:
            assert client.get("spent") is None


def test_a_set_with_authentication_refuses_a_stranger() -> None:
    needs("mongod")
    from pymongo import MongoClient
    from pymongo.errors import OperationFailure

    with Mongod(members=2, authentication=True) as mongod:
        with mongod.client() as client:
            client["shop"]["orders"].insert_one({"_id": 1})
            assert len(client.admin.command("replSetGetStatus")["members"]) == 2
        stranger: MongoClient[dict[str, object]] = MongoClient(
            mongod.uri().replace(f"{mongod.user}:{mongod.password}@", "")
        )
        with stranger, pytest.raises(OperationFailure, match="requires authentication"):
            stranger["shop"]["orders"].find_one()


@pytest.mark.parametrize("age", ["", "newer-"])
def test_alertmanager_and_prometheus_answer_and_refuse_a_broken_configuration(age: str) -> None:
    needs(f"{age}alertmanager")
    needs(f"{age}prometheus")
    route = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
    nothing = Prometheus("scrape_configs: []\n", part=f"{age}prometheus")
    with Alertmanager(route, f"{age}alertmanager") as alertmanager, nothing as prometheus:
        for server in (alertmanager, prometheus):
            with urlopen(f"{server.url}/-/healthy", timeout=5) as answer:
                assert answer.status == 200
            assert server.reload()
            server.configuration = "nonsense: ["
            assert not server.reload()


@pytest.mark.xdist_group("radosgw")
def test_a_radosgw_lets_in_its_users_and_leaves_nothing() -> None:
    for program in PROGRAMS:
        needs(program)
    with Radosgw() as server:
        users = [server.create_user(name) for name in ("one", "two")]
        assert len({user.access_key for user in users}) == 2
        with urlopen(server.url, timeout=5) as answer:
            assert answer.status == 200
        pids, folders = server.pids, server.folders
        assert len(set(pids)) == len(PROGRAMS)
        assert all(is_running(pid) for pid in pids)
    assert not any(is_running(pid) for pid in pids)
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("kind", [Mongod, RedisServer])
def test_nothing_is_left_after_a_stop(
    kind: Callable[[], AbstractContextManager[Mongod | RedisServer]],
) -> None:
    needs("mongod" if kind is Mongod else "redis-server")
    with kind() as server:
        process: Server = server.members[0] if isinstance(server, Mongod) else server
        pid, folder = process.pid, process.folder
        assert is_running(pid)
        assert folder.is_dir()
    assert not is_running(pid)
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_when_the_starter_ends_by(
    number: signal.Signals,
    two_servers_of_another_process: tuple[subprocess.Popen[str], dict[str, list[int]], list[Path]],
) -> None:
    parent, ids, folders = two_servers_of_another_process
    everything = ids["pids"] + ids["guards"]
    assert all(is_running(pid) for pid in everything)
    parent.send_signal(number)
    parent.wait(60)
    _until(lambda: not any(is_running(pid) for pid in everything))
    _until(lambda: not any(folder.exists() for folder in folders))


def test_a_server_ends_with_its_guard(
    two_servers_of_another_process: tuple[subprocess.Popen[str], dict[str, list[int]], list[Path]],
) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells a process that its parent has ended")
    _, ids, _ = two_servers_of_another_process
    for guard in ids["guards"]:
        os.kill(guard, signal.SIGKILL)
    _until(lambda: not any(is_running(pid) for pid in ids["pids"][1:]))


def test_a_server_that_ends_at_its_start_is_named_with_its_last_words() -> None:
    server = Sleeper("raise SystemExit('the disk is on fire')", ready=False)
    with pytest.raises(NotReady, match="sleeper ended at its start:\nthe disk is on fire"):
        server.start()
    assert not server.folder.exists()


def test_a_server_that_is_never_ready_is_given_up_and_ended() -> None:
    server = Sleeper("import time; time.sleep(60)", ready=False)
    server.ready_seconds = 0.5
    with pytest.raises(NotReady, match="sleeper was not ready"):
        server.start()
    assert not is_running(server.pid)
    assert not server.folder.exists()


def test_a_server_that_will_not_end_by_itself_is_killed() -> None:
    ignores = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    server = Sleeper(ignores, ready=True)
    server.grace_seconds = 0.3
    with server:
        pid = server.pid
    assert not is_running(pid)


def test_a_port_is_given_once() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200


def _until(done: Callable[[], bool], seconds: float = 10) -> None:
    """Waits for a condition, with a bound."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.05)
