"""Many slow commands at once: when each is acknowledged by the bot, and when by a plain Bolt application.

- A system that takes connections and never answers makes `/health` slow here; there the listener sleeps.
- Slack gives three seconds, and then tells the person that it did not work.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sandbox.demo.stage import MANIFEST, Stage
from sandbox.servers.black_hole import black_hole
from sandbox.slack.server import LocalSlack
from tests.bench.page import Section
from tests.bench.plots import Bars
from tests.bench.turns import percentile

COMMANDS = 60
AT_ONCE = 20
CHANNEL = "C0OPS"
WORK_SECONDS = 6.0
PAUSE_SECONDS = 0.05
OURS, PEER = "negahban", "plain Bolt, default executor"


def measure(commands: int = COMMANDS) -> Section:
    """See the module."""
    with black_hole() as port, Stage(planted=False, more={"PROMETHEUS_URL": f"http://127.0.0.1:{port}"}) as stage:
        ours, lost = _sent(stage.slack, commands)
    with LocalSlack(manifest=MANIFEST) as slack, _plain(slack):
        theirs, theirs_lost = _sent(slack, commands)
    return Section(
        "slow",
        "Slow commands at once",
        f"**Of {commands} commands of {WORK_SECONDS:.0f} s each, {AT_ONCE} at once, all but {lost} were acknowledged "
        f"in time here, p99 after {percentile(ours, 99):.0f} ms**; a plain Bolt application with its default executor "
        f"left {theirs_lost} without an answer.",
        ("side", "commands", "p50", "p99", "most", "not acknowledged within 3 s"),
        (_row(OURS, ours, lost), _row(PEER, theirs, theirs_lost)),
        "`/health metrics` against a Prometheus that never answers, and a listener that acknowledges and then sleeps. "
        "Measured where the person types; those that were not acknowledged count with the time after which Slack gave "
        "up.",
        {OURS: ours, PEER: theirs},
        {
            "slow": Bars(
                f"Acks of {commands} slow commands",
                "ms until the ack (Slack gives 3,000)",
                {OURS: ours, PEER: theirs},
                frozenset({OURS}),
                3000.0,
            )
        },
    )


def _sent(slack: LocalSlack, commands: int) -> tuple[list[float], int]:
    """Milliseconds of each command, and how many were not acknowledged."""

    def send(number: int) -> float:
        time.sleep(number % AT_ONCE * PAUSE_SECONDS)
        begun = time.perf_counter()
        slack.person("U0SARA").command(CHANNEL, "/health metrics")
        return (time.perf_counter() - begun) * 1000

    with ThreadPoolExecutor(AT_ONCE) as pool:
        times = list(pool.map(send, range(commands)))
    acks = [call for call in slack.log() if call["method"] == "ack"]
    lost = commands - sum(1 for call in acks if call["answer"]["error"] is None)
    print(f"slow: {_row('', times, lost)}", flush=True)
    return times, lost


@contextmanager
def _plain(slack: LocalSlack) -> Iterator[None]:
    given = {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "SLACK_API_URL": slack.api_url,
        "PATH": os.environ["PATH"],
    }
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.plain_bolt"], env=given, stderr=subprocess.DEVNULL)
    try:
        slack.wait_for_connections(1)
        yield
    finally:
        process.kill()
        process.wait()


def _row(side: str, times: Sequence[float], lost: int) -> tuple[str, ...]:
    figures = (percentile(times, 50), percentile(times, 99), max(times))
    return (side, str(len(times)), *(f"{each:.0f} ms" for each in figures), str(lost))
