"""Picturing: makes the plots of alert cards, beside the relay and never in its way.

- What is due is decided by handlers.core.pictures. When Prometheus or the chat cannot, nothing is tried for half a
  minute, then ever longer; it is said in the log once.
"""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from handlers.core.errors import Problem

ROUND_SECONDS = 2.0
AWAY_SECONDS, MOST_AWAY_SECONDS = 30.0, 600.0
STOP_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Round(Protocol):
    """What of handlers.core.pictures the thread needs."""

    def round(self) -> bool:
        """See there."""


class Picturing:
    """A thread, while it is entered. `pictures` None: there is no Prometheus to ask."""

    def __init__(
        self,
        pictures: Round | None,
        *,
        round_seconds: float = ROUND_SECONDS,
        away_seconds: float = AWAY_SECONDS,
        most_away_seconds: float = MOST_AWAY_SECONDS,
    ) -> None:
        self._pictures = pictures
        self._round_seconds = round_seconds
        self._away_seconds, self._most_away_seconds = away_seconds, most_away_seconds
        self._stop = threading.Event()
        self._away, self._failures = "", 0
        self._thread = threading.Thread(target=self._run, name="picturing", daemon=True)

    def __enter__(self) -> Picturing:
        if self._pictures is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set() and self._pictures is not None:
            try:
                wait = 0.0 if self._pictures.round() else self._round_seconds
                self._away, self._failures = ("", 0) if wait == 0 else (self._away, self._failures)
            except Problem as problem:
                wait = self.held_back(problem)
            except Exception:  # noqa: BLE001 the relay loop's neighbour: the next round tries again
                wait = self._most_away_seconds
                _log.exception("a picture for an alert: a fault; again in %.0f s", wait)
            self._stop.wait(wait)

    def held_back(self, problem: Problem) -> float:
        """For how many seconds nothing is tried after this."""
        if str(problem) != self._away:
            _log.warning("no picture for an alert: %s", problem)
        self._away = str(problem)
        wait = min(self._away_seconds * 2.0 ** min(self._failures, 10), self._most_away_seconds)
        self._failures += 1
        return max(wait, getattr(problem, "retry_after_seconds", None) or 0.0)
