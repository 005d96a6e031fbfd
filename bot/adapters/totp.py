"""Time-based one-time codes (RFC 6238): six digits, SHA-1, 30 seconds, as every authenticator app makes them.

- The only door to pyotp, version 2.12 or newer: older ones are wrong for an hour when summer time ends.
- The caller says which time-steps count. All of them are compared, in constant time each; none ends the search.
- Six ASCII digits and nothing else are a code: digits of other scripts, which Unicode folds together, are not.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import pyotp

ISSUER = "Negahban"
STEP_SECONDS = 30
SEED_CHARACTERS = 32
"""160 bits in base32: RFC 4226 §4 R6."""


class Totp:
    """Seeds, their addresses for authenticator apps, and their codes."""

    def new_seed(self) -> str:
        """A new random seed in base32."""
        return pyotp.random_base32(SEED_CHARACTERS)

    def uri(self, seed: str, account: str) -> str:
        """The `otpauth://` address of a seed, for a QR code. It holds the seed: never log, store or send it."""
        return pyotp.TOTP(seed, interval=STEP_SECONDS).provisioning_uri(name=account, issuer_name=ISSUER)

    def matching_step(self, seed: str, code: str, steps: Sequence[int]) -> int | None:
        """Which of these time-steps (Unix time // 30) the code belongs to, the last one if several; None: to none."""
        # Bytes are compared, so that only the six ASCII digits fit; `replace` because a surrogate cannot be encoded.
        typed = code.encode(errors="replace")
        generator = pyotp.TOTP(seed, interval=STEP_SECONDS)
        found = None
        for step in steps:
            # Whole seconds: no float, no time zone and no calendar takes part.
            expected = generator.at(step * STEP_SECONDS).encode()
            if hmac.compare_digest(expected, typed):
                found = step
        return found
