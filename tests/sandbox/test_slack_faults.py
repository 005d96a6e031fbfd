"""Rate limits, and the faults a test injects."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.client import RemoteDisconnected

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.web import SlackResponse

from sandbox.slack.rates import POST_BURST
from sandbox.slack.server import LocalSlack
from tests.sandbox.bolt_app import web_client


@pytest.fixture
def slack() -> Iterator[LocalSlack]:
    with LocalSlack() as server:
        yield server


@pytest.fixture
def client(slack: LocalSlack) -> WebClient:
    return web_client(slack)


def _accepted(client: WebClient, method: str, count: int, **args: str) -> tuple[int, SlackResponse | None]:
    """Calls until refused; how many were accepted, and the refusal."""
    for number in range(count):
        try:
            client.api_call(method, params={**args, "text": str(number)})
        except SlackApiError as refusal:
            answer = refusal.response
            if (answer.status_code, answer["error"]) != (429, "ratelimited"):
                raise
            return number, answer
    return count, None


def _burst(client: WebClient, channel: str, count: int) -> int:
    return _accepted(client, "chat.postMessage", count, channel=channel)[0]


def test_a_channel_takes_one_message_a_second_after_a_short_burst(slack: LocalSlack, client: WebClient) -> None:
    assert _burst(client, "C0OPS", 10) == POST_BURST
    assert _burst(client, "#ops", 1) == 0, "a channel's name is the same channel"
    assert _burst(client, "C0ALERTS", 1) == 1, "a quiet channel does not wait for a noisy one"
    slack.speed(1000)
    time.sleep(0.01)
    assert _burst(client, "C0OPS", 1) == 1


def test_waiting_as_told_is_enough(client: WebClient) -> None:
    client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=1))
    assert _burst(client, "C0OPS", POST_BURST + 1) == POST_BURST + 1


def test_each_method_has_the_budget_of_its_tier(client: WebClient) -> None:
    accepted, refusal = _accepted(client, "conversations.list", 25)
    assert accepted == 20
    assert refusal is not None
    assert refusal.headers["Retry-After"] == "3"
    client.conversations_info(channel="C0OPS")


def test_a_rate_limit_fault_tells_when_to_come_back(slack: LocalSlack, client: WebClient) -> None:
    slack.fault("chat.postMessage", "429", times=1, retry_after=7)
    with pytest.raises(SlackApiError) as refusal:
        client.chat_postMessage(channel="C0OPS", text="t")
    assert refusal.value.response.headers["Retry-After"] == "7"
    assert client.chat_postMessage(channel="C0OPS", text="t")["ok"]


def test_a_server_error_fault_answers_its_status(slack: LocalSlack, client: WebClient) -> None:
    slack.fault("auth.test", "503", times=None)
    for _ in range(2):
        with pytest.raises(SlackApiError) as refusal:
            client.auth_test()
        assert refusal.value.response.status_code == 503
    slack.clear_faults()
    assert client.auth_test()["ok"]


def test_a_lost_answer_was_accepted_all_the_same(slack: LocalSlack, client: WebClient) -> None:
    slack.fault("chat.postMessage", "lost_answer")
    with pytest.raises((RemoteDisconnected, ConnectionResetError)):
        client.chat_postMessage(channel="C0OPS", text="once")
    history = client.conversations_history(channel="C0OPS")["messages"]
    assert [message["text"] for message in history] == ["once"]


def test_the_sdk_repeats_a_call_whose_answer_was_lost_and_so_posts_twice(slack: LocalSlack) -> None:
    slack.fault("chat.postMessage", "lost_answer")
    client = WebClient(token=slack.bot_token, base_url=slack.api_url)
    client.chat_postMessage(channel="C0OPS", text="twice")
    assert len(client.conversations_history(channel="C0OPS")["messages"]) == 2


def test_a_call_can_be_delivered_twice_delayed_or_refused(slack: LocalSlack, client: WebClient) -> None:
    slack.fault("chat.postMessage", "duplicate_delivery")
    client.chat_postMessage(channel="C0OPS", text="t")
    assert len(client.conversations_history(channel="C0OPS")["messages"]) == 2
    slack.fault("auth.test", "delay", seconds=0.3)
    began = time.monotonic()
    client.auth_test()
    assert time.monotonic() - began >= 0.3
    slack.fault("chat.update", "error:edit_window_closed")
    with pytest.raises(SlackApiError) as refusal:
        client.chat_update(channel="C0OPS", ts="1.0", text="x")
    assert refusal.value.response["error"] == "edit_window_closed"


def test_a_fault_that_does_not_exist_is_refused(slack: LocalSlack) -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        slack.fault("auth.test", "earthquake")
