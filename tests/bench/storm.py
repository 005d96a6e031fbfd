"""A storm: 1,000 alerts in 200 groups over three channels within a minute, then all of it ends.

- The bot, and Alertmanager's own Slack receiver, each from a real Alertmanager into a strict local Slack of its own
  that keeps Slack's documented limits. One after the other.
- The truth is what was fired. A group is told when a message in its channel names it, or a shared card counts it.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.demo import tour
from sandbox.demo.stage import MANIFEST, Stage
from sandbox.servers.alerting import VALID, configuration
from sandbox.servers.alertmanager import Alertmanager
from sandbox.slack.server import LocalSlack
from tests.bench.page import Section
from tests.bench.plots import Bars

CHANNELS = ("C0OPS", "C0ALERTS", "C0AUDIT")
GROUPS, EACH = 200, 5
STORM_SECONDS, LATER_SECONDS = 60.0, 120.0
OURS, PEER = "negahban", "Alertmanager's slack_configs"
WAIT, INTERVAL = "2s", "10s"
_GROUP = re.compile(r"Group\d{3}")
_SHARED = re.compile(r"Many alerts: ([0-9,]+) groups|([0-9,]+) groups of alerts fired")


@dataclass
class Found:
    """What one side did. `told`: groups that were told when the storm was over, and later; `seconds`: from the last
    alert until all were told, None for never."""

    posts: int
    edits: int
    limited: int
    told: int
    told_later: int
    seconds: float | None


def measure() -> Section:
    """See the module."""
    with _ours() as (slack, alertmanager):
        ours = _stormed(slack, alertmanager)
    with _peers() as (slack, alertmanager):
        peer = _stormed(slack, alertmanager)
    return Section(
        "storm",
        "A storm of alerts",
        f"**{GROUPS * EACH:,} alerts in {GROUPS} groups over {len(CHANNELS)} channels: {ours.posts} messages and "
        f"{ours.edits} edits**; Alertmanager's own Slack receiver sent {peer.posts} messages. When the last alert was "
        f"fired, {ours.told} of {GROUPS} groups were told here and {peer.told} there; two minutes later "
        f"{ours.told_later} and {peer.told_later}.",
        ("side", "messages", "edits", "429", "told at the end", "told 2 min later", "all told after"),
        (_row(OURS, ours), _row(PEER, peer)),
        f"{EACH} alerts a group, group_by alertname, group_wait {WAIT}, group_interval {INTERVAL}, fired evenly over "
        f"{STORM_SECONDS:.0f} s. The local Slack refuses what is above Slack's documented limits (one message a second "
        "in a channel). The groups still fire when the storm is over: nothing has been told as over.",
        plots={
            "storm": Bars(
                f"Messages about {GROUPS * EACH:,} alerts in {GROUPS} groups",
                "messages",
                {OURS: [ours.posts], PEER: [peer.posts]},
                frozenset({OURS}),
            )
        },
    )


def _row(side: str, found: Found) -> tuple[str, ...]:
    after = "not at all" if found.seconds is None else f"{found.seconds:.0f} s"
    counts = (found.posts, found.edits, found.limited, found.told, found.told_later)
    return (side, *(str(each) for each in counts), after)


@contextmanager
def _ours() -> Iterator[tuple[LocalSlack, Alertmanager]]:
    with tempfile.TemporaryDirectory() as folder:
        routes = Path(folder) / "routes.yaml"
        rules = [{"match": {"team": str(number)}, "channel": channel} for number, channel in enumerate(CHANNELS)]
        routes.write_text(json.dumps({"routes": rules}))
        with Stage(planted=False, alerting=True, more={"ALERTS_ROUTES": str(routes)}) as stage:
            assert stage.alertmanager is not None
            webhook = f"http://127.0.0.1:{stage.bot.port}/webhooks/alertmanager"
            token = stage.given["WEBHOOK_TOKEN"]
            stage.alertmanager.configuration = configuration(
                webhook, token, wait=WAIT, interval=INTERVAL, by="alertname, team"
            )
            assert stage.alertmanager.reload()
            yield stage.slack, stage.alertmanager


@contextmanager
def _peers() -> Iterator[tuple[LocalSlack, Alertmanager]]:
    with LocalSlack(manifest=MANIFEST) as slack, Alertmanager(_slack_receiver(slack)) as alertmanager:
        yield slack, alertmanager


def _slack_receiver(slack: LocalSlack) -> str:
    """https://prometheus.io/docs/alerting/latest/configuration/#slack_config, posting as an app by its token."""
    routes = "".join(
        f'    - {{matchers: [team="{number}"], receiver: "{number}"}}\n' for number in range(len(CHANNELS))
    )
    receivers = "".join(
        f'  - name: "{number}"\n'
        "    slack_configs:\n"
        f"      - api_url: {slack.api_url}chat.postMessage\n"
        f"        channel: {channel}\n"
        "        send_resolved: true\n"
        '        username: ""\n'
        "        http_config: {authorization: {credentials: " + slack.bot_token + "}}\n"
        for number, channel in enumerate(CHANNELS)
    )
    return (
        f'route:\n  receiver: "0"\n  group_by: [alertname, team]\n  group_wait: {WAIT}\n  group_interval: {INTERVAL}\n'
        f"  repeat_interval: 1h\n  routes:\n{routes}receivers:\n{receivers}"
    )


def _stormed(slack: LocalSlack, alertmanager: Alertmanager) -> Found:
    before = len(slack.log())  # what was said at the start is no part of the storm
    started = datetime.now(UTC)
    began = time.monotonic()
    for number in range(GROUPS):
        _fire(alertmanager.url, number, started)
        time.sleep(max(0.0, began + (number + 1) * STORM_SECONDS / GROUPS - time.monotonic()))
    told, ended, seconds = _told(slack), time.monotonic(), None
    while time.monotonic() - ended < LATER_SECONDS:
        if seconds is None and _told(slack) >= GROUPS:
            seconds = time.monotonic() - ended
        time.sleep(1)
    log = slack.log()[before:]
    good = [each for each in log if each["answer"].get("ok")]
    found = Found(
        posts=sum(1 for each in good if each["method"] == "chat.postMessage"),
        edits=sum(1 for each in good if each["method"] == "chat.update"),
        limited=sum(1 for each in log if each["answer"].get("error") == "ratelimited"),
        told=told,
        told_later=_told(slack),
        seconds=seconds,
    )
    print(f"storm: {found}", flush=True)
    return found


def _fire(url: str, number: int, started: datetime) -> None:
    """One group, all its alerts in one call, as Prometheus sends them."""
    alerts = [_alert(number, instance, started) for instance in range(EACH)]
    body = json.dumps(alerts).encode()
    headers: Mapping[str, str] = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/api/v2/alerts", body, dict(headers), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def _alert(number: int, instance: int, started: datetime) -> dict[str, object]:
    severity = "critical" if number % 20 == 0 else "warning"
    labels = {"alertname": f"Group{number:03d}", "team": str(number % len(CHANNELS)), "severity": severity}
    return {
        "labels": {**labels, "instance": f"host-{instance}"},
        "annotations": {"summary": "It is slow."},
        "startsAt": started.isoformat(),
        "endsAt": (datetime.now(UTC) + VALID + timedelta(minutes=5)).isoformat(),
    }


def _told(slack: LocalSlack) -> int:
    """How many groups the channels tell of: by name, or in the count of a shared card."""
    names: set[str] = set()
    shared = 0
    for channel in CHANNELS:
        for message in slack.person("U0SARA").messages(channel):
            words = tour.words(message)
            found = _SHARED.search(words)
            if found:
                shared += int((found[1] or found[2]).replace(",", ""))
            else:
                names |= set(_GROUP.findall(words + json.dumps(message.get("attachments", []))))
    return min(GROUPS, len(names) + shared)
