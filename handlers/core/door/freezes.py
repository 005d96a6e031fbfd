"""Freezes: when something must not be done, by the wall clock of a zone.

- From one time to another, in one of three forms: `Fri 16:00` (each week), `22:00` (each day), `2026-11-27 18:00`
  (once).
- The end is not part of it. When clocks change, it begins and ends by what the wall shows, as people agreed on it.
- What is frozen: everything that can do at least that much, of these commands and targets (empty: of all).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

DAY, WEEK = 1440, 7 * 1440
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_AGAIN = re.compile(r"(?:(mon|tue|wed|thu|fri|sat|sun) )?([01][0-9]|2[0-3]):([0-5][0-9])", re.IGNORECASE)
_ONCE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Span:
    """From a time to another: minutes inside each `period` of minutes, or, with period 0, minutes since 1970."""

    begins: int
    ends: int
    period: int
    zone: ZoneInfo

    def holds(self, moment: datetime) -> bool:
        """Whether it is now."""
        if not self.period:
            return self.begins <= _minutes(moment) < self.ends
        at = self._at(moment)
        inside = self.begins <= at < self.ends
        return inside if self.begins < self.ends else not self.ends <= at < self.begins

    def until(self, moment: datetime) -> datetime:
        """When it ends, if it holds now."""
        if not self.period:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=self.ends)
        local = moment.astimezone(self.zone)
        left = (self.ends - self._at(moment)) % self.period or self.period
        wall = local.replace(tzinfo=None, second=0, microsecond=0) + timedelta(minutes=left)
        return wall.replace(tzinfo=self.zone).astimezone(UTC)

    def _at(self, moment: datetime) -> int:
        local = moment.astimezone(self.zone)
        return (local.weekday() * DAY + local.hour * 60 + local.minute) % self.period


def span(begins: object, ends: object, zone: ZoneInfo) -> Span:
    """Raises ValueError that says what was expected."""
    expected = 'two times of one form in quotes, like "Fri 16:00", "22:00" or "2026-11-27 18:00"'
    if not isinstance(begins, str) or not isinstance(ends, str):
        raise ValueError(expected)
    if _ONCE.fullmatch(begins) and _ONCE.fullmatch(ends):
        first, last = (_minutes(datetime.fromisoformat(each).replace(tzinfo=zone)) for each in (begins, ends))
        if first >= last:
            raise ValueError("an end after its beginning")
        return Span(first, last, 0, zone)
    first_again, last_again = _AGAIN.fullmatch(begins), _AGAIN.fullmatch(ends)
    if first_again is None or last_again is None or bool(first_again[1]) != bool(last_again[1]):
        raise ValueError(expected)
    found = Span(_within(first_again), _within(last_again), WEEK if first_again[1] else DAY, zone)
    if found.begins == found.ends:
        raise ValueError("an end that is not its beginning")
    return found


def _within(match: re.Match[str]) -> int:
    day = DAYS.index(match[1].lower()) if match[1] else 0
    return day * DAY + int(match[2]) * 60 + int(match[3])


def _minutes(moment: datetime) -> int:
    return int(moment.timestamp()) // 60
