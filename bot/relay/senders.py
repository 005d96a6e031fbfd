"""Senders: carry what was decided to the chat, several at a time, of one card only one.

- At most `most` at a time. Nobody queues here: while there is no room, nothing is decided either, so that what goes
  next is chosen among everything that waits, with what it says then.
- A thread lives as long as its errand: when nothing is sent, there is none.
- With a `most` of 1 nothing runs beside the relay.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Senders:
    """What is on its way, by the name of the card."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._names: set[str] = set()
        self._changed = threading.Condition()

    def room(self) -> bool:
        """Whether one more may go."""
        return len(self._names) < self._most

    def busy(self, name: str) -> bool:
        """Whether something of this card is on its way."""
        return name in self._names

    def send(self, name: str, errand: Callable[[], None]) -> None:
        """Begins an errand, which raises nothing. Only when there is room, and this card is not busy."""
        if self._most == 1:
            errand()
            return
        with self._changed:
            self._names.add(name)
        try:
            threading.Thread(target=self._carry, args=(name, errand), name="sender", daemon=True).start()
        except RuntimeError:
            self._back(name)
            raise

    def _carry(self, name: str, errand: Callable[[], None]) -> None:
        try:
            errand()
        finally:
            self._back(name)

    def _back(self, name: str) -> None:
        with self._changed:
            self._names.discard(name)
            self._changed.notify_all()

    def finished(self, seconds: float) -> bool:
        """Waits until nothing is on its way, at most so long; whether nothing is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._names, seconds)
