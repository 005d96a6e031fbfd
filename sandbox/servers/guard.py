"""The guard of one server: a small process between the server and the process that wanted it.

`python guard.py FOLDER LOG GRACE_SECONDS COMMAND…` starts the command with its output in LOG, then

1. says `pid N` on its standard output, and `exit STATUS` when the server has ended;
2. when its standard input ends, or whoever started it is gone (also by kill -9), or on SIGTERM: ends the
   server (SIGTERM, after the grace SIGKILL), removes FOLDER, and ends;
3. on the line `release`: ends only itself, once the server has ended, and leaves FOLDER for the next start;
4. on Linux the server ends with its guard, too, whatever ends the guard (prctl(2), PR_SET_PDEATHSIG).

It reads only the standard library and runs as a file, so that it starts in a moment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

_PR_SET_PDEATHSIG = 1
_TURN_SECONDS = 0.1


def main(arguments: list[str]) -> int:
    """Runs one server until rule 2 or 3 ends it."""
    folder, log, grace_seconds, *command = arguments
    asked: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    parent = os.getppid()
    server = _start(command, log)
    _say(f"pid {server.pid}")
    released = _watch(server, lambda: bool(asked) or os.getppid() != parent)
    if not released:
        _end(server, float(grace_seconds))
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _start(command: list[str], log: str) -> subprocess.Popen[bytes]:
    with Path(log).open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=_ends_with_its_guard if sys.platform == "linux" else None,
        )


def _ends_with_its_guard() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _watch(server: subprocess.Popen[bytes], over: Callable[[], bool]) -> bool:
    """Waits for the end of the watch; True when released with the server already ended."""
    told = False
    while not over():
        if not told and server.poll() is not None:
            _say(f"exit {server.returncode}")
            told = True
        readable, _, _ = select.select([0], [], [], _TURN_SECONDS)
        if readable:
            line = os.read(0, 100)
            if not line:
                return False
            if line.strip() == b"release" and server.poll() is not None:
                return True
    return False


def _end(server: subprocess.Popen[bytes], grace_seconds: float) -> None:
    if server.poll() is None and grace_seconds > 0:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(grace_seconds)
    if server.poll() is None:
        server.kill()
    server.wait()


def _say(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
