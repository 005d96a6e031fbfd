"""A folder on a full disk: nothing that is not whole is listed, and with room again the timeline goes on.

A small file system in memory is mounted for it, which only root can do.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.worker import Beat
from handlers.core.backups.timelines import Follower, links, windows
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Job, JobState
from sandbox.servers.mongod import Mongod
from tests.chaos.disks import mounted
from tests.chaos.house import SHOP, House, house

RESTORE_POINTS = [
    "put.intent.before",
    "put.decision.before",
    "put.decision.after",
    "put.outcome.before",
    "put.outcome.after",
]
NEW_FROM = RESTORE_POINTS.index("put.outcome.after")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    with mounted(tmp_path / "disk", "8m") as place:
        yield place


@pytest.fixture
def built(mongod: Mongod, redis_url: str, tools_path: str, small_disk: Path) -> Iterator[House]:
    name = f"full_{secrets.token_hex(6)}"
    with mongod.client() as client:
        client[name].small.insert_many({"_id": number} for number in range(10))
    made = house(mongod.uri(name), redis_url, small_disk / "backups", tools_path)
    try:
        yield made
    finally:
        made.database.close()
        with mongod.client() as client:
            client.drop_database(name)


def grow(mongod: Mongod, built: House, megabytes: int) -> None:
    """So much that no compressor makes smaller."""
    with mongod.client() as client:
        database = client[built.database.name]
        database.fat.insert_many({"bytes": os.urandom(100_000)} for _ in range(megabytes * 10))


def fill(ballast: Path) -> None:
    """Takes all the room that is left."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def backed_up(built: House) -> JobState:
    """How a backup ends."""
    job = built.asked("backup", "now")
    with Beat(built.desk):
        built.desk.work(job)
    return built.loaded(job).state


def test_a_backup_that_fills_the_disk_is_not_there_and_the_good_one_stays(
    built: House, mongod: Mongod, small_disk: Path
) -> None:
    assert backed_up(built) is JobState.DONE
    grow(mongod, built, 20)
    assert backed_up(built) is JobState.FAILED
    listing = built.catalogue.listing()
    assert len(listing.manifests) == 1
    assert not listing.damaged
    assert list((small_disk / "backups" / ".uploads").iterdir()) == []
    data = listing.manifests[0].data
    assert sum(map(len, built.store.read(data.key))) == data.size_bytes


def test_a_slice_that_does_not_fit_is_not_there_and_comes_when_there_is_room(
    built: House, mongod: Mongod, small_disk: Path
) -> None:
    follower = Follower(SHOP, built.database, built.store, built.clock)

    def written() -> bool:
        grow(mongod, built, 1)
        return True

    follower.step(written, seconds=0.5)
    before = links(built.store, SHOP)
    assert before
    grow(mongod, built, 1)
    fill(small_disk / "ballast")
    with pytest.raises(OutsideError, match="disk is full"):
        follower.step(lambda: True, seconds=0.5)
    assert links(built.store, SHOP) == before
    (small_disk / "ballast").unlink()
    follower.step(lambda: True, seconds=0.5)
    after = links(built.store, SHOP)
    assert len(after) > len(before)
    assert len(windows((*before, *after))) == 1


def test_a_restore_whose_safety_backup_does_not_fit_leaves_the_live_data(
    built: House, mongod: Mongod, small_disk: Path
) -> None:
    assert backed_up(built) is JobState.DONE
    grow(mongod, built, 20)
    live = dict(built.database.hashes())
    ended = restored(built)
    assert ended.state is JobState.FAILED
    assert "The live data is the old data" in str(ended.outcome)
    assert dict(built.database.hashes()) == live
    listing = built.catalogue.listing()
    assert len(listing.manifests) == 1
    assert not listing.damaged
    assert list((small_disk / "backups" / ".uploads").iterdir()) == []


@pytest.mark.parametrize("point", RESTORE_POINTS)
def test_a_restore_whose_records_do_not_fit_ends_in_the_old_data_or_the_new(
    built: House, mongod: Mongod, small_disk: Path, point: str
) -> None:
    """The disk is full from that moment until somebody waits for room the second time."""
    assert backed_up(built) is JobState.DONE
    saved = dict(built.database.hashes())
    grow(mongod, built, 1)
    live = dict(built.database.hashes())
    ballast, waits = small_disk / "ballast", []
    built.breaking.point, built.breaking.action = point, lambda: fill(ballast)

    def room() -> None:
        waits.append(ballast)
        if len(waits) == 2:
            ballast.unlink(missing_ok=True)

    built.clock.meanwhile = room
    ended = restored(built)
    assert built.breaking.reached
    is_new = RESTORE_POINTS.index(point) >= NEW_FROM
    assert dict(built.database.hashes()) == (saved if is_new else live), ended.outcome
    assert ("is the backup's" in str(ended.outcome)) is is_new
    assert not built.catalogue.listing().damaged


def restored(built: House) -> Job:
    """How a restore of the newest backup ends."""
    job = built.asked("restore", "latest")
    with Beat(built.desk):
        built.desk.work(job)
    return built.loaded(job)
