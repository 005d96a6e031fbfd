"""The keeper of one scratch mongod: a small process between it and the worker, so that nothing stays when the worker is
killed.

`python keeper.py FOLDER LOCK COMMAND…` starts the command with its output in FOLDER/log, then

1. says `pid N`, and `exit STATUS` when it has ended by itself, on its standard output;
2. when its standard input ends (also because the worker was killed), or on SIGTERM: kills the server, removes FOLDER,
   and ends. The data is a copy of a copy, so nothing is gained by an orderly shutdown;
3. on Linux the server ends with its keeper, too, whatever ends the keeper (prctl(2), PR_SET_PDEATHSIG);
4. lets the server open as many files as this machine allows, since it ends itself when it may not open one;
5. holds LOCK, an inherited descriptor with a lock on it, while it lives: a folder whose lock is free is a leftover.

It reads only the standard library and runs as a file, so that it starts in a moment. It has one thread, so running
Python between fork and exec is safe in it, as it would not be in the worker.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

_PR_SET_PDEATHSIG = 1
_TURN_SECONDS = 0.2


def main(arguments: list[str]) -> int:
    """Keeps one server until rule 2 ends it."""
    folder, _, *command = arguments
    asked: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Path(folder, "log").open("ab") as log:
            server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_ends_with_its_keeper if sys.platform == "linux" else None,
            )
        _say(f"pid {server.pid}")
        _watch(server, asked)
        if server.poll() is None:
            server.kill()
        server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _ends_with_its_keeper() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with contextlib.suppress(OSError, ValueError):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _watch(server: subprocess.Popen[bytes], asked: list[int]) -> None:
    told = False
    while not asked:
        if not told and server.poll() is not None:
            _say(f"exit {server.returncode}")
            told = True
        readable, _, _ = select.select([0], [], [], _TURN_SECONDS)
        if readable and not os.read(0, 100):
            return


def _say(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
