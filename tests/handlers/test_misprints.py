"""A file that is wrong is one card, whatever number of bots look, and the same card says when it is right."""

from __future__ import annotations

from handlers.core.door.alarms import Alarms
from handlers.core.door.records import Jobs
from handlers.core.runbooks.library import Library
from handlers.core.runbooks.misprints import LOOK_SECONDS, Misprints, misprint_card
from handlers.core.runbooks.shelves import StoredSpares
from handlers.core.words.answers import JobId
from handlers.core.words.jobs import Job
from handlers.steps import SHAPES
from tests.fakes import FakeClock, FakeEntropy, MemoryAudit, MemoryState, someone
from tests.handlers.test_runbooks import STEP, Files, runbook


class World:
    """Two bots that read the same files."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.state, self.shelf = MemoryState(self.clock), Files(it=runbook())
        self.bots = [self.bot(), self.bot()]

    def bot(self, channel: str = "C0OPS") -> Misprints:
        alarms = Alarms(self.state, MemoryAudit(), self.clock, FakeEntropy())
        return Misprints(Library(self.shelf, SHAPES, StoredSpares(self.state)), alarms, self.clock, someone(), channel)

    def look(self) -> None:
        self.clock.advance(11)
        for each in self.bots:
            each.look()

    @property
    def cards(self) -> list[Job]:
        jobs = Jobs(self.state)
        found = [jobs.load(JobId(key.removeprefix("job:"))) for key in self.state.keys("job:")]
        return [each for each in found if each is not None]


def test_a_wrong_file_is_one_card_that_says_what_is_wrong_and_when_it_is_right() -> None:
    world = World()
    world.look()
    assert world.cards == []
    world.shelf.files["it"] = runbook({**STEP, "kind": "shell"})
    world.look()
    world.look()
    (card,) = world.cards
    assert (card.plan.channel, misprint_card(card).tone.value) == ("C0OPS", "warning")
    assert "step 1 (a): kind: expected one of" in str(misprint_card(card).lines[0])
    assert "last good version" in str(misprint_card(card).lines[0])
    world.shelf.files["it"] = runbook()
    world.look()
    (card,) = world.cards
    assert misprint_card(card).tone.value == "good"


def test_a_wrong_file_that_is_taken_away_is_over() -> None:
    world = World()
    world.shelf.files["other"] = {}
    world.look()
    del world.shelf.files["other"]
    world.look()
    assert [misprint_card(each).tone.value for each in world.cards] == ["good"]


def test_a_bot_that_starts_with_a_wrong_file_says_on_a_card_that_the_last_good_one_serves() -> None:
    world = World()
    world.look()
    world.shelf.files["it"] = runbook({**STEP, "kind": "shell"})
    world.bots = [world.bot()]
    world.look()
    (card,) = world.cards
    assert "step 1 (a): kind: expected one of" in str(misprint_card(card).lines[0])
    assert "Its last good version is used until then." in str(misprint_card(card).lines[0])


def test_the_files_are_looked_at_now_and_then_and_not_at_every_round() -> None:
    world = World()
    (bot, *_) = world.bots
    bot.look()
    world.shelf.files["it"] = runbook({**STEP, "kind": "shell"})
    world.clock.advance(LOOK_SECONDS - 1)
    bot.look()
    assert world.cards == []
    world.clock.advance(1)
    bot.look()
    assert len(world.cards) == 1


def test_without_a_channel_nobody_is_told() -> None:
    world = World()
    world.shelf.files["it"] = {}
    world.bots = [world.bot("")]
    world.look()
    assert world.cards == []
