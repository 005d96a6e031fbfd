"""What the servers with a web address share: whether an address answers."""

from __future__ import annotations

import http.client


def answers(port: int, path: str, method: str = "GET") -> bool:
    """Whether a path on a loopback port answers 200 within two seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request(method, path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
