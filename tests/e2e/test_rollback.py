"""Back to the last healthy version, as it is lived: really running containers, the real bot, a code, and health.

The bot itself noted what ran while health was green; nobody told it a version.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.demo import tour
from sandbox.demo.stage import Stage
from sandbox.servers.containers import Containers
from tests.conftest import needs
from tests.e2e.test_restore import a_wrong_code
from tests.e2e.test_runbook import OPS, press
from tests.e2e.versions import broken, told

RUNBOOK = """
title: Back
steps:
  - {name: back, kind: rollback, title: Back to the last healthy version, timeout: 10}
"""
pytestmark = [pytest.mark.xdist_group("containers"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def stage(containers: Containers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """v1 is well and runs."""
    for part in ("mongod", "redis-server"):
        needs(part)
    runbooks = tmp_path_factory.mktemp("runbooks")
    (runbooks / "back.yaml").write_text(RUNBOOK)
    for version in ("v1", "v2"):
        containers.image(version, good=version == "v1")
    containers.deploy("v1")
    more = {"RUNBOOKS_DIR": str(runbooks), **told(containers)}
    with Stage(more=more, planted=False) as running:
        yield running


@pytest.fixture
def ids(containers: Containers, stage: Stage) -> dict[str, str]:
    return broken(stage, containers)


def started(stage: Stage) -> Any:
    """The card of a new run."""
    sara = stage.slack.person("U0SARA")
    known = {each["ts"] for each in sara.messages(OPS)}
    sara.command(OPS, "/runbook back")
    return sara.wait_for_message(
        OPS, lambda message: message["ts"] not in known and tour.has_button(message, "step_run"), 30
    )


def plan_of(stage: Stage) -> Any:
    sara = stage.slack.person("U0SARA")
    press(sara, started(stage), "step_run")
    return sara.wait_for_message(OPS, lambda message: tour.has_button(message, "confirm"), 30)


def shows(stage: Stage, *parts: str) -> str:
    message = stage.slack.person("U0SARA").wait_for_message(
        OPS, lambda message: all(each in tour.words(message) for each in parts), 90
    )
    return tour.words(message)


def test_a_broken_service_goes_back_by_a_code_to_the_digests_that_were_well(
    stage: Stage, containers: Containers, ids: dict[str, str]
) -> None:
    sara, before = stage.slack.person("U0SARA"), containers.file.read_text()
    plan = plan_of(stage)
    short = {version: name.removeprefix("sha256:")[:12] for version, name in ids.items()}
    assert f"localhost/web:v2 ({short['v2']}) → localhost/web:v1 ({short['v1']})" in tour.words(plan)

    sara.click(OPS, plan["ts"], "confirm")
    view = sara.wait_for_view("totp", 20)
    sara.submit(view["id"], {"code": {"code": a_wrong_code(stage.keys["U0SARA"])}})
    refused = sara.wait_for(
        lambda: [each for each in sara.views() if "not right" in json.dumps(each.get("errors", {}))], 20, "a refusal"
    )
    assert refused
    assert (containers.running(), containers.health()) == (ids["v2"], 500)
    sara.close(view["id"], everything=True)

    tour.confirm(stage, plan["ts"], lambda said: None)
    said = shows(stage, "Back to the last healthy version: PASS")
    assert (containers.running(), containers.health()) == (ids["v1"], 200)
    assert f"web runs localhost/web:v1 ({short['v1']})" in said
    assert containers.running("other") == ids["v2"], "what was not to go back is left alone"
    assert containers.file.read_text() == before, "the team's file is never written"


def test_when_health_never_comes_it_returns_to_where_it_was_and_fails(
    stage: Stage, containers: Containers, ids: dict[str, str]
) -> None:
    containers.storm(on=True)
    plan = plan_of(stage)
    tour.confirm(stage, plan["ts"], lambda said: None)
    said = shows(stage, "Back to the last healthy version: FAIL")
    assert "I returned to where it was" in said
    assert "web runs localhost/web:v2" in said
    assert (containers.running(), containers.health()) == (ids["v2"], 500)


def test_an_image_that_is_gone_is_refused_in_the_plan(
    stage: Stage, containers: Containers, ids: dict[str, str]
) -> None:
    containers.forget(ids["v1"])
    sara = stage.slack.person("U0SARA")
    card = started(stage)
    press(sara, card, "step_run")
    said = shows(stage, "is not on this machine and could not be pulled")
    assert "localhost/web:v1" in said
    assert not any(tour.has_button(each, "confirm") for each in sara.messages(OPS) if each["ts"] > card["ts"])
    assert containers.running() == ids["v2"]
