"""Drills of a real shop: what they prove, and what is left when somebody is killed in the middle of one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot.worker import Beat
from handlers.core.formats.evidence import Check, Standing, Verdict
from handlers.core.formats.manifests import Manifest
from handlers.core.words.answers import JobId
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.questions import Question
from sandbox.demo import shop
from sandbox.servers.mongod import Mongod
from tests.chaos.house import House, house


@dataclass
class Scene:
    """A shop with one backup. `scratch`: where its drills keep their data."""

    house: House
    uri: str
    given: dict[str, str]
    scratch: Path
    live: dict[str, Any]
    ending: ExitStack

    def another(self, *questions: Question) -> House:
        """Another process."""
        built = house(
            self.uri,
            self.given["redis"],
            Path(self.given["folder"]),
            self.given["path"],
            scratch=str(self.scratch),
            questions=questions,
        )
        self.ending.callback(built.database.close)
        return built

    def done(self, *words: str) -> Job:
        """A job, worked to its end in this process."""
        job = self.house.asked("backup", *words)
        with Beat(self.house.desk):
            self.house.desk.work(job)
        return self.house.loaded(job)

    def nothing_left(self) -> bool:
        """Whether soon no server runs for a drill and nothing of one lies there."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            if not list(self.scratch.iterdir()) and not any(self._ours(each) for each in psutil.process_iter()):
                return True
            time.sleep(0.1)
        return False

    def _ours(self, process: psutil.Process) -> bool:
        try:
            return any(str(self.scratch) in word for word in process.cmdline())
        except psutil.Error:
            return False


@pytest.fixture
def scene(mongod: Mongod, database: str, redis_url: str, tools_path: str, tmp_path: Path) -> Iterator[Scene]:
    uri = mongod.uri(database)
    shop.plant(uri, orders=60)
    with ExitStack() as ending:
        scratch = ending.enter_context(tempfile.TemporaryDirectory(prefix="d-"))
        given = {
            "uri": uri,
            "redis": redis_url,
            "folder": str(tmp_path / "backups"),
            "path": tools_path,
            "scratch": scratch,
        }
        built = house(uri, redis_url, tmp_path / "backups", tools_path, scratch=scratch)
        ending.callback(built.database.close)
        found = Scene(built, uri, given, Path(scratch), shop.picture(uri), ending)
        assert found.done("now").state is JobState.DONE
        yield found


def said(job: Job) -> str:
    assert job.outcome is not None
    return str(job.outcome.text)


def test_a_drill_of_the_shop_passes_twice_with_the_same_hashes(scene: Scene) -> None:
    scene.house = scene.another(Question("orders", '[{"$match":{"state":"paid"}}]', 5))
    for _ in range(2):
        job = scene.done("drill")
        assert job.state is JobState.DONE, said(job)
    first, second = scene.house.catalogue.dossier.history().evidence
    assert first.hashes == second.hashes
    assert first.hashes.keys() == {name for name, each in scene.live.items() if each["type"] != "view"}
    assert [each.verdict for each in first.answers] == [Verdict.PASS]
    assert first.ready_seconds > 0
    assert scene.nothing_left()
    assert shop.picture(scene.uri) == scene.live


def test_the_archive_of_one_backup_under_the_manifest_of_another_fails_with_the_reason(scene: Scene) -> None:
    older = scene.house.catalogue.find("latest")
    shop.live_on(scene.uri)
    made = scene.done("now")
    assert made.outcome is not None
    newer = scene.house.catalogue.find(str(made.outcome.facts["backup"]))
    place = (Path(scene.given["folder"]) / newer.data.key).parent / "manifest.json"
    (place.parent / "data.archive.zst").unlink()
    scene.house.store.put_new(newer.data.key, b"".join(scene.house.store.read(older.data.key)))
    forge(scene, replace(newer, data=replace(older.data, key=newer.data.key)), place)
    for word, check in (("verify", Check.SCRUB), ("drill", Check.DRILL)):
        job = scene.done(word, newer.id)
        assert job.state is JobState.FAILED
        assert "not the manifest's" in said(job)
        assert scene.house.catalogue.dossier.history(newer.id).evidence[-1].check is check
    assert scene.house.catalogue.dossier.standing(newer.id).standing is Standing.QUARANTINED
    assert scene.house.catalogue.find("latest").id == older.id


def forge(scene: Scene, manifest: Manifest, file: Path) -> None:
    """Puts another manifest in the place of one."""
    file.chmod(0o600)
    file.write_bytes(manifest.to_bytes())
    scene.house = scene.another()


def test_a_worker_killed_in_a_drill_leaves_no_server_and_no_folder(scene: Scene) -> None:
    job = scene.house.asked("backup", "drill")
    command = [sys.executable, "-m", "tests.chaos.doomed_worker", job, "fed.1.after"]
    done = subprocess.run(command, input=json.dumps(scene.given).encode(), capture_output=True, timeout=90, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    assert scene.nothing_left()
    ended = rescued(scene, job)
    assert ended.state is JobState.INTERRUPTED
    assert "says nothing about the backup" in said(ended)
    assert scene.house.catalogue.dossier.history().evidence == ()
    assert shop.picture(scene.uri) == scene.live


def rescued(scene: Scene, job: JobId) -> Job:
    """The job's record after another worker looked after it. The lease is taken away as its 20 s would."""
    held = scene.house.state.get(f"lease:{job}")
    assert held is not None
    scene.house.state.delete_if(f"lease:{job}", held.version)
    other = scene.another()
    other.desk.tend()
    return other.loaded(job)
