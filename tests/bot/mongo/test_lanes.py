"""Small steps wait together, and what goes wrong in one ends them all."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from bot.adapters.mongo.lanes import LANES, mapped, together


class Stopped(Exception):
    """What a step, or who holds them, raises."""


def nothing() -> None:
    """A step that is done at once, or a hold that holds nothing."""


def test_steps_are_under_way_at_once_and_all_are_done() -> None:
    met, done = threading.Barrier(LANES), []

    def step(number: int) -> None:
        met.wait(30)  # only who is not alone gets past it
        done.append(number)

    together((partial(step, number) for number in range(LANES * 3)), nothing)
    assert sorted(done) == list(range(LANES * 3))


def test_when_one_fails_no_other_begins_and_those_that_began_have_ended() -> None:
    begun, ended = [], []

    def step(number: int) -> None:
        begun.append(number)
        if number == 3:
            raise Stopped
        ended.append(number)

    with pytest.raises(Stopped):
        together((partial(step, number) for number in range(1000)), nothing)
    assert len(begun) < 1000
    assert sorted([*ended, 3]) == sorted(begun)


def test_who_holds_is_asked_before_each_and_stops_them() -> None:
    asked: list[None] = []
    done: list[int] = []

    def hold() -> None:
        asked.append(None)
        if len(asked) == 12:
            raise Stopped

    with pytest.raises(Stopped):
        together((partial(done.append, number) for number in range(100)), hold)
    assert sorted(done) == list(range(11))


def test_what_is_made_comes_in_the_order_of_what_was_given() -> None:
    met = threading.Barrier(LANES)

    def made(number: int) -> int:
        met.wait(30)
        return number * 2

    assert list(mapped(made, range(LANES * 2))) == [number * 2 for number in range(LANES * 2)]
