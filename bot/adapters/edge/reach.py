"""Which ports take a connection, on every address, side by side."""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Mapping, Sequence

from handlers.core.health.vitals import Reached

_WAITING = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK})
_UNREACHED = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def reached(addresses: Sequence[str], ports: Sequence[int], seconds: float) -> Mapping[int, Mapping[str, Reached]]:
    """By port and address. What has not answered when the time is over is silent."""
    found: dict[int, dict[str, Reached]] = {port: dict.fromkeys(addresses, "silent") for port in ports}
    end = time.monotonic() + seconds
    tried: list[socket.socket] = []
    with selectors.DefaultSelector() as waiting:
        try:
            for port in ports:
                for address in addresses:
                    found[port][address] = _begun(waiting, tried, address, port)
            while waiting.get_map() and (left := end - time.monotonic()) > 0:
                for key, _ in waiting.select(left):
                    port, address, connection = key.data
                    found[port][address] = _named(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                    waiting.unregister(connection)
        finally:
            for connection in tried:
                connection.close()
    return found


def _begun(waiting: selectors.BaseSelector, tried: list[socket.socket], address: str, port: int) -> Reached:
    try:
        connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return "untried"
    tried.append(connection)
    connection.setblocking(False)  # noqa: FBT003 the library's own
    code = connection.connect_ex((address, port))
    if code in _WAITING:
        waiting.register(connection, selectors.EVENT_WRITE, (port, address, connection))
        return "silent"
    return _named(code)


def _named(code: int) -> Reached:
    if code == 0:
        return "open"
    if code == errno.ECONNREFUSED:
        return "refused"
    return "untried" if code in _UNREACHED else "silent"
