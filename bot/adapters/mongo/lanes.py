"""Lanes: small steps that wait for the server, a few at a time.

- A change of one collection takes the server a moment, and then a majority of the replica set must have it on disk:
  those who wait together are written together.
- What is raised first is raised, when everything that was begun has ended; nothing else begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")
LANES = 8


def together(steps: Iterable[Callable[[], None]], hold: Callable[[], object]) -> None:
    """Takes every step, in any order. `hold` is asked before each and may raise."""
    running: set[Future[None]] = set()
    with ThreadPoolExecutor(LANES, thread_name_prefix="step") as lanes:
        for step in steps:
            if len(running) == LANES:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for each in done:
                    each.result()
            hold()
            running.add(lanes.submit(step))
    for each in running:
        each.result()


def mapped(make: Callable[[Given], Made], given: Iterable[Given]) -> Iterator[Made]:
    """What is made of each, in their order."""
    with ThreadPoolExecutor(LANES, thread_name_prefix="look") as lanes:
        yield from lanes.map(make, given)
