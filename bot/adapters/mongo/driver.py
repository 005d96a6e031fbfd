"""The driver's side of a database: what is there, and the small steps of a restore.

- Names are collection names; what MongoDB keeps for itself (`system.*`, without `system.js`) is never shown. A
  time-series is named by its view, and its UUID is that of its buckets: that is what changes when it is made anew.
- Everything is read from the primary and written with majority concern: what a failover could take back has not
  happened. What the connection string says about concerns, read preference and timeouts of operations is not used.
- The server ends small steps after 60 s; counting, copying and building indexes take their time. A server that is
  silent is noticed by the driver's own monitor, about 20 s later, and that ends whatever waits for it.
- Every exception of the driver becomes an OutsideError, also inside cursors, without the connection string.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pymongo
from bson import CodecOptions, ObjectId
from bson.binary import Binary
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError
from pymongo import ReadPreference
from pymongo.database import Database
from pymongo.errors import ConfigurationError, ConnectionFailure, InvalidURI, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from bot.adapters.mongo.archive import index_name
from bot.adapters.mongo.canonical import definition, index_text, options_text
from bot.adapters.mongo.connection import Connection
from bot.adapters.mongo.files import open_files
from bot.adapters.mongo.lanes import mapped, together
from bot.adapters.mongo.timeseries import BUCKETS, ageless, check_whole, copy_buckets, give_age
from handlers.core.formats.manifests import CollectionKind, CollectionSpec
from handlers.core.ports import DatabaseFacts, LiveCollection, OpenFiles
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text

SELECTION_SECONDS = 5.0
STEP_SECONDS = 60.0
WRITE_MILLISECONDS = 30_000
LOOK_MILLISECONDS = 2_000
LONGEST_EXPIRY_SECONDS = 2_147_483_647
_NAMESPACE_NOT_FOUND = 26
# The one `system.` collection that belongs to the application (mongodb.com/docs, "System Collections").
STORED_FUNCTIONS = "system.js"
_WRITE_NOT_CONFIRMED = 64
# Server errors that pass: time ran out, somebody was in the way, a member went away or stepped down, a disk is full
# (github.com/mongodb/mongo, src/mongo/base/error_codes.yml).
_PASSING = frozenset(
    {6, 7, 24, 43, 46, 50, 64, 89, 91, 112, 117, 133, 134, 175, 189, 246, 262, 276, 314, 358}
    | {9001, 10107, 11600, 11601, 11602, 12586, 12587, 13435, 13436, 14031}
)
_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
_WRITE = WriteConcern("majority", wtimeout=WRITE_MILLISECONDS)


class MongoDriver:
    """Everything of the port Database that needs no tool. Connects when first used."""

    def __init__(
        self,
        connection: Connection,
        *,
        selection_seconds: float = SELECTION_SECONDS,
        step_seconds: float = STEP_SECONDS,
        source: MongoDriver | None = None,
    ) -> None:
        """`source`: whose connections are used; its own when None."""
        self._connection = connection
        self._source = source or self
        self._selection_seconds = selection_seconds
        self._step = int(step_seconds * 1000)
        self._client: pymongo.MongoClient[dict[str, Any]] | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """See the port."""
        return self._connection.database

    def close(self) -> None:
        """Ends its connections; it connects again when used again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def facts(self) -> DatabaseFacts:
        """See the port."""
        with self._translated(Text("looked at")):
            hello = self._run({"hello": 1})
            if hello.get("msg") == "isdbgrid":
                raise Refusal(Text("This is a sharded cluster (mongos): it cannot be saved whole this way."))
            stats = self._run({"dbStats": 1})
            return DatabaseFacts(
                database=self._connection.database,
                server=str(self._run({"buildInfo": 1})["version"]),
                documents=int(stats["objects"]),
                data_bytes=int(stats["dataSize"]),
                collections=int(stats["collections"]) + int(stats.get("views", 0)),
                deployment=str(hello.get("setName", "")),
                disk_bytes=int(stats["storageSize"]) + int(stats["indexSize"]),
                free_bytes=_free_bytes(stats),
            )

    def files(self) -> OpenFiles | None:
        """See the port."""
        with self._translated(Text("looked at")):
            return open_files(self._database().client, LOOK_MILLISECONDS)

    def newer(self, since: datetime, names: Sequence[str]) -> dict[str, int | None]:
        """See the port."""
        first = ObjectId.from_datetime(since + timedelta(seconds=1))
        return {name: self._counted_from(name, first) for name in names}

    def _counted_from(self, name: str, first: ObjectId) -> int | None:
        try:
            with self._translated(Text("counted")):
                return self._database()[name].count_documents({"_id": {"$gte": first}}, maxTimeMS=LOOK_MILLISECONDS)
        except OutsideError:
            return None

    def block_writes(self, *, block: bool) -> None:
        """See the port."""
        with self._translated(Text("blocked for writes") if block else Text("opened for writes")):
            # It waits for a majority by itself, and knows no write concern.
            admin = self._database().client.get_database("admin")
            admin.command({"setUserWriteBlockMode": 1, "global": block, "maxTimeMS": self._step})

    def collections(self, *, count: bool = False, prefix: str = "", indexes: bool = True) -> tuple[LiveCollection, ...]:
        """See the port."""
        with self._translated(Text("listed")):
            infos = self._listed()
            wanted = (
                info
                for name, info in sorted(infos.items())
                if name.startswith(prefix) and (not name.startswith("system.") or name == STORED_FUNCTIONS)
            )
            return tuple(mapped(lambda info: self._live(info, infos, count=count, with_indexes=indexes), wanted))

    def together(self, steps: Iterable[Callable[[], None]], hold: Callable[[], None]) -> None:
        """See the port."""
        together(steps, hold)

    def create_indexes(self, name: str, indexes: Sequence[str], *, expire: bool) -> None:
        """See the port."""
        # `_id_`, and the index of a clustered collection, whatever its name, come with the collection.
        wanted = [_to_create(index, expire=expire) for index in indexes if not _comes_by_itself(definition(index))]
        if not wanted:
            return
        with self._translated(Text("indexed")):
            # A unique index over large data takes as long as it takes; a lost connection still ends the wait.
            self._write({"createIndexes": name, "indexes": wanted}, limited=False)

    def set_expiry(self, name: str, indexes: Sequence[str]) -> None:
        """See the port."""
        with self._translated(Text("given its expiry")):
            for text in indexes:
                index = definition(text)
                if "expireAfterSeconds" in index:
                    change = {"name": index["name"], "expireAfterSeconds": index["expireAfterSeconds"]}
                    self._write({"collMod": name, "index": change})

    def set_validator(self, name: str, spec: CollectionSpec) -> None:
        """See the port."""
        validator = definition(spec.options).get("validator")
        if validator is not None:
            with self._translated(Text("given its validator")):
                self._write({"collMod": name, "validator": validator})

    def create_view(self, spec: CollectionSpec) -> None:
        """See the port. Raises OutsideError when something else has that name."""
        with self._translated(Text("given a view")):
            found = self._listed(spec.name).get(spec.name)
            if found is None or found["type"] != "view" or options_text(found["options"]) != spec.options:
                self._write({"create": spec.name, **definition(spec.options)})

    def rename(self, name: str, to: str) -> None:
        """See the port."""
        full = {"renameCollection": f"{self.name}.{name}", "to": f"{self.name}.{to}", "dropTarget": False}
        with self._translated(Text("renamed")):
            self._write(full, at="admin")

    def drop(self, name: str) -> None:
        """See the port."""
        with self._translated(Text("dropped")):
            try:
                self._write({"drop": name})
            except OperationFailure as error:
                if error.code != _NAMESPACE_NOT_FOUND:
                    raise

    def copy_timeseries(self, spec: CollectionSpec, source: str, to: str) -> None:
        """See the port. Raises OutsideError, before anything is dropped, when `source` is no time-series."""
        with self._translated(Text("copied")):
            there = self._listed(source).get(source)
            if there is None or there["type"] != "timeseries" or source == to:
                raise OutsideError(
                    Text("{name} is not a time-series that could be copied.", name=Code(source)), permanent=True
                )
            options = definition(spec.options)
            self.drop(to)
            self._write({"create": to, **ageless(options)})
            copied = copy_buckets(self._database(), source, to)
            arrived = self._count(f"{BUCKETS}{to}")
            check_whole(source, copied=copied, arrived=arrived, left=self._count(f"{BUCKETS}{source}"))
            # Newer servers make one index by themselves.
            own = {index_name(index) for index in self._indexes(to)}
            self.create_indexes(to, [index for index in spec.indexes if index_name(index) not in own], expire=True)
            give_age(self._write, to, options)

    def _live(
        self, info: dict[str, Any], infos: dict[str, dict[str, Any]], *, count: bool, with_indexes: bool = True
    ) -> LiveCollection:
        name, kind = info["name"], CollectionKind(info["type"])
        options = options_text(info["options"])
        if kind is CollectionKind.VIEW:
            return LiveCollection(CollectionSpec(name, kind, options, (), 0), "")
        stored = f"{BUCKETS}{name}" if kind is CollectionKind.TIMESERIES else name
        indexes = self._indexes(name) if with_indexes else ()
        documents = self._count(stored, None if kind is CollectionKind.TIMESERIES else indexes) if count else 0
        return LiveCollection(CollectionSpec(name, kind, options, indexes, documents), _uuid(infos.get(stored, {})))

    def _listed(self, name: str | None = None) -> dict[str, dict[str, Any]]:
        """listCollections by name: all, or one."""
        only = {} if name is None else {"name": name}
        with self._database().list_collections(filter=only, maxTimeMS=self._step) as found:
            return {info["name"]: dict(info) for info in found}

    def _indexes(self, name: str) -> tuple[str, ...]:
        try:
            with self._database().cursor_command(
                {"listIndexes": name, "maxTimeMS": self._step}, codec_options=_OPTIONS
            ) as found:
                return tuple(sorted((index_text(index) for index in found), key=index_name))
        except OperationFailure as error:
            if error.code == _NAMESPACE_NOT_FOUND:
                return ()
            raise

    def _count(self, name: str, indexes: Sequence[str] | None = None) -> int:
        """One by one; the server's own counter is wrong after a crash. Through `_id_` if there is one: it is small."""
        own = any(index_name(index) == "_id_" for index in (self._indexes(name) if indexes is None else indexes))
        counted = self._database().command(
            {
                "aggregate": name,
                "pipeline": [{"$group": {"_id": None, "n": {"$sum": 1}}}],
                "cursor": {},
                "readConcern": {"level": "majority"},
                **({"hint": "_id_"} if own else {}),
            }
        )
        batch = counted["cursor"]["firstBatch"]
        return int(batch[0]["n"]) if batch else 0

    def _run(self, command: Mapping[str, Any]) -> dict[str, Any]:
        return self._database().command({**command, "maxTimeMS": self._step})

    def _write(self, command: Mapping[str, Any], *, at: str = "", limited: bool = True) -> dict[str, Any]:
        """Runs a command that changes something, until a majority has it; `command` of the driver asks for neither."""
        into = self._database().client.get_database(at or self.name)
        limit = {"maxTimeMS": self._step} if limited else {}
        done = into.command({**command, **limit, "writeConcern": _WRITE.document})
        if (late := done.get("writeConcernError")) is not None:
            raise OperationFailure(str(late.get("errmsg", "")), _WRITE_NOT_CONFIRMED)
        return done

    def _database(self) -> Database[dict[str, Any]]:
        return self._source._shared().get_database(
            self._connection.database,
            codec_options=_OPTIONS,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=_WRITE,
        )

    def _shared(self) -> pymongo.MongoClient[dict[str, Any]]:
        with self._lock:
            if self._client is None:
                self._client = self._connected()
            return self._client

    def _of(self, client: pymongo.MongoClient[dict[str, Any]]) -> Database[dict[str, Any]]:
        return client.get_database(
            self._connection.database,
            codec_options=_OPTIONS,
            read_preference=ReadPreference.PRIMARY,
            read_concern=ReadConcern("majority"),
            write_concern=_WRITE,
        )

    def _connected(self, silence_milliseconds: int | None = None) -> pymongo.MongoClient[dict[str, Any]]:
        milliseconds = int(self._selection_seconds * 1000)
        try:
            return pymongo.MongoClient(
                self._connection.uri,
                serverSelectionTimeoutMS=milliseconds,
                connectTimeoutMS=milliseconds,
                socketTimeoutMS=silence_milliseconds,
                timeoutMS=None,
                appname="negahban",
            )
        except (InvalidURI, ValueError):
            # The driver's words may quote a password with `@` or `:` in it, so they are not even kept as the cause.
            raise OutsideError(
                Text("MONGODB_URI cannot be read. User and password must be percent-encoded."), permanent=True
            ) from None

    @contextmanager
    def _translated(self, what: Text) -> Iterator[None]:
        try:
            yield
        except ConfigurationError as error:
            # The names behind mongodb+srv are asked for while connecting: that may go better next time.
            raise OutsideError(
                Text("MONGODB_URI cannot be used: {why}", why=self._why(error)),
                permanent=not self._connection.uri.startswith("mongodb+srv:"),
            ) from error
        except ConnectionFailure as error:
            text = Text("MongoDB is silent; the database could not be {what}: {why}", what=what, why=self._why(error))
            raise OutsideError(text) from error
        except (PyMongoError, BSONError) as error:
            passing = isinstance(error, PyMongoError) and (
                error.timeout or (isinstance(error, OperationFailure) and error.code in _PASSING)
            )
            text = Text("MongoDB refused; the database could not be {what}: {why}", what=what, why=self._why(error))
            raise OutsideError(text, permanent=not passing) from error

    def _why(self, error: Exception) -> str:
        return self._connection.scrubbed(str(error).partition(", full error")[0])[:200]


def _free_bytes(stats: Mapping[str, Any]) -> int | None:
    # For a database that does not exist the server says 0.
    if not stats.get("fsTotalSize"):
        return None
    return int(stats["fsTotalSize"]) - int(stats["fsUsedSize"])


def _uuid(info: Mapping[str, Any]) -> str:
    uuid = info.get("info", {}).get("uuid")
    return uuid.hex() if isinstance(uuid, Binary) else ""


def _comes_by_itself(index: dict[str, Any]) -> bool:
    return index["name"] == "_id_" or bool(index.get("clustered"))


def _to_create(text: str, *, expire: bool) -> dict[str, Any]:
    index = definition(text)
    if "expireAfterSeconds" in index and not expire:
        index["expireAfterSeconds"] = LONGEST_EXPIRY_SECONDS
    return index
