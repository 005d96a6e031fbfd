"""How often a method may be called.

Tiers, per method: docs.slack.dev/apis/web-api/rate-limits. Slack tolerates "short bursts" without saying
how large: here a tier's burst is one minute's worth, and ten for tier 1 (an app may open ten connections).
`chat.postMessage` is special: one message a second a channel with a burst of three, and 300 a minute in all.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

POST_BURST = 3
_TIERS: dict[int, tuple[float, int]] = {
    1: (1 / 60, 10),
    2: (20 / 60, 20),
    3: (50 / 60, 50),
    4: (100 / 60, 100),
}
_WORKSPACE_POSTS = (5.0, 300)
SPECIAL_POST = 0
UNLIMITED = -1


@dataclass(slots=True)
class _Bucket:
    per_second: float
    capacity: int
    tokens: float
    filled_at: float


class Rates:
    """Token buckets; `speed` makes their time run faster, so that a test need not wait."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self._speed = 1.0
        self._buckets: dict[str, _Bucket] = {}

    @property
    def speed(self) -> float:
        """How many times faster than the wall clock the buckets fill."""
        return self._speed

    def set_speed(self, factor: float) -> None:
        """Changes the speed from now on. Raises ValueError if it is not above zero."""
        if factor <= 0:
            raise ValueError("speed is above zero")
        for bucket in self._buckets.values():
            self._fill(bucket)
        self._speed = factor

    def clear(self) -> None:
        """Forgets every call made so far; the speed is 1 again."""
        self._buckets.clear()
        self._speed = 1.0

    def take(self, method: str, tier: int, channel: str) -> int | None:
        """Takes one call. None: go ahead; otherwise the whole seconds to wait (Retry-After)."""
        if not self.enabled or tier == UNLIMITED:
            return None
        if tier != SPECIAL_POST:
            needed = [self._bucket(method, *_TIERS[tier])]
        else:
            needed = [
                self._bucket(f"{method} {channel}", 1.0, POST_BURST),
                self._bucket(method, *_WORKSPACE_POSTS),
            ]
        wait = max((1 - bucket.tokens) / bucket.per_second / self._speed for bucket in needed)
        if wait > 1e-9:
            return max(1, math.ceil(wait))
        for bucket in needed:
            bucket.tokens -= 1
        return None

    def _bucket(self, key: str, per_second: float, capacity: int) -> _Bucket:
        if key not in self._buckets:
            self._buckets[key] = _Bucket(per_second, capacity, float(capacity), time.monotonic())
        bucket = self._buckets[key]
        self._fill(bucket)
        return bucket

    def _fill(self, bucket: _Bucket) -> None:
        now = time.monotonic()
        gained = (now - bucket.filled_at) * self._speed * bucket.per_second
        bucket.tokens = min(float(bucket.capacity), bucket.tokens + gained)
        bucket.filled_at = now
