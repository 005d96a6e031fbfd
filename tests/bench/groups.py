"""What open groups of alerts cost: Redis' memory, the webhook's time, the bot's processor; at 100, 1,000 and 10,000."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psutil
import redis

from sandbox.servers.bot import Bot
from sandbox.slack.server import LocalSlack
from tests.bench.arrival import CHANNELS, posted, stage
from tests.bench.dialled_bot import FASTER
from tests.bench.intake import Sender
from tests.bench.page import Section
from tests.bench.plots import Curve
from tests.bench.turns import percentile

SIZES = (100, 1_000, 10_000)
CONNECTIONS = 8
CHANGES = 1_000
PACE = 50
KILOBYTES, CHANGE = "kB of Redis, a group", "ms of processor, a change"
IDLE_SECONDS = 15.0
PATIENCE_SECONDS = 900.0


def measure(sizes: Sequence[int] = SIZES) -> Section:
    """See the module."""
    rows, measured, last = list[tuple[str, ...]](), dict[str, list[float]](), (0.0, 0.0)
    curves: dict[str, list[tuple[float, float]]] = {KILOBYTES: [], CHANGE: []}
    for size in sizes:
        with stage() as (slack, bot, token, server), redis.Redis.from_url(server.url) as state:
            before = _memory(state)
            _opened(slack, bot, token, size)
            each = (_memory(state) - before) / size
            idle = _busy(bot, IDLE_SECONDS)
            process = psutil.Process(bot.pid)
            used = sum(process.cpu_times()[:2])
            times = _changed(bot, token, size)
            change = (sum(process.cpu_times()[:2]) - used) * 1000 / CHANGES
        last = (each, idle)
        curves[KILOBYTES].append((size, each / 1000))
        curves[CHANGE].append((size, change))
        measured[f"{size} groups, milliseconds"] = times
        rows.append(
            (
                f"{size:,}",
                f"{each / 1000:.1f} kB",
                f"{idle:.1%}",
                f"{percentile(times, 50):.1f} ms",
                f"{percentile(times, 99):.1f} ms",
                f"{change:.1f} ms",
            )
        )
        print(f"groups: {' | '.join(rows[-1])}", flush=True)
    return Section(
        "groups",
        "Open groups of alerts",
        f"**An open group takes {last[0] / 1000:.1f} kB of Redis**, and {sizes[-1]:,} of them {last[1]:.1%} of a "
        "processor while nothing changes.",
        ("open groups", "Redis, each", "of a processor, nothing changes", "webhook p50", "webhook p99", "a change"),
        tuple(rows),
        f"One alert a group, each with a message of its own in one of {len(CHANNELS)} channels. Then "
        f"{IDLE_SECONDS:.0f} s of nothing, then {CHANGES:,} webhooks, {PACE} a second, each with news of another "
        "group. The last column is the bot's processor time for one of them, from the webhook to its edit in "
        f"Slack. Slack's and the bot's limits are dialled {FASTER:.0f} times up. All share the machine's cores.",
        measured,
        {"groups": Curve("What an open group costs is constant", "open groups", "", curves)},
    )


def _memory(state: redis.Redis) -> int:
    return int(state.info("memory")["used_memory"])


def _opened(slack: LocalSlack, bot: Bot, token: str, size: int) -> None:
    """Returns when every group has its message: they come so slowly that none shares a card. Raises RuntimeError when
    they take too long."""
    begun = time.monotonic()

    def run(which: int) -> None:
        sender = Sender(bot.port, token)
        for number in range(which, size, CONNECTIONS):
            time.sleep(max(0.0, begun + number / PACE - time.monotonic()))
            sender.send(number, 0, alerts=1, labels={"team": str(number % len(CHANNELS))})
        sender.close()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(run, range(CONNECTIONS)))
    end = time.monotonic() + PATIENCE_SECONDS
    while sum(1 for each in slack.log() if posted(each)) < size:
        if time.monotonic() > end:
            raise RuntimeError(f"not all of {size} groups were told")
        time.sleep(2)
    time.sleep(3)


def _busy(bot: Bot, seconds: float) -> float:
    """The share of a processor that the bot takes meanwhile."""
    process = psutil.Process(bot.pid)
    before = sum(process.cpu_times()[:2])
    time.sleep(seconds)
    return (sum(process.cpu_times()[:2]) - before) / seconds


def _changed(bot: Bot, token: str, size: int) -> list[float]:
    """Milliseconds of each webhook."""
    sender, times, begun = Sender(bot.port, token), list[float](), time.monotonic()
    for turn in range(CHANGES):
        time.sleep(max(0.0, begun + turn / PACE - time.monotonic()))
        number = turn * 7919 % size
        times.append(sender.send(number, turn + 1, alerts=1, labels={"team": str(number % len(CHANNELS))}))
    sender.close()
    return times
