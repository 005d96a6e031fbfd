"""The sandbox's clock: the machine's time plus what a test has advanced."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """Seconds since 1970, and Slack's message timestamps (unique, ever growing)."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._last_microseconds = 0
        self._moved = asyncio.Event()

    def now(self) -> float:
        """Seconds since 1970 on this clock."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Moves the clock ahead: triggers, response URLs and retry delays age by it."""
        self._offset += seconds
        self._moved.set()
        self._moved = asyncio.Event()

    def ts(self) -> str:
        """A new message timestamp, `seconds.microseconds`, never given before."""
        self._last_microseconds = max(int(self.now() * 1_000_000), self._last_microseconds + 1)
        seconds, microseconds = divmod(self._last_microseconds, 1_000_000)
        return f"{seconds}.{microseconds:06d}"

    async def sleep(self, seconds: float) -> None:
        """Waits on this clock, so that `advance` shortens the wait."""
        end = self.now() + seconds
        while (left := end - self.now()) > 0:
            moved = self._moved
            try:
                await asyncio.wait_for(moved.wait(), left)
            except TimeoutError:
                continue
