"""MongoDB: the port Database, by the driver and by MongoDB's own tools."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

from bot.adapters.mongo import tools
from bot.adapters.mongo.canonical import definition, options_text, same_but_for_order
from bot.adapters.mongo.connection import Connection
from bot.adapters.mongo.driver import MongoDriver
from bot.adapters.mongo.loader import Loader
from handlers.core.errors import OutsideError
from handlers.core.manifests import CollectionKind, CollectionSpec
from handlers.core.objects import Packing
from handlers.core.ports import LoadEvidence
from handlers.core.text import Code, Text

STALL_SECONDS = 60.0
INDEX_LANES = 2

Engine = Literal["native", "mongorestore"]


class MongoDatabase(MongoDriver):
    """Database (see the port). `path`: where the tools are looked for, as PATH; `loader`: what loads."""

    def __init__(
        self,
        uri: str,
        *,
        path: str | None = None,
        stall_seconds: float = STALL_SECONDS,
        packing: Packing = Packing(),  # noqa: B008 frozen
        loader: Engine = "native",
    ) -> None:
        connection = Connection(uri)
        super().__init__(connection)
        self._path = os.environ.get("PATH", os.defpath) if path is None else path
        self._stall_seconds = stall_seconds
        self._packing = packing
        self._loader = loader

    @property
    def name(self) -> str:
        """See the port."""
        return self._connection.database

    @contextmanager
    def dump(self) -> Iterator[tools.ToolDump]:
        """See the port."""
        made = self._made()
        with tools.tool("mongodump", ["--archive"], self._connection, self._path, feeding=False) as process:
            yield tools.ToolDump(
                process, self._connection, self._stall_seconds, self._packing, lambda spec: self._as_made(spec, made)
            )

    def _made(self, name: str | None = None) -> dict[str, str]:
        """The options of views and validated collections (or of one), in the order they were made with."""
        with self._translated("listed"):
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
            with self._translated("loaded"), self._connected(int(self._stall_seconds * 1000)) as client:
                evidence = Loader(self._of(client), prefix).load(packed, names)
                return replace(evidence, last_lines=self._connection.scrubbed(evidence.last_lines))
        return tools.load(
            packed,
            prefix,
            names,
            connection=self._connection,
            path=self._path,
            stall_seconds=self._stall_seconds,
        )

    def build_indexes(self, wanted: Mapping[str, Sequence[str]], *, expire: bool) -> Iterator[str]:
        """`create_indexes` for several collections, two at a time: the name of each as it is done. Whoever stops
        listening waits for those that were begun. Raises OutsideError, as `create_indexes`."""
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
