"""The clock and the randomness of this machine.

- Times are aware UTC; durations are measured on the clock that only grows.
- Words come from the operating system's source for secrets.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


class SystemClock:
    """The Clock port."""

    def now(self) -> datetime:
        """The time of day, aware UTC; may jump."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only grow, for durations."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits; not at all for zero or less."""
        if seconds > 0:
            time.sleep(seconds)


class SystemEntropy:
    """The Entropy port."""

    def token(self, characters: int) -> str:
        """That many characters of lower-case base32 (a-z, 2-7), five unpredictable bits each."""
        return "".join(secrets.choice(_LETTERS) for _ in range(characters))
