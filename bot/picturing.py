"""Picturing: makes the plots of cards of alerts, runs and looks, beside the relay and never in its way.

- What is due is decided by handlers.core.alerts.pictures and sheets (looks at the metrics), and by handlers.sketches.
- When Prometheus or the chat cannot, nothing is tried for half a minute, then ever longer; it is in the log once.
"""

from __future__ import annotations

import logging
from typing import Protocol

from bot.rounds import Rounds
from handlers.core.words.errors import Problem

ROUND_SECONDS = 2.0
AWAY_SECONDS, MOST_AWAY_SECONDS = 30.0, 600.0
STOP_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Round(Protocol):
    """What of handlers.core.alerts.pictures or handlers.core.alerts.sheets the thread needs."""

    def round(self) -> bool:
        """See there."""


class Picturing(Rounds):
    """See the module. `pictures` None: there is no Prometheus to ask. `what`: whose they are."""

    def __init__(
        self,
        pictures: Round | None,
        what: str = "an alert",
        *,
        round_seconds: float = ROUND_SECONDS,
        away_seconds: float = AWAY_SECONDS,
        most_away_seconds: float = MOST_AWAY_SECONDS,
    ) -> None:
        super().__init__("picturing", STOP_SECONDS, needed=pictures is not None)
        self._pictures, self._what = pictures, what
        self._round_seconds = round_seconds
        self._away_seconds, self._most_away_seconds = away_seconds, most_away_seconds
        self._away, self._failures = "", 0

    def turn(self) -> float:
        """See Rounds."""
        try:
            if self._pictures is None or not self._pictures.round():
                return self._round_seconds
            self._away, self._failures = "", 0
        except Problem as problem:
            return self.held_back(problem)
        except Exception:  # noqa: BLE001 the relay loop's neighbour: the next round tries again
            _log.exception("a picture for %s: a fault; again in %.0f s", self._what, self._most_away_seconds)
            return self._most_away_seconds
        return 0.0

    def held_back(self, problem: Problem) -> float:
        """For how many seconds nothing is tried after this."""
        if str(problem) != self._away:
            _log.warning("no picture for %s: %s", self._what, problem)
        self._away = str(problem)
        wait = min(self._away_seconds * 2.0 ** min(self._failures, 10), self._most_away_seconds)
        self._failures += 1
        return max(wait, getattr(problem, "retry_after_seconds", None) or 0.0)
