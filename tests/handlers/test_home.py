"""The Home tab: what is known at a glance, for members only, and never green for what could not be read."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from handlers.core.alerts.books import Book, Own, sorted_in
from handlers.core.alerts.ledger import Ledger
from handlers.core.alerts.notices import Notice, Seen, fingerprint_of
from handlers.core.backups.schedules import Schedule
from handlers.core.door.records import Jobs
from handlers.core.ports import Standing
from handlers.core.words.answers import Actor, JobId, Plan, TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from handlers.home import Home
from tests.fakes import FakeClock, FakeFactors, Faults, MemoryState, someone

SHOP = TargetName("shop")
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


class Told:
    """What the chat says about everybody."""

    def __init__(self, standing: Standing = "member") -> None:
        self._standing: Standing = standing

    def standing(self, actor: Actor) -> Standing:
        return self._standing


class House:
    """A Home tab over fakes."""

    def __init__(self, standing: Standing = "member", schedule: Schedule | None = None) -> None:
        self.clock, self.faults = FakeClock(NOW), Faults()
        self.state, self.factors = MemoryState(self.clock, self.faults), FakeFactors()
        self.home = Home(self.state, Told(standing), self.factors, self.clock, (SHOP,), schedule)

    def lines(self) -> str:
        card = self.home.card(someone("U0SARA"))
        assert card is not None
        return "\n".join(map(str, card.lines))


@pytest.mark.parametrize("standing", ["guest", "bot", "gone", "unknown"])
def test_only_full_members_see_it(standing: Standing) -> None:
    assert House(standing).home.card(someone("U0SARA")) is None


def test_what_nobody_looked_at_is_not_green() -> None:
    said = House().lines()
    assert "? shop: nobody has looked yet" in said
    assert "✗ No backup is made by itself" in said
    assert "✗ You have no second factor" in said
    assert "✓ No alert is open." in said
    assert "No job is running." in said


def test_how_things_stand_is_told_at_a_glance() -> None:
    house = House(schedule=Schedule("backup", "0 4 * * *"))
    house.factors.add("U0SARA")
    verdicts = {"mongo: TLS": "fail", "edge: HSTS": "pass", "audit: chain": "unknown"}
    kept = json.dumps({"at": NOW.isoformat(), "verdicts": verdicts}).encode()
    house.state.put_if("health:shop", kept, None)
    house.state.put_if("alarm:rotate-due:jwt", b"j9", None)
    plan = Plan("backup.now", SHOP, {}, someone("U0OMID"), "C0OPS", NOW.isoformat(), "n", "")
    Jobs(house.state).create(Job(JobId("j1"), plan, JobState.RUNNING, NOW))
    said = house.lines()
    assert "✗ shop: 1 wrong, 1 not known of 3" in said
    assert "backup now of shop is running" in said
    assert "✗ 1 secrets wait for somebody: jwt" in said
    assert "The next backup is made at 2026-11-24 04:00" in said
    assert "✓ You are enrolled" in said


def test_open_alerts_are_named() -> None:
    house = House()
    ledger = Ledger(house.state)
    labels = {"alertname": "Slow"}
    notice = Notice("default", "slack", labels, (Seen(fingerprint_of(labels), labels, {}, NOW, None, ""),))
    ledger.fold(notice, NOW, lambda group, change: ())
    ledger.change_book("C0ALERTS", lambda book: replace(book, own={notice.group: Own(1, NOW)}))
    assert "Slow" in house.lines()
    ended = Seen(fingerprint_of(labels), labels, {}, NOW, NOW, "")
    ledger.fold(replace(notice, alerts=(ended,)), NOW, lambda group, change: ())
    assert "✓ No alert is open." in house.lines()


@pytest.mark.parametrize("place", ["own card", "shared card"])
def test_alerts_that_were_left_out_of_the_telling_are_not_known(place: str) -> None:
    house = House()
    ledger = Ledger(house.state)
    labels = {"alertname": "Slow"}
    seen = Seen(fingerprint_of(labels), labels, {}, NOW, NOW, "")
    notice = Notice("default", "slack", labels, (seen,), hidden=3)
    ledger.fold(notice, NOW, lambda group, change: ())
    group = ledger.load(notice.group)
    assert group is not None
    book = Book(own={notice.group: Own(1, NOW)})
    if place == "shared card":
        book, _ = sorted_in(Book(), {notice.group: group}, NOW, 3)
    ledger.change_book("C0ALERTS", lambda _: book)
    assert "? 1 groups of alerts are over only as far as told, or not known." in house.lines()
    assert "No alert is open." not in house.lines()


def test_a_state_that_cannot_be_read_is_not_known() -> None:
    house = House()
    for number in range(1, 30):
        house.faults.fail("state.get", number, error=OutsideError(Text("Redis does not answer.")))
        house.faults.fail("state.keys", number, error=OutsideError(Text("Redis does not answer.")))
    said = house.lines()
    assert "✓ No alert is open." not in said
    assert "? A part of this could not be read now." in said


def peak_of(groups: int) -> int:
    """The most bytes that a look at so many open groups of alerts needed at once, what is kept left out."""
    house = House()
    ledger, words = Ledger(house.state), {"description": "x" * 2_000}
    own: dict[str, Own] = {}
    for number in range(groups):
        labels = {"alertname": "Slow", "instance": str(number)}
        notice = Notice("default", "slack", labels, (Seen(fingerprint_of(labels), labels, words, NOW, None, ""),))
        ledger.fold(notice, NOW, lambda group, change: ())
        own[notice.group] = Own(1, NOW)
    ledger.change_book("C0ALERTS", lambda book: replace(book, own=own))
    assert f"{groups} alerts are open" in house.lines()
    tracemalloc.start()
    try:
        house.lines()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_many_open_groups_are_looked_at_one_after_the_other() -> None:
    few, many = peak_of(50), peak_of(500)
    assert (many - few) / 450 < 2_000  # bytes for one more group: less than its description alone
