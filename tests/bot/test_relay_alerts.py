"""Alerts in the channel over days: shut channels, removed messages, an hour without Slack, people who are called."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from bot.relay import Relay
from bot.slack.chat import Chat
from handlers.alerts import AlertBoard, Alerts, StormBoard
from handlers.core.alerts import notices
from handlers.core.alerts.books import Book
from handlers.core.alerts.escalations import Step
from handlers.core.alerts.groups import Group
from handlers.core.alerts.ledger import MOST_SAID, Ledger, noted
from handlers.core.alerts.notices import group_id
from handlers.core.alerts.routes import Route, Routes
from handlers.core.words.answers import Press
from handlers.core.words.text import Text
from sandbox.demo import tour
from sandbox.slack.server import LocalSlack
from tests.bot.slack.stage import HandClock, new_chat
from tests.fakes import FakeEntropy, MemoryState, someone

ALERTS, OPS, FOREIGN = "C0ALERTS", "C0OPS", "C0RANDOM"


@dataclass
class Stage:
    """A local Slack, alerts over a state in memory, and one relay."""

    slack: LocalSlack
    clock: HandClock
    chat: Chat
    ledger: Ledger
    alerts: Alerts
    relay: Relay
    state: MemoryState
    known: dict[str, str] = field(default_factory=dict)
    """Since when each alert fires."""

    def tell(self, name: str, *, over: bool = False, severity: str = "warning") -> None:
        now = self.clock.now()
        told = {
            "status": "resolved" if over else "firing",
            "labels": {"alertname": name, "severity": severity},
            "startsAt": self.known.setdefault(name, now.isoformat()),
            "endsAt": now.isoformat() if over else "0001-01-01T00:00:00Z",
        }
        body = {"receiver": "slack", "groupLabels": {"alertname": name}, "alerts": [told]}
        self.alerts.take_in(notices.read(json.dumps(body).encode(), "default"))

    def pass_time(self, seconds: float) -> None:
        """The relay looks whenever it wants to."""
        end = self.clock.passed + seconds
        while self.clock.passed < end:
            self.clock.passed += min(max(1.0, self.relay.tick()), end - self.clock.passed)

    def settle(self) -> None:
        end = self.clock.passed + 600
        while self.state.keys("dirty:"):
            assert self.clock.passed < end, "still dirty"
            self.pass_time(1)

    def messages(self, channel: str) -> list[dict[str, Any]]:
        return self.slack.person("U0SARA").messages(channel)

    def words(self, channel: str) -> list[str]:
        return [tour.words(each) for each in self.messages(channel)]

    def thread(self, ts: str) -> list[str]:
        return [each["text"] for each in self.slack.person("U0SARA").thread(ALERTS, ts)[1:]]


def staged(server: LocalSlack, channel: str = ALERTS, steps: Sequence[Step] = ()) -> Stage:
    server.reset()
    clock, chat = HandClock(), new_chat(server)
    state = MemoryState(clock)
    ledger = Ledger(state)
    alerts = Alerts(ledger, clock, FakeEntropy())
    board = AlertBoard(alerts, ledger, Routes(Route(channel)), OPS, clock, threshold=5, steps=steps)
    relay = Relay({"alert": board, "book": StormBoard(ledger, OPS)}, state, chat, clock)
    return Stage(server, clock, chat, ledger, alerts, relay, state)


@pytest.fixture
def stage(server: LocalSlack) -> Stage:
    return staged(server)


@pytest.mark.parametrize("why", ["is_archived", "not_in_channel", "channel_not_found", "restricted_action"])
def test_a_card_that_its_channel_refuses_is_in_the_refuge_with_the_reason(server: LocalSlack, why: str) -> None:
    stage = staged(server)
    server.fault("chat.postMessage", f"error:{why}")
    stage.tell("Slow")
    stage.settle()
    assert stage.messages(ALERTS) == []
    [card] = stage.messages(OPS)
    shown = json.dumps(card, ensure_ascii=False)
    assert "Slow" in shown
    assert f"This belongs in <#{ALERTS}>. There: " in shown
    stage.tell("Slow", over=True)
    stage.settle()
    [words] = stage.words(OPS)
    assert "Slow: over" in words


def test_a_bot_that_is_no_member_any_more_shows_the_card_in_the_refuge(server: LocalSlack) -> None:
    stage = staged(server, FOREIGN)
    stage.tell("Slow")
    stage.settle()
    [words] = stage.words(OPS)
    assert "I am not in this channel" in words


def test_a_card_that_somebody_removed_is_in_the_refuge_and_says_so(stage: Stage) -> None:
    stage.tell("Slow")
    stage.settle()
    [card] = stage.messages(ALERTS)
    stage.chat._call("chat.delete", channel=ALERTS, ts=card["ts"])
    stage.tell("Slow", over=True)
    stage.settle()
    assert stage.messages(ALERTS) == []
    [words] = stage.words(OPS)
    assert "Slow: over" in words
    assert "Its message was removed." in words


@pytest.mark.parametrize("why", ["edit_window_closed", "cant_update_message"])
def test_a_card_too_old_to_be_edited_is_followed_by_one_that_leads_to_it(stage: Stage, why: str) -> None:
    stage.tell("Slow")
    stage.settle()
    [old] = stage.messages(ALERTS)
    stage.slack.fault("chat.update", f"error:{why}")
    stage.tell("Slow", over=True)
    stage.settle()
    first, second = stage.messages(ALERTS)
    assert "Slow: over" not in tour.words(first)
    assert "Slow: over" in tour.words(second)
    assert f"/archives/{ALERTS}/p{old['ts'].replace('.', '')}" in json.dumps(second)
    assert stage.messages(OPS) == []


@pytest.mark.timeout(300)
def test_after_an_hour_without_slack_late_cards_say_how_late_and_what_is_over_shares_one(stage: Stage) -> None:
    stage.tell("Before")
    stage.settle()
    stage.slack.fault("*", "503", times=None)
    stage.tell("Before", over=True)
    for number in range(3):
        stage.tell(f"Past{number}")
    stage.tell("Still")
    stage.pass_time(1800)
    for number in range(3):
        stage.tell(f"Past{number}", over=True)
    stage.pass_time(1800)
    stage.slack.clear_faults()
    stage.settle()
    before, *rest = stage.words(ALERTS)
    assert "Before: over" in before
    [still] = [each for each in rest if "Still" in each]
    [digest] = [each for each in rest if "Still" not in each]
    assert "This was posted 1 h" in still
    assert "3 groups of alerts fired and are over" in digest
    assert all(f"Past{number}" in digest for number in range(3))
    assert len({each["ts"] for each in stage.messages(ALERTS)}) == 3


def test_a_card_that_comes_in_time_says_nothing_of_late(stage: Stage) -> None:
    stage.tell("Slow")
    stage.pass_time(60)
    assert "late" not in stage.words(ALERTS)[0]


def test_a_repetition_sends_nothing_before_something_changes(stage: Stage) -> None:
    stage.tell("Slow")
    stage.settle()
    posts = sum(1 for each in stage.slack.log() if each["method"] == "chat.postMessage")
    for _ in range(3):
        stage.pass_time(3600)
        stage.tell("Slow")
        stage.settle()
    assert sum(1 for each in stage.slack.log() if each["method"] == "chat.postMessage") == posts == 1
    [card] = stage.messages(ALERTS)
    assert stage.thread(card["ts"]) == []


def test_whoever_is_on_call_is_mentioned_once_a_step_until_somebody_acknowledges(server: LocalSlack) -> None:
    stage = staged(server, steps=(Step(10, "S0ONCALL"), Step(30, "U0OMID"), Step(60, "S0ONCALL")))
    stage.tell("Slow", severity="critical")
    stage.settle()
    [card] = stage.messages(ALERTS)
    stage.pass_time(9 * 60)
    assert stage.thread(card["ts"]) == []
    stage.pass_time(20 * 60)
    [first] = stage.thread(card["ts"])
    assert first.startswith("<!subteam^S0ONCALL>")
    stage.pass_time(10 * 60)
    _, second = stage.thread(card["ts"])
    assert second.startswith("<@U0OMID>")
    group = group_id("default", "slack", {"alertname": "Slow"})
    stage.alerts.press(Press("alert_ack", group, someone("U0SARA"), ALERTS))
    stage.pass_time(timedelta(hours=2).total_seconds())
    assert [each for each in stage.thread(card["ts"])[2:] if "ONCALL" in each] == []


DAY = 86_400


def test_what_fired_for_days_ends_in_its_own_card_and_is_forgotten_a_day_later(stage: Stage) -> None:
    stage.tell("Slow")
    stage.settle()
    stage.clock.passed += 2 * DAY
    stage.tell("Slow", over=True)
    stage.settle()
    stage.tell("Slow", over=True)
    stage.settle()
    [words] = stage.words(ALERTS)
    assert "Slow: over" in words
    assert len(stage.ledger.book(ALERTS).own) == 1
    stage.clock.passed += DAY + 1
    stage.relay.tick()
    assert stage.ledger.book(ALERTS).own == {}, "though nothing was told of it any more"


def test_a_book_that_does_not_say_who_is_over_finds_out_after_a_day(stage: Stage) -> None:
    """As books of versions before 2026-12 are."""
    for name in ("Past", "Gone", "Fires"):
        stage.tell(name)
    stage.settle()
    stage.tell("Past", over=True)
    stage.settle()

    def older(book: Book) -> Book:
        return replace(book, own={name: replace(own, over=None) for name, own in book.own.items()})

    stage.ledger.change_book(ALERTS, older)
    past, gone, fires = (group_id("default", "slack", {"alertname": name}) for name in ("Past", "Gone", "Fires"))
    held = stage.state.get(f"group:{gone}")
    assert held is not None
    assert stage.state.delete_if(f"group:{gone}", held.version)
    for days, left in ((1, {past, fires}), (2, {fires})):
        stage.clock.passed = days * DAY + 60.0
        stage.relay.tick()
        assert set(stage.ledger.book(ALERTS).own) == left


def test_a_group_that_changes_after_the_pass_began_is_counted_as_it_is_then(server: LocalSlack) -> None:
    stage = staged(server)
    board = AlertBoard(stage.alerts, stage.ledger, Routes(Route(ALERTS)), OPS, stage.clock, threshold=1)
    names = [f"Slow{number}" for number in range(4)]
    ids = [group_id("default", "slack", {"alertname": name}) for name in names]
    for name in names:
        stage.tell(name)
    board.begin(ids)
    shared, own = stage.ledger.book(ALERTS).shared, stage.ledger.book(ALERTS).own
    assert shared is not None
    for name, each in zip(names, ids, strict=True):
        stage.tell(name, over=True)
        board.posting(each, shown=each in own)
    book = stage.ledger.book(ALERTS)
    assert book.shared is not None
    assert [member.firing for member in book.shared.members.values()] == [0, 0, 0]
    assert [each.over is not None for each in book.own.values()] == [True]


def changed(text: Text, group: Group) -> Group:
    return noted(group, text)


def test_a_thread_goes_on_with_the_newest_when_an_alert_flaps_faster_than_it_can_be_told(
    server: LocalSlack, stage: Stage
) -> None:
    stage.tell("Flaps")
    stage.settle()
    (card,) = stage.messages(ALERTS)
    (name,) = stage.ledger.book(ALERTS).own
    before = len(stage.thread(card["ts"]))
    for text in [Text("change {number}", number=number) for number in range(3 * MOST_SAID)]:
        stage.ledger.change(name, partial(changed, text))
    stage.settle()
    said = stage.thread(card["ts"])[before:]
    assert said == [f"change {number}" for number in range(2 * MOST_SAID, 3 * MOST_SAID)]
    stage.ledger.change(name, lambda each: noted(each, Text("and on")))
    stage.settle()
    assert stage.thread(card["ts"])[-1] == "and on"
