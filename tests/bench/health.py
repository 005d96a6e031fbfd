"""`/health all` from the typed command to the finished card, with everything up and with half of the systems hanging.

- Up: MongoDB, Redis, the directory of backups, a real Prometheus, a real Vault (OpenBao), and a web server at the edge.
- Half: Prometheus, Vault and the edge are a TCP black hole, which takes every connection and never says a word.
- The ack of the same commands is measured beside it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from sandbox.demo import tour
from sandbox.demo.stage import Stage
from sandbox.servers.black_hole import black_hole
from sandbox.servers.nginx import Nginx
from sandbox.servers.openbao import OpenBao
from sandbox.servers.prometheus import Prometheus
from tests.bench.page import Section
from tests.bench.turns import percentile

CHANNEL = "C0OPS"
UP_RUNS, HANGING_RUNS = 30, 15
UP_LIMIT_SECONDS, HANGING_LIMIT_SECONDS, ACK_LIMIT_MILLISECONDS = 4.0, 8.5, 300.0
SITE = 'server { listen 127.0.0.1:{port}; location / { return 200 "ok"; } }'
SECRETS = """
stores: {vault: {kind: vault}}
secrets: {jwt: {kind: generic, store: vault, place: jwt, consumers: [{name: api, health: "http://127.0.0.1:9/"}]}}
"""


def measure() -> Section:
    """See the module."""
    rows: list[tuple[str, ...]] = []
    with Nginx(SITE) as web, OpenBao() as bao, Prometheus("global: {scrape_interval: 1s}\n") as prometheus:
        bao.ask("POST", "secret/data/jwt", {"data": {"value": "first"}})
        up = {"PUBLIC_URL": f"http://127.0.0.1:{web.port}/", "PROMETHEUS_URL": prometheus.url, "VAULT_ADDR": bao.url}
        worst = [_looked("everything up", {**up, "VAULT_TOKEN": bao.token}, UP_RUNS, rows)]
    with black_hole() as hole:
        address = f"http://127.0.0.1:{hole}"
        down = {"PUBLIC_URL": f"{address}/", "PROMETHEUS_URL": address, "VAULT_ADDR": address, "VAULT_TOKEN": "x"}
        worst.append(_looked("three of six hang", down, HANGING_RUNS, rows))
    said = [
        f"{seconds:.1f} s {how} ({'holds' if seconds < limit else 'DOES NOT HOLD'}: less than {limit} s)"
        for seconds, how, limit in zip(
            (each for each, _ in worst),
            ("with everything up", "with half of the systems black-holed"),
            (UP_LIMIT_SECONDS, HANGING_LIMIT_SECONDS),
            strict=True,
        )
    ]
    ack = max(each for _, each in worst)
    holds = "holds" if ack < ACK_LIMIT_MILLISECONDS else "DOES NOT HOLD"
    return Section(
        "health",
        "From /health to its card",
        f"**The finished card is there after {' and '.join(said)}, p95.** The ack of the same commands took at most "
        f"{ack:.0f} ms ({holds}: less than {ACK_LIMIT_MILLISECONDS:.0f} ms).",
        ("systems", "looks", "p50", "p95", "most", "most until the ack"),
        tuple(rows),
        "From the typed command until the local Slack has the card with its findings: the job, the queue, the worker, "
        "six sections side by side and the relay's edit are in it. A section has 6 s, and what has not come back then "
        "is one UNKNOWN; a black hole takes connections and never answers. One look at a time.",
    )


def _looked(systems: str, more: Mapping[str, str], runs: int, rows: list[tuple[str, ...]]) -> tuple[float, float]:
    """The p95 of the looks in seconds, and the slowest ack in milliseconds; adds a row."""
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "secrets.yaml"
        config.write_text(SECRETS)
        with Stage(planted=False, more={**more, "SECRETS_CONFIG": str(config)}) as stage:
            sara = stage.slack.person("U0SARA")
            sara.command(CHANNEL, "/health help")
            acks: list[float] = []
            for _ in range(runs):
                cards = _finished(sara.messages(CHANNEL))
                began = time.perf_counter()
                sara.command(CHANNEL, "/health all")
                acks.append((time.perf_counter() - began) * 1000)
                while _finished(sara.messages(CHANNEL)) == cards and time.perf_counter() < began + 30:
                    time.sleep(0.02)
                times.append(time.perf_counter() - began)
                time.sleep(0.3)
    p95 = percentile(times, 95)
    row = (systems, str(runs), *(f"{each:.1f} s" for each in (statistics.median(times), p95, max(times))))
    rows.append((*row, f"{max(acks):.0f} ms"))
    print(f"health: {' | '.join(rows[-1])}", flush=True)
    return p95, max(acks)


def _finished(messages: list[dict[str, object]]) -> int:
    return sum("looked in" in tour.words(each) for each in messages)
