"""Free TCP ports on loopback."""

from __future__ import annotations

import random
import socket

_FIRST, _LAST = 20_000, 31_999
"""Below the range that the kernel takes outgoing connections' ports from (32768 and up on Linux), so that
nothing takes a port by chance between the moment it is found free and the moment its server binds it."""

_given: set[int] = set()


def free_port(*, also: int = 0) -> int:
    """A port that nothing listens on, on 127.0.0.1; this process never gets the same one twice. `also`: so is the one
    that many further on, which then is of that range too."""
    for _ in range(1000):
        port = random.randint(_FIRST, _LAST - also)
        if port not in _given and _can_bind(port) and _can_bind(port + also):
            _given.add(port)
            return port
    raise OSError(f"no free port between {_FIRST} and {_LAST}")


def _can_bind(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
