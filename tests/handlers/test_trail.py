"""/audit: the newest entries first, narrowed as asked, and a chain that says whether it is whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from handlers.core.door.approval import Gate
from handlers.core.door.desk import Desk, Outside
from handlers.core.door.records import Jobs
from handlers.core.door.shift import Grip, RunningWork
from handlers.core.words.answers import Invocation, JobId, Plan, TargetName
from handlers.core.words.audit import AuditEvent
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job, JobState
from handlers.trail import TrailHandler, Wanted, wanted
from tests.fakes import (
    FakeClock,
    FakeEntropy,
    FakeFactors,
    FakePeople,
    MemoryAudit,
    MemoryQueue,
    MemoryState,
    someone,
)
from tests.handlers.test_audit import chain

EVENTS = [
    AuditEvent("job.queued", "allow", someone("U0SARA"), "shop", "backup.now", facts={"job": "j1"}),
    AuditEvent("denied", "deny", someone("U0OMID"), "shop", "restore.run", facts={"reason": "no <!channel>"}),
    AuditEvent("job.started", "allow", someone("U0SARA"), "wiki", "restore.run", facts={"job": "j2"}),
    AuditEvent("audit.mended", "allow", None),
]
LINES = chain(EVENTS)


def asked(*words: str, lines: list[bytes] = LINES) -> Card:
    return TrailHandler(lambda: lines).ask(Invocation("audit", words, someone(), "C0OPS")).card


def test_the_newest_comes_first_and_says_who_what_and_on_what() -> None:
    card = asked()
    assert [str(each).split("*")[1] for each in card.lines] == ["audit.mended", "job.started", "denied", "job.queued"]
    assert "U0SARA" in str(card.lines[1])
    assert "restore.run" in str(card.lines[1])
    assert "wiki" in str(card.lines[1])


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("2",), 2),
        (("by", "U0SARA"), 2),
        (("by", "<@U0SARA|sara>"), 2),
        (("target", "shop"), 2),
        (("operation", "restore"), 2),
        (("denied",), 1),
        (("by", "U0SARA", "target", "wiki"), 1),
    ],
    ids=str,
)
def test_it_is_narrowed_as_asked(words: tuple[str, ...], count: int) -> None:
    assert len(asked(*words).lines) == count


def test_nothing_like_that_is_said_so() -> None:
    assert "No entry" in str(asked("by", "U0NOBODY").title)


def test_a_number_has_its_limits_and_an_unknown_word_is_refused() -> None:
    assert wanted(("9999",)) == Wanted(count=40)
    assert wanted(("0",)) == Wanted(count=1)
    with pytest.raises(Refusal, match="rm"):
        wanted(("rm",))


def test_verify_says_whether_the_chain_is_whole() -> None:
    assert asked("verify").tone is Tone.GOOD
    assert asked("verify", lines=[LINES[0], *LINES[2:]]).tone is Tone.BAD
    assert asked("verify", lines=[*LINES[:3], LINES[3][:-5]]).tone is Tone.WARNING


def test_a_damaged_entry_hides_no_other() -> None:
    assert len(asked(lines=[LINES[0], b"\xff\n", b"[]\n", LINES[2]]).lines) == 2


@pytest.mark.parametrize(
    "damage",
    [
        {"actor": "sara"},
        {"actor": ["U0SARA"]},
        {"target": ["shop"]},
        {"facts": "many"},
        {"ts": None},
        {"ts": "2026-11-24"},
        {"decision": []},
    ],
    ids=str,
)
def test_an_entry_whose_words_are_of_another_kind_hides_no_other_however_it_is_asked(damage: dict[str, Any]) -> None:
    lines = [LINES[0], json.dumps({**json.loads(LINES[2]), **damage}).encode() + b"\n"]
    assert len(asked(lines=lines).lines) == 2
    assert len(asked("by", "U0SARA", "target", "shop", lines=lines).lines) == 1


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-11-24T03:00:00"], ids=["none", "a word", "no time zone"])
def test_an_entry_whose_time_is_not_known_says_so(moment: str) -> None:
    damaged = json.dumps({**json.loads(LINES[0]), "ts": moment}).encode() + b"\n"
    [said] = asked(lines=[damaged]).lines
    assert str(said).startswith("✓ at an unknown time U0SARA *job.queued*")


def test_help_says_how_it_is_narrowed_verified_and_taken_along() -> None:
    card = asked("help")
    said = " ".join(str(each) for each in card.lines)
    for words in ("by U0123456789", "denied", "/audit verify", "/audit export"):
        assert words in said
    assert "newest 15" in said


def test_a_job_that_somebody_wrote_in_its_name_is_not_run() -> None:
    clock, factors = FakeClock(), FakeFactors()
    state, audit, handler = MemoryState(clock), MemoryAudit(), TrailHandler(lambda: LINES)
    outside = Outside(state, MemoryQueue(), audit, FakePeople(), clock, FakeEntropy())
    desk = Desk({"audit": handler}, Gate(state, factors, clock, FakeEntropy()), outside)
    plan = Plan("audit.verify", TargetName("audit"), {}, someone(), "C0OPS", clock.now().isoformat(), "n" * 26)
    Jobs(state).create(Job(JobId("forged"), plan, JobState.QUEUED, clock.now()))
    with pytest.raises(Refusal, match="no such job"):
        desk.work(JobId("forged"))
    job = desk.load(JobId("forged"))
    assert job is not None
    with pytest.raises(Refusal, match="no such job"):
        handler.run(RunningWork(job, Grip("v1", clock.monotonic() + 10), Jobs(state), audit, clock))
    assert audit.events == []


def test_no_job_of_it_is_ever_lost() -> None:
    assert TrailHandler(lambda: LINES).lost() == ()
