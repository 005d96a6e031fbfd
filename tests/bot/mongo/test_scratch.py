"""Scratch servers: private, gone afterwards whatever happened, and never near live data."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from pymongo.database import Database

from bot.adapters.mongo import Deployment, MongoDatabase
from bot.adapters.mongo.scratch import PREFIX, ScratchMongod, sweep
from bot.adapters.mongo.scratch_server import ScratchServer
from handlers.core.formats.manifests import CollectionKind, CollectionSpec, DumpEvidence
from handlers.core.restores.loadings import load
from handlers.core.words.errors import OutsideError, Refusal
from sandbox.servers.mongod import Mongod
from tests.bot.mongo.stock import dumped, fill, names_of
from tests.conftest import needs

OPEN_AND_WAIT = """
import sys, time
from bot.adapters.mongo.scratch import ScratchMongod
with ScratchMongod("mongod", sys.argv[1], path=sys.argv[2]).open(0):
    print("open", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder with a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="d-") as name:
        yield Path(name)


def solid_of(evidence: DumpEvidence) -> list[CollectionSpec]:
    """What holds something."""
    return [spec for spec in evidence.announced if spec.kind is not CollectionKind.VIEW]


@pytest.fixture
def scratch(folder: Path, tools_path: str) -> ScratchMongod:
    return ScratchMongod("mongod", str(folder), path=tools_path)


def servers(folder: Path) -> list[psutil.Process]:
    """Every process that names the folder, keepers and servers."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ()) and process.pid != os.getpid()
    ]


def gone(folder: Path, seconds: float = 15) -> bool:
    """Whether within that time nothing runs there and nothing of ours lies there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not servers(folder) and not list(folder.glob(f"{PREFIX}*")):
            return True
        time.sleep(0.1)
    return False


def test_a_scratch_server_is_reached_by_its_own_socket_and_by_nothing_else(
    scratch: ScratchMongod, folder: Path
) -> None:
    with scratch.open(0) as database:
        assert database.facts().collections == 0
        assert not database.expires()
        (place,) = folder.glob(f"{PREFIX}*")
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        (server,) = (each for each in servers(folder) if each.name() == "mongod")
        assert server.net_connections(kind="inet") == []
        sockets = {str(each.laddr) for each in server.net_connections(kind="unix")} - {""}
        assert sockets
        assert all(each.startswith(str(place)) for each in sockets)
    assert gone(folder, 0.5)


def test_a_scratch_server_is_gone_after_an_exception_too(scratch: ScratchMongod, folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), scratch.open(0):
        raise KeyboardInterrupt
    assert gone(folder, 0.5)


def test_an_absent_mongod_is_told_with_what_to_do(folder: Path) -> None:
    with pytest.raises(OutsideError, match="DRILL_MONGOD"), ScratchMongod("mongod", str(folder), path="").open(0):
        pass


def test_a_mongod_that_does_not_start_is_told_and_leaves_nothing(folder: Path, tools_path: str) -> None:
    with pytest.raises(OutsideError, match="did not start"), ScratchMongod("/bin/false", str(folder)).open(0):
        pass
    assert gone(folder, 0.5)


def test_a_folder_without_room_is_told_before_anything_starts(scratch: ScratchMongod, folder: Path) -> None:
    with pytest.raises(OutsideError, match="no room"), scratch.open(10**18):
        pass
    assert gone(folder, 0.1)


def test_a_folder_that_is_not_there_is_told(tools_path: str) -> None:
    with (
        pytest.raises(OutsideError, match="cannot be used"),
        ScratchMongod("mongod", "/nonexistent/drills", path=tools_path).open(0),
    ):
        pass


def test_a_path_too_long_for_a_socket_is_told_and_leaves_nothing(folder: Path, tools_path: str) -> None:
    deep = folder / ("x" * 90)
    deep.mkdir()
    with pytest.raises(OutsideError, match="too long"), ScratchMongod("mongod", str(deep), path=tools_path).open(0):
        pass
    assert list(deep.iterdir()) == []


def test_a_server_that_finds_no_more_room_is_told_with_its_last_words(
    folder: Path, tools_path: str, adapter: MongoDatabase, real: Database[dict[str, object]]
) -> None:
    real.noise.insert_many({"_id": number, "noise": os.urandom(100_000)} for number in range(200))
    packed, evidence = dumped(adapter)
    # A file may not grow beyond 4 MiB: what a full disk is to the server's data files. SIGXFSZ is ignored, so that the
    # write fails instead.
    small = folder / "small-mongod"
    small.write_text(f'#!/bin/sh\ntrap "" XFSZ\nPATH="{tools_path}"\nulimit -f 8192\nexec mongod "$@"\n')
    small.chmod(0o755)
    limited = ScratchMongod(str(small), str(folder), path=tools_path)
    with pytest.raises(OutsideError, match=r"ended in the middle .* free. File too large"), limited.open(0) as database:
        load(database, iter(packed), "", solid_of(evidence))
    assert gone(folder, 0.5)


def opened_elsewhere(folder: Path, path: str) -> subprocess.Popen[str]:
    """Another process that has a scratch server open."""
    process = subprocess.Popen(
        [sys.executable, "-c", OPEN_AND_WAIT, str(folder), path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def ended(process: subprocess.Popen[str]) -> None:
    process.wait(10)
    if process.stdout is not None:
        process.stdout.close()


def test_a_worker_killed_by_kill_9_leaves_no_server_and_no_folder(folder: Path, tools_path: str) -> None:
    process = opened_elsewhere(folder, tools_path)
    assert any(each.name() == "mongod" for each in servers(folder))
    process.kill()
    ended(process)
    assert gone(folder)


def test_a_killed_keeper_takes_its_server_with_it_and_the_next_start_removes_the_folder(
    folder: Path, tools_path: str, scratch: ScratchMongod
) -> None:
    process = opened_elsewhere(folder, tools_path)
    (keeper,) = (each for each in servers(folder) if "keeper.py" in " ".join(each.cmdline()))
    keeper.kill()
    process.kill()
    ended(process)
    psutil.wait_procs([each for each in servers(folder) if each.name() == "mongod"], timeout=10)
    assert servers(folder) == []
    assert len(list(folder.glob(f"{PREFIX}*"))) == 1
    with scratch.open(0):
        assert len(list(folder.glob(f"{PREFIX}*"))) == 1
    assert gone(folder, 0.5)


def test_a_sweep_leaves_what_is_in_use_and_what_is_just_being_made(
    folder: Path, tools_path: str, scratch: ScratchMongod
) -> None:
    fresh, old = folder / f"{PREFIX}fresh", folder / f"{PREFIX}old"
    fresh.mkdir()
    old.mkdir()
    os.utime(old, (time.time() - 3600,) * 2)
    with scratch.open(0) as database:
        sweep(folder)
        assert database.facts().collections == 0
    assert fresh.exists()
    assert not old.exists()


def test_a_sweep_ends_a_server_whose_keeper_is_gone(folder: Path) -> None:
    place = folder / f"{PREFIX}orphan"
    (place / "data").mkdir(parents=True)
    (place / "lock").touch()
    where = ["--dbpath", str(place / "data"), "--unixSocketPrefix", str(place)]
    command = [str(needs("mongod")), *where, "--bind_ip", str(place / "mongod.sock"), "--port", "0"]
    orphan = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline, lock = time.monotonic() + 30, place / "data" / "mongod.lock"
    while time.monotonic() < deadline and not (lock.exists() and lock.read_text()):
        time.sleep(0.05)
    sweep(folder)
    assert orphan.wait(10) == -signal.SIGKILL
    assert gone(folder, 0.5)


def test_a_sweep_leaves_a_server_that_has_not_written_its_id_yet(folder: Path) -> None:
    place = folder / f"{PREFIX}orphan"
    (place / "data").mkdir(parents=True)
    (place / "lock").touch()
    with (place / "data" / "mongod.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        sweep(folder)
        assert place.exists()
    sweep(folder)
    assert not place.exists()


# -- a server that is there ----------------------------------------------------------------------------------------


@pytest.fixture
def with_users() -> Iterator[Mongod]:
    """A server that asks who one is, and expires nothing."""
    needs("mongod")
    with Mongod(authentication=True, arguments=("--setParameter", "ttlMonitorEnabled=false")) as server:
        yield server


@pytest.fixture
def other(scratch: ScratchMongod) -> Iterator[str]:
    """The address of a server that expires nothing."""
    with scratch.open(0) as database:
        yield database._connection.uri.replace("/drill?", "/?")


def test_a_database_on_a_scratch_server_is_empty_and_gone_afterwards(
    other: str, adapter: MongoDatabase, tools_path: str, real: Database[dict[str, object]]
) -> None:
    fill(real)
    packed, evidence = dumped(adapter)
    with ScratchServer(other, adapter, path=tools_path).open(0) as database:
        assert database.facts().collections == 0
        assert database.load(iter(packed), "", names_of(evidence)).return_code == 0
        name = database.name
        assert name in databases(other)
    assert name not in databases(other)


def databases(uri: str) -> set[str]:
    with closing(MongoDatabase(uri.replace("/?", "/admin?"))) as server:
        return set(server._database().client.list_database_names())


def test_what_a_killed_worker_left_on_a_scratch_server_is_dropped_a_day_later(
    other: str, adapter: MongoDatabase, tools_path: str
) -> None:
    now = int(time.time())
    names = {f"drill_{now - 90_000}_0123abcd", f"drill_{now - 3600}_0123abcd", "drill_orders", "shop"}
    with closing(MongoDatabase(other.replace("/?", "/admin?"))) as server:
        for name in names:
            server._database().client[name].there.insert_one({"_id": 1})
    with ScratchServer(other, adapter, path=tools_path).open(0):
        pass
    assert names - databases(other) == {f"drill_{now - 90_000}_0123abcd"}


@pytest.mark.parametrize("spelled", [lambda uri: uri, lambda uri: uri.partition("?")[0] + "?directConnection=true"])
def test_the_live_deployment_is_never_a_scratch_server(
    mongod: Mongod, adapter: MongoDatabase, spelled: Callable[[str], str]
) -> None:
    uri = spelled(mongod.uri(""))
    with pytest.raises(Refusal, match="live deployment"), ScratchServer(uri, adapter).open(0):
        pass


def test_when_the_live_deployment_cannot_be_asked_nothing_is_opened(other: str) -> None:
    with closing(MongoDatabase("mongodb://127.0.0.1:1/shop?serverSelectionTimeoutMS=200")) as live:
        live._selection_seconds = 0.2
        with pytest.raises(OutsideError, match="silent"), ScratchServer(other, live).open(0):
            pass


def test_a_server_that_deletes_what_is_too_old_is_refused(mongod: Mongod, scratch: ScratchMongod) -> None:
    with (
        scratch.open(0) as live,
        pytest.raises(Refusal, match="ttlMonitorEnabled"),
        ScratchServer(mongod.uri(""), live).open(0),
    ):
        pass


def test_members_of_one_set_are_the_same_deployment() -> None:
    one = Deployment("a", "rs0", frozenset({"h1:1", "h2:1"}))
    assert one.same(Deployment("b", "rs0", frozenset({"h2:1", "h3:1"})))
    assert not one.same(Deployment("b", "rs0", frozenset({"h9:1"})))
    assert not one.same(Deployment("b", "rs1", frozenset({"h1:1"})))
    assert not Deployment("", "", frozenset()).same(Deployment("", "", frozenset()))


def test_a_user_of_a_scratch_server_is_looked_for_where_the_address_says(
    adapter: MongoDatabase, tools_path: str, with_users: Mongod
) -> None:
    uri = with_users.uri("").replace("authSource=admin", "")
    with ScratchServer(uri, adapter, path=tools_path).open(0) as database:
        assert database.facts().collections == 0
