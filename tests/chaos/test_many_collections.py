"""A database of very many collections, as one with a collection for each customer: saved, spoilt, and restored whole.

- `make chaos CHAOS=full` takes ten thousand, the others a few hundred.
- A restore holds what is live and what is loaded beside it open, two files a collection each, and the bot refuses one
  for which the server may not open enough. In place it is ten thousand where a process may open 41,000 files, and as
  many as fit elsewhere; into another server it is ten thousand clustered collections, of one file each, everywhere.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from bot.worker import Beat
from handlers.core.words.jobs import JobState
from sandbox.servers.mongod import Mongod
from tests.chaos.house import House, house
from tests.depth import FULL

WANTED = 10_000 if FULL else 300
OPEN_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
IN_PLACE = min(WANTED, (OPEN_FILES - 1_000) // 4) if OPEN_FILES > 0 else WANTED
CLUSTERED = {"clusteredIndex": {"key": {"_id": 1}, "unique": True}}
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def crowded() -> Iterator[Mongod]:
    """A server of its own: so many files would slow down what the other tests share."""
    with Mongod(open_files=max(OPEN_FILES, 0)) as server:
        yield server


def fill(server: Mongod, count: int, **options: Any) -> None:
    """A collection for each customer."""

    def made(database: Database[dict[str, Any]], number: int) -> None:
        name = f"customer.{number}"
        database.create_collection(name, **options)
        database[name].insert_many([{"_id": 1, "n": number}, {"_id": 2}])

    with server.client() as client, ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda number: made(client.shop, number), range(count)):
            pass


def done(built: House, *words: str) -> None:
    """A job that ends well."""
    job = built.asked(*words)
    with Beat(built.desk):
        built.desk.work(job)
    assert built.loaded(job).state is JobState.DONE, built.loaded(job).outcome


def test_a_database_of_very_many_collections_comes_back_whole(
    crowded: Mongod, redis_url: str, tools_path: str, tmp_path: Path
) -> None:
    fill(crowded, IN_PLACE)
    built = house(crowded.uri("shop"), redis_url, tmp_path / "backups", tools_path)
    with closing(built), crowded.client() as client:
        before = client.shop.command("dbHash")["md5"]
        done(built, "backup", "now")
        client.shop["customer.7"].drop()
        client.shop["customer.8"].update_one({"_id": 1}, {"$set": {"n": "wrong"}})
        client.shop["customer.new"].insert_one({"_id": 1})
        done(built, "restore", "latest")
        assert client.shop.command("dbHash")["md5"] == before
        assert len(client.shop.list_collection_names()) == IN_PLACE
    print(f"{IN_PLACE:,} collections in place")


def test_they_come_whole_into_another_server(crowded: Mongod, redis_url: str, tools_path: str, tmp_path: Path) -> None:
    fill(crowded, WANTED, **CLUSTERED)
    with Mongod(open_files=max(OPEN_FILES, 0)) as other:
        servers = {"other": other.uri("shop")}
        built = house(crowded.uri("shop"), redis_url, tmp_path / "backups", tools_path, servers=servers)
        with closing(built), crowded.client() as client, other.client() as there:
            done(built, "backup", "now")
            done(built, "restore", "latest", "to", "other")
            assert there.shop.command("dbHash")["md5"] == client.shop.command("dbHash")["md5"]
            assert len(there.shop.list_collection_names()) == WANTED
    print(f"{WANTED:,} collections into another server")
