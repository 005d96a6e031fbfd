"""Growth: the bot's own daily history, what it tells, and what it cannot tell yet."""

from __future__ import annotations

from datetime import timedelta

import pytest

from handlers.checks.growth import ROUND_SECONDS, GrowthCheck, GrowthKeeper
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding
from handlers.core.health.growth import KEPT_DAYS, MOST_COLLECTIONS, REST, GrowthBook, Sizes, pace
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text
from tests.fakes import FakeClock, Faults, MemoryState

SHOP = TargetName("shop")
GB = 10**9
DAY = 86_400


class Scales:
    """MongoDB, growing as a test says."""

    def __init__(self) -> None:
        self.now = Sizes({"orders": 10 * GB, "carts": 2 * GB}, 100 * GB, 5)
        self.asked = 0
        self.failure: OutsideError | None = None

    def sizes(self, seconds: float) -> Sizes:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return self.now


class House:
    """Two workers over one state."""

    def __init__(self) -> None:
        self.clock, self.faults = FakeClock(), Faults()
        self.state, self.scales = MemoryState(self.clock, self.faults), Scales()
        self.book = GrowthBook(self.state)
        self.keepers = [GrowthKeeper(self.book, self.scales, self.clock, [SHOP]) for _ in range(2)]

    def days(self, count: int, orders: int = 0, free: int | None = None, terms: int = 0) -> None:
        for _ in range(count):
            for keeper in self.keepers:
                keeper.round()
            self.clock.advance(DAY)
            sizes = self.scales.now.collections
            left = self.scales.now.free_bytes if free is None else free
            grown = {**sizes, "orders": sizes["orders"] + orders}
            self.scales.now = Sizes(grown, left, self.scales.now.term + terms)
        self.keepers[0].round()

    def found(self) -> dict[str, Finding]:
        return {each.name: each for each in GrowthCheck(self.book)(SHOP)}


@pytest.fixture
def house() -> House:
    return House()


def test_a_day_is_written_down_once_by_whoever_looks_first(house: House) -> None:
    house.days(3)
    assert [each.at.date() for each in house.book.entries(SHOP)] == sorted(
        {each.at.date() for each in house.book.entries(SHOP)}
    )
    assert (len(house.book.entries(SHOP)), house.scales.asked) == (4, 4)


def test_a_server_that_does_not_answer_is_asked_again(house: House) -> None:
    house.scales.failure = OutsideError(Text("MongoDB could not be asked."))
    with pytest.raises(OutsideError):
        house.keepers[0].round()
    house.scales.failure = None
    house.keepers[0].round()
    assert house.book.entries(SHOP) == ()
    house.clock.advance(ROUND_SECONDS + 1)
    house.keepers[0].round()
    assert len(house.book.entries(SHOP)) == 1


def test_on_the_first_day_nothing_is_known(house: House) -> None:
    house.keepers[0].round()
    assert {each.verdict for each in house.found().values()} == {Verdict.UNKNOWN}


@pytest.mark.parametrize(
    ("orders", "verdict", "words"),
    [
        (0, Verdict.PASS, "does not grow"),
        (1 * GB, Verdict.PASS, "full in 100 days"),
        (5 * GB, Verdict.FAIL, "orders 5.0 GB); at that pace its disk is full in 20 days"),
    ],
    ids=["still", "slow", "fast"],
)
def test_how_long_the_disk_lasts_is_told(house: House, orders: int, verdict: Verdict, words: str) -> None:
    house.days(4, orders)
    found = house.found()["growth"]
    assert (found.verdict, words in str(found.text)) == (verdict, True), str(found.text)


def test_without_what_is_free_the_days_are_not_known(house: House) -> None:
    house.scales.now = Sizes({"orders": 1}, None, 1)
    house.days(3, GB)
    assert house.found()["growth"].verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(("terms", "verdict"), [(0, Verdict.PASS), (2, Verdict.PASS), (3, Verdict.FAIL)])
def test_elections_are_counted_by_the_day(house: House, terms: int, verdict: Verdict) -> None:
    house.days(3, terms=terms)
    assert house.found()["elections"].verdict is verdict


def test_a_state_that_cannot_be_asked_is_not_known(house: House) -> None:
    house.days(3, GB)
    house.faults.fail("state.get", error=OutsideError(Text("Redis does not answer.")))
    assert {each.verdict for each in house.found().values()} == {Verdict.UNKNOWN}


def test_old_days_and_small_collections_are_let_go_and_no_size_is_lost(house: House) -> None:
    many = {f"c{number}": number + 1 for number in range(MOST_COLLECTIONS + 50)}
    for day in range(KEPT_DAYS + 10):
        house.book.note(SHOP, Sizes(many, 0), house.clock.now() + timedelta(days=day))
    entries = house.book.entries(SHOP)
    assert len(entries) == KEPT_DAYS
    assert {len(each.sizes.collections) for each in entries} == {MOST_COLLECTIONS + 1}
    assert entries[-1].whole_bytes == sum(many.values())
    assert REST not in {name for name, _ in (pace(entries) or pytest.fail("no pace")).daily}


def test_who_is_slower_than_another_on_the_same_day_changes_nothing(house: House) -> None:
    first, late = Sizes({"orders": 10}, 100), Sizes({"orders": 99}, 100)
    house.book.note(SHOP, first, house.clock.now())
    house.book.note(SHOP, late, house.clock.now() + timedelta(hours=20))
    assert [each.sizes for each in house.book.entries(SHOP)] == [first]


@pytest.mark.parametrize("stored", [b"nonsense", b"7", b"[{}]", b'[{"at": "then", "of": {}, "free": 0, "term": 0}]'])
def test_a_history_that_cannot_be_read_begins_anew(house: House, stored: bytes) -> None:
    house.state.put_if(f"growth:{SHOP}", stored, None)
    assert house.book.noted_on(SHOP) is None
    assert {each.verdict for each in house.found().values()} == {Verdict.UNKNOWN}
    house.days(4, GB)
    assert len(house.book.entries(SHOP)) == 5
    assert house.found()["growth"].verdict is Verdict.PASS


def test_without_any_day_there_is_no_pace(house: House) -> None:
    assert pace(house.book.entries(SHOP)) is None
