"""A replica set's own view of itself: replSetGetStatus, serverStatus, currentOp, and the ends of the oplog.

- Asked of the primary; when none answers in a share of the time, of any member that does. Right after a primary died
  the others still call it one, until they hold an election, so their word alone makes nobody the primary.
- Rights: `clusterMonitor` for the first three, reading `local.oplog.rs` for the window; what may not be asked is None
  or, for the state of the members, not known at all.
- Slow operations are told by kind, collection and seconds; their values are somebody's data and stay there.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pymongo
from pymongo import ReadPreference
from pymongo.errors import ConnectionFailure, OperationFailure

from bot.adapters.mongo.asking import Client, asking
from bot.adapters.mongo.connection import Connection
from handlers.core.runbooks.probes import IndexBuild, MemberState, ReplicaState

MOST_SLOW = 20


class ReplicaProbe:
    """The MongoState port."""

    def __init__(self, uri: str) -> None:
        self._connection = Connection(uri)

    def look(self, seconds: float) -> ReplicaState:
        """See the port."""
        with asking(self._connection, seconds / 3) as client:
            return _looked(client, seconds / 6)


def _looked(client: Client, patience: float) -> ReplicaState:
    leads = _leads(client, patience)
    of = ReadPreference.PRIMARY if leads else ReadPreference.NEAREST
    status = client.admin.command("replSetGetStatus", read_preference=of)
    server = client.admin.command(
        "serverStatus", repl=0, metrics=0, locks=0, wiredTiger=0, tcmalloc=0, read_preference=of
    )
    connections = server.get("connections", {})
    members = status.get("members", [])
    called = next((each for each in members if each.get("stateStr") == "PRIMARY"), None)
    primary = called if leads else None
    silent = "" if leads or called is None else str(called.get("name", ""))
    return ReplicaState(
        members=tuple(_member(each, primary) for each in members),
        primary="" if primary is None else str(primary.get("name", "")),
        window_seconds=_window(client),
        connections=int(connections.get("current", 0)),
        connections_left=int(connections.get("available", 0)),
        slow=_slow(client),
        silent=silent,
        builds=_builds(client),
    )


def _leads(client: Client, patience: float) -> bool:
    """Whether a primary answers."""
    try:
        with pymongo.timeout(patience):
            return bool(client.admin.command("hello", read_preference=ReadPreference.PRIMARY).get("isWritablePrimary"))
    except ConnectionFailure:
        return False


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


def _builds(client: Client) -> tuple[IndexBuild, ...] | None:
    """https://www.mongodb.com/docs/manual/reference/command/currentOp/#active-index-build: `msg` says so."""
    pipeline: list[dict[str, Any]] = [
        {"$currentOp": {"allUsers": True, "idleConnections": False}},
        {"$match": {"msg": {"$regex": "^Index Build"}}},
        {"$limit": 20},
    ]
    try:
        found = list(client.get_database("admin", read_preference=ReadPreference.NEAREST).aggregate(pipeline))
    except OperationFailure:
        return None
    return tuple(_build(each) for each in found)


def _build(data: Mapping[str, Any]) -> IndexBuild:
    progress = data.get("progress") or {}
    total = float(progress.get("total") or 0)
    share = min(1.0, float(progress.get("done") or 0) / total) if total else None
    return IndexBuild(str(data.get("ns", "")), float(data.get("secs_running") or 0), share)


def _of_people(data: Mapping[str, Any]) -> bool:
    """Not the waiting of members for each other, nor of drivers for news, nor of whoever follows the oplog."""
    namespace, command = str(data.get("ns", "")), data.get("command") or {}
    return not namespace.startswith(("local.", "admin.", "config.")) and "hello" not in command
