"""A handling: who runs a runbook on a group of alerts, how far they are, and what came of it.

- It is told by the run whenever its card was shown, and kept in the group, so that an alert's card needs no runs.
- Told in any order and any number of times it ends the same: an end beats no end, more turns taken beat fewer, and an
  address beats none. Of many runs the five newest are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from handlers.core.words.text import Text

MOST = 5


@dataclass(frozen=True, slots=True)
class Handling:
    """One run. `said`: how far it is, or what came of it; `turns`: grows with every step that began or ended; `link`:
    its message, empty while there is none; `ended`: None while something is to be done."""

    run: str
    title: str
    by: str
    began: datetime
    said: Text
    turns: int = 0
    ended: datetime | None = None
    link: str = ""


def joined(known: Iterable[Handling], told: Handling) -> tuple[Handling, ...]:
    """With what was told, the newest first."""
    by_run = {each.run: each for each in known}
    before = by_run.get(told.run)
    if before is not None:
        newer = told if _rank(told) >= _rank(before) else before
        told = replace(newer, link=told.link or before.link)
    by_run[told.run] = told
    return tuple(sorted(by_run.values(), key=lambda each: (each.began, each.run), reverse=True)[:MOST])


def _rank(handling: Handling) -> tuple[bool, int]:
    return handling.ended is not None, handling.turns
