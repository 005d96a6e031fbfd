"""A bank whose writers move amounts between two collections, each move one transaction, and what they committed.

- The sum never changes; the log of commits says every balance at every second of the cluster's clock.
- The writers are processes of their own, so that their pace does not depend on who tests beside them:
  `python -m tests.chaos.bank URI DATABASE SEED THREADS RATE` writes until its standard input ends, then prints what was
  committed. `make chaos` asks for more than 500 transactions a second.
"""

from __future__ import annotations

import json
import random
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.depth import FULL

Client = MongoClient[dict[str, Any]]
ACCOUNTS = 500
START = 1000
WRITERS = 2
THREADS = 8 if FULL else 2
RATE = 560 if FULL else 160
"""Transactions a second that are tried for, by all writers together."""


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

    def rate(self, first: int, end: int) -> float:
        """Transactions a second from the one second until before the other."""
        return sum(first <= at < end for at, *_ in self.moves) / (end - first)


def open_accounts(client: Client, database: str) -> None:
    """The bank as it opens."""
    for side, collection in (("a", "left"), ("b", "right")):
        client[database][collection].insert_many({"_id": f"{side}{n}", "amount": START} for n in range(ACCOUNTS))
    client[database].create_collection("log")


def found_balances(client: Client, database: str) -> dict[str, int]:
    """What a restored database says."""
    return {each["_id"]: each["amount"] for name in ("left", "right") for each in client[database][name].find()}


@contextmanager
def writing(uri: str, name: str) -> Iterator[Ledger]:
    """Writers at work until the end of the block; then the ledger is complete."""
    ledger = Ledger()
    with ExitStack() as ending:
        writers = [ending.enter_context(_writer(uri, name, seed)) for seed in range(WRITERS)]
        for each in writers:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        try:
            yield ledger
        finally:
            for each in writers:
                assert each.stdin is not None
                each.stdin.close()
            for each in writers:
                assert each.stdout is not None
                ledger.moves += [tuple(move) for move in json.loads(each.stdout.read())]


@contextmanager
def _writer(uri: str, name: str, seed: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.chaos.bank", uri, name, str(seed), str(THREADS), str(RATE / WRITERS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


class _Clerks:
    """The threads of one writer."""

    def __init__(self, client: Client, name: str, pause_seconds: float) -> None:
        """`pause_seconds`: from the beginning of a thread's move to that of its next."""
        self._client = client
        self._database = client[name]
        self._pause = pause_seconds
        self.over = threading.Event()
        self.moves: list[tuple[int, str, str, int]] = []

    def work(self, seed: int) -> None:
        """Moves until it is over; one that is late does not wait."""
        chance, due = random.Random(seed), time.monotonic()
        while not self.over.is_set():
            self._move(f"a{chance.randrange(ACCOUNTS)}", f"b{chance.randrange(ACCOUNTS)}", chance.randint(-50, 50))
            due = max(due + self._pause, time.monotonic() - 1)
            self.over.wait(max(0.0, due - time.monotonic()))

    def _move(self, source: str, to: str, amount: int) -> None:
        with self._client.start_session() as session:
            try:
                with session.start_transaction():
                    self._database.left.update_one({"_id": source}, {"$inc": {"amount": -amount}}, session=session)
                    self._database.right.update_one({"_id": to}, {"$inc": {"amount": amount}}, session=session)
                    self._database.log.insert_one({"n": secrets.token_hex(8)}, session=session)
            except PyMongoError:
                return  # two wanted the same account, or the server is away: nothing was committed, or nobody was told
            stamp = session.operation_time
            assert stamp is not None
            self.moves.append((stamp.time, source, to, amount))


def main() -> None:
    """One writer."""
    uri, name, seed, count, rate = sys.argv[1:]
    with Client(uri, serverSelectionTimeoutMS=2000) as client:
        clerks = _Clerks(client, name, int(count) / float(rate))
        threads = [threading.Thread(target=clerks.work, args=(int(seed) * 100 + n,)) for n in range(int(count))]
        for thread in threads:
            thread.start()
        print("ready", flush=True)
        sys.stdin.read()
        clerks.over.set()
        for thread in threads:
            thread.join()
    print(json.dumps(clerks.moves))


if __name__ == "__main__":
    main()
