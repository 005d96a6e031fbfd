"""Asking: a client for one look at a server, with a limit for everything it waits for.

- What goes wrong inside is an OutsideError, short, and without user and password.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from bot.adapters.mongo.connection import Connection
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text

Client = MongoClient[dict[str, Any]]


@contextmanager
def asking(connection: Connection, seconds: float) -> Iterator[Client]:
    """The client; each wait of it ends after so many seconds. Raises OutsideError."""
    limit = max(1, int(seconds * 1000))
    try:
        with Client(
            connection.uri,
            tz_aware=True,
            serverSelectionTimeoutMS=limit,
            connectTimeoutMS=limit,
            socketTimeoutMS=limit,
            appname="negahban",
        ) as client:
            yield client
    except (PyMongoError, ValueError) as error:
        why = connection.scrubbed(str(error)).partition(", Timeout")[0][:120]
        raise OutsideError(Text("MongoDB could not be asked: {why}", why=why)) from error
