"""What `/backup list` and `/backup status` say about which copies stay, and when the next one is made."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from handlers.core.backups.schedules import Schedule
from handlers.core.door.desk import Began, Said
from handlers.core.words.answers import Invocation
from handlers.core.words.cards import Card
from handlers.core.words.jobs import JobState
from tests.fakes import someone
from tests.handlers.test_prunings import SHOP
from tests.handlers.test_rota import HOUR, NIGHTLY, Night


class Kept(Night):
    """A night whose `/backup status` knows the schedule."""

    def __init__(self, schedule: Schedule = NIGHTLY) -> None:
        super().__init__(schedule=schedule)
        self.desk = self.new_desk(replace(self.keeping, schedule=schedule))

    def said(self, word: str) -> Card:
        answer = self.desk.ask(Invocation("backup", (word,), someone(), "C0OPS"))
        assert isinstance(answer, Said)
        return answer.card

    def last(self) -> list[str]:
        """What status says about the last one of the schedule."""
        lines = [str(line) for line in self.said("status").lines]
        return [line for line in lines if line.startswith("The last one, of ")]

    def at_the_tick(self) -> None:
        """It is two o'clock, and nobody works on the queue yet."""
        self.rounds()
        self.clock.moment += HOUR
        self.rounds(work=False)


@pytest.fixture
def night() -> Kept:
    return Kept()


def test_without_a_copy_the_list_says_how_one_is_made(night: Kept) -> None:
    card = night.said("list")
    assert (str(card.title), [str(line) for line in card.lines]) == (
        "No backups of shop yet",
        ["`/backup now` makes one."],
    )


def test_status_says_when_the_next_one_is_made(night: Kept) -> None:
    assert "The next one is made at 2026-11-25 02:00:00 UTC." in [str(line) for line in night.said("status").lines]
    assert night.last() == []


def test_status_says_how_the_last_one_of_the_schedule_ended(night: Kept) -> None:
    night.at_the_tick()
    (waits,) = night.last()
    assert waits == "The last one, of 2026-11-25 02:00:00 UTC: it waits."
    seen: list[str] = []
    night.faults.meanwhile("database.dump", 1, lambda: seen.extend(night.last()))
    night.rounds()
    assert [line.rpartition(": ")[2] for line in seen] == ["it is at work."]
    (ended,) = night.last()
    assert "is kept: 1 documents in 1 collections." in ended


def test_of_one_that_was_cancelled_while_it_waited_status_says_what_its_card_says(night: Kept) -> None:
    night.at_the_tick()
    (job,) = night.jobs("backup.now")
    night.desk.cancel(job.id, someone())
    (cancelled,) = night.jobs("backup.now")
    assert cancelled.state is JobState.CANCELLED
    (said,) = night.last()
    assert said.startswith("The last one, of 2026-11-25 02:00:00 UTC: ")


def test_a_backup_carries_how_far_the_zone_of_the_schedule_is_ahead() -> None:
    tehran = Kept(Schedule("backup", "0 2 * * *", ZoneInfo("Asia/Tehran")))
    assert isinstance(tehran.desk.ask(Invocation("backup", ("now",), someone(), "C0OPS")), Began)
    (job,) = tehran.jobs("backup.now")
    assert job.plan.arguments["offset_seconds"] == timedelta(hours=3, minutes=30).total_seconds()
    tehran.rounds()
    assert tehran.catalogue.listing().manifests[0].offset_seconds == 12_600
    assert tehran.catalogue.listing().manifests[0].target == SHOP
