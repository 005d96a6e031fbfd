"""One moment, exactly: backups, staged restores and points in time under transactions, compared with a log of commits.

- Writers move amounts between two collections, each move one transaction; what each committed, and when by the
  cluster's clock, is written down. The sum never changes, and the log says every balance at every second.
- `make chaos` looks at more moments than `make test`.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from bot.worker import Beat
from handlers.core.jobs import JobState
from handlers.core.timelines import Follower
from sandbox.servers.mongod import Mongod
from tests.chaos.house import SHOP, House, house
from tests.fakes import someone

FULL = os.environ.get("CHAOS") == "full"
INSTANTS = 20 if FULL else 4
SECONDS = 30.0 if FULL else 7.0
ACCOUNTS = 50
START = 1000
WRITERS = 4
Client = MongoClient[dict[str, Any]]


@dataclass
class Ledger:
    """What was committed: (second, from, to, amount)."""

    moves: list[tuple[int, str, str, int]] = field(default_factory=list)

    def balances(self, second: int) -> dict[str, int]:
        """Every balance at the end of that second."""
        found = {f"{side}{n}": START for side in ("a", "b") for n in range(ACCOUNTS)}
        for at, source, to, amount in self.moves:
            if at <= second:
                found[source] -= amount
                found[to] += amount
        return found


def found_balances(client: Client, database: str) -> dict[str, int]:
    """What a restored database says."""
    return {each["_id"]: each["amount"] for name in ("left", "right") for each in client[database][name].find()}


@contextmanager
def writing(uri: str, name: str) -> Iterator[Ledger]:
    """Writers at work until the end of the block; then the ledger is complete."""
    ledger, over, lock = Ledger(), threading.Event(), threading.Lock()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        with Client(uri) as client:
            database = client[name]
            while not over.is_set():
                source, to = f"a{chance.randrange(ACCOUNTS)}", f"b{chance.randrange(ACCOUNTS)}"
                amount = chance.randint(-50, 50)
                with client.start_session() as session:
                    try:
                        with session.start_transaction():
                            database.left.update_one({"_id": source}, {"$inc": {"amount": -amount}}, session=session)
                            database.right.update_one({"_id": to}, {"$inc": {"amount": amount}}, session=session)
                            database.log.insert_one({"n": secrets.token_hex(8)}, session=session)
                    except PyMongoError:
                        continue  # two writers wanted the same account: nothing was committed
                    stamp = session.operation_time
                    assert stamp is not None
                with lock:
                    ledger.moves.append((stamp.time, source, to, amount))

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield ledger
    finally:
        over.set()
        for thread in threads:
            thread.join()


@contextmanager
def following(built: House) -> Iterator[None]:
    """A follower with short slices, until the end of the block; it is given time to come to the end."""
    over = threading.Event()
    follower = Follower(SHOP, built.database, built.store, built.clock)

    def follow() -> None:
        while not over.is_set():
            follower.step(lambda: not over.is_set(), seconds=1.0)

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        follower.step(lambda: True, seconds=0.0)


@pytest.fixture
def bank(mongod: Mongod, redis_url: str, tools_path: str, tmp_path: Path) -> Iterator[tuple[House, str]]:
    name = f"bank_{secrets.token_hex(6)}"
    with mongod.client() as client:
        for side, collection in (("a", "left"), ("b", "right")):
            client[name][collection].insert_many({"_id": f"{side}{n}", "amount": START} for n in range(ACCOUNTS))
        client[name].create_collection("log")
    built = house(mongod.uri(name), redis_url, tmp_path / "backups", tools_path)
    try:
        yield built, name
    finally:
        built.database.close()
        with mongod.client() as client:
            for each in client.list_database_names():
                if each.startswith(name):
                    client.drop_database(each)


def done(built: House, command: str, *words: str) -> None:
    """A job that ends well."""
    job = built.asked(command, *words, by=someone(f"U{secrets.token_hex(4).upper()}"))
    with Beat(built.desk):
        built.desk.work(job)
    ended = built.loaded(job)
    assert ended.state is JobState.DONE, ended.outcome


def test_a_backup_and_every_moment_after_it_are_exact_under_transactions(
    bank: tuple[House, str], mongod: Mongod
) -> None:
    built, name = bank
    with following(built):
        with writing(mongod.uri(name), name) as ledger:
            time.sleep(1)
            done(built, "backup", "now")
            made = built.catalogue.find("latest")
            assert made.slice is not None
            assert made.torn == ""
            began = int(time.time()) + 1
            time.sleep(SECONDS)
            ended = int(time.time())
        rate = len(ledger.moves) / (SECONDS + 1)
        print(f"{len(ledger.moves)} transactions, about {rate:.0f} a second")
    chance = random.Random(1)
    moments = sorted(chance.sample(range(began, ended), min(INSTANTS, ended - began)))
    with mongod.client() as client:
        done(built, "restore", made.id, "into", f"{name}_base")
        base = found_balances(client, f"{name}_base")
        assert sum(base.values()) == 2 * ACCOUNTS * START
        for second in moments:
            into = f"{name}_{second}"
            moment = datetime.fromtimestamp(second, UTC)
            done(built, "restore", moment.isoformat(), "into", into)
            assert found_balances(client, into) == ledger.balances(second), f"{second}, seed 1"
            assert client[into].log.count_documents({}) == sum(at <= second for at, *_ in ledger.moves)
            client.drop_database(into)
    assert rate > 50


def test_without_its_slice_a_backup_under_writes_is_torn(bank: tuple[House, str], mongod: Mongod) -> None:
    """What the slice is for. If this never sees a torn dump, the test above proves nothing."""
    built, name = bank
    with mongod.client() as client:
        # Large enough that the two collections are not read in the same instant.
        for collection in ("left", "right"):
            client[name][collection].insert_many(
                {"_id": f"x{collection}{n}", "amount": 0, "text": "x" * 10_000} for n in range(3000)
            )
    torn = 0
    for _ in range(5):
        with writing(mongod.uri(name), name), built.database.dump() as dump:
            time.sleep(0.2)
            packed = list(iter(dump.read, b""))
        into = built.database.sibling(f"{name}_torn")
        into.load(iter(packed), "", {"left", "right", "log"})
        with mongod.client() as client:
            torn += sum(found_balances(client, f"{name}_torn").values()) != 2 * ACCOUNTS * START
            client.drop_database(f"{name}_torn")
        if torn:
            break
    assert torn
