"""What is ordered of a local AWS: faults, and how often each operation was asked for."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sandbox.aws.signature import Environ


class Orders:
    """Of all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[dict[str, Any]] = []
        self._served: Counter[str] = Counter()

    def due(self, operation: str) -> dict[str, Any] | None:
        """Counts a request; the fault that was ordered for it."""
        with self._lock:
            self._served[operation] += 1
            for fault in self._faults:
                if fault["operation"] != operation or fault["times"] == 0:
                    continue
                if fault["skip"] > 0:
                    fault["skip"] -= 1
                    continue
                fault["times"] -= 1
                return fault
        return None

    def control(self, action: str, value: Any) -> tuple[str, list[tuple[str, str]], bytes]:
        """What `Aws` asks of its child."""
        result: Any = None
        with self._lock:
            match action:
                case "served":
                    result = dict(+self._served)
                case "heal":
                    self._faults.clear()
                    self._served.clear()
                case "fault":
                    self._faults.append(value)
                case _:
                    return "404 Not Found", [], b"no such control"
        return "200 OK", [("Content-Type", "application/json")], json.dumps(result).encode()


def cut_off(environ: Environ, data: bytes | None = None) -> Iterator[bytes]:
    """The answer's head with these bytes (None: not even that), and then the end of the connection."""
    if data is not None:
        yield data
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("as it was ordered")
