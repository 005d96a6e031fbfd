"""A process that is told to stop stops, whichever of its threads the kernel hands the signal to."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

import pytest

from sandbox.demo.stage import Stage
from tests.conftest import needs

STOPPED_SECONDS = 20.0


def threads(pid: int) -> list[int]:
    """All but the first one, which alone runs Python's handlers."""
    return sorted(int(each.name) for each in Path(f"/proc/{pid}/task").iterdir() if int(each.name) != pid)


@pytest.mark.timeout(120)
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux says which threads there are")
@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_that_another_thread_was_given_stops_the_bot(signal_: signal.Signals) -> None:
    for part in ("mongod", "redis-server"):
        needs(part)
    with Stage(planted=False) as stage:
        pid = stage.bot.pid
        assert ctypes.CDLL(None, use_errno=True).tgkill(pid, threads(pid)[0], signal_) == 0, os.strerror(
            ctypes.get_errno()
        )
        stage.slack.person("U0SARA").wait_for(lambda: not stage.bot.alive or None, STOPPED_SECONDS, "its end")
