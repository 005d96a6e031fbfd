"""Contenders that do the same work in turns, round after round, so that what disturbs one disturbs the others.

Before each turn everything is on the disk: who writes durably does not wait for what another has left unwritten.
"""

from __future__ import annotations

import os
import select
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

Times = Mapping[str, list[float]]


def until_closed() -> Iterator[None]:
    """One turn after the other, until standard input is closed."""
    while not select.select([sys.stdin], [], [], 0)[0]:
        yield


def in_turns(title: str, contenders: Mapping[str, Callable[[], float]], rounds: int) -> Times:
    """The seconds that each said, round by round; one round more, to warm up, comes first and is thrown away."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(-1, rounds):
        found = {name: _settled(run) for name, run in contenders.items()}
        word = "warm-up" if number < 0 else f"round {number + 1}"
        shown = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in found.items())
        print(f"  {title}, {word}: {shown}", flush=True)
        if number >= 0:
            for name, seconds in found.items():
                times[name].append(seconds)
    return times


def _settled(run: Callable[[], float]) -> float:
    os.sync()
    return run()


def ratios(times: Times, one: str, other: str) -> list[float]:
    """How many times as fast `other` was as `one`, round by round."""
    return [first / second for first, second in zip(times[one], times[other], strict=True)]


def faster(times: Times, one: str, other: str) -> str:
    """The median of those ratios and how far they went, as a cell of a table."""
    each = ratios(times, one, other)
    return f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"


def percentile(figures: Sequence[float], percent: int) -> float:
    """Of so many figures that some are above it."""
    return statistics.quantiles(figures, n=100, method="inclusive")[percent - 1]
