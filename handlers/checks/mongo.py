"""MongoDB: members, lag, oplog window, connections, room, and whether it asks who somebody is.

- What the user may not ask is UNKNOWN, with the right that is missing.
- Series of MongoDB whose support ended are listed with the day; of newer ones nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from handlers.checks.growth import GrowthCheck
from handlers.checks.lifecycles import SHIPPED
from handlers.checks.storage import storage
from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.vitals import MongoServer, ServerFacts
from handlers.core.runbooks.probes import IndexBuild, MongoState, ReplicaState
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Bytes, Code, Seconds, Text, spelled_bytes, spelled_seconds

LAG_SECONDS, WINDOW_SECONDS, BUILD_SECONDS = 10.0, 24 * 3600.0, 3600.0
CONNECTIONS_SHARE, FREE_SHARE, FULL_SHARE = 0.8, 0.15, 0.9
# Those that surely ended: what is known of newer ones grows old, and is for the section of updates to judge.
AT = SHIPPED.at["mongodb"]
ENDED = {series: end for series, end in SHIPPED.ends["mongodb"].items() if isinstance(end, date) and end <= AT}
SOURCE = "MongoDB"


@dataclass(frozen=True, slots=True)
class MongoCheck:
    """See the module."""

    state: MongoState
    server: MongoServer
    growth: GrowthCheck | None = None

    def __call__(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        """The findings: of the set also when no server tells of itself, and the other way round. Raises OutsideError
        when nothing could be asked."""
        facts, silent = self._facts(seconds / 2)
        try:
            share = None if facts is None else facts.oplog_share
            members = tuple(replica(self.state.look(seconds / 2), share))
        except OutsideError as error:
            if silent is not None:
                raise
            members = (unknown("replica set", error.text, source=SOURCE),)
        told = server(facts) if facts is not None else ()
        hidden = () if silent is None else (unknown("server", silent.text, source=SOURCE),)
        return (*members, *told, *hidden, *(() if self.growth is None else self.growth(target)))

    def _facts(self, seconds: float) -> tuple[ServerFacts | None, OutsideError | None]:
        try:
            return self.server.facts(seconds), None
        except OutsideError as error:
            return None, error


def replica(state: ReplicaState, oplog_share: float | None = None) -> Iterator[Finding]:
    """The replica set."""
    if state.primary:
        yield passed("primary", Text("{name} is the primary.", name=state.primary), value=state.primary, source=SOURCE)
    else:
        yield failed("primary", Text("There is no primary: nobody can write."), source=SOURCE)
    for each in state.members:
        well = each.healthy and each.state in {"PRIMARY", "SECONDARY", "ARBITER"}
        if not well:
            text = Text("{name} is {state}.", name=each.name, state=each.state or Text("not reachable"))
            yield failed(f"member {each.name}", text, value=each.state, source=SOURCE)
        elif each.state == "SECONDARY":
            yield _lag(each.name, each.lag_seconds)
    yield _window(state.window_seconds, oplog_share)
    yield _builds(state.builds)
    if state.slow is None:
        text = Text("Which operations are slow is not known: the right inprog is missing.")
        yield unknown("slow operations", text, source=SOURCE)
    elif state.slow:
        text = Text("{count} operations take longer than a second: {first}", count=len(state.slow), first=state.slow[0])
        yield failed("slow operations", text, value=str(len(state.slow)), limit="0", source=SOURCE)
    else:
        yield passed("slow operations", Text("No operation takes longer than a second."), value="0", source=SOURCE)


def _builds(builds: tuple[IndexBuild, ...] | None) -> Finding:
    name, limit = "index builds", spelled_seconds(BUILD_SECONDS)
    if builds is None:
        return unknown(name, Text("Which indexes are built is not known: the right inprog is missing."), source=SOURCE)
    if not builds:
        return passed(name, Text("No index is being built."), value="0", limit=limit, source=SOURCE)
    told = [f"{each.collection}{'' if each.share is None else f' {each.share:.0%}'}" for each in builds[:3]]
    longest = max(each.seconds for each in builds)
    made = passed if longest <= BUILD_SECONDS else failed
    text = Text("{count} indexes are being built, for {longest}: {what}", count=len(builds), longest=Seconds(longest),
                what=Code(", ".join(told)))  # fmt: skip
    return made(name, text, value=str(len(builds)), limit=limit, source=SOURCE)


def _window(window: float | None, share: float | None) -> Finding:
    """One that is not full yet only begins: it will reach further."""
    if window is None:
        text = Text("How far the oplog reaches back is not known: reading local.oplog.rs is not allowed.")
        return unknown("oplog window", text, source=SOURCE)
    begun = share is not None and share < FULL_SHARE
    made = passed if begun or window >= WINDOW_SECONDS else failed
    text = Text("The oplog reaches back {window}.", window=Seconds(window))
    if begun and window < WINDOW_SECONDS:
        text = Text("The oplog reaches back {window} and is not full.", window=Seconds(window))
    limit = spelled_seconds(WINDOW_SECONDS)
    return made("oplog window", text, value=spelled_seconds(window), limit=limit, source=SOURCE)


def _lag(name: str, lag: float | None) -> Finding:
    if lag is None:
        return unknown(f"lag of {name}", Text("How far {name} is behind is not known.", name=name), source=SOURCE)
    made = passed if lag <= LAG_SECONDS else failed
    text = Text("{name} is {lag} behind.", name=name, lag=Seconds(lag))
    return made(f"lag of {name}", text, value=spelled_seconds(lag), limit=spelled_seconds(LAG_SECONDS), source=SOURCE)


def server(facts: ServerFacts) -> Iterable[Finding]:
    """One server."""
    yield from _version(facts.version)
    yield _connections(facts)
    yield _asks(facts.authorization)
    yield _encrypted(facts.tls)
    yield _users(facts.weak_users)
    yield from storage(facts)
    yield _room(facts)


def _version(version: str) -> Iterator[Finding]:
    series = ".".join(version.split(".")[:2])
    ended = ENDED.get(series)
    if ended is not None:
        text = Text("MongoDB {series} is without support since {day}.", series=series, day=f"{ended:%Y-%m-%d}")
        yield failed(
            "version", text, value=version, limit="supported", source=f"MongoDB's life cycle as of {AT:%Y-%m-%d}"
        )


def _connections(facts: ServerFacts) -> Finding:
    most = facts.connections + facts.connections_left
    if not most:
        text = Text("How many connections are in use is not known: the right clusterMonitor is missing.")
        return unknown("connections", text, source=SOURCE)
    share = facts.connections / most
    made = passed if share <= CONNECTIONS_SHARE else failed
    text = Text("{count} of {most} connections are in use.", count=facts.connections, most=most)
    return made(
        "connections", text, value=str(facts.connections), limit=f"{CONNECTIONS_SHARE:.0%} of {most}", source=SOURCE
    )


def _asks(authorization: bool | None) -> Finding:
    name = "authentication"
    if authorization is None:
        return unknown(
            name, Text("Whether it asks who somebody is: the right getCmdLineOpts is missing."), source=SOURCE
        )
    if authorization:
        return passed(name, Text("It asks who somebody is."), value="on", source=SOURCE)
    return failed(name, Text("Whoever reaches it may do everything: authorization is off."), value="off", limit="on",
                  source=SOURCE)  # fmt: skip


def _encrypted(tls: str | None) -> Finding:
    if tls is None:
        return unknown("TLS", Text("Whether it asks for TLS: the right getCmdLineOpts is missing."), source=SOURCE)
    if tls in {"requireTLS", "requireSSL"}:
        return passed("TLS", Text("Only encrypted connections are taken."), value=tls, source=SOURCE)
    return failed("TLS", Text("Connections without encryption are taken."), value=tls or "off", limit="requireTLS",
                  source=SOURCE)  # fmt: skip


def _users(weak: tuple[str, ...] | None) -> Finding:
    name = "passwords"
    if weak is None:
        return unknown(name, Text("How passwords are kept: the right viewUser is missing."), source=SOURCE)
    if weak:
        text = Text("Without SCRAM-SHA-256: {users}.", users=Code(", ".join(weak[:10])))
        return failed(name, text, value=str(len(weak)), limit="0", source=SOURCE)
    return passed(name, Text("Every user has SCRAM-SHA-256."), value="0", source=SOURCE)


def _room(facts: ServerFacts) -> Finding:
    if facts.free_bytes is None:
        text = Text("Data takes {size}. What is free on its disk, MongoDB does not say.", size=Bytes(facts.disk_bytes))
        return unknown("disk", text, source=SOURCE)
    share = facts.free_bytes / max(1, facts.whole_bytes)
    made = passed if share >= FREE_SHARE else failed
    text = Text(
        "{free} are free on its disk; data takes {size}.", free=Bytes(facts.free_bytes), size=Bytes(facts.disk_bytes)
    )
    return made("disk", text, value=f"{share:.0%} free, {spelled_bytes(facts.free_bytes)}", limit=f"{FREE_SHARE:.0%}",
                source=SOURCE)  # fmt: skip
