"""TOTP (RFC 6238): six digits, SHA-1, thirty seconds, as every authenticator app speaks it.

- Integer Unix time is given to the library: local times are wrong in the hour after a clock change (pyotp < 2.12).
- Only ASCII digits count; the library would accept full-width ones and defeat a memory of spent codes.
- Every candidate is compared in constant time, also after one fits.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

import pyotp

STEP_SECONDS = 30
SEED_CHARACTERS = 32
_CODE = re.compile(r"[0-9]{6}")


class Totp:
    """Makes seeds and finds the time-step of a code."""

    def new_seed(self) -> str:
        """160 bits in base32."""
        return pyotp.random_base32(SEED_CHARACTERS)

    def address(self, seed: str, person: str) -> str:
        """The otpauth:// address that a QR code shows."""
        return pyotp.TOTP(seed).provisioning_uri(name=person, issuer_name="Negahban")

    def step_of(self, seed: str, code: str, steps: Sequence[int]) -> int | None:
        """Which of these time-steps (Unix time // 30) the code belongs to; the newest if several, None if none."""
        if _CODE.fullmatch(code) is None:
            return None
        totp = pyotp.TOTP(seed)
        found = None
        for step in sorted(steps):
            if hmac.compare_digest(totp.at(step * STEP_SECONDS).encode(), code.encode()):
                found = step
        return found
