"""A backup restored to another server than it was made of: two real MongoDBs, and what is killed meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from bot.worker import Beat
from handlers.core.door.desk import Began, Said
from handlers.core.formats.manifests import Manifest
from handlers.core.words.answers import Invocation, JobId, TargetName
from handlers.core.words.jobs import Job, JobState
from sandbox.demo import shop
from sandbox.servers.mongod import Mongod
from tests.chaos.house import SARA, House, house
from tests.conftest import needs
from tests.fakes import someone

STAGING = TargetName("staging")


@dataclass
class Scene:
    """A shop with a backup, and another server where something else is."""

    house: House
    live_uri: str
    other_uri: str
    given: dict[str, Any]
    backed_up: dict[str, Any]
    live: dict[str, Any]
    there: dict[str, Any]
    ending: ExitStack

    def another(self) -> House:
        """Another process."""
        given = self.given
        built = house(
            given["uri"],
            given["redis"],
            Path(given["folder"]),
            given["path"],
            keep_hours=24,
            servers=given["servers"],
        )
        self.ending.callback(built.close)
        return built

    def done(self, *words: str, by: str = "U0SARA") -> Job:
        """A job, worked to its end."""
        job = self.house.asked(*words, by=someone(by))
        with Beat(self.house.desk):
            self.house.desk.work(job)
        ended = self.house.loaded(job)
        assert ended.state is JobState.DONE, ended.outcome
        return ended

    def refused(self, *words: str) -> str:
        """Why a restore was not even planned."""
        answer = self.house.desk.ask(Invocation("restore", words, SARA, "C0OPS"))
        assert isinstance(answer, Said), answer
        return str(answer.card.title)

    def untouched(self) -> bool:
        """Whether the live server is as it went on."""
        return bool(shop.picture(self.live_uri) == self.live)

    def forge(self, **changed: Any) -> Manifest:
        """Another manifest in the place of the backup's."""
        manifest = replace(self.house.catalogue.find("latest"), **changed)
        file = (Path(self.given["folder"]) / manifest.data.key).parent / "manifest.json"
        file.chmod(0o600)
        file.write_bytes(manifest.to_bytes())
        self.house = self.another()
        return manifest


@pytest.fixture(scope="module")
def other() -> Iterator[Mongod]:
    needs("mongod")
    with Mongod() as server:
        yield server


@pytest.fixture
def scene(
    mongod: Mongod, other: Mongod, database: str, redis_url: str, tools_path: str, tmp_path: Path
) -> Iterator[Scene]:
    live_uri, other_uri = mongod.uri(database), other.uri(database)
    shop.plant(live_uri, orders=60)
    shop.plant(other_uri, orders=10)
    given = {
        "uri": live_uri,
        "redis": redis_url,
        "folder": str(tmp_path / "backups"),
        "path": tools_path,
        "servers": {STAGING: other_uri, "mirror": live_uri, "gone": "mongodb://127.0.0.1:9/shop"},
    }
    with ExitStack() as ending:
        found = Scene(None, live_uri, other_uri, given, shop.picture(live_uri), {}, {}, ending)  # type: ignore[arg-type]
        found.house = found.another()
        found.done("backup", "now")
        shop.live_on(live_uri)
        found.live, found.there = shop.picture(live_uri), shop.picture(other_uri)
        yield found
    with MongoClient[dict[str, Any]](other_uri) as client:
        client.drop_database(database)


def card(scene: Scene, job: JobId) -> str:
    shown = scene.house.desk.card(scene.house.loaded(job))
    return "\n".join(map(str, (shown.title, *shown.lines, *(fact.value for fact in shown.facts))))


def test_a_backup_is_restored_to_another_server_and_undone_there_and_the_live_one_is_not_touched(scene: Scene) -> None:
    offered = scene.house.desk.ask(Invocation("restore", ("latest", "to", STAGING), SARA, "C0OPS"))
    assert isinstance(offered, Began)
    said = card(scene, offered.job)
    assert "another server" in said
    assert "the live shop is not touched" in said
    assert "MongoDB" in said
    job = scene.house.asked("restore", "latest", "to", STAGING)
    assert scene.house.loaded(job).target == STAGING
    with Beat(scene.house.desk):
        scene.house.desk.work(job)
    ended = scene.house.loaded(job)
    assert ended.state is JobState.DONE, ended.outcome
    assert shop.picture(scene.other_uri) == scene.backed_up
    assert scene.untouched()
    assert ended.outcome is not None
    safety = str(ended.outcome.facts["safety"])
    scene.done("restore", "undo", job, by="U0NIMA")
    assert shop.picture(scene.other_uri) == scene.there
    # What it replaced is also kept as a backup of that server.
    scene.done("restore", "latest", "to", STAGING, by="U0LALE")
    scene.done("restore", safety, STAGING, by="U0OMID")
    assert shop.picture(scene.other_uri) == scene.there
    assert scene.untouched()
    assert len(scene.house.catalogue.listing().manifests) == 1


def test_a_restore_to_another_server_holds_that_one_and_leaves_the_live_one_free(scene: Scene) -> None:
    scene.house.asked("restore", "latest", "to", STAGING)
    assert scene.house.desk.holder(STAGING) is not None
    scene.done("backup", "now")


POINTS = ("fed.1.after", "put.decision.after", "rename.9.before", "put.outcome.after")


@pytest.mark.parametrize("point", POINTS)
def test_a_restore_to_another_server_whose_worker_is_killed_ends_in_the_old_data_or_the_new(
    scene: Scene, point: str
) -> None:
    job = scene.house.asked("restore", "latest", "to", STAGING)
    command = [sys.executable, "-m", "tests.chaos.doomed_worker", job, point]
    given = json.dumps(scene.given).encode()
    ended = subprocess.run(command, input=given, capture_output=True, timeout=90, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()[-2000:]
    held = scene.house.state.get(f"lease:{job}")
    assert held is not None
    scene.house.state.delete_if(f"lease:{job}", held.version)
    other = scene.another()
    other.desk.find_lost()
    other.desk.tend()
    assert other.loaded(job).state is JobState.INTERRUPTED
    is_new = point == "put.outcome.after"
    assert shop.picture(scene.other_uri) == (scene.backed_up if is_new else scene.there)
    assert scene.untouched()


def test_the_live_server_under_another_name_is_refused(scene: Scene) -> None:
    assert "under another name" in scene.refused("latest", "to", "mirror")


def test_a_server_that_does_not_answer_is_refused_with_a_sentence(scene: Scene) -> None:
    began = time.monotonic()
    assert "gone cannot be used, so nothing was planned" in scene.refused("latest", "to", "gone")
    assert time.monotonic() - began < 60


def test_a_server_that_nobody_named_is_refused(scene: Scene) -> None:
    for word in ("production", "mongodb://127.0.0.1:27017/shop", "127.0.0.1"):
        assert "There is no server" in scene.refused("latest", "to", word)


def test_an_older_server_is_refused(scene: Scene) -> None:
    scene.forge(server="99.0.1")
    assert "the backup is of 99.0.1" in scene.refused("latest", "to", STAGING)


def test_a_server_without_room_is_refused(scene: Scene) -> None:
    specs = scene.house.catalogue.find("latest").collections
    scene.forge(collections=tuple(replace(spec, size_bytes=1 << 50) for spec in specs))
    assert "not enough room" in scene.refused("latest", "to", STAGING)


def test_a_name_that_means_another_server_since_it_was_confirmed_is_not_used(scene: Scene, mongod: Mongod) -> None:
    job = scene.house.asked("restore", "latest", "into", "elsewhere", "to", STAGING)
    scene.given["servers"][STAGING] = mongod.uri("shop_else")
    changed = scene.another()
    with Beat(changed.desk):
        changed.desk.work(job)
    ended = changed.loaded(job)
    assert ended.state is JobState.FAILED
    assert "another server now" in str(ended.outcome)
    with mongod.client() as client:
        assert not {"elsewhere", "shop_else"} & set(client.list_database_names())


def test_the_backup_can_be_restored_elsewhere_when_its_own_server_is_gone(scene: Scene) -> None:
    scene.given["uri"] = "mongodb://127.0.0.1:9/shop"
    scene.house = scene.another()
    scene.done("restore", "latest", "to", STAGING)
    assert shop.picture(scene.other_uri) == scene.backed_up
