"""A full disk and a read-only one under the audit record: what destroys is refused, and the team is told.

A small file system in memory is mounted for it, which only root can do.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.adapters.audit_file import AuditFile, read_lines
from handlers.core.door.alarms import Alarms
from handlers.core.door.approval import Gate
from handlers.core.door.desk import Desk, Outside
from handlers.core.door.records import Jobs
from handlers.core.sealing.witness import Witness
from handlers.core.words.answers import Actor, JobId, PersonId, Surface
from handlers.core.words.audit import AuditEvent, verify
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import JobState
from handlers.trail import TrailHandler
from tests.chaos.disks import mounted
from tests.fakes import FakeEntropy
from tests.handlers.test_desk import SARA
from tests.handlers.test_desk import House as Desks

HOST = Actor(PersonId("schedule"), "T0LOCAL", Surface.SCHEDULE)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    with mounted(tmp_path / "disk", "256k") as place:
        yield place


def fill(place: Path) -> None:
    """Takes all the room that is left, also in the last page of the record."""
    with contextlib.suppress(OSError), (place / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(512))
    record = AuditFile(place / "audit.jsonl")
    with contextlib.suppress(OutsideError):
        while True:
            record.write(AuditEvent("x", "allow", None))


def emptied(place: Path) -> None:
    (place / "ballast").unlink()


def remounted(how: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True)

    return change


class Recorded(Desks):
    """A desk over a real record."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__()

    def new_desk(self) -> Desk:
        file = AuditFile(self.path, self.clock.now)
        alarms = Alarms(self.state, file, self.clock, FakeEntropy(7))
        witness = Witness(file, alarms, HOST, "C0OPS")
        gate = Gate(self.state, self.factors, self.clock, self.entropy)
        outside = Outside(self.state, self.queue, witness, self.people, self.clock, self.entropy)
        return Desk({"do": self.doing, "audit": TrailHandler(lambda: read_lines(self.path))}, gate, outside)

    def alarm(self) -> str:
        """What the channel is shown about the record; empty: nothing."""
        jobs = Jobs(self.state)
        for key in self.state.keys("job:"):
            job = jobs.load(JobId(key.partition(":")[2]))
            if job is not None and job.plan.operation == "audit.unwritable":
                assert job.plan.channel == "C0OPS"
                return str(self.desk.card(job).title)
        return ""


WAYS = [
    pytest.param(fill, emptied, "No space left", id="full"),
    pytest.param(remounted("ro"), remounted("rw"), "Read-only", id="read-only"),
]


@pytest.mark.parametrize(("harm", "heal", "why"), WAYS)
def test_what_destroys_is_refused_and_the_team_is_told_and_both_end(
    small_disk: Path, harm: Callable[[Path], None], heal: Callable[[Path], None], why: str
) -> None:
    house = Recorded(small_disk / "audit.jsonl")
    offered = house.began("destroy")
    challenge = house.desk.challenge(offered, SARA)
    harm(small_disk)
    try:
        with pytest.raises(OutsideError, match=why):
            house.desk.approve(challenge.id, SARA, house.code())
        assert house.loaded(offered).state is JobState.OFFERED
        with pytest.raises(OutsideError, match=why):
            house.ask("destroy")
        assert house.doing.ran == []
        assert house.alarm() == "The audit record cannot be written"
        assert verify(read_lines(house.path)).problem == ""
    finally:
        heal(small_disk)
    house.ask("look")
    assert house.alarm() == "The audit record was looked after"
    assert verify(read_lines(house.path)).problem == ""


@pytest.mark.parametrize(("harm", "heal", "why"), WAYS)
def test_a_job_that_was_confirmed_before_does_not_begin(
    small_disk: Path, harm: Callable[[Path], None], heal: Callable[[Path], None], why: str
) -> None:
    """The record is lost between the code and the worker: nothing is done, and the rescuer says what is true."""
    house = Recorded(small_disk / "audit.jsonl")
    job = house.began("destroy")
    house.approve(job)
    harm(small_disk)
    try:
        with contextlib.suppress(OutsideError):
            house.desk.work(job)
        assert house.doing.ran == []
        assert house.alarm() == "The audit record cannot be written"
    finally:
        heal(small_disk)
