"""A step of a run as a job: what stops it, what is true when its worker died, and who is told what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from handlers.core.runbooks.attempts import StepState
from handlers.core.runbooks.probes import Page
from handlers.core.runbooks.run_cards import run_card, summary
from handlers.core.runbooks.runs import begun, fenced
from handlers.core.words.answers import Press
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from tests.fakes import Killed, someone
from tests.handlers.run_house import House

SARA, OMID = someone("U0SARA"), someone("U0OMID")
STEPS: list[dict[str, Any]] = [
    {"name": "wait", "kind": "wait", "title": "Wait", "with": {"seconds": 5}, "on_failure": "continue"},
    {"name": "look", "kind": "http", "title": "Look", "on_failure": "continue"},
    {"name": "wipe", "kind": "command", "title": "Wipe", "with": {"program": "wipe", "disk": "sdb"},
     "confirm": "totp", "on_failure": "continue"},
    {"name": "back", "kind": "rollback", "title": "Back"},
]  # fmt: skip


@pytest.fixture
def house() -> House:
    house = House({"it": {"title": "It", "steps": STEPS}})
    house.start("it")
    return house


def once(house: House, act: Callable[[], object]) -> Callable[[], None]:
    def meanwhile() -> None:
        house.clock.on_sleep = None
        act()

    return meanwhile


def at_back(house: House) -> Job:
    """The rollback is offered."""
    house.step("wait")
    house.step("look")
    house.press("step_skip", "wipe/1")
    job = house.press("step_run", "back/1")
    assert job is not None
    return job


def last(house: House, name: str) -> tuple[StepState, str]:
    attempt = house.run.last(name)
    assert attempt is not None
    return attempt.state, str(attempt.text)


def ended(house: House, job: Job | None) -> tuple[JobState, str]:
    assert job is not None
    found = house.jobs.load(job.id)
    assert found is not None
    assert found.outcome is not None
    return found.state, str(found.outcome.text)


def test_a_wait_stops_when_its_run_is_ended_and_nobody_is_told_to_run_it_again(house: House) -> None:
    began = house.clock.now()
    job = house.press("step_run", "wait/1")
    house.clock.on_sleep = once(house, lambda: house.press("run_abort", "", OMID))
    house.work()
    assert last(house, "wait") == (StepState.INTERRUPTED, "The run was ended meanwhile.")
    assert ended(house, job) == (JobState.INTERRUPTED, "The run was ended meanwhile.")
    assert (house.clock.now() - began).total_seconds() == 1


def test_a_wait_whose_bot_goes_down_is_interrupted_and_can_be_run_again(house: House) -> None:
    job = house.press("step_run", "wait/1")
    house.clock.on_sleep = once(house, house.desk.stop)
    house.work()
    state, why = last(house, "wait")
    assert (state, why) == (StepState.INTERRUPTED, "Its worker was stopped. It can be run again.")
    assert ended(house, job)[0] is JobState.INTERRUPTED
    assert "step_run" in {each.action for each in run_card(house.run, None).buttons}


def test_while_a_step_runs_the_card_says_who_runs_it_and_everybody_else_is_told(house: House) -> None:
    house.step("wait")
    told: list[str] = []

    def meanwhile(url: str) -> None:
        for value in ("look/1", "wait/2"):
            with pytest.raises(Refusal) as caught:
                house.press("step_run", value, OMID)
            told.append(str(caught.value))
        card = run_card(house.run, None)
        told.extend((str(card.title), str(summary(house.run)), *map(str, card.lines)))

    house.web.during = meanwhile
    house.step("look")
    at = "2026-11-24 03:00:05 UTC"
    assert told[:4] == [
        f"U0SARA runs this already, since {at}.",
        f"U0SARA runs Look since {at}. One step at a time.",
        "It: step 2 runs",
        "step 2 of 4 runs",
    ]
    assert f"⏳ 2. Look: U0SARA runs it since {at}" in told


def test_a_press_whose_run_was_ended_before_a_worker_came_does_nothing_and_the_thread_says_why(house: House) -> None:
    job = house.press("step_run", "wait/1")
    house.press("run_abort", "", OMID)
    house.work()
    why = "U0OMID ended this run 2026-11-24 03:00:00 UTC."
    assert ended(house, job) == (JobState.FAILED, why)
    assert str(house.run.said[-1].text) == f"U0SARA pressed for wait, and nothing was done: {why}"
    assert house.run.attempts == {}


def test_a_worker_that_died_before_it_took_the_attempt_leaves_the_step_as_it_was(house: House) -> None:
    job = house.press("step_run", "wait/1")
    assert job is not None
    house.jobs.change(job.id, lambda each: replace(each.moved(JobState.RUNNING), started=house.clock.now()))
    house.clock.advance(60)
    house.desk.tend()
    state, why = ended(house, job)
    assert state is JobState.INTERRUPTED
    assert str(house.run.said[-1].text) == f"U0SARA pressed for wait, and nothing was done: {why}"
    assert house.run.attempts == {}
    assert house.step("wait").tries("wait")[0].state is StepState.PASSED


def test_a_step_that_needs_more_than_its_job_was_allowed_does_nothing(house: House) -> None:
    job = at_back(house)
    looks = replace(job.plan, operation="runbook.look")
    house.jobs.change(job.id, lambda each: replace(each.moved(JobState.QUEUED), plan=looks))
    house.desk.work(job.id)
    state, why = last(house, "back")
    assert state is StepState.UNKNOWN
    assert why == "The step needs another permission than it was begun with. Nothing was done."
    assert (ended(house, job)[0], house.services.puts) == (JobState.FAILED, [])


def test_a_rollback_whose_worker_died_is_brought_to_its_end_by_the_next_one(house: House) -> None:
    job = at_back(house)
    house.approve(job)
    house.services.faults.kill("services.put")
    with pytest.raises(Killed):
        house.work()
    house.services.faults.revive()
    assert last(house, "back")[0] is StepState.RUNNING
    house.clock.advance(60)
    house.desk.tend()
    state, why = last(house, "back")
    assert (state, house.services.now["shop"].id) == (StepState.PASSED, "v1")
    assert ended(house, job) == (JobState.DONE, why)


def test_a_rollback_that_is_all_that_is_left_of_its_run_is_found_and_brought_to_its_end(house: House) -> None:
    job = at_back(house)
    house.approve(job)
    house.services.faults.kill("services.put")
    with pytest.raises(Killed):
        house.work()
    house.services.faults.revive()
    house.state.flush()
    house.web.answer = Page(503)
    house.desk.find_lost()
    house.desk.tend()
    state, why = ended(house, job)
    assert (state, house.services.now["shop"].id) == (JobState.FAILED, "v2")
    assert "I returned to where it was. Now shop runs v2." in why
    found = house.jobs.load(job.id)
    assert found is not None
    assert str(house.desk.card(found).title) == "back: failed"
    house.desk.find_lost()
    assert house.jobs.active() == ()


def test_where_no_rollback_is_configured_none_is_looked_for(house: House) -> None:
    at_back(house)
    bare = replace(house.performer, hands=replace(house.performer.hands, rollbacks=None))
    assert bare.lost() == ()


def test_what_a_code_confirms_is_on_the_card_with_every_argument(house: House) -> None:
    house.step("wait")
    house.step("look")
    job = house.press("step_run", "wipe/1")
    assert job is not None
    card = house.desk.card(job)
    assert str(card.title) == "Wipe?"
    assert [(str(each.label), str(each.value)) for each in card.facts] == [("program", "wipe"), ("disk", "sdb")]
    assert "Compare when you confirm" in str(card.lines[0])


def test_a_button_of_a_run_that_is_gone_says_so(house: House) -> None:
    for action in ("run_report", "run_abort", "run_hand_over"):
        with pytest.raises(Refusal, match="I no longer know this run"):
            house.desk.press(Press(action, "gone", SARA, "C0OPS"))


def test_a_job_that_was_given_up_takes_no_attempt_any_more_and_its_giving_up_is_told_once(house: House) -> None:
    now = house.clock.now()
    run = fenced(house.run, "slow", Text("Given up."), now)
    assert fenced(run, "slow", Text("Given up."), now) == run
    assert [str(each.text) for each in run.said] == ["Given up."]
    with pytest.raises(Refusal, match="given up before it began"):
        begun(run, "wait", 1, "slow", SARA.person, now)
