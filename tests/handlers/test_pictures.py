"""Pictures: whose, of what, and when; no failure of theirs changes what a card says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from handlers.alerts import AlertBoard, Alerts
from handlers.core.alerts import notices
from handlers.core.alerts.books import Book, Member, Own, Shared
from handlers.core.alerts.groups import AGAIN, Alert, Group
from handlers.core.alerts.ledger import Ledger
from handlers.core.alerts.notices import Labels, Notice, Seen, fingerprint_of
from handlers.core.alerts.pictures import Pictures, Subject, due, firing_mark, subject
from handlers.core.alerts.routes import Route, Routes
from handlers.core.words.cards import Card
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Text
from tests.fakes import FakeClock, FakeEntropy, MemoryState

CHANNEL = "C0ALERTS"


def link(expression: str) -> str:
    return "http://prometheus:9090/graph?" + urlencode({"g0.expr": expression, "g0.tab": "1"})


@dataclass
class Painter:
    """Both ports: draws and keeps what it is asked to, or fails as it is told to."""

    asked: list[tuple[str, float | None]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failure: Exception | None = None
    refusal: Exception | None = None
    empty: bool = False

    def plot(self, expression: str, title: str, until: datetime, threshold: float | None) -> bytes | None:
        self.asked.append((expression, threshold))
        if self.failure is not None:
            raise self.failure
        return None if self.empty else b"png"

    def upload(self, name: str, data: bytes, alt: Text) -> str:
        if self.refusal is not None:
            raise self.refusal
        self.kept.append(str(alt))
        return f"F{len(self.kept)}"


class House:
    """Alerts, the board that shows them, and a painter."""

    def __init__(self, threshold: int = 5) -> None:
        self.clock = FakeClock()
        self.state = MemoryState(self.clock)
        self.ledger = Ledger(self.state)
        self.alerts = Alerts(self.ledger, self.clock, FakeEntropy())
        routes = Routes(Route(CHANNEL))
        self.board = AlertBoard(self.alerts, self.ledger, routes, "", self.clock, threshold=threshold)
        self.painter = Painter()
        self.pictures = self.another()

    def another(self) -> Pictures:
        return Pictures(self.ledger, self.state, self.painter, self.painter, self.clock)

    def tell(self, group: str, *instances: str, over: Sequence[str] = (), expression: str = "x > 0.8") -> str:
        told = [self._seen(group, each, None, expression) for each in instances]
        told += [self._seen(group, each, self.clock.now(), expression) for each in over]
        notice = Notice("default", "slack", {"alertname": group}, tuple(told))
        self.alerts.take_in(notice)
        return notice.group

    def _seen(self, group: str, instance: str, ended: datetime | None, expression: str) -> Seen:
        labels: Labels = {"alertname": group, "instance": instance, "severity": "warning"}
        started = self.clock.now() - timedelta(seconds=5)
        return Seen(fingerprint_of(labels), labels, {}, started, ended, link(expression))

    def show(self, *groups: str) -> None:
        """The relay posts and edits what it must."""
        self.board.begin(groups)
        for each in groups:
            self.board.posting(each, shown=True)

    def group(self, group_id: str) -> Group:
        found = self.ledger.load(group_id)
        assert found is not None
        return found

    def card(self, group_id: str) -> Card:
        posting = self.board.posting(group_id, shown=True)
        assert posting is not None
        return posting.card


def group(**words: str) -> Group:
    now = FakeClock().now()
    seen = Seen("f" * 16, {"alertname": "Slow"}, words, now, None, link("rate(x[1m]) > 0.8"))
    house = House()
    notice = Notice("default", "slack", {}, (seen,))
    house.alerts.take_in(notice)
    return house.group(notice.group)


def test_an_alert_is_plotted_by_its_annotation_else_by_its_link() -> None:
    assert subject(group()) == Subject("rate(x[1m])", 0.8, "Slow")
    assert subject(group(picture_expression=" y < 3 ")) == Subject("y", 3.0, "Slow")
    assert subject(group(picture_expression=" ")) == Subject("rate(x[1m])", 0.8, "Slow")


@pytest.mark.parametrize("length", [1990, 6000, 20_000])
def test_half_an_expression_is_never_plotted(length: int) -> None:
    whole = "sum(" + "x+" * (length // 2) + "y) > 3"
    alert = {"labels": {}, "generatorURL": link(whole), "annotations": {"picture_expression": whole}}
    (seen,) = notices.read(json.dumps({"alerts": [alert]}).encode(), "default").alerts
    assert seen.generator in {link(whole), ""}
    assert seen.words.get("picture_expression", whole) == whole


NOW = FakeClock().now()
CALM = Book({"g": Own(0, NOW, shown=True)})
STORM = Shared(NOW, NOW, {"other": Member("x", "warning", 1, NOW)}, storm=True)


@pytest.mark.parametrize(
    ("book", "changes", "expected"),
    [
        (CALM, {}, True),
        (Book(), {}, False),
        (replace(CALM, own={"g": Own(0, NOW, shown=False)}), {}, False),
        (CALM, {"serial": 1}, False),
        (replace(CALM, shared=STORM), {}, False),
        (replace(CALM, shared=replace(STORM, ended=NOW)), {}, True),
        (CALM, {"depicted": firing_mark(group())}, False),
        (CALM, {"depicted": "else", "pictured": NOW - timedelta(seconds=59)}, False),
        (CALM, {"depicted": "else", "pictured": NOW - timedelta(seconds=60)}, True),
        (CALM, {"alerts": {"a": Alert({}, {}, "", NOW, NOW)}}, False),
    ],
    ids=[
        "posted", "no card", "not posted", "another round", "storm", "after it", "same", "59 s", "60 s", "over",
    ],
)  # fmt: skip
def test_a_picture_is_due_when_a_posted_card_of_a_calm_channel_fires_otherwise(
    book: Book, changes: dict[str, Any], expected: bool
) -> None:
    assert due(replace(group(), **changes), "g", book, NOW) is expected


def test_a_posted_group_gets_one_picture_and_the_next_when_something_else_fires() -> None:
    house = House()
    name = house.tell("Slow", "a")
    assert not house.pictures.round()
    house.show(name)
    assert house.pictures.round()
    assert (house.painter.asked, house.group(name).picture) == ([("x", 0.8)], "F1")
    picture = house.card(name).picture
    assert picture is not None
    assert (picture.file, str(picture.alt)) == ("F1", house.painter.kept[0])
    assert f"dirty:alert.{name}" in house.state.keys("dirty:")
    house.clock.advance(600)
    assert not house.pictures.round()
    house.tell("Slow", "b")
    assert house.pictures.round()
    assert house.group(name).picture == "F2"


def test_a_group_gets_at_most_one_picture_a_minute_whoever_draws() -> None:
    house = House()
    name = house.tell("Slow", "a")
    house.show(name)
    made = 0
    for second in range(300):
        house.tell("Slow", f"i{second}")
        made += house.pictures.round() + house.another().round()
        house.clock.advance(1)
    assert made == len(house.painter.kept) == 5


def test_nothing_is_drawn_for_what_is_over_before_it_is_posted_or_says_nothing() -> None:
    house = House()
    over = house.tell("Gone", "a")
    house.tell("Gone", over=["a"])
    silent = house.tell("Silent", "a", expression=" ")
    house.show(over, silent)
    assert not house.pictures.round()


def test_a_card_that_is_over_keeps_its_picture_and_a_new_round_begins_without() -> None:
    house = House()
    name = house.tell("Slow", "a")
    house.show(name)
    house.pictures.round()
    house.clock.advance(120)
    house.tell("Slow", over=["a"])
    assert not house.pictures.round()
    assert house.card(name).picture is not None
    house.clock.advance(AGAIN.total_seconds() + 60)
    house.tell("Slow", "a")
    house.show(name)
    assert house.card(name).picture is None
    assert house.group(name).depicted == ""
    assert house.pictures.round()
    assert house.group(name).picture == "F2"


def test_nothing_is_drawn_in_a_storm() -> None:
    house = House(threshold=2)
    names = [house.tell(f"Storm{number}", "a") for number in range(8)]
    house.show(*names)
    assert house.ledger.book(CHANNEL).stormy
    assert not house.pictures.round()


def test_what_cannot_be_drawn_is_not_tried_again_before_something_else_fires() -> None:
    house = House()
    name = house.tell("Slow", "a")
    house.show(name)
    house.painter.failure = OutsideError(Text("Not understood."), permanent=True)
    assert house.pictures.round()
    house.clock.advance(3600)
    assert not house.pictures.round()
    assert house.card(name).picture is None
    house.painter.failure = None
    house.tell("Slow", "b")
    assert house.pictures.round()
    assert (len(house.painter.asked), len(house.painter.kept)) == (2, 1)


def test_what_has_no_value_yet_gets_its_picture_when_it_has_soon_then_ever_more_slowly() -> None:
    house = House()
    name = house.tell("Slow", "a")
    house.show(name)
    house.painter.empty = True
    tries = 0
    for _ in range(3600):
        tries += house.pictures.round()
        house.clock.advance(1)
    assert 6 <= tries <= 9
    assert (house.painter.kept, house.card(name).picture) == ([], None)
    house.painter.empty = False
    house.clock.advance(960)
    assert house.pictures.round()
    assert house.card(name).picture is not None


def test_what_only_began_to_be_measured_is_tried_again_a_quarter_of_a_minute_later() -> None:
    house = House()
    house.show(house.tell("Slow", "a"))
    house.painter.empty = True
    assert house.pictures.round()
    house.painter.empty = False
    house.clock.advance(14)
    assert not house.pictures.round()
    house.clock.advance(2)
    assert house.pictures.round()
    assert len(house.painter.kept) == 1


@pytest.mark.parametrize("failing", ["failure", "refusal"])
def test_while_prometheus_or_the_chat_cannot_it_is_tried_ever_more_slowly(failing: str) -> None:
    house = House()
    name = house.tell("Slow", "a")
    house.show(name)
    before = house.card(name)
    error = OutsideError(Text("Away.")) if failing == "failure" else Refusal(Text("No."))
    setattr(house.painter, failing, error)
    tries = 0
    for _ in range(3600):
        try:
            house.pictures.round()
        except (OutsideError, Refusal):
            tries += 1
        house.clock.advance(1)
    assert 5 <= tries <= 8
    assert house.card(name) == before
    setattr(house.painter, failing, None)
    house.clock.advance(960)
    assert house.pictures.round()
    assert house.group(name).picture == "F1"


def test_one_that_always_fails_does_not_stand_before_the_others() -> None:
    house = House()
    first = house.tell("Poison", "a")
    house.show(first)
    house.painter.failure = OutsideError(Text("Away."))
    with pytest.raises(OutsideError):
        house.pictures.round()
    house.clock.advance(3600)
    second = house.tell("Slow", "a")
    house.show(second)
    house.painter.failure = None
    assert house.pictures.round()
    assert house.group(second).picture
    assert not house.group(first).picture


def test_a_picture_that_comes_after_a_new_round_began_is_not_shown() -> None:
    house = House()
    name = house.tell("Slow", "a")
    house.show(name)

    def meanwhile() -> None:
        house.tell("Slow", over=["a"])
        house.clock.advance(AGAIN.total_seconds() + 60)
        house.tell("Slow", "a")

    class Late(Painter):
        def upload(self, name: str, data: bytes, alt: Text) -> str:
            meanwhile()
            return super().upload(name, data, alt)

    house.painter = Late()
    assert house.another().round()
    assert (house.group(name).serial, house.group(name).picture) == (1, "")
