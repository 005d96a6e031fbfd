"""One code, typed 200 times at once into two processes: exactly one is accepted.

- Real Redis, real factors in a directory, two processes of 100 threads each that all go at one moment.
- Twenty rounds, each with a code of its own: in half of them everybody answers the same challenge, in the other half
  everybody has a challenge of their own.
- Who loses hears that the code is spent, or that Redis could not be used; nobody is ever approved with him.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from bot.adapters.clock import SystemEntropy
from bot.adapters.factors import StoredFactors
from bot.adapters.state_redis import RedisState
from bot.adapters.store_directory import DirectoryStore
from bot.adapters.totp import Totp
from handlers.core.door.approval import CHALLENGE_SECONDS, WORKSPACE, Decision, Gate, Record
from handlers.core.words.errors import OutsideError
from sandbox.demo.authenticator import code
from tests.fakes import someone

PROCESSES = 2
THREADS = 100
ROUNDS = 20
WAIT_SECONDS = 40.0
FAILED = "OutsideError"
DIGEST = "a plan"
SARA = someone("U0SARA")
BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Fixed:
    """A clock that stands still until it is set."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        raise AssertionError("the gate never sleeps")


class TornState(RedisState):
    """Compares and stores in two steps, as a state without compare-and-set would."""

    def put_if(
        self, key: str, value: bytes, version: str | None, *, seconds: int | None = None, touch: str = ""
    ) -> str | None:
        if self._version(key) != version:
            return None
        time.sleep(0.02)
        return super().put_if(key, value, self._version(key), seconds=seconds)

    def _version(self, key: str) -> str | None:
        held = self.get(key)
        return None if held is None else held.version


@dataclass(frozen=True, slots=True)
class Place:
    """Where the gate's state and factors are; the same for every process."""

    redis_url: str
    folder: Path
    master_key: bytes
    torn: bool = False

    def state(self) -> RedisState:
        return TornState(self.redis_url) if self.torn else RedisState(self.redis_url)

    def factors(self) -> StoredFactors:
        return StoredFactors(DirectoryStore(self.folder), self.master_key, Totp())

    def gate(self, clock: Fixed) -> Gate:
        return Gate(self.state(), self.factors(), clock, SystemEntropy())


@dataclass(frozen=True, slots=True)
class Round:
    """One code at one moment, and the challenge that each thread of a process answers with it."""

    moment: datetime
    code: str
    challenges: tuple[str, ...]


def compete(place: Place, orders: Connection, together: Barrier) -> None:
    """One process: for each round it is sent, what its threads were told. None ends it."""
    clock = Fixed(BEGIN)
    gate = place.gate(clock)

    def fire() -> None:
        """The last thread to come waits for the other process's last one, then all of both go."""
        together.wait(WAIT_SECONDS)

    gun = threading.Barrier(THREADS, action=fire)

    def submit(challenge: str, typed: str) -> str:
        gun.wait(WAIT_SECONDS)
        try:
            return gate.submit(SARA, challenge, DIGEST, typed)[0].value
        except OutsideError:
            return FAILED

    with ThreadPoolExecutor(THREADS) as pool:
        while (order := orders.recv()) is not None:
            clock.moment = order.moment
            orders.send(list(pool.map(submit, order.challenges, [order.code] * THREADS)))


class Race:
    """Two processes at the line, and Sara's factor."""

    def __init__(self, place: Place, seed: str, lanes: list[Connection]) -> None:
        self._lanes = lanes
        self._seed = seed
        self._clock = Fixed(BEGIN)
        self._state = place.state()
        self._gate = place.gate(self._clock)

    def run(self, number: int) -> Counter[str]:
        """One round: how often each answer was given."""
        # Far enough apart that the challenges of earlier rounds have run out.
        moment = BEGIN + timedelta(seconds=(number + 1) * 2 * CHALLENGE_SECONDS)
        self._clock.moment = moment
        typed = code(self._seed, int(moment.timestamp()) // 30)
        count = PROCESSES * THREADS if number % 2 else 1
        opened = [self._gate.open(SARA, DIGEST) for _ in range(count)]
        everybody = opened * (PROCESSES * THREADS // count)
        for lane, first in zip(self._lanes, range(0, PROCESSES * THREADS, THREADS), strict=True):
            lane.send(Round(moment, typed, tuple(everybody[first : first + THREADS])))
        told: Counter[str] = Counter()
        for lane in self._lanes:
            assert lane.poll(WAIT_SECONDS), "a process did not finish its round"
            told.update(lane.recv())
        return told

    def record(self) -> Record:
        """What the gate remembers of Sara."""
        held = self._state.get(f"gate:{SARA.person}")
        assert held is not None
        return Record.from_bytes(held.value)


@contextmanager
def race(place: Place) -> Iterator[Race]:
    """Enrols Sara and brings the processes to the line; ends them afterwards."""
    factors = place.factors()
    seed, _ = factors.begin(SARA.person, WORKSPACE)
    step = int(BEGIN.timestamp()) // 30
    factors.enroll(SARA.person, WORKSPACE, seed, code(seed, step - 1), code(seed, step), BEGIN)
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(PROCESSES)
    pipes = [context.Pipe() for _ in range(PROCESSES)]
    processes = [context.Process(target=compete, args=(place, theirs, together), daemon=True) for _, theirs in pipes]
    for process in processes:
        process.start()
    try:
        yield Race(place, seed, [ours for ours, _ in pipes])
    finally:
        for (ours, theirs), process in zip(pipes, processes, strict=True):
            ours.send(None)
            process.join(10)
            process.kill()
            process.join(10)
            process.close()
            ours.close()
            theirs.close()


@pytest.fixture
def place(redis_url: str, tmp_path: Path) -> Place:
    return Place(redis_url, tmp_path / "store", os.urandom(32))


def test_of_200_simultaneous_submissions_of_one_code_exactly_one_is_accepted(place: Place) -> None:
    with race(place) as running:
        for number in range(ROUNDS):
            told = running.run(number)
            assert told[Decision.ACCEPTED.value] == 1, f"round {number}: {told}"
            assert told.total() == PROCESSES * THREADS
            expected = {Decision.ACCEPTED.value, Decision.SPENT.value, Decision.REPLAYED.value, FAILED}
            assert set(told) <= expected, f"round {number}: {told}"
            states = Counter(each.state for each in running.record().challenges.values())
            assert states["confirmed"] == 1, f"round {number}: {states}"


def test_a_state_that_compares_and_stores_in_two_steps_is_caught_by_this_race(place: Place) -> None:
    torn = Place(place.redis_url, place.folder, place.master_key, torn=True)
    with race(torn) as running:
        winners = [running.run(number)[Decision.ACCEPTED.value] for number in (0, 2, 4)]
    assert max(winners) > 1, f"the race is too slow to show anything: {winners}"
