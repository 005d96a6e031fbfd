"""Entries of the oplog, as MongoDB wrote them: one after the other out of a slice, and the operations in them.

- Entries and operations stay raw; only their outermost fields are looked at. Documents are passed on byte for byte.
- A transaction is one `applyOps`, or, when it is large or prepared, a chain of them: each names the one before it
  (`prevOpTime`), and all but the last say `partialTxn` or `prepare`. Its operations count where it commits: with the
  last of the chain, or with `commitTransaction`. `abortTransaction` undoes the chain
  (github.com/mongodb/mongo, src/mongo/db/repl/README.md, "Transactions").
- A chain that has not ended is kept in memory: as much as the transaction changed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from bson import CodecOptions, Timestamp
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from bot.adapters.mongo.timeseries import BUCKETS
from handlers.core.formats.optimes import OpTime
from handlers.core.words.errors import Damage, OutsideError
from handlers.core.words.text import Code, Text

RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument, tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
SMALLEST_BYTES = 5
LARGEST_BYTES = 48 * 1024 * 1024
COMMANDS = frozenset(
    {"create", "drop", "dropDatabase", "renameCollection", "collMod", "createIndexes", "startIndexBuild"}
    | {"commitIndexBuild", "abortIndexBuild", "dropIndexes", "deleteIndexes", "dropIndex", "deleteIndex"}
)
"""What of the oplog's commands can be replayed, beside transactions."""
_APPLICATIONS_OWN = "system.js"
_LENGTH = struct.Struct("<i")
_NOWHERE = OpTime(0, 0)


def entries(raw: Iterable[bytes]) -> Iterator[RawBSONDocument]:
    """The entries in pieces of any size. Raises Damage for what is none, or ends inside one."""
    carry = bytearray()
    for piece in raw:
        carry += piece
        position = 0
        while len(carry) - position >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(carry, position)
            if not SMALLEST_BYTES <= length <= LARGEST_BYTES:
                raise damaged()
            if position + length > len(carry):
                break
            yield _entry(bytes(carry[position : position + length]))
            position += length
        del carry[:position]
    if carry:
        raise damaged()


def _entry(raw: bytes) -> RawBSONDocument:
    try:
        entry = RawBSONDocument(raw, RAW)
        if not isinstance(entry["ts"], Timestamp):
            raise damaged()
    except (BSONError, KeyError, TypeError, ValueError) as error:
        raise damaged() from error
    return entry


def time_of(entry: RawBSONDocument) -> OpTime:
    """When it happened. Raises KeyError."""
    return optime_of(entry["ts"])


def optime_of(stamp: Timestamp) -> OpTime:
    """MongoDB's timestamp in our words."""
    return OpTime(stamp.time, stamp.inc)


def stamp_of(time: OpTime) -> Timestamp:
    """And back."""
    return Timestamp(time.seconds, time.increment)


def before(entry: RawBSONDocument) -> OpTime | None:
    """The entry of the same chain before this one, if there is one."""
    found = entry.get("prevOpTime")
    time = _NOWHERE if found is None else time_of(found)
    return None if time == _NOWHERE else time


def command_of(logged: RawBSONDocument) -> str:
    """The name of the command that the body of an operation `c` is."""
    return next(iter(logged), "")


def unfinished(entry: RawBSONDocument) -> bool:
    """Whether this `applyOps` is a part of a transaction that ends in another entry."""
    return bool(entry["o"].get("partialTxn") or entry["o"].get("prepare"))


def flat(operation: RawBSONDocument) -> Iterator[RawBSONDocument]:
    """The operation, or those inside an `applyOps`, also when one holds another."""
    if operation["op"] == "c" and command_of(operation["o"]) == "applyOps":
        for inner in operation["o"]["applyOps"]:
            yield from flat(inner)
    else:
        yield operation


class Transactions:
    """Gives the operations of entries, those of transactions when they commit."""

    def __init__(self) -> None:
        self._chains: dict[OpTime, list[RawBSONDocument]] = {}

    def happened(self, entry: RawBSONDocument) -> list[RawBSONDocument]:
        """What this entry makes happen. Raises Damage for the end of a transaction whose beginning was not seen."""
        command = command_of(entry["o"]) if entry["op"] == "c" else ""
        if command not in {"applyOps", "commitTransaction", "abortTransaction"}:
            return [entry]
        previous = before(entry)
        chain = None if previous is None else self._chains.pop(previous, None)
        if chain is None and (command != "applyOps" or (previous is not None and "count" in entry["o"])):
            raise Damage(
                Text("The slice holds the end of a transaction, but not its beginning: what is before it is missing.")
            )
        operations = [*(chain or ()), *(flat(entry) if command == "applyOps" else ())]
        if command == "abortTransaction":
            return []
        if command == "applyOps" and unfinished(entry):
            self._chains[time_of(entry)] = operations
            return []
        return operations


def collection_of(namespace: str) -> str:
    """Its name without the database, which ends at the first dot."""
    return namespace.partition(".")[2]


def damaged() -> Damage:
    """What does not read as an entry of an oplog."""
    return Damage(Text("The stored slice is damaged: it is not a part of an oplog."))


def plain(document: Any) -> Any:
    """A raw document decoded, order and types kept."""
    if isinstance(document, RawBSONDocument):
        return {name: plain(value) for name, value in document.items()}
    if isinstance(document, list):
        return [plain(each) for each in document]
    return document


def live_name(collection: str) -> tuple[str, bool]:
    """The collection that this is or holds the buckets of; whether it is buckets."""
    if collection.startswith(BUCKETS):
        return collection.removeprefix(BUCKETS), True
    if collection.startswith("system.") and collection != _APPLICATIONS_OWN:
        raise unknown(collection)
    return collection, False


def unknown(operation: str) -> OutsideError:
    """What cannot be replayed."""
    return OutsideError(
        Text("The oplog holds an operation that cannot be replayed: {operation}.", operation=Code(operation)),
        permanent=True,
    )
