"""The audit record: how far its chain is verified, and what vouches for it: seals, copies elsewhere, the channel.

- The chain is examined whole, from its first entry to its last.
- An anchor vouches for what was written before it. What was written since may wait for a while (ten minutes for a seal,
  two hours for a copy, an hour more than AUDIT_CHANNEL_MINUTES for the channel); longer, and the anchor fails.
- When an anchor was made is said by whoever keeps it: the seal, the store, the relay that saw the channel take it.
- An anchor that cannot be asked, or that never was, is UNKNOWN. Anchors of a record that does not hold say nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.ports import Clock
from handlers.core.words import audit
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Seconds, Text, spelled_seconds

SOURCE = "the audit record"
SEAL, COPY, CHANNEL = timedelta(minutes=10), timedelta(hours=2), timedelta(hours=1)
SHOWN = 16


@dataclass(frozen=True, slots=True)
class Anchored:
    """Something that vouches for so many entries. `at`: when it was made; `where`: who keeps it."""

    size: int
    at: datetime
    where: str


class Anchor(Protocol):
    """A place that vouches for a record, which is named by the hash of its first entry."""

    def __call__(self, chain: str, /) -> Anchored | None:
        """The newest; None when there is none. Raises OutsideError."""


@dataclass(frozen=True, slots=True)
class RecordCheck:
    """See the module. `lines`: the record; raises Problem when it cannot be read. `copies`, `channel`: None where there
    is no such place; `pause`: how long the channel may wait."""

    lines: Callable[[], Iterable[bytes]]
    examine: Callable[[Iterable[bytes]], audit.Verdict]
    clock: Clock
    copies: Anchor | None = None
    channel: Anchor | None = None
    pause: timedelta = timedelta(0)

    def __call__(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        """The findings. Raises Refusal without a record, OutsideError."""
        return tuple(self._found())

    def _found(self) -> Iterator[Finding]:
        found = self.examine(self.lines())
        yield _chain(found)
        if found.problem or found.torn:
            return
        yield self._sealed(found)
        chain = str(self._entry(0).get("hash", ""))
        if self.copies is not None:
            yield self._kept("anchor copy", self.copies, chain, found.records, COPY)
        if self.channel is not None:
            yield self._kept("anchor channel", self.channel, chain, found.records, CHANNEL + self.pause)

    def _sealed(self, found: audit.Verdict) -> Finding:
        """The seal itself is an entry, and vouches for those before it."""
        anchored = None
        if found.sealed_at:
            anchored = Anchored(found.sealed + 1, datetime.fromisoformat(found.sealed_at), "its seal")
        return self._judged("anchor seal", anchored, found.records, SEAL)

    def _kept(self, name: str, anchor: Anchor, chain: str, records: int, limit: timedelta) -> Finding:
        try:
            return self._judged(name, anchor(chain) if chain else None, records, limit)
        except OutsideError as error:
            return unknown(name, error.text, source=SOURCE)

    def _judged(self, name: str, anchored: Anchored | None, records: int, limit: timedelta) -> Finding:
        size = 0 if anchored is None else anchored.size
        waits = self._waits(size, records)
        most = spelled_seconds(limit.total_seconds())
        if waits > limit:
            text = Text("{count} entries wait for {what}, the oldest for {age}.", count=records - size,
                        what=_NAMES[name], age=Seconds(waits.total_seconds()))  # fmt: skip
            return failed(name, text, value=spelled_seconds(waits.total_seconds()), limit=most, source=SOURCE)
        if anchored is None:
            return unknown(name, Text("There is no {what} yet.", what=_NAMES[name]), source=SOURCE)
        text = Text("{size} of {count} entries have {what}, made at {at} ({where}).", size=min(size, records),
                    count=records, what=_NAMES[name], at=anchored.at, where=Code(anchored.where))  # fmt: skip
        return passed(name, text, value=str(anchored.size), limit=most, source=SOURCE)

    def _waits(self, size: int, records: int) -> timedelta:
        """For how long the oldest entry that is not vouched for has been there."""
        if size >= records:
            return timedelta(0)
        try:
            return self.clock.now() - datetime.fromisoformat(str(self._entry(size)["ts"]))
        except (KeyError, ValueError, TypeError) as error:  # without a zone it is no moment
            raise OutsideError(Text("An entry of the audit record has no time.")) from error

    def _entry(self, number: int) -> dict[str, Any]:
        raw = next(islice(iter(self.lines()), number, None), b"{}")
        entry: dict[str, Any] = json.loads(raw)
        return entry


_NAMES = {
    "anchor seal": Text("a seal"),
    "anchor copy": Text("a copy elsewhere"),
    "anchor channel": Text("a word in the channel"),
}


def _chain(found: audit.Verdict) -> Finding:
    if found.problem:
        text = Text("The audit record was tampered with: {problem}.", problem=found.problem)
        return failed("chain", text, value=found.problem, source=SOURCE)
    if found.torn:
        text = Text("The last of {count} entries is cut; the next one mends that.", count=found.records)
        return failed("chain", text, value=str(found.records), source=SOURCE)
    if found.unasked:
        text = Text("{count} entries, in order; the copies elsewhere could not be asked.", count=found.records)
        return unknown("chain", text, source=SOURCE)
    text = Text("{count} entries are verified, from the first to {head}.", count=found.records,
                head=Code(f"{found.head[:SHOWN]}…"))  # fmt: skip
    return passed("chain", text, value=str(found.records), source=SOURCE)
