"""The shop: a small database with every kind of collection and index there is, and a picture of it to compare.

- `plant` is the same every time (seeded); `picture` shows every document, option and index, so that two databases
  are equal when their pictures are.
- `plant` and `live_on` are what an application did; nothing here knows the bot.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import gridfs
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp, json_util
from pymongo import ASCENDING, DESCENDING, GEOSPHERE, HASHED, TEXT, IndexModel, MongoClient
from pymongo.collation import Collation
from pymongo.database import Database

Documents = Database[dict[str, Any]]
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
# Written down or not, this is what a validator does when nothing else is said.
_DEFAULTS = {"validationAction": "error", "validationLevel": "strict"}
_NAMES = ("Sara", "Omid", "لیلا", "Zoë", "李", "Nils", "Ana", "Ömer")
ODD_NAMES = (
    "سفارش‌ها",
    "odd name",
    "dots.in.name",
    "per%cent",
    "quote'\"d",
    "star*",
    "back\\slash",
    "emoji 🌷",
    "-dash",
)


def plant(uri: str, orders: int = 400) -> None:
    """Fills the database of the URI."""
    with _database(uri) as database:
        draw = random.Random(7)
        _customers(database, draw)
        _orders(database, draw, orders)
        _kinds(database)
        _measurements(database, draw)
        _files(database, draw)
        _odd(database)


def live_on(uri: str) -> None:
    """What happens after a backup: orders come and go, a collection appears, an index is dropped, somebody errs."""
    with _database(uri) as database:
        database.orders.insert_many({"_id": f"late-{n}", "customer": n, "total": Decimal128("9.99")} for n in range(50))
        database.orders.delete_many({"state": "paid"})
        database.customers.drop_index("email_unique")
        database.customers.update_many({}, {"$set": {"name": "oops"}})
        database.mistakes.insert_one({"_id": 1, "note": "made after the backup"})
        database.drop_collection("expensive")
        database.measurements.insert_one({"at": _EPOCH + timedelta(days=40), "sensor": {"id": 99}, "value": 1.0})


def picture(uri: str) -> dict[str, Any]:
    """All that the application has: for each collection its kind, options, indexes, and every document, in a fixed
    order. What restores keep beside it for a while (`__…`) is not the application's."""
    with _database(uri) as database:
        found = {}
        for info in sorted(database.list_collections(), key=lambda each: str(each["name"])):
            name = info["name"]
            if name.startswith("__") or (name.startswith("system.") and name != "system.js"):
                continue
            indexes = [] if info["type"] == "view" else list(database[name].list_indexes())
            found[name] = {
                "type": info["type"],
                "options": _spelled(
                    {**_DEFAULTS, **info["options"]} if "validator" in info["options"] else info["options"]
                ),
                "indexes": sorted(_spelled(index) for index in indexes),
                "documents": sorted(_spelled(document) for document in database[name].find()),
            }
        return found


def _customers(database: Documents, draw: random.Random) -> None:
    database.create_collection(
        "customers",
        validator={"$jsonSchema": {"bsonType": "object", "required": ["name"]}},
        validationLevel="moderate",
    )
    database.customers.insert_many(
        {
            "_id": number,
            "name": draw.choice(_NAMES),
            "email": f"{number}@example.test",
            "tags": draw.sample(["new", "vip", "late", "abroad"], 2),
            "place": {"type": "Point", "coordinates": [draw.uniform(40, 60), draw.uniform(20, 40)]},
            "joined": _EPOCH + timedelta(days=number % 300),
        }
        for number in range(120)
    )
    database.customers.create_indexes(
        [
            IndexModel([("email", ASCENDING)], name="email_unique", unique=True),
            IndexModel([("tags", ASCENDING)], name="multikey"),
            IndexModel([("place", GEOSPHERE)], name="near"),
            IndexModel([("name", ASCENDING)], name="by_name_fa", collation=Collation(locale="fa", strength=1)),
        ]
    )


def _orders(database: Documents, draw: random.Random, count: int) -> None:
    database.orders.insert_many(
        {
            "_id": ObjectId(f"{number:024x}"),
            "customer": draw.randrange(120),
            "state": draw.choice(["new", "paid", "sent"]),
            "total": Decimal128(f"{draw.randrange(1, 99999)}.{draw.randrange(100):02d}"),
            "at": _EPOCH + timedelta(minutes=number),
            "note": " ".join(draw.choice(_NAMES) for _ in range(5)),
            "lines": [{"sku": f"S{draw.randrange(50)}", "n": Int64(draw.randrange(9) + 1)} for _ in range(3)],
        }
        for number in range(count)
    )
    database.orders.create_indexes(
        [
            IndexModel([("customer", ASCENDING), ("at", DESCENDING)], name="compound"),
            IndexModel([("note", TEXT), ("state", TEXT)], name="words", weights={"note": 10, "state": 2}),
            IndexModel(
                [("total", ASCENDING)], name="big", partialFilterExpression={"total": {"$gt": Decimal128("100")}}
            ),
            IndexModel([("customer", HASHED)], name="hashed"),
            IndexModel([("lines.sku", ASCENDING)], name="sparse", sparse=True),
            IndexModel([("state", ASCENDING)], name="hidden", hidden=True),
            IndexModel([("$**", ASCENDING)], name="wild", wildcardProjection={"lines": 0}),
        ]
    )


def _kinds(database: Documents) -> None:
    database.create_collection("log", capped=True, size=65_536, max=500)
    database.log.insert_many({"_id": number, "line": f"line {number}"} for number in range(300))
    database.create_collection("empty")
    literal = {"street": "x", "city": "y", "zip": "z", "country": "w", "door": "v"}
    database.create_collection("addresses", validator={"address": literal})
    database.addresses.insert_one({"_id": 1, "address": literal})
    database.create_collection("labels", collation=Collation(locale="de", strength=2))
    database.labels.insert_many([{"_id": "Straße"}, {"_id": "Apfel"}])
    database.command("create", "clustered", clusteredIndex={"key": {"_id": 1}, "unique": True, "name": "cluster"})
    database.clustered.insert_many({"_id": number} for number in range(20))
    database.create_collection("sessions")
    database.sessions.insert_many({"_id": number, "seen": datetime.now(UTC)} for number in range(30))
    database.sessions.create_index("seen", name="ttl", expireAfterSeconds=86_400)
    database.create_collection(
        "expensive",
        viewOn="orders",
        pipeline=[{"$match": {"total": {"$gt": Decimal128("50000")}}}, {"$sort": {"at": 1}}],
    )
    database.create_collection("newest_expensive", viewOn="expensive", pipeline=[{"$limit": 3}])


def _measurements(database: Documents, draw: random.Random) -> None:
    kinds: dict[str, dict[str, Any]] = {"measurements": {}, "weather": {"expireAfterSeconds": 86_400 * 3650}}
    for name, more in kinds.items():
        database.create_collection(
            name, timeseries={"timeField": "at", "metaField": "sensor", "granularity": "minutes"}, **more
        )
        database[name].insert_many(
            {
                "_id": number,
                "at": _EPOCH + timedelta(minutes=number),
                "sensor": {"id": number % 3},
                "value": draw.random(),
            }
            for number in range(300)
        )
    database.measurements.create_index([("sensor.id", ASCENDING), ("at", DESCENDING)], name="by_sensor")


def _files(database: Documents, draw: random.Random) -> None:
    bucket = gridfs.GridFSBucket(database)
    for number in range(3):
        bucket.upload_from_stream_with_id(number, f"invoice-{number}.pdf", draw.randbytes(300_000))


def _odd(database: Documents) -> None:
    database["system.js"].insert_one({"_id": "double", "value": Code("function (x) { return 2 * x; }")})
    for number, name in enumerate(ODD_NAMES):
        database[name].insert_many({"_id": f"{number}-{each}"} for each in range(3))
    database.everything.insert_many(
        [
            {"_id": 1, "values": [None, True, 1, Int64(1), 1.5, float("inf"), Decimal128("1E+3"), "سلام"]},
            {"_id": 2, "values": [Binary(b"\x00\x01", 5), Regex("^a", "i"), Timestamp(5, 1), MinKey(), MaxKey()]},
            {"_id": ObjectId("0" * 24), "deep": {"a": [{"b": {"c": [[]]}}]}, "": "empty key", "a.b": 1, "$c": 2},
            {"_id": {"composed": 1, "key": "two"}, "long": "x" * 400_000},
        ]
    )


class _database:  # noqa: N801 used as a function in with-statements
    def __init__(self, uri: str) -> None:
        self._client: MongoClient[dict[str, Any]] = MongoClient(uri, tz_aware=True)

    def __enter__(self) -> Documents:
        return self._client.get_default_database()

    def __exit__(self, *_: object) -> None:
        self._client.close()


def _spelled(value: Any) -> str:
    return json_util.dumps(dict(_ordered(value)), json_options=json_util.CANONICAL_JSON_OPTIONS, ensure_ascii=True)


def _ordered(document: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a definition or document by name; what is inside keeps its order."""
    return iter(sorted(document.items()))
