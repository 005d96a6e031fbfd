"""Addresses outside, as real web servers of the tests."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Answers(BaseHTTPRequestHandler):
    """What a server does with a request, without a word of it on the terminal."""

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 the base class's name
        """Says nothing."""


class Served:
    """A web server on loopback, while it is entered."""

    def __init__(self, answers: type[Answers]) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class Outside(Served):
    """What the bot is to ask: it notes each question and when. `status`: what it answers."""

    def __init__(self) -> None:
        self.asked, self.times, self.status = list[str](), list[float](), 200
        outside = self

        class Noting(Answers):
            def do_GET(self) -> None:
                outside.asked.append(self.path)
                outside.times.append(time.monotonic())
                self.send_response(outside.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

        super().__init__(Noting)
        self.url += "/s3cret-key"
