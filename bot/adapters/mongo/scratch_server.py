"""Scratch (see the port) by a server that is there: a database of its own for each drill.

- Never on a server that shares a process or a member with the live one; when that cannot be found out, not at all.
- Never on a server that deletes what is too old: counts and hashes there would prove nothing.
- A database is dropped when its drill has ended. What a killed worker left is dropped by a drill a day later.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.connection import Connection
from bot.adapters.mongo.sealing import keys
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Text

NAME = "drill"
OLD_SECONDS = 86_400


class ScratchServer:
    """A database for each drill on a server that is there. `live`: what it must never be near."""

    def __init__(
        self, uri: str, live: MongoDatabase, *, path: str | None = None, identities: Sequence[str] = ()
    ) -> None:
        parts = urlsplit(uri)
        self._connection = Connection(uri if parts.path.strip("/") else urlunsplit(parts._replace(path="/admin")))
        self._live = live
        self._path = path
        self._keys = keys(identities)

    @contextmanager
    def open(self, need_bytes: int) -> Iterator[MongoDatabase]:
        """See the port. Whether there is room, its owner knows."""
        name = f"{NAME}_{int(time.time())}_{secrets.token_hex(4)}"
        # With the place of its user written out, which would else follow from the name of the database.
        uri = urlunsplit(urlsplit(self._connection.for_tools(database=False))._replace(path=f"/{name}"))
        with closing(MongoDatabase(uri, path=self._path, identities=self._keys)) as database:
            self._check(database)
            try:
                yield database
            finally:
                with suppress(OutsideError):  # then it is dropped by a drill a day later
                    database.drop_all(Old(time.time()))

    def _check(self, database: MongoDatabase) -> None:
        if database.deployment().same(self._live.deployment()):
            raise Refusal(
                Text("DRILL_URI is the live deployment. A drill needs another server: nothing was restored anywhere.")
            )
        database.facts()
        if database.expires():
            raise Refusal(
                Text(
                    "The server of DRILL_URI deletes what is too old, so a drill there proves nothing. Start it with "
                    "--setParameter ttlMonitorEnabled=false."
                )
            )


class Old:
    """Names of scratch databases that are older than a day at this time."""

    _NAME = re.compile(rf"{NAME}_([0-9]{{1,12}})_[0-9a-f]{{8}}")

    def __init__(self, now: float) -> None:
        self._now = now

    def __contains__(self, name: object) -> bool:
        match = self._NAME.fullmatch(name) if isinstance(name, str) else None
        return match is not None and int(match[1]) < self._now - OLD_SECONDS
