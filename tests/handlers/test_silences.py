"""Silences that people ask for: seen before they are made, made once, lifted for good."""

from __future__ import annotations

from datetime import timedelta

import pytest

from handlers.alerts import Alerts
from handlers.core.alerts.alert_cards import group_card
from handlers.core.alerts.alertmanagers import Standing
from handlers.core.alerts.books import Book
from handlers.core.words.answers import Actor, PersonId, Press, Surface
from handlers.core.words.cards import Card
from handlers.core.words.errors import Refusal
from handlers.core.words.forms import Form
from tests.fakes import FakeEntropy
from tests.handlers.test_watch import A, House

TYPED = {"for": "1h", "matchers": 'alertname="A"', "comment": "known"}


class Silencing(House):
    """With an Alertmanager that can be told."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts = Alerts(self.ledger, self.clock, FakeEntropy(), self.alertmanager)

    def pressed(self, action: str, value: str = "", **typed: str) -> Card | Form | None:
        actor = Actor(PersonId("U0SARA"), "T0LOCAL", Surface.SLACK)
        return self.alerts.press(Press(action, value or self.id, actor, "C0ALERTS", typed))

    def asked(self, **typed: str) -> Card | Form | None:
        """Both forms, one after the other."""
        seen = self.pressed("alert_silence_check", **typed)
        assert isinstance(seen, Form)
        return self.pressed(seen.action, seen.value, **typed)

    @property
    def buttons(self) -> set[str]:
        return {each.action for each in group_card(self.group, self.id).buttons}


@pytest.fixture
def house() -> Silencing:
    return Silencing()


def test_a_silence_is_made_only_after_what_it_covers_was_shown(house: Silencing) -> None:
    first = house.pressed("alert_silence")
    assert isinstance(first, Form)
    assert 'severity="critical"' in str(first.fields[1])
    seen = house.pressed("alert_silence_check", **TYPED)
    assert isinstance(seen, Form)
    assert "covers 1 alerts" in " ".join(map(str, seen.lines))
    house.rounds(1)
    assert house.alertmanager.made == 0
    assert isinstance(house.pressed(seen.action, seen.value, **TYPED), Card)
    house.rounds(20)
    assert house.alertmanager.made == 1
    ((labels, standing),) = house.alertmanager.silences.values()
    assert (labels, standing.by) == ({"alertname": "A"}, "U0SARA")
    assert standing.until - house.clock.now() < timedelta(hours=1)


def test_whoever_changes_a_field_sees_it_anew(house: Silencing) -> None:
    seen = house.pressed("alert_silence_check", **TYPED)
    assert isinstance(seen, Form)
    wider = {**TYPED, "matchers": 'severity="critical"'}
    again = house.pressed(seen.action, seen.value, **wider)
    assert isinstance(again, Form)
    assert "covers 2 alerts" in " ".join(map(str, again.lines))
    assert house.group.quieted == ()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"for": "9y"}, "how long"),
        ({"comment": " "}, "Say why"),
        ({"matchers": "severity=~.+|"}, "everything"),
        ({"matchers": 'alertname="refused"'}, "refuses"),
    ],
    ids=["no duration", "no comment", "everything", "Alertmanager refuses"],
)
def test_what_cannot_be_silenced_is_asked_again_with_what_was_typed(
    house: Silencing, wrong: dict[str, str], why: str
) -> None:
    typed = {**TYPED, **wrong}
    again = house.pressed("alert_silence_check", **typed)
    assert isinstance(again, Form)
    assert why in str(again.lines[0])
    assert typed["matchers"] in str(again.fields[1])


def test_a_lifted_silence_is_gone_and_stays_gone(house: Silencing) -> None:
    house.asked(**TYPED)
    house.rounds(1)
    assert "alert_unsilence" in house.buttons
    house.pressed("alert_unsilence")
    house.rounds(3)
    assert (house.alertmanager.silences, house.group.quieted) == ({}, ())
    assert "alert_unsilence" not in house.buttons
    with pytest.raises(Refusal, match="no silence"):
        house.pressed("alert_unsilence")


def test_a_silence_that_somebody_ended_in_alertmanager_is_not_made_again(house: Silencing) -> None:
    house.asked(**TYPED)
    house.rounds(1)
    house.alertmanager.silences.clear()
    house.rounds(3)
    assert (house.alertmanager.made, house.group.quieted) == (1, ())
    assert any("ended in Alertmanager" in str(each) for each in house.group.said)


def test_a_silence_that_was_made_before_a_crash_is_made_once(house: Silencing) -> None:
    house.asked(**TYPED)
    before = house.ledger.load(house.id)
    house.rounds(1)
    assert before is not None
    house.ledger.change(house.id, lambda _: before)
    house.rounds(2)
    assert house.alertmanager.made == 1
    assert house.group.quieted[0].stands


def test_a_silence_made_elsewhere_can_be_lifted_from_the_card(house: Silencing) -> None:
    until = house.clock.now() + timedelta(hours=2)
    house.alertmanager.silences["elsewhere"] = (A, Standing("karim", "deploying", until))
    house.rounds(1)
    assert "alert_unsilence" in house.buttons
    house.pressed("alert_unsilence")
    house.rounds(2)
    assert house.alertmanager.silences == {}
    assert house.group.quieted == ()


def test_a_silence_outlives_its_alert_and_can_still_be_lifted(house: Silencing) -> None:
    house.asked(**TYPED)
    house.rounds(1)
    house.alertmanager.alerts.clear()
    house.rounds(10)
    assert house.group.over
    assert house.alertmanager.silences
    house.ledger.change_book("C0ALERTS", lambda _: Book())  # as after a day
    house.pressed("alert_unsilence")
    house.rounds(1)
    assert house.alertmanager.silences == {}


def test_nothing_is_left_of_a_silence_whose_time_is_over(house: Silencing) -> None:
    house.asked(**TYPED)
    house.rounds(1)
    house.rounds(1, seconds=3700)
    assert house.group.quieted == ()


def test_without_an_alertmanager_the_button_is_not_there_and_does_nothing(house: Silencing) -> None:
    house.alerts = Alerts(house.ledger, house.clock, FakeEntropy())
    buttons = {each.action for each in group_card(house.group, house.id, silencing=False).buttons}
    assert "alert_silence" not in buttons
    with pytest.raises(Refusal, match="ALERTMANAGER_URL"):
        house.pressed("alert_silence_check", **TYPED)


def told(house: Silencing) -> list[str]:
    """What the card says of silences."""
    return [str(each.value) for each in group_card(house.group, house.id).facts if str(each.label) == "Silence"]


def test_the_card_follows_a_silence_from_the_wish_to_its_end(house: Silencing) -> None:
    whole = {**TYPED, "matchers": 'alertname="A"\nseverity="critical"'}
    until = house.clock.now() + timedelta(hours=1)
    house.asked(**whole)
    assert told(house) == ["U0SARA asked for it; Alertmanager is being told"]
    house.rounds(2)
    assert told(house) == [f"U0SARA, until {until:%Y-%m-%d %H:%M:%S} UTC: known"]
    silent = [str(each).partition("UTC: ")[2] for each in group_card(house.group, house.id).lines]
    assert sorted(silent) == [f"A, silenced until {until:%Y-%m-%d %H:%M:%S} UTC", "B"]
    house.pressed("alert_unsilence")
    assert told(house) == ["U0SARA lifts it"]
    house.rounds(1)
    assert told(house) == []


def test_there_is_nothing_to_silence_when_nothing_fires_any_more(house: Silencing) -> None:
    house.alertmanager.alerts.clear()
    house.rounds(4)
    with pytest.raises(Refusal, match="Nothing of this fires any more, so there is nothing to silence"):
        house.pressed("alert_silence")


def test_where_nobody_silenced_anything_there_is_nothing_to_lift(house: Silencing) -> None:
    before = house.group
    with pytest.raises(Refusal, match=r"There is no silence here any more\.$"):
        house.pressed("alert_unsilence")
    assert house.group == before


def test_a_silence_that_alertmanager_refuses_in_the_end_is_said_in_the_thread_and_not_tried_again(
    house: Silencing,
) -> None:
    house.asked(**TYPED)
    house.alertmanager.refused.add("A")
    house.rounds(3)
    assert (house.group.quieted, house.alertmanager.made) == ((), 0)
    said = [str(each) for each in house.group.said]
    assert said[1:] == ["The silence was not made: It refuses these matchers."]
    house.alertmanager.refused.clear()
    house.rounds(3)
    assert house.alertmanager.silences == {}
