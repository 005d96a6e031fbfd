"""Waits: what may not be done before when, and when there is something to do again.

- A lane (a card, the posts of a channel, all edits) is held back for as long as was asked, and nothing else with it.
- What fails is tried again after 2 s, then ever more slowly, at most a minute later.
- Whoever has to wait says so here, so that the relay sleeps exactly until the first of them may go on.
"""

from __future__ import annotations

import threading

from handlers.core.ports import Clock

POLL_SECONDS, LOOK_SECONDS, MOST_WAIT_SECONDS = 1.0, 2.0, 60.0


class Waits:
    """Used by the relay's thread and by its senders."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._due = 0.0
        self._rung = False
        self._moved = threading.Condition()

    # -- when to look again --------------------------------------------------------------------------------------

    def begin(self) -> None:
        """A pass begins: the next is in a second, or when one who waits may go on."""
        with self._moved:
            now = self._clock.monotonic()
            self._due = min(now + POLL_SECONDS, self._due if self._due > now else now + POLL_SECONDS)

    def left(self) -> float:
        """Seconds until the next pass."""
        with self._moved:
            return max(0.0, self._due - self._clock.monotonic())

    def no_later(self, seconds: float) -> None:
        """There is something to do in so many seconds."""
        with self._moved:
            self._due = min(self._due, self._clock.monotonic() + seconds)
            self._moved.notify_all()

    def ring(self) -> None:
        """There is something to do now."""
        with self._moved:
            self._rung = True
            self._moved.notify_all()

    def sleep(self) -> None:
        """Until there is something to do."""
        with self._moved:
            while not self._rung and (left := self._due - self._clock.monotonic()) > 0:
                self._moved.wait(left)
            self._rung = False

    # -- who has to wait -----------------------------------------------------------------------------------------

    def short(self, seconds: float) -> bool:
        """Whether there is no budget for something now."""
        if seconds > 0:
            self.no_later(seconds)
        return seconds > 0

    def hold_back(self, lane: str, seconds: float) -> None:
        """Nothing of this lane for so long."""
        with self._moved:
            self._free[lane] = self._clock.monotonic() + seconds
        self.no_later(seconds)

    def blocked(self, lane: str) -> bool:
        """Whether this lane is held back."""
        with self._moved:
            left = self._free.get(lane, 0.0) - self._clock.monotonic()
            if left <= 0:
                self._free.pop(lane, None)
                return False
        self.no_later(left)
        return True

    def failed(self, lane: str, asked: float | None) -> float:
        """It did not work. `asked`: for how long to wait, when that was said. For how long it is held back."""
        wait = asked
        if wait is None:
            with self._moved:
                self._failures[lane] = tries = self._failures.get(lane, 0) + 1
            wait = min(LOOK_SECONDS * 2.0 ** min(tries - 1, 10), MOST_WAIT_SECONDS)
        self.hold_back(lane, wait)
        return wait

    def failing(self, lane: str) -> bool:
        """Whether it did not work last time."""
        return lane in self._failures

    def worked(self, lane: str) -> None:
        """It was answered well: the next failure is the first again. Waiting for the budget is no answer."""
        with self._moved:
            self._failures.pop(lane, None)
