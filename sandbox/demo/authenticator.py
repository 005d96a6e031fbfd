"""An authenticator app for who has no phone at hand: shows the code of a key.

`python -m sandbox.demo.authenticator KEY`. RFC 6238: HMAC-SHA-1 over the half minute, six digits (RFC 4226 §5.3).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import sys
import time

STEP_SECONDS = 30


def code(key: str, step: int) -> str:
    """The code of a time-step (Unix time // 30)."""
    secret = base64.b32decode(key.replace(" ", "").upper())
    mac = hmac.new(secret, struct.pack(">Q", step), hashlib.sha1).digest()
    start = mac[-1] & 15
    (number,) = struct.unpack(">I", mac[start : start + 4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06d}"


def step_now() -> int:
    """The current time-step."""
    return int(time.time()) // STEP_SECONDS


def main() -> int:
    """Prints the code of now and how long it is good."""
    if len(sys.argv) != 2:
        print("python -m sandbox.demo.authenticator KEY", file=sys.stderr)
        return 2
    left = STEP_SECONDS - int(time.time()) % STEP_SECONDS
    print(f"{code(sys.argv[1], step_now())}  (for {left} s)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
