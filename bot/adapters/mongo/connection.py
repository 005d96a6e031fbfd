"""A connection string: its database, and how it is given to MongoDB's tools.

- Tools get it through a pipe they inherit, as `--config`: not as an argument, not in the environment, not on disk.
- `serverSelectionTimeoutMS` is left out for them: with 500 there, mongodump 100.7.0 waited 500 seconds. So is a read
  preference: a secondary that lags would be dumped as it was before the slice of the oplog begins. All other options
  are given as they were written.
- mongorestore gets no database: it would load only collections of that name. Without one it would look for the user
  in `admin`, so it is told where the user is: what the driver would use (mongodb.com/docs, "authSource").
- Whatever is shown to people has no user and no password in it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Text

_NAMES_SECONDS = 5.0
_NOT_FOR_TOOLS = frozenset(
    {"serverselectiontimeoutms", "appname", "readpreference", "readpreferencetags", "maxstalenessseconds"}
)
# Users that are kept outside the server; naming a database for them is an error.
_EXTERNAL = frozenset({"mongodb-x509", "mongodb-aws", "mongodb-oidc", "gssapi"})
_NOT_IN_A_NAME = frozenset('/\\. "$*<>:|?')


class Connection:
    """A MONGODB_URI. Raises Refusal when it names no database."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        try:
            self._parts = urlsplit(uri)
        except ValueError as error:
            # Its words may quote from the connection string.
            raise Refusal(Text("MONGODB_URI cannot be read: it must be like mongodb://host:27017/shop")) from error
        self.database = unquote(self._parts.path.removeprefix("/"))
        if not self.database or _NOT_IN_A_NAME & set(self.database):
            raise Refusal(Text("MONGODB_URI names no database: it must end like mongodb://host:27017/shop"))

    @property
    def address(self) -> str:
        """Its scheme and hosts, as they are written."""
        return f"{self._parts.scheme}://{self._parts.netloc.rpartition('@')[2]}"

    def uri_of(self, database: str) -> str:
        """The same connection string for another database. The user stays where it is."""
        options = [each for each in self._parts.query.split("&") if each]
        if source := self._unwritten_source(options):
            options.append(f"authSource={quote(source, safe='$')}")
        path = "/" + quote(database, safe="")
        return urlunsplit((self._parts.scheme, self._parts.netloc, path, "&".join(options), ""))

    def for_tools(self, *, database: bool) -> str:
        """The connection string for mongodump (`database`: with the name) and mongorestore (without). Raises
        OutsideError when the names behind mongodb+srv cannot be asked for."""
        options = [each for each in self._parts.query.split("&") if each and _name(each) not in _NOT_FOR_TOOLS]
        path = "/"
        if database:
            path += quote(self.database, safe="")
        elif source := self._unwritten_source(options):
            options.append(f"authSource={quote(source, safe='$')}")
        return urlunsplit((self._parts.scheme, self._parts.netloc, path, "&".join(options), ""))

    def _unwritten_source(self, options: list[str]) -> str:
        """Where the user is kept, when that follows from the database in the path; else nothing."""
        given = {_name(each): each.partition("=")[2].lower() for each in options}
        if "@" not in self._parts.netloc or "authsource" in given or given.get("authmechanism") in _EXTERNAL:
            return ""
        if self._parts.scheme != "mongodb+srv":
            return self.database
        try:
            # The TXT record of the host may say it, and what stands in the string would win over the record.
            return str(
                parse_uri(self.uri, connect_timeout=_NAMES_SECONDS)["options"].get("authSource") or self.database
            )
        except (PyMongoError, ValueError) as error:
            raise OutsideError(
                Text("MONGODB_URI cannot be used: {why}", why=self.scrubbed(str(error))[:200])
            ) from error

    def scrubbed(self, text: str) -> str:
        """Without this connection's user and password, however they are written."""
        userinfo = self._parts.netloc.rpartition("@")[0]
        secrets = {userinfo, self._parts.password or "", unquote(self._parts.password or "")}
        for secret in sorted(secrets - {""}, key=len, reverse=True):
            text = text.replace(secret, "…")
        return re.sub(r"(mongodb(?:\+srv)?://)[^/@\s]+@", r"\1…@", text)


def _name(option: str) -> str:
    return unquote(option.partition("=")[0]).lower()


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
