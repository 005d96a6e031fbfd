"""MongoDB: the port Database, by the driver and by MongoDB's own tools."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from bot.adapters.mongo import tools
from bot.adapters.mongo.archive import ArchiveError, ArchiveWalker
from bot.adapters.mongo.canonical import definition, options_text, same_but_for_order, stages_of
from bot.adapters.mongo.connection import Connection
from bot.adapters.mongo.definitions import Definitions
from bot.adapters.mongo.driver import SELECTION_SECONDS, STORED_FUNCTIONS, MongoDriver
from bot.adapters.mongo.loader import Loader
from bot.adapters.mongo.oplog import OplogTail
from bot.adapters.mongo.packing import ZSTD_THREADS, Packer, unpacked
from bot.adapters.mongo.primary import Primary
from bot.adapters.mongo.replay import Replay
from bot.adapters.mongo.sealing import Keys, keys, public_keys
from bot.adapters.mongo.stage import Stage
from bot.adapters.mongo.timeseries import BUCKETS
from handlers.core.formats.manifests import CollectionKind, CollectionSpec
from handlers.core.formats.objects import Packing
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import ArchiveEvidence, LoadEvidence, ReplayEvidence
from handlers.core.restores.switches import RESERVED
from handlers.core.words.errors import Damage, OutsideError
from handlers.core.words.text import Code, Text

STALL_SECONDS = 60.0
INDEX_LANES = 2

Engine = Literal["native", "mongorestore"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """What tells servers apart: an id that every process of MongoDB draws at its start (`topologyVersion`, since 4.4),
    the replica set's name and its members."""

    process: str
    set_name: str
    hosts: frozenset[str]

    def same(self, other: Deployment) -> bool:
        """Whether both are one server, or members of one set."""
        one_process = bool(self.process) and self.process == other.process
        return one_process or (self.set_name == other.set_name and bool(self.hosts & other.hosts))


class MongoDatabase(MongoDriver):
    """Database (see the port). `path`: where the tools are looked for, as PATH. `identities`: the secret keys of age
    that open encrypted backups; `loader`: what loads. Raises Refusal for a key that is none."""

    def __init__(
        self,
        uri: str,
        *,
        path: str | None = None,
        stall_seconds: float = STALL_SECONDS,
        packing: Packing = Packing(),  # noqa: B008 frozen
        zstd_threads: int = ZSTD_THREADS,
        identities: Sequence[str] | Keys = (),
        loader: Engine = "native",
        selection_seconds: float = SELECTION_SECONDS,
        source: MongoDriver | None = None,
    ) -> None:
        connection = Connection(uri)
        super().__init__(connection, selection_seconds=selection_seconds, source=source)
        self._path = os.environ.get("PATH", os.defpath) if path is None else path
        self._stall_seconds = stall_seconds
        public_keys(packing.recipients)
        self._packing = packing
        self._zstd_threads = zstd_threads
        self._keys = identities if isinstance(identities, Keys) else keys(identities)
        self._loader: Engine = loader

    @property
    def name(self) -> str:
        """See the port."""
        return self._connection.database

    @property
    def address(self) -> str:
        """See the port."""
        return self._connection.address

    def same_server(self, other: object) -> bool:
        """See the port."""
        return isinstance(other, MongoDatabase) and self.deployment().same(other.deployment())

    def sibling(self, name: str) -> MongoDatabase:
        """See the port. It uses the connections of this one."""
        if name == self.name:
            return self
        return MongoDatabase(
            self._connection.uri_of(name),
            path=self._path,
            stall_seconds=self._stall_seconds,
            packing=self._packing,
            zstd_threads=self._zstd_threads,
            identities=self._keys,
            loader=self._loader,
            source=self._source,
        )

    @property
    def packing(self) -> Packing:
        """See the port."""
        return self._packing

    def opens(self, packing: Packing) -> bool:
        """See the port."""
        return not packing.recipients or not self._keys.recipients.isdisjoint(packing.recipients)

    def packer(self) -> Packer:
        """A new stream, packed as this database's dumps are."""
        return Packer(self._packing, threads=self._zstd_threads)

    @contextmanager
    def dump(self) -> Iterator[tools.ToolDump]:
        """See the port."""
        made = self._made()
        # What restores keep for themselves is not the application's data.
        prefixes = [f"{parent}{each}" for parent in ("", BUCKETS) for each in RESERVED]
        unwanted = [word for each in prefixes for word in ("--excludeCollectionsWithPrefix", each)]
        with (
            closing(self.packer()) as packer,
            tools.tool("mongodump", ["--archive", *unwanted], self._connection, self._path, feeding=False) as process,
        ):
            yield tools.ToolDump(
                process, self._connection, self._stall_seconds, packer, lambda spec: self._as_made(spec, made)
            )

    def _made(self, name: str | None = None) -> dict[str, str]:
        """The options of views and validated collections (or of one), in the order they were made with."""
        with self._translated(Text("listed")):
            return {
                found: options_text(info["options"])
                for found, info in self._listed(name).items()
                if info["type"] == "view" or "validator" in info["options"]
            }

    def _as_made(self, spec: CollectionSpec, made: dict[str, str]) -> CollectionSpec:
        """With a pipeline or validator in the order it was made with, which mongodump does not keep (see canonical)."""
        if not _is_ordered(spec):
            return spec
        options = made.get(spec.name)
        if options is None or not same_but_for_order(options, spec.options):
            options = self._made(spec.name).get(spec.name)
        if options is None or not same_but_for_order(options, spec.options):
            raise OutsideError(Text("The definition of {name} was changed while it was saved.", name=Code(spec.name)))
        return replace(spec, options=options)

    def load(self, packed: Iterable[bytes], prefix: str, names: Container[str]) -> LoadEvidence:
        """See the port."""
        if self._loader == "native":
            # By connections of its own, on which no answer in that time is a lost server.
            with self._translated(Text("loaded")), self._connected(int(self._stall_seconds * 1000)) as client:
                evidence = Loader(self._of(client), prefix, self._keys).load(packed, names)
                return replace(evidence, last_lines=self._connection.scrubbed(evidence.last_lines))
        return tools.load(
            packed,
            prefix,
            names,
            connection=self._connection,
            path=self._path,
            stall_seconds=self._stall_seconds,
            secret=self._keys,
        )

    def now(self) -> OpTime:
        """See the port."""
        with self._translated(Text("followed")):
            return Primary(self._database().client).applied()

    @contextmanager
    def tail(self, after: OpTime | None) -> Iterator[OplogTail]:
        """See the port."""
        with self._translated(Text("followed")):
            primary = Primary(self._database().client)
        with closing(self.packer()) as packer:
            yield OplogTail(primary, self.name, after, packer, self._translated)

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
        """See the port."""
        stage = Stage(
            self._database(),
            prefix,
            write=lambda command, at: self._write(command, at=at),
            listed=lambda name: self._live(self._listed(name)[name], {}, count=False).spec,
            drop=self.drop,
        )
        with self._translated(Text("replayed")):
            return Replay(stage, Definitions(specs, names), names, self._keys).run(slices, until, dumped=dumped)

    def examine(self, packed: Iterable[bytes]) -> ArchiveEvidence:
        """See the port."""
        walker = ArchiveWalker()
        try:
            for raw in unpacked(packed, self._keys):
                walker.feed(raw)
        except ArchiveError as error:
            raise Damage(Text("The stored backup is damaged: what it holds is not an archive.")) from error
        return ArchiveEvidence(walker.announced, frozenset(walker.closed), walker.at_a_boundary)

    def hashes(self) -> Mapping[str, str]:
        """See the port."""
        with self._translated(Text("hashed")):
            # Without maxTimeMS: it reads everything.
            found = self._database().command({"dbHash": 1})["collections"]
            return {
                name.removeprefix(BUCKETS): str(md5)
                for name, md5 in found.items()
                if name.startswith(BUCKETS) or not name.startswith("system.") or name == STORED_FUNCTIONS
            }

    def holds(self, name: str, pipeline: str, at_least: int, seconds: float) -> bool:
        """See the port."""
        stages = [*stages_of(pipeline), {"$limit": at_least}, {"$count": "n"}]
        with self._translated(Text("asked")):
            limit = int(seconds * 1000)
            counted = self._database().command(
                {"aggregate": name, "pipeline": stages, "cursor": {}, "maxTimeMS": limit}
            )
            batch = counted["cursor"]["firstBatch"]
            return bool(batch) and int(batch[0]["n"]) >= at_least

    def deployment(self) -> Deployment:
        """Which servers this is. Raises OutsideError."""
        with self._translated(Text("recognized")):
            hello = self._run({"hello": 1})
            process = hello.get("topologyVersion", {}).get("processId", "")
            return Deployment(str(process), str(hello.get("setName", "")), frozenset(map(str, hello.get("hosts", []))))

    def expires(self) -> bool:
        """Whether its server deletes what is too old by itself. Raises OutsideError."""
        with self._translated(Text("asked for its settings")):
            into = self._database().client.get_database("admin")
            return bool(into.command({"getParameter": 1, "ttlMonitorEnabled": 1})["ttlMonitorEnabled"])

    def drop_all(self, old: Container[str]) -> None:
        """Drops its database, and those on its server that `old` contains. Raises OutsideError."""
        with self._translated(Text("dropped")):
            client = self._database().client
            for name in (self.name, *client.list_database_names()):
                if name == self.name or name in old:
                    client.drop_database(name)

    def build_indexes(self, wanted: Mapping[str, Sequence[str]], *, expire: bool) -> Iterator[str]:
        """See the port."""
        with ThreadPoolExecutor(INDEX_LANES, thread_name_prefix="index") as lanes:
            building = {
                lanes.submit(self.create_indexes, name, indexes, expire=expire): name
                for name, indexes in wanted.items()
            }
            try:
                for done in as_completed(building):
                    done.result()
                    yield building[done]
            finally:
                lanes.shutdown(cancel_futures=True)


def _is_ordered(spec: CollectionSpec) -> bool:
    return spec.kind is CollectionKind.VIEW or "validator" in definition(spec.options)
