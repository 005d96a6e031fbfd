"""What is backed up in the benches: made-up data, the same every time.

- `plant_orders`: what an application keeps, many small documents with repeating words. It compresses well.
- `plant_scans`: fewer and larger documents, half of each random bytes. Quick to make in gigabytes.
- Both are made in batches, each from a seed of its own, by two processes at once.
"""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import Binary, Decimal128, Int64, ObjectId
from pymongo import MongoClient, WriteConcern

PROCESSES = 2
BATCH = 1000
ORDER_BYTES = 990
SCAN_BYTES = 64 * 1024
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_STATES = ("new", "paid", "packed", "sent", "returned")
_CITIES = ("Tehran", "Berlin", "Lyon", "Osaka", "Porto", "شیراز", "Malmö")
_SYLLABLES = ("ka", "no", "ri", "ta", "me", "lo", "shi", "ban", "dar", "vel", "os", "un", "qui", "per", "zed", "im")
_Document = dict[str, Any]


def plant_orders(uri: str, megabytes: int) -> int:
    """Fills `orders` and `customers` of the database with about so much BSON; the bytes there are now."""
    count = megabytes * 1_000_000 // (ORDER_BYTES * BATCH)
    return _plant(uri, _orders, count)


def plant_scans(uri: str, megabytes: int) -> int:
    """Fills `scans` of the database with about so much BSON; the bytes there are now."""
    return _plant(uri, _scans, megabytes * 1_000_000 // (SCAN_BYTES * 32))


def _plant(uri: str, make: Callable[[random.Random, int], tuple[str, list[_Document]]], batches: int) -> int:
    context = multiprocessing.get_context("spawn")
    lanes = [range(first, batches, PROCESSES) for first in range(PROCESSES)]
    processes = [context.Process(target=_fill, args=(uri, make, lane), daemon=True) for lane in lanes]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise RuntimeError("the data could not be planted")
    with _client(uri) as client:
        database = client.get_default_database()
        if "orders" in database.list_collection_names():
            database.orders.create_index([("customer", 1), ("at", -1)])
        return int(database.command("dbStats")["dataSize"])


def _fill(uri: str, make: Callable[[random.Random, int], tuple[str, list[_Document]]], lane: range) -> None:
    with _client(uri) as client:
        database = client.get_default_database()
        for batch in lane:
            name, documents = make(random.Random(batch), batch)
            collection = database.get_collection(name, write_concern=WriteConcern(w=1, j=False))
            collection.insert_many(documents, ordered=False)


def _orders(draw: random.Random, batch: int) -> tuple[str, list[_Document]]:
    words = ["".join(draw.choices(_SYLLABLES, k=draw.randrange(1, 5))) for _ in range(400)]
    phrases = [" ".join(draw.choices(words, k=9)) for _ in range(600)]
    return "orders", [_order(draw, words, phrases, batch * BATCH + number) for number in range(BATCH)]


def _order(draw: random.Random, words: list[str], phrases: list[str], number: int) -> _Document:
    return {
        "_id": ObjectId(f"{number:08x}{draw.getrandbits(64):016x}"),
        "customer": draw.randrange(200_000),
        "email": f"{draw.choice(words)}.{draw.choice(words)}@example.test",
        "state": draw.choice(_STATES),
        "at": _EPOCH + timedelta(seconds=number * 7 + draw.randrange(7)),
        "total": Decimal128(f"{draw.randrange(1, 99999)}.{draw.randrange(100):02d}"),
        "key": f"{draw.getrandbits(128):032x}",
        "address": {
            "city": draw.choice(_CITIES),
            "street": f"{draw.choice(words)} {draw.randrange(200)}",
            "place": {"type": "Point", "coordinates": [draw.uniform(40, 60), draw.uniform(20, 40)]},
        },
        "lines": [
            {
                "sku": f"S{draw.randrange(5000):05d}",
                "n": Int64(draw.randrange(1, 9)),
                "price": draw.randrange(100, 99_999) / 100,
                "title": draw.choice(phrases)[:30],
            }
            for _ in range(4)
        ],
        "note": " ".join(draw.choices(phrases, k=5)),
    }


def _scans(draw: random.Random, batch: int) -> tuple[str, list[_Document]]:
    text = " ".join(draw.choices(_SYLLABLES, k=SCAN_BYTES // 2))
    return "scans", [
        {
            "_id": batch * 32 + number,
            "at": _EPOCH + timedelta(seconds=number),
            "bytes": Binary(draw.randbytes(SCAN_BYTES // 2)),
            "text": text[(cut := draw.randrange(SCAN_BYTES // 4)) : cut + SCAN_BYTES // 2],
        }
        for number in range(32)
    ]


def _client(uri: str) -> MongoClient[_Document]:
    return MongoClient(uri, serverSelectionTimeoutMS=10_000)
