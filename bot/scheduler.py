"""The scheduler: every few seconds one round of the rota for every target and of the reminders, in every worker.

- What is due, and that it is done once over all workers, is decided by handlers.core.rota.
- A failing round is tried again in the next: this is one of the places with a broad except.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from functools import partial

from handlers.core.answers import TargetName
from handlers.core.errors import Problem
from handlers.core.rota import Rota

ROUND_SECONDS = 5.0
STOP_SECONDS = 10.0

_log = logging.getLogger(__name__)


class Scheduler:
    """A thread, while it is entered."""

    def __init__(
        self,
        rota: Rota,
        targets: Iterable[TargetName],
        *,
        round_seconds: float = ROUND_SECONDS,
        reminders: Callable[[], None] = lambda: None,
    ) -> None:
        self._rota = rota
        self._reminders = reminders
        self._targets = tuple(targets)
        self._round_seconds = round_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    def __enter__(self) -> Scheduler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            for target in self._targets:
                self._round(target, partial(self._rota.round, target))
            self._round("secrets", self._reminders)
            self._stop.wait(self._round_seconds)

    def _round(self, target: str, round_of: Callable[[], None]) -> None:
        try:
            round_of()
        except Problem as problem:
            _log.warning("the schedule of %s: %s", target, problem)
        except Exception:  # noqa: BLE001 the scheduler's loop: the next round tries again
            _log.exception("the schedule of %s: a fault; the next round tries again", target)
