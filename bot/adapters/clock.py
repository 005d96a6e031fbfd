"""The clock and the randomness of this machine."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


class SystemClock:
    """Clock (see the port) of the operating system."""

    def now(self) -> datetime:
        """See the port."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See the port."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See the port."""
        time.sleep(seconds)


class SystemEntropy:
    """Entropy (see the port) of the operating system."""

    def token(self, characters: int) -> str:
        """See the port."""
        return "".join(secrets.choice(_LETTERS) for _ in range(characters))
