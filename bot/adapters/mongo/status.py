"""One server's word on itself: serverStatus, getCmdLineOpts, usersInfo, dbStats, $collStats, and how full the oplog is.

- Each is a question of its own: what this user may not ask is None, and the others are asked all the same.
- Rights: `clusterMonitor` for most, `viewUser` on `admin` for users, reading `local` for the oplog.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo import ReadPreference
from pymongo.errors import OperationFailure

from bot.adapters.mongo.asking import Client, asking
from bot.adapters.mongo.connection import Connection
from handlers.core.health.growth import Sizes
from handlers.core.health.vitals import ServerFacts, Tickets


class ServerProbe:
    """The MongoServer and Scales ports."""

    def __init__(self, uri: str) -> None:
        self._connection = Connection(uri)

    def facts(self, seconds: float) -> ServerFacts:
        """See the port."""
        with asking(self._connection, seconds / 2) as client:
            return _facts(client, self._connection.database)

    def sizes(self, seconds: float) -> Sizes:
        """See Scales."""
        with asking(self._connection, seconds / 2) as client:
            return _sizes(client, self._connection.database)


def _sizes(client: Client, database: str) -> Sizes:
    held = client.get_database(database, read_preference=ReadPreference.NEAREST)
    found: dict[str, int] = {}
    for each in held.list_collections(filter={"type": {"$ne": "view"}}):
        stats = next(iter(held[each["name"]].aggregate([{"$collStats": {"storageStats": {}}}])), {})
        stored = stats.get("storageStats") or {}
        found[str(each["name"])] = int(stored.get("storageSize", 0)) + int(stored.get("totalIndexSize", 0))
    stats, status = _asked(client, database, dbStats=1) or {}, _asked(client, "admin", replSetGetStatus=1) or {}
    whole = int(stats.get("fsTotalSize", 0))
    free = whole - int(stats.get("fsUsedSize", 0)) if whole else None
    return Sizes(found, free, int(status.get("term", 0)))


def _facts(client: Client, database: str) -> ServerFacts:
    status = _asked(client, "admin", serverStatus=1, repl=0, metrics=0, locks=0) or {}
    options = _asked(client, "admin", getCmdLineOpts=1)
    stats = _asked(client, database, dbStats=1) or {}
    connections = status.get("connections") or {}
    whole = int(stats.get("fsTotalSize", 0))
    return ServerFacts(
        version=str((_asked(client, "admin", buildInfo=1) or {}).get("version", "")),
        connections=int(connections.get("current", 0)),
        connections_left=int(connections.get("available", 0)),
        authorization=None if options is None else _authorization(options.get("parsed") or {}),
        tls=None if options is None else _tls(options.get("parsed") or {}),
        weak_users=_weak_users(client),
        cache_share=_cache(status, "bytes currently in the cache"),
        oplog_share=_oplog(client),
        disk_bytes=int(stats.get("storageSize", 0)) + int(stats.get("indexSize", 0)),
        free_bytes=whole - int(stats.get("fsUsedSize", 0)) if whole else None,
        whole_bytes=whole,
        dirty_share=_cache(status, "tracked dirty bytes in the cache"),
        tickets=_tickets(status),
    )


def _asked(client: Client, database: str, **command: Any) -> dict[str, Any] | None:
    """None: this user may not."""
    name = next(iter(command))
    rest = {key: value for key, value in command.items() if key != name}
    try:
        # `command` heeds no preference of its database.
        nearest = ReadPreference.NEAREST
        return dict(client[database].command(name, command[name], read_preference=nearest, **rest))
    except OperationFailure:
        return None


def _authorization(parsed: Mapping[str, Any]) -> bool:
    security = parsed.get("security") or {}
    return security.get("authorization") == "enabled" or bool(security.get("keyFile"))


def _tls(parsed: Mapping[str, Any]) -> str:
    net = parsed.get("net") or {}
    mode = (net.get("tls") or net.get("ssl") or {}).get("mode", "")
    return "" if mode == "disabled" else str(mode)


def _weak_users(client: Client) -> tuple[str, ...] | None:
    found = _asked(client, "admin", usersInfo={"forAllDBs": True})
    if found is None:
        return None
    outside = "$external"
    weak = [
        f"{user.get('db')}.{user.get('user')}"
        for user in found.get("users", [])
        if user.get("db") != outside and "SCRAM-SHA-256" not in (user.get("mechanisms") or [])
    ]
    return tuple(sorted(weak))


def _cache(status: Mapping[str, Any], what: str) -> float | None:
    cache = (status.get("wiredTiger") or {}).get("cache") or {}
    used, most = cache.get(what), cache.get("maximum bytes configured")
    return float(used) / float(most) if used is not None and most else None


def _tickets(status: Mapping[str, Any]) -> Mapping[str, Tickets] | None:
    """`wiredTiger.concurrentTransactions` up to 7.0, `queues.execution` from 8.0 on."""
    given = (status.get("wiredTiger") or {}).get("concurrentTransactions")
    given = given or (status.get("queues") or {}).get("execution") or {}
    queue = (status.get("globalLock") or {}).get("currentQueue") or {}
    found: dict[str, Tickets] = {}
    for kind, queued in (("read", "readers"), ("write", "writers")):
        each = given.get(kind)
        if not isinstance(each, Mapping) or "out" not in each or "totalTickets" not in each:
            return None
        waiting = None if queued not in queue else int(queue[queued])
        found[kind] = Tickets(int(each["out"]), int(each["totalTickets"]), waiting)
    return found


def _oplog(client: Client) -> float | None:
    found = _asked(client, "local", collStats="oplog.rs")
    if not found or not found.get("maxSize"):
        return None
    return float(found.get("size", 0)) / float(found["maxSize"])
