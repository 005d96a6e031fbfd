"""A connection string: its database, and how it is given to MongoDB's tools.

- Tools get it through a pipe they inherit, as `--config`: not as an argument, not in the environment, not on disk.
- `serverSelectionTimeoutMS` is left out for them: with 500 there, mongodump 100.7.0 waited 500 seconds.
- Whatever is shown to people has no user and no password in it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from handlers.core.errors import Refusal
from handlers.core.text import Text

_NOT_FOR_TOOLS = frozenset({"serverselectiontimeoutms", "appname"})


class Connection:
    """A MONGODB_URI. Raises Refusal when it names no database."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._parts = urlsplit(uri)
        self.database = unquote(self._parts.path.strip("/"))
        if not self.database or "/" in self.database:
            raise Refusal(Text("MONGODB_URI names no database: it must end like mongodb://host:27017/shop"))

    def for_tools(self, *, database: bool) -> str:
        """The connection string for mongodump (`database`: with the name) and mongorestore (without)."""
        options = [
            (name, value)
            for name, value in parse_qsl(self._parts.query, keep_blank_values=True)
            if name.lower() not in _NOT_FOR_TOOLS
        ]
        # Without a path the tools would look for the user in `admin`, not in the database of the path.
        if not database and "@" in self._parts.netloc and "authsource" not in {name.lower() for name, _ in options}:
            options.append(("authSource", self.database))
        path = f"/{quote(self.database, safe='')}" if database else "/"
        return urlunsplit((self._parts.scheme, self._parts.netloc, path, urlencode(options), ""))

    def scrubbed(self, text: str) -> str:
        """Without this connection's user and password, however they are written."""
        userinfo = self._parts.netloc.rpartition("@")[0]
        secrets = {userinfo, self._parts.password or "", unquote(self._parts.password or "")}
        for secret in sorted(secrets - {""}, key=len, reverse=True):
            text = text.replace(secret, "…")
        return re.sub(r"(mongodb(?:\+srv)?://)[^/@\s]+@", r"\1…@", text)


@contextmanager
def config_pipe(uri: str) -> Iterator[tuple[str, int]]:
    """A path to give to `--config`, and the descriptor the tool must inherit for it."""
    reader, writer = os.pipe()
    try:
        # A pipe holds 64 KiB without a reader; a connection string is far smaller.
        os.write(writer, f"uri: {json.dumps(uri)}\n".encode())
        os.close(writer)
        folder = "/proc/self/fd" if Path("/proc/self/fd").exists() else "/dev/fd"
        yield f"{folder}/{reader}", reader
    finally:
        os.close(reader)
