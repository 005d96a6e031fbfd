"""The default runbook as it is lived, from end to end: a person in the local Slack's page, in a real browser, and a
service of really running containers whose newest version is broken.

By podman, and by Docker's own engine and Compose with a registry, from which the good version is pulled by its digest.
"""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from sandbox.demo.stage import Stage
from sandbox.servers.bot import Bot
from sandbox.servers.containers import Containers
from sandbox.servers.registry import Registry
from tests.conftest import needs
from tests.e2e.browser import Window
from tests.e2e.test_runbook import OPS, PATIENCE, SHIPPED, code_typed
from tests.e2e.versions import broken, told

pytestmark = [pytest.mark.xdist_group("containers"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(request: pytest.FixtureRequest) -> Iterator[Containers]:
    """v1 runs, and is well; with Docker its images come from a registry."""
    if request.param == "podman":
        found: Containers = request.getfixturevalue("containers")
        found.image("v1", good=True)  # a test before these may have removed it
        found.deploy("v1")
        yield found
        return
    found = request.getfixturevalue("docker")
    registry: Registry = request.getfixturevalue("registry")
    found.repository = f"{registry.address}/web"
    for version in ("v1", "v2"):
        found.image(version, good=version == "v1")
        found.publish(version)
    found.deploy("v1")
    yield found
    found.repository = "localhost/web"


@pytest.fixture(scope="module")
def stage(engine: Containers) -> Iterator[Stage]:
    for part in ("mongod", "redis-server"):
        needs(part)
    with Stage(more={"RUNBOOKS_DIR": str(SHIPPED), **told(engine)}, planted=False) as running:
        yield running


def test_in_the_page_quick_triage_finds_the_failing_part_takes_containers_back_by_a_code_and_reports(
    browser: Browser, stage: Stage, engine: Containers, tmp_path: Path
) -> None:
    ids, file = broken(stage, engine), engine.file.read_text()
    from_registry = engine.repository != "localhost/web"
    if from_registry:
        engine.forget(ids["v1"])
    with Window.open(browser, stage.slack.url, "U0SARA", OPS) as sara:
        sara.send("/runbook quick-triage")
        card = sara.find("message").filter(has_text="Quick triage: step 1 of 5").last
        card.wait_for(timeout=PATIENCE)
        card = sara.message(str(card.get_attribute("data-ts")))
        looked_at(card)
        run = card.get_by_test_id("button-step_run").first
        run.click()
        plan = sara.find("message").filter(has=sara.page.get_by_test_id("button-confirm")).last
        change = [f"{engine.repository}:{version} ({ids[version][7:19]})" for version in ("v2", "v1")]
        expect(plan).to_contain_text(" → ".join(change), timeout=PATIENCE)
        sara.picture(tmp_path / "plan.png")
        assert (engine.running(), engine.health()) == (ids["v2"], 500), "nothing happens before the code"
        plan.get_by_test_id("button-confirm").click()
        code_typed(sara, stage)
        expect(card).to_contain_text("Back to the last healthy version: PASS", timeout=PATIENCE)
        assert (engine.running(), engine.health()) == (ids["v1"], 200)
        assert engine.running("other") == ids["v2"], "what was not to go back is left alone"
        assert engine.file.read_text() == file, "the team's file is never written"
        run.click()
        expect(card).to_contain_text("Quick triage: done", timeout=PATIENCE)
        expect(card).to_contain_text("Health after the rollback: PASS")
        handed_over(sara, card)
        written = reported(sara, card, tmp_path)
    assert "1. Health of the service: **FAIL** by U0SARA" in written
    assert "4. Back to the last healthy version: **PASS** by U0SARA" in written
    assert "Time to mitigate: " in written
    assert "hands this run over to you" in written
    printed = by_the_terminal(stage, written)
    assert [line for line in written.splitlines() if line not in printed] == []


def looked_at(card: Locator) -> None:
    """The three looks: what is broken is the service, and nothing that it stands on."""
    run = card.get_by_test_id("button-step_run").first
    for shown in ("Health of the service: FAIL", "State of MongoDB: PASS", "Network and DNS: PASS"):
        run.click()
        expect(card).to_contain_text(shown, timeout=PATIENCE)
    expect(card).to_contain_text("answered 500, not 200")
    expect(run).to_contain_text("Run: 4…")


def handed_over(window: Window, card: Locator) -> None:
    card.get_by_test_id("button-run_hand_over").click()
    window.find("input-person").select_option("U0OMID")
    window.find("modal-submit").click()
    expect(card).to_contain_text("Looked after by", timeout=PATIENCE)
    window.find("modal-close").click()


def reported(window: Window, card: Locator, folder: Path) -> str:
    """The report that its button puts into the thread."""
    card.get_by_test_id("button-run_report").click()
    card.get_by_test_id("replies").click()
    file = window.find("thread-panel").locator("a.file")
    expect(file).to_contain_text("Report of Quick triage, run ", timeout=PATIENCE)
    file.scroll_into_view_if_needed()
    window.picture(folder / "report.png")
    with urllib.request.urlopen(str(file.get_attribute("href")), timeout=10) as answer:
        return str(answer.read().decode())


def by_the_terminal(stage: Stage, written: str) -> str:
    """The same report, as the host prints it for the day when Slack is down."""
    run = re.search(r"run `(\w+)`", written)
    assert run is not None
    ended = subprocess.run(
        [sys.executable, "-m", "bot", "runbook", "report", run[1]],
        env=Bot(stage.given).environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
