"""A fake of the port Database, and one of the port Command, in memory.

- Calls are named `database.<method>` for Faults; `database.piece` for each piece dumped, `database.line` for each line
  loaded, `database.bucket` for each bucket copied: so a test can end the process inside every long step.
- The archive is private: a line of JSON for the collections, one for each document, one for the end of each
  collection, one for the end of all; "compressed" with nothing, and encrypted only in name.
- Its oplog holds what `write`, `remove`, `create` and `discard` did; a slice is a line of JSON for each of them. What a
  test puts there otherwise (`add`) was there before. A deployment without a name is a single server: it has no oplog.
- As with the real tools, evidence only says what was seen. `seen_by_dump` and `seen_by_load` may change it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from handlers.core.formats.manifests import CollectionKind, CollectionSpec, DumpEvidence, reported_name
from handlers.core.formats.objects import Packing
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import (
    ArchiveEvidence,
    CommandResult,
    DatabaseFacts,
    LiveCollection,
    LoadEvidence,
    OpenFiles,
    ReplayEvidence,
    SliceEvidence,
)
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.text import Code, Text
from tests.fakes import Faults

ID_INDEX = '{"key":{"_id":{"$numberInt":"1"}},"name":"_id_"}'
LONGEST_EXPIRY = {"$numberInt": "2147483647"}
SERVER = "6.0.5"
FIRST = OpTime(1_795_000_000, 1)
"""The oplog of a fake begins here: the entries of tests are of this second."""
Document = dict[str, Any]


class EveryName:
    """All names but these, for `load`."""

    def __init__(self, *but: str) -> None:
        self._but = frozenset(but)

    def __contains__(self, name: object) -> bool:
        return name not in self._but


@dataclass
class FakeCollection:
    """One collection. For a time-series, `documents` are its buckets."""

    kind: CollectionKind = CollectionKind.COLLECTION
    options: str = "{}"
    indexes: list[str] = field(default_factory=lambda: [ID_INDEX])
    documents: list[Document] = field(default_factory=list)
    uuid: str = ""


class FakeDatabase:
    """Database over dicts. `there` is what the server has, whatever happens to the process."""

    def __init__(self, name: str = "shop", faults: Faults | None = None, *, piece_bytes: int = 256) -> None:
        self.name = name
        self.there: dict[str, FakeCollection] = {}
        self.mongos = False
        self.packing = Packing()
        self.keys: set[str] = set()
        self.seen_by_dump: Callable[[DumpEvidence], DumpEvidence] = lambda evidence: evidence
        self.seen_by_load: Callable[[LoadEvidence], LoadEvidence] = lambda evidence: evidence
        self.seen_by_tail: Callable[[SliceEvidence], SliceEvidence] = lambda evidence: evidence
        self.deployment = "rs0"
        self.address = "mongodb://here"
        self.server = SERVER
        self.oplog: list[FakeEntry] = []
        self.oldest = FIRST
        self.running_tools = 0
        self.siblings: dict[str, FakeDatabase] = {}
        self.asked_since: datetime | None = None
        self.written_since: dict[str, int | None] = {}
        self.blocked = False
        self.free_bytes: int | None = None
        self.open_files: OpenFiles | None = None
        self.faults = faults or Faults()
        self.piece_bytes = piece_bytes
        self._uuids = itertools.count(1)

    def add(
        self,
        name: str,
        documents: Sequence[Document] = (),
        *,
        kind: CollectionKind = CollectionKind.COLLECTION,
        options: str = "{}",
        indexes: Sequence[str] = (),
    ) -> None:
        """Puts a collection there, in place of what has that name."""
        own = [ID_INDEX] if kind is CollectionKind.COLLECTION else []
        uuid = "" if kind is CollectionKind.VIEW else f"uuid {next(self._uuids)}"
        self.there[name] = FakeCollection(kind, options, [*own, *indexes], deepcopy(list(documents)), uuid)

    def content(self) -> Mapping[str, tuple[CollectionKind, str, tuple[str, ...], tuple[Document, ...]]]:
        """All there is, to be compared; without UUIDs, documents in the order of their ids."""
        return {
            name: (each.kind, each.options, tuple(sorted(each.indexes)), tuple(sorted(each.documents, key=_id_of)))
            for name, each in sorted(deepcopy(self.there).items())
        }

    def same_server(self, other: object) -> bool:
        with self.faults.at("database.same_server"):
            return isinstance(other, FakeDatabase) and self.address == other.address

    def sibling(self, name: str) -> FakeDatabase:
        if name == self.name:
            return self
        if name not in self.siblings:
            self.siblings[name] = FakeDatabase(name, self.faults, piece_bytes=self.piece_bytes)
            self.siblings[name].address, self.siblings[name].server = self.address, self.server
        return self.siblings[name]

    def newer(self, since: datetime, names: Sequence[str]) -> Mapping[str, int | None]:
        with self.faults.at("database.newer"):
            self.asked_since = since
            return {name: self.written_since.get(name, 0) for name in names}

    def block_writes(self, *, block: bool) -> None:
        with self.faults.at("database.block_writes"):
            self.blocked = block

    def opens(self, packing: Packing) -> bool:
        return not packing.recipients or not self.keys.isdisjoint(packing.recipients)

    def facts(self) -> DatabaseFacts:
        with self.faults.at("database.facts"):
            if self.mongos:
                raise Refusal(Text("This is a sharded cluster (mongos): it cannot be saved whole this way."))
            documents = [each for collection in self.there.values() for each in collection.documents]
            size = sum(map(_size, documents))
            return DatabaseFacts(
                self.name,
                self.server,
                len(documents),
                size,
                len(self.there),
                self.deployment,
                disk_bytes=size,
                free_bytes=self.free_bytes,
            )

    def files(self) -> OpenFiles | None:
        with self.faults.at("database.files"):
            return self.open_files

    def collections(self, *, count: bool = False, prefix: str = "", indexes: bool = True) -> tuple[LiveCollection, ...]:
        with self.faults.at("database.collections"):
            found = tuple(
                LiveCollection(_spec(name, each, len(each.documents) if count else 0), each.uuid)
                for name, each in sorted(self.there.items())
                if name.startswith(prefix) and not name.startswith("system.")
            )
            if indexes:
                return found
            return tuple(replace(each, spec=replace(each.spec, indexes=())) for each in found)

    @contextmanager
    def dump(self) -> Iterator[FakeDump]:
        with self.faults.at("database.dump"):
            running = FakeDump(self)
            self.running_tools += 1
        try:
            yield running
        finally:
            self.running_tools -= 1

    def load(self, packed: Iterable[bytes], prefix: str, names: Container[str]) -> LoadEvidence:
        with self.faults.at("database.load"):
            self.running_tools += 1
            try:
                return self.seen_by_load(self._load(_lines(packed), prefix, names))
            finally:
                self.running_tools -= 1

    def _load(self, lines: Iterator[bytes], prefix: str, names: Container[str]) -> LoadEvidence:
        restored, whole = 0, False
        for line in lines:
            with self.faults.at("database.line"):
                try:
                    entry = json.loads(line)
                except ValueError:
                    return LoadEvidence(1, restored, 0, "Failed: this is not an archive")
                if "collections" in entry:
                    self._announce([CollectionSpec.from_json(each) for each in entry["collections"]], prefix, names)
                elif "document" in entry and entry["of"] in names:
                    documents = self.there[prefix + entry["of"]].documents
                    if any(_id_of(each) == _id_of(entry["document"]) for each in documents):
                        return LoadEvidence(1, restored, 1, "Failed: E11000 duplicate key error")
                    documents.append(entry["document"])
                    restored += 1
                whole = whole or "end" in entry
        if not whole:
            return LoadEvidence(1, restored, 0, "Failed: the archive is cut")
        return LoadEvidence(0, restored, 0, f"{restored} document(s) restored successfully.")

    def _announce(self, specs: Sequence[CollectionSpec], prefix: str, names: Container[str]) -> None:
        for spec in specs:
            if spec.name in names and prefix + spec.name not in self.there:
                self.add(prefix + spec.name, kind=spec.kind, options=spec.options)

    def create_indexes(self, name: str, indexes: Sequence[str], *, expire: bool) -> None:
        with self.faults.at("database.create_indexes"):
            for index in (each if expire else _aged(each, LONGEST_EXPIRY) for each in indexes):
                if name not in self.there:
                    self.add(name)
                there = {_name_of(each): each for each in self.there[name].indexes}
                if _name_of(index) == "_id_" or there.get(_name_of(index)) == index:
                    continue
                if _name_of(index) in there:
                    raise OutsideError(Text("An index of that name is there already, and it is another one."))
                self.there[name].indexes.append(index)

    def build_indexes(self, wanted: Mapping[str, Sequence[str]], *, expire: bool) -> Iterator[str]:
        for name, indexes in wanted.items():
            self.create_indexes(name, indexes, expire=expire)
            yield name

    def set_expiry(self, name: str, indexes: Sequence[str]) -> None:
        with self.faults.at("database.set_expiry"):
            found = self._found(name)
            ages = {_name_of(each): json.loads(each).get("expireAfterSeconds") for each in indexes}
            found.indexes = [_aged(each, ages.get(_name_of(each))) for each in found.indexes]

    def set_validator(self, name: str, spec: CollectionSpec) -> None:
        self._found(name)

    def create_view(self, spec: CollectionSpec) -> None:
        with self.faults.at("database.create_view"):
            found = self.there.get(spec.name)
            if found is None:
                self.add(spec.name, kind=CollectionKind.VIEW, options=spec.options)
            elif found.kind is not CollectionKind.VIEW or found.options != spec.options:
                raise OutsideError(Text("{name} is there already.", name=Code(spec.name)))

    def rename(self, name: str, to: str) -> None:
        with self.faults.at("database.rename"):
            found = self._found(name)
            if found.kind is not CollectionKind.COLLECTION:
                raise OutsideError(Text("{name} is a {kind}.", name=Code(name), kind=found.kind.value))
            if to in self.there:
                raise OutsideError(Text("{to} is there already.", to=Code(to)))
            self.there[to] = self.there.pop(name)

    def drop(self, name: str) -> None:
        with self.faults.at("database.drop"):
            self.there.pop(name, None)

    def together(self, steps: Iterable[Callable[[], None]], hold: Callable[[], None]) -> None:
        """One after the other, every second one first: whoever is killed has done any of them."""
        everything = list(steps)
        for step in (*everything[1::2], *everything[::2]):
            hold()
            step()

    def copy_timeseries(self, spec: CollectionSpec, source: str, to: str) -> None:
        with self.faults.at("database.copy_timeseries"):
            found = self._found(source)
            if found.kind is not CollectionKind.TIMESERIES:
                raise OutsideError(Text("{name} is not a time-series.", name=Code(source)))
            self.add(to, kind=CollectionKind.TIMESERIES, options=spec.options)
            for bucket in found.documents:
                with self.faults.at("database.bucket"):
                    self.there[to].documents.append(deepcopy(bucket))
            self.there[to].indexes = list(spec.indexes)

    def write(self, name: str, document: Document) -> OpTime:
        """Puts a document there, in place of the one with its id, as the application does; when."""
        return self._happens("write", name, document)

    def remove(self, name: str, identity: Any) -> OpTime:
        """Deletes a document, as the application does; when."""
        return self._happens("remove", name, {"_id": identity})

    def create(self, name: str, options: str = "{}") -> OpTime:
        """Makes a collection, as the application does; when."""
        return self._happens("create", name, {"options": options})

    def discard(self, name: str) -> OpTime:
        """Drops a collection, as the application does; when."""
        return self._happens("discard", name, {})

    def _happens(self, kind: str, name: str, document: Document) -> OpTime:
        entry = FakeEntry(self._newest(1), kind, name, deepcopy(document))
        self.oplog.append(entry)
        self._apply(entry, "")
        return entry.time

    def _apply(self, entry: FakeEntry, prefix: str) -> None:
        name = prefix + entry.name
        if entry.kind == "create":
            self.add(name, options=entry.document["options"])
        elif entry.kind == "discard":
            self.there.pop(name, None)
        else:
            if name not in self.there:
                raise Damage(Text("The oplog changes {name}, which is not in the backup.", name=Code(entry.name)))
            kept = [each for each in self.there[name].documents if _id_of(each) != _id_of(entry.document)]
            self.there[name].documents = [*kept, *([deepcopy(entry.document)] if entry.kind == "write" else [])]

    def _newest(self, later: int = 0) -> OpTime:
        last = self.oplog[-1].time if self.oplog else FIRST
        return OpTime(last.seconds, last.increment + later)

    def now(self) -> OpTime:
        with self.faults.at("database.now"):
            if not self.deployment:
                raise Refusal(Text("This MongoDB is not a replica set."))
            return self._newest()

    @contextmanager
    def tail(self, after: OpTime | None) -> Iterator[FakeTail]:
        with self.faults.at("database.tail"):
            if not self.deployment:
                raise Refusal(Text("This MongoDB is not a replica set."))
            running = FakeTail(self, self._newest() if after is None else after)
        yield running

    def replay(
        self,
        slices: Iterable[Iterable[bytes]],
        prefix: str,
        specs: Sequence[CollectionSpec],
        *,
        names: Container[str],
        until: OpTime | None = None,
        dumped: bool = True,
    ) -> ReplayEvidence:
        with self.faults.at("database.replay"):
            chosen = {spec.name: spec for spec in specs if spec.name in names}
            last, count = None, 0
            for pieces in slices:
                for entry in map(_entry, list(_lines(pieces))):
                    if (last is not None and entry.time <= last) or (until is not None and entry.time > until):
                        continue
                    last = entry.time
                    if entry.name in names:
                        self._replayed(entry, prefix, chosen)
                        count += 1
            plain = (replace(spec, documents=0, size_bytes=0) for _, spec in sorted(chosen.items()))
            return ReplayEvidence(count, last, tuple(plain))

    def _replayed(self, entry: FakeEntry, prefix: str, chosen: dict[str, CollectionSpec]) -> None:
        with self.faults.at("database.entry"):
            self._apply(entry, prefix)
            if entry.kind == "discard":
                chosen.pop(entry.name, None)
            elif entry.kind == "create":
                chosen[entry.name] = _spec(entry.name, self.there[prefix + entry.name], 0)

    def examine(self, packed: Iterable[bytes]) -> ArchiveEvidence:
        with self.faults.at("database.examine"):
            announced: list[CollectionSpec] = []
            counts: dict[str, int] = {}
            closed, whole = set[str](), False
            for line in _lines(packed):
                try:
                    entry = json.loads(line)
                except ValueError as error:
                    raise Damage(Text("The stored backup is damaged: what it holds is not an archive.")) from error
                announced += [CollectionSpec.from_json(each) for each in entry.get("collections", ())]
                if "document" in entry:
                    counts[entry["of"]] = counts.get(entry["of"], 0) + 1
                if "closed" in entry:
                    closed.add(entry["closed"])
                whole = "end" in entry
            specs = tuple(replace(spec, documents=counts.get(spec.name, 0)) for spec in announced)
            return ArchiveEvidence(
                specs, frozenset(reported_name(spec) for spec in specs if spec.name in closed), whole
            )

    def hashes(self) -> Mapping[str, str]:
        with self.faults.at("database.hashes"):
            return {
                name: hashlib.md5(json.dumps(sorted(each.documents, key=_id_of)).encode()).hexdigest()  # noqa: S324 as dbHash
                for name, each in self.there.items()
                if each.kind is not CollectionKind.VIEW
            }

    def holds(self, name: str, pipeline: str, at_least: int, seconds: float) -> bool:
        """Knows only how many documents there are."""
        with self.faults.at("database.holds"):
            found = self.there.get(name)
            return found is not None and len(found.documents) >= at_least

    def _found(self, name: str) -> FakeCollection:
        found = self.there.get(name)
        if found is None:
            raise OutsideError(Text("There is no {name}.", name=Code(name)))
        return found


@dataclass(frozen=True)
class FakeEntry:
    """One entry of the oplog: a document written or removed, a collection created or discarded."""

    time: OpTime
    kind: str
    name: str
    document: Document


class FakeTail:
    """A slice of a fake oplog. A majority has everything at once. Calls are named `tail.<method>`."""

    def __init__(self, database: FakeDatabase, start: OpTime) -> None:
        self._database = database
        self._packed = b""
        self._entries = 0
        self.start = self.last = start
        self.waiting = False
        self.broken: OpTime | None = None
        self._check()

    def read(self) -> bytes:
        with self._database.faults.at("tail.read"):
            return self._take(self._database._newest())

    def finish(self, *, through: OpTime | None = None) -> bytes:
        with self._database.faults.at("tail.finish"):
            newest = self._database._newest()
            if through is not None and through > newest:
                raise OutsideError(Text("The majority of the replica set is far behind its primary."))
            return self._take(through or newest)

    def evidence(self) -> SliceEvidence:
        with self._database.faults.at("tail.evidence"):
            size, sha = len(self._packed), hashlib.sha256(self._packed).hexdigest()
            seen = SliceEvidence(self.start, self.last, self._entries, size, size, sha)
            return self._database.seen_by_tail(seen)

    def _take(self, through: OpTime) -> bytes:
        self._check()
        found = [each for each in self._database.oplog if self.last < each.time <= through]
        packed = b"".join(
            _line({"time": str(each.time), "kind": each.kind, "name": each.name, "document": each.document})
            for each in found
        )
        self._packed += packed
        self._entries += len(found)
        self.last = max(self.last, through)
        return packed

    def _check(self) -> None:
        if self._database.oldest > self.last:
            raise Damage(Text("The oplog no longer reaches back: there is a gap."))


class FakeScratch:
    """Scratch (call `scratch.open`) over empty databases. `spoilt` may change each before it is given; `open_now`
    counts those that are not gone yet."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.spoilt: Callable[[FakeDatabase], None] = lambda database: None
        self.open_now = 0
        self.needed_bytes: list[int] = []

    @contextmanager
    def open(self, need_bytes: int) -> Iterator[FakeDatabase]:
        with self.faults.at("scratch.open"):
            self.needed_bytes.append(need_bytes)
            database = FakeDatabase("drill", self.faults)
            self.spoilt(database)
            self.open_now += 1
        try:
            yield database
        finally:
            self.open_now -= 1


class FakeDump:
    """A dump of what was there when it began."""

    def __init__(self, database: FakeDatabase) -> None:
        self._database = database
        self._announced = tuple(
            replace(_spec(name, each, len(each.documents)), size_bytes=sum(map(_size, each.documents)))
            for name, each in sorted(database.there.items())
        )
        documents = {name: deepcopy(each.documents) for name, each in database.there.items()}
        self._archive = b"".join(_archive(self._announced, documents))
        self._read = 0

    def read(self) -> bytes:
        with self._database.faults.at("database.piece"):
            piece = self._archive[self._read : self._read + self._database.piece_bytes]
            self._read += len(piece)
            return piece

    @property
    def raw_bytes(self) -> int:
        return self._read

    def evidence(self) -> DumpEvidence:
        with self._database.faults.at("database.evidence"):
            solid = [spec for spec in self._announced if spec.kind is not CollectionKind.VIEW]
            seen = DumpEvidence(
                return_code=0,
                announced=self._announced,
                reported={reported_name(spec): spec.documents for spec in solid},
                closed=frozenset(map(reported_name, solid)),
                raw_bytes=len(self._archive),
                stored_bytes=len(self._archive),
                sha256=hashlib.sha256(self._archive).hexdigest(),
                packing=self._database.packing,
                tool="a fake mongodump",
                server=SERVER,
                last_lines="done dumping",
            )
            return self._database.seen_by_dump(seen)


@dataclass
class FakeCommand:
    """Command (call `command.run`). It takes up to `beats` from what it is given, then does `during`."""

    line: str = ""
    result: CommandResult = field(default_factory=lambda: CommandResult(0, "migrated"))
    during: Callable[[], None] | None = None
    beats: int = 3
    runs: int = 0
    faults: Faults = field(default_factory=Faults)

    def run(self, beat: Iterable[None] = ()) -> CommandResult:
        with self.faults.at("command.run"):
            if not self.line:
                raise OutsideError(Text("No command is configured."), permanent=True)
            self.runs += 1
            for _ in itertools.islice(beat, self.beats):
                continue
            if self.during is not None:
                self.during()
            return self.result


def _archive(specs: Sequence[CollectionSpec], documents: Mapping[str, list[Document]]) -> Iterator[bytes]:
    yield _line({"collections": [spec.to_json() for spec in specs]})
    for spec in specs:
        yield from (_line({"of": spec.name, "document": each}) for each in documents[spec.name])
        yield _line({"closed": spec.name})
    yield _line({"end": True})


def _line(entry: Mapping[str, object]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _lines(packed: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines as they come, and what is left at the end."""
    held = b""
    for piece in packed:
        *whole, held = (held + piece).split(b"\n")
        yield from whole
    if held:
        yield held


def _spec(name: str, found: FakeCollection, documents: int) -> CollectionSpec:
    indexes = () if found.kind is CollectionKind.VIEW else tuple(sorted(found.indexes, key=_name_of))
    return CollectionSpec(name, found.kind, found.options, indexes, documents)


def _aged(index: str, age: object) -> str:
    """The index with this age, if it is one that expires and there is an age to give."""
    data = json.loads(index)
    if "expireAfterSeconds" not in data or age is None:
        return index
    return json.dumps({**data, "expireAfterSeconds": age}, separators=(",", ":"))


def _name_of(index: str) -> str:
    return str(json.loads(index)["name"])


def _id_of(document: Document) -> str:
    return json.dumps(document["_id"], sort_keys=True)


def _size(document: Document) -> int:
    return len(json.dumps(document))


def _entry(line: bytes) -> FakeEntry:
    try:
        data = json.loads(line)
        return FakeEntry(OpTime.parse(data["time"]), data["kind"], data["name"], data["document"])
    except (KeyError, TypeError, ValueError) as error:
        raise Damage(Text("The stored slice is damaged.")) from error
