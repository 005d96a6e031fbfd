"""Schedules: which ticks are due, in every zone, and that each runs once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.backups.schedules import ROUNDS, Due, Schedule, Ticks, due
from handlers.core.ports import Held
from handlers.core.words.answers import JobId, TargetName
from tests.fakes import FakeClock, Faults, MemoryState

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
NIGHTLY = Schedule("backup", "0 2 * * *")
SHOP = TargetName("shop")


def at(day: int, hour: int = 0, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def spelled(ticks: tuple[datetime, ...]) -> list[str]:
    return [f"{tick:%d %H:%M}" for tick in ticks]


def test_a_nightly_line_comes_once_a_night() -> None:
    assert spelled(NIGHTLY.ticks(at(1), at(4))) == ["01 02:00", "02 02:00", "03 02:00"]
    assert NIGHTLY.following(at(1, 2)) == at(2, 2)


def test_a_tick_belongs_to_what_ends_with_it() -> None:
    assert NIGHTLY.ticks(at(1, 2), at(2, 1, 59)) == ()
    assert NIGHTLY.ticks(at(1, 1, 59), at(1, 2)) == (at(1, 2),)


def test_the_line_is_read_in_its_zone() -> None:
    tehran = Schedule("backup", "0 2 * * *", ZoneInfo("Asia/Tehran"))
    assert spelled(tehran.ticks(at(1), at(2))) == ["01 22:30"]


@pytest.mark.parametrize("line", ["30 2 * * *", "0 2 * * *", "15 2 * * *"])
def test_when_the_clock_is_put_forward_over_a_tick_it_comes_right_after(line: str) -> None:
    # Berlin, 29 March 2026: 02:00 becomes 03:00, which is 01:00 UTC.
    ticks = Schedule("backup", line, BERLIN).ticks(at(28, 12, month=3), at(29, 12, month=3))
    assert spelled(ticks) == ["29 01:00"]


def test_when_an_hour_is_repeated_a_nightly_tick_comes_once() -> None:
    # Berlin, 25 October 2026: 02:30 comes at 00:30 UTC and at 01:30 UTC.
    schedule = Schedule("backup", "30 2 * * *", BERLIN)
    assert spelled(schedule.ticks(at(24, 12, month=10), at(25, 12, month=10))) == ["25 00:30"]
    for minute in range(0, 180, 10):
        begun = at(25, month=10) + timedelta(minutes=minute)
        assert len(schedule.ticks(at(24, 12, month=10), begun)) + len(schedule.ticks(begun, at(25, 12, month=10))) == 1


def test_in_an_hour_that_is_repeated_the_next_tick_never_lies_behind() -> None:
    schedule = Schedule("backup", "30 2 * * *", BERLIN)
    for minute in range(0, 60, 5):
        now = at(25, 1, minute, month=10)  # the second pass through the hour; 02:30 came in the first
        assert schedule.following(now) == at(26, 1, 30, month=10)
        assert schedule.ticks(now, now + HOUR) == ()


def test_a_line_for_every_half_hour_follows_real_time_through_both() -> None:
    schedule = Schedule("backup", "*/30 * * * *", BERLIN)
    for begin in (at(29, month=3), at(25, month=10)):
        ticks = schedule.ticks(begin, begin + HOUR * 5)
        assert ticks == tuple(begin + timedelta(minutes=30) * step for step in range(1, 11))


@pytest.mark.parametrize("line", ["", "0 2 * *", "0 2 * * * *", "61 2 * * *", "@daily", "0 0 30 2 *", "two o'clock"])
def test_what_is_no_cron_line_is_said_with_what_was_expected(line: str) -> None:
    with pytest.raises(ValueError, match="a cron line of five fields, like `0 2"):
        Schedule("backup", line)


@given(st.text(alphabet="0123456789*/,-#LW MONjan?", max_size=24))
def test_no_line_breaks_it(line: str) -> None:
    with suppress(ValueError):
        Schedule("backup", line, BERLIN).ticks(at(1), at(2))


# -- what is due ---------------------------------------------------------------------------------------------------


def test_nothing_is_due_before_its_tick() -> None:
    assert due(NIGHTLY, at(1, 2), at(2, 1, 59)) == Due(None)


def test_of_several_missed_ticks_only_the_newest_is_run() -> None:
    assert due(NIGHTLY, at(1, 2), at(5, 3)) == Due(at(5, 2), (at(2, 2), at(3, 2), at(4, 2)))


def test_what_is_older_than_the_limit_is_not_caught_up_but_told() -> None:
    assert due(NIGHTLY, at(1, 2), at(2, 8)) == Due(at(2, 2))
    assert due(NIGHTLY, at(1, 2), at(2, 8, 1)) == Due(None, (at(2, 2),))
    assert due(NIGHTLY, at(1, 2), at(2, 8, 1), limit=HOUR * 7) == Due(at(2, 2))


def test_a_tick_is_run_by_who_looks_a_little_later_also_when_nothing_is_caught_up() -> None:
    assert due(NIGHTLY, at(1, 2), at(2, 2) + timedelta(seconds=5), limit=timedelta()) == Due(at(2, 2))
    assert due(NIGHTLY, at(1, 2), at(2, 2, 6), limit=timedelta()) == Due(None, (at(2, 2),))


def test_a_last_tick_in_the_future_does_not_silence_the_schedule() -> None:
    ahead = at(1) + timedelta(days=400)
    assert due(NIGHTLY, ahead, at(2, 3)) == Due(at(2, 2))


def test_years_without_the_bot_are_looked_at_in_a_moment() -> None:
    minutely = Schedule("backup", "* * * * *")
    found = due(minutely, datetime(2020, 1, 1, tzinfo=UTC), at(2))
    assert found.run == at(2)
    assert len(found.missed) == 8 * 24 * 60 - 1


# -- once over all bots --------------------------------------------------------------------------------------------


def ticks() -> tuple[FakeClock, Ticks]:
    clock = FakeClock(at(2, 2))
    return clock, Ticks(MemoryState(clock), NIGHTLY, SHOP)


def test_a_tick_is_taken_by_one() -> None:
    _, found = ticks()
    assert found.claim(at(2, 2)) is not None
    assert found.claim(at(2, 2)) is None


def test_a_tick_whose_bot_died_while_asking_is_taken_by_another_after_two_minutes() -> None:
    clock, found = ticks()
    found.claim(at(2, 2))
    clock.advance(119)
    assert found.claim(at(2, 2)) is None
    clock.advance(2)
    assert found.claim(at(2, 2)) is not None


def test_a_tick_that_was_let_go_is_taken_by_the_next_at_once() -> None:
    _, found = ticks()
    claim = found.claim(at(2, 2))
    assert claim is not None
    found.release(claim)
    assert not found.ran(at(2, 2))
    assert found.claim(at(2, 2)) is not None


def test_a_tick_that_was_run_is_never_taken_again() -> None:
    clock, found = ticks()
    claim = found.claim(at(2, 2))
    assert claim is not None
    found.record(claim, JobId("job"))
    clock.advance(29 * 86_400)
    assert found.claim(at(2, 2)) is None
    assert found.job(at(2, 2)) == "job"


def test_the_last_tick_only_grows_unless_it_lies_in_the_future() -> None:
    _, found = ticks()
    found.passed(at(2, 2), at(2, 2))
    found.passed(at(1, 2), at(2, 2))
    assert found.last() == at(2, 2)
    found.passed(at(2, 2) + timedelta(days=400), at(2, 2) + timedelta(days=400))
    found.passed(at(3, 2), at(3, 2))
    assert found.last() == at(3, 2)


class Busy(MemoryState):
    """One in which somebody else does something as soon as a value was read."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.meanwhile: list[Callable[[], None]] = []

    def get(self, key: str) -> Held | None:
        held = super().get(key)
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return held


def rivals() -> tuple[Busy, Ticks, Ticks]:
    """Two bots over the same memory, which is busy for the first."""
    state = Busy(FakeClock(at(2, 2)))
    return state, Ticks(state, NIGHTLY, SHOP), Ticks(state.beside(Faults()), NIGHTLY, SHOP)


@pytest.mark.parametrize(("theirs", "last"), [(at(1, 2), at(2, 2)), (at(3, 2), at(3, 2))])
def test_of_two_that_pass_ticks_at_once_the_later_one_stays(theirs: datetime, last: datetime) -> None:
    state, mine, other = rivals()
    state.meanwhile = [lambda: other.passed(theirs, at(3, 2))]
    mine.passed(at(2, 2), at(3, 2))
    assert mine.last() == other.last() == last


def test_a_tick_that_too_many_others_pass_ahead_of_is_left_to_the_next_round() -> None:
    state, mine, other = rivals()
    earlier = [at(1) + HOUR * step for step in range(ROUNDS)]
    state.meanwhile = [partial(other.passed, tick, at(2, 2)) for tick in earlier]
    mine.passed(at(2, 2), at(2, 2))
    assert other.last() == earlier[-1]
    mine.passed(at(2, 2), at(2, 2))
    assert other.last() == at(2, 2)
