"""Denials: whoever is asked to agree can say no with a reason; then the offer is over, and everybody sees why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handlers.core.door.desk import Accepted
from handlers.core.words.answers import Actor
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.forms import Form
from handlers.core.words.job_cards import Wording, job_card
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from tests.fakes import someone
from tests.handlers.test_consent import OMID_TOO
from tests.handlers.test_glass import LEILA, NIGHT, NIMA, OMID, SARA, Night, policy

WHY = "The shop is open: wait for the night"


@pytest.fixture
def night() -> Night:
    return Night()


def actions(job: Job) -> list[str]:
    return [each.action for each in job_card(job, Wording(Text("It"))).buttons]


def test_who_is_asked_to_agree_denies_with_a_reason_and_nothing_runs(night: Night) -> None:
    job = night.began("destroy")
    assert night.confirm(job, SARA) == Accepted(job)
    assert isinstance(night.press(LEILA, "access_deny", job), Form)
    assert night.press(LEILA, "access_denied", job, reason=f"  {WHY}\n") is None
    ended = night.loaded(job)
    assert (ended.state, str(ended.outcome and ended.outcome.text)) == (
        JobState.CANCELLED,
        f"U0LEILA denied it: {WHY}",
    )
    [denied] = [each for each in night.audit.events if each.event == "job.denied"]
    assert (denied.decision, denied.actor, denied.digest) == ("deny", LEILA, ended.plan.digest)
    assert denied.facts == {"job": job, "reason": WHY}
    with pytest.raises(Refusal, match="already decided"):
        night.desk.challenge(job, OMID)
    night.desk.work(job)
    assert night.doing.ran == []
    night.began("destroy")


@pytest.mark.parametrize(
    "actor", [SARA, NIMA, someone("U0STRANGER"), replace(LEILA, person=someone("U0SARA").person)], ids=str
)
def test_nobody_denies_what_they_are_not_asked_to_agree_to(night: Night, actor: Actor) -> None:
    job = night.began("destroy")
    for action in ("access_deny", "access_denied"):
        with pytest.raises(Refusal):
            night.press(actor, action, job, reason=WHY)
    assert night.loaded(job).state is JobState.OFFERED


def test_a_second_account_of_the_asker_does_not_deny_in_the_name_of_another(night: Night) -> None:
    job = night.began("destroy", actor=OMID)
    with pytest.raises(Refusal, match="does not ask you"):
        night.press(OMID_TOO, "access_denied", job, reason=WHY)


def test_a_guest_denies_nothing(night: Night) -> None:
    job = night.began("destroy")
    night.people.standings["U0LEILA"] = "guest"
    with pytest.raises(Refusal, match="Guests"):
        night.press(LEILA, "access_denied", job, reason=WHY)


@pytest.mark.parametrize("reason", ["", "  \n ", "no"])
def test_a_denial_says_why(night: Night, reason: str) -> None:
    job = night.began("destroy")
    with pytest.raises(Refusal, match="Say why"):
        night.press(LEILA, "access_denied", job, reason=reason)
    assert night.loaded(job).state is JobState.OFFERED


def test_a_long_reason_is_cut_and_a_short_one_is_enough(night: Night) -> None:
    first, second = night.began("destroy"), night.began("destroy")
    night.press(LEILA, "access_denied", first, reason="a" * 500)
    night.press(LEILA, "access_denied", second, reason="not")
    reasons = [str(each.facts["reason"]) for each in night.audit.events if each.event == "job.denied"]
    assert reasons == ["a" * 300, "not"]


def test_without_a_record_of_it_nothing_is_denied(night: Night) -> None:
    job = night.began("destroy")
    night.audit.away = True
    with pytest.raises(OutsideError):
        night.press(LEILA, "access_denied", job, reason=WHY)
    assert night.loaded(job).state is JobState.OFFERED


def test_what_runs_or_has_ended_is_not_denied(night: Night) -> None:
    job = night.began("destroy")
    night.confirm(job, SARA)
    night.confirm(job, LEILA)
    with pytest.raises(Refusal, match="already decided"):
        night.press(OMID, "access_denied", job, reason=WHY)
    assert night.loaded(job).state is JobState.QUEUED


def test_what_nobody_else_must_agree_to_or_is_frozen_meanwhile_has_nobody_to_deny_it(night: Night) -> None:
    job = night.began("destroy")
    assert "access_deny" in actions(night.loaded(job))
    night.book.rules = policy(count=0)
    alone = night.began("destroy")
    assert "access_deny" not in actions(night.loaded(alone))
    with pytest.raises(Refusal, match="does not ask you"):
        night.press(LEILA, "access_denied", alone, reason=WHY)
    night.book.rules = policy(freezes=[NIGHT])
    with pytest.raises(Refusal):
        night.press(LEILA, "access_denied", job, reason=WHY)


def test_a_job_that_waits_for_nobody_any_more_has_no_button_to_deny_it(night: Night) -> None:
    job = night.began("destroy")
    night.desk.cancel(job, SARA)
    assert "access_deny" not in actions(night.loaded(job))


def test_what_the_asker_took_back_in_the_same_moment_stays_taken_back(night: Night) -> None:
    job = night.began("destroy")
    night.audit.faults.meanwhile("audit.write", 2, lambda: night.desk.cancel(job, SARA))
    night.press(LEILA, "access_denied", job, reason=WHY)
    ended = night.loaded(job)
    assert [each.event for each in night.audit.events][-2:] == ["job.denied", "job.cancel"]
    assert (ended.state, str(ended.outcome and ended.outcome.text)) == (
        JobState.CANCELLED,
        "Cancelled by U0SARA before it began.",
    )
