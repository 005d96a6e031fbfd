"""A database with some of everything, and what tests ask of a dump."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import psutil
import zstandard
from fastcrc import crc64
from pymongo.database import Database

from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.archive import MAGIC
from handlers.core.formats.manifests import CollectionKind, CollectionSpec, DumpEvidence
from handlers.core.ports import Dump

PREFIX = "__rst_"
NAMES = [
    "sp ace",
    "dot.ted.name",
    "börse",
    'qu"ote',
    "back\\slash",
    "star*",
    "tick`",
    "x (5 documents)",
    "-dash",
    "e😀",
]
_HEADER = {"concurrent_collections": 4, "version": "0.1", "server_version": "6.0.5", "tool_version": "100.7.0"}
_END = b"\xff\xff\xff\xff"
ORDER = dict.fromkeys("zyxwvabc", 1)


def fill(real: Database[dict[str, Any]]) -> None:
    """Some of every kind, with definitions that the tools are known to spell differently."""
    real.plain.insert_many([{"_id": number, "text": "x" * number, "n": number % 7} for number in range(400)])
    real.plain.create_index(
        [("a", 1), ("b", -1)], unique=True, partialFilterExpression={"a": {"$gt": 5, "$exists": True}, "d": ORDER}
    )
    real.plain.create_index([("t", "text")], weights={"t": 3}, default_language="french")
    real.plain.create_index([("$**", 1)], wildcardProjection=ORDER)
    real.create_collection(
        "strict",
        validator={
            "$jsonSchema": {"bsonType": "object", "properties": {name: {"bsonType": "int"} for name in ORDER}},
            "name": {"$regex": "^a", "$options": "i"},
            "other": {"$in": [re.compile("^x"), bson.Int64(3), 2.5, bson.Decimal128("1.5")]},
        },
        validationAction="warn",
        collation={"locale": "fr", "strength": 2},
    )
    real.create_collection("capped", capped=True, size=40960, max=10)
    real.capped.insert_many([{"_id": number} for number in range(15)])
    real.create_collection("metrics", timeseries={"timeField": "t", "metaField": "m"}, expireAfterSeconds=10**9)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    real.metrics.insert_many([{"t": start + timedelta(hours=n), "m": n % 3, "v": n} for n in range(300)])
    real.create_collection("stats", viewOn="plain", pipeline=[{"$match": {"n": {"$regex": "1"}}}, {"$sort": ORDER}])
    real.create_collection("st*r", viewOn="plain", pipeline=[])
    real["app.stats"].insert_one({"_id": "a view's name is the end of mine"})
    real["star"].insert_one({"_id": "a view's pattern would be mine"})
    for name in NAMES:
        real[name].insert_many([{"_id": 1}, {"_id": 2}])


def drained(dump: Dump) -> list[bytes]:
    """Every piece."""
    return list(iter(dump.read, b""))


def dumped(adapter: MongoDatabase) -> tuple[list[bytes], DumpEvidence]:
    """A whole dump."""
    with adapter.dump() as dump:
        packed = drained(dump)
        return packed, dump.evidence()


def packed_archive(holds: Mapping[str, Iterable[Mapping[str, Any]]], *, wrong_checksum: bool = False) -> list[bytes]:
    """A stored archive made by hand, as mongodump would have written it: collection name → documents."""
    parts = [struct.pack("<I", MAGIC), bson.encode(_HEADER)]
    parts += [
        bson.encode({"db": "made", "collection": name, "metadata": "{}", "size": 0, "type": ""}) for name in holds
    ]
    parts.append(_END)
    for name, documents in holds.items():
        body = b"".join(map(bson.encode, documents))
        (checksum,) = struct.unpack("<q", struct.pack("<Q", crc64.xz(body) ^ int(wrong_checksum)))
        parts += [bson.encode({"db": "made", "collection": name, "EOF": False, "CRC": bson.Int64(0)}), body, _END]
        parts += [bson.encode({"db": "made", "collection": name, "EOF": True, "CRC": bson.Int64(checksum)}), _END]
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(b"".join(parts))
    return [packed[at : at + 1_000_000] for at in range(0, len(packed), 1_000_000)]


def names_of(evidence: DumpEvidence) -> set[str]:
    """What load is told to load: everything but views."""
    return {spec.name for spec in evidence.announced if spec.kind is not CollectionKind.VIEW}


def live(adapter: MongoDatabase, prefix: str = "") -> list[CollectionSpec]:
    """What the server has."""
    return [found.spec for found in adapter.collections(count=True, prefix=prefix)]


def children() -> list[psutil.Process]:
    """Tools of this process that run."""
    return [
        child for child in psutil.Process().children() if child.name().startswith("mongo") and child.name() != "mongod"
    ]
