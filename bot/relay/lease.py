"""The right to act: one relay at a time over all processes.

- `relay` in the state holds the name of whoever may act, for 15 seconds.
- It is renewed when it is older than four seconds and something is to be done. A call to the chat takes at most ten,
  so a call begun under the lease has ended before somebody else can hold it.
"""

from __future__ import annotations

import threading
import uuid

from handlers.core.ports import Clock, State

LEASE, LEASE_SECONDS, RENEW_SECONDS = "relay", 15, 4.0


class Lease:
    """The right to act."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state, self._clock = state, clock
        self._name = uuid.uuid4().hex.encode()
        self._version: str | None = None
        self._renewed = 0.0
        self._lock = threading.Lock()
        self.terms = 0
        """How often this relay began to act."""

    def held(self) -> bool:
        """Whether this relay may act for the next ten seconds. Raises OutsideError."""
        with self._lock:
            return self._held()

    def _held(self) -> bool:
        now = self._clock.monotonic()
        if self._version is not None and now - self._renewed < RENEW_SECONDS:
            return True
        version = self._take(self._version)
        if version is None:
            there = self._state.get(LEASE)
            if there is None:
                version = self._take(None)  # it had run out
            elif there.value == self._name:
                version = self._take(there.version)  # it was stored, and the answer was lost
        if version is not None and self._version is None:
            self.terms += 1
        self._version, self._renewed = version, now
        return version is not None

    def _take(self, version: str | None) -> str | None:
        return self._state.put_if(LEASE, self._name, version, seconds=LEASE_SECONDS)

    def release(self) -> None:
        """Lets another relay go on at once. Raises OutsideError."""
        if self._version is not None:
            self._state.delete_if(LEASE, self._version)
            self._version = None
