"""A pair of MongoDB users that take turns (the port Accounts).

- The administrator's address is read from a file each time; it is never the address the application uses.
- A changed password does not end connections that are authenticated already; a user that was dropped and made anew has
  another id, and what was connected as the former one may do nothing any more. So `lock` drops and makes anew.
- Users replicate: each member is asked by a connection of its own, for as long as replication may take.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from handlers.core.rotation.accounts import Credentials
from handlers.core.rotation.secret_stores import Sealed
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

SECONDS = 10.0
_MAJORITY = {"w": "majority", "wtimeout": 15_000}
_UNAUTHORIZED = 13
_COPIED = ("roles", "mechanisms", "authenticationRestrictions")

Client = MongoClient[dict[str, Any]]


class MongoAccounts:
    """See the port. `canary`: a collection (`database.collection`) in which the user must be able to write; empty: not
    tried. `source`: the database that holds the users."""

    def __init__(self, uri_file: Path, *, canary: str = "", source: str = "admin", seconds: float = SECONDS) -> None:
        self._uri_file = uri_file
        self._canary = canary
        self._source = source
        self._seconds = seconds

    def prepare(self, new: Credentials, like: str) -> None:
        """See the port."""
        with self._admin() as client:
            model = self._user(client, like)
            if model is None:
                raise OutsideError(Text("There is no user {user}.", user=Code(like)), permanent=True)
            self._make(client, new.username, new.password, model)

    def works(self, new: Credentials) -> None:
        """See the port."""
        with self._admin() as client:
            hello = client.admin.command("hello")
        for host in hello.get("hosts") or [self._host()]:
            deadline = time.monotonic() + self._seconds
            while (why := self._wrong(new, host, primary=host == hello.get("primary", host))) is not None:
                if time.monotonic() >= deadline:
                    raise OutsideError(Text("{why} (member {host})", why=why, host=Code(host)), permanent=True)
                time.sleep(0.2)

    def lock(self, user: str, unknown: Sealed) -> None:
        """See the port."""
        with self._admin() as client:
            model = self._user(client, user)
            if model is not None:
                client[self._source].command("dropUser", user, writeConcern=_MAJORITY)
                self._make(client, user, unknown.reveal().decode(), model)

    def _make(self, client: Client, name: str, password: str, model: dict[str, Any]) -> None:
        verb = "createUser" if self._user(client, name) is None else "updateUser"
        given = {field: model[field] for field in _COPIED if field in model}
        client[self._source].command(verb, name, pwd=password, writeConcern=_MAJORITY, **given)

    def _user(self, client: Client, name: str) -> dict[str, Any] | None:
        asked = {"user": name, "db": self._source}
        found = client[self._source].command("usersInfo", asked, showAuthenticationRestrictions=True)["users"]
        return found[0] if found else None

    def _wrong(self, new: Credentials, host: str, *, primary: bool) -> Text | None:
        """What is not as it must be at one member."""
        client: Client = MongoClient(
            f"mongodb://{host}/?{self._options()}",
            username=new.username,
            password=new.password,
            authSource=self._source,
            directConnection=True,
            serverSelectionTimeoutMS=3000,
        )
        with client:
            try:
                client.admin.command("ping")
                if primary and self._canary:
                    database, _, collection = self._canary.partition(".")
                    canary = client[database][collection]
                    made = canary.insert_one({"from": "negahban"}).inserted_id
                    canary.delete_one({"_id": made})
            except PyMongoError:
                return Text("{user} does not get in, or cannot write.", user=Code(new.username))
            try:
                client[self._source].command("usersInfo", {"forAllDBs": True})
            except OperationFailure as error:
                return None if error.code == _UNAUTHORIZED else Text("MongoDB did not answer as expected.")
            except PyMongoError:
                return Text("MongoDB did not answer.")
        return Text("{user} may list users, which no application may.", user=Code(new.username))

    def _uri(self) -> str:
        return self._uri_file.read_text().strip()

    def _host(self) -> str:
        return urlsplit(self._uri()).netloc.rpartition("@")[2]

    def _options(self) -> str:
        """TLS and the like; not who signs in, and not the set."""
        left = [
            (name, value)
            for name, value in parse_qsl(urlsplit(self._uri()).query)
            if name.lower().startswith(("tls", "ssl", "connecttimeout"))
        ]
        return urlencode(left)

    @contextmanager
    def _admin(self) -> Iterator[Client]:
        try:
            client: Client = MongoClient(self._uri(), serverSelectionTimeoutMS=5000)
            with client:
                yield client
        except OSError as error:
            text = Text(
                "The address of MongoDB's administrator cannot be read from {file}.", file=Code(self._uri_file.name)
            )
            raise OutsideError(text, permanent=True) from error
        except (PyMongoError, ValueError):
            # Not chained: an exception of the driver may hold the command or the address.
            raise OutsideError(Text("MongoDB did not do what its administrator asked.")) from None
