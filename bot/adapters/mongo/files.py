"""How many files a server may hold open, and how many it does.

- It does not say the first; how many connections it takes is four fifths of it, unless its configuration says fewer
  (mongodb.com/docs, "net.maxIncomingConnections").
- Rights: `clusterMonitor`. What this user may not ask is not known.
"""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from handlers.core.ports import OpenFiles


def open_files(client: MongoClient[dict[str, Any]], milliseconds: int) -> OpenFiles | None:
    """None when this user may not ask, or the server's answers do not tell. Raises PyMongoError."""
    try:
        options = client.admin.command("getCmdLineOpts", maxTimeMS=milliseconds)
        status = client.admin.command("serverStatus", repl=0, metrics=0, locks=0, maxTimeMS=milliseconds)
    except OperationFailure:
        return None
    connections, held = status.get("connections") or {}, _held(status)
    if "maxIncomingConnections" in (options["parsed"].get("net") or {}) or held is None or not connections:
        return None
    current = int(connections["current"])
    return OpenFiles(most=(current + int(connections["available"])) * 5 // 4, held=held, connections=current)


def _held(status: dict[str, Any]) -> int | None:
    found = ((status.get("wiredTiger") or {}).get("connection") or {}).get("files currently open")
    return None if found is None else int(found)
