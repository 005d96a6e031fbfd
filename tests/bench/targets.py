"""`/health all` of 1, 10 and 50 targets asked for at once, all of them by one process: how the time grows, and why.

- Each target is a database with a bot's house of its own (state, store, record), as the worker of each would have it.
- Real parts: MongoDB, Redis, Prometheus, and a web server at the edge, which all of the targets share.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bot import settings
from bot.wiring.entrance import Nobody
from bot.wiring.house import build
from bot.worker import Beat
from handlers.core.door.approval import WORKSPACE
from handlers.core.door.desk import Began, Desk
from handlers.core.words.answers import Actor, Invocation, PersonId, Surface
from handlers.core.words.jobs import JobState
from sandbox.servers.mongod import Mongod
from sandbox.servers.nginx import Nginx
from sandbox.servers.prometheus import Prometheus
from sandbox.servers.redis import RedisServer
from tests.bench.backups import environment
from tests.bench.health import SITE
from tests.bench.page import Section
from tests.bench.plots import Curve
from tests.bench.turns import percentile

COUNTS = (1, 10, 50)
ROUNDS = 5
LIMIT_SECONDS = 8.5


def measure(counts: Sequence[int] = COUNTS, rounds: int = ROUNDS) -> Section:
    """See the module."""
    rows, measured, spent = list[tuple[str, ...]](), dict[str, list[float]](), 0.0
    points: list[tuple[float, float]] = []
    with prepared(max(counts)) as desks:
        for count in counts:
            times, spent = _looked(desks[:count], rounds)
            measured[f"{count} targets, seconds"] = times
            p95 = percentile(times, 95)
            points.append((count, p95))
            figures = (f"{each:.2f} s" for each in (statistics.median(times), p95, max(times)))
            rows.append((str(count), str(len(times)), *figures, f"{spent * 1000:.0f} ms"))
            print(f"targets: {' | '.join(rows[-1])}", flush=True)
    holds = "holds" if points[-1][1] < LIMIT_SECONDS else "DOES NOT HOLD"
    return Section(
        "targets",
        "/health of many targets at once",
        f"**{counts[-1]} targets asked about at the same moment have their cards after {points[-1][1]:.1f} s (p95; "
        f"{holds}: less than {LIMIT_SECONDS} s), one after {points[0][1]:.2f} s.** A look takes {spent * 1000:.0f} ms "
        "of processor.",
        ("targets", "looks", "p50", "p95", "most", "processor, a look"),
        tuple(rows),
        f"{rounds} rounds after one to warm up, every target's sections mongo, metrics, edge, backups, updates and "
        "audit, all in one Python process (one processor), which is the worst case: a bot of its own for each target "
        "shares nothing. Without the queue and without Slack. Constant while the looks wait for others; from where "
        "one processor is busy it is linear.",
        measured,
        {"targets": Curve("Looks at many targets at once", "targets", "s until the card, p95", {"p95": points})},
    )


@contextmanager
def prepared(count: int) -> Iterator[list[Desk]]:
    """The desks of so many targets, with everything that is looked at."""
    with (
        Mongod(cache_gigabytes=0.5) as mongod,
        RedisServer() as redis,
        Nginx(SITE) as web,
        Prometheus("global: {scrape_interval: 1s}\n") as prometheus,
        tempfile.TemporaryDirectory() as place,
    ):
        more = {"PUBLIC_URL": f"http://127.0.0.1:{web.port}/", "PROMETHEUS_URL": prometheus.url}
        yield [
            _desk({**environment(mongod.uri(f"shop{n}"), redis.url_of(n), Path(place) / str(n)), **more})
            for n in range(count)
        ]


def _desk(given: Mapping[str, str]) -> Desk:
    return build(settings.read(given, slack=False), Nobody()).desk


def _looked(desks: Sequence[Desk], rounds: int) -> tuple[list[float], float]:
    """Seconds until each look's outcome, and the seconds of processor that one takes."""
    times: list[float] = []
    with ThreadPoolExecutor(len(desks)) as pool:
        list(pool.map(look, desks))
        cpu = time.process_time()
        for _ in range(rounds):
            times += pool.map(look, desks)
        used = time.process_time() - cpu
    return times, used / len(times)


def look(desk: Desk) -> float:
    """Seconds until its outcome. Raises RuntimeError when the look did not come to its end."""
    actor = Actor(PersonId("host"), WORKSPACE, Surface.TERMINAL)
    begun = time.perf_counter()
    answer = desk.ask(Invocation("health", ("all",), actor, "terminal"))
    if not isinstance(answer, Began):
        raise RuntimeError(f"nothing was begun: {answer.card.title}")
    with Beat(desk):
        desk.work(answer.job)
    seconds = time.perf_counter() - begun
    job = desk.load(answer.job)
    if job is None or job.state is not JobState.DONE:
        raise RuntimeError(f"the look failed: {job and job.outcome}")
    return seconds
