"""The bot itself as a server process: `python -m bot run`, with an environment of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from sandbox.parts import search_path
from sandbox.servers.http import answers
from sandbox.servers.process import Server


class Bot(Server):
    """One `python -m bot COMMAND`. `given`: its settings, as environment variables."""

    name = "bot"
    grace_seconds = 45

    def __init__(self, given: Mapping[str, str], command: str = "run") -> None:
        super().__init__()
        self._given = dict(given)
        self._command = command

    def environment(self) -> dict[str, str]:
        """PATH with MongoDB's tools, HOME, and what was given."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        here = {"HTTP_PORT": str(self.port), "BOT_URL": f"http://127.0.0.1:{self.port}"}
        return {**kept, "PATH": search_path(), **here, "LOG_FORMAT": "text", **self._given}

    def command(self) -> list[str]:
        """The same Python that runs us."""
        return [sys.executable, "-m", "bot", self._command]

    def is_ready(self) -> bool:
        """Slack and Redis are reached; a worker alone has no address and is ready when it says so."""
        if self._command == "worker":
            return "the worker is ready" in self.log_tail()
        return answers(self.port, "/readyz")
