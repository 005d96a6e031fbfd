"""The safety backup of a restore: one that is minutes old is used again if nothing changed since, never otherwise."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from bot.worker import Beat
from handlers.core.backups.captures import unchanged_since
from handlers.core.ports import Target
from handlers.core.restores.restorations import REUSE_SECONDS
from handlers.core.words.jobs import JobState
from sandbox.servers.mongod import Mongod
from tests.chaos.house import SHOP, House, house
from tests.fake_database import FakeCommand
from tests.fakes import someone

Live = Database[dict[str, Any]]


@dataclass
class Scene:
    """A small shop with one backup. `live`: its data."""

    house: House
    live: Live

    def done(self, *words: str) -> str:
        """A job that ends well; the safety backup it names, if any."""
        job = self.house.asked(*words, by=someone(f"U{secrets.token_hex(4).upper()}"))
        with Beat(self.house.desk):
            self.house.desk.work(job)
        ended = self.house.loaded(job)
        assert ended.state is JobState.DONE, ended.outcome
        assert ended.outcome is not None
        return str(ended.outcome.facts.get("safety", ""))

    def listed(self) -> list[str]:
        """The newest first."""
        return [manifest.id for manifest in self.house.catalogue.listing().manifests]


@pytest.fixture
def scene(mongod: Mongod, database: str, redis_url: str, tools_path: str, tmp_path: Path) -> Iterator[Scene]:
    with mongod.client() as client:
        live = client[database]
        live.orders.insert_many([{"_id": number, "n": number} for number in range(20)])
        live.old.insert_one({"_id": 1})
        live.create_collection("log", capped=True, size=4096)
        built = house(mongod.uri(database), redis_url, tmp_path / "backups", tools_path)
        try:
            found = Scene(built, live)
            found.done("backup", "now")
            yield found
        finally:
            built.database.close()


def test_a_backup_of_minutes_ago_is_the_safety_backup_when_nothing_was_written_since(scene: Scene) -> None:
    (first,) = scene.listed()
    scene.live.client[f"{scene.live.name}_other"].orders.insert_one({"_id": 1})
    scene.live.client.drop_database(f"{scene.live.name}_other")
    assert scene.done("restore", "latest") == first
    assert scene.listed() == [first]


def test_when_one_document_was_written_since_a_new_safety_backup_is_made_and_holds_it(scene: Scene) -> None:
    (first,) = scene.listed()
    scene.live.orders.insert_one({"_id": "new"})
    safety = scene.done("restore", first)
    assert safety != first
    assert scene.live.orders.find_one({"_id": "new"}) is None
    scene.done("restore", safety)
    assert scene.live.orders.find_one({"_id": "new"}) is not None


def test_what_a_restore_put_there_since_and_what_was_written_after_it_is_in_a_safety_backup_of_its_own(
    scene: Scene,
) -> None:
    """The exchange by renames is in no slice of the oplog, and what follows it neither."""
    (first,) = scene.listed()
    scene.live.orders.update_one({"_id": 1}, {"$set": {"n": "second"}})
    scene.done("backup", "now")
    second = scene.listed()[0]
    scene.done("restore", first)
    known = set(scene.listed())
    scene.live.orders.insert_one({"_id": "after the restore"})
    safety = scene.done("restore", second)
    assert safety not in known
    scene.done("restore", safety)
    assert scene.live.orders.find_one({"_id": "after the restore"}) is not None


def test_a_backup_that_is_too_old_is_no_safety_backup(scene: Scene) -> None:
    (first,) = scene.listed()
    scene.house.clock.ahead = timedelta(seconds=REUSE_SECONDS + 1)
    assert scene.done("restore", "latest") != first


CHANGES: dict[str, Callable[[Live], object]] = {
    "a document more": lambda live: live.orders.insert_one({"_id": 99}),
    "a document less": lambda live: live.orders.delete_one({"_id": 3}),
    "a document changed": lambda live: live.orders.update_one({"_id": 3}, {"$inc": {"n": 1}}),
    "a line in a capped log": lambda live: live.log.insert_one({"line": 1}),
    "a collection more": lambda live: live.create_collection("new"),
    "a collection less": lambda live: live.old.drop(),
    "a collection renamed": lambda live: live.old.rename("older"),
    "an index more": lambda live: live.orders.create_index("n"),
    "an option changed": lambda live: live.command("collMod", "orders", validator={"n": {"$exists": True}}),
    "a view": lambda live: live.create_collection("cheap", viewOn="orders", pipeline=[]),
    "a transaction": lambda live: in_transaction(live),
}


def in_transaction(live: Live) -> None:
    """Two documents at once."""
    with live.client.start_session() as session, session.start_transaction():
        live.orders.insert_one({"_id": "a"}, session=session)
        live.old.insert_one({"_id": "b"}, session=session)


@pytest.mark.parametrize("change", CHANGES)
def test_every_kind_of_change_is_noticed(scene: Scene, change: str) -> None:
    target = Target(SHOP, scene.house.database, scene.house.store, FakeCommand(""))
    manifest = scene.house.catalogue.find("latest")
    assert unchanged_since(target, manifest)
    CHANGES[change](scene.live)
    assert not unchanged_since(target, manifest)
