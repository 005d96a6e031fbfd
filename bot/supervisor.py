"""The supervisor: keeps one child process alive beside this one.

- A child that ends is started again, after 1 to 30 s; one that lived five minutes starts the waiting anew.
- The child reads its standard input: when this process dies, even by kill -9, the pipe closes and the child ends.
"""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Sequence
from time import monotonic

WAITS_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
SETTLED_SECONDS = 300.0
STOP_SECONDS = 40.0

_log = logging.getLogger(__name__)


class Supervisor:
    """Starts `command` and starts it again whenever it ends, until stopped."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="supervisor", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the child runs now."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the child."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the child, kindly, then by force. Returns when it is gone."""
        self._stopping.set()
        self._thread.join()

    def _keep(self) -> None:
        quick_ends = 0
        while not self._stopping.is_set():
            began = monotonic()
            process = subprocess.Popen(self._command, stdin=subprocess.PIPE)
            self._process = process
            while process.poll() is None and not self._stopping.wait(0.2):
                continue
            if self._stopping.is_set():
                break
            quick_ends = 0 if monotonic() - began > SETTLED_SECONDS else quick_ends + 1
            wait = WAITS_SECONDS[min(quick_ends, len(WAITS_SECONDS) - 1)]
            _log.error("the worker ended with %s; it starts again in %.0f s", process.returncode, wait)
            self._stopping.wait(wait)
        self._end()

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()
