"""Alerts: who acknowledges what, a Watchdog that falls silent, CI reports that are mended, and hostile words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.slack.blocks import draw
from handlers.alerts import WATCHDOG, Alerts
from handlers.core import notices
from handlers.core.alert_cards import group_card
from handlers.core.answers import Actor, PersonId, Press, Surface
from handlers.core.cards import Card
from handlers.core.errors import Refusal
from handlers.core.forms import Form
from handlers.core.groups import Group
from handlers.core.ledger import Ledger
from handlers.core.notices import fingerprint_of, group_id
from tests.fakes import FakeClock, FakeEntropy, MemoryState

A, B = {"alertname": "A", "severity": "critical"}, {"alertname": "B", "severity": "warning"}
CI = Path(__file__).parents[1] / "fixtures" / "ci"
ZERO = {"info": 0, "low": 0, "moderate": 0, "high": 0, "critical": 0, "total": 0}
CLEAN = {"auditReportVersion": 2, "vulnerabilities": {}, "metadata": {"vulnerabilities": ZERO}}


def payload(*alerts: dict[str, Any], labels: dict[str, str] | None = None) -> bytes:
    return json.dumps({"receiver": "slack", "groupLabels": labels or {}, "alerts": alerts}).encode()


def firing(labels: dict[str, str], start: int = 0, **words: str) -> dict[str, Any]:
    return {"status": "firing", "labels": labels, "annotations": words, "startsAt": f"2026-11-24T03:{start:02}:00Z"}


def ended(labels: dict[str, str], start: int = 0, end: int = 5) -> dict[str, Any]:
    return firing(labels, start) | {"status": "resolved", "endsAt": f"2026-11-24T03:{end:02}:00Z"}


class House:
    """The alerts over a state in memory."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger(MemoryState(self.clock))
        self.alerts = Alerts(self.ledger, self.clock, FakeEntropy())
        self.id = group_id("default", "slack", {})

    def told(self, *alerts: dict[str, Any]) -> None:
        self.alerts.take_in(notices.read(payload(*alerts), "default"))

    def group(self, name: str = "") -> Group:
        group = self.ledger.load(name or self.id)
        assert group is not None
        return group

    def press(self, action: str, person: str = "U0SARA", name: str = "") -> Card | Form | None:
        actor = Actor(PersonId(person), "T0LOCAL", Surface.SLACK)
        return self.alerts.press(Press(action, name or self.id, actor, "C0ALERTS"))


@pytest.fixture
def house() -> House:
    return House()


def test_the_first_presser_wins_and_the_second_is_told_who_did(house: House) -> None:
    house.told(firing(A))
    assert house.press("alert_ack") is None
    answer = house.press("alert_ack", "U0OMID")
    assert answer is not None
    assert "U0SARA" in str(answer)
    held = house.group().acknowledged
    assert held is not None
    assert held.by == "U0SARA"


def test_an_acknowledgement_names_exactly_what_fires(house: House) -> None:
    house.told(firing(A), ended(B))
    house.press("alert_ack")
    held = house.group().acknowledged
    assert held is not None
    assert list(held.alerts) == [fingerprint_of(A)]


def test_what_fires_later_is_not_acknowledged_until_somebody_presses_again(house: House) -> None:
    house.told(firing(A))
    house.press("alert_ack")
    house.told(firing(B))
    held = house.group().acknowledged
    assert held is None or fingerprint_of(B) not in held.alerts
    assert house.press("alert_ack", "U0OMID") is None
    held = house.group().acknowledged
    assert held is not None
    assert (held.by, set(held.alerts)) == ("U0OMID", {fingerprint_of(A), fingerprint_of(B)})


def test_an_acknowledgement_is_taken_back_once(house: House) -> None:
    house.told(firing(A))
    house.press("alert_ack")
    assert house.press("alert_unack", "U0OMID") is None
    assert house.group().acknowledged is None
    assert house.press("alert_unack") is not None


def test_what_is_over_cannot_be_acknowledged_and_what_is_unknown_is_refused(house: House) -> None:
    house.told(ended(A))
    assert house.press("alert_ack") is not None
    assert house.group().acknowledged is None
    with pytest.raises(Refusal, match="no longer know"):
        house.press("alert_ack", name="0" * 20)


def test_a_watchdog_is_no_card_and_five_silent_minutes_are_until_it_is_heard_again(house: House) -> None:
    name = group_id("negahban", "watchdog", {"source": "default"})
    house.told(firing({"alertname": WATCHDOG}))
    assert house.ledger.load(house.id) is None
    house.clock.advance(300)
    house.alerts.look()
    assert house.ledger.load(name) is None
    house.clock.advance(1)
    house.alerts.look()
    house.alerts.look()
    assert (house.group(name).over, len(house.group(name).alerts)) == (False, 1)
    house.told(firing({"alertname": WATCHDOG}))
    house.alerts.look()
    assert house.group(name).over


def test_a_ci_report_that_was_mended_is_over_and_one_that_cannot_be_read_never_is(house: House) -> None:
    name = group_id("ci", "ci", {"tool": "npm-audit", "repo": "shop"})

    def report(body: bytes) -> None:
        house.clock.advance(3600)
        house.alerts.take_report("npm-audit", "shop", "", body)

    clean = json.dumps(CLEAN).encode()
    report(clean)
    assert house.ledger.load(name) is None
    report((CI / "npm-7-found.json").read_bytes())
    assert (house.group(name).over, house.group(name).unclear) == (False, False)
    report(b"no JSON")
    assert (house.group(name).over, house.group(name).unclear) == (False, True)
    report(clean)
    assert (house.group(name).over, house.group(name).unclear) == (True, False)
    report(b"no JSON")
    assert (house.group(name).over, house.group(name).unclear) == (False, True)


EPISODES = st.builds(
    lambda labels, start, length: ended(labels, start, start + length) if length else firing(labels, start),
    st.sampled_from([A, B]),
    st.integers(0, 20),
    st.integers(0, 20),
)


@given(st.lists(st.lists(EPISODES, min_size=1, max_size=3), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_any_order_and_repetition_of_the_same_payloads_ends_in_the_same_card(
    messages: list[list[dict[str, Any]]], random: Any
) -> None:
    def card(order: list[list[dict[str, Any]]]) -> Card:
        house = House()
        for alerts in order:
            house.told(*alerts)
        return group_card(replace(house.group(), said=()), house.id)

    other = [*messages, *random.choices(messages, k=3)]
    random.shuffle(other)
    assert card(messages) == card(other)


HOSTILE = [
    "<!channel>", "<!here|x>", "<@U0SARA>", "<https://evil.example|bank>", "```x```", "\u202eabc", "\x00\x1b[31m",
    "&lt;!channel&gt;", "a\n<!everyone>", "<!channel>" * 10_000,
]  # fmt: skip


def marked_up(drawn: object) -> Iterator[str]:
    """Every text that Slack reads for mentions and links; plain text it shows as it is."""
    if isinstance(drawn, dict):
        if drawn.get("type") == "mrkdwn":
            yield drawn["text"]
        for each in drawn.values():
            yield from marked_up(each)
    elif isinstance(drawn, list | tuple):
        for each in drawn:
            yield from marked_up(each)


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_words_are_drawn_without_a_mention_or_a_link(house: House, word: str) -> None:
    labels = {"alertname": word, "severity": word, "instance": word, word[:200]: "x"}
    house.told(firing(labels, summary=word, description=word, runbook=word, dashboard=word, runbook_url=word))
    drawn = draw(group_card(house.group(), house.id))
    read_by_slack = [drawn.text, *marked_up(drawn.blocks)]
    assert len(read_by_slack) > 1
    for text in read_by_slack:
        assert not any(wrong in text for wrong in ("<!channel", "<!here", "<!everyone", "<@U0SARA", "<https://evil"))
    everything = drawn.text + "".join(str(each) for each in strings(drawn.blocks))
    assert not any(wrong in everything for wrong in "\u202e\x00\x1b")


def strings(drawn: object) -> Iterator[str]:
    """Every string that is sent."""
    if isinstance(drawn, str):
        yield drawn
    elif isinstance(drawn, dict):
        for each in drawn.values():
            yield from strings(each)
    elif isinstance(drawn, list | tuple):
        for each in drawn:
            yield from strings(each)
