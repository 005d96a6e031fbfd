"""Rounds: the same again and again, in a thread of their own, while they are entered.

- A round says how long to wait for the next; what it raises it catches itself. Leaving waits for the one under way.
- With `needed` false there is nothing to do, and no thread.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Self


class Rounds(ABC):
    """See the module; `turn` is one round, for who inherits."""

    def __init__(self, name: str, stop_seconds: float, *, needed: bool = True) -> None:
        """`stop_seconds`: how long leaving waits at most."""
        self._stop_seconds, self._needed = stop_seconds, needed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def turn(self) -> float:
        """One round; the seconds until the next."""

    def __enter__(self) -> Self:
        if self._needed:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(self._stop_seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(self.turn())
