"""Freezes: by the wall clock of a zone, each week, each day or once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.door.freezes import span

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("begins", "ends", "moment", "held"),
    [
        ("Fri 16:00", "Mon 07:00", "2026-11-27 15:59", False),
        ("Fri 16:00", "Mon 07:00", "2026-11-27 16:00", True),
        ("Fri 16:00", "Mon 07:00", "2026-11-29 23:59", True),
        ("Fri 16:00", "Mon 07:00", "2026-11-30 06:59", True),
        ("Fri 16:00", "Mon 07:00", "2026-11-30 07:00", False),
        ("mon 09:00", "MON 17:00", "2026-11-30 12:00", True),
        ("Mon 09:00", "Mon 17:00", "2026-12-01 12:00", False),
        ("22:00", "06:00", "2026-11-25 23:00", True),
        ("22:00", "06:00", "2026-11-25 05:59", True),
        ("22:00", "06:00", "2026-11-25 12:00", False),
        ("08:00", "20:00", "2026-11-25 12:00", True),
        ("2026-11-27 18:00", "2026-11-30 08:00", "2026-11-28 00:00", True),
        ("2026-11-27 18:00", "2026-11-30 08:00", "2027-11-28 00:00", False),
    ],
)
def test_a_freeze_holds_from_its_beginning_up_to_its_end(begins: str, ends: str, moment: str, held: bool) -> None:
    assert span(begins, ends, BERLIN).holds(at(moment)) is held


def test_the_zone_of_the_file_counts_and_not_the_host_s() -> None:
    found = span("22:00", "06:00", ZoneInfo("Asia/Tehran"))
    assert found.holds(datetime(2026, 11, 25, 19, 0, tzinfo=UTC))  # 22:30 there
    assert not found.holds(datetime(2026, 11, 25, 2, 30, tzinfo=UTC))  # 06:00 there


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 14), ("2026-10-24", 16), ("2026-11-27", 15)])
def test_a_night_in_which_clocks_change_is_frozen_as_the_wall_shows_it(day: str, hours: int) -> None:
    night = span("16:00", "07:00", BERLIN)
    begins = at(f"{day} 16:00")
    assert not night.holds(begins - timedelta(minutes=1))
    assert all(night.holds(begins + timedelta(minutes=minute)) for minute in range(0, hours * 60, 10))
    assert not night.holds(begins + timedelta(hours=hours))
    assert night.until(begins) == begins + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        ("Fri 16:00", "07:00"),
        ("Fri 16:00", "2026-11-30 07:00"),
        ("25:00", "07:00"),
        ("Friday 16:00", "Mon 07:00"),
        (960, "07:00"),
        ("16:00", "16:00"),
        ("2026-11-30 07:00", "2026-11-27 16:00"),
        ("2026-13-30 07:00", "2026-14-27 16:00"),
        ("16:00\n", "07:00"),
    ],
)
def test_what_is_no_span_is_refused(begins: object, ends: object) -> None:
    with pytest.raises(ValueError):
        span(begins, ends, BERLIN)


@given(
    st.sampled_from([("Fri 16:00", "Mon 07:00"), ("22:00", "06:00"), ("Tue 03:00", "Tue 02:00")]),
    st.integers(0, 2 * 365 * 1440).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
    st.sampled_from(["Europe/Berlin", "Asia/Tehran", "America/New_York", "UTC"]),
)
def test_at_its_end_a_freeze_is_over_and_it_held_until_then(ends: tuple[str, str], moment: datetime, zone: str) -> None:
    found = span(*ends, ZoneInfo(zone))
    if found.holds(moment):
        until = found.until(moment)
        assert moment < until <= moment + timedelta(days=7, hours=1)
        assert not found.holds(until)
