"""Growth: how fast the database and its collections grow, when the disk is full at that pace, and how often it elects.

- By the bot's own daily history. Until there are entries half a day apart, it is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.growth import GrowthBook, Pace, Scales, pace
from handlers.core.ports import Clock
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Bytes, Code, Text, spelled_bytes

LEAST_DAYS, MOST_ELECTIONS = 30, 2.0
SHOWN = 3
ROUND_SECONDS = 600.0
SOURCE = "the bot's own daily history"


class GrowthKeeper:
    """Writes the day's entry, in every worker. `round` is called every few seconds."""

    def __init__(self, book: GrowthBook, scales: Scales, clock: Clock, targets: Iterable[TargetName]) -> None:
        self._book, self._scales, self._clock = book, scales, clock
        self._targets = tuple(targets)
        self._looked: float | None = None

    def round(self) -> None:
        """Looks every ten minutes whether the day is written down. Raises OutsideError; the next round goes on."""
        now = self._clock.monotonic()
        if self._looked is not None and now - self._looked < ROUND_SECONDS:
            return
        self._looked = now
        for target in self._targets:
            if self._book.noted_on(target) != self._clock.now().date():
                self._book.note(target, self._scales.sizes(10), self._clock.now())


@dataclass(frozen=True, slots=True)
class GrowthCheck:
    """See the module."""

    book: GrowthBook

    def __call__(self, target: TargetName) -> Iterator[Finding]:
        """The findings. Raises nothing."""
        try:
            found = pace(self.book.entries(target))
        except OutsideError as error:
            yield from (unknown(name, error.text, source=SOURCE) for name in ("growth", "elections"))
            return
        if found is None:
            text = Text("How fast it grows is known tomorrow: the bot has only begun to write it down.")
            yield unknown("growth", text, source=SOURCE)
            yield unknown("elections", Text("How often it elects a primary is known tomorrow."), source=SOURCE)
            return
        yield growth(found)
        text = Text(
            "{count} elections a day, over {days} days.", count=f"{found.elections:.1f}", days=f"{found.days:.0f}"
        )
        made = passed if found.elections <= MOST_ELECTIONS else failed
        yield made(
            "elections", text, value=f"{found.elections:.1f}", limit=f"{MOST_ELECTIONS:.0f} a day", source=SOURCE
        )


def growth(found: Pace) -> Finding:
    """Whether the disk lasts."""
    fastest = [f"{name} {spelled_bytes(round(daily))}" for name, daily in found.daily[:SHOWN] if daily > 0]
    text = Text("It grows by {daily} a day", daily=Bytes(max(0, round(found.whole_daily))))
    if fastest:
        text = Text("{said} (most: {names})", said=text, names=Code(", ".join(fastest)))
    limit = f"{LEAST_DAYS} days"
    if found.whole_daily <= 0:
        return passed("growth", Text("It does not grow."), value="0", limit=limit, source=SOURCE)
    if found.left_days is None:
        said = Text("{said}; what is free on its disk, MongoDB does not say.", said=text)
        return unknown("growth", said, source=SOURCE)
    said = Text("{said}; at that pace its disk is full in {days} days.", said=text, days=f"{found.left_days:.0f}")
    made = passed if found.left_days >= LEAST_DAYS else failed
    return made("growth", said, value=f"{found.left_days:.0f} days", limit=limit, source=SOURCE)
