"""Threats of docs/threat-model.md that no other test plays through: they cross several rules, or take a year."""

from __future__ import annotations

from datetime import timedelta

import pytest

from handlers.core.door.approval import Decision, Gate, Record
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import JobState
from tests.fakes import FakeEntropy, FakeFactors, MemoryState, someone
from tests.handlers.test_approval import OMID, SARA
from tests.handlers.test_approval import House as Gates
from tests.handlers.test_desk import House as Desks

YEAR_HOURS = 365 * 24


def failures(house: Gates) -> int:
    """How many wrong codes in a row the gate remembers of Sara: each is one that was judged."""
    [key] = [each for each in house.state.keys("") if "U0SARA" in each]
    held = house.state.get(key)
    assert held is not None
    return Record.from_bytes(held.value).failures


def guessed(house: Gates, rounds: int, hours: float = 1) -> int:
    """A challenge in every round and three guesses in it, whatever the answer; how many were judged."""
    guess, judged = 0, 0
    for _ in range(rounds):
        house.clock.advance(3600 * hours)
        try:
            challenge = house.gate.open(SARA, "plan")
        except Refusal:
            continue
        for _ in range(3):
            guess += 1
            before, wrong = failures(house), f"{guess:06d}"
            if wrong not in {house.code(), house.code(back=1)}:
                house.submit(challenge, wrong)
                judged += failures(house) - before
    return judged


@pytest.mark.parametrize("hours", [1, 0.1], ids=["every hour", "every six minutes"])
def test_a_stolen_session_that_guesses_for_a_year_has_ten_guesses_judged(hours: float) -> None:
    """Nobody is there to notice."""
    assert guessed(Gates(), int(YEAR_HOURS / hours), hours) == 10


def test_a_stolen_session_that_guesses_between_its_owners_successes_still_costs_ten_in_a_row_at_most() -> None:
    """A success forgets failures: but only the owner's own code is one, and each of theirs is another day."""
    house, evaluated = Gates(), 0
    for day in range(30):
        house.clock.advance(86_400)
        for number in range(6):
            try:
                challenge = house.gate.open(SARA, "plan")
            except Refusal:
                break
            evaluated += house.submit(challenge, f"{day:03d}{number:03d}") is Decision.WRONG
        house.clock.advance(3600)
        assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.ACCEPTED
    assert evaluated <= 30 * 5, "five wrong codes in a row lock for a quarter of an hour"


def test_who_is_locked_out_locks_nobody_else_out() -> None:
    house = Gates()
    house.factors.add("U0OMID")
    assert guessed(house, 24) == 10
    with pytest.raises(Refusal):
        house.gate.open(SARA, "plan")
    challenge = house.gate.open(OMID, "plan")
    decision, _ = house.gate.submit(OMID, challenge, "plan", house.factors.code("U0OMID", house.step))
    assert decision is Decision.ACCEPTED


@pytest.mark.parametrize("jump", [-86_400, -3600, -90, 90, 3600, 86_400], ids=str)
def test_a_clock_that_jumps_makes_no_spent_code_good_again(jump: int) -> None:
    house = Gates()
    used = house.code()
    assert house.submit(house.gate.open(SARA, "plan"), used) is Decision.ACCEPTED
    house.clock.moment += timedelta(seconds=jump)
    try:
        challenge = house.gate.open(SARA, "plan")
        assert house.submit(challenge, used) is not Decision.ACCEPTED
    finally:
        house.clock.moment -= timedelta(seconds=jump)
    assert house.submit(house.gate.open(SARA, "other"), used, "other") is not Decision.ACCEPTED


def test_a_challenge_of_another_instance_is_no_challenge_here() -> None:
    """The code of a development bot, for its own challenge, confirms nothing in production."""
    house = Gates()
    elsewhere = FakeFactors()
    elsewhere.add("U0SARA")
    other = Gate(MemoryState(house.clock), elsewhere, house.clock, FakeEntropy(9))
    moved = other.open(SARA, "plan")
    assert house.submit(moved, house.code()) is not Decision.ACCEPTED


def test_a_button_of_a_plan_that_is_over_opens_no_question() -> None:
    desks = Desks()
    offered = desks.began("destroy")
    desks.desk.cancel(offered, someone())
    done = desks.began("destroy")
    desks.approve(done)
    desks.desk.work(done)
    desks.clock.advance(60)
    expired = desks.began("destroy")
    desks.clock.advance(16 * 60)
    desks.desk.tend()
    for job, state in ((offered, JobState.CANCELLED), (done, JobState.DONE), (expired, JobState.EXPIRED)):
        assert desks.loaded(job).state is state
        with pytest.raises(Refusal):
            desks.desk.challenge(job, someone())
