"""The budget: how often the chat may be asked, at 80 % of what Slack documents.

- One message a 1.25 s in a channel, 240 a minute in all; 40 edits a minute, of which what is not urgent leaves some:
  three quarters for changes, three fifths for what is over (docs.slack.dev/apis/web-api/rate-limits).
- One relay acts at a time over all processes, so its memory is the memory of all. Who takes over begins with an empty
  one; the fifth that is kept back is for that.
"""

from __future__ import annotations

from collections import deque

from handlers.core.ports import Clock

POST_SECONDS = 1.25
POSTS_A_MINUTE, EDITS_A_MINUTE = 240, 40
SHARES = (1.0, 1.0, 0.75, 0.6)
WINDOW_SECONDS = 60.0


class Budget:
    """What was sent in the last minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free: dict[str, float] = {}
        self._posts: deque[float] = deque()
        self._edits: deque[float] = deque()

    def post_in(self, channel: str) -> float:
        """In how many seconds something may be posted in the channel; 0 now."""
        here = self._free.get(channel, 0.0) - self._clock.monotonic()
        return max(0.0, here, self._wait(self._posts, POSTS_A_MINUTE))

    def posted(self, channel: str) -> None:
        """Something is posted now."""
        now = self._clock.monotonic()
        self._free[channel] = now + POST_SECONDS
        self._posts.append(now)

    def edit_in(self, urgency: int) -> float:
        """In how many seconds something of this urgency may be edited; 0 now."""
        return self._wait(self._edits, int(EDITS_A_MINUTE * SHARES[urgency]))

    def edited(self) -> None:
        """Something is edited now."""
        self._edits.append(self._clock.monotonic())

    def _wait(self, sent: deque[float], limit: int) -> float:
        now = self._clock.monotonic()
        while sent and sent[0] <= now - WINDOW_SECONDS:
            sent.popleft()
        return max(0.0, sent[-limit] + WINDOW_SECONDS - now) if len(sent) >= limit else 0.0
