"""A pruning killed between the files it deletes: what is listed is whole, nothing that must stay is gone, and the next
pruning takes away what was left.

`make test` takes two of the points, `make chaos` all of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.worker import Beat
from handlers.core.backups.catalogue import folder
from handlers.core.formats.manifests import BackupKind, Manifest
from handlers.core.formats.objects import Receipt
from handlers.core.words.answers import BackupId, JobId
from handlers.core.words.jobs import JobState
from sandbox.servers.mongod import Mongod
from tests.chaos.house import SHOP, House, house
from tests.depth import EVERY_POINT

NIGHTS, DAILY, WEEKLY = 40, 7, 4
# A copy is its manifest and its archive; three copies go in one run.
POINTS = [
    "delete.1.after",
    "delete.2.before",
    "delete.1.before",
    "delete.2.after",
    "delete.3.before",
    "delete.3.after",
    "delete.4.before",
    "delete.5.after",
    "delete.6.before",
    "delete.6.after",
]
DAY_SECONDS = 86_400


@dataclass
class Scene:
    """A house with forty nights of backups, and what another process needs to build the same."""

    house: House
    given: dict[str, str]
    place: Path
    must_stay: frozenset[BackupId]

    def rescued(self, job: JobId) -> JobState:
        """Its state after another worker looked after it. The lease is taken away as its 20 s would."""
        held = self.house.state.get(f"lease:{job}")
        if held is not None:
            self.house.state.delete_if(f"lease:{job}", held.version)
        self.house.desk.tend()
        return self.house.loaded(job).state

    def listed(self) -> set[BackupId]:
        """What is listed; each of it is whole."""
        listing = self.house.catalogue.listing()
        assert not listing.damaged
        for manifest in listing.manifests:
            data = b"".join(self.house.store.read(manifest.data.key))
            assert hashlib.sha256(data).hexdigest() == manifest.data.sha256
        return {manifest.id for manifest in listing.manifests}

    def age(self) -> None:
        """Two days go by for what is left of backups, so that it counts as such."""
        past = time.time() - 2 * DAY_SECONDS
        for key in self.orphans():
            os.utime(self.place / key, (past, past))

    def orphans(self) -> list[str]:
        """Archives of backups that are not listed."""
        listed = self.listed()
        return [
            artifact.key
            for artifact in self.house.store.list("v1/")
            if artifact.key.endswith(".zst") and artifact.key.split("/")[-2] not in listed
        ]


@pytest.fixture
def scene(mongod: Mongod, database: str, redis_url: str, tools_path: str, tmp_path: Path) -> Iterator[Scene]:
    with mongod.client() as client:
        client[database]["orders"].insert_many([{"n": number} for number in range(100)])
    place = tmp_path / "backups"
    given = {"uri": mongod.uri(database), "redis": redis_url, "folder": str(place), "path": tools_path}
    built = house(given["uri"], redis_url, place, tools_path)
    with Beat(built.desk):
        job = built.asked("backup", "now")
        built.desk.work(job)
    assert built.loaded(job).state is JobState.DONE
    (manifest,) = built.catalogue.listing().manifests
    nights = planted(built, manifest)
    try:
        # Seven days are seven newest; a week is held by one of its days.
        yield Scene(built, given, place, frozenset({manifest.id, *nights[-(DAILY - 1) :]}))
    finally:
        built.database.close()


def planted(built: House, manifest: Manifest, nights: int = NIGHTS) -> list[BackupId]:
    """Nights before, the oldest first, each with files of its own."""
    found = []
    for back in reversed(range(1, nights + 1)):
        made = manifest.created - timedelta(days=back)
        backup = BackupId(f"{made:%Y%m%dt%H%M%Sz}-aaaaaa")
        data = replace(manifest.data, key=f"{folder(SHOP, backup)}/data.archive.zst", receipt=Receipt())
        built.store.put_new(data.key, b"".join(built.store.read(manifest.data.key)))
        older = replace(
            manifest, id=backup, created=made, data=data, slice=None, torn="planted", kind=BackupKind.SCHEDULED
        )
        built.store.put_new(f"{folder(SHOP, backup)}/manifest.json", older.to_bytes())
        found.append(backup)
    return found


def killed(scene: Scene, job: JobId, point: str) -> None:
    """A worker that dies at the point."""
    command = [sys.executable, "-m", "tests.chaos.doomed_worker", job, point]
    given = json.dumps(scene.given).encode()
    ended = subprocess.run(command, input=given, capture_output=True, timeout=90, check=False)
    assert ended.returncode == -signal.SIGKILL, f"{point} was not reached: {ended.stderr.decode()[-2000:]}"


@pytest.mark.parametrize("point", POINTS if EVERY_POINT else POINTS[:2])
def test_a_killed_pruning_leaves_what_must_stay_and_the_next_one_finishes_it(scene: Scene, point: str) -> None:
    job = scene.house.asked("backup", "prune")
    killed(scene, job, point)
    assert scene.must_stay <= scene.listed()
    assert scene.rescued(job) is JobState.INTERRUPTED
    after_crash = scene.listed()
    assert scene.must_stay <= after_crash
    scene.age()
    for _ in range(NIGHTS):
        again = scene.house.asked("backup", "prune")
        with Beat(scene.house.desk):
            scene.house.desk.work(again)
        assert scene.house.loaded(again).state is JobState.DONE
        before, after_crash = after_crash, scene.listed()
        assert scene.must_stay <= after_crash <= before
        if after_crash == before:
            break
    assert scene.orphans() == []
    weeks = {time.strptime(each[:8], "%Y%m%d").tm_yday // 7 for each in after_crash}
    assert len(weeks) >= WEEKLY
    assert len(after_crash) <= DAILY + WEEKLY + 2, "the pruning went on"
