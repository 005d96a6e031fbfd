"""What more replicas of the serving process bring: webhooks taken in by one, two and four, and what each costs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle, islice

import psutil

from sandbox.demo.stage import Stage
from sandbox.servers.bot import Bot
from tests.bench.intake import A_MESSAGE, GROUPS, Sender
from tests.bench.page import Section, mebibytes
from tests.bench.plots import Curve
from tests.bench.turns import percentile

SIZES, CONNECTIONS, SECONDS = (1, 2, 4), 8, 10.0
SETTINGS = {"ALERTS_STORM": "100", "ALERTS_CHANNEL": "C0ALERTS"}


def measure(sizes: Sequence[int] = SIZES) -> Section:
    """See the module."""
    rows, measured = list[tuple[str, ...]](), dict[str, list[float]]()
    rates, memories = list[tuple[float, float]](), list[tuple[float, float]]()
    for size in sizes:
        with ExitStack() as ending:
            stage = ending.enter_context(Stage(planted=False, more=SETTINGS))
            bots = [ending.enter_context(Bot(stage.given, "serve")) for _ in range(size)]
            times, took = _sent(bots, stage.given["WEBHOOK_TOKEN"])
            memory = sum(psutil.Process(bot.pid).memory_full_info().pss for bot in bots)
        rate = len(times) * A_MESSAGE / took
        rates.append((size, rate))
        memories.append((size, memory / 2**20))
        measured[f"{size} replicas, milliseconds"] = times
        spread = (f"{percentile(times, each):.1f} ms" for each in (50, 99))
        rows.append((str(size), f"{rate:,.0f}", *spread, mebibytes(memory)))
        print(f"replicas: {' | '.join(rows[-1])}", flush=True)
    most, least = rates[-1], rates[0]
    return Section(
        "replicas",
        "Replicas",
        f"**{most[0]:.0f} replicas take in {most[1] / least[1]:.2f} times as many alerts a second as one**, on "
        f"{psutil.cpu_count()} cores that they share with Redis and whoever sends; each takes "
        f"{(memories[-1][1] - memories[0][1]) / (most[0] - least[0]):.0f} MiB more.",
        ("replicas", "alerts a second", "p50", "p99", "memory (PSS), all of them"),
        tuple(rows),
        f"`negahban serve`, beside a `run` that relays too. {CONNECTIONS} connections that are kept, shared out "
        f"evenly, as fast as they can for {SECONDS:.0f} s; {A_MESSAGE} alerts a webhook, {GROUPS} groups that change "
        "all the time. What bends the curve here is the machine's cores: every webhook is one script of one Redis, "
        "and the replicas share nothing else.",
        measured,
        {
            "replicas-rate": Curve("Alerts taken in", "replicas", "alerts a second", {"negahban serve": rates}),
            "replicas-memory": Curve("Memory is linear", "replicas", "MiB (PSS)", {"negahban serve": memories}),
        },
    )


def _sent(bots: Sequence[Bot], token: str) -> tuple[list[float], float]:
    """Milliseconds of each webhook, and the seconds of all."""
    begun = time.monotonic()

    def run(place: tuple[int, Bot]) -> list[float]:
        which, bot = place
        sender, times, turn = Sender(bot.port, token), list[float](), 0
        while time.monotonic() - begun < SECONDS:
            turn += 1
            times.append(sender.send((which + turn * CONNECTIONS) % GROUPS, turn))
        sender.close()
        return times

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        found = [each for times in pool.map(run, enumerate(islice(cycle(bots), CONNECTIONS))) for each in times]
    return found, time.monotonic() - begun
