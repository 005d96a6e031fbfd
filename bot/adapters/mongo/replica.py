"""A replica set's own view of itself: replSetGetStatus, serverStatus, currentOp, and the ends of the oplog.

- Asked of the nearest member that answers, so that it works without a primary.
- Rights: `clusterMonitor` for the first three, reading `local.oplog.rs` for the window; what may not be asked is None
  or, for the state of the members, not known at all.
- Slow operations are told by kind, collection and seconds; their values are somebody's data and stay there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo import ReadPreference
from pymongo.errors import OperationFailure

from bot.adapters.mongo.asking import Client, asking
from bot.adapters.mongo.connection import Connection
from handlers.core.probes import MemberState, ReplicaState

MOST_SLOW = 20


class ReplicaProbe:
    """The MongoState port."""

    def __init__(self, uri: str) -> None:
        self._connection = Connection(uri)

    def look(self, seconds: float) -> ReplicaState:
        """See the port."""
        with asking(self._connection, seconds / 3) as client:
            return _looked(client)


def _looked(client: Client) -> ReplicaState:
    admin = client.get_database("admin", read_preference=ReadPreference.NEAREST)
    status = admin.command("replSetGetStatus")
    server = admin.command("serverStatus", repl=0, metrics=0, locks=0, wiredTiger=0, tcmalloc=0)
    connections = server.get("connections", {})
    members = status.get("members", [])
    primary = next((each for each in members if each.get("stateStr") == "PRIMARY"), None)
    return ReplicaState(
        members=tuple(_member(each, primary) for each in members),
        primary="" if primary is None else str(primary.get("name", "")),
        window_seconds=_window(client),
        connections=int(connections.get("current", 0)),
        connections_left=int(connections.get("available", 0)),
        slow=_slow(client),
    )


def _member(data: Mapping[str, Any], primary: Mapping[str, Any] | None) -> MemberState:
    lag = None
    mine, newest = data.get("optimeDate"), None if primary is None else primary.get("optimeDate")
    if data.get("stateStr") == "SECONDARY" and isinstance(mine, datetime) and isinstance(newest, datetime):
        lag = max(0.0, (newest - mine).total_seconds())
    return MemberState(str(data.get("name", "")), str(data.get("stateStr", "")), data.get("health") == 1, lag)


def _window(client: Client) -> float | None:
    oplog = client.get_database("local", read_preference=ReadPreference.NEAREST).get_collection("oplog.rs")
    try:
        ends = [oplog.find_one({}, {"ts": 1}, sort=[("$natural", order)]) for order in (1, -1)]
    except OperationFailure:
        return None
    if ends[0] is None or ends[1] is None:
        return None
    return float(ends[1]["ts"].time - ends[0]["ts"].time)


def _slow(client: Client) -> tuple[str, ...] | None:
    pipeline: list[dict[str, Any]] = [
        {"$currentOp": {"allUsers": True, "idleConnections": False}},
        {"$match": {"active": True, "secs_running": {"$gte": 1}, "ns": {"$nin": ["", None]}, "op": {"$ne": "none"}}},
        {"$project": {"op": 1, "ns": 1, "secs_running": 1, "desc": 1, "command.getMore": 1, "command.hello": 1}},
        {"$sort": {"secs_running": -1}},
        {"$limit": 100},
    ]
    try:
        found = list(client.get_database("admin", read_preference=ReadPreference.NEAREST).aggregate(pipeline))
    except OperationFailure:
        return None
    own = [each for each in found if _of_people(each)]
    return tuple(f"{each['op']} on {each['ns']}: {each['secs_running']} s" for each in own[:MOST_SLOW])


def _of_people(data: Mapping[str, Any]) -> bool:
    """Not the waiting of members for each other, nor of drivers for news, nor of whoever follows the oplog."""
    namespace, command = str(data.get("ns", "")), data.get("command") or {}
    return not namespace.startswith(("local.", "admin.", "config.")) and "hello" not in command
