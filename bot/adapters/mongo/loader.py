"""The loader: an archive put beside the live data by the driver, in place of mongorestore and faster than it.

- Every collection is made first, as the archive defines it, and must be new; none is ever named without the prefix.
- Documents go in as they are, undecoded, each run until a majority has it: a few runs at a time, of 6 MB together, so
  that small ones wait together. A capped collection gets its runs one after the other, for there order means something;
  a document larger than a run goes alone, for memory.
- What the server refuses first ends it, and is evidence. What the archive lacks at its end is Damage; what the pieces
  raise goes through. Whatever happens, what was begun is waited for.
- No indexes are built. A validator is not asked, for documents may be older than it; only then, because that needs
  the role dbAdmin.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database
from pymongo.errors import OperationFailure

from bot.adapters.mongo.canonical import definition
from bot.adapters.mongo.lanes import LANES
from bot.adapters.mongo.packing import unpacked
from bot.adapters.mongo.runs import RUN_BYTES, ArchiveReader, Run
from bot.adapters.mongo.sealing import Keys
from bot.adapters.mongo.timeseries import BUCKETS
from handlers.core.formats.manifests import CollectionKind, CollectionSpec, reported_name
from handlers.core.ports import LoadEvidence
from handlers.core.words.errors import Damage
from handlers.core.words.text import Code, Text

HELD_BYTES = 2 * RUN_BYTES
"""How much may be under way before the next run is sent."""
# The one `system.` collection that belongs to the application (mongodb.com/docs, "System Collections").
_OWN = "system.js"


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of a run. `problem`: in the server's words, empty when all is in."""

    inserted: int
    failed: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the documents of one collection go. `more`: what the command says besides.

    By the command: the driver's own `insert_many` takes no name with `..` in it or `.` at its end, the server does.
    """

    database: Database[Any]
    name: str
    more: Mapping[str, Any]
    ordered: bool

    def insert(self, run: Run) -> _Result:
        """Raises what the driver raises for a server that cannot be reached."""
        concern = self.database.write_concern.document
        command = {"insert": self.name, "documents": run.documents, "ordered": True, "writeConcern": concern}
        try:
            said = self.database.command({**command, **self.more})
        except OperationFailure as error:
            return _Result(0, 0, _words(error))
        refused = said.get("writeErrors", [])
        problems = [str(each["errmsg"]) for each in (*refused, said.get("writeConcernError")) if each is not None]
        return _Result(int(said["n"]), len(refused), problems[0] if problems else "")


class Loader:
    """Loads one archive. `database`: with the write concern that is waited for; `secret` opens encrypted ones. Without
    a prefix the database must be empty: a load there would be into live data."""

    def __init__(self, database: Database[Any], prefix: str, secret: Keys = Keys()) -> None:  # noqa: B008 frozen
        self._database = database
        self._prefix = prefix
        self._secret = secret
        self._restored = self._failed = 0
        self._problem = ""
        self._running: dict[Future[_Result], int] = {}

    def load(self, packed: Iterable[bytes], names: Container[str]) -> LoadEvidence:
        """See the port Database. Raises what the driver raises for a server that cannot be reached."""
        if not self._prefix and self._there():
            raise ValueError("a load without a prefix would be into the live data")
        reader = ArchiveReader(unpacked(packed, self._secret))
        specs = [spec for spec in reader.open() if spec.kind is not CollectionKind.VIEW and spec.name in names]
        self._make(specs)
        if not self._problem:
            self._insert(reader, {reported_name(spec): self._place(spec) for spec in specs})
        if not self._problem:
            self._compare(reader.announced, specs)
        announced = frozenset((spec.name, spec.kind) for spec in reader.announced)
        return LoadEvidence(1 if self._problem else 0, self._restored, self._failed, self._problem, announced)

    def _make(self, specs: Sequence[CollectionSpec]) -> None:
        """The collections. The last one waits for a majority, and with it all that were made before."""
        taken = sorted(self._there() & {self._name(spec.name) for spec in specs})
        if taken:
            self._problem = f"{taken[0]} is already there"
            return
        for spec in specs:
            last = self._database.write_concern.document
            self._problem = self._made(spec, last if spec is specs[-1] else {"w": 1})
            if self._problem:
                return

    def _made(self, spec: CollectionSpec, concern: Mapping[str, Any]) -> str:
        """Makes one; the server's words when it would not."""
        command = {"create": self._name(spec.name), **definition(spec.options), "writeConcern": concern}
        try:
            made = self._database.command(command)
        except OperationFailure as error:
            return _words(error)
        return str(made.get("writeConcernError", {}).get("errmsg", ""))

    def _insert(self, reader: ArchiveReader, places: Mapping[str, _Place]) -> None:
        with ThreadPoolExecutor(LANES, thread_name_prefix="load") as lanes:
            for run in reader.runs():
                place = places.get(run.name)
                if place is None:
                    continue
                if place.ordered or run.size_bytes > RUN_BYTES:
                    self._count(place.insert(run))
                else:
                    self._running[lanes.submit(place.insert, run)] = run.size_bytes
                while len(self._running) > LANES or sum(self._running.values()) > HELD_BYTES:
                    self._settle(FIRST_COMPLETED)
                if self._problem:
                    break
        self._settle(ALL_COMPLETED)

    def _settle(self, when: str) -> None:
        for each in wait(self._running, return_when=when).done:
            del self._running[each]
            self._count(each.result())

    def _count(self, result: _Result) -> None:
        self._restored += result.inserted
        self._failed += result.failed
        self._problem = self._problem or result.problem

    def _compare(self, announced: Iterable[CollectionSpec], specs: Iterable[CollectionSpec]) -> None:
        """Raises Damage unless all that the archive holds was given to the server, under these names and no other."""
        wanted = {spec.name for spec in specs}
        held = sum(spec.documents for spec in announced if spec.name in wanted)
        if self._restored != held or self._there() != {self._name(name) for name in wanted}:
            raise Damage(
                Text("What was loaded under {prefix} is not what the backup holds.", prefix=Code(self._prefix))
            )

    def _there(self) -> set[str]:
        """The names that begin with the prefix; without one, all that an application may have."""
        names = {name for name in self._database.list_collection_names() if name.startswith(self._prefix)}
        return names if self._prefix else {name for name in names if not name.startswith("system.") or name == _OWN}

    def _place(self, spec: CollectionSpec) -> _Place:
        parent = BUCKETS if spec.kind is CollectionKind.TIMESERIES else ""
        options = definition(spec.options)
        more = {"bypassDocumentValidation": True} if "validator" in options else {}
        return _Place(self._database, f"{parent}{self._name(spec.name)}", more, ordered=bool(options.get("capped")))

    def _name(self, name: str) -> str:
        return f"{self._prefix}{name}"


def _words(error: OperationFailure) -> str:
    return str(error).partition(", full error")[0]
