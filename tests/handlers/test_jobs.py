"""A job: its legal life, and that what is stored is what it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.words.answers import Actor, JobId, PersonId, Plan, Surface, TargetName
from handlers.core.words.jobs import NOTES_LIMIT, Job, JobState, Outcome, Progress, text_from_json, text_json
from handlers.core.words.text import Bytes, Code, Lines, Linked, Person, Seconds, Text
from tests.handlers.test_digests import VALUES

BEGINNING = JobState.OFFERED
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 bounds are naive
WORDS = st.text(max_size=20)
SIMPLE: st.SearchStrategy[Any] = st.one_of(
    WORDS,
    st.booleans(),
    st.integers(),
    MOMENTS,
    st.builds(Bytes, st.integers(0, 10**15)),
    st.integers(0, 10**9).map(lambda milliseconds: Seconds(milliseconds / 1000)),
    st.builds(Person, WORDS),
    st.builds(Code, WORDS),
    st.builds(Lines, WORDS),
    st.builds(Linked, WORDS, WORDS),
)
TEXTS = st.recursive(
    st.builds(lambda value: Text("said {value}", value=value), SIMPLE),
    lambda inner: st.builds(lambda one, two: Text("{one} and {two}", one=one, two=two), inner, SIMPLE),
    max_leaves=4,
)
ACTORS = st.builds(Actor, WORDS.map(PersonId), WORDS, st.sampled_from(Surface))
PLANS = st.builds(
    Plan,
    operation=WORDS,
    target=WORDS.map(TargetName),
    arguments=st.dictionaries(WORDS, VALUES, max_size=3),
    actor=ACTORS,
    channel=WORDS,
    created=WORDS,
    nonce=WORDS,
)
SIZES = st.integers(0, 10**15)
JOBS = st.builds(
    Job,
    id=WORDS.map(JobId),
    plan=PLANS,
    state=st.sampled_from(JobState),
    created=MOMENTS,
    started=st.none() | MOMENTS,
    ended=st.none() | MOMENTS,
    progress=st.none() | st.builds(Progress, TEXTS, SIZES, SIZES, SIZES),
    notes=st.lists(TEXTS, max_size=3).map(tuple),
    outcome=st.none()
    | st.builds(Outcome, st.sampled_from(JobState), TEXTS, st.dictionaries(WORDS, VALUES, max_size=2)),
    cancelled_by=st.none() | WORDS,
    confirmed_by=st.lists(WORDS, max_size=2).map(tuple),
    needs=st.integers(0, 3),
    settled=st.booleans(),
)


def job(state: JobState = BEGINNING) -> Job:
    actor = Actor(PersonId("U0SARA"), "T0LOCAL", Surface.SLACK)
    plan = Plan("restore.run", TargetName("shop"), {"backup": "latest"}, actor, "C0OPS", "2026-11-24", "nonce")
    return Job(JobId("abcdef"), plan, state, datetime(2026, 11, 24, tzinfo=UTC))


LEGAL = {
    "offered": {"queued", "cancelled", "expired"},
    "queued": {"running", "cancelled", "failed"},
    "running": {"done", "failed", "cancelled", "interrupted", "paused"},
}


@pytest.mark.parametrize("before", list(JobState))
@pytest.mark.parametrize("after", list(JobState))
def test_a_job_moves_only_as_its_picture_says(before: JobState, after: JobState) -> None:
    if after.value in LEGAL.get(before.value, set()):
        assert job(before).moved(after) == replace(job(before), state=after)
    else:
        with pytest.raises(ValueError, match=f"from {before.value} to {after.value}"):
            job(before).moved(after)


@given(st.lists(st.sampled_from(JobState), max_size=12))
def test_no_sequence_of_moves_runs_a_job_twice_or_leaves_an_end(moves: list[JobState]) -> None:
    here, been = job(), [BEGINNING]
    for state in moves:
        try:
            here = here.moved(state)
        except ValueError:
            continue
        been.append(state)
    assert len(been) == len(set(been))
    assert not any(state.final for state in been[:-1])


@given(JOBS)
def test_only_a_running_job_that_no_code_confirmed_and_nobody_cancelled_is_handed_on(some: Job) -> None:
    untouched = not (some.confirmed_by or some.needs or some.settled or some.cancelled_by or some.glass)
    legal = some.state is JobState.RUNNING and untouched and some.plan.actor.surface is not Surface.TERMINAL
    assert some.can_be_handed is legal
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    if not legal:
        with pytest.raises(ValueError, match="not handed on"):
            some.handed(moment)
        return
    after = some.handed(moment)
    assert (after.state, after.queued, after.started, after.progress) == (JobState.QUEUED, moment, None, None)
    assert after.plan.digest == some.plan.digest
    assert "begun anew" in str(after.notes[-1])
    assert Job.from_bytes(after.to_bytes()) == after


def test_a_job_stored_before_jobs_were_handed_on_is_read() -> None:
    stored = json.loads(job().to_bytes())
    del stored["queued"]
    assert Job.from_bytes(json.dumps(stored).encode()) == job()


def test_the_final_states_are_those_that_end_a_card() -> None:
    assert {state.value for state in JobState if state.final} == {
        "done", "failed", "cancelled", "interrupted", "expired", "paused",
    }  # fmt: skip


@given(JOBS)
def test_a_stored_job_is_the_job(stored: Job) -> None:
    assert Job.from_bytes(stored.to_bytes()) == stored
    assert Job.from_bytes(stored.to_bytes()).to_bytes() == stored.to_bytes()


@given(JOBS)
def test_the_digest_of_a_plan_survives_its_storage(stored: Job) -> None:
    assert Job.from_bytes(stored.to_bytes()).plan.digest == stored.plan.digest


@given(PLANS, PLANS)
def test_two_plans_have_one_digest_only_when_they_are_stored_alike(one: Plan, other: Plan) -> None:
    same = json.dumps(one.to_json(), sort_keys=True) == json.dumps(other.to_json(), sort_keys=True)
    assert (one.digest == other.digest) == same


CHANGES: list[dict[str, Any]] = [
    {"operation": "restore.ruN"},
    {"target": TargetName("shop2")},
    {"arguments": {"backup": "other"}},
    {"arguments": {"backup": "latest", "more": None}},
    {"actor": Actor(PersonId("U0OMID"), "T0LOCAL", Surface.SLACK)},
    {"actor": Actor(PersonId("U0SARA"), "T0OTHER", Surface.SLACK)},
    {"actor": Actor(PersonId("U0SARA"), "T0LOCAL", Surface.TERMINAL)},
    {"channel": "C0OTHER"},
    {"created": "2026-11-25"},
    {"nonce": "another"},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_changing_anything_in_a_plan_changes_its_digest(change: dict[str, Any]) -> None:
    assert replace(job().plan, **change).digest != job().plan.digest


@given(TEXTS)
def test_a_stored_text_is_the_text(text: Text) -> None:
    again = text_from_json(json.loads(json.dumps(text_json(text))))
    assert again == text
    assert str(again) == str(text)


@pytest.mark.parametrize("value", [None, 1.5, b"bytes", ["a"]])
def test_a_text_with_what_is_not_a_value_is_not_stored(value: object) -> None:
    with pytest.raises(TypeError):
        text_json(Text("{value}", value=value))


@given(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_what_is_not_a_stored_job_is_a_value_error(stored: bytes) -> None:
    with pytest.raises(ValueError):
        Job.from_bytes(stored)


@given(JOBS, st.data())
def test_a_stored_job_with_a_part_missing_or_of_another_kind_is_a_value_error_or_a_job(
    stored: Job, data: st.DataObject
) -> None:
    fields: dict[str, Any] = json.loads(stored.to_bytes())
    name = data.draw(st.sampled_from(sorted(fields)))
    fields[name] = data.draw(VALUES)
    try:
        found = Job.from_bytes(json.dumps(fields).encode())
    except ValueError:
        found = None
    assert found is None or isinstance(found, Job)
    del fields[name if name != "queued" else "id"]  # what was stored before jobs were handed on has no `queued`
    with pytest.raises(ValueError):
        Job.from_bytes(json.dumps(fields).encode())


def test_a_full_list_keeps_its_first_notes_and_says_once_that_it_is_full() -> None:
    noted = job()
    for number in range(NOTES_LIMIT + 20):
        noted = noted.noted(Text("note {number}", number=number))
    assert len(noted.notes) == NOTES_LIMIT
    assert [str(note) for note in noted.notes[:2]] == ["note 0", "note 1"]
    assert str(noted.notes[-2]) == f"note {NOTES_LIMIT - 2}"
    assert [str(note) for note in noted.notes].count("More happened; see the log of the bot.") == 1
    assert "More happened" in str(noted.notes[-1])


def test_times_are_stored_with_their_zone() -> None:
    started = replace(job(), started=datetime(2026, 11, 24, 3, tzinfo=UTC) + timedelta(microseconds=1))
    found = Job.from_bytes(started.to_bytes()).started
    assert found == started.started
    assert found is not None
    assert found.utcoffset() == timedelta(0)
