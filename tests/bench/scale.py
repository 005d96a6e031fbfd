"""An hour of one workspace in simulated time: the very relay, its budget, the alerts and their books, at growing loads.

- Simulated are the clock, the memory (one dictionary in place of Redis) and Slack, which refuses what is above its
  documented limits and takes 100 ms. Everything between a webhook's body and the call to Slack is what runs for real.
- Workspaces share nothing, neither limits nor keys: what holds for one holds for a hundred.
- Alerts begin at random, live about ten minutes, change once in between, and each is told as over.
"""

from __future__ import annotations

import heapq
import json
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from bot.adapters.clock import SystemEntropy
from bot.relay import Relay
from bot.relay.budget import EDITS_A_MINUTE, SHARES
from bot.relay.loop import CHANGED, GAP_SECONDS, GAP_SHARE
from bot.slack.blocks import draw
from handlers.alerts import AlertBoard, Alerts, StormBoard
from handlers.core.alerts import notices
from handlers.core.alerts.ledger import Ledger
from handlers.core.alerts.routes import Route, read
from handlers.core.ports import Held
from handlers.core.words.cards import Card
from handlers.core.words.postings import Document
from handlers.core.words.text import Text
from handlers.core.words.tongues import ENGLISH, Tongue
from tests.bench.page import Section, mebibytes
from tests.bench.plots import Curve
from tests.bench.turns import percentile

LOADS = (1_000, 3_000, 10_000, 30_000)
"""Alerts an hour in the workspace."""
TARGETS, GROUPS, A_GROUP, LIFE_SECONDS = 10, 5_000, 5, 600.0
HOUR_SECONDS, WARM_SECONDS, PATIENCE_SECONDS, SAMPLE_SECONDS = 3600.0, 600.0, 900.0, 5.0
SLACK_SECONDS, SENDERS = 0.1, 3
WORKSPACES, ALL_AN_HOUR = 100, 1_000_000
ALERT_EDITS = EDITS_A_MINUTE * SHARES[CHANGED]
"""What is left for what the workspace has seen already: the rest is kept for answers and ends."""
SLACK_EDITS, SLACK_POSTS = 50, 300
"""Slack's own limits a minute, of which the budget is 80 %."""
SEED = 20


def measure() -> Section:
    """See the module."""
    found = {load: lived(load) for load in LOADS}
    asked = found[ALL_AN_HOUR // WORKSPACES]
    cores = asked.processor * WORKSPACES / HOUR_SECONDS
    return Section(
        "scale",
        "A thousand targets",
        f"**{ALL_AN_HOUR:,} alerts an hour over {WORKSPACES} workspaces of {TARGETS} targets are {asked.load:,} an "
        f"hour in each: half of the time nothing waits longer than {asked.waited(50):.0f} s to be shown, p99 "
        f"{asked.waited(99):.0f} s; {cores:.2f} processors for all workspaces together, and "
        f"{asked.memory * WORKSPACES / 2**20:.0f} MiB of Redis.** What bends first is Slack's limit of edits: "
        f"of the budget's {EDITS_A_MINUTE} a minute the news of alerts may take {ALERT_EDITS:.0f}, and where the third "
        "column stands at that, cards are late while nothing is lost.",
        (
            "alerts an hour",
            "messages a minute",
            "edits a minute",
            "refused by Slack",
            "oldest unshown change: p50",
            "p99",
            "all shown after",
            "processor",
            "state",
        ),
        tuple(each.row() for each in found.values()),
        f"{HOUR_SECONDS / 60:.0f} simulated minutes after {WARM_SECONDS / 60:.0f} to warm up, seed {SEED}. {A_GROUP} "
        f"alerts a group; {GROUPS:,} groups that fire again and again, of {TARGETS} targets with a channel each; "
        "ALERTS_STORM as shipped. Processor: of all that is real here, for the simulated hour, without Redis and HTTP. "
        "All shown after: from the last webhook.",
        {f"{load} alerts an hour, seconds": each.samples for load, each in found.items()},
        {
            "scale-edits": Curve(
                "Edits are what is used up",
                "alerts an hour in a workspace",
                "a minute",
                {
                    "edits": [(load, each.edits_a_minute) for load, each in found.items()],
                    "messages": [(load, each.posts_a_minute) for load, each in found.items()],
                },
                ALERT_EDITS,
            ),
            "scale-late": Curve(
                "How long the oldest change waits",
                "alerts an hour in a workspace",
                "seconds",
                {f"p{percent}": [(load, each.waited(percent)) for load, each in found.items()] for percent in (50, 99)},
            ),
        },
    )


@dataclass
class SimulatedClock:
    """Time that passes when something takes time."""

    passed: float = 0.0
    started: datetime = datetime(2026, 11, 24, 3, tzinfo=UTC)

    def now(self) -> datetime:
        """See the port."""
        return self.started + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        """See the port."""
        return self.passed

    def sleep(self, seconds: float) -> None:
        """See the port."""
        self.passed += seconds


@dataclass
class SimulatedState:
    """A dictionary, with what begins alike found at once."""

    clock: SimulatedClock
    held: dict[str, Held] = field(default_factory=dict)
    until: dict[str, float] = field(default_factory=dict)
    alike: dict[str, dict[str, None]] = field(default_factory=dict)
    count: int = 0

    def get(self, key: str) -> Held | None:
        """See the port."""
        if self.until.get(key, self.clock.passed + 1) <= self.clock.passed:
            self._drop(key)
        return self.held.get(key)

    def put_if(
        self, key: str, value: bytes, version: str | None, *, seconds: int | None = None, touch: str = ""
    ) -> str | None:
        """See the port."""
        known = self.get(key)
        if (None if known is None else known.version) != version:
            return None
        self.count += 1
        new = f"v{self.count}"
        for each, content in ((key, value), (touch, b"")) if touch else ((key, value),):
            self.held[each] = Held(bytes(content), new)
            self.alike.setdefault(_kind(each), {})[each] = None
            self.until.pop(each, None)
            if seconds is not None:
                self.until[each] = self.clock.passed + seconds
        return new

    def delete_if(self, key: str, version: str) -> bool:
        """See the port."""
        known = self.get(key)
        if known is None or known.version != version:
            return False
        self._drop(key)
        return True

    def keys(self, prefix: str) -> tuple[str, ...]:
        """See the port."""
        among = self.alike.get(_kind(prefix), {}) if ":" in prefix else self.held
        return tuple(sorted(key for key in tuple(among) if key.startswith(prefix) and self.get(key) is not None))

    def incarnation(self) -> str:
        """See the port."""
        return "one"

    def size(self) -> int:
        """Bytes of keys and values."""
        return sum(len(key) + len(each.value) for key, each in self.held.items())

    def _drop(self, key: str) -> None:
        self.held.pop(key, None)
        self.until.pop(key, None)
        self.alike.get(_kind(key), {}).pop(key, None)


def _kind(key: str) -> str:
    return key.partition(":")[0]


class SimulatedSlack:
    """Counts, and what would be too much as well. `limited` is 0 when the budget keeps what it promises."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._recent: dict[str, deque[float]] = {"posts": deque(), "edits": deque()}
        self.posts = self.edits = self.limited = 0

    def digest(self, card: Card, tongue: Tongue = ENGLISH) -> str:
        """See the port."""
        return draw(card, tongue).digest

    def post(
        self, channel: str, said: Card | Text, mark: str, thread: str | None = None, tongue: Tongue = ENGLISH
    ) -> str:
        """See the port."""
        self.posts += 1
        self._called("posts", SLACK_POSTS)
        return f"{self._clock.passed:.6f}"

    def update(self, channel: str, ts: str, card: Card, tongue: Tongue = ENGLISH) -> None:
        """See the port."""
        self.edits += 1
        self._called("edits", SLACK_EDITS)

    def find(self, channel: str, mark: str, near: datetime, thread: str | None = None) -> str | None:
        """See the port."""
        return None

    def attach(self, channel: str, document: Document, thread: str) -> None:
        """See the port."""

    def attached(self, channel: str, name: str, near: datetime, thread: str) -> str | None:
        """See the port."""
        return None

    def address(self, channel: str, ts: str) -> str:
        """See the port."""
        return f"https://example.slack.com/archives/{channel}/p{ts}"

    def direct(self, person: str) -> str:
        """See the port."""
        return person

    def _called(self, kind: str, limit: int) -> None:
        self._clock.passed += SLACK_SECONDS / SENDERS  # so many are on their way at a time
        recent = self._recent[kind]
        recent.append(self._clock.passed)
        while recent[0] <= self._clock.passed - 60:
            recent.popleft()
        self.limited += len(recent) > limit


@dataclass
class Lived:
    """What a load came to in an hour. `processor`: seconds of it; `memory`: bytes."""

    load: int
    posts_a_minute: float
    edits_a_minute: float
    limited: int
    samples: list[float]
    shown_after: float | None
    processor: float
    memory: int

    def waited(self, percent: int) -> float:
        """Seconds that the oldest change had waited, in so many of a hundred looks at most."""
        return percentile(self.samples, percent)

    def row(self) -> tuple[str, ...]:
        """For the table."""
        after = (
            f"not within {PATIENCE_SECONDS / 60:.0f} min" if self.shown_after is None else f"{self.shown_after:.0f} s"
        )
        counts = (f"{self.load:,}", f"{self.posts_a_minute:.1f}", f"{self.edits_a_minute:.1f}", str(self.limited))
        waits = (f"{self.waited(50):.0f} s", f"{self.waited(99):.0f} s", after)
        return (*counts, *waits, f"{self.processor:.1f} s", mebibytes(self.memory))


def lived(load: int) -> Lived:
    """One workspace for an hour at this load."""
    clock = SimulatedClock()
    state, slack = SimulatedState(clock), SimulatedSlack(clock)
    ledger = Ledger(state)
    alerts = Alerts(ledger, clock, SystemEntropy())
    rules = [{"match": {"target": f"target-{number}"}, "channel": f"C0T{number}"} for number in range(TARGETS)]
    routes, _ = read({"routes": rules}, Route("C0OPS"))
    board = AlertBoard(alerts, ledger, routes, "C0OPS", clock)
    relay = Relay({"alert": board, "book": StormBoard(ledger, "C0OPS")}, state, slack, clock)
    coming = list(_happening(load, random.Random(SEED)))
    heapq.heapify(coming)
    samples, began = list[float](), 0.0
    due, counted = WARM_SECONDS, (0, 0)
    end = WARM_SECONDS + HOUR_SECONDS
    while clock.passed < end:
        while coming and coming[0][0] <= clock.passed:
            alerts.take_in(notices.read(heapq.heappop(coming)[2](clock.started), "default"))
        if not began and clock.passed >= WARM_SECONDS:
            began, counted = time.process_time(), (slack.posts, slack.edits)
        if clock.passed >= due:
            samples.append(relay.oldest_unsent_seconds())
            due += SAMPLE_SECONDS
        _looked(clock, relay, coming[0][0] if coming else end)
    processor = time.process_time() - began
    posts, edits = slack.posts - counted[0], slack.edits - counted[1]
    memory = state.size()
    found = Lived(
        load,
        60 * posts / HOUR_SECONDS,
        60 * edits / HOUR_SECONDS,
        slack.limited,
        samples,
        _settled(clock, state, relay),
        processor,
        memory,
    )
    print(f"scale: {' | '.join(found.row())}", flush=True)
    return found


def _looked(clock: SimulatedClock, relay: Relay, until: float) -> None:
    """One pass and the pause after it, as the relay's own thread keeps it: three times what the pass took."""
    began = time.process_time()
    wait = relay.tick()
    took = time.process_time() - began
    clock.passed += took + max(GAP_SECONDS, GAP_SHARE * took, min(wait, until - clock.passed))


def _settled(clock: SimulatedClock, state: SimulatedState, relay: Relay) -> float | None:
    """Seconds until everything is shown; None: it takes more than an hour."""
    began = clock.passed
    while state.keys("dirty:"):
        if clock.passed - began > PATIENCE_SECONDS:
            return None
        _looked(clock, relay, clock.passed + 1)
    return clock.passed - began


Event = tuple[float, int, Callable[[datetime], bytes]]


def _happening(load: int, draw_: random.Random) -> Iterator[Event]:
    """Begin, change and end of each group; so many alerts an hour all told."""
    at, count, groups_a_second = 0.0, 0, load / A_GROUP / HOUR_SECONDS
    quiet_from = [0.0] * GROUPS
    while (at := at + draw_.expovariate(groups_a_second)) < WARM_SECONDS + HOUR_SECONDS:
        life = draw_.expovariate(1 / LIFE_SECONDS)
        number = next(each for each in iter(partial(draw_.randrange, GROUPS), None) if quiet_from[each] <= at)
        quiet_from[number] = at + life + 1
        for turn, share in enumerate((0.0, draw_.random(), 1.0)):
            count += 1
            yield at + share * life, count, _told(number, at, turn, at + life)


def _told(number: int, began: float, turn: int, ended: float) -> Callable[[datetime], bytes]:
    def body(started: datetime) -> bytes:
        over = turn == 2
        labels = {"alertname": f"Rule{number}", "target": f"target-{number % TARGETS}"}
        told = [
            {
                "status": "resolved" if over else "firing",
                "labels": {**labels, "instance": f"host-{each}", "severity": "warning"},
                "annotations": {"summary": f"p95 is {800 + turn} ms, above 800 ms"},
                "startsAt": (started + timedelta(seconds=began)).isoformat(),
                "endsAt": (started + timedelta(seconds=ended)).isoformat() if over else "0001-01-01T00:00:00Z",
            }
            for each in range(A_GROUP)
        ]
        status = "resolved" if over else "firing"
        message = {"version": "4", "status": status, "receiver": "slack", "groupLabels": labels, "alerts": told}
        return json.dumps(message).encode()

    return body
