"""Second factors as people live them: the Home tab, the page in a browser, the administrator's code, and a job whose
approver was deactivated meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from sandbox.demo import authenticator, tour
from sandbox.demo.stage import Stage
from tests.conftest import needs

OPS, AUDIT = "C0OPS", "C0AUDIT"
POLICY = """
people:
  sara: {slack: [U0SARA], roles: [operator, admin]}
  omid: {slack: [U0OMID], roles: [viewer]}
  leila: {slack: [U0LEILA], roles: [viewer]}
groups:
  S0ONCALL: [lead]
rules:
  - {allow: [operator, lead, viewer], may: read}
  - {allow: [operator, lead], may: operate}
  - {allow: [operator], may: destroy, commands: [restore], approvals: {count: 1, from: [lead]}}
  - {allow: [admin], may: destroy, commands: [access]}
break_glass: {people: [sara], minutes: 15, commands: [restore]}
"""

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("access")]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    for part in ("mongod", "redis-server", "mongodump", "mongorestore"):
        needs(part)
    policy = Path(tmp_path_factory.mktemp("policy")) / "policy.yaml"
    policy.write_text(POLICY)
    with Stage(more={"POLICY_FILE": str(policy)}) as running:
        running.enrol("U0OMID")
        yield running


def invited(stage: Stage, person: str) -> tuple[str, str]:
    """The link and the binding code that the Home tab's button shows."""
    who = stage.slack.person(person)
    who.open_home()
    home = who.wait_for(who.home, 20, "the Home tab")
    assert home is not None
    who.click_in_view(home["id"], "access_enrol")
    view = who.wait_for_view("explanation", 20)
    said = tour.words(view)
    link = re.findall(r"http://127[.]0[.]0[.]1:[0-9]+/enrol/[a-z2-7]{32}", str(view))[0]
    return link, re.findall(r"\b([a-z2-7]{4}-[a-z2-7]{4})\b", said)[0]


def offered(stage: Stage) -> dict[str, Any]:
    """The plan of a new restore that Sara asks for."""
    sara = stage.slack.person("U0SARA")
    sara.command(OPS, "/restore latest")
    return sara.wait_for_message(
        OPS, lambda message: "Restore" in tour.words(message) and tour.has_button(message, "confirm"), 30
    )


def confirmed(stage: Stage, plan: dict[str, Any]) -> None:
    tour.confirm(stage, plan["ts"], lambda words: None)
    stage.slack.person("U0SARA").wait_for_message(
        OPS, lambda message: "1 more must agree, with their own code" in tour.words(message), 20
    )


def test_leila_sets_up_a_second_factor_in_her_browser_and_sara_lets_it_in(stage: Stage, browser: Browser) -> None:
    link, binding = invited(stage, "U0LEILA")
    page, troubles = browser.new_page(), list[str]()
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: troubles.append(request.url) if not request.url.startswith(link) else None)
    page.goto(link)
    page.goto(link)  # a second look, or a preview, costs nothing
    page.fill("#code", binding)
    page.click("button")
    assert page.locator("svg").bounding_box() is not None
    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"  # the style is allowed, nothing else
    key = str(page.locator("code").first.inner_text()).replace(" ", "")
    stage.keys["U0LEILA"] = key
    step = authenticator.step_now()
    page.fill("#first", authenticator.code(key, step - 1))
    page.fill("#second", authenticator.code(key, step))
    page.click("button")
    page.locator("li").first.wait_for()
    assert page.locator("li").count() == 10
    page.close()
    assert [each for each in troubles if "favicon" not in each] == []
    sara, leila = stage.slack.person("U0SARA"), stage.slack.person("U0LEILA")
    asked = sara.wait_for_message(AUDIT, lambda message: tour.has_button(message, "access_admit"), 20)
    leila.wait_for_message("D00LEILA", lambda message: "set up for you" in tour.words(message), 20)
    sara.click(AUDIT, asked["ts"], "access_admit")
    plan = sara.wait_for_message(AUDIT, lambda message: tour.has_button(message, "confirm"), 20)
    tour.confirm(stage, plan["ts"], lambda words: None, channel=AUDIT)
    sara.wait_for_message(
        AUDIT, lambda message: "Second factor of" in (said := tour.words(message)) and "done" in said, 30
    )
    leila.wait_for_message("D00LEILA", lambda message: "let your second factor in" in tour.words(message), 20)
    for call in stage.slack.log():
        assert key not in str(call)
        assert "otpauth" not in str(call)


def test_a_restore_whose_approver_was_deactivated_meanwhile_does_not_run(stage: Stage) -> None:
    sara, omid = stage.slack.person("U0SARA"), stage.slack.person("U0OMID")
    omid.command(OPS, "/backup list")
    omid.wait_for_message(OPS, lambda message: "no backup" in tour.words(message).lower(), 20)
    sara.command(OPS, "/backup now")
    tour.ended(sara, "Backup of shop: ")
    plan = offered(stage)
    confirmed(stage, plan)
    stage.slack.change_user("U0OMID", deleted=True)  # the web side remembers him for five minutes, the worker asks
    tour.confirm(stage, plan["ts"], lambda words: None, "U0OMID")
    card = sara.wait_for_message(OPS, lambda message: "was deactivated meanwhile" in tour.words(message), 30)
    assert "failed" in tour.words(card)
    stage.slack.change_user("U0OMID", deleted=False)


def test_sara_breaks_the_glass_and_cannot_end_the_task_that_follows(stage: Stage) -> None:
    sara = stage.slack.person("U0SARA")
    sara.command(OPS, "/backup now")
    sara.wait_for_message(OPS, lambda message: "Backup of shop: done" in tour.words(message), 60)
    plan = offered(stage)
    sara.click(OPS, plan["ts"], "access_glass")
    form = sara.wait_for_view("form", 20)
    why = "The shop is down and nobody answers"
    sara.submit(form["id"], {"reason": {"field": why}})
    sara.wait_for_message(OPS, lambda message: why in tour.words(message), 20)
    tour.confirm(stage, plan["ts"], lambda words: None)
    sara.wait_for_message(
        OPS, lambda message: message["ts"] == plan["ts"] and "into shop: done" in tour.words(message), 60
    )
    task = sara.wait_for_message(AUDIT, lambda message: tour.has_button(message, "access_reviewed"), 20)
    assert why in tour.words(task)
    sara.click(AUDIT, task["ts"], "access_reviewed")
    sara.wait_for_message(AUDIT, lambda message: "Somebody else must look" in tour.words(message), 20)
