"""Watching: a look at something every ten seconds, beside the relay, and soon after somebody pressed a button.

- It is Alertmanager, or the audit record of a host without a worker. What a look means is decided by
  handlers.core.alerts.watch and handlers.core.sealing.notary; a failing one is tried again, and said in the log once.
"""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from bot.rounds import Rounds
from handlers.core.words.errors import Problem

ROUND_SECONDS, SOON_SECONDS = 10.0, 0.5
STOP_SECONDS = 10.0

_log = logging.getLogger(__name__)


class Watch(Protocol):
    """What is looked at."""

    def round(self) -> None:
        """One look. Raises a Problem."""


class Watching(Rounds):
    """See the module. `watch` None: there is nothing to look at."""

    def __init__(
        self, watch: Watch | None, what: str = "Alertmanager", *, round_seconds: float = ROUND_SECONDS
    ) -> None:
        super().__init__("watching", STOP_SECONDS, needed=watch is not None)
        self._watch, self._what = watch, what
        self._round_seconds = round_seconds
        self._awake = threading.Event()
        self._away = ""

    def wake(self) -> None:
        """Something was wished: look in half a second, not in ten."""
        self._awake.set()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._awake.set()
        super().__exit__()

    def turn(self) -> float:
        """See Rounds."""
        try:
            if self._watch is not None:
                self._watch.round()
            self._away = ""
        except Problem as problem:
            if str(problem) != self._away:
                _log.warning("the look at %s: %s", self._what, problem)
            self._away = str(problem)
        except Exception:  # noqa: BLE001 the relay loop's neighbour: the next look tries again
            _log.exception("the look at %s: a fault; the next one tries again", self._what)
        self._awake.wait(self._round_seconds)
        self._awake.clear()
        return SOON_SECONDS
