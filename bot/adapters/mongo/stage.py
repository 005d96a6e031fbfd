"""The staged side of a replay: what it does to the server, always to prefix + name and never to a live name.

- A batch is one `applyOps`. It stops for none of its operations; the server says of each whether it was done.
- Not every batch waits for a majority, which costs more than the batch itself. So whoever ends a replay with one that
  did must know that the primary is still the one that took the others: another may never have had them.
- Rights: applyOps on plain collections needs the role `restore`. Buckets of a time-series are changed in place, which
  no built-in role but `root` may do there; a role of its own with `anyAction` on `anyResource` may, which is what
  MongoDB's page on mongorestore's --oplogReplay asks for too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.database import Database
from pymongo.errors import OperationFailure

from bot.adapters.mongo.timeseries import BUCKETS
from handlers.core.formats.manifests import CollectionSpec
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text

Operation = Mapping[str, Any]
# What `create` writes down and does not take, or makes by itself.
_MADE_BY_ITSELF = frozenset({"create", "idIndex", "temp"})
_MADE_FOR_BUCKETS = frozenset({"validator", "clusteredIndex"})


class Stage:
    """Raises what the driver raises."""

    def __init__(
        self,
        database: Database[dict[str, Any]],
        prefix: str,
        write: Callable[[Mapping[str, Any], str], Mapping[str, Any]],
        listed: Callable[[str], CollectionSpec],
        drop: Callable[[str], None],
    ) -> None:
        """`write` runs a command in a database until a majority has it; `listed` is a collection as it is listed."""
        self._database = database
        self._prefix = prefix
        self._write = write
        self._listed = listed
        self._drop = drop
        self._election = self._elected()

    def namespace(self, name: str, *, buckets: bool) -> str:
        """Where the documents of a live name, or its buckets, are staged."""
        return f"{self._database.name}.{BUCKETS if buckets else ''}{self._prefix}{name}"

    def settle(self) -> None:
        """Raises OutsideError when another primary was elected since the beginning."""
        if self._elected() != self._election:
            raise OutsideError(
                Text("The primary of the replica set changed during the replay. What was staged is not used.")
            )

    def _elected(self) -> object:
        return self._database.client.get_database("admin").command("hello").get("electionId")

    def apply(self, operations: Sequence[Operation], *, majority: bool) -> list[bool]:
        """Runs operations in their order; of each, whether it was done. May stop early: then fewer are told.
        `majority`: returns when a majority has them, and all before."""
        command = {
            "applyOps": operations,
            # An update of what is not there is a failure that we look at, never a new half of a document.
            "alwaysUpsert": False,
            "allowAtomic": False,
            # Documents may be older than their validator.
            "bypassDocumentValidation": True,
        }
        try:
            if majority:
                return list(self._write(command, "admin")["results"])
            return list(
                self._database.client.get_database("admin").command({**command, "writeConcern": {"w": 1}})["results"]
            )
        except OperationFailure as error:
            results = (error.details or {}).get("results")
            if not results or all(results):
                raise
            return list(results)

    def apply_alone(self, operation: Operation) -> None:
        """Runs one again, for the server's words about why it fails."""
        self._write({"applyOps": [operation], "alwaysUpsert": False, "bypassDocumentValidation": True}, "admin")

    def holds(self, operation: Operation) -> bool:
        """Whether the document that an update is about is staged."""
        name = operation["ns"].partition(".")[2]
        return self._database[name].find_one({"_id": operation["o2"]["_id"]}, {"_id": 1}) is not None

    def create(self, name: str, logged: RawBSONDocument) -> CollectionSpec:
        """Makes a collection as it was logged, in place of what is staged under that name."""
        noise = _MADE_BY_ITSELF | (_MADE_FOR_BUCKETS if "timeseries" in logged else frozenset())
        options = {key: value for key, value in logged.items() if key not in noise}
        self._drop(self._prefix + name)
        self._write({"create": self._prefix + name, **options}, self._database.name)
        return self._listed(self._prefix + name)

    def change(self, name: str, change: Mapping[str, Any]) -> CollectionSpec:
        """collMod."""
        self._write({"collMod": self._prefix + name, **change}, self._database.name)
        return self._listed(self._prefix + name)

    def drop(self, name: str) -> None:
        """Nothing happens when it is not there."""
        self._drop(self._prefix + name)

    def rename(self, name: str, to: str) -> None:
        """In place of what is staged under the new name."""
        source, target = (self.namespace(each, buckets=False) for each in (name, to))
        self._write({"renameCollection": source, "to": target, "dropTarget": True}, "admin")
