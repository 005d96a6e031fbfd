"""Webhooks taken in by the bot as it is run, on one core, each durable in Redis before its answer.

- At a steady pace of a thousand alerts a second, then as fast as eight connections can. Redis and whoever sends are on
  the other core, if there is one.
- From a webhook to its message is what the bot's own histogram says, one new group at a time, with a Slack that takes
  100 ms to answer.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import time
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psutil

from sandbox.demo.stage import Stage
from tests.bench.page import Section
from tests.bench.turns import percentile

A_MESSAGE, GROUPS = 5, 200
NO_LABELS: Mapping[str, str] = {}
PACE, PACED_SECONDS = 1000, 20.0
CONNECTIONS, FAST_SECONDS = 8, 10.0
CALM, CALM_SECONDS, SLACK_SECONDS = 20, 2.0, 0.1


def measure() -> Section:
    """See the module."""
    with Stage(planted=False, more={"ALERTS_STORM": "100", "ALERTS_CHANNEL": "C0ALERTS"}) as stage:
        stage.slack.fault("chat.postMessage", "delay", times=None, seconds=SLACK_SECONDS)
        arrivals = _arrived(stage)
        stage.slack.clear_faults()
        cores = _pinned(stage)
        paced = _paced(stage)
        rate, fast = _fast(stage)
    p99 = percentile(paced, 99)
    return Section(
        "intake",
        "Webhooks, from Alertmanager to Redis and to Slack",
        f"**At {PACE:,} alerts a second p99 is {p99:.0f} ms; at most {rate:,.0f} alerts a second were stored** "
        f"(promises: {PACE:,} a second, 50 ms). {arrivals}",
        ("how", "webhooks", "p50", "p99", "most"),
        (_row(f"{PACE:,} alerts a second", paced), _row(f"{CONNECTIONS} connections, as fast as they can", fast)),
        f"{A_MESSAGE} alerts a webhook, {GROUPS} groups that change all the time; the bot on one of {cores} cores. "
        "The relay and the local Slack are at work meanwhile.",
    )


def _pinned(stage: Stage) -> int:
    """The bot and its worker on the last core, everything else on the others."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        bot = psutil.Process(stage.bot.pid)
        for process in (bot, *bot.children(recursive=True)):
            process.cpu_affinity([cores[-1]])
        os.sched_setaffinity(0, set(cores[:-1]))
    return len(cores)


def _body(group: int, turn: int, count: int, more: Mapping[str, str], *, over: bool) -> bytes:
    now, status = datetime.now(UTC).isoformat(), "resolved" if over else "firing"
    labels = {"alertname": f"Group{group:03d}", **more}
    alerts = [
        {
            "status": status,
            "labels": {**labels, "instance": f"host-{number}", "severity": "warning"},
            "annotations": {"summary": f"p95 is {turn} ms, above 800 ms"},
            "startsAt": now,
            "endsAt": now if over else "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example/graph?g0.expr=up",
        }
        for number in range(count)
    ]
    message = {"version": "4", "status": status, "receiver": "negahban", "groupLabels": labels, "alerts": alerts}
    return json.dumps(message).encode()


class Sender:
    """One connection that is kept."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._headers = {"Authorization": f"Bearer {token}"}

    def send(
        self,
        group: int,
        turn: int,
        *,
        alerts: int = A_MESSAGE,
        labels: Mapping[str, str] = NO_LABELS,
        over: bool = False,
    ) -> float:
        """Milliseconds until it was stored. `labels`: of the group besides its name; `over`: they fire no longer.
        Raises RuntimeError when it was not."""
        body = _body(group, turn, alerts, labels, over=over)
        begun = time.perf_counter()
        self._connection.request("POST", "/webhooks/alertmanager", body, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"answered with {answer.status}")
        return (time.perf_counter() - begun) * 1000

    def close(self) -> None:
        """The connection ends."""
        self._connection.close()


def _paced(stage: Stage) -> list[float]:
    """Several senders that keep the pace together; a late answer is not waited for by the next webhook's clock."""
    senders = [Sender(stage.bot.port, stage.given["WEBHOOK_TOKEN"]) for _ in range(CONNECTIONS)]
    total = round(PACE * PACED_SECONDS / A_MESSAGE)
    begun = time.monotonic()

    def run(which: int) -> list[float]:
        times: list[float] = []
        for turn in range(which, total, CONNECTIONS):
            due = begun + turn * A_MESSAGE / PACE
            time.sleep(max(0.0, due - time.monotonic()))
            late = max(0.0, time.monotonic() - due) * 1000
            times.append(late + senders[which].send(turn % GROUPS, turn))
        return times

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        found = [each for times in pool.map(run, range(CONNECTIONS)) for each in times]
    for sender in senders:
        sender.close()
    print(f"intake: paced {_row('', found)}", flush=True)
    return found


def _fast(stage: Stage) -> tuple[float, list[float]]:
    """Alerts a second, and the times."""
    begun = time.monotonic()

    def run(which: int) -> list[float]:
        sender, times, turn = Sender(stage.bot.port, stage.given["WEBHOOK_TOKEN"]), list[float](), 0
        while time.monotonic() - begun < FAST_SECONDS:
            turn += 1
            times.append(sender.send((which + turn * CONNECTIONS) % GROUPS, turn))
        sender.close()
        return times

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        found = [each for times in pool.map(run, range(CONNECTIONS)) for each in times]
    rate = len(found) * A_MESSAGE / (time.monotonic() - begun)
    print(f"intake: {rate:.0f} alerts/s {_row('', found)}", flush=True)
    return rate, found


def _arrived(stage: Stage) -> str:
    """One new group after the other, by the bot's own histogram."""
    sender = Sender(stage.bot.port, stage.given["WEBHOOK_TOKEN"])
    for number in range(CALM):
        sender.send(500 + number, 0)
        time.sleep(CALM_SECONDS)
    sender.close()
    with urllib.request.urlopen(f"http://127.0.0.1:{stage.bot.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    counts = {le: float(count) for le, count in re.findall(r'alert_to_chat_seconds_bucket\{le="([^"]+)"\} (\S+)', text)}
    total = counts["+Inf"]
    within = next((le for le, count in counts.items() if count == total), "+Inf")
    told = f"All {total:.0f} of {CALM} new groups had their message within {within} s"
    return f"{told}, {SLACK_SECONDS:.1f} s of it Slack's."


def _row(how: str, times: list[float]) -> tuple[str, ...]:
    p50, p99 = percentile(times, 50), percentile(times, 99)
    return how, str(len(times)), f"{p50:.1f} ms", f"{p99:.1f} ms", f"{max(times):.0f} ms"
