"""A slice of the oplog, while it is read: the entries of one database that a majority has.

- Read from the primary, from `local.oplog.rs`, by the time of the entries. Rights: the role `backup` may read it and
  `config.transactions`; a user of one database may not.
- Entries are kept as they are. A transaction that touched other databases too is kept without what it did there, and
  every part of a chain is kept, even when nothing of it is ours: the chain must hold together.
- A gap shows when the oldest entry is newer than where we are. It is looked at after each read, for the oplog may have
  been cut while it was read.
- What restores keep for themselves (`__rst_…`, `__old_…`) is left out. Where they rename into or out of live data, the
  slice ends: what comes after it stands on data that is in no slice.
- A collection renamed while it is dumped may be in the archive under neither name; mongodump's own --oplog gives up
  then too. A time-series whose granularity was changed cannot be changed again when the slice is replayed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from bot.adapters.mongo.entries import (
    COMMANDS,
    RAW,
    before,
    collection_of,
    command_of,
    flat,
    stamp_of,
    time_of,
    unfinished,
)
from bot.adapters.mongo.packing import Packer
from bot.adapters.mongo.primary import POSITION_LOST, Primary
from bot.adapters.mongo.timeseries import BUCKETS
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import SliceEvidence
from handlers.core.restores.switches import RESERVED
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.text import Code, Text

READ_BYTES = 16 * 1024 * 1024
MAJORITY_SECONDS = 60.0
POLL_SECONDS = 0.05
_UNAUTHORIZED = 13
_VIEWS = "system.views"
_KEPT = (*RESERVED, *(BUCKETS + each for each in RESERVED))
_ENDS = frozenset({"commitTransaction", "abortTransaction"})

Translated = Callable[[Text], AbstractContextManager[None]]


class OplogTail:
    """Tail (see the port)."""

    def __init__(
        self, primary: Primary, database: str, after: OpTime | None, packer: Packer, translated: Translated
    ) -> None:
        self._primary = primary
        self._prefix = f"{database}."
        self._commands = f"{database}.$cmd"
        self._packer = packer
        self._translated = translated
        self._made: set[str] = set()
        self._problem: Text | None = None
        self._entries = self._raw_bytes = 0
        self._waiting = False
        self._broken: OpTime | None = None
        with translated(Text("followed")):
            try:
                self._start = primary.beginning(primary.majority()) if after is None else after
                self._last = self._start
                self._check_gap(self._last)
            except OperationFailure as error:
                if error.code != _UNAUTHORIZED:
                    raise
                raise Refusal(
                    Text(
                        "The user in MONGODB_URI may not read the oplog. Give it the role {role}.", role=Code("backup")
                    )
                ) from error

    @property
    def start(self) -> OpTime:
        """See the port."""
        return self._start

    @property
    def last(self) -> OpTime:
        """See the port."""
        return self._last

    @property
    def waiting(self) -> bool:
        """See the port."""
        return self._waiting

    @property
    def broken(self) -> OpTime | None:
        """See the port."""
        return self._broken

    def read(self) -> bytes:
        """See the port."""
        with self._translated(Text("followed")):
            return self._take(self._primary.majority())

    def finish(self, *, through: OpTime | None = None) -> bytes:
        """See the port."""
        packed = bytearray()
        deadline = time.monotonic() + MAJORITY_SECONDS
        with self._translated(Text("followed")):
            goal = through or self._primary.majority()
            while self._last < goal and self._broken is None:
                majority = self._primary.majority()
                packed += self._take(min(majority, goal))
                if majority < goal:
                    if time.monotonic() > deadline:
                        raise OutsideError(Text("The majority of the replica set is far behind its primary."))
                    time.sleep(POLL_SECONDS)
        return b"".join((packed, *self._packer.finish()))

    def evidence(self) -> SliceEvidence:
        """See the port."""
        return SliceEvidence(
            start=self._start,
            end=self._last,
            entries=self._entries,
            raw_bytes=self._raw_bytes,
            stored_bytes=self._packer.stored_bytes,
            sha256=self._packer.sha256,
            problem=self._problem,
        )

    def _take(self, through: OpTime) -> bytes:
        """The next entries up to that time, a bounded amount."""
        if through <= self._last:
            self._waiting = False
            return b""
        begun, size, packed = self._last, 0, bytearray()
        wanted = {
            "ts": {"$gt": stamp_of(begun), "$lte": stamp_of(through)},
            # Commands of every database: a transaction is one of `admin`, wherever it wrote.
            "ns": {"$regex": rf"^{re.escape(self._prefix)}|\.\$cmd$"},
        }
        try:
            with self._primary.entries.find(wanted) as found:
                for entry in found:
                    if self._breaks(entry):
                        self._broken = time_of(entry)
                        self._problem = Text("a restore replaced the data meanwhile")
                        continue
                    raw = self._ours(entry)
                    if self._broken is not None and raw:
                        break
                    if self._broken is not None:
                        continue
                    self._last = time_of(entry)
                    if raw:
                        packed += b"".join(self._packer.pack(raw))
                        size += len(raw)
                        self._entries += 1
                    if size >= READ_BYTES:
                        break
                else:
                    self._last = through if self._broken is None else self._last
        except OperationFailure as error:
            if error.code == POSITION_LOST:
                raise _gap() from error
            raise
        self._waiting = self._last < through and self._broken is None
        self._raw_bytes += size
        self._check_gap(begun)
        return bytes(packed)

    def _check_gap(self, since: OpTime) -> None:
        if self._primary.oldest() > since:
            raise _gap()

    def _ours(self, entry: RawBSONDocument) -> bytes:
        """The entry as it is kept; nothing when it is about other databases only."""
        if self._reserved(entry):
            return b""
        if entry["op"] != "c":
            return bytes(entry.raw)
        command = command_of(entry["o"])
        if command == "applyOps":
            return self._transaction(entry)
        if command in _ENDS:
            return bytes(entry.raw)
        if entry["ns"] != self._commands:
            return b""
        self._look(entry["o"])
        return bytes(entry.raw)

    def _transaction(self, entry: RawBSONDocument) -> bytes:
        operations = list(flat(entry))
        mine = [each for each in operations if each["ns"].startswith(self._prefix) and not self._reserved(each)]
        for each in mine:
            if each["op"] == "c":
                self._look(each["o"])
        if not mine and before(entry) is None and not unfinished(entry):
            return b""
        if len(mine) == len(operations):
            return bytes(entry.raw)
        return bson.encode({**entry, "o": {**entry["o"], "applyOps": mine}}, codec_options=RAW)

    def _breaks(self, entry: RawBSONDocument) -> bool:
        """Whether a restore exchanged live data here."""
        if entry["op"] != "c" or entry["ns"] != self._commands or command_of(entry["o"]) != "renameCollection":
            return False
        names = [collection_of(entry["o"][end]).startswith(RESERVED) for end in ("renameCollection", "to")]
        return any(names) and not all(names)

    def _reserved(self, operation: RawBSONDocument) -> bool:
        """Whether it is about what restores keep for themselves."""
        if not operation["ns"].startswith(self._prefix):
            return False
        if operation["op"] == "c":
            command = command_of(operation["o"])
            named = operation["o"].get(command)
            name = named if isinstance(named, str) else ""
            return (collection_of(name) if command == "renameCollection" else name).startswith(_KEPT)
        name = str(operation["ns"]).removeprefix(self._prefix)
        if name != _VIEWS:
            return name.startswith(_KEPT)
        found = operation.get("o2", operation["o"]).get("_id")
        return isinstance(found, str) and collection_of(found).startswith(RESERVED)

    def _look(self, logged: RawBSONDocument) -> None:
        """What a dump that runs now could not bear, or nobody could replay."""
        command = command_of(logged)
        if command == "create":
            self._made.add(logged["create"])
        elif command == "drop":
            self._made.discard(logged["drop"])
        elif command == "renameCollection":
            self._renamed(collection_of(logged["renameCollection"]), collection_of(logged["to"]))
        elif command == "collMod" and "granularity" in logged.get("timeseries", {}):
            self._problem = Text("the granularity of {name} was changed meanwhile", name=Code(logged["collMod"]))
        elif command not in COMMANDS:
            self._problem = Text("the oplog holds an operation that cannot be replayed: {name}", name=Code(command))

    def _renamed(self, name: str, to: str) -> None:
        if name in self._made:
            self._made.discard(name)
            self._made.add(to)
        else:
            self._problem = Text("{name} was renamed to {to} meanwhile", name=Code(name), to=Code(to))


def _gap() -> Damage:
    return Damage(
        Text("The oplog no longer reaches back to where its last slice ended: there is a gap. Save the database anew.")
    )
