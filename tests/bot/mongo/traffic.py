"""A database that is written to all the time, and what it was at any moment.

- A bank: accounts and vaults, whose sum never changes. Money moves in transactions, and each writes its number into a
  ledger; some of them also rewrite documents of more than 16 MB together. Beside that, single documents are changed
  with retryable writes, and visitors come, change and go.
- `seen_at` reads a collection as it was at a time of the oplog, which is the server's own word (snapshot reads).
- What each transfer did is kept here too, so that the ledger alone says what the balances must be.
"""

from __future__ import annotations

import random
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bson import CodecOptions, Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database
from pymongo.errors import OperationFailure

from handlers.core.formats.optimes import OpTime

Real = Database[dict[str, Any]]
KINDS = ("accounts", "vaults")
COLLECTIONS = (*KINDS, "ledger", "papers", "visitors")
PLACES = 400
MONEY = 1_000
TOTAL = 2 * PLACES * MONEY
PAPER = "p" * 6_000_000
_RAW: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)
# A write conflict, and a transaction that finds the small cache full.
_PASSING = frozenset({112, 388})


class Traffic:
    """The writers. `moved` is what each committed transfer did, by its number."""

    def __init__(self, real: Real, padding_bytes: int) -> None:
        self._real = real
        self._stop = threading.Event()
        self._large_seconds = 0.0
        self.moved: dict[int, tuple[int, int, int]] = {}
        self.failures: list[BaseException] = []
        draw = random.Random(5)
        for kind in KINDS:
            real[kind].insert_many(
                {"_id": n, "money": MONEY, "left": 5, "right": 5, "padding": draw.randbytes(padding_bytes)}
                for n in range(PLACES)
            )
        real.papers.insert_many({"_id": n, "text": PAPER, "version": 0} for n in range(3))
        for name in ("ledger", "visitors"):
            real.create_collection(name)

    @contextmanager
    def flowing(self, *, large_seconds: float = 0.15) -> Iterator[None]:
        """The writers write; a large transaction, and a pause of so long."""
        self._large_seconds = large_seconds
        works: list[Callable[[random.Random, int], None]] = [self._transfer, self._transfer, self._single, self._large]
        threads = [threading.Thread(target=self._run, args=(work, seed)) for seed, work in enumerate(works)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()
            self._stop.clear()
        assert not self.failures

    def balances(self, numbers: set[int]) -> Counter[tuple[str, int]]:
        """What every place must hold when these transfers, and no other, have happened."""
        balances = Counter({(kind, place): MONEY for kind in KINDS for place in range(PLACES)})
        for number in numbers:
            giver, taker, amount = self.moved[number]
            balances["accounts", giver] -= amount
            balances["vaults", taker] += amount
        return balances

    def _run(self, work: Callable[[random.Random, int], None], seed: int) -> None:
        draw, count = random.Random(seed), 0
        try:
            while not self._stop.is_set():
                count += 1
                work(draw, seed * 1_000_000 + count)
        except BaseException as error:  # noqa: BLE001 told to the test
            self.failures.append(error)

    def _transfer(self, draw: random.Random, number: int, *, large: bool = False) -> None:
        giver, taker, amount = draw.randrange(PLACES), draw.randrange(PLACES), draw.randrange(-50, 50)
        with self._real.client.start_session() as session:
            session.start_transaction()
            try:
                self._real.accounts.update_one({"_id": giver}, {"$inc": {"money": -amount}}, session=session)
                if large:
                    for paper in range(3):
                        self._real.papers.replace_one(
                            {"_id": paper}, {"text": PAPER, "version": number}, session=session
                        )
                self._real.vaults.update_one({"_id": taker}, {"$inc": {"money": amount}}, session=session)
                self._real.ledger.insert_one({"_id": number}, session=session)
                # Written down first: once it is committed, somebody may see it.
                self.moved[number] = giver, taker, amount
                session.commit_transaction()
            except OperationFailure as error:
                if error.code not in _PASSING:
                    raise
                session.abort_transaction()

    def _large(self, draw: random.Random, number: int) -> None:
        self._transfer(draw, number, large=True)
        self._stop.wait(self._large_seconds)

    def _single(self, draw: random.Random, number: int) -> None:
        side = {"$inc": {"left": 1, "right": -1}}
        self._real[draw.choice(KINDS)].find_one_and_update({"_id": draw.randrange(PLACES)}, side)
        self._real.visitors.insert_one({"_id": number, "seen": [1]})
        self._real.visitors.update_many(
            {"_id": {"$gt": number - 3}}, {"$push": {"seen": number}, "$set": {"n": number}}
        )
        if number % 4 == 0:
            self._real.visitors.delete_many({"_id": {"$lt": number - 5}})


def money(real: Real, prefix: str) -> Counter[tuple[str, int]]:
    """What every place holds in the collections of that prefix."""
    return Counter(
        {(kind, place["_id"]): place["money"] for kind in KINDS for place in real[prefix + kind].find({}, {"money": 1})}
    )


def ledger(real: Real, prefix: str) -> set[int]:
    """The transfers that have happened there."""
    return {each["_id"] for each in real[prefix + "ledger"].find()}


def held(real: Real, prefix: str, names: set[str]) -> Mapping[str, list[int]]:
    """The checksums of all documents, of these collections with that prefix."""
    return {name: _sums(real.with_options(_RAW)[prefix + name].find()) for name in names}


def seen_at(real: Real, time: OpTime, names: set[str]) -> Mapping[str, list[int]]:
    """The same of the live ones, as they were at that time."""
    concern = {"level": "snapshot", "atClusterTime": Timestamp(time.seconds, time.increment)}
    finds = {name: {"find": name, "readConcern": concern} for name in names}
    return {
        name: _sums(real.with_options(_RAW).cursor_command(find, codec_options=_RAW)) for name, find in finds.items()
    }


def _sums(documents: Any) -> list[int]:
    return sorted(zlib.crc32(each.raw) for each in documents)
