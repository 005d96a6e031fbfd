"""Attendance: whether any worker is there. Each notes it every few seconds; a note is gone after two minutes."""

from __future__ import annotations

from handlers.core.ports import State
from handlers.core.words.errors import Problem

SEEN_SECONDS = 120
_KEY = "worker:seen"


class Attendance:
    """Whether any worker is there, as workers note it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def note(self) -> None:
        """This one is. Raises OutsideError."""
        held = self._state.get(_KEY)
        self._state.put_if(_KEY, b"", None if held is None else held.version, seconds=SEEN_SECONDS)

    def missing(self) -> str:
        """What is wrong, "" when one was there a moment ago. Never raises."""
        try:
            return "" if self._state.get(_KEY) else f"no worker was seen for {SEEN_SECONDS} s"
        except Problem as problem:
            return str(problem)
