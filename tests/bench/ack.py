"""From a slash command to its acknowledgement, while twenty backups run on the same machine.

- Measured twice: with the local Slack, which runs in this process, waiting for the processors like the bot does, and
  with it ahead of all others: a real Slack has processors of its own. Without root only the first is measured.
- The jobs beside the bot's own are as nice as the bot's worker.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

from sandbox.demo.stage import Stage
from sandbox.slack.person import Person
from tests.bench import data
from tests.bench.backups import endless
from tests.bench.page import Section
from tests.bench.turns import percentile

MEGABYTES = 300
ELSEWHERE = 19
EACH = 150
BURST = 5
COMMANDS = ("/backup help", "/backup status")
CHANNEL = "C0OPS"
PAUSE_SECONDS = 0.1
LOAD_SECONDS = 60.0
LIMIT_MILLISECONDS = 300.0
AHEAD = -10


def measure() -> Section:
    """See the module."""
    rows: list[tuple[str, ...]] = []
    worst: list[float] = []
    with Stage(planted=False) as stage:
        data.plant_orders(stage.uri, MEGABYTES)
        sara = stage.slack.person("U0SARA")
        _sent(sara, "no job", rows)
        with _busy(stage):
            worst.append(_sent(sara, f"{ELSEWHERE + 1} jobs", rows))
            usual = os.getpriority(os.PRIO_PROCESS, 0)
            if _prioritised(AHEAD):
                worst.append(_sent(sara, f"{ELSEWHERE + 1} jobs, the local Slack ahead", rows))
                _prioritised(usual)
        acks = [call for call in stage.slack.log() if call["method"] == "ack"]
    failed = sum(1 for call in acks if call["answer"]["error"] is not None)
    return Section(
        "ack",
        "From a slash command to its ack",
        f"**While {ELSEWHERE + 1} backups run, p99 is {_verdicts(worst)}**; the promise is less than "
        f"{LIMIT_MILLISECONDS:.0f} ms. "
        f"Of {len(acks)} commands {failed} were not acknowledged.",
        ("meanwhile", "sent", "commands", "p50", "p99", "most"),
        tuple(rows),
        "Measured where the person types: the way through the local Slack's page and back is in the figures. A target "
        "takes one backup at a time, so one of the jobs is the bot's own, in its worker, begun again by `/backup now` "
        f"whenever it ends; the other {ELSEWHERE} are the same job against the same database in processes of their "
        "own, as nice as its worker, each with its own mongodump, zstd, store and Redis database, one after the other "
        "without a pause. All of it, MongoDB, Redis and the local Slack included, shares the machine's "
        f"cores. The local Slack is ahead where said (niceness {AHEAD}), since the real one has processors of its own.",
    )


def _verdicts(worst: list[float]) -> str:
    """Each setting with its own verdict, the harder one first."""
    settings = ("with the local Slack on the same processors", "with the local Slack ahead of the jobs")
    return ", and ".join(
        f"{each:.0f} ms {setting} ({'holds' if each < LIMIT_MILLISECONDS else 'DOES NOT HOLD'})"
        for each, setting in zip(worst, settings, strict=False)
    )


def _sent(person: Person, meanwhile: str, rows: list[tuple[str, ...]]) -> float:
    """Sends all commands in both ways, adds the rows; the larger p99 in milliseconds."""
    larger = 0.0
    for how, send in (("one by one", _one_by_one), (f"bursts of {BURST}", _bursts)):
        times = send(person)
        larger = max(larger, percentile(times, 99))
        rows.append((meanwhile, how, *_row(times)))
        print(f"ack: {' | '.join(rows[-1])}; load {psutil.getloadavg()[0]:.0f}", flush=True)
    return larger


def _prioritised(niceness: int) -> bool:
    """Gives every thread of this process that niceness; False when that is not allowed."""
    try:
        for thread in psutil.Process().threads():
            os.setpriority(os.PRIO_PROCESS, thread.id, niceness)
    except PermissionError:
        return False
    return True


@contextmanager
def _busy(stage: Stage) -> Iterator[None]:
    """Twenty running backups."""
    over = threading.Event()
    with tempfile.TemporaryDirectory() as place:
        processes = [
            endless(stage.uri, stage.redis.url_of(number + 1), Path(place) / str(number)) for number in range(ELSEWHERE)
        ]
        own = threading.Thread(target=_keep_one_running, args=(stage, over), daemon=True)
        own.start()
        try:
            _wait_for_all(stage, processes)
            yield
            _wait_for_all(stage, processes)
        finally:
            over.set()
            own.join()
            _end(processes)


def _keep_one_running(stage: Stage, over: threading.Event) -> None:
    while not over.wait(0.2):
        if not _dumping(stage.bot.pid):
            stage.slack.person("U0OMID").command(CHANNEL, "/backup now")


def _wait_for_all(stage: Stage, processes: list[subprocess.Popen[bytes]]) -> None:
    """Until every job's mongodump was seen, or TimeoutError: then this was not the load it claims to be."""
    missing = {stage.bot.pid, *(process.pid for process in processes)}
    end = time.monotonic() + LOAD_SECONDS
    while missing:
        if time.monotonic() > end:
            raise TimeoutError(f"{len(missing)} of the jobs do not run")
        missing = {pid for pid in missing if not _dumping(pid)}
        time.sleep(0.1)


def _dumping(pid: int) -> bool:
    try:
        children = psutil.Process(pid).children(recursive=True)
        return any(child.name() == "mongodump" for child in children)
    except psutil.NoSuchProcess:
        return False


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.stdin is not None:
            process.stdin.close()
    for process in processes:
        try:
            process.wait(LOAD_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _one_by_one(person: Person) -> list[float]:
    times: list[float] = []
    for number in range(EACH):
        times.append(_send(person, number))
        time.sleep(PAUSE_SECONDS)
    return times


def _bursts(person: Person) -> list[float]:
    times: list[float] = []
    with ThreadPoolExecutor(BURST) as pool:
        for first in range(0, EACH, BURST):
            times += pool.map(lambda number: _send(person, number), range(first, first + BURST))
            time.sleep(PAUSE_SECONDS * BURST)
    return times


def _send(person: Person, number: int) -> float:
    begun = time.perf_counter()
    person.command(CHANNEL, COMMANDS[number % len(COMMANDS)])
    return (time.perf_counter() - begun) * 1000


def _row(times: list[float]) -> tuple[str, str, str, str]:
    p50, p99 = percentile(times, 50), percentile(times, 99)
    return str(len(times)), f"{p50:.0f} ms", f"{p99:.0f} ms", f"{max(times):.0f} ms"
