"""A replay: slices of the oplog applied to collections that were loaded beside the live ones.

- Every namespace is rewritten to the staged one, and the UUID of the live collection (`ui`) is left out: with it the
  server would not look at the name, and change the live data. Only op, ns, o, o2 and b are sent.
- The first slice was read while the collections were dumped: their documents may be of any moment in it. Replaying
  all of it in its order makes them of its end (MongoDB's own initial sync rests on the same). An update of a document
  that is not there is passed over then: it is deleted further on. Later it is damage, for then nothing may be missing;
  but where the server removes documents by itself.
- A capped collection keeps the order of insertion, so there a document is removed before it is inserted again.
- Definitions are changed one by one: create begins an empty collection, whatever was there. Indexes and views are only
  written down.
- Operations on a collection that was never loaded must end in its drop. An operation that is not known here ends the
  replay: nothing is passed over because it is strange.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from typing import Any

from bson.raw_bson import RawBSONDocument

from bot.adapters.mongo.definitions import Definitions
from bot.adapters.mongo.entries import (
    Transactions,
    collection_of,
    command_of,
    entries,
    live_name,
    plain,
    time_of,
    unknown,
)
from bot.adapters.mongo.packing import unpacked
from bot.adapters.mongo.sealing import Keys
from bot.adapters.mongo.stage import Operation, Stage
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import ReplayEvidence
from handlers.core.words.errors import Damage
from handlers.core.words.text import Code, Text

BATCH_OPERATIONS = 1000
MAJORITY_BATCHES = 20
"""How many batches are sent until one waits for a majority; the last of a slice does, and the one before a command."""
BATCH_BYTES = 8 * 1024 * 1024
"""A command holds 16 MB and a little, and so does one document of it."""
VIEWS = "system.views"
_OPERATION_BYTES = 200


class Replay:
    """One replay."""

    def __init__(self, stage: Stage, definitions: Definitions, names: Container[str], secret: Keys) -> None:
        self._stage = stage
        self._secret = secret
        self._definitions = definitions
        self._names = names
        self._transactions = Transactions()
        self._batch: list[tuple[str, Operation]] = []
        self._batch_bytes = 0
        self._hasty = 0
        self._lenient = False
        self._never_loaded: set[str] = set()
        self._database: str | None = None
        self._count = 0
        self._commands: Mapping[str, Callable[[RawBSONDocument], None]] = {
            "create": self._create,
            "drop": self._drop,
            "dropDatabase": self._drop_database,
            "renameCollection": self._rename,
            "collMod": self._change,
            "createIndexes": self._create_index,
            "commitIndexBuild": self._commit_indexes,
            # An index counts when it is committed.
            "startIndexBuild": _nothing,
            "abortIndexBuild": _nothing,
            **dict.fromkeys(("dropIndexes", "deleteIndexes", "dropIndex", "deleteIndex"), self._drop_index),
        }

    def run(self, slices: Iterable[Iterable[bytes]], until: OpTime | None, *, dumped: bool) -> ReplayEvidence:
        """See the port Database."""
        last: OpTime | None = None
        for number, pieces in enumerate(slices):
            self._lenient = dumped and number == 0
            last, ended = self._slice(pieces, last, until)
            self._flush()
            if ended:
                break
        self._stage.settle()
        if self._never_loaded:
            raise Damage(
                Text(
                    "The oplog changes {name}, which is not in the backup: they do not belong together.",
                    name=Code(min(self._never_loaded)),
                )
            )
        return ReplayEvidence(self._count, last, self._definitions.specs())

    def _slice(self, pieces: Iterable[bytes], last: OpTime | None, until: OpTime | None) -> tuple[OpTime | None, bool]:
        """Read to its end also when the rest is not wanted: only there it proves to be whole."""
        before, ended = None, False
        for entry in entries(unpacked(pieces, self._secret)):
            time = time_of(entry)
            if before is not None and time <= before:
                raise Damage(Text("The stored slice is damaged: its entries are not in their order."))
            before = time
            ended = ended or (until is not None and time > until)
            if ended or (last is not None and time <= last):
                continue
            last = time
            for operation in self._transactions.happened(entry):
                self._one(operation)
        return last, ended

    def _one(self, operation: RawBSONDocument) -> None:
        kind, namespace = operation["op"], operation["ns"]
        if kind == "n":
            return
        database = namespace.partition(".")[0]
        self._database = self._database or database
        if database != self._database:
            raise Damage(Text("The stored slice is damaged: it holds operations of two databases."))
        if kind in {"i", "u", "d"}:
            self._document(kind, collection_of(namespace), operation)
        elif kind == "c":
            self._flush()
            command = command_of(operation["o"])
            if command not in self._commands:
                raise unknown(command)
            self._commands[command](operation["o"])
        else:
            raise unknown(kind)

    # -- documents -----------------------------------------------------------------------------------------------------

    def _document(self, kind: str, collection: str, operation: RawBSONDocument) -> None:
        if collection == VIEWS:
            self._view(kind, operation)
            return
        name, buckets = live_name(collection)
        if not self._has(name):
            return
        body, about = operation["o"], operation.get("o2")
        namespace = self._stage.namespace(name, buckets=buckets)
        if kind == "i" and self._definitions.there[name].capped:
            same = about if about is not None and "_id" in about else {"_id": body["_id"]}
            self._add(name, {"op": "d", "ns": namespace, "o": same}, 0)
        sent: dict[str, Any] = {"op": kind, "ns": namespace, "o": body}
        if kind == "u":
            sent["o2"] = about
            if "b" in operation:
                sent["b"] = operation["b"]
        self._add(name, sent, len(body.raw))
        self._count += 1

    def _view(self, kind: str, operation: RawBSONDocument) -> None:
        document = plain(operation["o"])
        if kind == "d":
            self._definitions.drop_view(document)
        elif "viewOn" in document:
            self._definitions.set_view(document)
        else:
            raise unknown("update of a view in parts")
        self._count += 1

    def _add(self, name: str, operation: Operation, size_bytes: int) -> None:
        if self._batch and (
            len(self._batch) >= BATCH_OPERATIONS or self._batch_bytes + size_bytes + _OPERATION_BYTES > BATCH_BYTES
        ):
            self._hasty = (self._hasty + 1) % MAJORITY_BATCHES
            self._flush(majority=self._hasty == 0)
        self._batch.append((name, operation))
        self._batch_bytes += size_bytes + _OPERATION_BYTES

    def _flush(self, *, majority: bool = True) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        while batch:
            done = self._stage.apply([operation for _, operation in batch], majority=majority)
            for (name, operation), fine in zip(batch, done, strict=False):
                if not fine:
                    self._failed(name, operation)
            batch = batch[len(done) :]

    def _failed(self, name: str, operation: Operation) -> None:
        """Passes over an update of what is rightly not there. Raises Damage or what the server says."""
        if operation["op"] == "u" and not self._stage.holds(operation):
            if self._lenient or self._definitions.there[name].forgets:
                return
            raise Damage(
                Text(
                    "The oplog changes a document of {name} that is not there: it does not continue the backup.",
                    name=Code(name),
                )
            )
        self._stage.apply_alone(operation)

    def _has(self, name: str) -> bool:
        """Whether this collection is staged. What is done to one that is not is remembered until it is gone."""
        if name not in self._names:
            return False
        if name not in self._definitions.there:
            self._never_loaded.add(name)
            return False
        return True

    # -- definitions ---------------------------------------------------------------------------------------------------

    def _create(self, logged: RawBSONDocument) -> None:
        if logged["create"] == VIEWS:
            self._definitions.drop_views()
            return
        name, _ = live_name(logged["create"])
        if name in self._names:
            self._never_loaded.discard(name)
            spec = self._stage.create(name, logged)
            self._definitions.create(replace(spec, name=name))
            self._count += 1

    def _drop(self, logged: RawBSONDocument) -> None:
        if logged["drop"] == VIEWS:
            self._definitions.drop_views()
        else:
            self._gone(live_name(logged["drop"])[0])

    def _drop_database(self, _: RawBSONDocument) -> None:
        self._definitions.drop_views()
        self._never_loaded.clear()
        for name in sorted(self._definitions.there):
            self._gone(name)

    def _gone(self, name: str) -> None:
        self._never_loaded.discard(name)
        if name in self._names:
            self._stage.drop(name)
            self._definitions.there.pop(name, None)
            self._count += 1

    def _rename(self, logged: RawBSONDocument) -> None:
        (source, one), (to, other) = (live_name(collection_of(logged[key])) for key in ("renameCollection", "to"))
        if one or other:
            raise unknown("renameCollection of buckets")
        there = self._definitions.there
        if source not in self._names and to not in self._names:
            return
        if to not in self._names:
            self._gone(source)
            return
        if source not in there:
            raise Damage(
                Text(
                    "{name} was renamed to {to} after the backup, and is not in what is restored.",
                    name=Code(source),
                    to=Code(to),
                )
            )
        self._stage.rename(source, to)
        self._never_loaded.discard(to)
        there[to] = there.pop(source)
        self._count += 1

    def _change(self, logged: RawBSONDocument) -> None:
        name, _ = live_name(logged["collMod"])
        if not self._has(name):
            return
        change = {key: value for key, value in logged.items() if key not in {"collMod", "index"}}
        if "index" in logged and not self._definitions.change_index(name, plain(logged["index"])) and not self._lenient:
            raise Damage(Text("The oplog changes an index of {name} that is not there.", name=Code(name)))
        if change:
            self._definitions.set_options(name, self._stage.change(name, change).options, change)
        self._count += 1

    def _create_index(self, logged: RawBSONDocument) -> None:
        index = plain(logged)
        self._set_indexes(index.pop("createIndexes"), [index])

    def _commit_indexes(self, logged: RawBSONDocument) -> None:
        self._set_indexes(logged["commitIndexBuild"], [plain(index) for index in logged["indexes"]])

    def _set_indexes(self, collection: str, indexes: list[dict[str, Any]]) -> None:
        name, _ = live_name(collection)
        if collection != VIEWS and self._has(name):
            for index in indexes:
                self._definitions.set_index(name, index)
            self._count += 1

    def _drop_index(self, logged: RawBSONDocument) -> None:
        name, _ = live_name(logged[command_of(logged)])
        if self._has(name):
            self._definitions.drop_index(name, str(logged["index"]))
            self._count += 1


def _nothing(_: RawBSONDocument) -> None:
    pass
