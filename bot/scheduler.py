"""The scheduler: every few seconds one round of the rota for every target and of the others, in every worker.

- What is due, and that it is done once over all workers, is decided by handlers.core.backups.rota.
- A failing round is tried again in the next: this is one of the places with a broad except.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from bot.rounds import Rounds
from handlers.core.backups.rota import Rota
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import Problem

ROUND_SECONDS = 5.0
STOP_SECONDS = 10.0

_log = logging.getLogger(__name__)


class Scheduler(Rounds):
    """See the module."""

    def __init__(
        self,
        rota: Rota,
        targets: Iterable[TargetName],
        *,
        round_seconds: float = ROUND_SECONDS,
        rounds: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        super().__init__("scheduler", STOP_SECONDS)
        self._rota = rota
        self._rounds = rounds or {}
        self._targets = tuple(targets)
        self._round_seconds = round_seconds

    def turn(self) -> float:
        """See Rounds."""
        for target in self._targets:
            self._round(target, partial(self._rota.round, target))
        for name, round_of in self._rounds.items():
            self._round(name, round_of)
        return self._round_seconds

    def _round(self, target: str, round_of: Callable[[], None]) -> None:
        try:
            round_of()
        except Problem as problem:
            _log.warning("the schedule of %s: %s", target, problem)
        except Exception:  # noqa: BLE001 the scheduler's loop: the next round tries again
            _log.exception("the schedule of %s: a fault; the next round tries again", target)
