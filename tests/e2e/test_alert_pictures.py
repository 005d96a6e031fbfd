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

MEASURED = """
title: Measured
steps:
  - {name: memory, kind: promql, title: The memory, with: {query: process_resident_memory_bytes, above: 1000000}}
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
def stage(prometheus: Prometheus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    for part in ("mongod", "redis-server", "alertmanager", "prometheus"):
        needs(part)
    runbooks = tmp_path_factory.mktemp("runbooks")
    (runbooks / "measured.yaml").write_text(MEASURED)
    more = {"PROMETHEUS_URL": prometheus.url, "RUNBOOKS_DIR": str(runbooks)}
    with Stage(more=more, planted=False, alerting=True) as running:
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


@pytest.mark.timeout(300)
def test_the_card_of_a_firing_rule_gets_its_picture(stage: Stage, prometheus: Prometheus, alertmanager: str) -> None:
    sara = stage.slack.person("U0SARA")
    prometheus.configuration = configuration(prometheus, alertmanager)
    with prometheus:
        sara.wait_for_message(ALERTS, lambda message: "The memory is high" in tour.words(message), 60)
        # The thread that draws has waited for half a minute since Prometheus did not answer, or a minute, or two.
        card = sara.wait_for_message(
            ALERTS, lambda message: "The memory is high" in tour.words(message) and bool(pictures(message)), 200
        )
    (image,) = pictures(card)
    assert image["alt_text"].startswith("A plot of what MemoryHigh measured in the hour before ")
    with urllib.request.urlopen(f"{stage.slack.url}/files/{image['slack_file']['id']}", timeout=10) as answer:
        data = answer.read()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(data) < 200_000
    posted = [each for each in sara.messages(ALERTS) if "The memory is high" in tour.words(each)]
    assert len(posted) == 1


def measured(prometheus: Prometheus) -> bool:
    """Whether there is a value from before the newest place in a plot, which may be half a minute old."""
    with urllib.request.urlopen(
        f"{prometheus.url}/api/v1/query?query=process_resident_memory_bytes%20offset%2035s", timeout=5
    ) as answer:
        return b'"value"' in answer.read()


def test_a_step_that_measured_gets_its_plot_into_the_card_of_the_run(
    stage: Stage, prometheus: Prometheus, alertmanager: str
) -> None:
    sara = stage.slack.person("U0SARA")
    prometheus.configuration = configuration(prometheus, alertmanager)
    with prometheus:
        sara.command("C0OPS", "/runbook measured")
        card = sara.wait_for_message("C0OPS", lambda message: tour.has_button(message, "step_run"), 30)
        sara.wait_for(lambda: measured(prometheus), 90, "a value that a plot has a place for")
        sara.click("C0OPS", card["ts"], "step_run", block_id=tour.block_of(card, "step_run"))
        card = sara.wait_for_message("C0OPS", lambda message: "The memory: FAIL" in tour.words(message), 30)
        card = sara.wait_for_message("C0OPS", lambda message: bool(pictures(message)), 90)
    (image,) = pictures(card)
    assert image["alt_text"].startswith("A plot of The memory in the hour before ")
    with urllib.request.urlopen(f"{stage.slack.url}/files/{image['slack_file']['id']}", timeout=10) as answer:
        assert answer.read().startswith(b"\x89PNG\r\n\x1a\n")
