"""Steps that do something, as they are lived: a backup by the desk and a silence in a real Alertmanager, from the
button of the alert's card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.alertmanager import HttpAlertmanager
from sandbox.demo import tour
from sandbox.demo.stage import Stage
from sandbox.servers import alerting
from tests.conftest import needs
from tests.e2e.test_runbook import buttons

ALERTS = "C0ALERTS"
LABELS = {"alertname": "Crowded", "severity": "warning", "instance": "a:3000"}
RUNBOOK = """
title: Keep it and be quiet
answers: [{alertname: Crowded}]
steps:
  - {name: keep, kind: backup, title: A backup first}
  - {name: quiet, kind: silence, title: Silence while we look, with: {minutes: 10}}
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    for part in ("mongod", "redis-server", "alertmanager"):
        needs(part)
    folder = tmp_path_factory.mktemp("runbooks")
    (folder / "keep.yaml").write_text(RUNBOOK)
    with Stage(more={"RUNBOOKS_DIR": str(folder)}, alerting=True) as running:
        yield running


def test_a_run_makes_a_backup_and_silences_exactly_its_alert(stage: Stage) -> None:
    assert stage.alertmanager is not None
    sara, url = stage.slack.person("U0SARA"), stage.alertmanager.url
    for instance in ("a:3000", "b:3000"):
        alerting.fire(url, {**LABELS, "instance": instance}, summary="crowded", started=datetime.now(UTC))
    alert = sara.wait_for_message(ALERTS, lambda message: tour.has_button(message, "alert_runbook"), 30)
    sara.click(ALERTS, alert["ts"], "alert_runbook")

    def shows(*parts: str) -> dict[str, Any]:
        wanted = ("Keep it and be quiet", "version", *parts)
        return sara.wait_for_message(ALERTS, lambda message: all(each in tour.words(message) for each in wanted), 90)

    def run(card: dict[str, Any]) -> None:
        sara.click(ALERTS, card["ts"], "step_run", block_id=buttons(card, "step_run")[0]["block"])

    run(shows("step 1 of 2"))
    card = shows("A backup first: PASS")
    manifests = [json.loads(each.read_text()) for each in Path(stage.given["BACKUP_DIR"]).rglob("manifest.json")]
    assert len(manifests) == 1
    run(card)
    shows("Silence while we look: PASS", "done")
    asked = HttpAlertmanager([url])
    ((silence, standing),) = asked.look().silences.items()
    assert (standing.by, "(keep, run " in standing.comment) == ("U0SARA", True)
    assert standing.until - datetime.now(UTC) < timedelta(minutes=10)

    def silenced() -> list[str]:
        return [each.labels["instance"] for each in asked.look().alerts.values() if silence in each.silenced_by]

    sara.wait_for(silenced, 10, "an alert that is silenced")
    assert len(silenced()) == 1
