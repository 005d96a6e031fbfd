"""Modals on the page: errors, stacks, failures."""

from __future__ import annotations

from playwright.sync_api import expect
from slack_sdk import WebClient

from sandbox.slack.server import LocalSlack
from tests.e2e.browser import Window
from tests.sandbox.bolt_app import Stage, actions, button, modal, plain


def test_a_modal_shows_its_error_and_then_closes(stage: Stage, client: WebClient, window: Window) -> None:
    window.send("/backup now")
    client.views_open(trigger_id=stage.next()["trigger_id"], view=modal("totp"))
    window.find("modal-submit").click()
    expect(window.find("error-code")).to_have_text("Please complete this required field.")
    stage.answer = {"response_action": "errors", "errors": {"code": "Wrong <b>code</b>."}}
    window.find("input-code").fill("111111")
    expect(window.find("error-code")).to_have_count(0)
    window.find("modal-submit").click()
    expect(window.find("error-code")).to_have_text("Wrong <b>code</b>.")
    expect(window.find("input-code")).to_have_value("111111")
    stage.next()
    stage.answer = {}
    window.find("input-code").fill("222222")
    window.find("input-code").press("Enter")
    expect(window.find("modal")).to_be_hidden()
    values = stage.next()["view"]["state"]["values"]
    assert values["code"]["code"]["value"] == "222222"


def test_modals_stack_and_the_lower_one_keeps_what_was_typed(stage: Stage, client: WebClient, window: Window) -> None:
    window.send("/backup now")
    blocks = [*modal("totp")["blocks"], *actions(button("go"))]
    first = modal("totp", title=plain("First"), blocks=blocks, notify_on_close=True)
    client.views_open(trigger_id=stage.next()["trigger_id"], view=first)
    window.find("button-go").click()
    pushing = stage.next()["trigger_id"]
    window.find("input-code").fill("typed")
    client.views_push(trigger_id=pushing, view=modal("totp", title=plain("Second")))
    expect(window.find("modal").locator("h2")).to_have_text("Second")
    expect(window.find("input-code")).to_have_value("")
    window.find("modal-close").click()
    expect(window.find("modal").locator("h2")).to_have_text("First")
    expect(window.find("input-code")).to_have_value("typed")
    window.page.keyboard.press("Escape")
    expect(window.find("modal")).to_be_hidden()
    assert stage.next()["type"] == "view_closed"


def test_an_update_of_a_modal_keeps_what_was_typed(stage: Stage, client: WebClient, window: Window) -> None:
    window.send("/backup now")
    view = client.views_open(trigger_id=stage.next()["trigger_id"], view=modal("totp"))["view"]
    window.find("input-code").fill("typed")
    client.views_update(view_id=view["id"], view=modal("totp", title=plain("New")))
    expect(window.find("modal").locator("h2")).to_have_text("New")
    expect(window.find("input-code")).to_have_value("typed")


def test_a_modal_is_for_one_person(stage: Stage, client: WebClient, window: Window) -> None:
    window.send("/backup now")
    client.views_open(trigger_id=stage.next()["trigger_id"], view=modal("totp"))
    expect(window.find("modal")).to_be_visible()
    window.page.goto(f"{window.url}/?channel=C0OPS&as=U0OMID")
    window.find("channel-C0OPS").wait_for()
    window.send("still here")
    expect(window.find("message").last).to_contain_text("still here")
    expect(window.find("modal")).to_be_hidden()


def test_an_app_that_does_not_answer_a_submission_leaves_the_modal_with_the_failure(
    slack: LocalSlack, stage: Stage, client: WebClient, window: Window
) -> None:
    window.send("/backup now")
    client.views_open(trigger_id=stage.next()["trigger_id"], view=modal("totp"))
    window.find("input-code").fill("1")
    stage.delay = 3.3
    window.find("modal-submit").click()
    expect(window.find("failure")).to_contain_text("We had some trouble connecting.")
    expect(window.find("modal")).to_be_visible()
    stage.next()
