"""A program the team configured: run without a shell, with no more of our environment than it needs.

- The words are split as a shell would (shlex), but nothing is expanded; `;` and `|` are ordinary characters.
- Its environment is PATH, HOME, LANG and MONGODB_URI. Its output is kept to the last 20 lines, without the URI's
  password.
- It has its own process group, which is ended when it takes too long or when whoever waits must stop.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import IO
from urllib.parse import unquote, urlsplit

from handlers.core.errors import OutsideError
from handlers.core.ports import CommandResult
from handlers.core.text import Code, Text

LINES = 20
LINE_LIMIT = 500
LIMIT_SECONDS = 15 * 60.0
TERM_SECONDS = 10.0
LOOK_SECONDS = 0.2


class ShellCommand:
    """Command (see the port) as one line of words. `uri` is given to it as MONGODB_URI."""

    def __init__(self, line: str, uri: str, *, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._line = line.strip()
        self._uri = uri
        self._limit = limit_seconds

    @property
    def line(self) -> str:
        """See the port."""
        return self._line

    def run(self, beat: Iterable[None] = ()) -> CommandResult:
        """See the port."""
        process = self._started()
        tail: deque[str] = deque(maxlen=LINES)
        reader = threading.Thread(target=_keep, args=(process.stdout, tail), daemon=True)
        reader.start()
        code: int | None = None
        try:
            code = self._wait(process, beat)
        finally:
            _end(process)
            reader.join(2)
        return CommandResult(code, self._scrubbed("\n".join(tail)))

    def _started(self) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        try:
            return subprocess.Popen(
                shlex.split(self._line),
                env={**environment, "MONGODB_URI": self._uri},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise OutsideError(
                Text("{line} cannot be started: {why}.", line=Code(self._line), why=str(error)), permanent=True
            ) from error

    def _wait(self, process: subprocess.Popen[bytes], beat: Iterable[None]) -> int | None:
        beats, rounds = iter(beat), int(self._limit / LOOK_SECONDS)
        for _ in range(max(rounds, 1)):
            with suppress(subprocess.TimeoutExpired):
                return process.wait(LOOK_SECONDS)
            next(beats, None)
        return None

    def _scrubbed(self, text: str) -> str:
        password = urlsplit(self._uri).password
        for secret in {password, unquote(password)} if password else set():
            text = text.replace(secret, "…")
        return re.sub(r"(mongodb(?:\+srv)?://)[^/@\s]+@", r"\1…@", text)


def _keep(stream: IO[bytes] | None, tail: deque[str]) -> None:
    if stream is None:
        return
    for line in iter(lambda: stream.readline(LINE_LIMIT), b""):
        tail.append(line.decode(errors="replace").rstrip("\r\n"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of its group, kindly, then by force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(TERM_SECONDS)
            return
