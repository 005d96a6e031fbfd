"""A runbook as it is lived: a broken service, one card whose steps are pressed, a rollback behind a code, and green.

In the page, and with really running containers: tests/e2e/test_triage.py.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from sandbox.demo import tour
from sandbox.demo.stage import Stage
from tests.conftest import needs
from tests.e2e.browser import Window
from tests.e2e.test_dead_worker import children

OPS = "C0OPS"
SHIPPED = Path(__file__).parents[2] / "runbooks"
WAITING = """
title: Waiting for something
steps:
  - {name: long, kind: wait, title: A long time, with: {seconds: 600}}
  - {name: short, kind: wait, title: A short time, with: {seconds: 1}}
"""
UNASKED = """
title: Looks by itself
begins: {severity: error}
steps:
  - {name: health, kind: http, title: Health of it, on_failure: continue}
  - {name: mongo, kind: mongo, title: MongoDB of it}
  - {name: hand, kind: manual, title: By hand, text: Do it.}
"""
PLAN = "import pathlib, sys; print('shop', pathlib.Path(sys.argv[1]).read_text(), 'v1')"
ROLL = "import pathlib, sys; name, _, to = sys.argv[2].partition('='); pathlib.Path(sys.argv[1]).write_text(to)"


@dataclass
class Service:
    """A web service that is well in version v1 only."""

    version: Path
    url: str


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    version = tmp_path_factory.mktemp("service") / "version"
    version.write_text("v2")

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            now = version.read_text()
            self.send_response(200 if now == "v1" else 503)
            self.end_headers()
            self.wfile.write(f"I am {now}".encode())

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 the base class's name
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Service(version, f"http://127.0.0.1:{server.server_port}/health")
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def stage(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    for part in ("mongod", "redis-server"):
        needs(part)
    scripts = tmp_path_factory.mktemp("scripts")
    lines = {}
    for name, script in (("PLAN", PLAN), ("ROLL", ROLL)):
        (scripts / name).write_text(script)
        lines[name] = f"{sys.executable} {scripts / name} {service.version}"
    runbooks = tmp_path_factory.mktemp("given") / "runbooks"
    shutil.copytree(SHIPPED, runbooks)
    (runbooks / "waiting.yaml").write_text(WAITING)
    (runbooks / "unasked.yaml").write_text(UNASKED)
    more = {
        "RUNBOOKS_DIR": str(runbooks),
        "BACKEND_HEALTH_URL": service.url,
        "ROLLBACK_PLAN_COMMAND": lines["PLAN"],
        "ROLLBACK_COMMAND": lines["ROLL"],
    }
    with Stage(more=more, planted=False) as running:
        yield running


def buttons(message: dict[str, Any], action: str) -> list[dict[str, Any]]:
    return [
        {**element, "block": block["block_id"]}
        for block in message.get("blocks", [])
        for element in block.get("elements", [])
        if element.get("action_id") == action
    ]


def press(person: Any, card: dict[str, Any], action: str) -> None:
    """The first button of that action, which is the current step's."""
    person.click(OPS, card["ts"], action, block_id=buttons(card, action)[0]["block"])


def test_quick_triage_finds_what_is_broken_takes_it_back_by_a_code_and_is_green(stage: Stage, service: Service) -> None:
    sara, omid = stage.slack.person("U0SARA"), stage.slack.person("U0OMID")
    sara.command(OPS, "/runbook quick-triage")

    def shows(*parts: str) -> dict[str, Any]:
        wanted = ("Quick triage", *parts)
        return sara.wait_for_message(OPS, lambda message: all(each in tour.words(message) for each in wanted), 30)

    card = shows("step 1 of 5")
    press(sara, card, "step_run")
    card = shows("Health of the service: FAIL", "answered 503, not 200", "step 2 of 5")
    press(omid, card, "step_run")
    card = shows("State of MongoDB: PASS", "step 3 of 5")
    press(sara, card, "step_run")
    card = shows("Network and DNS: PASS", "step 4 of 5")
    press(sara, card, "step_run")
    plan = sara.wait_for_message(OPS, lambda message: tour.has_button(message, "confirm"), 30)
    assert "v2 → v1" in tour.words(plan)
    assert service.version.read_text() == "v2"
    tour.confirm(stage, plan["ts"], lambda words: None)
    card = shows("Back to the last healthy version: PASS", "step 5 of 5")
    assert service.version.read_text() == "v1"
    press(sara, card, "step_run")
    card = shows("Quick triage: done", "Health after the rollback: PASS")
    assert card["text"].startswith("✅")
    notes = [each["text"] for each in sara.wait_for(lambda: sara.thread(OPS, card["ts"])[5:] and
             sara.thread(OPS, card["ts"])[1:], 30, "results in the thread")]  # fmt: skip
    assert any("I am v2" in each for each in notes)
    press(sara, card, "run_report")
    (file,) = sara.wait_for(
        lambda: [file for each in sara.thread(OPS, card["ts"]) for file in each.get("files", [])], 30, "a report"
    )
    assert file["name"].startswith("quick-triage-")
    with urllib.request.urlopen(f"{stage.slack.url}/files/{file['id']}", timeout=10) as answer:
        assert "5. Health after the rollback: **PASS** by U0SARA" in answer.read().decode()


PATIENCE = 40_000


def code_typed(window: Window, stage: Stage) -> None:
    """A code into the question, one that was never typed before: a code of another question would lock this one."""
    window.find("input-code").fill(stage.fresh_code("U0SARA"))
    window.find("modal-submit").click()
    expect(window.find("modal")).to_be_hidden(timeout=PATIENCE)


ALERTS = "C0ALERTS"


def tell(stage: Stage, labels: dict[str, str], **words: str) -> None:
    """What Alertmanager would send."""
    alert = {"status": "firing", "labels": labels, "annotations": words, "startsAt": datetime.now(UTC).isoformat()}
    body = json.dumps({"receiver": "bot", "groupLabels": {"alertname": labels["alertname"]}, "alerts": [alert]})
    request = urllib.request.Request(
        f"http://127.0.0.1:{stage.bot.port}/webhooks/alertmanager",
        body.encode(),
        {"Authorization": f"Bearer {stage.given['WEBHOOK_TOKEN']}"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_an_alerts_button_starts_its_runbook_and_a_step_of_a_killed_bot_is_interrupted_and_runs_again(
    stage: Stage, service: Service
) -> None:
    sara, omid = stage.slack.person("U0SARA"), stage.slack.person("U0OMID")
    tell(stage, {"alertname": "Drawn", "severity": "critical"}, summary="it is slow", runbook="waiting")
    alert = sara.wait_for_message(ALERTS, lambda message: tour.has_button(message, "alert_runbook"), 30)
    sara.click(ALERTS, alert["ts"], "alert_runbook")
    omid.click(ALERTS, alert["ts"], "alert_runbook")

    def shows(*parts: str) -> dict[str, Any]:
        wanted = ("Waiting for something", "version", *parts)  # the alert's own card names the run too
        return sara.wait_for_message(ALERTS, lambda message: all(each in tour.words(message) for each in wanted), 60)

    card = shows("step 1 of 2", "Drawn")
    sara.click(ALERTS, card["ts"], "step_run", block_id=buttons(card, "step_run")[0]["block"])
    card = shows("runs it since")
    stage.bot.restart()  # by SIGKILL, its worker with it
    card = shows("INTERRUPTED", "can be run again")
    omid.click(ALERTS, card["ts"], "step_run", block_id=buttons(card, "step_run")[0]["block"])
    shows("(try 2)", "runs it since")
    (worker,) = children(stage.bot.pid, "worker")
    worker.kill()
    card = shows("(try 2)", "Its worker stopped", "can be run again")
    sara.click(ALERTS, card["ts"], "step_skip", block_id=buttons(card, "step_skip")[0]["block"])
    sara.submit(sara.wait_for_view("form")["id"], {"note": {"field": "it waits for nothing"}})
    card = shows("step 2 of 2", "Left out: it waits for nothing")
    omid.click(ALERTS, card["ts"], "step_run", block_id=buttons(card, "step_run")[0]["block"])
    shows("Waiting for something: done", "PASS")
    runs = [each for each in sara.messages(ALERTS) if "version" in tour.words(each)]
    assert sum("Waiting for something" in tour.words(each) for each in runs) == 1

    def told(message: dict[str, Any]) -> bool:
        words = json.dumps(message["blocks"])
        return message["ts"] == alert["ts"] and f"p{card['ts'].replace('.', '')}|Waiting for something>" in words and (
            # By whichever of the two was heard first.
            any(f"started by <@{each}>" in words for each in ("U0SARA", "U0OMID")) and "done: " in words
        )  # fmt: skip

    sara.wait_for_message(ALERTS, told, 30)


def test_an_alert_begins_its_runbook_and_the_verdicts_are_there_before_anybody_pressed(stage: Stage) -> None:
    sara = stage.slack.person("U0SARA")
    tell(stage, {"alertname": "Unasked", "severity": "critical"}, summary="it is down", runbook="unasked")
    alert = sara.wait_for_message(ALERTS, lambda message: "it is down" in tour.words(message), 30)

    def whole(message: dict[str, Any]) -> bool:
        wanted = ("Looks by itself: step 3 of 3", "Health of it: ", "MongoDB of it: PASS", "Began by itself")
        return all(each in tour.words(message) for each in wanted)

    card = sara.wait_for_message(ALERTS, whole, 40)
    assert float(card["ts"]) > float(alert["ts"])
    sara.wait_for(
        lambda: any("begins by itself" in each["text"] for each in sara.thread(ALERTS, alert["ts"])), 30, "a note"
    )
    stage.bot.restart()
    tell(stage, {"alertname": "Unasked", "severity": "critical"}, summary="it is down", runbook="unasked")
    sara.click(ALERTS, alert["ts"], "alert_runbook")
    sara.wait_for(lambda: "This runbook began by itself" in str(sara.messages(ALERTS)) or None, 30, "an answer")
    runs = [each for each in sara.messages(ALERTS) if "version" in tour.words(each)]
    assert sum("Looks by itself" in tour.words(each) for each in runs) == 1
