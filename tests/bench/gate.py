"""What the gate adds to a code: from the typed code to its durable verdict, against `pyotp.verify` alone.

- Real Redis, and second factors in files under a local key. Each person has confirmed something before, as in practice.
- Decided one after the other, each by another person: a code counts once.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyotp

from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.factors import StoredFactors
from bot.adapters.state_redis import RedisState
from bot.adapters.store_directory import DirectoryStore
from bot.adapters.totp import STEP_SECONDS, Totp
from handlers.core.door.approval import WORKSPACE, Decision, Gate
from handlers.core.words.answers import Actor, PersonId, Surface
from sandbox.servers.redis import RedisServer
from tests.bench.page import Section
from tests.bench.turns import percentile

PEOPLE = 500
LIMIT_MILLISECONDS = 20.0
PLAN = "b" * 64
STEP = timedelta(seconds=STEP_SECONDS)


class LaterClock(SystemClock):
    """The real one, so much ahead."""

    ahead = timedelta()

    def now(self) -> datetime:
        """See the port."""
        return super().now() + self.ahead


@dataclass(frozen=True, slots=True)
class Held:
    """A person and what is on their phone."""

    actor: Actor
    app: pyotp.TOTP


@dataclass(frozen=True, slots=True)
class Prepared:
    """A gate that everybody has passed before."""

    gate: Gate
    clock: LaterClock
    held: Sequence[Held]

    def confirmed(self) -> tuple[list[float], list[float]]:
        """Everybody confirms something, with a code that was not used yet: milliseconds until each question was open,
        and until each code was judged. Raises RuntimeError when a code is refused."""
        self.clock.ahead += 2 * STEP
        opened, judged = list[float](), list[float]()
        for each in self.held:
            begun = time.perf_counter()
            challenge = self.gate.open(each.actor, PLAN)
            opened.append((time.perf_counter() - begun) * 1000)
            code, begun = each.app.at(self.clock.now()), time.perf_counter()
            decision, why = self.gate.submit(each.actor, challenge, PLAN, code)
            judged.append((time.perf_counter() - begun) * 1000)
            if decision is not Decision.ACCEPTED:
                raise RuntimeError(f"a right code was refused: {why}")
        return opened, judged


@contextmanager
def prepared(people: int) -> Iterator[Prepared]:
    """So many people and their gate."""
    clock = LaterClock()
    with RedisServer() as redis, tempfile.TemporaryDirectory() as place:
        factors = StoredFactors(DirectoryStore(Path(place)), secrets.token_bytes(32), Totp())
        gate = Gate(RedisState(redis.url), factors, clock, SystemEntropy())
        bench = Prepared(gate, clock, [_enrolled(factors, number, clock.now()) for number in range(people)])
        bench.confirmed()  # the first time it is noted durably that the factor was used
        yield bench


def measure(people: int = PEOPLE) -> Section:
    """See the module."""
    with prepared(people) as bench:
        opened, judged = bench.confirmed()
        alone = [_verified(each.app) for each in bench.held]
    p95 = percentile(judged, 95)
    holds = "holds" if p95 < LIMIT_MILLISECONDS else "DOES NOT HOLD"
    rows = (_row("`pyotp.verify` alone", alone), _row("the question", opened), _row("the verdict on its code", judged))
    return Section(
        "gate",
        "The gate",
        f"**From a typed code to its durable verdict p95 is {p95:.1f} ms**; the promise, less than "
        f"{LIMIT_MILLISECONDS:.0f} ms, {holds}.",
        ("what", "times", "p50", "p95", "most"),
        rows,
        f"{people} people, each confirms one plan with one right code. A verdict reads and decrypts the second factor, "
        "compares the codes of two steps, and spends the code by compare-and-set in Redis, which appends it to its "
        "file. OpenBao keeps no second factors, so there is no figure for it.",
        {"alone": alone, "question": opened, "verdict": judged},
    )


def _enrolled(factors: StoredFactors, number: int, now: datetime) -> Held:
    actor = Actor(PersonId(f"U{number:010d}"), WORKSPACE, Surface.SLACK)
    seed, _ = factors.begin(actor.person, WORKSPACE)
    app = pyotp.TOTP(seed)
    factors.enroll(actor.person, WORKSPACE, seed, app.at(now - STEP), app.at(now), now)
    return Held(actor, app)


def _verified(app: pyotp.TOTP) -> float:
    code, begun = app.now(), time.perf_counter()
    if not app.verify(code, valid_window=1):
        raise RuntimeError("a right code was refused")
    return (time.perf_counter() - begun) * 1000


def _row(what: str, milliseconds: Sequence[float]) -> tuple[str, ...]:
    figures = (percentile(milliseconds, 50), percentile(milliseconds, 95), max(milliseconds))
    return (what, str(len(milliseconds)), *(f"{each:.2f} ms" for each in figures))
