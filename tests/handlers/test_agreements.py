"""Agreements at their edges: the last second, the people left over, and what happens between a code and its answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from handlers.core.door.consent import Rejected
from handlers.core.door.desk import Accepted
from handlers.core.words.answers import Actor
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job, JobState
from tests.handlers.test_consent import LEILA, OMID, SARA, Team, policy, reason_of


@pytest.fixture
def team() -> Team:
    return Team()


def test_what_was_confirmed_is_good_for_half_an_hour_to_the_second(team: Team) -> None:
    job = team.began("destroy")
    team.confirm(job, SARA)
    team.confirm(job, LEILA)
    team.clock.advance(30 * 60 - (team.clock.now() - team.loaded(job).created).total_seconds())
    team.desk.work(job)
    assert team.doing.ran == [job]


@pytest.mark.parametrize(("seconds", "runs"), [(60, True), (61, False), (30 * 86_400, False)])
def test_a_clock_that_went_back_makes_what_was_confirmed_no_younger(team: Team, seconds: int, runs: bool) -> None:
    job = team.began("destroy")
    team.confirm(job, SARA)
    team.confirm(job, LEILA)
    team.clock.moment = team.loaded(job).created - timedelta(seconds=seconds)
    if runs:
        team.desk.work(job)
        assert team.doing.ran == [job]
    else:
        assert "a clock is wrong" in reason_of(team, job)


def test_an_offer_is_confirmed_by_nobody_while_the_clock_says_that_it_is_yet_to_come(team: Team) -> None:
    job = team.began("destroy")
    team.clock.moment -= timedelta(hours=1)
    with pytest.raises(Refusal, match="a clock is wrong"):
        team.desk.challenge(job, SARA)


def test_how_many_people_are_left_over_is_said_when_a_job_comes_too_early(team: Team) -> None:
    team.book.rules = policy(2)
    job = team.began("destroy")
    team.confirm(job, SARA)
    team.confirm(job, LEILA)
    team.jobs.change(job, lambda each: each.moved(JobState.QUEUED))  # somebody wrote it into the state
    assert "1 more people must agree to this." in reason_of(team, job)


@pytest.mark.parametrize(("asker", "agrees"), [(OMID, SARA), (SARA, OMID), (OMID, LEILA)], ids=str)
@pytest.mark.parametrize("standing", ["guest", "gone", "bot", "unknown"])
def test_whoever_agreed_and_left_voids_it_whatever_their_id(
    team: Team, asker: Actor, agrees: Actor, standing: Any
) -> None:
    job = team.began("destroy", actor=asker)
    team.confirm(job, asker)
    team.confirm(job, agrees)
    team.people.standings[agrees.person] = standing
    reason_of(team, job)
    assert team.loaded(job).state is JobState.FAILED


def test_the_answer_to_a_code_is_about_the_job_as_it_is_then(team: Team) -> None:
    job = team.began("destroy")
    assert team.confirm(job, SARA) == Accepted(job)
    assert team.loaded(job).confirmed_by == ("U0SARA",)
    consent, answers = team.desk._consent, list[Job | Rejected]()
    give = consent.give

    def heard(*given: Any) -> Job | Rejected:
        answers.append(give(*given))
        return answers[-1]

    consent.give = heard  # type: ignore[method-assign, assignment]
    assert team.confirm(job, LEILA) == Accepted(job)
    assert [each.confirmed_by for each in answers if isinstance(each, Job)] == [("U0SARA", "U0LEILA")]


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.CANCELLED])
def test_a_code_that_came_twice_ends_no_job_that_was_decided_meanwhile(team: Team, state: JobState) -> None:
    """Between the look at the offer and the judgement of the code somebody else decides."""
    second = team.began("destroy")
    code = team.code_of(SARA)
    assert team.confirm(second, SARA) == Accepted(second)
    third = team.began("destroy")
    challenge = team.desk.challenge(third, SARA)

    def decided(each: Job) -> Job:
        return replace(each.moved(state), ended=team.clock.now() if state.final else None)

    matching = team.factors.matching_step

    def meanwhile(*given: Any) -> int | None:
        team.jobs.change(third, decided)
        return matching(*given)

    team.factors.matching_step = meanwhile  # type: ignore[method-assign, assignment]
    answer = team.desk.approve(challenge.id, SARA, code)
    assert isinstance(answer, Rejected)
    assert "used before, so this operation is locked" in str(answer.text)
    assert team.loaded(third).state is state
    assert team.loaded(third).outcome is None
