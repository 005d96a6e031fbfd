"""Growth: how large each collection was, day by day, as the bot itself wrote down.

- `growth:<target>` in the state holds at most one entry a day, of the last 60 days; of the collections the 100 largest,
  and the rest as one. It holds names and sizes, nothing of what is in them.
- The first who looks on a day writes its entry; a day that nobody looked at is a gap, and no guess.
- How fast something grows is told from the oldest entry of the last 14 days to the newest, at least half a day apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from handlers.core.ports import State
from handlers.core.words.answers import TargetName

KEPT_DAYS, SPAN_DAYS = 60, 14
MOST_COLLECTIONS = 100
REST = "(all others)"
KEEP_SECONDS = 90 * 86_400


@dataclass(frozen=True, slots=True)
class Sizes:
    """What each collection takes on the disk, indexes included, and what is free there; None where that is not told.
    `term`: counts elections; 0 for a single server."""

    collections: Mapping[str, int]
    free_bytes: int | None
    term: int = 0


class Scales(Protocol):
    """MongoDB's word on sizes."""

    def sizes(self, seconds: float) -> Sizes:
        """Of the target's database. Raises OutsideError."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One day's."""

    at: datetime
    sizes: Sizes

    @property
    def whole_bytes(self) -> int:
        """All collections together."""
        return sum(self.sizes.collections.values())


class GrowthBook:
    """The entries in the state. Everything raises OutsideError."""

    def __init__(self, state: State) -> None:
        self._state = state

    def entries(self, target: TargetName) -> tuple[Entry, ...]:
        """The oldest first."""
        return self._read(target)[0]

    def note(self, target: TargetName, sizes: Sizes, now: datetime) -> None:
        """Writes the entry of this day, unless it is there; who is slower than another loses nothing."""
        entries, version = self._read(target)
        if entries and entries[-1].at.date() >= now.date():
            return
        oldest = now.date() - timedelta(days=KEPT_DAYS)
        kept = [*(each for each in entries if each.at.date() > oldest), Entry(now, _capped(sizes))]
        value = json.dumps([_packed(each) for each in kept], separators=(",", ":")).encode()
        self._state.put_if(f"growth:{target}", value, version, seconds=KEEP_SECONDS)

    def noted_on(self, target: TargetName) -> date | None:
        """The day of the newest entry."""
        entries = self.entries(target)
        return entries[-1].at.date() if entries else None

    def _read(self, target: TargetName) -> tuple[tuple[Entry, ...], str | None]:
        held = self._state.get(f"growth:{target}")
        if held is None:
            return (), None
        try:
            return tuple(map(_unpacked, json.loads(held.value))), held.version
        except (ValueError, KeyError, TypeError):
            return (), held.version  # not worth an alarm: it begins anew


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast it grows. `days`: over how many; `daily`: bytes a day by collection, the fastest first; `left_days`:
    until the disk is full at that pace, None when it does not grow or what is free is not known; `elections`: a day."""

    days: float
    whole_daily: float
    daily: tuple[tuple[str, float], ...]
    left_days: float | None
    elections: float


def pace(entries: Sequence[Entry]) -> Pace | None:
    """None: not enough was written down."""
    if not entries:
        return None
    newest = entries[-1]
    recent = [each for each in entries if newest.at - each.at <= timedelta(days=SPAN_DAYS)]
    days = (newest.at - recent[0].at).total_seconds() / 86_400
    if days < 0.5:
        return None
    then, now = recent[0].sizes.collections, newest.sizes.collections
    whole = (newest.whole_bytes - recent[0].whole_bytes) / days
    daily = [(name, (now[name] - then[name]) / days) for name in now if name in then and name != REST]
    free = newest.sizes.free_bytes
    left = free / whole if free is not None and whole > 0 else None
    elections = max(0, newest.sizes.term - recent[0].sizes.term) / days
    return Pace(days, whole, tuple(sorted(daily, key=lambda each: -each[1])), left, elections)


def _capped(sizes: Sizes) -> Sizes:
    order = sorted(sizes.collections.items(), key=lambda each: -each[1])
    kept = dict(order[:MOST_COLLECTIONS])
    if rest := sum(size for _, size in order[MOST_COLLECTIONS:]):
        kept[REST] = rest
    return Sizes(kept, sizes.free_bytes, sizes.term)


def _packed(entry: Entry) -> dict[str, Any]:
    sizes = entry.sizes
    return {"at": entry.at.isoformat(), "of": dict(sizes.collections), "free": sizes.free_bytes, "term": sizes.term}


def _unpacked(data: Mapping[str, Any]) -> Entry:
    collections = {str(name): int(size) for name, size in data["of"].items()}
    free = None if data["free"] is None else int(data["free"])
    return Entry(datetime.fromisoformat(data["at"]), Sizes(collections, free, int(data["term"])))
