"""A hundred thousand events through one running bot, and what it still holds after each ten thousand.

- Nine of ten are webhooks over eight connections: 200 groups of alerts that begin, change and end. The others are
  people: commands, and App Homes that are opened.
- What a first use loads, and the highest tide of work at the same time, is over after the first half; from there on the
  memory must not grow.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psutil

from sandbox.demo.stage import Stage
from sandbox.slack.person import Person
from tests.bench.intake import CONNECTIONS, GROUPS, Sender
from tests.bench.page import Section, mebibytes
from tests.bench.plots import Curve

ROUNDS, WEBHOOKS, BY_PEOPLE = 10, 9_000, 1_000
WARM = 5
COMMANDS = ("/backup help", "/rotate status", "/runbook", "/audit", "/health help")
OPS = "C0OPS"
SETTLE_SECONDS = 5.0
MOST_GROWTH = 0.05


def measure() -> Section:
    """See the module."""
    with Stage(planted=False, more={"ALERTS_CHANNEL": "C0ALERTS"}) as stage:
        tree = psutil.Process(stage.bot.pid)
        processes = {"serve": tree, **{f"worker {each.pid}": each for each in tree.children()}}
        held: dict[str, list[int]] = {name: [] for name in processes}
        begun = time.monotonic()
        for number in range(ROUNDS):
            _round(stage, number)
            time.sleep(SETTLE_SECONDS)
            for name, process in processes.items():
                held[name].append(process.memory_info().rss)
            now = " ".join(mebibytes(each[-1]) for each in held.values())
            print(f"leak: {(number + 1) * (WEBHOOKS + BY_PEOPLE)} events, {now}", flush=True)
        seconds = time.monotonic() - begun
    return _section(held, seconds)


def _round(stage: Stage, number: int) -> None:
    """Ten thousand events."""
    sara = stage.slack.person("U0SARA")
    with ThreadPoolExecutor(CONNECTIONS + 1) as pool:
        going = [pool.submit(_webhooks, stage, which, number) for which in range(CONNECTIONS)]
        going.append(pool.submit(_people, sara))
        for each in going:
            each.result()


def _webhooks(stage: Stage, which: int, number: int) -> None:
    sender = Sender(stage.bot.port, stage.given["WEBHOOK_TOKEN"])
    for turn in range(WEBHOOKS // CONNECTIONS):
        group = (which + turn * CONNECTIONS) % GROUPS
        sender.send(group, number * WEBHOOKS + turn, alerts=1, over=(turn // (GROUPS // CONNECTIONS)) % 3 == 2)
    sender.close()


def _people(person: Person) -> None:
    for turn in range(BY_PEOPLE):
        answer = person.open_home() if turn % 10 == 0 else person.command(OPS, COMMANDS[turn % len(COMMANDS)])
        if answer.get("ok") is not True:
            raise RuntimeError(f"refused: {answer}")


def _section(held: dict[str, list[int]], seconds: float) -> Section:
    events = [(number + 1) * (WEBHOOKS + BY_PEOPLE) for number in range(ROUNDS)]
    together = [sum(column) for column in zip(*held.values(), strict=True)]
    grown = together[-1] - together[WARM - 1]
    share = grown / together[WARM - 1]
    verdict = "holds" if share <= MOST_GROWTH else "DOES NOT HOLD"
    names = [name.split()[0] for name in held]
    rows = tuple(
        (f"{count:,}", *(mebibytes(held[name][at]) for name in held), mebibytes(together[at]))
        for at, count in enumerate(events)
    )
    lines = {
        name.split()[0]: [(count, figure / 2**20) for count, figure in zip(events, values, strict=True)]
        for name, values in held.items()
    }
    return Section(
        "leak",
        "Memory over a hundred thousand events",
        f"**From event {events[WARM - 1]:,} to event {events[-1]:,} the bot's memory (RSS, summed) grows by "
        f"{grown / 2**20:.1f} MiB, {share:.1%}**; the promise, flat within {MOST_GROWTH:.0%}, {verdict}.",
        ("events", *names, "together"),
        rows,
        f"{WEBHOOKS:,} webhooks and {BY_PEOPLE:,} commands and App Homes in each of {ROUNDS} rounds, "
        f"{seconds / 60:.0f} minutes in all; memory after {SETTLE_SECONDS:.0f} s of rest. The first half counts as "
        "warming up.",
        {name.split()[0]: values for name, values in held.items()},
        {"leak-memory": Curve("Memory of the bot", "events", "MiB", lines)},
    )
