"""Redis killed, restarted or emptied in the middle of a restore: the data is whole, and the record tells its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from bot.worker import Beat
from handlers.core.jobs import Job, JobState
from sandbox.demo import shop
from sandbox.servers.mongod import Mongod
from sandbox.servers.process import is_running
from sandbox.servers.redis import RedisServer
from tests.chaos.house import Break, house
from tests.conftest import needs


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
