"""Series: what Prometheus answers, hostile or not, as lines that can be drawn."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.plots.series import MOST_SERIES, NAME_LENGTH, moments, shown

END = 1_764_000_000.0
GRID = moments(END)


def answer(*lines: tuple[dict[str, str], list[tuple[float, str]]]) -> list[dict[str, Any]]:
    return [{"metric": labels, "values": points} for labels, points in lines]


def test_the_grid_is_an_hour_of_half_minutes() -> None:
    assert (len(GRID), GRID[0], GRID[-1]) == (121, END - 3600, END)


def test_what_is_not_there_or_no_number_is_a_gap() -> None:
    points = [(GRID[0], "1"), (GRID[1], "NaN"), (GRID[2], "+Inf"), (GRID[3], "2"), (GRID[5], "1e300")]
    (series,) = shown(answer(({"a": "b"}, points)), END).series
    gaps = [math.isnan(each) for each in series.values]
    assert gaps == [at not in {0, 3} for at in range(121)]
    assert series.last == 2.0


def test_a_series_is_named_by_what_tells_it_apart() -> None:
    one = [(GRID[0], "1")]
    by_instance = answer(
        ({"instance": "a", "job": "x", "pod": "p"}, one), ({"instance": "b", "job": "x", "pod": "q"}, one)
    )
    assert [each.name for each in shown(by_instance, END).series] == ["a", "b"]
    by_two = answer(
        ({"le": "1", "q": "x"}, one), ({"le": "1", "q": "y"}, one), ({"le": "2", "q": "x"}, one),
    )  # fmt: skip
    assert [each.name for each in shown(by_two, END).series] == ["le=1, q=x", "le=1, q=y", "le=2, q=x"]
    (hostile,) = shown(answer(({"a": "\u202e" + "x" * 999}, one)), END).series
    assert len(hostile.name) <= NAME_LENGTH
    assert "\u202e" not in hostile.name


def test_the_largest_are_shown_and_the_rest_counted() -> None:
    lines = [({"n": str(number)}, [(GRID[-1], str(number))]) for number in range(MOST_SERIES + 3)]
    found = shown(answer(*lines), END)
    assert [each.last for each in found.series] == [float(number) for number in range(14, 2, -1)]
    assert found.left_out == 3
    both = shown(answer(*lines), END, both_ends=True)
    assert [each.last for each in both.series] == [14.0, 13.0, 12.0, 11.0, 10.0, 9.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0]
    assert both.left_out == 3
    for few in (1, 7, 12):
        assert len(shown(answer(*lines[:few]), END, both_ends=True).series) == few


def test_nothing_but_gaps_is_nothing() -> None:
    assert shown(answer(({"a": "b"}, [(GRID[0], "NaN")])), END).series == ()
    assert shown([], END).series == ()


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["metric", "values", "a"]), inner),
    max_leaves=8,
)


@given(st.lists(anything, max_size=3))
def test_an_answer_of_another_shape_raises_what_the_child_expects(given_answer: list[Any]) -> None:
    try:
        found = shown(given_answer, END)
    except (ValueError, TypeError, KeyError, AttributeError):
        return
    assert all(len(each.values) == len(GRID) for each in found.series)


def test_points_of_elsewhere_are_left_out() -> None:
    points = [(GRID[0] - 60, "1"), (GRID[-1] + 60, "1")]
    assert shown(answer(({"a": "b"}, points)), END).series == ()


@pytest.mark.parametrize("shift", [-14, 14])
def test_a_clock_that_is_seconds_off_moves_no_point_away(shift: int) -> None:
    (series,) = shown(answer(({"a": "b"}, [(GRID[7] + shift, "1")])), END).series
    assert series.values[7] == 1.0
