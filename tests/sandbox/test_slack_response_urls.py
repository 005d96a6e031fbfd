"""Response URLs, and the control API, with a real Bolt app."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
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


def _post(url: str, payload: JSON) -> tuple[int, str]:
    request = urllib.request.Request(url, json.dumps(payload).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()


def _response_url(person: Person, stage: Stage) -> str:
    person.command("C0OPS", "/backup now")
    return str(stage.next()["response_url"])


def test_a_response_url_works_five_times(slack: LocalSlack, sara: Person, stage: Stage) -> None:
    url = _response_url(sara, stage)
    assert [_post(url, {"text": str(number)}) for number in range(5)] == [(200, "ok")] * 5
    status, body = _post(url, {"text": "six"})
    assert (status, json.loads(body)["error"]) == (404, "used_url")
    assert [message["text"] for message in sara.messages("C0OPS")] == ["0", "1", "2", "3", "4"]
    assert slack.person("U0OMID").messages("C0OPS") == [], "ephemeral by default"


def test_a_response_url_lives_thirty_minutes(slack: LocalSlack, sara: Person, stage: Stage) -> None:
    url = _response_url(sara, stage)
    slack.advance(29 * 60)
    assert _post(url, {"text": "in time"})[0] == 200
    slack.advance(61)
    status, body = _post(url, {"text": "late"})
    assert (status, json.loads(body)["error"]) == (404, "expired_url")


def test_a_response_can_be_for_all_and_is_checked_like_a_message(slack: LocalSlack, sara: Person, stage: Stage) -> None:
    url = _response_url(sara, stage)
    assert _post(url, {"text": "all", "response_type": "in_channel"})[0] == 200
    assert slack.person("U0OMID").messages("C0OPS")[-1]["text"] == "all"
    assert _post(url, {"blocks": [{"type": "carousel"}]}) == (400, "invalid_blocks")
    assert _post(url, {}) == (400, "no_text")


def test_a_response_replaces_or_deletes_the_message_that_was_clicked(
    slack: LocalSlack, sara: Person, stage: Stage, client: WebClient
) -> None:
    card = client.chat_postMessage(channel="C0OPS", text="card", blocks=actions(button("go")))["ts"]
    sara.click("C0OPS", card, "go")
    url = str(stage.next()["response_url"])
    _post(url, {"text": "replaced", "replace_original": True})
    assert [(each["ts"], each["text"]) for each in sara.messages("C0OPS")] == [(card, "replaced")]
    _post(url, {"delete_original": True})
    assert sara.messages("C0OPS") == []
    own = client.chat_postEphemeral(channel="C0OPS", user="U0SARA", text="e", blocks=actions(button("go")))
    sara.click("C0OPS", own["message_ts"], "go")
    _post(str(stage.next()["response_url"]), {"text": "changed", "replace_original": True})
    assert [each["text"] for each in sara.messages("C0OPS")] == ["changed"]


def test_the_control_api_does_over_http_what_the_server_object_does(
    slack: LocalSlack, sara: Person, stage: Stage, client: WebClient
) -> None:
    assert _post(f"{slack.url}/control/faults", {"method": "auth.test", "kind": "error:token_revoked"})[0] == 200
    assert error_of(client.auth_test) == "token_revoked"
    assert _post(f"{slack.url}/control/faults", {"method": "auth.test", "kind": "flood"})[0] == 400
    late = trigger(sara, stage)
    assert _post(f"{slack.url}/control/clock", {"seconds": 5})[0] == 200
    assert error_of(lambda: client.views_open(trigger_id=late, view=modal("totp"))) == "expired_trigger_id"
    with urllib.request.urlopen(f"{slack.url}/control/log", timeout=5) as answer:
        calls = json.load(answer)["calls"]
    assert {"auth.test", "views.open", "ack"} <= {call["method"] for call in calls}
    assert slack.bot_token not in json.dumps(calls)
    assert _post(f"{slack.url}/control/reset", {})[0] == 200
    assert slack.log() == []
