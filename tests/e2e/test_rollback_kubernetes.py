"""Back to the previous revision of each Deployment, as it is lived: the real bot with the official client, a card, a
code, and health. The API behind it is the stand-in of sandbox/kube, not a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.demo import tour
from sandbox.demo.stage import Stage
from sandbox.kube.server import Kube
from tests.conftest import needs
from tests.e2e.test_runbook import OPS, press

RUNBOOK = """
title: Back
steps:
  - {name: back, kind: rollback, title: Back to the last healthy version, timeout: 12}
"""
NAMES = ("api", "web")


@pytest.fixture(scope="module")
def kube() -> Iterator[Kube]:
    """Both ran v1, which is well, and run v2, which is not; health is that of `web`."""
    with Kube() as running:
        for version in ("v1", "v2"):
            deployed(running, version)
        yield running


@pytest.fixture(scope="module")
def stage(kube: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    for part in ("mongod", "redis-server"):
        needs(part)
    folder = tmp_path_factory.mktemp("kubernetes")
    (folder / "back.yaml").write_text(RUNBOOK)
    kube.write_config(folder / "config")
    more = {
        "RUNBOOKS_DIR": str(folder),
        "BACKEND_HEALTH_URL": f"{kube.url}/health/default/web",
        "ROLLBACK_BY": "kubernetes",
        "ROLLBACK_SERVICES": ",".join(NAMES),
        "ROLLBACK_KUBERNETES_CONFIG": str(folder / "config"),
    }
    with Stage(more=more, planted=False) as running:
        yield running


def deployed(kube: Kube, version: str) -> None:
    """What the team does, until it is rolled out."""
    for name in NAMES:
        kube.deploy(name, f"registry/{name}:{version}")
    for name in NAMES:
        kube.settle(name)


def plan_of(stage: Stage) -> dict[str, Any]:
    """The plan card of a new run's only step."""
    sara = stage.slack.person("U0SARA")
    known = {each["ts"] for each in sara.messages(OPS)}
    sara.command(OPS, "/runbook back")

    def fresh(action: str) -> dict[str, Any]:
        found: dict[str, Any] = sara.wait_for_message(
            OPS, lambda message: message["ts"] not in known and tour.has_button(message, action), 60
        )
        return found

    press(sara, fresh("step_run"), "step_run")
    return fresh("confirm")


def shows(stage: Stage, *parts: str) -> str:
    message = stage.slack.person("U0SARA").wait_for_message(
        OPS, lambda message: all(each in tour.words(message) for each in parts), 90
    )
    return tour.words(message)


def images(kube: Kube) -> list[str]:
    return [kube.image(name).rpartition(":")[2] for name in NAMES]


def test_each_deployment_goes_back_to_its_previous_revision_by_a_code_and_is_well(stage: Stage, kube: Kube) -> None:
    kube.sick = {f"registry/{name}:v2" for name in NAMES}
    plan = plan_of(stage)
    said = tour.words(plan)
    for name in NAMES:
        assert f"revision 2, {name}:v2" in said
        assert f"→ revision 1, {name}:v1" in said
    assert (images(kube), kube.healthy("default", "web")) == (["v2", "v2"], False), "nothing happens before the code"
    assert kube.writes == []
    tour.confirm(stage, plan["ts"], lambda said: None)
    said = shows(stage, "Back to the last healthy version: PASS")
    assert (images(kube), kube.healthy("default", "web")) == (["v1", "v1"], True)
    assert all(kube.rolled(name) for name in NAMES)
    assert "web:v1" in said.rpartition("web runs ")[2]
    assert sorted(kube.writes) == sorted(NAMES), "each was written once"


def test_when_health_never_comes_the_deployments_return_to_where_they_were(stage: Stage, kube: Kube) -> None:
    kube.sick = set()
    for version in ("v4", "v5"):
        deployed(kube, version)
    kube.sick = {f"registry/web:{version}" for version in ("v4", "v5")}
    plan = plan_of(stage)
    assert "web:v4" in tour.words(plan)
    tour.confirm(stage, plan["ts"], lambda said: None)
    said = shows(stage, "Back to the last healthy version: FAIL")
    assert "I returned to where it was" in said
    assert images(kube) == ["v5", "v5"]
    assert all(kube.rolled(name) for name in NAMES)
