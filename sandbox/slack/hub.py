"""Hints to browsers that something changed, sent as server-sent events."""

from __future__ import annotations

import asyncio

from sandbox.slack.errors import JSON


class Hub:
    """Who listens, and the hints that wait for each."""

    def __init__(self) -> None:
        self._listeners: list[tuple[str, asyncio.Queue[JSON | None]]] = []

    def listen(self, user: str) -> asyncio.Queue[JSON | None]:
        """A queue of hints for this person; None means the server stops."""
        queue: asyncio.Queue[JSON | None] = asyncio.Queue()
        self._listeners.append((user, queue))
        return queue

    def forget(self, queue: asyncio.Queue[JSON | None]) -> None:
        """Stops filling a queue."""
        self._listeners = [each for each in self._listeners if each[1] is not queue]

    def tell(self, kind: str, *, only_for: str | None = None, **details: object) -> None:
        """Sends a hint to everybody, or to one person."""
        for user, queue in self._listeners:
            if only_for in (None, user):
                queue.put_nowait({"type": kind, **details})

    def close(self) -> None:
        """Tells every listener that the server stops."""
        for _, queue in self._listeners:
            queue.put_nowait(None)
