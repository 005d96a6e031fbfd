"""An archive read for its documents: whole, raw, in runs of one collection; and proved at its end.

- A run is at most 2 MB and 10,000 documents of one collection, in their order; a larger document is a run alone.
  Nothing is decoded, and little more than one run is held.
- The end is an error unless every announced collection was ended in the archive, and the CRC-64 that mongodump wrote
  down for its documents (mongo-tools common/archive; the one that xz uses) is that of what was read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bson.errors import BSONError
from bson.raw_bson import DEFAULT_RAW_BSON_OPTIONS, RawBSONDocument
from fastcrc import crc64

from bot.adapters.mongo.archive import LARGEST_DOCUMENT, SMALLEST_DOCUMENT, TERMINATOR, ArchiveError, ArchiveWalker
from handlers.core.formats.manifests import CollectionKind, CollectionSpec, reported_name
from handlers.core.words.errors import Damage
from handlers.core.words.text import Code, Text

RUN_BYTES = 2_000_000
RUN_DOCUMENTS = 10_000
_LENGTH = struct.Struct("<i")


@dataclass(frozen=True, slots=True)
class Run:
    """Documents of one collection, by the name it has in the archive (a time-series: that of its buckets)."""

    name: str
    documents: list[RawBSONDocument]
    size_bytes: int


class ArchiveReader:
    """An unpacked archive, read once: `open`, then `runs`."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._walker = ArchiveWalker()
        self._checksums: dict[str, int] = {}
        self._data = b""
        self._at = 0

    @property
    def announced(self) -> tuple[CollectionSpec, ...]:
        """Every collection of the archive, with what was read of it so far."""
        return self._walker.announced

    def open(self) -> tuple[CollectionSpec, ...]:
        """Reads what is announced. Raises Damage for what is not an archive, and whatever the pieces raise."""
        self._must_fill(4)
        self._walk(4)
        while self._walker.in_prelude:
            self._frame()
        return self._walker.announced

    def runs(self) -> Iterator[Run]:
        """All documents. Raises Damage, at the latest at the end, for an archive that is not whole, and whatever the
        pieces raise."""
        while self._fill(1):
            self._frame()
            if self._walker.inside:
                yield from self._block(self._walker.inside)
        self._prove()

    def _frame(self) -> None:
        """A header, or the mark at the end of a prelude or block."""
        self._must_fill(4)
        (length,) = _LENGTH.unpack_from(self._data, self._at)
        if length == TERMINATOR:
            self._walk(4)
        elif SMALLEST_DOCUMENT <= length <= LARGEST_DOCUMENT:
            self._must_fill(length)
            self._walk(length)
        else:
            raise _no_archive()

    def _walk(self, size: int) -> None:
        try:
            self._walker.feed(self._data[self._at : self._at + size])
        except ArchiveError as error:
            raise _no_archive() from error
        self._at += size

    def _block(self, name: str) -> Iterator[Run]:
        """The documents up to the block's end mark."""
        wanted = 4
        while wanted:
            self._must_fill(wanted)
            run, wanted = self._scan(name)
            if run.documents:
                self._checksums[name] = crc64.xz(
                    memoryview(self._data)[self._at : self._at + run.size_bytes], self._checksums.get(name, 0)
                )
                self._walker.passed(len(run.documents), run.size_bytes)
                self._at += run.size_bytes
                yield run

    def _scan(self, name: str) -> tuple[Run, int]:
        """The run that is there; and how many bytes are needed to go on, 0 at the end of the block."""
        data, at, end, unpack = self._data, self._at, len(self._data), _LENGTH.unpack_from
        documents: list[RawBSONDocument] = []
        wanted = 4
        while end - at >= 4 and len(documents) < RUN_DOCUMENTS:
            (length,) = unpack(data, at)
            if length == TERMINATOR:
                wanted = 0
                break
            if not SMALLEST_DOCUMENT <= length <= LARGEST_DOCUMENT:
                raise _no_archive()
            if at + length > end:
                wanted = length
                break
            if documents and at + length - self._at > RUN_BYTES:
                break
            try:
                documents.append(RawBSONDocument(data[at : at + length], DEFAULT_RAW_BSON_OPTIONS))
            except BSONError as error:
                raise _no_archive() from error
            at += length
        return Run(name, documents, at - self._at), wanted

    def _fill(self, wanted: int) -> bool:
        """Reads until so many bytes are there (then a run's worth, if the stream has that); whether they are."""
        have = len(self._data) - self._at
        if have >= wanted:
            return True
        parts, goal = [self._data[self._at :]], max(wanted, RUN_BYTES)
        for piece in self._pieces:
            parts.append(piece)
            have += len(piece)
            if have >= goal:
                break
        self._data, self._at = b"".join(parts), 0
        return have >= wanted

    def _must_fill(self, wanted: int) -> None:
        if not self._fill(wanted):
            raise _too_short()

    def _prove(self) -> None:
        if not self._walker.at_a_boundary:
            raise _too_short()
        for spec in self._walker.announced:
            name = reported_name(spec)
            if spec.kind is CollectionKind.VIEW:
                continue
            if name not in self._walker.closed:
                raise Damage(Text("The stored backup is damaged: its archive ends inside {name}.", name=Code(name)))
            if self._walker.checksums[name] != self._checksums.get(name, 0):
                raise Damage(
                    Text(
                        "The stored backup is damaged: the documents of {name} are not the ones that were dumped.",
                        name=Code(name),
                    )
                )


def _too_short() -> Damage:
    return Damage(Text("The stored backup is damaged: its archive ends before its end."))


def _no_archive() -> Damage:
    return Damage(Text("The stored backup is damaged: what it holds is not an archive."))
