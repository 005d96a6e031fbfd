"""The zoo: a database with one of every kind of collection, option, index, value and name MongoDB takes, and pictures.

- `plant` fills an empty database, the same way every time but for its dates, which are recent: nothing of it expires
  for a month.
- `picture` is everything that can be seen of a database, so that two are the same when their pictures are equal:
  every document byte for byte (canonical Extended JSON to read, a checksum for what that cannot show), options,
  indexes. Documents are sorted, only those of a capped collection keep their order.
- `picture(prefix=…)` shows the collections of that prefix alone, without it; `uuids` tells whether they are the same.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import gridfs
from bson import (
    Binary,
    Code,
    CodecOptions,
    DatetimeMS,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
    json_util,
)
from bson.codec_options import DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

Zoo = Database[dict[str, Any]]
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=2)
MONTH_SECONDS = 30 * 86_400
BUCKETS = "system.buckets."
ODD_NAMES = (
    " spaces around ",
    "dots.in.its.name",
    "per%cent %s %d",
    "star*s",
    "back\\slash",
    "back`quotes`",
    "quotes'\"",
    "-dash --drop",
    "tab\tin it",
    "done dumping (3 documents)",
    "سفارش‌ها",
    "李 🌷 Ömer",
    "system",
    "{braces} [brackets] (parens) ^caret| +plus ?",
    "n" * 180,
)
TIMESERIES = ("measurements", "odd measurements * .x", "nothing measured")
VIEWS = ("expensive", "newest expensive", "matching*", "hot")
_PLAIN = json_util.JSONOptions(
    json_mode=json_util.JSONMode.CANONICAL, datetime_conversion=DatetimeConversion.DATETIME_MS
)
_RAW: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)
_READABLE: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
_DEFAULTS = {"validationAction": "error", "validationLevel": "strict"}


def plant(database: Zoo) -> None:
    """Fills the database, which is empty."""
    draw = random.Random(7)
    _indexed(database, draw)
    _text_and_places(database, draw)
    _values(database)
    _optioned(database)
    _expiring(database)
    _measured(database, draw)
    _views(database)
    gridfs.GridFS(database).put(draw.randbytes(700_000), filename="photo.jpg", kind="jpeg")
    for number, name in enumerate(ODD_NAMES):
        database[name].insert_many({"_id": count, "of": name} for count in range(number + 1))
        database[name].create_index("of")


def picture(database: Zoo, *, prefix: str = "") -> dict[str, Any]:
    """All of it, by name; without what MongoDB keeps for itself."""
    shown = database.with_options(codec_options=_READABLE)
    found = {}
    for info in sorted(shown.list_collections(), key=lambda each: str(each["name"])):
        name, kind = str(info["name"]), info["type"]
        if name.startswith("system.") or not name.startswith(prefix):
            continue
        documents = _documents(database, name)
        found[name.removeprefix(prefix)] = {
            "type": kind,
            "options": spelled({**_DEFAULTS, **info["options"]} if "validator" in info["options"] else info["options"]),
            "indexes": [] if kind == "view" else sorted(spelled(index) for index in shown[name].list_indexes()),
            "documents": documents if info["options"].get("capped") else sorted(documents),
            "buckets": sorted(_documents(database, BUCKETS + name)) if kind == "timeseries" else [],
        }
    return found


def uuids(database: Zoo) -> dict[str, str]:
    """Which collection stands behind each name, buckets too; a view has none."""
    return {info["name"]: str(info["info"].get("uuid", "")) for info in database.list_collections()}


def spelled(document: Mapping[str, Any]) -> str:
    """Canonical Extended JSON, fields in their order; the order of the outermost ones means nothing."""
    return json_util.dumps(dict(sorted(document.items())), json_options=_PLAIN)


def _documents(database: Zoo, name: str) -> list[str]:
    return list(_told(database.with_options(codec_options=_RAW)[name].find()))


def _told(documents: Any) -> Iterator[str]:
    for raw in documents:
        text = json_util.dumps(bson.decode(raw.raw, _READABLE), json_options=_PLAIN)
        yield f"{text} {zlib.crc32(raw.raw):08x}"


def _indexed(database: Zoo, draw: random.Random) -> None:
    database.orders.insert_many(
        {
            "_id": ObjectId(f"{number:024x}"),
            "number": number,
            "customer": draw.randrange(40),
            "state": draw.choice(["new", "paid", "sent"]),
            "total": Decimal128(f"{draw.randrange(1, 999)}.{draw.randrange(100):02d}"),
            "at": START + timedelta(minutes=number),
            "lines": [{"sku": f"S{draw.randrange(20)}", "count": Int64(draw.randrange(9))} for _ in range(3)],
            "note": "x" * draw.randrange(2000),
        }
        for number in range(600)
    )
    indexes: list[dict[str, Any]] = [
        {"key": {"number": 1}, "name": "unique", "unique": True},
        {"key": {"state": 1, "at": -1, "customer": 1}, "name": "compound, order z to a"},
        {"key": {"number": 1.0, "at": Int64(-1)}, "name": "by doubles and longs"},
        {"key": {"customer": "hashed"}, "name": "hashed"},
        {"key": {"lines.sku": 1}, "name": "multikey sparse", "sparse": True},
        {"key": {"state": -1}, "name": "hidden", "hidden": True},
        {"key": {"$**": 1}, "name": "wildcard", "wildcardProjection": {"lines": 0, "at": 0}},
        {"key": {"lines.$**": 1}, "name": "wildcard below"},
        {
            "key": {"total": 1},
            "name": "partial",
            "partialFilterExpression": {"total": {"$gt": Decimal128("100")}, "at": {"$gt": START}, "state": "paid"},
        },
        {
            "key": {"state": 1},
            "name": "collated",
            "collation": {"locale": "fa", "strength": 1, "numericOrdering": True},
        },
    ]
    database.command("createIndexes", "orders", indexes=indexes)


def _text_and_places(database: Zoo, draw: random.Random) -> None:
    words = ["tulip", "rose", "لاله", "Röschen", "the", "running"]
    database.articles.insert_many(
        {"_id": n, "title": draw.choice(words), "body": " ".join(draw.choices(words, k=9)), "lang": "en", "shelf": n}
        for n in range(80)
    )
    text: dict[str, Any] = {
        "key": {"shelf": 1, "title": "text", "body": "text", "page": -1},
        "name": "words",
        "weights": {"body": 2, "title": 10, "extra": 3},
        "default_language": "english",
        "language_override": "lang",
    }
    database.command("createIndexes", "articles", indexes=[text])
    database.everything.insert_many({"_id": n, "any": draw.choice(words)} for n in range(10))
    database.everything.create_index([("$**", "text")], name="all words", default_language="none")
    database.places.insert_many(
        {
            "_id": n,
            "at": {"type": "Point", "coordinates": [draw.uniform(-170, 170), draw.uniform(-80, 80)]},
            "flat": [draw.uniform(-90, 90), draw.uniform(-90, 90)],
        }
        for n in range(60)
    )
    flat: dict[str, Any] = {"key": {"flat": "2d", "n": 1}, "name": "flat", "bits": 20, "min": -100, "max": 100.5}
    database.command("createIndexes", "places", indexes=[{"key": {"at": "2dsphere", "n": 1}, "name": "round"}, flat])


def _values(database: Zoo) -> None:
    values: list[Any] = [None, True, 0, -1, 2**31, Int64(1), 1.0, -0.0, float("inf"), 5e-324, "", "nul\0 \ud7ff 🌷"]
    values += [Decimal128("NaN"), Decimal128("1E+6000"), Binary(b"\0\1"), Binary(b"\2" * 16, 4), Binary(b"x", 128)]
    values += [Regex("^a(b)?", "im"), Code("1"), Code("1", {"x": 1}), MinKey(), MaxKey(), Timestamp(1, 2), ObjectId()]
    values += [
        START,
        DatetimeMS(2**60),
        DatetimeMS(-(2**60)),
        {},
        [],
        [[]],
        {"b": 1, "a": 2},
        {"$ref": "x", "$id": 1},
        {"$date": 1},
    ]
    database.values.insert_many({"_id": number, "value": value} for number, value in enumerate(values))
    ids: list[Any] = [None, "", "1", 1, 1.5, Decimal128("2"), {"b": 1, "a": 2}, {"a": 2, "b": 1}, False, MinKey()]
    ids += [Binary(b"\2" * 16, 4), START, DatetimeMS(2**61), Timestamp(3, 4), {"date": 1}]
    database["every _id"].insert_many({"_id": value, "n": number} for number, value in enumerate(ids))
    database["large documents"].insert_many({"_id": number, "text": "ab" * 700_000} for number in range(3))
    database["many small"].insert_many({"_id": number} for number in range(20_000))


def _optioned(database: Zoo) -> None:
    database.create_collection("log", capped=True, size=65_536, max=500)
    database.log.insert_many({"_id": 1000 - number, "line": f"line {number}"} for number in range(700))
    database.log.create_index("line")
    database.create_collection("empty")
    database.create_collection("empty but indexed").create_index([("z", 1), ("a", -1)], unique=True)
    database.create_collection("labels", collation={"locale": "de", "strength": 3, "caseFirst": "upper"})
    database.labels.insert_many([{"_id": "Straße"}, {"_id": "Apfel"}])
    database.labels.create_index("name")
    database.command("create", "clustered", clusteredIndex={"key": {"_id": 1}, "unique": True, "name": "my cluster"})
    database.clustered.insert_many({"_id": f"{number:04}"} for number in range(50))
    database.clustered.create_index("other")
    database.create_collection("watched", changeStreamPreAndPostImages={"enabled": True})
    database.watched.insert_one({"_id": 1})
    schema = {
        "bsonType": "object",
        "required": ["name", "email"],
        "properties": {
            "name": {"bsonType": "string", "minLength": 1, "description": "who"},
            "email": {"bsonType": "string", "pattern": "^.+@.+$"},
            "age": {"bsonType": ["int", "long"], "minimum": Int64(0), "maximum": 150.5},
        },
    }
    database.create_collection(
        "customers", validator={"$jsonSchema": schema}, validationLevel="moderate", validationAction="error"
    )
    database.customers.insert_many({"_id": n, "name": f"N{n}", "email": f"{n}@example.test"} for n in range(40))
    rules: dict[str, Any] = {
        "zip": {"$regex": "^[0-9]{5}$", "$options": "i"},
        "$or": [{"b": Regex("^b", "i")}, {"a": {"$gt": START}}, {"$expr": {"$lt": ["$z", {"$add": ["$y", 1.0]}]}}],
        "code": {"$not": {"$regex": "x"}},
    }
    database.create_collection("ruled", validator=rules, validationAction="warn")
    database.ruled.insert_many([{"_id": 1, "zip": "12345"}, {"_id": 2, "zip": "breaks the rule, with a warning"}])


def _expiring(database: Zoo) -> None:
    database.sessions.insert_many({"_id": n, "seen": datetime.now(UTC)} for n in range(50))
    database.sessions.create_index("seen", name="ttl", expireAfterSeconds=MONTH_SECONDS)
    database.sessions.create_index("at", name="ttl by double", expireAfterSeconds=86_400.0)
    database.tokens.insert_many({"_id": n, "until": datetime.now(UTC) + timedelta(days=n + 9)} for n in range(5))
    database.tokens.create_index("until", name="at that time", expireAfterSeconds=0, unique=True)
    database.command(
        "create",
        "clustered and expiring",
        clusteredIndex={"key": {"_id": 1}, "unique": True},
        expireAfterSeconds=MONTH_SECONDS,
    )
    database["clustered and expiring"].insert_many({"_id": START + timedelta(hours=n)} for n in range(20))


def _measured(database: Zoo, draw: random.Random) -> None:
    kinds: list[dict[str, Any]] = [
        {
            "timeseries": {"timeField": "at", "metaField": "sensor", "granularity": "minutes"},
            "expireAfterSeconds": MONTH_SECONDS,
        },
        {"timeseries": {"timeField": "at"}},
        {"timeseries": {"timeField": "at", "metaField": "m", "granularity": "hours"}},
    ]
    for name, options in zip(TIMESERIES, kinds, strict=True):
        database.create_collection(name, **options)
    database.measurements.insert_many(
        {"at": START + timedelta(minutes=n), "sensor": {"id": n % 7, "room": "z"}, "value": draw.random()}
        for n in range(1500)
    )
    database.measurements.create_index([("sensor.room", 1), ("at", -1)], name="by room")
    database[TIMESERIES[1]].insert_many({"at": START + timedelta(seconds=n), "v": n} for n in range(300))


def _views(database: Zoo) -> None:
    pipelines: list[tuple[str, list[dict[str, Any]]]] = [
        (
            "orders",
            [
                {"$match": {"total": {"$gt": Decimal128("500")}, "state": {"$in": ["paid", "sent"]}}},
                {"$sort": dict.fromkeys(("state", "customer", "at", "number", "z", "y", "b", "a"), -1)},
                {"$project": {**dict.fromkeys("zyxwcba", 1), "double": {"$multiply": ["$number", 2.0]}}},
            ],
        ),
        (VIEWS[0], [{"$limit": 3}]),
        ("articles", [{"$match": {"title": {"$regex": "^R", "$options": "i"}, "body": Regex("rose", "i")}}]),
        ("measurements", [{"$match": {"value": {"$gt": 0.9}}}, {"$set": {"_id": "$sensor.id"}}]),
    ]
    for name, (source, pipeline) in zip(VIEWS, pipelines, strict=True):
        database.create_collection(name, viewOn=source, pipeline=pipeline)
