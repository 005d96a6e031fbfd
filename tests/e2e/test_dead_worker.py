"""The bot as it is run: a worker that is killed is replaced, and its job's card says what is true within 30 s."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from sandbox.demo import shop, tour
from sandbox.demo.stage import Stage
from tests.conftest import needs

FOUND_SECONDS = 30.0


def children(pid: int, name: str) -> list[psutil.Process]:
    """Processes below this one whose command line has the word."""
    return [
        each for each in psutil.Process(pid).children(recursive=True) if name in each.cmdline() or each.name() == name
    ]


@pytest.mark.timeout(180)
def test_a_killed_workers_job_is_told_as_interrupted_within_thirty_seconds() -> None:
    for part in ("mongod", "redis-server", "mongodump"):
        needs(part)
    with Stage() as stage:
        sara = stage.slack.person("U0SARA")
        before = shop.picture(stage.uri)
        sara.command(tour.OPS, "/backup now")
        tour.ended(sara, "Backup of shop: ")
        (worker,) = children(stage.bot.pid, "worker")
        stopped: list[psutil.Process] = []
        # A mongodump that is stopped keeps its job at work for as long as we need.
        sara.command(tour.OPS, "/backup now")
        deadline = time.monotonic() + 20
        while not stopped and time.monotonic() < deadline:
            for each in children(worker.pid, "mongodump"):
                os.kill(each.pid, signal.SIGSTOP)
                stopped.append(each)
        assert stopped, "no mongodump was seen"
        running = sara.wait_for_message(tour.OPS, lambda message: "Backup of shop: running" in tour.words(message), 20)
        killed_at = time.monotonic()
        worker.kill()
        for each in stopped:
            each.kill()
        card = sara.wait_for_message(
            tour.OPS, lambda message: "Backup of shop: interrupted" in tour.words(message), FOUND_SECONDS + 5
        )
        assert time.monotonic() - killed_at < FOUND_SECONDS
        assert card["ts"] == running["ts"]
        assert "No backup was kept" in tour.words(card)
        assert shop.picture(stage.uri) == before
        sara.command(tour.OPS, "/backup now")
        sara.wait_for(
            lambda: [each for each in sara.messages(tour.OPS) if "Backup of shop: done" in tour.words(each)][1:],
            30,
            "a backup by the next worker",
        )
