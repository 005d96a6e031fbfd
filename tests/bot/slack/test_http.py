"""Signed HTTP: what Slack sends gets in, everything else is turned away, and no body is ever logged."""

from __future__ import annotations

import http.client
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from urllib.parse import urlencode, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from bot.slack.app import SlackApp, WsgiApp
from bot.slack.chat import slack_client
from bot.slack.listeners import Listeners
from bot.slack.quiet import quieten
from handlers.core.words.errors import Refusal
from sandbox.slack.http_delivery import sign
from sandbox.slack.server import LocalSlack
from tests.bot.slack.stage import HandClock, Rig, ToldDesk, new_chat, rig
from tests.fakes import MemoryState


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def served(app: WsgiApp) -> Iterator[str]:
    with make_server("127.0.0.1", 0, app, server_class=_Server, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/slack/events"
        finally:
            server.shutdown()
            thread.join(5)


@pytest.fixture
def bot(slack: LocalSlack) -> Iterator[Rig]:
    with rig(slack, socket=False) as bot:
        yield bot


@pytest.fixture
def url(slack: LocalSlack, bot: Rig) -> Iterator[str]:
    with served(bot.app.wsgi()) as url:
        slack.deliver_by_http(url)
        yield url
        slack.deliver_by_socket()


def post(url: str, body: str | bytes, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request("POST", parts.path, body, {"Content-Type": "application/x-www-form-urlencoded", **headers})
        return connection.getresponse().status
    finally:
        connection.close()


def signed(slack: LocalSlack, body: str, timestamp: str | None = None) -> dict[str, str]:
    timestamp = timestamp or str(int(time.time()))
    return {
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": sign(slack.signing_secret, timestamp, body.encode()),
    }


COMMAND = urlencode(
    {
        "command": "/backup",
        "text": "now",
        "user_id": "U0SARA",
        "team_id": "T0LOCAL",
        "channel_id": "C0OPS",
        "trigger_id": "1.2.3",
    }
)
SUBMISSION = urlencode(
    {
        "payload": json.dumps(
            {
                "type": "view_submission",
                "user": {"id": "U0SARA", "team_id": "T0LOCAL"},
                "view": {"callback_id": "totp", "state": {"values": {"code": {"code": {"value": "987654"}}}}},
            }
        )
    }
)


def test_commands_and_codes_work_over_http(bot: Rig, url: str) -> None:
    sara = bot.slack.person("U0SARA")
    assert sara.command("C0OPS", "/backup list") == {"ok": True}
    sara.wait_for_message("C0OPS", lambda each: "Fine" in each["text"])


def test_the_same_signed_request_happens_once(bot: Rig, url: str) -> None:
    headers = signed(bot.slack, COMMAND)
    assert [post(url, COMMAND, headers) for _ in range(3)] == [200, 200, 200]
    bot.slack.person("U0SARA").wait_for(lambda: bot.desk.asked)
    time.sleep(0.2)
    assert len(bot.desk.asked) == 1


@pytest.mark.parametrize("body", [COMMAND, SUBMISSION, "ssl_check=1&" + COMMAND, "ssl_check=1&token=x"])
def test_what_is_not_signed_is_turned_away_and_not_logged(
    bot: Rig, url: str, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    now = str(int(time.time()))
    wrong = {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": "v0=" + "0" * 64}
    old = signed(bot.slack, body, str(int(time.time()) - 301))
    other = {**signed(bot.slack, body + "&x=1")}
    for headers in (wrong, old, other, {}, {"X-Slack-Request-Timestamp": now}):
        assert post(url, body, headers) == 401
    assert bot.desk.asked == []
    assert bot.desk.codes == []
    assert "987654" not in caplog.text
    assert "U0SARA" not in caplog.text


@pytest.mark.parametrize("timestamp", ["abc", "", "1e9", "-1", "99999999999999999999", "12\u00b2"])
def test_a_timestamp_that_is_no_number_is_turned_away_like_any_other(bot: Rig, url: str, timestamp: str) -> None:
    headers = {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": "v0=" + "0" * 64}
    assert post(url, COMMAND, headers) == 401


def test_a_signature_that_is_no_ascii_is_turned_away(bot: Rig, url: str) -> None:
    headers = {"X-Slack-Request-Timestamp": str(int(time.time())), "X-Slack-Signature": "v0=\u00e9"}
    assert post(url, COMMAND, headers) == 401


def test_a_body_that_is_no_utf_8_is_turned_away_whatever_its_signature(bot: Rig, url: str) -> None:
    timestamp = str(int(time.time()))
    signature = sign(bot.slack.signing_secret, timestamp, b"\xff=1")
    assert post(url, b"\xff=1", {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature}) == 401


def test_a_body_that_cannot_be_slacks_is_not_read(bot: Rig, url: str) -> None:
    assert post(url, "", {"Content-Length": "2000000", **signed(bot.slack, "")}) == 413
    assert post(url.replace("events", "other"), "", {}) == 404


def test_a_signed_request_nobody_listens_for_is_not_logged(
    bot: Rig, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = COMMAND.replace("%2Fbackup", "%2Fother").replace("now", "hunter2")
    assert post(url, body, signed(bot.slack, body)) == 404
    assert "hunter2" not in caplog.text
    assert "nobody listens for" in caplog.text


def test_without_a_signing_secret_nothing_is_served(slack: LocalSlack) -> None:
    clock = HandClock()
    chat = new_chat(slack)
    listeners = Listeners(ToldDesk(), chat, MemoryState(clock), lambda: None)
    app = SlackApp(slack_client(slack.bot_token, slack.api_url), " ", listeners, ("backup",))
    with pytest.raises(Refusal, match="SLACK_SIGNING_SECRET"):
        app.wsgi()
    app.close()


class Kept(logging.Handler):
    """What the root logger is given. (pytest's own handler also sits on loggers that do not propagate.)"""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def test_the_libraries_say_where_and_not_what() -> None:
    quieten()
    root, kept = logging.getLogger(), Kept()
    root.addHandler(kept)
    try:
        logging.getLogger("slack_sdk.web.base_client").error("the code was %s", "123123")
        logging.getLogger("slack_bolt.RequestVerification").info("the body was %s", "123123")
    finally:
        root.removeHandler(kept)
    [line] = kept.lines
    assert line.startswith("slack_sdk.web.base_client at test_http.py:")
    assert "123123" not in line
