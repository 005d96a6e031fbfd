"""Severities: how bad an alert is here, tried by examples, shown in colour, and what follows from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.alerts import AlertBoard, Alerts
from handlers.core.alerts.alert_cards import group_card, history
from handlers.core.alerts.ledger import Ledger
from handlers.core.alerts.notices import Labels, Notice, Seen, fingerprint_of
from handlers.core.alerts.routes import Route, Routes, read
from handlers.core.words.cards import Tone
from tests.fakes import FakeClock, FakeEntropy, MemoryState

DEFAULT = Route("C0ALERTS")
FILE: dict[str, Any] = {
    "routes": [],
    "severities": [
        {"match": {"priority": "/P[01]/"}, "is": "critical"},
        {"match": {"severity": "notice"}, "is": "info"},
    ],
    "styles": {"critical": {"colour": "red", "emoji": "🔥"}, "info": {"colour": "grey"}},
}


class House:
    """Alerts with the routes of a file."""

    def __init__(self, *, ends: bool = True) -> None:
        routes, problems = read(FILE, DEFAULT)
        assert problems == ()
        self.clock = FakeClock()
        self.ledger = Ledger(MemoryState(self.clock))
        said = lambda group, change: history(group, change, ends=ends)  # noqa: E731
        self.alerts = Alerts(self.ledger, self.clock, FakeEntropy(), said=said, graded=routes.severities.of)
        self.board = AlertBoard(self.alerts, self.ledger, routes, "", self.clock)

    def tells(self, labels: Labels, *, over: bool = False) -> str:
        now = self.clock.now()
        seen = Seen(fingerprint_of(labels), labels, {}, datetime(2026, 11, 24, tzinfo=UTC), now if over else None, "")
        notice = Notice("am", "r", {"alertname": labels["alertname"]}, (seen,))
        self.alerts.take_in(notice)
        return notice.group


def test_the_first_rule_names_the_severity_and_else_the_label_does() -> None:
    severities = read(FILE, DEFAULT)[0].severities
    cases: tuple[Labels, ...] = (
        {"priority": "P1", "severity": "notice"},
        {"severity": "notice"},
        {"severity": "odd"},
        {},
    )
    assert [severities.of(labels) for labels in cases] == ["critical", "info", "odd", ""]


def test_what_the_team_calls_critical_is_urgent_red_and_has_its_emoji() -> None:
    house = House()
    group_id = house.tells({"alertname": "Queue", "priority": "P0", "severity": "sev1"})
    assert house.board.begin([group_id]) == {group_id: 0}
    posting = house.board.posting(group_id, shown=False)
    assert posting is not None
    assert (posting.urgency, posting.card.tone, posting.card.mark) == (0, Tone.BAD, "🔥")
    assert str(posting.card.title) == "critical: Queue"


def test_info_is_grey_and_what_is_over_looks_as_ever() -> None:
    house = House()
    group_id = house.tells({"alertname": "Cert", "severity": "notice"})
    house.board.begin([group_id])
    posting = house.board.posting(group_id, shown=False)
    assert posting is not None
    assert (posting.card.tone, posting.card.mark) == (Tone.PLAIN, "")
    critical = house.tells({"alertname": "Queue", "priority": "P0"})
    house.clock.advance(5)
    assert house.tells({"alertname": "Queue", "priority": "P0"}, over=True) == critical
    group = house.ledger.load(critical)
    assert group is not None
    card = group_card(group, critical, style=read(FILE, DEFAULT)[0].severities.style("critical"))
    assert (card.tone, card.mark) == (Tone.GOOD, "")


@pytest.mark.parametrize(
    ("severity", "tone"), [("critical", Tone.BAD), ("error", Tone.BAD), ("warning", Tone.WARNING), ("", Tone.WARNING)]
)
def test_without_styles_it_looks_as_before(severity: str, tone: Tone) -> None:
    assert Routes(DEFAULT).severities.style(severity).tone is tone


@pytest.mark.parametrize(
    "wrong",
    [7, None, {}, {"match": {"a": "b"}}, {"match": {}, "is": "info"}, {"match": {"a": "/(/"}, "is": "info"},
     {"match": {"a": "b"}, "is": "terrible"}, {"match": {"a": "b"}, "is": "info", "x": 1}],
    ids=str,
)  # fmt: skip
def test_a_wrong_severity_is_told_by_its_number_and_left_out(wrong: object) -> None:
    routes, problems = read({**FILE, "severities": [*FILE["severities"], wrong]}, DEFAULT)
    assert problems
    assert all(each.startswith("severity 3: ") for each in problems)
    assert len(routes.severities.rules) == 2


@pytest.mark.parametrize(
    "wrong",
    [{"terrible": {"colour": "red"}}, {"info": "red"}, {"info": {"colour": "pink"}}, {"info": {"emoji": "🔥"}},
     {"info": {"colour": "red", "emoji": "over:"}}, {"info": {"colour": "red", "emoji": "🔥" * 9}},
     {"info": {"colour": "red", "emoji": "<!channel>"}}, {"info": {"colour": "red", "x": 1}}, [], {1: 2}],
    ids=str,
)  # fmt: skip
def test_a_wrong_style_is_told_and_left_out(wrong: object) -> None:
    routes, problems = read({**FILE, "styles": wrong}, DEFAULT)
    assert len(problems) == 1
    assert problems[0].startswith("style")
    assert routes.severities.styles == {}


def test_examples_try_severities_too() -> None:
    examples = [
        {"labels": {"priority": "P1"}, "channel": "C0ALERTS", "severity": "critical"},
        {"labels": {"priority": "P2"}, "channel": "C0ALERTS", "severity": "critical"},
        {"labels": {"severity": "notice"}, "channel": "C0ALERTS"},
    ]
    assert read({**FILE, "examples": examples}, DEFAULT)[1] == ("example 2: is of no severity, not critical",)


@pytest.mark.parametrize("ends", [True, False])
def test_that_a_group_is_over_is_told_in_the_thread_unless_that_is_not_wanted(ends: bool) -> None:
    house, labels = House(ends=ends), {"alertname": "Queue", "severity": "critical"}
    group_id = house.tells(labels)
    house.clock.advance(timedelta(minutes=1).total_seconds())
    house.tells(labels, over=True)
    group = house.ledger.load(group_id)
    assert group is not None
    assert group.over
    assert [str(each) for each in group.said] == (
        ["1 over: Queue · Nothing of this group fires any more."] if ends else []
    )
