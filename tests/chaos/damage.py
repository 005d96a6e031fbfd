"""A shop with two backups in memory, made and restored by the real handlers; the archive is a real one, and so is its
packing. Only MongoDB is played: collections in dicts, and a mongorestore that behaves as 100.7.0 was seen to.

- `World.copy` is a world of its own whose store may be damaged.
- `World.restore` asks, confirms, runs and, after a failure, recovers, as the desk and its worker do.
- `guard_of` names the safeguard whose sentence a person would have read.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import bson
import pyrage
from bson import json_util

from bot.adapters.mongo import archive
from bot.adapters.mongo.packing import Packer, unpacked
from bot.adapters.mongo.sealing import keys
from handlers.core.answers import Confirm, Invocation, JobId, Plan, TargetName
from handlers.core.captures import capture
from handlers.core.catalogue import Catalogue
from handlers.core.digests import canonical, digest
from handlers.core.errors import Damage, Problem
from handlers.core.jobs import Job, JobState, Progress
from handlers.core.manifests import BackupKind, CollectionKind, CollectionSpec, DumpEvidence, Manifest, reported_name
from handlers.core.objects import Packing
from handlers.core.ports import LoadEvidence, Target
from handlers.core.text import Text
from handlers.restore import RestoreHandler
from tests.fake_database import Document, FakeCommand, FakeDatabase
from tests.fakes import FakeClock, MemoryStore, someone

SHOP = TargetName("shop")
SARA = someone("U0SARA")
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
        self._pieces = [self._packer.pack(self._raw) + self._packer.finish()]

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


@dataclass
class QuietWork:
    """Work that tells nobody."""

    job: Job

    def check(self) -> None:
        return

    def progress(self, progress: Progress) -> None:
        return

    def note(self, note: Text) -> None:
        return

    def settle(self) -> None:
        return


@dataclass
class World:
    """A database, its store, and the newest two of its backups."""

    database: ArchiveDatabase
    store: MemoryStore
    clock: FakeClock
    first: Manifest
    second: Manifest

    def copy(self) -> World:
        """With the same live data and artifacts."""
        database, clock = ArchiveDatabase(), FakeClock(self.clock.moment)
        database.packing, store = self.database.packing, MemoryStore(clock)
        database.there = {
            name: replace(each, documents=list(each.documents)) for name, each in self.database.there.items()
        }
        store.artifacts = dict(self.store.artifacts)
        return World(database, store, clock, self.first, self.second)

    def live(self) -> object:
        """All that people would see, and the identity of each collection."""
        return {
            name: (each.kind, each.options, tuple(each.indexes), json_util.dumps(each.documents), each.uuid)
            for name, each in self.database.there.items()
        }

    def content(self) -> object:
        """What is there, whatever its identity."""
        return self.database.content()

    def put(self, key: str, data: bytes | None) -> None:
        """Into the store, over what is there; None takes it away."""
        if data is None:
            del self.store.artifacts[key]
        else:
            self.store.artifacts[key] = (data, self.clock.moment)

    def get(self, key: str) -> bytes:
        """What is stored there."""
        return self.store.artifacts[key][0]

    def restore(self, between: Callable[[], None] = lambda: None) -> None:
        """The first backup. `between` happens after it was confirmed. Raises the Problem that stopped it."""
        target = Target(SHOP, self.database, self.store, FakeCommand())
        handler = RestoreHandler({SHOP: target}, {SHOP: Catalogue(SHOP, self.store)}, self.clock)
        answer = handler.ask(Invocation("restore", (self.first.id,), SARA, "C0OPS"))
        assert isinstance(answer, Confirm)
        job = job_of(answer.draft.operation, answer.draft.arguments, self.clock, "restore")
        between()
        handler = RestoreHandler({SHOP: target}, {SHOP: Catalogue(SHOP, self.store)}, self.clock)
        try:
            outcome = handler.run(QuietWork(job))
        except Problem as problem:
            handler.recover(job, problem.text)
            raise
        assert outcome.state is JobState.DONE


def job_of(operation: str, arguments: Any, clock: FakeClock, word: str) -> Job:
    """A running job."""
    plan = Plan(operation, SHOP, arguments, SARA, "C0OPS", clock.now().isoformat(), "nonce")
    return Job(JobId(f"{word}aaaaaaaa"[:8]), plan, JobState.RUNNING, clock.now())


def world(*, encrypted: bool) -> World:
    """Two backups, and live data that is neither."""
    clock, database = FakeClock(), ArchiveDatabase()
    if encrypted:
        database.packing = Packing(3, (str(pyrage.x25519.Identity.from_str(SECRET).to_public()),))
    store = MemoryStore(clock)
    catalogue, target = Catalogue(SHOP, store), Target(SHOP, database, store, FakeCommand())
    made = []
    for round_, word in enumerate(("first", "second")):
        _fill(database, round_)
        work = QuietWork(job_of("backup.now", {}, clock, f"{word}b"))
        made.append(capture(target, catalogue, BackupKind.MANUAL, work, clock))
        clock.advance(3600)
    _fill(database, 2)
    return World(database, store, clock, made[0], made[1])


def _fill(database: ArchiveDatabase, round_: int) -> None:
    unique = '{"key":{"sku":{"$numberInt":"1"}},"name":"sku_1","unique":true}'
    items = [{"_id": number, "sku": f"s{number}", "text": f"{number * 7919} of {round_}"} for number in range(20)]
    database.add("items", items, indexes=[unique])
    database.add("orders", [{"_id": number, "total": number * 3 + round_} for number in range(12 + round_)])
    database.add(
        "weather", [{"_id": f"b{round_}"}], kind=CollectionKind.TIMESERIES, options='{"timeseries":{"timeField":"t"}}'
    )
    database.add("cheap", kind=CollectionKind.VIEW, options='{"pipeline":[],"viewOn":"items"}')
    if round_ != 1:
        database.add(f"only{round_}", [{"_id": 1}])


def resealed(stored: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A manifest that was changed by somebody who can count its digests."""
    body = json.loads(stored)
    del body["digest"]
    change(body)
    for spec in body["collections"]:
        if isinstance(spec, dict):
            spec["fingerprint"] = digest("collection", [spec[name] for name in ("name", "kind", "options", "indexes")])
    return canonical({**body, "digest": digest("manifest", body)})


GUARDS = {
    "A manifest in the store is damaged": "manifest",
    "belongs to another backup": "place",
    "There is no backup": "catalogue",
    "is not the one that was confirmed": "plan",
    "no key that opens it": "key",
    "There is no v1/": "store",
    "the SHA-256 of": "checksum",
    "No key of this host": "age header",
    "cannot be decrypted": "age",
    "cannot be unpacked": "zstd",
    "is not an archive": "archive",
    "mongorestore ended with": "loader",
    "do not name the same collections": "names",
    "mongorestore loaded": "count",
    "is not what was saved": "definitions",
}


def guard_of(problem: Problem) -> str:
    """Which safeguard spoke."""
    return next((guard for words, guard in GUARDS.items() if words in str(problem)), f"? {problem}")
