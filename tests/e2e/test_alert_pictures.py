"""Pictures as they are lived: a real Prometheus fires by a rule, and its measure is in the alert's card."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.demo import tour
from sandbox.demo.stage import Stage
from sandbox.servers import alerting
from sandbox.servers.bot import Bot
from sandbox.servers.prometheus import Prometheus
from tests.conftest import needs

ALERTS = "C0ALERTS"
RULES = """
groups:
  - name: memory
    interval: 1s
    rules:
      - alert: MemoryHigh
        expr: process_resident_memory_bytes{job="prometheus"} > 1e6
        labels: {severity: warning}
        annotations: {summary: "The memory is high"}
"""


def configuration(prometheus: Prometheus, alertmanager: str) -> str:
    return f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["{alertmanager.removeprefix("http://")}"]}}]
scrape_configs:
  - job_name: prometheus
    static_configs: [{{targets: ["{prometheus.url.removeprefix("http://")}"]}}]
"""


@pytest.fixture(scope="module")
def prometheus() -> Prometheus:
    return Prometheus("", {"rules.yml": RULES})


@pytest.fixture(scope="module")
def stage(prometheus: Prometheus) -> Iterator[Stage]:
    for part in ("mongod", "redis-server", "alertmanager", "prometheus"):
        needs(part)
    with Stage(more={"PROMETHEUS_URL": prometheus.url}, planted=False, alerting=True) as running:
        yield running


@pytest.fixture(scope="module")
def alertmanager(stage: Stage) -> str:
    assert stage.alertmanager is not None
    return stage.alertmanager.url


def pictures(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in message["blocks"] if each["type"] == "image"]


def test_an_alert_arrives_without_a_picture_while_prometheus_is_away(stage: Stage, alertmanager: str) -> None:
    sara, started = stage.slack.person("U0SARA"), datetime.now(UTC)
    alerting.fire(alertmanager, {"alertname": "Alone", "severity": "critical"}, summary="alone", started=started)
    card = sara.wait_for_message(ALERTS, lambda message: "alone" in tour.words(message), 20)
    sara.wait_for(lambda: "no picture for an alert: Prometheus does not answer" in stage.bot.log_tail() or None, 20)
    sara.click(ALERTS, card["ts"], "alert_ack")
    card = sara.wait_for_message(ALERTS, lambda message: "Acknowledged by" in tour.words(message), 20)
    assert pictures(card) == []


def test_check_says_that_prometheus_does_not_answer_and_then_that_it_does(
    stage: Stage, prometheus: Prometheus, alertmanager: str
) -> None:
    def checked() -> str:
        environment = Bot(stage.given).environment()
        command = [sys.executable, "-m", "bot", "check"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False).stdout

    assert "WRONG    Prometheus: Prometheus does not answer." in checked()
    prometheus.configuration = configuration(prometheus, alertmanager)
    with ExitStack() as ending:
        ending.enter_context(prometheus)
        assert "ok       Prometheus\n" in checked()


def test_the_card_of_a_firing_rule_gets_its_picture(stage: Stage, prometheus: Prometheus, alertmanager: str) -> None:
    sara = stage.slack.person("U0SARA")
    prometheus.configuration = configuration(prometheus, alertmanager)
    with prometheus:
        sara.wait_for_message(ALERTS, lambda message: "The memory is high" in tour.words(message), 60)
        # The thread that draws has waited for half a minute since Prometheus did not answer, or a minute.
        card = sara.wait_for_message(
            ALERTS, lambda message: "The memory is high" in tour.words(message) and bool(pictures(message)), 90
        )
    (image,) = pictures(card)
    assert image["alt_text"].startswith("A plot of what MemoryHigh measured in the hour before ")
    with urllib.request.urlopen(f"{stage.slack.url}/files/{image['slack_file']['id']}", timeout=10) as answer:
        data = answer.read()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(data) < 200_000
    posted = [each for each in sara.messages(ALERTS) if "The memory is high" in tour.words(each)]
    assert len(posted) == 1
