"""A database in memory whose archives are real ones, really packed: what mongodump writes, and a mongorestore that
behaves as 100.7.0 was seen to."""

from __future__ import annotations

import json
import struct
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import bson
import pyrage

from bot.adapters.mongo import archive
from bot.adapters.mongo.packing import Packer, unpacked
from bot.adapters.mongo.sealing import keys
from handlers.core.formats.manifests import CollectionKind, CollectionSpec, DumpEvidence, reported_name
from handlers.core.formats.objects import Packing
from handlers.core.ports import LoadEvidence
from handlers.core.words.errors import Damage
from handlers.core.words.text import Text
from tests.fake_database import Document, FakeDatabase

SECRET = str(pyrage.x25519.Identity.generate())
MAGIC = struct.pack("<I", archive.MAGIC)
END = struct.pack("<i", archive.TERMINATOR)
_POLYNOMIAL = 0xC96C5795D7870F42  # ECMA-182, reflected, as Go's hash/crc64 has it


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc64(data: bytes) -> int:
    """The checksum that an archive keeps of each collection's documents; signed, as BSON has it."""
    crc = 2**64 - 1
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return int.from_bytes((crc ^ 2**64 - 1).to_bytes(8, "little"), "little", signed=True)


def packed_whole(packer: Packer, raw: bytes) -> bytes:
    """All that comes out for it."""
    return b"".join((*packer.pack(raw), *packer.finish()))


def archive_of(specs: Sequence[CollectionSpec], documents: Mapping[str, list[Document]]) -> bytes:
    """What mongodump would write."""
    parts = [MAGIC, bson.encode({"concurrent_collections": 4, "server_version": "6.0.5", "tool_version": "100.7.0"})]
    for spec in specs:
        metadata = {"options": json.loads(spec.options), "indexes": [json.loads(index) for index in spec.indexes]}
        kind = "" if spec.kind is CollectionKind.COLLECTION else spec.kind.value
        parts.append(
            bson.encode(
                {"db": "shop", "collection": spec.name, "metadata": json.dumps(metadata), "size": 0, "type": kind}
            )
        )
    parts.append(END)
    for spec in specs:
        name, raw = reported_name(spec), b"".join(map(bson.encode, documents[spec.name]))
        head = {"db": "shop", "collection": name, "EOF": False, "CRC": bson.Int64(0)}
        if raw:
            parts += [bson.encode(head), raw, END]
        parts += [bson.encode({**head, "EOF": True, "CRC": bson.Int64(crc64(raw))}), END]
    return b"".join(parts)


class ArchiveDatabase(FakeDatabase):
    """The fake, with real archives."""

    secret = SECRET

    @contextmanager
    def dump(self) -> Iterator[Any]:
        yield ArchiveDump(self)

    def opens(self, packing: Packing) -> bool:
        return not packing.recipients or not keys([self.secret]).recipients.isdisjoint(packing.recipients)

    def load(self, packed: Iterable[bytes], prefix: str, names: Container[str]) -> LoadEvidence:
        """As mongorestore with --stopOnError: documents go in as they come, then the checksum is compared."""
        walker, raw = archive.ArchiveWalker(), b""
        for piece in unpacked(packed, keys([self.secret])):
            try:
                walker.feed(piece)
            except archive.ArchiveError as error:
                raise Damage(Text("What the stored backup holds is not an archive.")) from error
            raw += piece
        if walker.in_prelude:
            raise Damage(Text("What the stored backup holds is not an archive."))
        restored, announced = 0, frozenset((spec.name, spec.kind) for spec in walker.announced)
        for spec in walker.announced:
            if spec.name in names:
                self.add(prefix + spec.name, kind=spec.kind, options=spec.options)
        for name, document in _documents(raw, walker):
            if document is None:
                return LoadEvidence(1, restored, 0, f"Failed: CRC mismatch for {name}")
            if name in names:
                self.there[prefix + name].documents.append(document)
                restored += 1
        if not walker.at_a_boundary:
            return LoadEvidence(1, restored, 0, "Failed: the archive is cut")
        return LoadEvidence(0, restored, 0, "", announced)


def _documents(raw: bytes, walker: archive.ArchiveWalker) -> Iterator[tuple[str, Document | None]]:
    """Every document; None in place of what cannot be read, and at the end of a collection whose checksum is wrong."""
    names = {reported_name(spec): spec.name for spec in walker.announced}
    sums: dict[str, bytes] = dict.fromkeys(names, b"")
    position = 4
    while raw[position : position + 4] != END:
        position += struct.unpack_from("<i", raw, position)[0]
    position += 4
    while position + 4 <= len(raw):
        head, position = _document(raw, position)
        name = "" if head is None else str(head.get("collection"))
        if head is None or name not in names:
            yield name, None
            return
        while raw[position : position + 4] not in {END, b""}:
            begun = position
            found, position = _document(raw, position)
            sums[name] += raw[begun:position]
            yield names[name], found
            if found is None:
                return
        position += 4
        if head.get("EOF") and head.get("CRC") != crc64(sums.pop(name)):
            yield names[name], None
            return


def _document(raw: bytes, position: int) -> tuple[Document | None, int]:
    length = max(int.from_bytes(raw[position : position + 4], "little", signed=True), 1)
    try:
        return bson.decode(raw[position : position + length]), position + length
    except bson.errors.BSONError:
        return None, position


class ArchiveDump:
    """A dump in one piece."""

    def __init__(self, database: ArchiveDatabase) -> None:
        self._database = database
        live = [each.spec for each in database.collections(count=True)]
        self._raw = archive_of(live, {name: each.documents for name, each in database.there.items()})
        self._packer = Packer(database.packing, threads=0)
        self._pieces = [packed_whole(self._packer, self._raw)]

    def read(self) -> bytes:
        return self._pieces.pop() if self._pieces else b""

    @property
    def raw_bytes(self) -> int:
        return len(self._raw)

    def evidence(self) -> DumpEvidence:
        walker = archive.ArchiveWalker()
        walker.feed(self._raw)
        solid = [spec for spec in walker.announced if spec.kind is not CollectionKind.VIEW]
        return DumpEvidence(
            return_code=0,
            announced=walker.announced,
            reported={reported_name(spec): spec.documents for spec in solid},
            closed=frozenset(walker.closed),
            raw_bytes=len(self._raw),
            stored_bytes=self._packer.stored_bytes,
            sha256=self._packer.sha256,
            packing=self._database.packing,
            tool="mongodump 100.7.0",
            server="6.0.5",
            last_lines="",
        )
