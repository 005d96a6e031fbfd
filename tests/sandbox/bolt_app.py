"""A real Bolt app beside a local Slack, by Socket Mode or behind a real HTTP server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from slack_bolt import Ack, App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox.slack.person import Person
from sandbox.slack.server import LocalSlack

JSON = dict[str, Any]


def web_client(slack: LocalSlack, token: str | None = None) -> WebClient:
    """A client without retries, so that a test sees each answer."""
    return WebClient(token=token or slack.bot_token, base_url=slack.api_url, retry_handlers=[])


def new_app(slack: LocalSlack) -> App:
    """An app with no listeners yet."""
    return App(client=web_client(slack), signing_secret=slack.signing_secret)


@contextmanager
def connected(slack: LocalSlack, app: App) -> Iterator[SocketModeHandler]:
    """Holds one more Socket Mode connection."""
    before = len(slack.connections())
    handler = SocketModeHandler(app, slack.app_token)
    handler.connect()
    try:
        slack.wait_for_connections(before + 1)
        yield handler
    finally:
        handler.close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def served(app: App) -> Iterator[str]:
    """Serves an app over HTTP and yields its request URL."""
    with make_server("127.0.0.1", 0, SlackRequestHandler(app), server_class=_Server, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/slack/events"
        finally:
            server.shutdown()
            thread.join(5)


def plain(text: str) -> JSON:
    """A plain_text object."""
    return {"type": "plain_text", "text": text}


def button(action_id: str, value: str = "1", **more: object) -> JSON:
    """A button."""
    return {"type": "button", "action_id": action_id, "text": plain("Go"), "value": value, **more}


def actions(*elements: JSON) -> list[JSON]:
    """One actions block."""
    return [{"type": "actions", "block_id": "row", "elements": list(elements)}]


def modal(callback_id: str, **more: object) -> JSON:
    """A modal that asks for a code."""
    return {
        "type": "modal",
        "callback_id": callback_id,
        "title": plain("Code"),
        "submit": plain("Go"),
        "blocks": [
            {
                "type": "input",
                "block_id": "code",
                "label": plain("Code"),
                "element": {"type": "plain_text_input", "action_id": "code"},
            }
        ],
        **more,
    }


class Stage:
    """An app whose next answer to a submission a test sets."""

    def __init__(self, slack: LocalSlack) -> None:
        self.payloads: SimpleQueue[JSON] = SimpleQueue()
        self.answer: JSON = {}
        self.delay = 0.0
        self.app = app = new_app(slack)

        @app.command("/backup")
        def _(ack: Ack, body: JSON) -> None:
            ack()
            self.payloads.put(body)

        @app.action("go")
        def _(ack: Ack, body: JSON) -> None:
            ack()
            self.payloads.put(body)

        @app.view("totp")
        def _(ack: Ack, body: JSON) -> None:
            time.sleep(self.delay)
            ack(**self.answer)
            self.payloads.put(body)

        @app.view_closed("totp")
        def _(ack: Ack, body: JSON) -> None:
            ack()
            self.payloads.put(body)

    def next(self) -> JSON:
        """The next payload."""
        return self.payloads.get(timeout=5)


def error_of(call: Callable[[], object]) -> str:
    """The code Slack refuses a call with."""
    with pytest.raises(SlackApiError) as refusal:
        call()
    return str(refusal.value.response["error"])


def trigger(person: Person, stage: Stage) -> str:
    """A fresh trigger, from a command."""
    person.command("C0OPS", "/backup now")
    return str(stage.next()["trigger_id"])
