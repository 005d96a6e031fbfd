"""The tally: what this relay sent, was asked to wait for and gave up, and how long what is new was on its way."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass
class Tally:
    """Counts since the process began. `waits`: how often the chat asked to slow down. `spread`: first messages by how
    many seconds after what they tell, below each of BOUNDS and above all. `saved`: changes that no message of their own
    had to tell, because a newer one told them too or the card says the same."""

    posts: int = 0
    edits: int = 0
    waits: int = 0
    lost: int = 0
    saved: int = 0
    seconds: float = 0.0
    spread: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    _told: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def posted(self) -> None:
        """A message is sent."""
        with self._lock:
            self.posts += 1

    def edited(self) -> None:
        """An edit is sent."""
        with self._lock:
            self.edits += 1

    def slowed(self) -> None:
        """The chat asked to slow down."""
        with self._lock:
            self.waits += 1

    def arrived(self, seconds: float) -> None:
        """The first message about something came so late."""
        with self._lock:
            self.seconds += max(0.0, seconds)
            self.spread[sum(1 for bound in BOUNDS if seconds > bound)] += 1

    def told(self, name: str, changes: int, *, messages: int) -> None:
        """Of a card that changed so often since it was right, everything is told now, this time by so many messages."""
        with self._lock:
            self.saved += max(0, changes - self._told.get(name, 0) - messages)
            self._told[name] = changes

    def right(self, name: str) -> None:
        """The card is right: its changes are counted anew."""
        with self._lock:
            self._told.pop(name, None)
