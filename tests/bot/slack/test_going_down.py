"""A bot that goes down loses nothing that Slack gave it, and takes nothing more."""

from __future__ import annotations

import io
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bot.slack.app import PATH, Doorman, WsgiApp
from sandbox.slack.http_delivery import sign
from sandbox.slack.server import LocalSlack
from tests.bot.slack.stage import Rig, rig

TYPISTS, EACH = 40, 6
"""Many at a time, so that something is on its way whenever the connection ends."""
SECRET = "s" * 32


def types(bots: list[Rig], number: int, failed: list[str]) -> None:
    person = bots[0].slack.person(("U0SARA", "U0OMID")[number % 2])
    for turn in range(EACH):
        word = f"{number}-{turn}"
        if not person.command("C0OPS", f"/backup show {word}")["ok"]:
            failed.append(word)


def heard(bots: list[Rig]) -> Counter[str]:
    return Counter(each.words[1] for bot in bots for each in bot.desk.asked)


def test_of_two_connections_one_can_be_ended_while_people_type_and_every_word_is_heard_once(slack: LocalSlack) -> None:
    with rig(slack) as staying, rig(slack, socket=False) as leaving:
        socket = leaving.app.socket(slack.app_token)
        # A machine that is busy reads late, so that something is sent and unread when the connection ends.
        socket._handler.client.on_message_listeners.append(lambda message: time.sleep(0.03))
        socket.start()
        slack.wait_for_connections(2)
        failed, bots = list[str](), [staying, leaving]
        with ThreadPoolExecutor(TYPISTS) as pool:
            typing = [pool.submit(types, bots, number, failed) for number in range(TYPISTS)]
            staying.slack.person("U0SARA").wait_for(lambda: leaving.desk.asked, 20, "words over both")
            socket.stop()
            assert not all(each.done() for each in typing), "it ended too late to show anything"
            for each in typing:
                each.result(60)
        words = {f"{number}-{turn}" for number in range(TYPISTS) for turn in range(EACH)}
        slack.person("U0SARA").wait_for(lambda: len(heard(bots)) == len(words) or None, 10, "every word")
        assert heard(bots) == dict.fromkeys(words, 1)
        print(f"{len(failed)} of {len(words)} were called failed, and done")


class Slow:
    """In Bolt's place: answers when it is let."""

    def __init__(self) -> None:
        self.let, self.came = threading.Event(), threading.Event()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        self.came.set()
        self.let.wait(10)
        start("200 OK", [])
        return [b""]


def asked(doorman: WsgiApp, secret: str = SECRET) -> str:
    body, said, moment = b"a=b", list[str](), str(int(time.time()))
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": PATH, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
        "HTTP_X_SLACK_REQUEST_TIMESTAMP": moment, "HTTP_X_SLACK_SIGNATURE": sign(secret, moment, body),
    }  # fmt: skip
    list(doorman(environ, lambda status, headers: said.append(status)))  # type: ignore[arg-type]
    return said[0]


def test_over_http_an_app_that_was_closed_sends_slack_to_another_instance(slack: LocalSlack) -> None:
    with rig(slack, socket=False) as bot:
        doorman = bot.app.wsgi()
        bot.app.close()
        assert asked(doorman, slack.signing_secret) == "503 Service Unavailable"


def test_over_http_what_is_inside_is_finished_and_what_comes_then_is_sent_to_another_instance() -> None:
    bolt = Slow()
    doorman = Doorman(bolt, SECRET)
    with ThreadPoolExecutor(2) as pool:
        inside = pool.submit(asked, doorman)
        assert bolt.came.wait(10)
        closing = pool.submit(doorman.close)
        end = time.monotonic() + 10
        while not doorman.closed:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert asked(doorman) == "503 Service Unavailable"
        assert not closing.done()
        bolt.let.set()
        assert inside.result(10) == "200 OK"
        closing.result(10)
