"""A server as a child process on loopback.

Rules:
1. It has a temporary folder of its own; all it writes, its log too, is in there.
2. `start` returns when the server is ready to serve, or raises NotReady with the end of its log.
3. `kill` is SIGKILL and keeps the folder; `restart` starts it again on the same folder and port.
4. `stop` ends it (SIGTERM, then SIGKILL) and removes the folder.
5. When the process that started it ends in any way, kill -9 too, its guard does what `stop` does.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.servers import guard
from sandbox.servers.ports import free_port


class NotReady(Exception):
    """The server did not come up in time, or ended at once; the text holds the end of its log."""


class Server(ABC):
    """One server process. What kind it is, its subclass says: the command, and when it is ready."""

    name: str
    ready_seconds: float = 30
    """How long a start may take."""
    grace_seconds: float = 5
    """How long it may take to end by itself after SIGTERM, before SIGKILL."""

    def __init__(self) -> None:
        self.port = free_port()
        self._folder: Path | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid = 0

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    def environment(self) -> dict[str, str] | None:
        """Its environment; None: this process's."""
        return None

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it serves now; False or any OSError for not yet."""

    def prepare(self) -> None:
        """Writes what the server reads at its start into `folder`."""

    @property
    def pid(self) -> int:
        """The process id of the server itself."""
        if self._pid == 0:
            raise RuntimeError(f"{self.name} has not been started")
        return self._pid

    @property
    def folder(self) -> Path:
        """Its temporary folder."""
        if self._folder is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._folder

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / f"{self.name}.log"

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its output."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def start(self) -> Self:
        """Starts it in a fresh folder and waits until it is ready. Raises NotReady; then nothing is left."""
        if self._guard is not None:
            raise RuntimeError(f"{self.name} runs already")
        self._folder = Path(tempfile.mkdtemp(prefix=f"sandbox-{self.name}-"))
        try:
            self.prepare()
            self._launch()
        except BaseException:
            self.stop()
            raise
        return self

    def kill(self) -> None:
        """Ends it by SIGKILL and waits until it has ended. Its folder stays."""
        os.kill(self.pid, signal.SIGKILL)
        self._hear("exit", 10)

    def restart(self) -> None:
        """Starts it again on the same folder and port; kills it first when it still runs."""
        if self.alive:
            self.kill()
        if self._guard is not None:
            self._tell_guard(b"release\n")
        self._launch()

    def stop(self) -> None:
        """Ends it and removes its folder. Does nothing when it is stopped already."""
        if self._guard is not None:
            self._tell_guard(b"")
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def alive(self) -> bool:
        """Whether the server process is there."""
        return self._guard is not None and is_running(self._pid)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self) -> None:
        python = [sys.executable, "-I", "-S", str(Path(guard.__file__))]
        about = [str(self.folder), str(self.log), str(self.grace_seconds)]
        self._guard = subprocess.Popen(
            [*python, *about, *self.command()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=self.environment(),
        )
        self._pid = int(self._hear("pid", 10))
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.ready_seconds
        while time.monotonic() < deadline:
            if not is_running(self._pid):
                raise NotReady(f"{self.name} ended at its start:\n{self.log_tail()}")
            try:
                if self.is_ready():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise NotReady(f"{self.name} was not ready in {self.ready_seconds} s:\n{self.log_tail()}")

    def _hear(self, word: str, seconds: float) -> str:
        """The value that the guard says after this word."""
        if self._guard is None or self._guard.stdout is None:
            raise RuntimeError(f"{self.name} has not been started")
        readable, _, _ = select.select([self._guard.stdout], [], [], seconds)
        said = os.read(self._guard.stdout.fileno(), 100).decode().split() if readable else []
        if said[:1] != [word]:
            raise NotReady(f"{self.name}: its guard said {said or 'nothing'} where {word} was due")
        return said[1]

    def _tell_guard(self, line: bytes) -> None:
        running, self._guard = self._guard, None
        if running is None or running.stdin is None or running.stdout is None:
            return
        try:
            running.stdin.write(line)
            running.stdin.close()
        except BrokenPipeError:
            pass
        try:
            running.wait(self.grace_seconds + 120)  # removing tens of thousands of files takes its time
        finally:
            running.stdout.close()


def is_running(pid: int) -> bool:
    """Whether a process of this id is there and not only waiting to be reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return sys.platform != "linux"
