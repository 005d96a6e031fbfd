"""MongoDB: the port Database, by the driver and by MongoDB's own tools."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from bot.adapters.mongo import tools
from bot.adapters.mongo.connection import Connection
from bot.adapters.mongo.driver import MongoDriver
from handlers.core.ports import LoadEvidence

STALL_SECONDS = 60.0


class MongoDatabase(MongoDriver):
    """Database (see the port). `path`: where the tools are looked for, as PATH."""

    def __init__(self, uri: str, *, path: str | None = None, stall_seconds: float = STALL_SECONDS) -> None:
        connection = Connection(uri)
        super().__init__(connection)
        self._path = os.environ.get("PATH", os.defpath) if path is None else path
        self._stall_seconds = stall_seconds

    @property
    def name(self) -> str:
        """See the port."""
        return self._connection.database

    @contextmanager
    def dump(self) -> Iterator[tools.ToolDump]:
        """See the port."""
        with tools.tool("mongodump", ["--archive"], self._connection, self._path, feeding=False) as process:
            yield tools.ToolDump(process, self._connection, self._stall_seconds)

    def load(self, packed: Iterable[bytes], prefix: str, views: Sequence[str]) -> LoadEvidence:
        """See the port."""
        return tools.load(
            packed,
            prefix,
            views,
            connection=self._connection,
            path=self._path,
            stall_seconds=self._stall_seconds,
        )
