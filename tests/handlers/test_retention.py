"""Retention: what is kept and why, what may go, and every edge of it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.core.backups.retention import Copy, Decision, Policy, decide, lock_until_at_write
from handlers.core.formats.manifests import BackupKind
from handlers.core.words.answers import BackupId
from handlers.core.words.text import Text
from tests.handlers.histories import Habits, History

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)  # a Wednesday, in week 48
DAY = timedelta(days=1)
USUAL = Policy()


def copy(made: datetime, name: str = "", zone: str = "UTC", **changes: Any) -> Copy:
    offset = made.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)
    plain = Copy(BackupId(name or f"{made:%m-%d %H:%M}"), made, BackupKind.SCHEDULED, offset, moment=made)
    return replace(plain, **changes)


def nights(count: int, until: datetime = NOW - timedelta(hours=1), **changes: Any) -> list[Copy]:
    """One a night, the newest an hour ago, the oldest first."""
    return [copy(until - DAY * back, **changes) for back in reversed(range(count))]


def gone(decision: Decision) -> list[str]:
    return [each.id for each in decision.delete]


def why(decision: Decision, name: str) -> list[str]:
    return [str(reason.text) for reason in decision.kept.get(BackupId(name), ())]


def test_seven_days_and_four_weeks_are_kept_and_the_oldest_others_go() -> None:
    decision = decide(nights(60), USUAL, NOW)
    days = ["11-19 02:00", "11-20 02:00", "11-21 02:00", "11-22 02:00", "11-23 02:00", "11-24 02:00", "11-25 02:00"]
    mondays = ["11-02 02:00", "11-09 02:00", "11-16 02:00", "11-23 02:00"]
    assert sorted(decision.kept) == sorted({*days, *mondays})
    assert gone(decision) == ["09-27 02:00", "09-28 02:00", "09-29 02:00"]


def test_every_kept_copy_says_why_and_until_when() -> None:
    decision = decide(nights(30), USUAL, NOW)
    assert why(decision, "11-25 02:00") == ["daily of 25 Nov", "newest"]
    assert why(decision, "11-23 02:00") == ["daily of 23 Nov", "weekly of week 48"]
    daily, weekly = decision.kept[BackupId("11-23 02:00")]
    assert daily.until == datetime(2026, 11, 30, tzinfo=UTC)
    assert weekly.until == datetime(2026, 12, 21, tzinfo=UTC)


def test_a_copy_that_stays_without_being_kept_says_why_too() -> None:
    decision = decide(nights(60), USUAL, NOW)
    assert str(decision.waiting[BackupId("10-30 02:00")]).endswith("later run")
    assert set(decision.kept) | set(decision.waiting) | {each.id for each in decision.delete} == {
        each.id for each in nights(60)
    }


def test_of_two_in_one_day_the_newest_is_the_days_and_the_first_the_weeks() -> None:
    monday = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    pair = [copy(monday, "first"), copy(monday + timedelta(hours=5), "second")]
    decision = decide([*nights(3), *pair], USUAL, NOW)
    assert why(decision, "second") == ["daily of 23 Nov"]
    assert why(decision, "11-23 02:00") == ["weekly of week 48"]
    assert "first" in decision.waiting


def test_a_minute_before_midnight_and_a_minute_after_are_two_days() -> None:
    around = [copy(datetime(2026, 11, 23, 23, 59, tzinfo=UTC)), copy(datetime(2026, 11, 24, 0, 1, tzinfo=UTC))]
    decision = decide(around, USUAL, NOW)
    assert why(decision, "11-23 23:59")[0] == "daily of 23 Nov"
    assert why(decision, "11-24 00:01")[0] == "daily of 24 Nov"


def test_the_day_is_the_one_of_the_zone_at_creation() -> None:
    # 20:45 UTC on the 23rd is 00:15 on the 24th in Tehran.
    tehran = [copy(datetime(2026, 11, 23, 20, 15, tzinfo=UTC), zone="Asia/Tehran", name="before")]
    tehran.append(copy(datetime(2026, 11, 23, 20, 45, tzinfo=UTC), zone="Asia/Tehran", name="after"))
    decision = decide(tehran, USUAL, NOW)
    assert why(decision, "before")[0] == "daily of 23 Nov"
    assert why(decision, "after")[0] == "daily of 24 Nov"


def test_a_later_change_of_zone_moves_nothing() -> None:
    before = nights(12, zone="Asia/Tehran")
    later = NOW + DAY * 2
    moved = [*before, copy(later, "moved", zone="America/New_York")]
    kept_before, kept_after = decide(before, USUAL, NOW), decide(moved, USUAL, later)
    for each in before[-6:]:
        assert why(kept_before, each.id)[0] == why(kept_after, each.id)[0]


@pytest.mark.parametrize("month", [3, 10])
def test_days_on_which_the_clock_is_changed_are_days(month: int) -> None:
    sunday = datetime(2026, month, 29 if month == 3 else 25, 2, 30, tzinfo=UTC)
    history = [copy(sunday + DAY * shift, zone="Europe/Berlin") for shift in range(-4, 5)]
    decision = decide(history, USUAL, sunday + DAY * 4)
    dailies = [str(reason.text) for kept in decision.kept.values() for reason in kept if "daily" in str(reason.text)]
    assert len(set(dailies)) == 7


def test_an_hour_that_the_clock_repeats_is_two_hours() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in Berlin, twice
    history = [copy(first + timedelta(hours=shift), zone="Europe/Berlin") for shift in range(3)]
    decision = decide(history, Policy(hourly=3), first + timedelta(hours=3))
    assert [why(decision, each.id)[0] for each in history] == [
        "hourly of 25 Oct 00:00 UTC",
        "hourly of 25 Oct 01:00 UTC",
        "hourly of 25 Oct 02:00 UTC",
    ]


def test_the_first_days_of_january_can_belong_to_week_53() -> None:
    turn = datetime(2026, 12, 28, 2, 0, tzinfo=UTC)  # Monday of week 53; 1 January 2027 is in it
    history = [copy(turn + DAY * shift) for shift in range(10)]
    decision = decide(history, USUAL, turn + DAY * 9)
    assert why(decision, "12-28 02:00") == ["weekly of week 53"]
    assert "weekly of week 1" in why(decision, "01-04 02:00")
    assert all("weekly" not in reason for reason in why(decision, "01-01 02:00"))


def test_when_the_first_of_the_week_fails_a_check_the_next_good_one_stands_for_it() -> None:
    history = nights(20)
    monday = next(each for each in history if each.id == "11-16 02:00")
    history[history.index(monday)] = replace(monday, good=False)
    decision = decide(history, USUAL, NOW)
    assert "weekly of week 47" in why(decision, "11-17 02:00")
    assert why(decision, "11-16 02:00") == ["failed a check; kept to be looked at"]


def test_an_outage_of_25_days_ages_nothing_out() -> None:
    before = nights(40, until=NOW - DAY * 25)
    decision = decide([*before, copy(NOW)], USUAL, NOW)
    kept = [each for each in before if each.id in decision.kept]
    assert len(kept) >= 6 + 2
    assert before[-1] in kept


def test_nothing_goes_while_there_is_no_fresh_good_copy() -> None:
    decision = decide(nights(60, until=NOW - timedelta(hours=37)), USUAL, NOW)
    assert gone(decision) == []
    assert "36 hours" in str(decision.held[0])
    assert gone(decide(nights(60, until=NOW - timedelta(hours=35)), USUAL, NOW)) != []


def test_nothing_goes_while_the_clocks_disagree_and_somebody_is_told() -> None:
    for skew in (timedelta(minutes=6), timedelta(minutes=-6)):
        decision = decide(nights(60), USUAL, NOW, skew)
        assert gone(decision) == []
        assert "6 min apart" in str(decision.alarms[0])
    assert gone(decide(nights(60), USUAL, NOW, timedelta(minutes=4))) != []


@pytest.mark.parametrize("jump", [DAY * 400, -DAY * 400])
def test_a_copy_under_a_clock_400_days_wrong_pushes_nothing_out(jump: timedelta) -> None:
    honest = nights(60)
    decision = decide([*honest, copy(NOW + jump, "wrong")], USUAL, NOW)
    assert set(decide(honest, USUAL, NOW).kept) <= set(decision.kept)


def test_what_is_dated_in_the_future_is_neither_counted_nor_deleted_and_alarms() -> None:
    ahead = [copy(NOW + DAY * (400 + shift), f"ahead {shift}") for shift in range(20)]
    decision = decide([*nights(60), *ahead], USUAL, NOW)
    assert len(decision.alarms) == 20
    assert why(decision, "ahead 3") == ["dated in the future"]
    assert why(decision, "11-19 02:00") == ["daily of 19 Nov"]
    assert "newest" in why(decision, "11-25 02:00")


def test_a_wrong_date_takes_no_slot_when_its_day_has_come() -> None:
    # Made on 10 November under a clock that was two weeks ahead.
    wrong = copy(NOW - DAY + timedelta(hours=5), "wrong", stored=NOW - DAY * 15)
    decision = decide([*nights(60), wrong], USUAL, NOW)
    assert why(decision, "wrong") == ["dated wrongly; kept to be looked at"]
    assert why(decision, "11-24 02:00") == ["daily of 24 Nov"]
    assert "wrong" not in decide([*nights(60), wrong], USUAL, NOW + DAY * 60).kept


def test_settings_below_the_floors_do_not_go_below_them() -> None:
    decision = decide(nights(60), Policy(daily=0, weekly=0), NOW)
    assert set(decision.kept) == set(decide(nights(60), USUAL, NOW).kept)


def test_lowered_settings_take_away_three_a_run_and_stop_at_the_floors() -> None:
    history, runs = nights(60), 0
    while decide(history, USUAL, NOW).delete:
        decision = decide(history, USUAL, NOW)
        assert len(decision.delete) <= 3
        history = [each for each in history if each not in decision.delete]
        runs += 1
    assert len(history) == 10  # seven days and four Mondays, one of which is both
    assert runs == 17


def test_when_every_copy_failed_its_check_none_goes() -> None:
    decision = decide(nights(200, good=False), USUAL, NOW)
    assert gone(decision) == []
    assert decision.held


def test_a_failed_copy_fills_no_slot() -> None:
    history = nights(12)
    history[-3:] = [replace(each, good=False) for each in history[-3:]]
    decision = decide(history, USUAL, NOW + timedelta(hours=-36) + DAY)
    dailies = [name for name in decision.kept if any("daily" in reason for reason in why(decision, name))]
    assert sorted(dailies) == sorted(each.id for each in history[2:9])


def test_fewer_than_seven_good_ones_lose_nothing() -> None:
    # Seven copies of two days: five of them fill no slot, and stay.
    crowded = [copy(NOW - timedelta(hours=hours)) for hours in (1, 2, 3, 26, 27, 28, 29)]
    assert gone(decide(crowded, USUAL, NOW)) == []
    assert len(gone(decide([*crowded, copy(NOW - timedelta(hours=30))], USUAL, NOW))) == 1


def test_a_pinned_copy_in_the_middle_stays_and_takes_no_ones_place() -> None:
    history = nights(60)
    plain = decide(history, USUAL, NOW)
    history[5] = replace(history[5], pinned=True)
    decision = decide(history, USUAL, NOW)
    assert why(decision, history[5].id) == ["pinned"]
    assert set(plain.kept) < set(decision.kept)


def test_what_an_open_restore_needs_stays() -> None:
    history = nights(60)
    history[0] = replace(history[0], needed_by=(Text("an open restore"),))
    assert why(decide(history, USUAL, NOW), history[0].id) == ["an open restore"]


def test_the_newest_drilled_copy_stays() -> None:
    history = nights(60)
    for place in (3, 9):
        history[place] = replace(history[place], drilled=True)
    decision = decide(history, USUAL, NOW)
    assert why(decision, history[9].id) == ["newest that a drill restored"]
    assert history[3].id not in decision.kept


def test_the_base_just_outside_the_point_in_time_window_stays() -> None:
    policy = Policy(window=DAY * 12)
    decision = decide(nights(60), policy, NOW)
    # Twelve days back is the 13th, 03:00: only the copy of the 13th, 02:00, leads there.
    assert "base of the point-in-time window" in why(decision, "11-13 02:00")
    assert "11-12 02:00" not in decision.kept


def test_the_base_of_the_window_is_a_copy_from_which_its_first_moment_is_reached() -> None:
    policy = Policy(window=DAY * 12)
    history = nights(60)
    # The one of the 13th is of no one moment, that of the 12th took until the 13th was over, that of the 11th is bad.
    history[47] = replace(history[47], moment=None)
    history[46] = replace(history[46], moment=history[46].made + DAY * 2)
    history[45] = replace(history[45], good=False)
    decision = decide(history, policy, NOW)
    based = [name for name in decision.kept if "base of the point-in-time window" in why(decision, name)]
    assert based == ["11-10 02:00"]


def test_where_no_copy_reaches_before_the_window_the_oldest_of_one_moment_is_its_base() -> None:
    history = [replace(each, moment=None) for each in nights(3)] + nights(2, NOW)
    decision = decide(history, Policy(window=DAY * 12), NOW)
    assert [each for each in decision.kept if "base of the point-in-time window" in why(decision, each)] == [
        "11-24 03:00"
    ]
    bare = decide([replace(each, moment=None) for each in nights(3)], Policy(window=DAY * 12), NOW)
    assert not any("base of the point-in-time window" in why(bare, each) for each in bare.kept)


def test_what_was_kept_before_a_restore_stays_14_days_and_fills_no_slot() -> None:
    history = nights(30)
    young = copy(NOW - DAY * 13, "young", kind=BackupKind.PRE_RESTORE)
    old = copy(NOW - DAY * 15, "old", kind=BackupKind.PRE_RESTORE)
    decision = decide([*history, young, old], USUAL, NOW)
    assert why(decision, "young") == ["kept before a restore"]
    assert decision.kept[BackupId("young")][0].until == NOW + DAY
    assert "old" not in decision.kept


def test_months_and_years_are_kept_when_asked_for() -> None:
    decision = decide(nights(500), Policy(monthly=3, yearly=2), NOW)
    assert "monthly of Nov 2026" in why(decision, "11-01 02:00")
    assert sum("monthly" in reason for name in decision.kept for reason in why(decision, name)) == 3
    assert sum("yearly" in reason for name in decision.kept for reason in why(decision, name)) == 2


def test_none_are_kept_by_the_hour_unless_asked_for() -> None:
    assert not any("hourly" in reason for each in nights(9) for reason in why(decide(nights(9), USUAL, NOW), each.id))


# -- locks ---------------------------------------------------------------------------------------------------------


def test_a_locked_copy_stays_until_the_last_of_its_locks_is_over() -> None:
    history = nights(60, locks=(NOW - DAY, NOW - DAY))
    history[0] = replace(history[0], locks=(NOW - DAY, NOW + DAY))
    decision = decide(history, USUAL, NOW, locking=True)
    assert history[0].id not in gone(decision)
    assert "locked until 2026-11-26" in str(decision.waiting[history[0].id])


def test_a_kept_copy_with_less_than_two_days_of_lock_gets_nine() -> None:
    history = nights(3, locks=(NOW + DAY * 5, NOW + DAY * 5))
    history[1] = replace(history[1], locks=(NOW + DAY * 5, NOW + DAY))
    (extension,) = decide(history, USUAL, NOW, locking=True).extend
    assert (extension.copy, extension.until) == (history[1], NOW + DAY * 9)


def test_locks_are_lengthened_also_when_nothing_may_be_deleted() -> None:
    history = nights(60, until=NOW - DAY * 20, locks=(NOW, NOW))
    decision = decide(history, USUAL, NOW, skew=DAY, locking=True)
    assert decision.held
    assert {each.copy.id for each in decision.extend} == set(decision.kept)


def test_a_copy_that_nothing_keeps_gets_no_longer_lock() -> None:
    history = nights(60, locks=(NOW, NOW))
    assert {each.copy.id for each in decide(history, USUAL, NOW, locking=True).extend} == set(
        decide(history, USUAL, NOW, locking=True).kept
    )


def test_a_missing_lock_is_told_and_given_again() -> None:
    history = nights(3, locks=(NOW + DAY * 5, NOW + DAY * 5))
    history[1] = replace(history[1], locks=(NOW + DAY * 5, None))
    decision = decide(history, USUAL, NOW, locking=True)
    assert "not locked" in str(decision.alarms[0])
    assert [each.copy for each in decision.extend] == [history[1]]


def test_a_store_without_locks_is_not_asked_for_any() -> None:
    decision = decide(nights(3), USUAL, NOW)
    assert decision.extend == ()
    assert decision.alarms == ()


def test_the_first_of_a_week_is_locked_for_four_weeks_and_the_others_for_seven_days_and_grace() -> None:
    monday = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    before = nights(5, until=monday - DAY)

    def days(kind: BackupKind, made: datetime, history: list[Copy]) -> float:
        return (lock_until_at_write(kind, made, timedelta(0), history, USUAL) - made) / DAY

    assert days(BackupKind.SCHEDULED, monday, before) == 37
    assert days(BackupKind.SCHEDULED, monday + DAY, [*before, copy(monday)]) == 9
    assert days(BackupKind.SCHEDULED, monday + DAY, [*before, copy(monday, good=False)]) == 37
    assert days(BackupKind.SCHEDULED, monday + DAY, [*before, copy(monday, kind=BackupKind.PRE_RESTORE)]) == 37
    assert days(BackupKind.PRE_RESTORE, monday, before) == 14


def test_the_week_of_a_lock_is_the_one_of_the_local_time() -> None:
    sunday = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)  # Monday, 00:30, in Tehran
    tehran = timedelta(hours=3, minutes=30)
    before = [copy(sunday - DAY, zone="Asia/Tehran")]
    assert lock_until_at_write(BackupKind.SCHEDULED, sunday, tehran, before, USUAL) - sunday == DAY * 37
    assert lock_until_at_write(BackupKind.SCHEDULED, sunday, timedelta(0), before, USUAL) - sunday == DAY * 9


# -- histories -----------------------------------------------------------------------------------------------------


def _lived(seed: int, count: int, habits: Habits) -> History:
    history = History(random.Random(seed), habits)
    for _ in range(count):
        history.night()
    return history


@pytest.mark.parametrize("seed", range(2))
def test_a_year_with_everything_that_can_go_wrong_breaks_nothing(seed: int) -> None:
    history = _lived(seed, 365, Habits(locking=seed % 2 == 0))
    assert history.violations == []
    assert history.deleted > 100


@pytest.mark.parametrize("seed", range(2))
def test_in_a_year_of_failures_and_outages_no_day_or_week_is_missing(seed: int) -> None:
    history = _lived(seed, 365, Habits(failing_check=0, jump=0, locking=seed % 2 == 0))
    assert history.violations == []
    assert history.deleted > 100


shares = st.sampled_from([0.0, 0.02, 0.2])


@settings(max_examples=30)
@given(
    st.integers(0, 10**9),
    st.builds(
        Habits,
        failure=shares,
        outage=shares,
        by_hand=shares,
        restore=shares,
        jump=shares,
        failing_check=shares,
        drill=shares,
        pin=shares,
        needed=shares,
        move=shares,
        second_pruner=st.sampled_from([0.0, 1.0]),
        locking=st.booleans(),
    ),
)
def test_no_history_loses_what_must_stay(seed: int, habits: Habits) -> None:
    assert _lived(seed, 60, habits).violations == []


def replaced(days: float, **changes: Any) -> Copy:
    """What a restore kept so many days ago."""
    return copy(NOW - DAY * days, kind=BackupKind.PRE_RESTORE, **changes)


def test_on_a_server_that_is_only_restored_to_what_restores_kept_goes_after_14_days_but_for_the_newest() -> None:
    history = [replaced(days) for days in (90, 60, 50, 40, 30)]
    decision = decide(history, USUAL, NOW, visited=True)
    assert [each.made for each in decision.delete] == [NOW - DAY * days for days in (90, 60, 50)]
    assert str(decision.waiting[history[3].id]).endswith("later run")
    assert why(decision, history[4].id) == ["newest that a restore kept"]
    assert gone(decide([replaced(13), replaced(2)], USUAL, NOW, visited=True)) == []
    assert gone(decide(history, USUAL, NOW)) == [], "elsewhere they go with the nightly copies"


@pytest.mark.parametrize(
    "changes",
    [{"pinned": True}, {"needed_by": (Text("restore x is not finished"),)}, {"locks": (NOW + DAY,)}],
    ids=["pinned", "needed", "locked"],
)
def test_on_a_server_that_is_only_restored_to_what_must_stay_stays(changes: dict[str, Any]) -> None:
    decision = decide([replaced(60, **changes), replaced(1)], USUAL, NOW, visited=True)
    assert gone(decision) == []
    assert gone(decide([replaced(60), replaced(1)], USUAL, NOW, visited=True)) != []


def test_on_a_server_that_is_only_restored_to_nothing_goes_while_the_clocks_disagree() -> None:
    decision = decide([replaced(60), replaced(1)], USUAL, NOW, timedelta(minutes=6), visited=True)
    assert gone(decision) == []
    assert [str(text) for text in decision.held] != []


def test_on_a_server_that_is_only_restored_to_the_newest_that_stays_is_a_good_one() -> None:
    history = [replaced(60, name="good"), replaced(40, name="failed", good=False)]
    decision = decide(history, USUAL, NOW, visited=True)
    assert why(decision, "good") == ["newest that a restore kept"]
    assert gone(decision) == ["failed"]


def test_copies_that_somebody_made_on_a_server_that_is_only_restored_to_keep_all_their_rules() -> None:
    mine = [copy(NOW - DAY * days, kind=BackupKind.MANUAL) for days in range(40, 80)]
    decision = decide([*mine, replaced(60), replaced(30)], USUAL, NOW, visited=True)
    assert gone(decision) == [replaced(60).id]


@given(
    st.lists(
        st.tuples(
            st.floats(0, 200), st.sampled_from(list(BackupKind)), st.booleans(), st.booleans(), st.floats(-30, 30)
        ),
        max_size=30,
    ),
    st.booleans(),
)
def test_whatever_is_on_a_server_that_is_only_restored_to_its_newest_good_copy_stays(
    given_copies: list[tuple[float, BackupKind, bool, bool, float]], locked: bool
) -> None:
    history = [
        copy(
            NOW - DAY * days, f"c{number}", kind=kind, good=good, pinned=pinned,
            locks=(NOW + DAY * lock,) if locked else (),
        )
        for number, (days, kind, good, pinned, lock) in enumerate(given_copies)
    ]  # fmt: skip
    for _ in range(12):
        decision = decide(history, USUAL, NOW, visited=True)
        assert len(decision.delete) <= 3
        for each in decision.delete:
            assert not each.pinned
            assert all(lock is None or lock <= NOW for lock in each.locks)
            assert each.kind is not BackupKind.PRE_RESTORE or NOW - each.made >= DAY * 14
        left = [each for each in history if each not in decision.delete]
        for mine in (BackupKind.PRE_RESTORE, None):
            before, after = (
                [
                    each.made
                    for each in some
                    if each.good and (each.kind is BackupKind.PRE_RESTORE) is (mine is not None)
                ]
                for some in (history, left)
            )
            assert max(before, default=None) == max(after, default=None)
        history = left
