"""Triggers, modals and response URLs, with a real Bolt app."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from slack_sdk import WebClient

from sandbox.slack.person import Person
from sandbox.slack.server import LocalSlack
from tests.sandbox.bolt_app import (
    JSON,
    Stage,
    actions,
    button,
    connected,
    error_of,
    modal,
    plain,
    trigger,
    web_client,
)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalSlack]:
    with LocalSlack(rate_limits=False) as running:
        yield running


@pytest.fixture(scope="module")
def listening(server: LocalSlack) -> Iterator[Stage]:
    stage = Stage(server)
    with connected(server, stage.app):
        yield stage


@pytest.fixture
def stage(listening: Stage) -> Stage:
    listening.answer, listening.delay = {}, 0.0
    while not listening.payloads.empty():
        listening.payloads.get()
    return listening


@pytest.fixture
def slack(server: LocalSlack, stage: Stage) -> LocalSlack:
    server.reset()
    return server


@pytest.fixture
def client(slack: LocalSlack) -> WebClient:
    return web_client(slack)


@pytest.fixture
def sara(slack: LocalSlack) -> Person:
    return slack.person("U0SARA")


def open_modal(person: Person, stage: Stage, client: WebClient, **more: object) -> JSON:
    """An open modal that asks for a code."""
    client.views_open(trigger_id=trigger(person, stage), view=modal("totp", **more))
    return person.wait_for_view("totp")


def test_a_trigger_is_spent_once(sara: Person, stage: Stage, client: WebClient) -> None:
    trigger_id = trigger(sara, stage)
    client.views_open(trigger_id=trigger_id, view=modal("totp"))
    again = error_of(lambda: client.views_open(trigger_id=trigger_id, view=modal("totp")))
    assert again == "exchanged_trigger_id"


def test_a_view_that_is_refused_does_not_spend_the_trigger(sara: Person, stage: Stage, client: WebClient) -> None:
    trigger_id = trigger(sara, stage)
    long = modal("totp", title=plain("x" * 25))
    assert error_of(lambda: client.views_open(trigger_id=trigger_id, view=long)) == "invalid_arguments"
    assert client.views_open(trigger_id=trigger_id, view=modal("totp"))["ok"]


def test_a_trigger_lives_three_seconds(slack: LocalSlack, sara: Person, stage: Stage, client: WebClient) -> None:
    late = trigger(sara, stage)
    slack.advance(3.1)
    assert error_of(lambda: client.views_open(trigger_id=late, view=modal("totp"))) == "expired_trigger_id"
    in_time = trigger(sara, stage)
    slack.advance(1.5)
    assert client.views_open(trigger_id=in_time, view=modal("totp"))["ok"]


def test_a_trigger_that_slack_did_not_give_is_invalid(client: WebClient) -> None:
    assert error_of(lambda: client.views_open(trigger_id="1.2.3", view=modal("totp"))) == "invalid_trigger_id"


def test_a_modal_is_seen_by_its_person_only(slack: LocalSlack, sara: Person, stage: Stage, client: WebClient) -> None:
    view = open_modal(sara, stage, client)
    omid = slack.person("U0OMID")
    assert omid.views() == []
    assert omid.submit(view["id"], {"code": {"code": "1"}})["error"] == "not_found"


def test_an_empty_required_field_never_reaches_the_app(sara: Person, stage: Stage, client: WebClient) -> None:
    view = open_modal(sara, stage, client)
    assert sara.submit(view["id"], {})["errors"] == {"code": "Please complete this required field."}
    assert stage.payloads.empty()


def test_an_accepted_submission_closes_the_modal(sara: Person, stage: Stage, client: WebClient) -> None:
    view = open_modal(sara, stage, client, private_metadata="plan 7")
    assert sara.submit(view["id"], {"code": {"code": "123456"}}) == {"ok": True}
    payload = stage.next()
    assert payload["type"] == "view_submission"
    assert payload["view"]["private_metadata"] == "plan 7"
    assert payload["view"]["state"]["values"]["code"]["code"] == {
        "type": "plain_text_input",
        "value": "123456",
    }
    assert sara.views() == []
    gone = error_of(lambda: client.views_update(view_id=view["id"], view=modal("totp")))
    assert gone == "not_found"


def test_errors_of_the_app_stay_on_the_modal(sara: Person, stage: Stage, client: WebClient) -> None:
    view = open_modal(sara, stage, client)
    stage.answer = {"response_action": "errors", "errors": {"code": "Wrong code."}}
    answer = sara.submit(view["id"], {"code": {"code": "1"}})
    assert answer == {"ok": False, "response_action": "errors", "errors": {"code": "Wrong code."}}
    assert sara.views()[0]["errors"] == {"code": "Wrong code."}
    stage.answer = {"response_action": "errors", "errors": {"nowhere": "x"}}
    assert sara.submit(view["id"], {"code": {"code": "1"}})["error"] == "invalid_view_errors"
    stage.answer = {}
    assert sara.submit(view["id"], {"code": {"code": "2"}}) == {"ok": True}


def test_a_submission_can_update_push_and_clear(sara: Person, stage: Stage, client: WebClient) -> None:
    view = open_modal(sara, stage, client)
    stage.answer = {"response_action": "update", "view": modal("totp", title=plain("Again"))}
    sara.submit(view["id"], {"code": {"code": "1"}})
    assert [each["title"]["text"] for each in sara.views()] == ["Again"]
    stage.answer = {"response_action": "push", "view": modal("totp", title=plain("Second"))}
    sara.submit(view["id"], {"code": {"code": "1"}})
    stack = sara.views()
    assert [each["title"]["text"] for each in stack] == ["Again", "Second"]
    assert (stack[1]["root_view_id"], stack[1]["previous_view_id"]) == (view["id"], view["id"])
    stage.answer = {"response_action": "clear"}
    sara.submit(stack[1]["id"], {"code": {"code": "1"}})
    assert sara.views() == []


def test_a_submission_not_acknowledged_in_time_leaves_the_modal_open(
    sara: Person, stage: Stage, client: WebClient
) -> None:
    view = open_modal(sara, stage, client)
    stage.delay = 3.4
    assert sara.submit(view["id"], {"code": {"code": "1"}})["error"] == "operation_timeout"
    assert len(sara.views()) == 1
    stage.next()


def test_a_stack_holds_three_views(sara: Person, stage: Stage, client: WebClient) -> None:
    row = actions(button("go"))[0]
    top = open_modal(sara, stage, client, blocks=[row])
    for number in range(3):
        sara.click_in_view(top["id"], "go")
        pushing = stage.next()["trigger_id"]
        view = modal("totp", blocks=[row], title=plain(str(number)))
        if number < 2:
            top = client.views_push(trigger_id=pushing, view=view)["view"]
    assert error_of(lambda: client.views_push(trigger_id=pushing, view=view)) == "push_limit_reached"
    assert len(sara.views()) == 3


def test_a_push_needs_a_trigger_from_a_modal(sara: Person, stage: Stage, client: WebClient) -> None:
    open_modal(sara, stage, client)
    outside = trigger(sara, stage)
    assert error_of(lambda: client.views_push(trigger_id=outside, view=modal("totp"))) == "invalid_trigger_id"


def test_a_click_in_a_modal_brings_the_view(sara: Person, stage: Stage, client: WebClient) -> None:
    blocks = [*modal("totp")["blocks"], actions(button("go", "7"))[0]]
    view = open_modal(sara, stage, client, blocks=blocks)
    assert sara.click_in_view(view["id"], "go") == {"ok": True}
    payload = stage.next()
    assert payload["container"] == {"type": "view", "view_id": view["id"]}
    assert payload["view"]["id"] == view["id"]
    assert payload["actions"][0]["value"] == "7"
    assert "channel" not in payload
    assert "response_url" not in payload


def test_an_update_with_an_old_hash_is_a_conflict(sara: Person, stage: Stage, client: WebClient) -> None:
    view = open_modal(sara, stage, client)
    client.views_update(view_id=view["id"], hash=view["hash"], view=modal("totp", title=plain("New")))
    old = error_of(lambda: client.views_update(view_id=view["id"], hash=view["hash"], view=modal("totp")))
    assert old == "hash_conflict"
    assert sara.views()[0]["title"]["text"] == "New"


def test_closing_is_told_only_if_the_app_asked(sara: Person, stage: Stage, client: WebClient) -> None:
    quiet = open_modal(sara, stage, client)
    sara.close(quiet["id"])
    assert stage.payloads.empty()
    loud = open_modal(sara, stage, client, notify_on_close=True)
    sara.close(loud["id"])
    payload = stage.next()
    assert (payload["type"], payload["is_cleared"]) == ("view_closed", False)
    assert sara.views() == []
