"""The archive that mongodump writes to a pipe, walked while it passes: what it announces, what it holds.

- Magic, a prelude (a header, then one document a collection with its definition), then blocks: a header that names a
  collection, its documents, a terminator. A header with EOF ends a collection (mongo-tools common/archive).
- Documents are counted by hopping over their lengths; none is decoded. Memory is constant.
- A whole walk proves nothing by itself: a killed mongodump ends its archive in perfect form. It is evidence, and
  handlers.core.formats.manifests judges it.
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import bson
from bson.errors import BSONError

from bot.adapters.mongo.canonical import definition, index_text, options_text
from handlers.core.formats.manifests import CollectionKind, CollectionSpec, reported_name
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text

MAGIC = 0x8199E26D
TERMINATOR = -1
SMALLEST_DOCUMENT = 5
LARGEST_DOCUMENT = 48 * 1024 * 1024
_LENGTH = struct.Struct("<i")
_SIXTY_FOUR_BITS = 0xFFFF_FFFF_FFFF_FFFF


class ArchiveError(OutsideError):
    """The stream is not an archive."""

    def __init__(self) -> None:
        super().__init__(Text("What mongodump wrote is not an archive. No backup was kept."), permanent=True)


class ArchiveWalker:
    """Fed with the stream, in pieces of any size."""

    def __init__(self) -> None:
        self._carry = b""
        self._skip = 0
        self._magic_seen = False
        self._in_prelude = True
        self._counting: list[int] | None = None
        self._name = ""
        self._closing = False
        self._counts: dict[str, list[int]] = {}
        self._specs: list[CollectionSpec] = []
        self._streams: set[str] = set()
        self.database = ""
        self.closed: set[str] = set()
        self.checksums: dict[str, int] = {}
        self.server = ""
        self.tool = ""

    @property
    def announced(self) -> tuple[CollectionSpec, ...]:
        """Every collection of the prelude, with the documents and bytes that were walked so far."""
        return tuple(self._counted(spec) for spec in sorted(self._specs, key=lambda spec: spec.name))

    @property
    def at_a_boundary(self) -> bool:
        """Whether the stream could end here."""
        return self._magic_seen and not (self._carry or self._skip or self._in_prelude or self._counting is not None)

    @property
    def in_prelude(self) -> bool:
        """Whether more collections may be announced."""
        return self._in_prelude

    @property
    def inside(self) -> str:
        """The collection whose documents may come next; empty where a header or the stream's end must come."""
        return "" if self._counting is None or self._closing else self._name

    def passed(self, documents: int, size_bytes: int) -> None:
        """Documents of the collection `inside`, read by somebody else instead of being fed."""
        assert self._counting is not None  # noqa: S101 the caller asked `inside`
        self._counting[0] += documents
        self._counting[1] += size_bytes

    def feed(self, data: bytes | memoryview) -> None:
        """The next piece. Raises ArchiveError."""
        if self._skip:
            step = min(self._skip, len(data))
            self._skip -= step
            data = data[step:]
        if not data:
            return
        if self._carry:
            data, self._carry = self._carry + bytes(data), b""
        self._walk(data)

    def _walk(self, data: bytes | memoryview) -> None:
        position, end, unpack = 0, len(data), _LENGTH.unpack_from
        while end - position >= 4:
            if not self._magic_seen:
                self._start(data)
                position += 4
                continue
            (length,) = unpack(data, position)
            if length == TERMINATOR:
                position += 4
                self._terminate()
                continue
            if not SMALLEST_DOCUMENT <= length <= LARGEST_DOCUMENT:
                raise ArchiveError()
            if self._counting is not None:
                if self._closing:
                    raise ArchiveError()
                position = self._hop(data, position, self._counting)
                continue
            if position + length > end:
                break
            self._header(bytes(data[position : position + length]))
            position += length
        if position > end:
            self._skip = position - end
        else:
            self._carry = bytes(data[position:])

    def _hop(self, data: bytes | memoryview, position: int, counting: list[int]) -> int:
        """Past the documents that begin in it, to what is none or to the end; there is at least one. An eighth of a
        backup's own time is in this loop."""
        begin, last, documents, unpack = position, len(data) - 4, 0, _LENGTH.unpack_from
        while position <= last:
            (length,) = unpack(data, position)
            if not SMALLEST_DOCUMENT <= length <= LARGEST_DOCUMENT:
                break
            documents += 1
            position += length
        counting[0] += documents
        counting[1] += position - begin
        return position

    def _start(self, data: bytes | memoryview) -> None:
        if int.from_bytes(data[:4], "little") != MAGIC:
            raise ArchiveError()
        self._magic_seen = True

    def _terminate(self) -> None:
        if self._in_prelude:
            self._in_prelude = False
        elif self._counting is None:
            raise ArchiveError()
        else:
            self._counting, self._closing = None, False

    def _header(self, raw: bytes) -> None:
        try:
            document = bson.decode(raw)
            if not self._in_prelude:
                self._block(document)
            elif "concurrent_collections" in document:
                self.server, self.tool = str(document["server_version"]), str(document["tool_version"])
            else:
                self._announce(document)
        except (BSONError, KeyError, TypeError, ValueError) as error:
            raise ArchiveError() from error

    def _announce(self, document: dict[str, object]) -> None:
        database = str(document["db"])
        if self.database not in {"", database}:
            raise ValueError("several databases")
        self.database = database
        metadata = json.loads(str(document["metadata"]))
        if not isinstance(metadata, dict):
            raise TypeError("not a definition")
        indexes = [definition(json.dumps(index)) for index in metadata.get("indexes") or []]
        spec = CollectionSpec(
            name=str(document["collection"]),
            kind=CollectionKind(str(document["type"]) or "collection"),
            options=options_text(definition(json.dumps(metadata.get("options") or {}))),
            indexes=tuple(sorted((index_text(index) for index in indexes), key=index_name)),
            documents=0,
        )
        if reported_name(spec) in self._streams:
            raise ValueError("a collection announced twice")
        self._streams.add(reported_name(spec))
        self._specs.append(spec)

    def _block(self, document: dict[str, Any]) -> None:
        name = str(document["collection"])
        if str(document["db"]) != self.database or name not in self._streams or name in self.closed:
            raise ValueError("a block that was not announced")
        counts = self._counts.setdefault(name, [0, 0])
        if document["EOF"]:
            self.closed.add(name)
            self.checksums[name] = int(document["CRC"]) & _SIXTY_FOUR_BITS
            self._closing = True
        self._counting, self._name = counts, name

    def _counted(self, spec: CollectionSpec) -> CollectionSpec:
        documents, size = self._counts.get(reported_name(spec), (0, 0))
        return replace(spec, documents=documents, size_bytes=size)


def index_name(text: str) -> str:
    """The name inside an index's text, to sort by."""
    return str(json.loads(text)["name"])
