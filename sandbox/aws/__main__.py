"""`python -m sandbox.aws PORT KEYS_FILE`: serves until it is ended."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from sandbox.aws.gate import SKEW, Gate


class Handler(MotoRequestHandler):
    """Dates its answers as the gate says."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """See http.server."""
        skew_seconds: float = getattr(self, "environ", {}).get(SKEW, 0)
        said: str = super().date_time_string((timestamp or time.time()) + skew_seconds)
        return said


def main(port: int, keys: Path) -> None:
    """Serves on loopback, one thread a request."""
    access_key, secret_key = json.loads(keys.read_text())
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    gate = Gate(DomainDispatcherApplication(create_backend_app), access_key, secret_key)
    make_server("127.0.0.1", port, gate, threaded=True, request_handler=Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
