"""The driver's side of a database: what is there, and the small steps of a restore.

- Names are collection names; what MongoDB keeps for itself (`system.*`) is never shown. A time-series is named by its
  view, and its UUID is that of its buckets: that is what changes when it is made anew.
- Everything is written with majority concern: what a failover could take back has not happened.
- Every exception of the driver becomes an OutsideError, also inside cursors, without the connection string.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pymongo
from bson import CodecOptions
from bson.binary import Binary
from pymongo.database import Database
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from bot.adapters.mongo.archive import index_name
from bot.adapters.mongo.canonical import definition, index_text, options_text
from bot.adapters.mongo.connection import Connection
from handlers.core.errors import OutsideError, Refusal
from handlers.core.manifests import CollectionKind, CollectionSpec
from handlers.core.ports import DatabaseFacts, LiveCollection
from handlers.core.text import Code, Text

SELECTION_MILLISECONDS = 5000
WRITE_MILLISECONDS = 30_000
LONGEST_EXPIRY_SECONDS = 2_147_483_647
_BUCKETS = "system.buckets."
_NAMESPACE_NOT_FOUND = 26
_WAITED_TOO_LONG = frozenset({50, 64, 91, 112, 189, 262, 11600, 11602, 10107, 13435})
# Fields that text indexes derive from their weights; createIndexes takes only the key as it was written.
_TEXT_KEY = "_fts"


class MongoDriver:
    """Everything of the port Database that needs no tool. Connects when first used."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client: pymongo.MongoClient[dict[str, Any]] | None = None
        self._lock = threading.Lock()

    def facts(self) -> DatabaseFacts:
        """See the port."""
        with self._translated("looked at"):
            hello = self._database().command("hello")
            if hello.get("msg") == "isdbgrid":
                raise Refusal(Text("This is a sharded cluster (mongos): it cannot be saved whole this way."))
            stats = self._database().command("dbStats")
            server = self._database().client.server_info()["version"]
            return DatabaseFacts(
                database=self._connection.database,
                server=str(server),
                documents=int(stats["objects"]),
                data_bytes=int(stats["dataSize"]),
                collections=int(stats["collections"]) + int(stats.get("views", 0)),
            )

    def collections(self, *, count: bool = False, prefix: str = "") -> tuple[LiveCollection, ...]:
        """See the port."""
        with self._translated("listed"):
            infos = {info["name"]: dict(info) for info in self._database().list_collections()}
            found = [
                self._live(info, infos, count=count)
                for name, info in sorted(infos.items())
                if name.startswith(prefix) and not name.startswith("system.")
            ]
            return tuple(found)

    def _live(self, info: dict[str, Any], infos: dict[str, dict[str, Any]], *, count: bool) -> LiveCollection:
        name, kind = info["name"], CollectionKind(info["type"])
        stored = infos.get(f"{_BUCKETS}{name}") if kind is CollectionKind.TIMESERIES else info
        uuid = "" if stored is None or kind is CollectionKind.VIEW else _uuid(stored)
        spec = CollectionSpec(
            name=name,
            kind=kind,
            options=options_text(info["options"]),
            indexes=() if kind is CollectionKind.VIEW else self._indexes(name),
            documents=self._count(_stored_name(name, kind)) if count and kind is not CollectionKind.VIEW else 0,
        )
        return LiveCollection(spec, uuid)

    def _indexes(self, name: str) -> tuple[str, ...]:
        return tuple(sorted((index_text(index) for index in self._database()[name].list_indexes()), key=index_name))

    def _count(self, name: str) -> int:
        counted = list(self._database()[name].aggregate([{"$count": "documents"}]))
        return int(counted[0]["documents"]) if counted else 0

    def create_indexes(self, name: str, indexes: Sequence[str], *, expire: bool) -> None:
        """See the port."""
        # `_id_`, and the index of a clustered collection, whatever its name, come with the collection.
        wanted = [_to_create(index, expire=expire) for index in indexes if not _comes_by_itself(definition(index))]
        if not wanted:
            return
        with self._translated("indexed"):
            # A unique index over large data takes as long as it takes; a lost connection still ends the wait.
            self._database().command("createIndexes", name, indexes=wanted)

    def set_expiry(self, name: str, indexes: Sequence[str]) -> None:
        """See the port."""
        with self._translated("given its expiry"):
            for text in indexes:
                index = definition(text)
                if "expireAfterSeconds" in index:
                    change = {"name": index["name"], "expireAfterSeconds": index["expireAfterSeconds"]}
                    self._database().command("collMod", name, index=change)

    def create_view(self, spec: CollectionSpec) -> None:
        """See the port."""
        with self._translated("made a view"):
            there = {info["name"]: info for info in self._database().list_collections(filter={"name": spec.name})}
            found = there.get(spec.name)
            if found is not None and found["type"] == "view" and options_text(found["options"]) == spec.options:
                return
            self._database().command({"create": spec.name, **definition(spec.options)})

    def rename(self, name: str, to: str) -> None:
        """See the port."""
        with self._translated("renamed"):
            self._database()[name].rename(to)

    def drop(self, name: str) -> None:
        """See the port."""
        with self._translated("dropped"):
            self._database().drop_collection(name)

    def copy_timeseries(self, spec: CollectionSpec, source: str, to: str) -> None:
        """See the port."""
        with self._translated("copied"):
            database = self._database()
            database.drop_collection(to)
            database.command({"create": to, **definition(spec.options)})
            target = f"{_BUCKETS}{to}"
            batches: Any = database[f"{_BUCKETS}{source}"].find_raw_batches({})
            for batch in batches:
                self._insert_raw(target, batch)
            self._create_missing_indexes(to, spec.indexes)
            if self._count(target) != self._count(f"{_BUCKETS}{source}"):
                raise OutsideError(Text("Not every bucket of {name} was copied.", name=Code(spec.name)))

    def _insert_raw(self, name: str, batch: bytes) -> None:
        documents = _raw_documents(batch)
        if documents:
            self._raw_database()[name].insert_many(documents, ordered=True)

    def _create_missing_indexes(self, name: str, indexes: Sequence[str]) -> None:
        there = {index_name(index) for index in self._indexes(name)}
        self.create_indexes(name, [index for index in indexes if index_name(index) not in there], expire=True)

    def _database(self) -> Database[dict[str, Any]]:
        with self._lock:
            if self._client is None:
                self._client = pymongo.MongoClient(
                    self._connection.uri,
                    serverSelectionTimeoutMS=SELECTION_MILLISECONDS,
                    connectTimeoutMS=SELECTION_MILLISECONDS,
                    appname="negahban",
                    tz_aware=True,
                )
            return self._client.get_database(
                self._connection.database,
                write_concern=WriteConcern("majority", wtimeout=WRITE_MILLISECONDS),
                read_concern=ReadConcern("local"),
            )

    def _raw_database(self) -> Database[Any]:
        from bson.raw_bson import RawBSONDocument

        options: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)
        return self._database().with_options(codec_options=options)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except (InvalidURI, ConfigurationError) as error:
            raise OutsideError(
                Text("MONGODB_URI cannot be used: {why}", why=self._why(error)), permanent=True
            ) from error
        except OperationFailure as error:
            permanent = error.code not in _WAITED_TOO_LONG
            raise OutsideError(
                Text("MongoDB refused; the database could not be {what}: {why}", what=what, why=self._why(error)),
                permanent=permanent,
            ) from error
        except PyMongoError as error:
            raise OutsideError(
                Text(
                    "MongoDB does not answer; the database could not be {what}: {why}", what=what, why=self._why(error)
                )
            ) from error

    def _why(self, error: Exception) -> str:
        return self._connection.scrubbed(str(error).partition(", full error")[0])[:200]


def _uuid(info: dict[str, Any]) -> str:
    uuid = info.get("info", {}).get("uuid")
    return uuid.hex() if isinstance(uuid, Binary) else str(uuid or "")


def _stored_name(name: str, kind: CollectionKind) -> str:
    return f"{_BUCKETS}{name}" if kind is CollectionKind.TIMESERIES else name


def _comes_by_itself(index: dict[str, Any]) -> bool:
    return index["name"] == "_id_" or bool(index.get("clustered"))


def _to_create(text: str, *, expire: bool) -> dict[str, Any]:
    index = definition(text)
    if "expireAfterSeconds" in index and not expire:
        index["expireAfterSeconds"] = LONGEST_EXPIRY_SECONDS
    if _TEXT_KEY in index["key"]:
        index["key"] = _text_key(index)
    return index


def _text_key(index: dict[str, Any]) -> dict[str, Any]:
    """The key as it was written: the parts before and after stay, `_fts` becomes a field for each weight."""
    key: dict[str, Any] = {}
    for field, direction in index["key"].items():
        if field == _TEXT_KEY:
            key.update(dict.fromkeys(index["weights"], "text"))
        elif field != "_ftsx":
            key[field] = direction
    return key


def _raw_documents(batch: bytes) -> list[Any]:
    from bson.raw_bson import RawBSONDocument

    documents, position = [], 0
    while position < len(batch):
        length = int.from_bytes(batch[position : position + 4], "little")
        documents.append(RawBSONDocument(batch[position : position + length]))
        position += length
    return documents
