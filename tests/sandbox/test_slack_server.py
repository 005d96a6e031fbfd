"""The local Slack as a process and as an object: it starts, tells its address, and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from queue import SimpleQueue

import pytest
from slack_sdk import WebClient

from sandbox.slack.server import LocalSlack
from tests.sandbox.bolt_app import JSON, web_client


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_prints_what_an_app_needs_and_ends_when_told(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-m", "sandbox.slack"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().strip() for _ in range(5)]
            environment = dict(line.split("=", 1) for line in lines[1:])
            client = WebClient(environment["SLACK_BOT_TOKEN"], base_url=environment["SLACK_API_URL"])
            assert client.auth_test()["ok"]
            assert environment["SLACK_APP_TOKEN"].startswith("xapp-")
            process.send_signal(number)
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_a_port_that_is_taken_is_an_error() -> None:
    with LocalSlack() as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(OSError, match="address already in use"):
            LocalSlack(port=port).start()


def test_after_stop_nothing_listens_and_no_thread_is_left() -> None:
    before = threading.active_count()
    slack = LocalSlack().start()
    slack.stop()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{slack.url}/ui/state?as=U0SARA", timeout=2)
    assert threading.active_count() == before


def test_two_workspaces_have_different_tokens() -> None:
    first, second = LocalSlack(), LocalSlack()
    assert len({first.bot_token, second.bot_token, first.signing_secret, second.signing_secret}) == 4


def test_events_tell_the_browser_what_to_fetch_again() -> None:
    with LocalSlack() as slack:
        hints: SimpleQueue[JSON] = SimpleQueue()
        opened = threading.Event()

        def listen() -> None:
            with urllib.request.urlopen(f"{slack.url}/ui/events?as=U0OMID", timeout=10) as stream:
                for line in stream:
                    opened.set()
                    if line.startswith(b"data: "):
                        hints.put(json.loads(line[6:]))
                        return

        thread = threading.Thread(target=listen)
        thread.start()
        assert opened.wait(5)
        client = web_client(slack)
        client.chat_postEphemeral(channel="C0OPS", user="U0SARA", text="not for Omid")
        ts = client.chat_postMessage(channel="C0OPS", text="t")["ts"]
        thread.join(5)
        hint = hints.get(timeout=1)
        assert (hint["type"], hint["channel"], hint["ts"]) == ("message", "C0OPS", ts)
