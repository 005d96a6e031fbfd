"""What is said in Slack, and what its refusals mean."""

from __future__ import annotations

import socket
import ssl
import threading
import time
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.slack import chat as chat_module
from bot.slack.chat import Chat, slack_client
from bot.slack.snags import Snag
from handlers.core.words.cards import Card, Picture, Tone
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Text
from sandbox.slack.server import LocalSlack
from tests.bot.slack.stage import new_chat

CARD = Card(Text("A card"))


@pytest.fixture
def chat(slack: LocalSlack) -> Chat:
    slack.speed(1000)
    return new_chat(slack)


def snag(chat: Chat) -> Snag:
    with pytest.raises(Snag) as raised:
        chat.post("C0OPS", CARD, "m")
    return raised.value


def posts(slack: LocalSlack) -> int:
    return len(slack.person("U0SARA").messages("C0OPS"))


def test_a_lost_answer_is_ambiguous_and_the_library_does_not_post_twice(slack: LocalSlack, chat: Chat) -> None:
    slack.fault("chat.postMessage", "lost_answer")
    failure = snag(chat)
    assert (failure.ambiguous, failure.permanent, failure.retry_after_seconds) == (True, False, None)
    time.sleep(0.2)
    assert posts(slack) == 1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("500", (True, False, False, None)),
        ("503", (True, False, False, None)),
        ("error:internal_error", (True, False, False, None)),
        ("error:invalid_auth", (False, True, False, None)),
        ("error:token_revoked", (False, True, False, None)),
        ("error:invalid_blocks", (False, True, False, None)),
        ("error:message_not_found", (False, False, True, None)),
        ("error:thread_not_found", (False, False, True, None)),
        ("error:something_new", (False, False, False, None)),
        ("429", (False, False, False, 7.0)),
    ],
)
def test_what_a_refusal_means(
    slack: LocalSlack, chat: Chat, kind: str, expected: tuple[bool, bool, bool, float | None]
) -> None:
    slack.fault("chat.postMessage", kind, retry_after=7)
    failure = snag(chat)
    assert (failure.ambiguous, failure.permanent, failure.gone, failure.retry_after_seconds) == expected
    assert slack.bot_token not in str(failure) + repr(failure.__cause__)


def test_slacks_own_rate_limit_says_how_long(slack: LocalSlack, chat: Chat) -> None:
    slack.speed(1)
    for number in range(3):
        chat.post("C0OPS", CARD, str(number))
    assert (snag(chat).retry_after_seconds or 0) >= 1


@pytest.mark.parametrize(
    ("channel", "what_to_do"), [("C0RANDOM", "/invite"), ("C0NOWHERE", "/invite"), ("C0OLD", "archived")]
)
def test_what_a_person_can_put_right_is_a_refusal_that_says_how(
    slack: LocalSlack, chat: Chat, channel: str, what_to_do: str
) -> None:
    if channel == "C0OLD":
        slack.fault("chat.postMessage", "error:is_archived")
    with pytest.raises(Refusal, match=what_to_do):
        chat.post(channel, CARD, "m")


def test_a_slack_that_is_not_there_is_not_ambiguous() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    failure = snag(Chat(slack_client("xoxb-secret", f"http://127.0.0.1:{port}/api/")))
    assert failure.ambiguous is False
    assert "xoxb" not in str(failure)


def test_a_slack_that_answers_nothing_is_given_up_and_ambiguous(slack: LocalSlack) -> None:
    client = slack_client(slack.bot_token, slack.api_url)
    assert client.timeout == chat_module.TIMEOUT_SECONDS == 10
    client.timeout = 1
    slack.fault("chat.postMessage", "delay", seconds=1.6)
    started = time.monotonic()
    assert snag(Chat(client)).ambiguous is True
    assert time.monotonic() - started < 1.5
    time.sleep(0.8)  # Slack does it all the same
    assert posts(slack) == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"nonsense\r\n\r\n", b""])
def test_an_answer_that_breaks_off_is_ambiguous(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        chat = Chat(slack_client("xoxb-secret", f"http://127.0.0.1:{server.getsockname()[1]}/api/"))
        assert snag(chat).ambiguous is True
        thread.join(5)


def test_a_message_is_found_by_its_mark_and_by_nothing_else(slack: LocalSlack, chat: Chat) -> None:
    now = datetime.now(UTC)
    ts = chat.post("C0OPS", CARD, "mine")
    chat.post("C0OPS", CARD, "other")
    note = chat.post("C0OPS", Text("A note"), "note", ts)
    assert chat.find("C0OPS", "mine", now) == ts
    assert chat.find("C0OPS", "note", now) is None
    assert chat.find("C0OPS", "note", now, ts) == note
    assert chat.find("C0OPS", "nobody", now) is None
    assert chat.find("C0OPS", "mine", now - timedelta(hours=1)) is None
    assert chat.find("C0OPS", "mine", now + timedelta(hours=1)) is None


def test_a_message_of_somebody_else_with_the_same_mark_is_not_ours(slack: LocalSlack, chat: Chat) -> None:
    chat.post("C0OPS", CARD, "mine")

    slack._with(lambda site: next(iter(site.workspace.messages.top("C0OPS"))).bot).update(bot_id="B0EVIL")  # type: ignore[union-attr]
    assert chat.find("C0OPS", "mine", datetime.now(UTC)) is None


def test_a_message_is_found_behind_many_newer_ones(slack: LocalSlack, chat: Chat) -> None:
    ts = chat.post("C0OPS", CARD, "mine")
    sara = slack.person("U0SARA")
    for number in range(210):
        sara.say("C0OPS", f"{number}")
    assert chat.find("C0OPS", "mine", datetime.now(UTC)) == ts


def test_an_edit_shows_the_new_card_and_keeps_the_mark(slack: LocalSlack, chat: Chat) -> None:
    ts = chat.post("C0OPS", CARD, "mine")
    chat.update("C0OPS", ts, Card(Text("Done"), Tone.GOOD))
    [message] = slack.person("U0SARA").messages("C0OPS")
    assert message["text"] == "✅ Done"
    assert chat.find("C0OPS", "mine", datetime.now(UTC)) == ts


def test_a_whisper_is_for_one_person(slack: LocalSlack, chat: Chat) -> None:
    chat.whisper("C0OPS", "U0SARA", CARD)
    assert len(slack.person("U0SARA").messages("C0OPS")) == 1
    assert slack.person("U0OMID").messages("C0OPS") == []


def test_the_manifest_has_every_scope_these_calls_need(slack: LocalSlack, chat: Chat) -> None:
    direct = chat.direct("U0SARA")
    ts = chat.post(direct, CARD, "direct")
    assert chat.find(direct, "direct", datetime.now(UTC)) == ts
    assert chat.find(direct, "direct", datetime.now(UTC), ts) == ts
    assert chat.user("U0SARA")["id"] == "U0SARA"
    assert chat.team() == "T0LOCAL"
    assert chat.name() == "U0BOT"


PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40


def test_a_picture_is_kept_in_no_channel_until_a_card_shows_it(slack: LocalSlack, chat: Chat) -> None:
    file = chat.upload("alert.png", PNG, Text("What {name} measured", name="Slow\u202e"))
    assert posts(slack) == 0
    slack.advance(61)
    picture = Picture(file, Text("a plot"))
    chat.post("C0OPS", replace(CARD, picture=picture), "m")
    (message,) = slack.person("U0SARA").messages("C0OPS")
    shown = message["blocks"][-1]
    assert (shown["type"], shown["alt_text"], shown["slack_file"]) == ("image", "a plot", {"id": file})
    with urllib.request.urlopen(f"{slack.url}/files/{file}", timeout=5) as answer:
        assert answer.read() == PNG


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
@pytest.mark.parametrize("fault", ["500", "429", "error:missing_scope", "lost_answer"])
def test_an_upload_that_fails_says_so_and_shows_nothing(slack: LocalSlack, chat: Chat, method: str, fault: str) -> None:
    slack.fault(method, fault, retry_after=7)
    with pytest.raises(Snag) as raised:
        chat.upload("alert.png", PNG, Text("a plot"))
    assert raised.value.retry_after_seconds == (7.0 if fault == "429" else None)
    assert slack.bot_token not in str(raised.value)
    assert posts(slack) == 0


def test_only_a_refusal_of_what_was_sent_is_one(slack: LocalSlack, chat: Chat) -> None:
    for fault, refused in {
        "error:invalid_blocks": True,
        "error:something_new": True,
        "error:internal_error": False,
        "error:message_not_found": False,
        "429": False,
        "500": False,
    }.items():
        slack.fault("chat.postMessage", fault)
        assert snag(chat).refused is refused, fault


def test_a_real_slack_is_trusted_by_its_certificate_which_is_not_read_anew_for_each_call(slack: LocalSlack) -> None:
    trusted = slack_client("xoxb-1", "https://slack.com/api/").ssl
    assert trusted is not None
    assert (trusted.verify_mode, trusted.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert slack_client(slack.bot_token, slack.api_url).ssl is None
