"""A server that takes connections and never says a word, as one behind a firewall that drops what it does not like."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

BACKLOG = 1024


@contextmanager
def black_hole() -> Iterator[int]:
    """Its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as hole:
        yield hole.getsockname()[1]
