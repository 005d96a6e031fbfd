"""A Bolt app behind HTTP: signatures, and what its answers mean."""

from __future__ import annotations

import time
from collections.abc import Iterator
from queue import SimpleQueue

import pytest
from slack_bolt import Ack
from slack_bolt.context import BoltContext
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web import WebClient

from sandbox.slack.http_delivery import sign
from sandbox.slack.server import LocalSlack
from tests.sandbox.bolt_app import JSON, actions, button, modal, new_app, served, web_client


@pytest.fixture(scope="module")
def slack() -> Iterator[LocalSlack]:
    with LocalSlack(rate_limits=False, delivery="http") as server:
        yield server


def test_a_signed_command_click_and_modal_reach_a_verifying_app(slack: LocalSlack) -> None:
    app = new_app(slack)
    codes: SimpleQueue[str] = SimpleQueue()

    @app.command("/backup")
    def _(ack: Ack, body: JSON, client: WebClient) -> None:
        ack(f"heard {body['text']}")
        client.chat_postMessage(channel="C0OPS", text="card", blocks=actions(button("confirm")))

    @app.action("confirm")
    def _(ack: Ack, body: JSON, client: WebClient) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=modal("totp"))

    @app.view("totp")
    def _(ack: Ack, view: JSON) -> None:
        ack()
        codes.put(view["state"]["values"]["code"]["code"]["value"])

    with served(app) as url:
        slack.deliver_by_http(url)
        sara = slack.person("U0SARA")
        assert sara.command("C0OPS", "/backup now") == {"ok": True}
        sara.wait_for_message("C0OPS", lambda message: message["text"] == "heard now")
        card = sara.wait_for_message("C0OPS", lambda message: message["text"] == "card")
        assert sara.click("C0OPS", card["ts"], "confirm") == {"ok": True}
        view = sara.wait_for_view("totp")
        assert sara.submit(view["id"], {"code": {"code": "123456"}}) == {"ok": True}
        assert codes.get(timeout=5) == "123456"
        assert sara.views() == []


def test_an_app_with_another_secret_refuses_the_delivery(slack: LocalSlack) -> None:
    app = new_app(slack)
    heard: SimpleQueue[str] = SimpleQueue()

    @app.command("/backup")
    def _(ack: Ack) -> None:
        heard.put("command")
        ack()

    other = LocalSlack(delivery="http", rate_limits=False)
    with served(app) as url, other:
        other.deliver_by_http(url)
        answer = other.person("U0SARA").command("C0OPS", "/backup now")
    assert answer == {"ok": False, "error": "http_client_error"}
    assert heard.empty()


def test_slacks_own_verifier_accepts_the_signature_and_refuses_a_changed_body(slack: LocalSlack) -> None:
    verifier = SignatureVerifier(slack.signing_secret)
    now, body = str(int(time.time())), b"command=%2Fbackup&text=now"
    signature = sign(slack.signing_secret, now, body)
    assert verifier.is_valid(body, now, signature)
    assert not verifier.is_valid(body + b"x", now, signature)
    assert not verifier.is_valid(body, str(int(now) - 301), signature)


def test_an_app_that_fails_or_is_gone_fails_the_command(slack: LocalSlack) -> None:
    app = new_app(slack)

    @app.command("/backup")
    def _(context: BoltContext) -> None:
        raise RuntimeError("broken")

    sara = slack.person("U0SARA")
    with served(app) as url:
        slack.deliver_by_http(url)
        assert sara.command("C0OPS", "/backup now")["error"] == "http_service_error"
        shown = sara.messages("C0OPS")[-1]["text"]
        assert shown == '/backup failed with the error "http_service_error"'
    assert sara.command("C0OPS", "/backup now")["error"] == "dispatch_failed"


def test_a_slow_app_runs_into_the_three_seconds(slack: LocalSlack) -> None:
    app = new_app(slack)

    @app.command("/backup")
    def _(ack: Ack) -> None:
        time.sleep(3.3)
        ack()

    with served(app) as url:
        slack.deliver_by_http(url)
        answer = slack.person("U0SARA").command("C0OPS", "/backup now")
        assert answer == {"ok": False, "error": "operation_timeout"}


def test_an_event_is_posted_again_after_a_minute_and_after_five(slack: LocalSlack) -> None:
    app = new_app(slack)
    attempts: SimpleQueue[tuple[str, str]] = SimpleQueue()

    @app.event("app_home_opened")
    def _(req: JSON) -> None:
        raise AssertionError("never reached: the middleware refuses")

    @app.middleware
    def _(req: object) -> None:
        headers = getattr(req, "headers", {})
        number = headers.get("x-slack-retry-num", ["0"])[0]
        attempts.put((number, headers.get("x-slack-retry-reason", [""])[0]))
        raise RuntimeError("not today")

    with served(app) as url:
        slack.deliver_by_http(url)
        slack.person("U0SARA").open_home()
        assert attempts.get(timeout=5) == ("0", "")
        assert attempts.get(timeout=5) == ("1", "http_error")
        time.sleep(0.2)
        assert attempts.empty()
        slack.advance(61)
        assert attempts.get(timeout=5) == ("2", "http_error")
        time.sleep(0.2)
        slack.advance(301)
        assert attempts.get(timeout=5) == ("3", "http_error")


def test_the_client_reaches_the_same_workspace(slack: LocalSlack) -> None:
    assert web_client(slack).auth_test()["team"] == "Shop"
