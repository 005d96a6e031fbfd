"""Beginning: lets the vigil make a round every two seconds, in every worker.

- What is begun, and that it is begun once over all workers, is decided by handlers.vigil.
- A failing round is tried again in the next: this is one of the places with a broad except.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from bot.rounds import Rounds
from handlers.core.words.errors import Problem

ROUND_SECONDS, AWAY_SECONDS = 2.0, 10.0
STOP_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Beginning(Rounds):
    """See the module."""

    def __init__(
        self,
        round_of: Callable[[], None],
        *,
        round_seconds: float = ROUND_SECONDS,
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        super().__init__("beginning", STOP_SECONDS)
        self._round_of = round_of
        self._round_seconds, self._away_seconds = round_seconds, away_seconds

    def turn(self) -> float:
        """See Rounds."""
        try:
            self._round_of()
        except Problem as problem:
            _log.warning("runbooks that begin by themselves: %s", problem)
        except Exception:  # noqa: BLE001 the scheduler's neighbour: the next round tries again
            _log.exception("runbooks that begin by themselves: a fault; the next round tries again")
        else:
            return self._round_seconds
        return self._away_seconds
