"""Remembers, every ROLLBACK_LOOK_SECONDS in a process that works, what runs while the service is well.

- Whoever claims the round looks; the others wait for the next one. What is taken is decided by
  handlers.core.known_good.
- A look that fails is said in the log once, and the next round tries again.
"""

from __future__ import annotations

import logging

from bot.rounds import Rounds
from handlers.core.ports import State
from handlers.core.runbooks.rollbacks import LOOK_SECONDS, Rollbacks
from handlers.core.words.errors import Problem

STOP_SECONDS = 10.0

_log = logging.getLogger(__name__)


class Remembering(Rounds):
    """See the module. `rollbacks` None, or of a platform that remembers itself: nothing to do."""

    def __init__(self, rollbacks: Rollbacks | None, state: State, round_seconds: int) -> None:
        needed = rollbacks is not None and rollbacks.known is not None
        super().__init__("remembering", STOP_SECONDS, needed=needed)
        self._rollbacks = rollbacks
        self._state = state
        self._round_seconds = round_seconds
        self._away = ""

    def round(self) -> None:
        """One look, unless another process has this round. Raises Problem."""
        rollbacks = self._rollbacks
        if rollbacks is None or rollbacks.known is None or rollbacks.well is None:
            return
        key = f"remembering:{rollbacks.target}"
        if self._state.put_if(key, b"", None, seconds=max(1, self._round_seconds - 1)) is None:
            return
        rollbacks.known.look(rollbacks.services, rollbacks.well, LOOK_SECONDS)

    def turn(self) -> float:
        """See Rounds."""
        try:
            self.round()
            self._away = ""
        except Problem as problem:
            if str(problem) != self._away:
                _log.warning("what runs while the service is well: %s", problem)
            self._away = str(problem)
        except Exception:  # noqa: BLE001 the scheduler loop's neighbour: the next round tries again
            _log.exception("what runs while the service is well: a fault; the next round tries again")
        return self._round_seconds
