"""Step journals: what one worker wrote and saw, so that another goes on there, and what is damaged is never guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from handlers.core.door.step_journals import Replaced, StepJournal, unclosed
from handlers.core.words.answers import JobId, Plan, TargetName
from handlers.core.words.errors import Damage
from handlers.core.words.jobs import Job, JobState
from tests.fakes import FakeClock, MemoryStore, someone

ROOT, FOLDER = "v1/secrets/", "v1/secrets/jwt/j1"


class Setting:
    """A store, a job and its journal."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        now = self.clock.now()
        plan = Plan("rotate.rotate", TargetName("jwt"), {}, someone(), "C0OPS", now.isoformat(), "n" * 26)
        self.job = Job(JobId("j1"), plan, JobState.RUNNING, now, started=now)

    def journal(self) -> StepJournal:
        """As a worker that begins reads it."""
        return StepJournal(self.store, ROOT, "jwt", self.job.id).read()

    def begun(self) -> StepJournal:
        """With the job and one step in it."""
        journal = self.journal()
        journal.begin(self.job, self.clock.now())
        journal.write("intent", "put", now=self.clock.now(), version="7")
        return journal

    def put(self, number: int, data: object) -> None:
        """In the place of a record."""
        key = f"{FOLDER}/{number:04}.json"
        self.store.artifacts[key] = (json.dumps(data).encode(), self.clock.now())


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_another_worker_reads_what_was_written_in_its_order(setting: Setting) -> None:
    setting.begun()
    read = setting.journal()
    assert [each.what for each in read.entries] == ["begin", "intent"]
    assert read.begun() == setting.job
    intent = read.last("intent", "put")
    assert intent is not None
    assert (intent.at, intent.facts) == (setting.clock.now().isoformat(), {"version": "7"})
    assert (read.last("intent", "other"), read.end) == (None, None)
    assert unclosed(setting.store, ROOT) == (("jwt", "j1"),)
    read.write("end", now=setting.clock.now())
    read.close()
    assert setting.journal().end is not None
    assert unclosed(setting.store, ROOT) == ()


def test_who_writes_a_number_that_is_taken_stops(setting: Setting) -> None:
    first, second = setting.begun(), setting.journal()
    first.write("done", "put", now=setting.clock.now())
    with pytest.raises(Replaced, match="Another worker took this over"):
        second.write("taken", now=setting.clock.now())
    assert [each.what for each in setting.journal().entries] == ["begin", "intent", "done"]


def test_nothing_was_begun_where_there_is_no_journal(setting: Setting) -> None:
    assert setting.journal().begun() is None


def test_a_journal_with_a_gap_is_damage_and_stays_something_to_look_after(setting: Setting) -> None:
    setting.begun().write("done", "put", now=setting.clock.now())
    setting.store.delete(f"{FOLDER}/0001.json")
    with pytest.raises(Damage, match=f"{FOLDER} cannot be read. Somebody must look."):
        setting.journal()
    assert unclosed(setting.store, ROOT) == (("jwt", "j1"),)


@pytest.mark.parametrize(
    "record",
    ["", [], {}, {"what": "intent", "step": "put", "at": ""}, {"what": "intent", "step": "put", "at": "", "facts": 7}],
    ids=["a word", "a list", "nothing", "no facts", "facts that are a number"],
)
def test_a_record_that_cannot_be_read_is_damage(setting: Setting, record: Any) -> None:
    setting.begun()
    setting.put(1, record)
    with pytest.raises(Damage, match=f"{FOLDER} cannot be read"):
        setting.journal()


@pytest.mark.parametrize(
    "facts", [{}, {"job": None}, {"job": {"id": "j1"}}, {"job": "j1"}], ids=["none", "nothing", "half of one", "a word"]
)
def test_a_journal_whose_job_cannot_be_read_is_damage(setting: Setting, facts: dict[str, Any]) -> None:
    setting.begun()
    setting.put(0, {"what": "begin", "step": "", "at": "", "facts": facts})
    read = setting.journal()
    with pytest.raises(Damage, match=f"{FOLDER} cannot be read"):
        read.begun()
