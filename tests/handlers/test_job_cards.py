"""The cards and the records of jobs: every state says in words how it is, and comes back from the store as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.core.words.answers import JobId, PersonId, Plan, TargetName
from handlers.core.words.cards import Tone
from handlers.core.words.job_cards import Wording, busy, job_card
from handlers.core.words.jobs import Job, JobState, Outcome, Progress, text_from_json, text_json
from handlers.core.words.text import Bytes, Code, Crew, Figure, Lines, Linked, Person, Seconds, Text
from tests.fakes import someone

AT = datetime(2026, 11, 24, 3, tzinfo=UTC)
PLAN = Plan("restore.run", TargetName("shop"), {}, someone("U0SARA"), "C0OPS", AT.isoformat(), "n" * 26)
OFFERED = Job(JobId("j1"), PLAN, JobState.OFFERED, AT)
RUNNING = replace(OFFERED, state=JobState.RUNNING, started=AT)


def lines(job: Job) -> list[str]:
    return [str(each) for each in job_card(job, Wording(Text("It"))).lines]


def ended(state: JobState, **facts: Any) -> Job:
    return replace(RUNNING, state=state, ended=AT + timedelta(seconds=90), outcome=Outcome(state, Text("So."), facts))


@pytest.mark.parametrize(
    ("job", "title", "tone"),
    [
        (OFFERED, "It?", Tone.WARNING),
        (replace(OFFERED, state=JobState.QUEUED), "It: waiting", Tone.WORKING),
        (RUNNING, "It: running", Tone.WORKING),
        (ended(JobState.DONE), "It: done", Tone.GOOD),
        (ended(JobState.DONE, warning=True), "It: done", Tone.WARNING),
        (ended(JobState.FAILED), "It: failed", Tone.BAD),
        (ended(JobState.FAILED, warning=True), "It: failed", Tone.BAD),
        (ended(JobState.CANCELLED), "It: cancelled", Tone.PLAIN),
        (ended(JobState.INTERRUPTED), "It: interrupted", Tone.UNKNOWN),
        (ended(JobState.EXPIRED), "It: not confirmed", Tone.PLAIN),
    ],
    ids=lambda value: value.state.value if isinstance(value, Job) else "",
)
def test_the_title_is_the_state_in_words_and_the_tone_agrees(job: Job, title: str, tone: Tone) -> None:
    card = job_card(job, Wording(Text("It")))
    assert (str(card.title), card.tone) == (title, tone)
    assert Job.from_bytes(job.to_bytes()) == job


def test_what_happens_comes_before_what_the_job_is_about() -> None:
    about = Wording(Text("It"), lines=(Text("About."),))
    for job, first in (
        (replace(OFFERED, state=JobState.QUEUED), "Waiting for a worker."),
        (RUNNING, "Just begun."),
        (ended(JobState.DONE), "So."),
    ):
        assert [str(each) for each in job_card(job, about).lines] == [first, "About."]


@pytest.mark.parametrize(
    ("progress", "said", "share"),
    [
        (Progress(Text("Reading")), "Reading…", None),
        (Progress(Text("Reading"), 1_000_000), "Reading: 1.0 MB so far", None),
        (Progress(Text("Reading"), 1_000_000, 4_000_000), "Reading: 1.0 MB so far", 0.25),
        (
            Progress(Text("Reading"), 1_000_000, 4_000_000, 1_000_000),
            "Reading: 1.0 MB of about 4.0 MB, 1.0 MB a second, about 3.0 s left",
            0.25,
        ),
        (
            Progress(Text("Reading"), 5_000_000, 4_000_000, 1_000_000),
            "Reading: 5.0 MB of about 4.0 MB, 1.0 MB a second, about 0.0 s left",
            0.99,
        ),
    ],
    ids=["a stage", "no total", "no rate", "all of it", "more than was thought"],
)
def test_how_far_it_is_and_how_long_still(progress: Progress, said: str, share: float | None) -> None:
    job = replace(RUNNING, progress=progress)
    card = job_card(job, Wording(Text("It")))
    assert str(card.lines[0]).replace("\u202f", " ").replace("\u00a0", " ") == said
    assert card.progress == share
    assert Job.from_bytes(job.to_bytes()) == job
    assert job_card(replace(job, state=JobState.QUEUED), Wording(Text("It"))).progress is None


def test_who_asked_to_cancel_is_said_until_it_has_ended() -> None:
    assert lines(replace(RUNNING, cancelled_by="U0OMID"))[-1] == "U0OMID asked to cancel."
    assert "asked to cancel" not in str(lines(replace(ended(JobState.CANCELLED), cancelled_by="U0OMID")))


def test_an_offer_says_why_it_is_frozen_and_who_must_agree_and_a_broken_glass_why() -> None:
    asked = replace(OFFERED, needs=1, frozen=Text("Frozen."), alone=True)
    assert lines(asked) == ["Frozen.", "First U0SARA confirms it, then 1 more must agree."]
    broken = replace(asked, glass="The shop is down", glass_at=AT.isoformat(), confirmed_by=(PersonId("U0SARA"),))
    assert lines(broken) == ["U0SARA broke the glass to do this alone: The shop is down"]
    assert Job.from_bytes(broken.to_bytes()) == broken


def actions(job: Job) -> list[str]:
    return [each.action for each in job_card(job, Wording(Text("It"))).buttons]


def test_a_card_has_the_buttons_that_still_do_something() -> None:
    alone = replace(OFFERED, alone=True)
    assert actions(OFFERED) == ["job_cancel"]
    assert actions(replace(alone, needs=1)) == ["access_deny", "access_glass", "job_cancel"]
    assert actions(replace(alone, glass="why")) == ["job_cancel"]
    assert actions(RUNNING) == ["job_cancel"]
    for over in (replace(RUNNING, settled=True), replace(RUNNING, cancelled_by="U0OMID"), ended(JobState.DONE)):
        assert actions(over) == []
    question = job_card(RUNNING, Wording(Text("It"))).buttons[0].question
    assert str(question) == "Stop it? Nothing has been changed yet."


def test_the_foot_says_who_when_how_long_and_which_job() -> None:
    foot = str(job_card(ended(JobState.DONE), Wording(Text("It"))).footer)
    assert foot.startswith("U0SARA · 2026-11-24 03:00:00 UTC · took ")
    assert foot.endswith("job j1")
    assert "took" not in str(job_card(RUNNING, Wording(Text("It"))).footer)


def test_the_second_who_asks_hears_who_is_at_work_on_what() -> None:
    assert str(busy(RUNNING)) == (
        "U0SARA started restore run on shop at 2026-11-24 03:00:00 UTC; it is not finished. One at a time."
    )


def test_a_text_comes_back_from_the_store_with_every_kind_of_value() -> None:
    told = Text(
        "{a} {b} {c} {d} {e} {f} {g} {h} {i} {j} {k}",
        a="word", b=3, c=AT, d=Bytes(5), e=Seconds(1.5), f=Person("U0SARA"), g=Crew("S0ONCALL"), h=Code("x"),
        i=Figure("1,234"), j=Lines("one\ntwo"), k=Text("{x}", x=Linked("words", "https://a.example/")),
    )  # fmt: skip
    assert text_from_json(text_json(told)) == told  # type: ignore[arg-type]


def test_what_is_no_value_of_a_text_is_neither_stored_nor_read() -> None:
    with pytest.raises(TypeError, match="float"):
        text_json(Text("{a}", a=1.5))
    with pytest.raises(ValueError, match="unknown kind"):
        text_from_json({"template": "{a}", "values": {"a": ["planet", 1]}})


def test_a_job_goes_its_legal_ways_only_and_its_notes_have_a_most() -> None:
    with pytest.raises(ValueError, match="does not go from done to running"):
        ended(JobState.DONE).moved(JobState.RUNNING)
    job = RUNNING
    for number in range(60):
        job = job.noted(Text("{n}", n=number))
    assert len(job.notes) == 40
    assert str(job.notes[-1]).startswith("More happened")
    assert str(job.notes[-2]) == "38"


@pytest.mark.parametrize("stored", [b"", b"[]", b"{}", b"null", b"\xff", b'{"id": 1}', b"[" * 100_000])
def test_what_is_no_stored_job_is_a_value_error(stored: bytes) -> None:
    with pytest.raises(ValueError):
        Job.from_bytes(stored)
