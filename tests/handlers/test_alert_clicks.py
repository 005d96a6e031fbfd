"""Every button and form of an alert's card: judged by the policy, recorded before it acts, and honest when late."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handlers.alerts import Alerts
from handlers.core.alerts.alert_cards import group_card
from handlers.core.alerts.groups import Group
from handlers.core.alerts.ledger import Ledger, decoded, encoded
from handlers.core.alerts.notices import Notice, Seen, fingerprint_of
from handlers.core.alerts.watch import Watch
from handlers.core.door.approval import Gate
from handlers.core.door.desk import Desk, Outside
from handlers.core.words.answers import Actor, Press
from handlers.core.words.cards import Card
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.forms import Form
from handlers.runbooks import RunbookHandler
from tests.fakes import someone
from tests.handlers.test_consent import LEILA, OMID, SARA, Team
from tests.handlers.test_watch import A, B, MemoryAlertmanager

TYPED = {"for": "1h", "matchers": 'alertname="A"', "comment": "known"}
STRANGER = someone("U0STRANGER")


class Clicked(Team):
    """Two alerts that fire, a desk before their buttons, and an Alertmanager that can be told."""

    def new_desk(self) -> Desk:
        self.ledger = Ledger(self.state)
        self.alertmanager = MemoryAlertmanager(self.clock)
        self.alerts = Alerts(self.ledger, self.clock, self.entropy, self.alertmanager)
        self.watch = Watch(self.ledger, self.alertmanager, self.clock)
        gate = Gate(self.state, self.factors, self.clock, self.entropy)
        outside = Outside(self.state, self.queue, self.audit, self.people, self.clock, self.entropy, self.book)
        return Desk({"do": self.doing}, gate, outside, (self.alerts,))

    def fire(self) -> None:
        now = self.clock.now()
        seen = tuple(Seen(fingerprint_of(each), each, {}, now, None, "") for each in (A, B))
        notice = Notice("default", "slack", {}, seen)
        self.id = notice.group
        self.alerts.take_in(notice)

    @property
    def group(self) -> Group:
        group = self.ledger.load(self.id)
        assert group is not None
        return group

    def click(self, action: str, actor: Actor = SARA, value: str = "") -> Card | Form | None:
        typed = TYPED if action in {"alert_silence_check", "alert_silence_make"} else {}
        return self.desk.press(Press(action, value or self.id, actor, "C0ALERTS", typed))

    def silenced(self) -> None:
        form = self.click("alert_silence_check")
        assert isinstance(form, Form)
        self.click("alert_silence_make", value=form.value)
        self.rounds()

    def rounds(self) -> None:
        self.clock.advance(15)
        self.watch.round()

    @property
    def buttons(self) -> set[str]:
        return {each.action for each in group_card(self.group, self.id, silencing=True, runbook=True).buttons}


@pytest.fixture
def team() -> Clicked:
    made = Clicked()
    made.fire()
    return made


BEFORE: dict[str, Callable[[Clicked], object]] = {
    "alert_ack": lambda team: None,
    "alert_unack": lambda team: team.click("alert_ack"),
    "alert_silence": lambda team: None,
    "alert_silence_check": lambda team: None,
    "alert_silence_make": lambda team: None,
    "alert_unsilence": lambda team: team.silenced(),
}
"""Each button and form, and what was done before it is there."""


def value_of(team: Clicked, action: str) -> str:
    """What the button or the form carries."""
    if action != "alert_silence_make":
        return team.id
    form = team.click("alert_silence_check")
    assert isinstance(form, Form)
    return form.value


def test_no_button_of_a_card_in_any_state_is_left_out(team: Clicked) -> None:
    found = set(team.buttons)
    for before in BEFORE.values():
        before(team)
        found |= team.buttons
    assert found == {*BEFORE, "alert_runbook"} - {"alert_silence_check", "alert_silence_make"}
    assert set(team.alerts.presses) == set(BEFORE)
    assert "alert_runbook" in RunbookHandler.presses


@pytest.mark.parametrize("action", BEFORE)
def test_whom_the_policy_does_not_name_is_refused_and_nothing_happens_but_its_record(
    team: Clicked, action: str
) -> None:
    BEFORE[action](team)
    value = value_of(team, action)
    before, silences, writes = team.group, dict(team.alertmanager.silences), team.state.writes
    with pytest.raises(Refusal, match="does not name you"):
        team.click(action, STRANGER, value)
    assert (team.group, team.alertmanager.silences, team.state.writes) == (before, silences, writes)
    assert team.events()[-1] == ("denied", "deny")
    assert team.audit.events[-1].operation == action


@pytest.mark.parametrize("action", BEFORE)
def test_what_cannot_be_recorded_is_not_done(team: Clicked, action: str) -> None:
    BEFORE[action](team)
    value, before = value_of(team, action), team.group
    team.audit.away = True
    with pytest.raises(OutsideError, match="nothing was done"):
        team.click(action, SARA, value)
    assert team.group == before


@pytest.mark.parametrize("action", BEFORE)
def test_who_pressed_what_about_which_group_is_recorded(team: Clicked, action: str) -> None:
    BEFORE[action](team)
    value = value_of(team, action)
    team.click(action, OMID, value)
    event = team.audit.events[-1]
    assert (event.event, event.decision, event.operation, event.actor) == ("pressed", "allow", action, OMID)
    assert str(event.facts["value"]).startswith(team.id)


def late(team: Clicked, action: str) -> str:
    """What somebody is told who presses after others have."""
    try:
        answer = team.click(action, LEILA)
    except Refusal as refusal:
        return str(refusal.text)
    assert isinstance(answer, Card)
    return str(answer.title)


@pytest.mark.parametrize("action", ["alert_ack", "alert_unack", "alert_unsilence"])
def test_a_late_press_is_told_who_did_it_and_when(team: Clicked, action: str) -> None:
    BEFORE[action](team)
    team.click(action, OMID)
    at = team.clock.now()
    team.rounds()
    team.clock.advance(60)
    before = team.group
    assert team.group == decoded(encoded(team.group))
    said = late(team, action)
    assert "U0OMID" in said
    assert at.strftime("%H:%M") in said
    assert team.group == before
