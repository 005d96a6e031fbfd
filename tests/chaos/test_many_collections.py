"""A database of very many collections, as one with a collection for each customer: saved, spoilt, and restored whole.

`make chaos` takes ten thousand, `make test` a few hundred.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.worker import Beat
from handlers.core.words.jobs import JobState
from sandbox.servers.mongod import Mongod
from tests.chaos.house import house
from tests.depth import FULL

COLLECTIONS = 10_000 if FULL else 300
# Two files a collection, and as many again beside them while it restores: mongod closes what it does not use now, so
# that fewer open files than production should allow (64,000) are enough.
HANDLES = "file_manager=(close_handle_minimum=500,close_idle_time=3,close_scan_interval=1)"
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def crowded() -> Iterator[Mongod]:
    """A server of its own: so many files would slow down what the other tests share."""
    settings = ("--wiredTigerEngineConfigString", HANDLES)
    with Mongod(arguments=settings) as server, server.client() as client, ThreadPoolExecutor(8) as pool:
        for _ in pool.map(
            lambda number: client.shop[f"customer.{number}"].insert_many([{"_id": 1, "n": number}, {"_id": 2}]),
            range(COLLECTIONS),
        ):
            pass
        yield server


def test_a_database_of_very_many_collections_comes_back_whole(
    crowded: Mongod, redis_url: str, tools_path: str, tmp_path: Path
) -> None:
    built = house(crowded.uri("shop"), redis_url, tmp_path / "backups", tools_path)
    try:
        with crowded.client() as client, Beat(built.desk):
            before = client.shop.command("dbHash")["md5"]
            saved = built.asked("backup", "now")
            built.desk.work(saved)
            assert built.loaded(saved).state is JobState.DONE, built.loaded(saved).outcome
            client.shop["customer.7"].drop()
            client.shop["customer.8"].update_one({"_id": 1}, {"$set": {"n": "wrong"}})
            client.shop["customer.new"].insert_one({"_id": 1})
            restored = built.asked("restore", "latest")
            built.desk.work(restored)
            assert built.loaded(restored).state is JobState.DONE, built.loaded(restored).outcome
            assert client.shop.command("dbHash")["md5"] == before
            assert len(client.shop.list_collection_names()) == COLLECTIONS
    finally:
        built.database.close()
