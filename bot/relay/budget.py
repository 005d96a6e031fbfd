"""The budget: how often the chat may be asked, at 80 % of what Slack documents.

- One message a 1.25 s in a channel, 240 a minute in all; 40 edits a minute, of which what is not urgent leaves some:
  three quarters for changes, three fifths for what is over (docs.slack.dev/apis/web-api/rate-limits).
- Asking for room and taking it is one step (`take_post`, `take_edit`): several senders share it.
- One relay acts at a time over all processes. What it sent in the last minute is also in the state (`budget`), so that
  who takes over begins with it; `keep` writes it, once for all that one pass sends. When it cannot be written, the
  fifth that is kept back has to bear it.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import suppress
from datetime import datetime

from handlers.core.ports import Clock, State
from handlers.core.words.errors import OutsideError

POST_SECONDS = 1.25
POSTS_A_MINUTE, EDITS_A_MINUTE = 240, 40
SHARES = (1.0, 1.0, 0.75, 0.6)
WINDOW_SECONDS = 60.0
KEY = "budget"


class Budget:
    """What was sent in the last minute. Times are seconds of the day's clock: they are handed to other processes."""

    def __init__(self, clock: Clock, state: State) -> None:
        self._clock = clock
        self._state = state
        self._free: dict[str, float] = {}
        self._posts: deque[float] = deque()
        self._edits: deque[float] = deque()
        self._lock = threading.Lock()
        self._kept = True

    def taken_over(self) -> None:
        """This relay acts from now on: it goes on where the one before stopped. Raises OutsideError."""
        held = self._state.get(KEY)
        if held is None:
            return
        try:
            kept = json.loads(held.value)
            self._free = {str(channel): float(at) for channel, at in kept["free"].items()}
            self._posts, self._edits = (deque(float(at) for at in kept[name]) for name in ("posts", "edits"))
        except (ValueError, KeyError, TypeError, AttributeError):
            return

    def post_in(self, channel: str) -> float:
        """In how many seconds something may be posted in the channel; 0 now."""
        here = min(POST_SECONDS, self._free.get(channel, 0.0) - self._now())
        return max(0.0, here, self._wait(self._posts, POSTS_A_MINUTE))

    def take_post(self, channel: str) -> float:
        """0: something is posted there now; else in how many seconds it may be."""
        with self._lock:
            wait = self.post_in(channel)
            if not wait:
                now = self._now()
                self._free = {name: at for name, at in self._free.items() if at > now} | {channel: now + POST_SECONDS}
                self._posts.append(now)
                self._kept = False
        return wait

    def take_edit(self, urgency: int) -> float:
        """0: something of this urgency is edited now; else in how many seconds it may be."""
        with self._lock:
            wait = self.edit_in(urgency)
            if not wait:
                self._edits.append(self._now())
                self._kept = False
        return wait

    def edit_in(self, urgency: int) -> float:
        """In how many seconds something of this urgency may be edited; 0 now."""
        return self._wait(self._edits, int(EDITS_A_MINUTE * SHARES[urgency]))

    def _wait(self, sent: deque[float], limit: int) -> float:
        now = self._now()
        while sent and not now - WINDOW_SECONDS < sent[0] <= now:
            sent.popleft()  # older than the window, or of a clock that was set back
        return max(0.0, sent[-limit] + WINDOW_SECONDS - now) if len(sent) >= limit else 0.0

    def keep(self) -> None:
        """Writes it down for another relay, if anything was taken."""
        if self._kept:
            return
        self._kept = True
        kept = {"free": self._free, "posts": list(self._posts), "edits": list(self._edits)}
        with suppress(OutsideError):
            held = self._state.get(KEY)
            version = None if held is None else held.version
            self._state.put_if(KEY, json.dumps(kept).encode(), version, seconds=round(2 * WINDOW_SECONDS) + 1)

    def _now(self) -> float:
        moment: datetime = self._clock.now()
        return moment.timestamp()
