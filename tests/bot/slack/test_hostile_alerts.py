"""Hostile words in alerts, in every kind of message that tells of them: no message sent contains an unescaped one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings

from bot.slack.modals import card_view, explanation_view, form_view, home_view
from handlers.core.alerts import notices, silences
from handlers.core.alerts.alert_cards import group_card, pictured, who_did
from handlers.core.alerts.notices import Notice
from handlers.core.words.answers import Press
from handlers.core.words.cards import Card
from handlers.core.words.errors import Refusal
from handlers.core.words.postings import Document
from handlers.core.words.text import Text
from sandbox.slack.server import LocalSlack
from tests.bot.slack.stage import MANIFEST
from tests.bot.slack.test_blocks import strings
from tests.bot.test_relay_alerts import ALERTS, Stage, staged
from tests.fakes import someone

PNG = bytes.fromhex("89504e470d0a1a0a")
HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\u200e\u200f\ud800-\udfff]")
# What our own code may write between angles: dates, the presser, the on-call group, an address that we were given.
OURS = re.compile(
    r"<!date\^[0-9]+\^[^<>|]*\|[^<>]*>|<@U0SARA>|<!subteam\^S0ONCALL>|<https://(?:grafana|a|evil)\.example[^<>|\s]*\|[^<>]*>"
)
WORDS = (
    "<!channel> <!here> <@U0OMID> <!subteam^S0OPS>", "<https://evil.example|your bank>", "```\ncode\n```", "`*_~",
    "x" * 100_000, "<" * 100_000, "\u202egnol\u202c \u2066x", "فارسی \u200f<!everyone>", "a\x00\x07\x1b[31m\nb\r",
    "&lt;!channel&gt;", "> quoted", ":bomb:", "\ud800", "|", "https://evil.example/<!channel>",
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[LocalSlack]:
    with LocalSlack(manifest=MANIFEST, rate_limits=False) as slack:
        yield slack


def told(word: str, number: int, *, group: str, over: bool = False) -> Notice:
    labels = {"alertname": word, "severity": word, "instance": f"{number}{word}", word[:100]: word}
    alert = {
        "status": "resolved" if over else "firing",
        "labels": labels,
        "annotations": dict.fromkeys(
            ("summary", "description", "runbook_url", "dashboard_url", "message", "picture_expression", "runbook"), word
        ),
        "startsAt": "2026-11-24T03:00:00Z",
        "endsAt": "2026-11-24T03:05:00Z" if over else "0001-01-01T00:00:00Z",
        "generatorURL": word,
    }
    body = {"receiver": word, "externalURL": word, "groupLabels": {word[:200]: word, "n": group}, "alerts": [alert]}
    return notices.read(json.dumps(body).encode(), "default")


def told_about(stage: Stage, word: str) -> list[object]:
    """Everything that is said about alerts with this word; what is no message of the chat is returned."""
    first = told(word, 0, group="a")
    stage.alerts.take_in(first)
    stage.settle()  # a card
    stage.alerts.take_in(told(word, 1, group="a"))
    stage.alerts.press(Press("alert_ack", first.group, someone("U0SARA"), ALERTS))
    stage.settle()  # its edit, and its thread
    for number in range(9):
        stage.alerts.take_in(told(word, 0, group=str(number)))
    stage.settle()  # a shared card
    group = stage.ledger.load(first.group)
    assert group is not None
    late = stage.alerts.press(Press("alert_ack", first.group, someone("U0OMID"), ALERTS))
    stage.chat.whisper(ALERTS, "U0SARA", late if isinstance(late, Card) else Card(who_did(group)))
    stage.chat.upload("alert.png", PNG, pictured(group, group.last))
    message = stage.messages(ALERTS)[0]
    stage.chat.attach(ALERTS, Document("report.md", Text("About {word}", word=word), f"# {word}"), message["ts"])
    stage.chat.deliver("U0SARA", "report.md", b"x", Text("About {word}", word=word))
    views: list[object] = [card_view(group_card(group, first.group)), home_view((), group_card(group, first.group))]
    typed = {"for": "1h", "comment": word, "matchers": 'job="shop"'}
    named = [each.labels for each in group.firing.values()]
    try:
        views += [form_view(silences.question(group, first.group), ALERTS)]
        views += [form_view(silences.checked(first.group, typed, named, group.last), ALERTS)]
        views += [form_view(silences.again(first.group, typed, Text("{word}", word=word)), ALERTS)]
    except Refusal as refusal:
        views += [explanation_view(refusal.text)]
    return views


def shown(value: object, *, read: bool = True) -> Iterator[tuple[str, bool]]:
    """Every string, and whether Slack reads it as mrkdwn: `plain_text` it shows as it stands. What stands in a field is
    for whoever edits it, an address is opened and not read."""
    match value:
        case str() if value[:1] in "[{" and value[-1:] in "]}" and _is_json(value):
            yield from shown(json.loads(value), read=read)
        case str():
            yield value, read
        case dict():
            for name, each in value.items():
                if name not in {"initial_value", "private_metadata", "filename", "url"}:
                    yield from shown(each, read=read and value.get("type") != "plain_text" and name not in PLAIN)
        case list() | tuple():
            for each in value:
                yield from shown(each, read=read)


PLAIN = frozenset({"alt_txt", "alt_text", "title"})
"""Arguments and fields that Slack does not read as mrkdwn."""


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


@given(strings)
@settings(max_examples=5)
def test_any_words_are_words_in_every_kind_of_message(server: LocalSlack, word: str) -> None:
    check(server, word)


@pytest.mark.parametrize("word", WORDS, ids=range(len(WORDS)))
def test_hostile_words_are_words_in_every_kind_of_message(server: LocalSlack, word: str) -> None:
    check(server, word)


def check(server: LocalSlack, word: str) -> None:
    stage = staged(server)
    views = told_about(stage, word)
    sent: list[Any] = [*views, *(each["args"] for each in server.log() if each["method"] != "upload")]
    kinds = {each["method"] for each in server.log()}
    assert kinds >= {
        "chat.postMessage", "chat.update", "chat.postEphemeral", "files.getUploadURLExternal",
        "files.completeUploadExternal",
    }  # fmt: skip
    for words, read in shown(sent):
        assert not HIDDEN.search(words), words
        if read:
            left = OURS.sub("", words)
            assert not {"<", ">"} & set(left), left
            assert "```" not in left, left
