"""WiredTiger: how full its cache is, how much of it is not on the disk yet, and whether operations wait for a ticket.

- The limits are where WiredTiger makes the operations of clients do the work of eviction themselves: 95 % full
  (`eviction_trigger`), 20 % dirty (`eviction_dirty_trigger`); https://source.wiredtiger.com/develop/tune_cache.html.
- Tickets bound how many operations are in the engine at once. Operations that wait while none is left are a FAIL. Up
  to 6.0 there are 128, and four fifths of them are a FAIL too; from 7.0 on the server moves their number by
  itself, so that none left is nothing bad as long as nobody waits (MongoDB's manual, serverStatus).
- What the user may not ask, or another engine does not have, is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Iterator

from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.vitals import ServerFacts, Tickets
from handlers.core.words.text import Text

FULL_SHARE, DIRTY_SHARE, TICKETS_SHARE = 0.95, 0.2, 0.8
MOVING = 7
"""The first series whose tickets move by themselves."""
SOURCE, CACHE_SOURCE = "MongoDB", "MongoDB; the limit: WiredTiger's"


def storage(facts: ServerFacts) -> Iterator[Finding]:
    """Cache and tickets."""
    yield _full(facts.cache_share)
    yield _dirty(facts.dirty_share)
    moving = _series(facts.version) >= MOVING
    for kind in ("read", "write"):
        yield _tickets(f"{kind} tickets", None if facts.tickets is None else facts.tickets.get(kind), moving=moving)


def _full(share: float | None) -> Finding:
    if share is None:
        return _untold("cache")
    spelled, made = f"{share:.0%}", passed if share <= FULL_SHARE else failed
    text = Text("The cache is {share} full.", share=spelled)
    return made("cache", text, value=spelled, limit=f"{FULL_SHARE:.0%}", source=CACHE_SOURCE)


def _dirty(share: float | None) -> Finding:
    if share is None:
        return _untold("dirty cache")
    spelled, made = f"{share:.0%}", passed if share <= DIRTY_SHARE else failed
    text = Text("{share} of the cache is not on the disk yet.", share=spelled)
    return made("dirty cache", text, value=spelled, limit=f"{DIRTY_SHARE:.0%}", source=CACHE_SOURCE)


def _untold(name: str) -> Finding:
    text = Text("How full the cache is, is not known: the right clusterMonitor is missing, or it is not WiredTiger.")
    return unknown(name, text, source=SOURCE)


def _tickets(name: str, given: Tickets | None, *, moving: bool) -> Finding:
    if given is None or given.total <= 0:
        text = Text("Whether operations wait for {name} is not known: MongoDB does not say.", name=name)
        return unknown(name, text, source=SOURCE)
    value, limit = f"{given.out} of {given.total}", "0 wait" if moving else f"{TICKETS_SHARE:.0%}, 0 wait"
    if given.out >= given.total and given.waiting:
        text = Text("{waiting} operations wait: all {total} {name} are given out.", waiting=given.waiting,
                    total=given.total, name=name)  # fmt: skip
        return failed(name, text, value=value, limit=limit, source=SOURCE)
    if given.out >= given.total and given.waiting is None:
        text = Text("All {total} {name} are given out; who waits is not known.", total=given.total, name=name)
        return unknown(name, text, source=SOURCE)
    text = Text("{out} of {total} {name} are given out.", out=given.out, total=given.total, name=name)
    made = passed if moving or given.out <= TICKETS_SHARE * given.total else failed
    return made(name, text, value=value, limit=limit, source=SOURCE)


def _series(version: str) -> int:
    major = version.partition(".")[0]
    return int(major) if major.isdecimal() else 0
