"""The boards: what the relay is told to show of groups and of shared cards, and whom a card calls."""

from __future__ import annotations

from handlers.alerts import AlertBoard, StormBoard
from handlers.core.alerts.escalations import Step
from handlers.core.alerts.notices import Labels, Notice, Seen, fingerprint_of
from handlers.core.alerts.routes import Route, Routes
from tests.handlers.test_pictures import CHANNEL, House

UNKNOWN = "0" * 20


def critical(house: House, name: str, *, over: bool = False) -> str:
    labels: Labels = {"alertname": name, "severity": "critical"}
    began, ended = house.clock.moment, house.clock.moment if over else None
    notice = Notice(
        "default", "slack", {"alertname": name}, (Seen(fingerprint_of(labels), labels, {}, began, ended, ""),)
    )
    house.alerts.take_in(notice)
    return notice.group


def said(house: House, group_id: str) -> list[str]:
    return [str(each) for each in house.group(group_id).said]


def test_a_mark_of_a_group_that_nobody_knows_any_more_shows_nothing_and_hides_no_other() -> None:
    house = House()
    known = house.tell("Slow", "a")
    assert house.board.begin([UNKNOWN, known]) == {known: 1}
    assert house.board.posting(UNKNOWN, shown=False) is None
    assert house.board.posting(UNKNOWN, shown=True) is None
    assert house.board.posting(known, shown=False) is not None


def test_only_a_card_that_is_there_and_not_over_calls_people() -> None:
    house = House()
    routes = Routes(Route(CHANNEL))
    board = AlertBoard(house.alerts, house.ledger, routes, "", house.clock, steps=(Step(10, "S0ONCALL"),))
    shown, unposted, over = (critical(house, name) for name in ("Shown", "Unposted", "Over"))
    board.begin([shown, unposted, over])
    for each in (shown, over):
        board.placed(each, CHANNEL, "https://shop.slack.com/p1")
    house.clock.advance(601)
    critical(house, "Over", over=True)
    before = said(house, over)
    board.begin([over])
    assert said(house, shown) == ["S0ONCALL this is critical, and nobody acknowledged it for 10 minutes."]
    assert said(house, unposted) == [], "nobody is called to a card that is not there"
    assert said(house, over) == before


def test_a_group_that_leaves_the_shared_card_when_the_storm_ends_is_marked_to_be_shown() -> None:
    house = House(threshold=2)
    groups = [house.tell(name, "a") for name in ("One", "Two", "Three")]
    house.board.begin(groups)
    (left,) = (each for each in groups if house.board.posting(each, shown=False) is None)
    for each in set(groups) - {left}:
        house.board.placed(each, CHANNEL, "https://shop.slack.com/p1")
    mark = f"dirty:alert.{left}"
    held = house.state.get(mark)
    assert held is not None
    house.state.delete_if(mark, held.version)
    house.clock.advance(61)
    house.board.begin([])
    assert house.state.get(mark) is not None
    posting = house.board.posting(left, shown=False)
    assert posting is not None
    assert str(posting.card.title) == "warning: Three"


def test_a_channel_without_a_storm_has_no_shared_card_and_one_that_had_keeps_it() -> None:
    house = House(threshold=2)
    board = StormBoard(house.ledger, "C0OPS")
    assert board.posting(CHANNEL, shown=False) is None
    house.board.begin([house.tell(name, "a") for name in ("One", "Two", "Three")])
    posting = board.posting(CHANNEL, shown=False)
    assert posting is not None
    assert str(posting.card.title) == "Many alerts: 1 groups, 1 alerts firing"
    assert (posting.ended, posting.refuge) == (None, "C0OPS")
    house.clock.advance(61)
    house.board.begin([])
    posting = board.posting(CHANNEL, shown=True)
    assert posting is not None
    assert posting.ended == house.clock.now()
