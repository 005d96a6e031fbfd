"""A Bolt app in Socket Mode: commands, clicks, several connections, reconnects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from queue import SimpleQueue

import aiohttp
import pytest
from slack_bolt import Ack, App
from slack_sdk import WebClient

from sandbox.slack.server import LocalSlack
from tests.sandbox.bolt_app import JSON, actions, button, connected, new_app, plain, web_client


class Heard:
    """A Bolt app that keeps every payload it was sent, and acknowledges as `acks` says."""

    def __init__(self, slack: LocalSlack) -> None:
        self.payloads: SimpleQueue[JSON] = SimpleQueue()
        self.delay = 0.0
        self.app = new_app(slack)
        self._listen(self.app)

    def _listen(self, app: App) -> None:
        @app.command("/backup")
        def _(ack: Ack, body: JSON) -> None:
            time.sleep(self.delay)
            self.payloads.put(body)
            if body["text"] == "silent":
                ack()
            elif body["text"] == "loud":
                ack({"response_type": "in_channel", "text": "everybody"})
            elif body["text"] == "broken":
                ack(blocks=[{"type": "carousel"}], text="x")
            else:
                ack(f"heard {body['text']}")

        @app.action({"action_id": "go"})
        def _(ack: Ack, body: JSON) -> None:
            ack()
            self.payloads.put(body)

        @app.event("app_home_opened")
        def _(event: JSON, client: WebClient) -> None:
            section = {"type": "section", "text": plain("welcome")}
            client.views_publish(user_id=event["user"], view={"type": "home", "blocks": [section]})

    def next(self) -> JSON:
        """The next payload."""
        return self.payloads.get(timeout=5)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalSlack]:
    with LocalSlack(rate_limits=False) as running:
        yield running


@pytest.fixture(scope="module")
def listening(server: LocalSlack) -> Iterator[Heard]:
    heard = Heard(server)
    with connected(server, heard.app):
        yield heard


@pytest.fixture
def slack(server: LocalSlack, heard: Heard) -> LocalSlack:
    server.reset()
    return server


@pytest.fixture
def heard(listening: Heard) -> Heard:
    listening.delay = 0.0
    while not listening.payloads.empty():
        listening.payloads.get()
    return listening


def test_a_command_arrives_as_slack_sends_it(slack: LocalSlack, heard: Heard) -> None:
    assert slack.person("U0SARA").command("C0OPS", "/backup now & <then>") == {"ok": True}
    payload = heard.next()
    expected = {
        "team_id": "T0LOCAL",
        "channel_id": "C0OPS",
        "channel_name": "ops",
        "user_id": "U0SARA",
        "user_name": "sara",
        "command": "/backup",
        "text": "now &amp; &lt;then&gt;",
        "api_app_id": "A0LOCAL",
        "is_enterprise_install": "false",
    }
    assert {name: payload[name] for name in expected} == expected
    assert payload["response_url"].startswith(slack.url)
    assert payload["trigger_id"].count(".") == 2


def test_what_is_said_in_the_ack_is_ephemeral_unless_in_channel(slack: LocalSlack, heard: Heard) -> None:
    sara, omid = slack.person("U0SARA"), slack.person("U0OMID")
    sara.command("C0OPS", "/backup now")
    sara.command("C0OPS", "/backup loud")
    sara.command("C0OPS", "/backup silent")
    assert [message["text"] for message in sara.messages("C0OPS")] == ["heard now", "everybody"]
    assert [message["text"] for message in omid.messages("C0OPS")] == ["everybody"]


def test_a_command_not_acknowledged_in_three_seconds_shows_slacks_failure(slack: LocalSlack, heard: Heard) -> None:
    heard.delay = 4.5
    sara = slack.person("U0SARA")
    began = time.monotonic()
    assert sara.command("C0OPS", "/backup now") == {"ok": False, "error": "operation_timeout"}
    assert 2.9 < time.monotonic() - began < 4.4
    shown = sara.messages("C0OPS")[-1]
    assert shown["text"] == '/backup failed with the error "operation_timeout"'
    assert shown["ephemeral"] is True
    assert slack.person("U0OMID").messages("C0OPS") == []
    heard.next()


def test_an_ack_with_blocks_that_slack_refuses_fails_the_command(slack: LocalSlack, heard: Heard) -> None:
    answer = slack.person("U0SARA").command("C0OPS", "/backup broken")
    assert answer == {"ok": False, "error": "invalid_blocks"}


def test_a_click_arrives_with_its_message_and_a_fresh_trigger(slack: LocalSlack, heard: Heard) -> None:
    client = web_client(slack)
    ts = client.chat_postMessage(channel="C0OPS", text="card", blocks=actions(button("go", "42")))["ts"]
    assert slack.person("U0OMID").click("C0OPS", ts, "go") == {"ok": True}
    payload = heard.next()
    assert payload["user"]["id"] == "U0OMID"
    assert payload["container"] == {
        "type": "message",
        "message_ts": ts,
        "channel_id": "C0OPS",
        "is_ephemeral": False,
    }
    assert payload["message"]["text"] == "card"
    action = payload["actions"][0]
    assert (action["action_id"], action["block_id"], action["value"]) == ("go", "row", "42")


def test_a_choice_arrives_as_an_option_and_in_the_state(slack: LocalSlack, heard: Heard) -> None:
    option = {"text": plain("Shop"), "value": "shop"}
    select = {"type": "static_select", "action_id": "go", "options": [option]}
    ts = web_client(slack).chat_postMessage(channel="C0OPS", text="t", blocks=actions(select))["ts"]
    assert slack.person("U0SARA").click("C0OPS", ts, "go", value="nothing")["error"] == "invalid_option"
    slack.person("U0SARA").click("C0OPS", ts, "go", value="shop")
    payload = heard.next()
    assert payload["actions"][0]["selected_option"]["value"] == "shop"
    assert payload["state"]["values"]["row"]["go"]["selected_option"]["value"] == "shop"


def test_an_ephemerals_buttons_work_for_its_reader_only(slack: LocalSlack, heard: Heard) -> None:
    client = web_client(slack)
    ts = client.chat_postEphemeral(channel="C0OPS", user="U0SARA", text="t", blocks=actions(button("go")))["message_ts"]
    assert slack.person("U0OMID").click("C0OPS", ts, "go")["error"] == "message_not_found"
    assert slack.person("U0SARA").click("C0OPS", ts, "go") == {"ok": True}
    payload = heard.next()
    assert payload["container"]["is_ephemeral"] is True
    assert "message" not in payload


def test_a_button_that_is_gone_can_not_be_clicked(slack: LocalSlack, heard: Heard) -> None:
    client = web_client(slack)
    ts = client.chat_postMessage(channel="C0OPS", text="card", blocks=actions(button("go")))["ts"]
    client.chat_update(channel="C0OPS", ts=ts, text="done")
    assert slack.person("U0SARA").click("C0OPS", ts, "go")["error"] == "action_not_found"


def test_the_home_tab_is_published_when_it_is_opened(slack: LocalSlack, heard: Heard) -> None:
    sara = slack.person("U0SARA")
    assert sara.home() is None
    sara.open_home()
    sara.wait_for(lambda: sara.home() is not None)
    home = sara.home()
    assert home is not None
    assert home["blocks"][0]["text"]["text"] == "welcome"
    assert slack.person("U0OMID").home() is None


def test_each_envelope_goes_to_one_of_the_connections(slack: LocalSlack, heard: Heard) -> None:
    second = Heard(slack)
    with connected(slack, second.app):
        before = slack.connections()
        for number in range(10):
            slack.person("U0SARA").command("C0OPS", f"/backup {number}")
        after = slack.connections()
    assert [after[n] - before[n] for n in range(2)] == [5, 5]
    texts = [heard.next()["text"] for _ in range(5)] + [second.next()["text"] for _ in range(5)]
    assert sorted(texts) == [str(number) for number in range(10)]
    assert heard.payloads.empty()
    assert second.payloads.empty()


def test_the_app_reconnects_when_slack_asks_it_to(slack: LocalSlack, heard: Heard) -> None:
    sara = slack.person("U0SARA")
    sara.command("C0OPS", "/backup first")
    assert heard.next()["text"] == "first"  # from here on the connection that it has is none that got nothing
    slack.disconnect("refresh_requested")
    sara.wait_for(lambda: slack.connections() == [0], timeout=10, what="a fresh connection")
    assert sara.command("C0OPS", "/backup again") == {"ok": True}
    assert heard.next()["text"] == "again"


def test_a_command_can_be_delivered_twice_by_a_fault(slack: LocalSlack, heard: Heard) -> None:
    slack.fault("commands", "duplicate_delivery")
    slack.person("U0SARA").command("C0OPS", "/backup twice")
    first, second = heard.next(), heard.next()
    assert first["trigger_id"] == second["trigger_id"]


def test_without_a_connection_a_command_fails_at_once() -> None:
    with LocalSlack() as slack:
        sara = slack.person("U0SARA")
        assert sara.command("C0OPS", "/backup now") == {"ok": False, "error": "dispatch_failed"}


def _addresses(slack: LocalSlack, count: int) -> list[str]:
    """Fresh Socket Mode addresses."""
    client = web_client(slack)
    return [str(client.apps_connections_open(app_token=slack.app_token)["url"]) for _ in range(count)]


def test_a_connections_address_works_once() -> None:
    async def connect_twice(url: str) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url) as socket:
                assert (await socket.receive_json(timeout=5))["type"] == "hello"
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await session.ws_connect(url)
            assert refusal.value.status == 401

    with LocalSlack() as slack:
        asyncio.run(connect_twice(_addresses(slack, 1)[0]))


def test_an_eleventh_connection_is_turned_away() -> None:
    async def first_frames(urls: list[str]) -> list[JSON]:
        async with aiohttp.ClientSession() as session, AsyncExitStack() as held:
            sockets = [await held.enter_async_context(session.ws_connect(url)) for url in urls]
            return [await socket.receive_json(timeout=5) for socket in sockets]

    with LocalSlack(rate_limits=False) as slack:
        *hellos, last = asyncio.run(first_frames(_addresses(slack, 11)))
    assert [frame["num_connections"] for frame in hellos] == list(range(1, 11))
    assert (last["type"], last["reason"]) == ("disconnect", "too_many_websockets")


def test_an_event_that_is_not_acknowledged_is_sent_again_and_a_command_is_not() -> None:
    with LocalSlack() as slack:
        app = App(client=web_client(slack), raise_error_for_unhandled_request=False)
        attempts: SimpleQueue[str] = SimpleQueue()

        @app.middleware
        def _(req: object, next: object) -> None:  # noqa: A002
            headers = getattr(req, "headers", {})
            attempts.put(headers.get("x-slack-retry-num", [""])[0])
            raise RuntimeError("not today")

        @app.error
        def _(error: Exception) -> None:
            """Answers nothing, so the envelope is not acknowledged."""

        with connected(slack, app):
            slack.person("U0SARA").open_home()
            seen = [attempts.get(timeout=8), attempts.get(timeout=8)]
            assert slack.person("U0SARA").command("C0OPS", "/backup x")["error"] == "operation_timeout"
            seen.append(attempts.get(timeout=8))
            time.sleep(0.3)
            assert attempts.empty(), "a minute has not passed, and the command is not repeated"
        assert seen[1] == "1"
