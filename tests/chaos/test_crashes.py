"""Whatever is killed, whenever: no half backup, no mixed data, and a card that says what is true.

`make test` takes every second point of a restore and every third of an undo, `make chaos` all of them. Over fakes,
every call of both is one in every run (tests/handlers/test_restorations.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import psutil
import pytest
from pymongo import MongoClient

from bot.adapters.mongo import Engine
from bot.worker import Beat
from handlers.core.restores.switches import RESERVED
from handlers.core.words.answers import JobId
from handlers.core.words.jobs import Job, JobState
from sandbox.demo import shop
from sandbox.servers.mongod import Mongod
from sandbox.servers.process import is_running
from tests.chaos.house import Break, House, house
from tests.conftest import needs
from tests.depth import EVERY_POINT
from tests.fakes import someone

# A restore of the shop: 2 time-series and 2 views on either side, 18 or 19 collections to rename.
RESTORE_POINTS = [
    "put.intent.before",
    "put.intent.after",
    "read.1.after",
    "put.manifest.before",
    "put.manifest.after",
    "fed.1.after",
    "index.3.before",
    "put.decision.before",
    "put.decision.after",
    "copy.1.after",
    "drop.1.after",
    "drop.3.after",
    "rename.1.after",
    "rename.9.before",
    "rename.20.after",
    "rename.25.before",
    "copy.3.before",
    "copy.4.after",
    "view.1.after",
    "put.outcome.before",
    "put.outcome.after",
    "expiry.1.after",
    "put.closed.before",
]
UNDO_POINTS = [
    "put.decision.before",
    "put.decision.after",
    "copy.1.after",
    "drop.2.after",
    "rename.1.after",
    "rename.9.before",
    "rename.20.after",
    "rename.25.before",
    "copy.4.after",
    "put.outcome.before",
    "put.outcome.after",
    "put.kept.after",
    "put.gone.before",
    "put.closed.before",
]
UNDONE_FROM = UNDO_POINTS.index("put.outcome.after")
BACKUP_POINTS = ["read.1.before", "read.1.after", "put.manifest.before", "put.manifest.after"]
NEW_FROM = RESTORE_POINTS.index("put.outcome.after")


@dataclass
class Scene:
    """A shop with a backup of how it was, and live data that went on."""

    house: House
    uri: str
    given: dict[str, Any]
    folder: Path
    backed_up: dict[str, Any]
    live: dict[str, Any]
    ending: ExitStack

    def another(self, breaking: Break | None = None, *, keep_hours: int = 0) -> House:
        """What another process has: only what is stored."""
        given = self.given
        built = house(
            self.uri,
            given["redis"],
            self.folder,
            given["path"],
            breaking,
            keep_hours=keep_hours,
            loader="mongorestore" if given["loader"] == "mongorestore" else "native",
        )
        self.ending.callback(built.database.close)
        return built

    def rescued(self, job: JobId) -> Job:
        """The job's record after another worker looked after it. The lease is taken away as its 20 s would."""
        held = self.house.state.get(f"lease:{job}")
        if held is not None:
            self.house.state.delete_if(f"lease:{job}", held.version)
        other = self.another()
        other.desk.find_lost()
        other.desk.tend()
        return other.loaded(job)


@pytest.fixture(scope="module")
def own_mongod() -> Iterator[Mongod]:
    """A MongoDB that these tests may kill."""
    needs("mongod")
    with Mongod() as server:
        yield server


@pytest.fixture
def scene(own_mongod: Mongod, redis_url: str, tools_path: str, tmp_path: Path) -> Iterator[Scene]:
    name = f"shop_{tmp_path.name[-40:]}".replace(".", "_")[:50]
    uri, folder = own_mongod.uri(name), tmp_path / "backups"
    shop.plant(uri, orders=60)
    given = {"uri": uri, "redis": redis_url, "folder": str(folder), "path": tools_path, "loader": "native"}
    built = house(uri, redis_url, folder, tools_path)
    built.desk.work(built.asked("backup", "now"))
    backed_up = shop.picture(uri)
    shop.live_on(uri)
    with ExitStack() as ending:
        ending.callback(built.database.close)
        yield Scene(built, uri, given, folder, backed_up, shop.picture(uri), ending)
    with MongoClient[dict[str, Any]](uri) as client:
        client.drop_database(name)


def run_until_killed(scene: Scene, job: JobId, point: str) -> None:
    """A worker process that dies at the point."""
    command = [sys.executable, "-m", "tests.chaos.doomed_worker", job, point]
    done = subprocess.run(command, input=json.dumps(scene.given).encode(), capture_output=True, timeout=90, check=False)
    assert done.returncode == -signal.SIGKILL, f"{point} was not reached: {done.stderr.decode()[-2000:]}"
    # Its tools see their pipes closed and end by themselves, long before the lease of 20 s has run out.
    _, still = psutil.wait_procs([each for each in psutil.process_iter() if _is_orphan(each)], timeout=15)
    assert still == []


def _is_orphan(process: psutil.Process) -> bool:
    try:
        return process.name() in {"mongodump", "mongorestore"} and process.ppid() == 1
    except psutil.NoSuchProcess:
        return False


def nothing_half_made(scene: Scene) -> None:
    """Every listed backup is whole, everything stored belongs to one, and no staging is left."""
    listing = scene.another().catalogue.listing()
    assert not listing.damaged
    for manifest in listing.manifests:
        data = b"".join(scene.house.store.read(manifest.data.key))
        assert hashlib.sha256(data).hexdigest() == manifest.data.sha256
    stored = {artifact.key for artifact in scene.house.store.list("v1/") if artifact.key.endswith(".zst")}
    parts = [manifest.slice.stored.key for manifest in listing.manifests if manifest.slice is not None]
    assert stored == {manifest.data.key for manifest in listing.manifests} | set(parts)
    uploads = scene.folder / ".uploads"
    assert not uploads.exists() or not list(uploads.iterdir())
    with MongoClient[dict[str, Any]](scene.uri) as client:
        names = client.get_default_database().list_collection_names()
    assert [name for name in names if name.removeprefix("system.buckets.").startswith(RESERVED)] == []


@pytest.mark.parametrize("point", RESTORE_POINTS if EVERY_POINT else RESTORE_POINTS[::2])
def test_a_restore_whose_worker_is_killed_ends_in_the_old_data_or_the_new(scene: Scene, point: str) -> None:
    job = scene.house.asked("restore", "latest")
    run_until_killed(scene, job, point)
    ended = scene.rescued(job)
    assert ended.state is JobState.INTERRUPTED
    is_new = RESTORE_POINTS.index(point) >= NEW_FROM
    assert shop.picture(scene.uri) == (scene.backed_up if is_new else scene.live)
    said = str(ended.outcome.text) if ended.outcome is not None else ""
    assert ("is the backup's" in said) is is_new
    assert ("the old data" in said or "as it was" in said) is not is_new
    nothing_half_made(scene)


def restored_and_kept(scene: Scene) -> tuple[House, JobId]:
    """A finished restore that can be undone."""
    built = scene.another(keep_hours=24)
    done = built.asked("restore", "latest", by=someone("U0NIMA"))
    with Beat(built.desk):
        built.desk.work(done)
    assert built.loaded(done).state is JobState.DONE
    assert shop.picture(scene.uri) == scene.backed_up
    return built, done


def test_an_undo_brings_back_every_document_option_and_index(scene: Scene) -> None:
    built, done = restored_and_kept(scene)
    undo = built.asked("restore", "undo", done)
    with Beat(built.desk):
        built.desk.work(undo)
    assert built.loaded(undo).state is JobState.DONE, built.loaded(undo).outcome
    assert shop.picture(scene.uri) == scene.live
    # An undo of the undo, by somebody whose code is not spent.
    again = built.asked("restore", "undo", undo, by=someone("U0LALE"))
    with Beat(built.desk):
        built.desk.work(again)
    assert shop.picture(scene.uri) == scene.backed_up


@pytest.mark.parametrize("point", UNDO_POINTS if EVERY_POINT else UNDO_POINTS[::3])
def test_an_undo_whose_worker_is_killed_ends_in_the_old_data_or_the_new(scene: Scene, point: str) -> None:
    built, done = restored_and_kept(scene)
    job = built.asked("restore", "undo", done)
    run_until_killed(scene, job, point)
    assert scene.rescued(job).state is JobState.INTERRUPTED
    undone = UNDO_POINTS.index(point) >= UNDONE_FROM
    assert shop.picture(scene.uri) == (scene.live if undone else scene.backed_up)


@pytest.mark.parametrize("loader", get_args(Engine))
def test_a_restore_whose_worker_is_killed_while_it_loads_leaves_the_old_data(scene: Scene, loader: Engine) -> None:
    scene.given["loader"] = loader
    fatten(scene)
    scene.house.desk.work(scene.house.asked("backup", "now"))
    job = scene.house.asked("restore", "latest")
    run_until_killed(scene, job, "fed.8.after")
    with MongoClient[dict[str, Any]](scene.uri) as client:
        database = client.get_default_database()
        staged = [name for name in database.list_collection_names() if name.startswith("__rst_")]
        assert sum(database[name].count_documents({}) for name in staged) > 0
    assert scene.rescued(job).state is JobState.INTERRUPTED
    assert shop.picture(scene.uri) == scene.live
    nothing_half_made(scene)


@pytest.mark.parametrize("point", BACKUP_POINTS)
def test_a_backup_whose_worker_is_killed_is_whole_or_not_there(scene: Scene, point: str) -> None:
    job = scene.house.asked("backup", "now")
    run_until_killed(scene, job, point)
    ended = scene.rescued(job)
    made = point == "put.manifest.after"
    assert ended.state is (JobState.DONE if made else JobState.INTERRUPTED)
    assert len(scene.another().catalogue.listing().manifests) == (2 if made else 1)
    nothing_half_made(scene)


def test_a_rescue_that_is_killed_too_is_finished_by_the_next(scene: Scene) -> None:
    job = scene.house.asked("restore", "latest")
    run_until_killed(scene, job, "rename.25.before")
    held = scene.house.state.get(f"lease:{job}")
    assert held is not None
    scene.house.state.delete_if(f"lease:{job}", held.version)

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        scene.another(Break("rename.3.after", die)).desk.tend()
    ended = scene.rescued(job)
    assert ended.state is JobState.INTERRUPTED
    assert shop.picture(scene.uri) == scene.live
    nothing_half_made(scene)


def test_a_restore_whose_worker_and_redis_are_both_lost_is_found_by_its_journal(scene: Scene) -> None:
    job = scene.house.asked("restore", "latest")
    run_until_killed(scene, job, "rename.9.before")
    for prefix in ("job:", "active:", "lease:", "busy:", "dirty:", "approved:"):
        for key in scene.house.state.keys(prefix):
            held = scene.house.state.get(key)
            assert held is not None
            scene.house.state.delete_if(key, held.version)
    ended = scene.rescued(job)
    assert ended.state is JobState.INTERRUPTED
    assert ended.plan.channel == "C0OPS"
    assert shop.picture(scene.uri) == scene.live
    nothing_half_made(scene)


def work(
    scene: Scene,
    command: str,
    words: str,
    point: str,
    action: Callable[[], None],
    meanwhile: Callable[[], None] = lambda: None,
    keep_hours: int = 0,
) -> Job:
    """A job in this process, with something else killed at a point."""
    built = scene.another(Break(point, action), keep_hours=keep_hours)
    built.clock.meanwhile = meanwhile
    job = built.asked(command, *words.split())
    with Beat(built.desk):
        built.desk.work(job)
    assert built.breaking.reached, f"{point} was not reached"
    return built.loaded(job)


def kill_tool(name: str) -> None:
    """SIGKILL to our child of this name."""
    found = [child for child in psutil.Process().children(recursive=True) if child.name() == name]
    assert found, f"no {name} runs"
    for child in found:
        os.kill(child.pid, signal.SIGKILL)


def fatten(scene: Scene) -> None:
    """More than the pipes and the compressor hold, so that a tool is still at work when it is killed."""
    with MongoClient[dict[str, Any]](scene.uri) as client:
        database = client.get_default_database()
        database.fat.insert_many({"_id": number, "bytes": os.urandom(200_000)} for number in range(150))
    scene.live = shop.picture(scene.uri)


def test_a_backup_whose_mongodump_is_killed_is_not_there(scene: Scene) -> None:
    fatten(scene)
    ended = work(scene, "backup", "now", "read.1.after", lambda: kill_tool("mongodump"))
    assert ended.state is JobState.FAILED
    assert "No backup was kept" in str(ended.outcome)
    assert len(scene.another().catalogue.listing().manifests) == 1
    nothing_half_made(scene)


def test_a_restore_whose_mongodump_is_killed_leaves_the_old_data(scene: Scene) -> None:
    fatten(scene)
    ended = work(scene, "restore", "latest", "read.1.after", lambda: kill_tool("mongodump"))
    assert ended.state is JobState.FAILED
    assert shop.picture(scene.uri) == scene.live
    nothing_half_made(scene)


def test_a_restore_whose_mongorestore_is_killed_leaves_the_old_data(scene: Scene) -> None:
    scene.given["loader"] = "mongorestore"
    ended = work(scene, "restore", "latest", "fed.1.after", lambda: kill_tool("mongorestore"))
    assert ended.state is JobState.FAILED
    assert shop.picture(scene.uri) == scene.live
    nothing_half_made(scene)


def work_without_mongodb(
    scene: Scene, mongod: Mongod, command: str, words: str, point: str, keep_hours: int = 0
) -> Job:
    """A job whose MongoDB is killed at a point, and comes back only when somebody waits for it."""

    def come_back() -> None:
        if not is_running(mongod.pid):
            mongod.restart()

    try:
        return work(scene, command, words, point, mongod.kill, come_back, keep_hours)
    finally:
        come_back()


@pytest.mark.parametrize("point", ["fed.1.after", "rename.9.before", "copy.3.before"])
def test_a_restore_whose_mongodb_is_killed_ends_in_the_old_data(scene: Scene, own_mongod: Mongod, point: str) -> None:
    ended = work_without_mongodb(scene, own_mongod, "restore", "latest", point)
    assert ended.state is JobState.FAILED
    assert "the old data" in str(ended.outcome)
    assert shop.picture(scene.uri) == scene.live
    nothing_half_made(scene)


def test_a_restore_whose_mongodb_is_killed_after_the_switch_ends_in_the_new_data(
    scene: Scene, own_mongod: Mongod
) -> None:
    ended = work_without_mongodb(scene, own_mongod, "restore", "latest", "expiry.1.before")
    assert "is the backup's" in str(ended.outcome)
    assert shop.picture(scene.uri) == scene.backed_up
    nothing_half_made(scene)


UNDO_WITHOUT_MONGODB = ["rename.9.before", "put.decision.after", "drop.2.after", "put.outcome.after"]


@pytest.mark.parametrize("point", UNDO_WITHOUT_MONGODB if EVERY_POINT else UNDO_WITHOUT_MONGODB[:1])
def test_an_undo_whose_mongodb_is_killed_ends_in_the_old_data_or_the_new(
    scene: Scene, own_mongod: Mongod, point: str
) -> None:
    _, done = restored_and_kept(scene)
    ended = work_without_mongodb(scene, own_mongod, "restore", f"undo {done}", point, keep_hours=24)
    undone = point == "put.outcome.after"
    assert ("what it was before the restore" in str(ended.outcome)) is undone
    assert shop.picture(scene.uri) == (scene.live if undone else scene.backed_up)


def test_a_backup_whose_mongodb_is_killed_is_not_there(scene: Scene, own_mongod: Mongod) -> None:
    fatten(scene)
    ended = work_without_mongodb(scene, own_mongod, "backup", "now", "read.1.after")
    assert ended.state is JobState.FAILED
    assert len(scene.another().catalogue.listing().manifests) == 1
    nothing_half_made(scene)


def damaged(data: bytes, how: str) -> bytes:
    """A backup's bytes after something happened to them."""
    middle = len(data) // 2
    match how:
        case "cut":
            return data[:middle]
        case "cut by one byte":
            return data[:-1]
        case "one bit flipped":
            return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        case "one bit flipped at the end":
            return data[:-1] + bytes([data[-1] ^ 1])
        case _:
            return b""


@pytest.mark.parametrize("how", ["cut", "cut by one byte", "one bit flipped", "one bit flipped at the end", "empty"])
def test_a_damaged_backup_never_changes_the_live_data(scene: Scene, how: str) -> None:
    manifest = scene.house.catalogue.find("latest")
    file = scene.folder / manifest.data.key
    whole = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(damaged(whole, how))
    job = scene.house.asked("restore", "latest")
    with Beat(scene.house.desk):
        scene.house.desk.work(job)
    assert scene.house.loaded(job).state is JobState.FAILED
    assert shop.picture(scene.uri) == scene.live
    file.write_bytes(whole)
    nothing_half_made(scene)
