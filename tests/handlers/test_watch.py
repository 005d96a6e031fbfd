"""The watch: what Alertmanager's own list means for the cards, and what acknowledgements do to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from handlers.alerts import AlertBoard, Alerts
from handlers.core.alerts.alert_cards import group_card
from handlers.core.alerts.alertmanagers import Listed, Listing, Standing
from handlers.core.alerts.books import Book
from handlers.core.alerts.groups import Group
from handlers.core.alerts.ledger import Ledger
from handlers.core.alerts.matchers import Matcher
from handlers.core.alerts.notices import Labels, Notice, Seen, fingerprint_of
from handlers.core.alerts.routes import Route, Routes
from handlers.core.alerts.watch import Watch
from handlers.core.words.answers import Actor, PersonId, Press, Surface
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Text
from tests.fakes import FakeClock, FakeEntropy, MemoryState

A, B = {"alertname": "A", "severity": "critical"}, {"alertname": "B", "severity": "critical"}


class MemoryAlertmanager:
    """What an Alertmanager has, in memory. `answers`: how many calls it still answers before it is away; None: all."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.started = clock.now() - timedelta(hours=1)
        self.alerts: dict[str, Listed] = {}
        self.silences: dict[str, tuple[Labels, Standing]] = {}
        self.made = 0
        self.away = False
        self.answers: int | None = None
        self.refused = {"refused"}

    def _reached(self) -> None:
        if self.away or self.answers == 0:
            raise OutsideError(Text("Alertmanager does not answer."))
        if self.answers is not None:
            self.answers -= 1

    def look(self) -> Listing:
        self._reached()
        alerts = {
            name: replace(
                alert,
                silenced_by=tuple(each for each, (labels, _) in self.silences.items() if labels == alert.labels),
            )
            for name, alert in self.alerts.items()
        }
        standing = {name: each for name, (_, each) in self.silences.items() if each.until > self._clock.now()}
        return Listing(self.started, alerts, standing)

    def matching(self, matchers: Sequence[Matcher]) -> tuple[Labels, ...]:
        if any(each.value in self.refused for each in matchers):
            raise Refusal(Text("It refuses these matchers."))
        return tuple(
            alert.labels
            for alert in self.alerts.values()
            if all((alert.labels.get(each.name, "") == each.value) == each.equal for each in matchers)
        )

    def silence(self, matchers: Sequence[Matcher], until: datetime, by: str, comment: str, known: str = "") -> str:
        self._reached()
        self.matching(matchers)
        labels = {each.name: each.value for each in matchers}
        if not known:
            self.made += 1
        name = known or f"s{self.made}"
        until = until.replace(microsecond=until.microsecond // 1000 * 1000)  # it keeps milliseconds
        self.silences[name] = (dict(labels), Standing(by, comment, until))
        return name

    def lift(self, silence: str) -> None:
        self._reached()
        self.silences.pop(silence, None)


class House:
    """A group of two firing alerts with its own card."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.state = MemoryState(self.clock)
        self.ledger = Ledger(self.state)
        self.alerts = Alerts(self.ledger, self.clock, FakeEntropy())
        self.alertmanager = MemoryAlertmanager(self.clock)
        self.watch = Watch(self.ledger, self.alertmanager, self.clock)
        started = self.clock.now()
        seen = tuple(Seen(fingerprint_of(each), each, {}, started, None, "") for each in (A, B))
        self.take_in(Notice("default", "slack", {}, seen))
        self.alertmanager.alerts = {fingerprint_of(each): Listed(started, each) for each in (A, B)}

    def take_in(self, notice: Notice) -> None:
        """Its group gets a card, and is the one whose buttons are pressed from now on."""
        self.id = notice.group
        self.alerts.take_in(notice)
        AlertBoard(self.alerts, self.ledger, Routes(Route("C0ALERTS")), "", self.clock).begin([self.id])

    @property
    def group(self) -> Group:
        group = self.ledger.load(self.id)
        assert group is not None
        return group

    def press(self, action: str) -> None:
        self.alerts.press(Press(action, self.id, Actor(PersonId("U0SARA"), "T0LOCAL", Surface.SLACK), "C0ALERTS"))

    def rounds(self, count: int, seconds: float = 15) -> None:
        for _ in range(count):
            self.clock.advance(seconds)
            self.watch.round()


@pytest.fixture
def house() -> House:
    return House()


def test_an_acknowledgement_is_one_silence_for_each_of_its_alerts_and_is_lengthened(house: House) -> None:
    house.press("alert_ack")
    house.rounds(100)
    assert house.alertmanager.made == 2
    assert {tuple(labels.items()) for labels, _ in house.alertmanager.silences.values()} == {
        tuple(A.items()),
        tuple(B.items()),
    }
    assert all(each.until > house.clock.now() for _, each in house.alertmanager.silences.values())
    assert all(each.hush is None for each in house.group.alerts.values())


def test_what_was_taken_back_is_heard_again(house: House) -> None:
    house.press("alert_ack")
    house.rounds(1)
    house.press("alert_unack")
    house.rounds(1)
    assert house.alertmanager.silences == {}


def test_a_silence_that_was_made_before_a_crash_is_found_again(house: House) -> None:
    house.press("alert_ack")
    house.rounds(1)
    another = Watch(house.ledger, house.alertmanager, house.clock)
    another.round()
    assert house.alertmanager.made == 2


def test_what_vanished_is_closed_with_its_silence_lifted(house: House) -> None:
    house.press("alert_ack")
    house.rounds(1)
    house.alertmanager.alerts.pop(fingerprint_of(A))
    house.rounds(4)
    (alert,) = [each for each in house.group.alerts.values() if each.name == "A"]
    assert (alert.firing, alert.vanished) == (False, True)
    assert [labels for labels, _ in house.alertmanager.silences.values()] == [B]


def test_nothing_is_concluded_while_alertmanager_is_away(house: House) -> None:
    house.alertmanager.away = True
    for _ in range(30):
        house.clock.advance(60)
        with pytest.raises(OutsideError):
            house.watch.round()
    assert len(house.group.firing) == 2


def test_an_alertmanager_that_restarted_and_forgot_closes_nothing_for_five_minutes(house: House) -> None:
    house.rounds(1)
    kept, house.alertmanager.alerts = house.alertmanager.alerts, {}
    house.alertmanager.started = house.clock.now()
    house.rounds(8)
    assert len(house.group.firing) == 2
    house.alertmanager.alerts = kept
    house.rounds(40)
    assert len(house.group.firing) == 2


def test_somebody_elses_silence_is_shown_and_left_alone(house: House) -> None:
    house.alertmanager.silences["theirs"] = (A, Standing("omid", "deploy", house.clock.now() + timedelta(hours=1)))
    house.rounds(2)
    hushes = {each.name: each.hush for each in house.group.alerts.values()}
    assert hushes["B"] is None
    assert hushes["A"] is not None
    assert (hushes["A"].by, hushes["A"].comment) == ("omid", "deploy")
    assert list(house.alertmanager.silences) == ["theirs"]
    del house.alertmanager.silences["theirs"]
    house.rounds(1)
    assert all(each.hush is None for each in house.group.alerts.values())


def lines(house: House) -> list[str]:
    """What the card says of each alert, without since when."""
    return sorted(str(each).partition("UTC: ")[2] for each in group_card(house.group, house.id).lines)


def test_what_another_alert_holds_back_is_shown_so_and_by_which(house: House) -> None:
    a, b = fingerprint_of(A), fingerprint_of(B)
    house.alertmanager.alerts[a] = replace(house.alertmanager.alerts[a], inhibited_by=(b,))
    house.rounds(1)
    assert lines(house) == ["A, held back by B", "B"]
    house.alertmanager.alerts[a] = replace(house.alertmanager.alerts[a], inhibited_by=("f" * 16,))
    house.rounds(1)
    assert lines(house) == ["A, held back by another alert", "B"]
    house.alertmanager.alerts[a] = replace(house.alertmanager.alerts[a], inhibited_by=())
    house.rounds(1)
    assert lines(house) == ["A", "B"]


def test_what_shares_a_card_is_watched_too(house: House) -> None:
    house.ledger.change_book("C0ALERTS", lambda _: Book())
    AlertBoard(house.alerts, house.ledger, Routes(Route("C0ALERTS")), "", house.clock, threshold=0).begin([house.id])
    book = house.ledger.book("C0ALERTS")
    assert not book.own
    assert book.shared is not None
    house.alertmanager.alerts.pop(fingerprint_of(A))
    house.rounds(4)
    assert [each.name for each in house.group.firing.values()] == ["B"]


def test_alerts_of_another_source_are_no_concern_of_this_watch_and_neither_are_their_acknowledgements(
    house: House,
) -> None:
    elsewhere = {"alertname": "C", "severity": "critical"}
    seen = (Seen(fingerprint_of(elsewhere), elsewhere, {}, house.clock.now(), None, ""),)
    house.take_in(Notice("second", "slack", {}, seen))
    house.rounds(40)
    assert [each.name for each in house.group.firing.values()] == ["C"], "its list says nothing of them"
    house.press("alert_ack")
    house.alertmanager.alerts[fingerprint_of(elsewhere)] = Listed(house.clock.now(), elsewhere)
    second = Watch(house.ledger, house.alertmanager, house.clock, source="second")
    second.round()
    before = dict(house.alertmanager.silences)
    assert [labels for labels, _ in before.values()] == [elsewhere]
    house.rounds(2)
    assert house.alertmanager.silences == before
    house.press("alert_unack")
    house.rounds(1)
    assert house.alertmanager.silences == {}, "what nobody holds any more is lifted by whoever sees it first"


def test_a_silence_that_alertmanager_refuses_keeps_no_other_from_being_made_or_lifted(house: House) -> None:
    house.press("alert_ack")
    house.rounds(1)
    house.press("alert_unack")
    first, started = house.id, house.clock.now()
    refused = {"alertname": "C", "severity": "critical", "instance": "refused"}
    seen = tuple(
        Seen(fingerprint_of(each), each, {}, started - timedelta(minutes=age), None, "")
        for each, age in ((refused, 2), (B, 1))
    )
    house.take_in(Notice("default", "slack", {"team": "shop"}, seen))
    house.press("alert_ack")
    house.clock.advance(15)
    with pytest.raises(Refusal, match="refuses"):
        house.watch.round()
    (labels, standing), *others = house.alertmanager.silences.values()
    assert (labels, others) == (B, [])
    assert first not in standing.comment
