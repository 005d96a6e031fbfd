"""What is backed up in the benches: made-up data, the same every time.

- `plant_orders`: what an application keeps, many small documents with repeating words. It compresses well.
- `plant_application`: eight kinds of collections: orders, users, events, posts, sessions, a capped log, a time-series,
  files of which half are random bytes. It compresses less well.
- `plant_scans`: fewer and larger documents, half of each random bytes. Quick to make in gigabytes.
- All are made in batches, each from a seed of its own, by two processes at once.
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
APPLICATION_BYTES = 660_000
"""Of one batch of an application, about."""
WORDS = 2_000_000
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_STATES = ("new", "paid", "packed", "sent", "returned")
_CITIES = ("Tehran", "Berlin", "Lyon", "Osaka", "Porto", "شیراز", "Malmö")
_SYLLABLES = ("ka", "no", "ri", "ta", "me", "lo", "shi", "ban", "dar", "vel", "os", "un", "qui", "per", "zed", "im")
_Document = dict[str, Any]
_Batch = list[tuple[str, list[_Document]]]


def plant_orders(uri: str, megabytes: int) -> int:
    """Fills `orders` and `customers` of the database with about so much BSON; the bytes there are now."""
    count = megabytes * 1_000_000 // (ORDER_BYTES * BATCH)
    return _plant(uri, _orders, count)


def plant_application(uri: str, megabytes: int) -> int:
    """Fills eight collections with about so much BSON; the bytes there are now."""
    with _client(uri) as client:
        database = client.get_default_database()
        database.create_collection("audit", capped=True, size=2**30)
        database.create_collection("points", timeseries={"timeField": "at", "metaField": "sensor"})
    return _plant(uri, _application, megabytes * 1_000_000 // APPLICATION_BYTES)


def plant_scans(uri: str, megabytes: int) -> int:
    """Fills `scans` of the database with about so much BSON; the bytes there are now."""
    return _plant(uri, _scans, megabytes * 1_000_000 // (SCAN_BYTES * 32))


def _plant(uri: str, make: Callable[[random.Random, int], _Batch], batches: int) -> int:
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


def _fill(uri: str, make: Callable[[random.Random, int], _Batch], lane: range) -> None:
    with _client(uri) as client:
        database = client.get_default_database()
        for batch in lane:
            for name, documents in make(random.Random(batch), batch):
                collection = database.get_collection(name, write_concern=WriteConcern(w=1, j=False))
                collection.insert_many(documents, ordered=False)


def _orders(draw: random.Random, batch: int, count: int = BATCH) -> _Batch:
    words = ["".join(draw.choices(_SYLLABLES, k=draw.randrange(1, 5))) for _ in range(400)]
    phrases = [" ".join(draw.choices(words, k=9)) for _ in range(600)]
    return [("orders", [_order(draw, words, phrases, batch * BATCH + number) for number in range(count)])]


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


def _application(draw: random.Random, batch: int) -> _Batch:
    moment = _EPOCH + timedelta(minutes=batch)
    return [
        *_orders(draw, batch, 250),
        ("users", [_user(draw, batch * 200 + number) for number in range(200)]),
        ("events", [_event(draw, moment) for _ in range(900)]),
        ("posts", [{"at": moment, "title": _text(draw, 6), "body": _text(draw, 130)} for _ in range(75)]),
        ("sessions", [{"_id": draw.randbytes(24), "user": draw.randrange(200_000), "at": moment} for _ in range(150)]),
        ("audit", [{"at": moment, "who": draw.randrange(200_000), "did": _text(draw, 8)} for _ in range(200)]),
        ("points", [_point(draw, moment) for _ in range(400)]),
        ("files", [_file(draw, number) for number in range(2)]),
    ]


def _user(draw: random.Random, number: int) -> _Document:
    name = _text(draw, 2)
    address = {"street": _text(draw, 3), "city": draw.choice(_CITIES), "zip": f"{draw.randrange(10**5):05d}"}
    email = f"{name.replace(' ', '.')}@example.test"
    return {"_id": number, "name": name, "email": email, "hash": f"{draw.getrandbits(256):064x}", "address": address}


def _event(draw: random.Random, moment: datetime) -> _Document:
    return {
        "at": moment + timedelta(milliseconds=draw.randrange(60_000)),
        "user": draw.randrange(200_000),
        "kind": draw.choice(("view", "click", "buy", "leave")),
        "page": f"/{_text(draw, 1)}/{draw.randrange(10**6)}",
        "ms": draw.expovariate(0.01),
    }


def _point(draw: random.Random, moment: datetime) -> _Document:
    at = moment + timedelta(milliseconds=draw.randrange(60_000))
    return {"at": at, "sensor": draw.randrange(20), "celsius": draw.gauss(21, 4), "volts": draw.gauss(3.3, 0.05)}


def _file(draw: random.Random, number: int) -> _Document:
    size = 48 * 1024
    return {"n": number, "data": Binary(draw.randbytes(size) if number else _text(draw, size // 8).encode())}


def _text(draw: random.Random, words: int) -> str:
    return " ".join(_word(draw.randrange(WORDS)) for _ in range(words))


def _word(number: int) -> str:
    word = ""
    while number:
        number, digit = divmod(number, len(_SYLLABLES))
        word += _SYLLABLES[digit]
    return word


def _scans(draw: random.Random, batch: int) -> _Batch:
    text = " ".join(draw.choices(_SYLLABLES, k=SCAN_BYTES // 2))
    documents = [
        {
            "_id": batch * 32 + number,
            "at": _EPOCH + timedelta(seconds=number),
            "bytes": Binary(draw.randbytes(SCAN_BYTES // 2)),
            "text": text[(cut := draw.randrange(SCAN_BYTES // 4)) : cut + SCAN_BYTES // 2],
        }
        for number in range(32)
    ]
    return [("scans", documents)]


def _client(uri: str) -> MongoClient[_Document]:
    return MongoClient(uri, serverSelectionTimeoutMS=10_000)
