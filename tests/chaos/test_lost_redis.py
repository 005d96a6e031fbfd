"""Redis killed, restarted or emptied in the middle of a backup, a restore, an undo or a pruning: every listed backup
and the live data are whole, nothing that must stay goes, and the record tells the end."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from bot.worker import Beat
from handlers.core.words.jobs import Job, JobState
from sandbox.demo import shop
from sandbox.servers.mongod import Mongod
from sandbox.servers.process import is_running
from sandbox.servers.redis import RedisServer
from tests.chaos.house import Break, House, house
from tests.chaos.test_pruning_crashes import DAILY, planted
from tests.conftest import needs
from tests.depth import EVERY_POINT
from tests.fakes import someone

FATES = ("restarted", "emptied", "away")
BACKUP_POINTS = [
    (point, fate) for point in ("read.1.after", "put.manifest.before", "put.manifest.after") for fate in FATES
]
UNDO_POINTS = [
    (point, fate) for point in ("put.decision.after", "rename.9.before", "put.outcome.after") for fate in FATES
]
PRUNING_POINTS = [(point, fate) for point in ("delete.2.before", "delete.3.after") for fate in FATES]
NIGHTS = 20


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    """A Redis that these tests may kill."""
    needs("redis-server")
    with RedisServer() as server:
        yield server


class Story:
    """A shop that is backed up, goes on, and is restored while something happens to Redis."""

    def __init__(self, uri: str, redis: RedisServer, folder: Path, path: str) -> None:
        self.uri, self.redis, self.folder, self.path = uri, redis, folder, path

    def told(self, point: str, action: Callable[[], None], meanwhile: Callable[[], None] = lambda: None) -> Job:
        """The record of the restore when all is over."""
        shop.plant(self.uri, orders=60)
        built = house(self.uri, self.redis.url, self.folder, self.path, Break(point, action))
        try:
            built.clock.meanwhile = meanwhile
            built.desk.work(built.asked("backup", "now"))
            self.backed_up = shop.picture(self.uri)
            shop.live_on(self.uri)
            self.live = shop.picture(self.uri)
            job = built.asked("restore", "latest")
            with Beat(built.desk):
                built.desk.work(job)
            assert built.breaking.reached
            return built.loaded(job)
        finally:
            built.database.close()

    def house(self, breaking: Break | None = None, *, keep_hours: int = 0) -> House:
        """What another process has."""
        return house(self.uri, self.redis.url, self.folder, self.path, breaking, keep_hours=keep_hours)

    def happens(self, point: str, fate: str, *words: str, keep_hours: int = 0) -> Job:
        """The record of a job in whose middle Redis is restarted, is emptied, or goes and comes back when somebody
        waits for it."""
        action = {"restarted": self.redis.restart, "emptied": self.redis.flush, "away": self.redis.kill}[fate]
        built = self.house(Break(point, action), keep_hours=keep_hours)
        try:
            built.clock.meanwhile = self.come_back
            job = built.asked(*words, by=someone(f"U{secrets.token_hex(4).upper()}"))
            with Beat(built.desk):
                built.desk.work(job)
            assert built.breaking.reached, f"{point} was not reached"
            self.come_back()
            held = built.state.get(f"lease:{job}")
            if held is not None:
                built.state.delete_if(f"lease:{job}", held.version)
            built.desk.find_lost()
            built.desk.tend()
            return built.loaded(job)
        finally:
            self.come_back()
            built.database.close()

    def come_back(self) -> None:
        """Redis runs again."""
        if not is_running(self.redis.pid):
            self.redis.restart()

    def listed(self) -> list[str]:
        """What is listed; each of it is whole."""
        built = self.house()
        listing = built.catalogue.listing()
        built.database.close()
        assert not listing.damaged
        for manifest in listing.manifests:
            data = b"".join(built.store.read(manifest.data.key))
            assert hashlib.sha256(data).hexdigest() == manifest.data.sha256
        return [manifest.id for manifest in listing.manifests]


def done(built: House, *words: str) -> Job:
    """A job that ends well."""
    job = built.asked(*words, by=someone(f"U{secrets.token_hex(4).upper()}"))
    with Beat(built.desk):
        built.desk.work(job)
    assert built.loaded(job).state is JobState.DONE, built.loaded(job).outcome
    return built.loaded(job)


@pytest.fixture
def story(mongod: Mongod, own_redis: RedisServer, tools_path: str, tmp_path: Path) -> Iterator[Story]:
    name = f"redis_{tmp_path.name[-30:]}"
    yield Story(mongod.uri(name), own_redis, tmp_path / "backups", tools_path)
    own_redis.flush()
    with MongoClient[dict[str, Any]](mongod.uri(name)) as client:
        client.drop_database(name)


@pytest.mark.parametrize("point", ["index.3.before", "rename.9.before"])
def test_a_redis_that_is_killed_and_comes_back_does_not_stop_a_restore(story: Story, point: str) -> None:
    ended = story.told(point, story.redis.restart)
    assert ended.state is JobState.DONE
    assert shop.picture(story.uri) == story.backed_up


@pytest.mark.parametrize("point", ["index.3.before", "rename.9.before"])
def test_a_redis_that_forgets_everything_does_not_lose_the_end_of_a_restore(story: Story, point: str) -> None:
    ended = story.told(point, story.redis.flush)
    whole = shop.picture(story.uri)
    assert whole == (story.backed_up if ended.state is JobState.DONE else story.live)


def test_a_redis_that_stays_away_stops_a_restore_before_the_switch(story: Story) -> None:
    def come_back() -> None:
        if not is_running(story.redis.pid):
            story.redis.restart()

    try:
        ended = story.told("index.3.before", story.redis.kill, come_back)
    finally:
        come_back()
    assert ended.state is JobState.FAILED
    assert "the old data" in str(ended.outcome)
    assert shop.picture(story.uri) == story.live


@pytest.mark.parametrize(("point", "fate"), BACKUP_POINTS if EVERY_POINT else BACKUP_POINTS[::4])
def test_a_backup_whose_redis_is_lost_is_whole_or_not_there_and_its_record_says_which(
    story: Story, point: str, fate: str
) -> None:
    shop.plant(story.uri, orders=60)
    ended = story.happens(point, fate, "backup", "now")
    assert ended.state in {JobState.DONE, JobState.FAILED, JobState.INTERRUPTED}
    assert (ended.state is JobState.DONE) is (len(story.listed()) == 1)
    if fate == "restarted":
        assert ended.state is JobState.DONE


@pytest.mark.parametrize(("point", "fate"), UNDO_POINTS if EVERY_POINT else UNDO_POINTS[::4])
def test_an_undo_whose_redis_is_lost_ends_in_the_old_data_or_the_new(story: Story, point: str, fate: str) -> None:
    shop.plant(story.uri, orders=60)
    built = story.house(keep_hours=24)
    try:
        done(built, "backup", "now")
        backed_up = shop.picture(story.uri)
        shop.live_on(story.uri)
        live = shop.picture(story.uri)
        restored = done(built, "restore", "latest")
        ended = story.happens(point, fate, "restore", "undo", restored.id, keep_hours=24)
    finally:
        built.database.close()
    said = str(ended.outcome)
    undone = ended.state is JobState.DONE or "what it was before the restore" in said
    assert shop.picture(story.uri) == (live if undone else backed_up), said
    if fate == "restarted":
        assert ended.state is JobState.DONE


@pytest.mark.parametrize(("point", "fate"), PRUNING_POINTS if EVERY_POINT else PRUNING_POINTS[::4])
def test_a_pruning_whose_redis_is_lost_takes_no_copy_that_must_stay(story: Story, point: str, fate: str) -> None:
    shop.plant(story.uri, orders=20)
    built = story.house()
    try:
        done(built, "backup", "now")
        (manifest,) = built.catalogue.listing().manifests
        nights = planted(built, manifest, NIGHTS)
    finally:
        built.database.close()
    must_stay = {manifest.id, *nights[-(DAILY - 1) :]}
    story.happens(point, fate, "backup", "prune")
    assert must_stay <= set(story.listed()) <= {manifest.id, *nights}
