"""Watching: a look at Alertmanager every ten seconds, beside the relay, and soon after somebody pressed a button.

- What a look means is decided by handlers.core.watch; a failing one is tried again, and said in the log once.
"""

from __future__ import annotations

import logging
import threading

from handlers.core.errors import Problem
from handlers.core.watch import Watch

ROUND_SECONDS, SOON_SECONDS = 10.0, 0.5
STOP_SECONDS = 10.0

_log = logging.getLogger(__name__)


class Watching:
    """A thread, while it is entered. `watch` None: there is no Alertmanager to ask."""

    def __init__(self, watch: Watch | None, *, round_seconds: float = ROUND_SECONDS) -> None:
        self._watch = watch
        self._round_seconds = round_seconds
        self._stop, self._awake = threading.Event(), threading.Event()
        self._away = ""
        self._thread = threading.Thread(target=self._run, name="watching", daemon=True)

    def __enter__(self) -> Watching:
        if self._watch is not None:
            self._thread.start()
        return self

    def wake(self) -> None:
        """Something was wished: look in half a second, not in ten."""
        self._awake.set()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set() and self._watch is not None:
            try:
                self._watch.round()
                self._away = ""
            except Problem as problem:
                if str(problem) != self._away:
                    _log.warning("the look at Alertmanager: %s", problem)
                self._away = str(problem)
            except Exception:  # noqa: BLE001 the relay loop's neighbour: the next look tries again
                _log.exception("the look at Alertmanager: a fault; the next one tries again")
            self._awake.wait(self._round_seconds)
            self._awake.clear()
            self._stop.wait(SOON_SECONDS)
