"""The memory of `python -m bot run` with nothing to do: the serving process and the worker."""

from __future__ import annotations

import time

import psutil

from sandbox.demo.stage import Stage
from tests.bench.page import Section, mebibytes

SETTLE_SECONDS = 5.0
IDLE_SECONDS = 20.0
LIMIT_BYTES = 150 * 1024 * 1024


def measure() -> Section:
    """See the module."""
    with Stage() as stage:
        time.sleep(SETTLE_SECONDS)
        tree = psutil.Process(stage.bot.pid)
        processes = [tree, *tree.children(recursive=True)]
        before = [sum(process.cpu_times()[:2]) for process in processes]
        time.sleep(IDLE_SECONDS)
        after = [sum(process.cpu_times()[:2]) for process in processes]
        figures = [_figures(process) for process in processes]
        names = ["worker" if "worker" in process.cmdline() else "serve" for process in processes]
    rows = [
        (name, *map(mebibytes, each), f"{(end - begin) / IDLE_SECONDS:.1%}")
        for name, each, begin, end in zip(names, figures, before, after, strict=True)
    ]
    total = [sum(column) for column in zip(*figures, strict=True)]
    rows.append(("together", *map(mebibytes, total), f"{(sum(after) - sum(before)) / IDLE_SECONDS:.1%}"))
    for row in rows:
        print(f"idle: {' | '.join(row)}", flush=True)
    return Section(
        "idle",
        "Memory of an idle bot",
        f"**{mebibytes(total[1])} of memory (PSS; the sum of RSS, which counts shared pages twice, is "
        f"{mebibytes(total[0])})**; the promise, less than {mebibytes(LIMIT_BYTES)}, "
        f"{_verdict(total[0], total[1])}.",
        ("process", "RSS", "PSS", "USS", "of a processor"),
        tuple(rows),
        f"`python -m bot run`, connected to the local Slack, Redis and MongoDB, {IDLE_SECONDS:.0f} s with nothing "
        "to do. Each figure is the sum over the processes of the tree.",
    )


def _verdict(rss: int, pss: int) -> str:
    if rss < LIMIT_BYTES:
        return "holds for both"
    if pss >= LIMIT_BYTES:
        return f"DOES NOT HOLD, by {mebibytes(pss - LIMIT_BYTES)}"
    return (
        f"holds for PSS only: the sum of RSS misses it by {mebibytes(rss - LIMIT_BYTES)}, since the libraries that "
        "both processes map are counted once for each"
    )


def _figures(process: psutil.Process) -> tuple[int, int, int]:
    """RSS, PSS, USS."""
    found = process.memory_full_info()
    return found.rss, getattr(found, "pss", found.rss), found.uss
