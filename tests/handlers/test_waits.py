"""What a person reads while a code is not taken: how long to wait and how many tries are left, to the second."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handlers.core.door.approval import (
    CHALLENGE_SECONDS,
    HARD_LOCK_FAILURES,
    QUARANTINE_SECONDS,
    STEP_SECONDS,
    Decision,
    Open,
    Record,
    Submission,
    decide,
    reason,
)
from handlers.core.words.answers import PersonId
from handlers.core.words.errors import OutsideError, Refusal
from tests.handlers.test_approval import SARA, House

WRONG = "000000"


@pytest.fixture
def house() -> House:
    return House()


def cooled(house: House, seconds: int) -> None:
    """Sara's factor replaced another, and confirms nothing for so long."""
    factor = house.factors._factors["U0SARA"]
    house.factors._factors["U0SARA"] = replace(factor, cooling_until=int(house.clock.now().timestamp()) + seconds)


def said(house: House, challenge: str, code: str) -> str:
    return str(house.gate.submit(SARA, challenge, "plan", code)[1])


def test_a_new_factor_in_the_place_of_another_says_how_long_it_cools(house: House) -> None:
    challenge = house.gate.open(SARA, "plan")
    cooled(house, 45)
    assert "Wait 45 s." in str(house.gate.cooling(SARA))
    assert "Wait 45 s." in said(house, challenge, house.code())
    with pytest.raises(Refusal, match=r"Wait 45 s\."):
        house.gate.open(SARA, "plan")
    house.clock.advance(44)
    assert "Wait 1.0 s." in str(house.gate.cooling(SARA))
    house.clock.advance(1)
    assert house.gate.cooling(SARA) is None
    assert house.submit(challenge, house.code()) is Decision.ACCEPTED


def test_a_factor_that_replaced_none_does_not_cool_and_nobody_is_no_error(house: House) -> None:
    assert house.gate.cooling(SARA) is None
    assert house.gate.cooling(replace(SARA, person=PersonId("U0NOBODY"))) is None


def test_a_lock_says_what_is_left_of_it_when_a_code_comes_and_when_a_question_is_asked_for(house: House) -> None:
    for _ in range(4):
        said(house, house.gate.open(SARA, "plan"), WRONG)
    challenge = house.gate.open(SARA, "plan")
    assert "Wait 15 min" in said(house, challenge, WRONG)
    house.clock.advance(60)
    assert "Wait 14 min" in said(house, challenge, house.code())
    house.clock.advance(14 * 60 - 20)
    with pytest.raises(Refusal, match=r"Wait 20 s\."):
        house.gate.open(SARA, "plan")
    house.clock.advance(20)
    assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.ACCEPTED


def test_each_wrong_code_says_how_many_tries_are_left(house: House) -> None:
    challenge = house.gate.open(SARA, "plan")
    assert "Tries left: 2." in said(house, challenge, WRONG)
    assert "Tries left: 1." in said(house, challenge, WRONG)
    assert "Three wrong codes." in said(house, challenge, WRONG)


def test_after_the_state_was_lost_the_wait_is_ninety_seconds_longer_than_any_code_lives(house: House) -> None:
    assert (QUARANTINE_SECONDS, STEP_SECONDS) == (90, 30)
    assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.ACCEPTED
    house.state.restart()
    challenge = house.gate.open(SARA, "plan")
    assert "Wait 1 min 30 s." in said(house, challenge, house.code())
    house.clock.advance(89)
    assert "Wait 1.0 s." in said(house, challenge, house.code())
    house.clock.advance(1)
    assert house.submit(challenge, house.code()) is Decision.ACCEPTED


def test_what_is_remembered_of_ten_wrong_codes_locks_before_anything_is_judged() -> None:
    for failures in (HARD_LOCK_FAILURES, HARD_LOCK_FAILURES + 1, 300):
        record = Record("life", failures=failures, challenges={"c": Open("plan", CHALLENGE_SECONDS)})
        assert decide(record, Submission("c", "plan", 9), floor_step=0, now=0) == (record, Decision.HARD_LOCKED)


@pytest.mark.parametrize("decision", [Decision.LOCKED, Decision.COOLING, Decision.WAIT])
def test_what_is_over_meanwhile_is_no_time_and_never_less(decision: Decision) -> None:
    assert "Wait 0.0 s." in str(reason(decision))
    assert "Wait 0.0 s." in str(reason(decision, wait=-5))


def test_a_question_that_is_gone_leaves_no_tries(house: House) -> None:
    assert "Tries left: 0." in str(reason(Decision.WRONG))
    assert house.submit("no such question", WRONG) is Decision.UNKNOWN


def test_who_enrols_anew_is_not_locked_by_what_was_wrong_before(house: House) -> None:
    for _ in range(5):
        said(house, house.gate.open(SARA, "plan"), WRONG)
    with pytest.raises(Refusal, match="Too many wrong codes"):
        house.gate.open(SARA, "plan")
    house.factors.add("U0SARA", floor_step=house.step)
    fresh = house.gate.open(SARA, "plan")
    house.clock.advance(STEP_SECONDS)
    assert house.submit(fresh, house.code()) is Decision.ACCEPTED


def test_a_record_that_another_process_made_meanwhile_counts_when_it_is_of_this_life(house: House) -> None:
    """Both come upon the loss at once; who was second goes on with what the first wrote."""
    assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.ACCEPTED
    house.state.restart()
    put_if, raced = house.state.put_if, list[str]()

    def slower(key: str, value: bytes, version: str | None, **more: object) -> str | None:
        if key.startswith("gate:") and not raced:
            raced.append(key)
            assert put_if(key, value, version, **more) is not None  # type: ignore[arg-type]
        return put_if(key, value, version, **more)  # type: ignore[arg-type]

    house.state.put_if = slower  # type: ignore[method-assign]
    challenge = house.gate.open(SARA, "plan")
    assert raced
    assert house.submit(challenge, house.code()) is Decision.WAIT


def test_a_record_that_changes_under_every_look_approves_nothing(house: House) -> None:
    house.gate.open(SARA, "plan")
    house.state.restart()
    get, lives = house.state.get, iter(range(1000))

    def restless(key: str) -> object:
        next(lives)
        house.state.restart()
        return get(key)

    house.state.get = restless  # type: ignore[method-assign, assignment]
    house.state.put_if = lambda *a, **k: None  # type: ignore[method-assign]
    with pytest.raises(OutsideError, match="Nothing was approved"):
        house.gate.open(SARA, "plan")
