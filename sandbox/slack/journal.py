"""What the app sent, call by call, without its tokens: for tests that assert what never leaves it."""

from __future__ import annotations

import copy

from sandbox.slack.clock import Clock
from sandbox.slack.errors import JSON


class Journal:
    """Web API calls, and under the names `ack`, `response_url` and `upload` what else the app sent."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[JSON] = []

    def write(self, method: str, args: JSON, answer: object, status: int, fault: str | None = None) -> None:
        """Adds one call."""
        self._entries.append(
            {
                "method": method,
                "args": copy.deepcopy({name: value for name, value in args.items() if name != "token"}),
                "answer": copy.deepcopy(answer),
                "status": status,
                "time": self._clock.now(),
                "fault": fault,
            }
        )

    def entries(self) -> list[JSON]:
        """All calls so far, oldest first."""
        return copy.deepcopy(self._entries)

    def clear(self) -> None:
        """Forgets all calls."""
        self._entries.clear()
