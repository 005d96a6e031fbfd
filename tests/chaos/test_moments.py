"""One moment, exactly: backups, staged restores and points in time under transactions, compared with a log of commits.

`make chaos` looks at more moments than `make test`, of more transactions a second (see bank.py).
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.worker import Beat
from handlers.core.backups.timelines import Follower
from handlers.core.formats.evidence import Verdict
from handlers.core.words.jobs import JobState
from sandbox.servers.mongod import Mongod
from tests.chaos.bank import ACCOUNTS, START, found_balances, open_accounts, writing
from tests.chaos.house import SHOP, House, house
from tests.depth import FULL
from tests.fakes import someone

INSTANTS = 20 if FULL else 4
SECONDS = 30.0 if FULL else 7.0


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
        open_accounts(client, name)
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
    with following(built), writing(mongod.uri(name), name) as ledger:
        time.sleep(1)
        done(built, "backup", "now")
        made = built.catalogue.find("latest")
        assert made.slice is not None
        assert made.torn == ""
        began = int(time.time()) + 1
        time.sleep(SECONDS)
        ended = int(time.time())
    rate = ledger.rate(began, ended)
    print(f"{len(ledger.moves)} transactions, {rate:.0f} a second; {INSTANTS} moments")
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
        # Over the live data itself, by staging and the switch.
        done(built, "restore", made.id)
        assert found_balances(client, name) == base
    assert rate > 50


def test_a_drill_reaches_the_newest_moment_and_what_is_there_is_what_was_committed(
    bank: tuple[House, str], mongod: Mongod
) -> None:
    built, name = bank
    with following(built), writing(mongod.uri(name), name) as ledger:
        time.sleep(1)
        done(built, "backup", "now")
        time.sleep(SECONDS / 2)
    done(built, "backup", "drill")
    drill = built.catalogue.dossier.history().evidence[-1]
    assert drill.moment is not None
    assert drill.moment.verdict is Verdict.PASS
    last = max(at for at, *_ in ledger.moves)
    assert drill.moment.time.timestamp() >= last
    with mongod.client() as client:
        assert found_balances(client, name) == ledger.balances(last)
        # An empty slice of a quiet minute is no change, so nothing was written since.
        assert dict(drill.moment.hashes) == dict(built.database.hashes()) != dict(drill.hashes)
        assert client[name].log.count_documents({}) == len(ledger.moves)
    print(f"{drill.moment.changes} changes of {drill.moment.slices} slices, {drill.moment.ready_seconds:.1f} s")


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
