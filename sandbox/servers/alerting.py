"""Alerts as Prometheus sends them to an Alertmanager, and a configuration that passes them on to a webhook."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

VALID = timedelta(minutes=10)


def configuration(webhook: str, token: str, *, wait: str = "0s", interval: str = "1s", by: str = "alertname") -> str:
    """An alertmanager.yml: everything goes to one webhook, at once, and changes a second later."""
    return f"""
route:
  receiver: negahban
  group_by: [{by}]
  group_wait: {wait}
  group_interval: {interval}
  repeat_interval: 1h
receivers:
  - name: negahban
    webhook_configs:
      - url: {webhook}
        http_config:
          authorization:
            credentials: {token}
"""


def fire(url: str, labels: Mapping[str, str], *, summary: str = "", over: bool = False, started: datetime) -> None:
    """Tells an Alertmanager at `url` that an alert fires, or is over."""
    now = datetime.now(UTC)
    alert = {
        "labels": dict(labels),
        "annotations": {"summary": summary} if summary else {},
        "startsAt": started.isoformat(),
        "endsAt": (now if over else now + VALID).isoformat(),
        "generatorURL": "http://prometheus.example/graph?g0.expr=up",
    }
    request = urllib.request.Request(
        f"{url}/api/v2/alerts", json.dumps([alert]).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()
