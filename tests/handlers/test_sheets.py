"""Sheets: the picture of a look at the metrics comes when it can, once, and the card never waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from handlers.checks.metrics import DEFAULT, Question, panels
from handlers.core.alerts import sheets
from handlers.core.alerts.plots import Panel
from handlers.core.alerts.sheets import Sheets
from handlers.core.door.records import Jobs
from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.words.answers import Actor, JobId, PersonId, Plan, Surface, TargetName
from handlers.core.words.cards import Card
from handlers.core.words.errors import OutsideError, Problem, Refusal
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from handlers.health import LANE, LOOK, HealthHandler
from tests.fakes import FakeClock, MemoryState

SHOP = TargetName("shop")


@dataclass
class Painter:
    """Draws and keeps, or fails as it is told to."""

    drawn: list[tuple[str, ...]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failure: Problem | None = None
    refusal: Problem | None = None
    meanwhile: Callable[[], object] = lambda: None

    def sheet(self, asked: Sequence[Panel], until: datetime) -> bytes:
        self.drawn.append(tuple(each.title for each in asked))
        self.meanwhile()
        if self.failure is not None:
            raise self.failure
        return b"png"

    def upload(self, name: str, data: bytes, alt: Text) -> str:
        if self.refusal is not None:
            raise self.refusal
        self.kept.append(str(alt))
        return f"F{len(self.kept)}"


class House:
    """A look, its record, and two bots that draw."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.state = MemoryState(self.clock)
        self.jobs, self.painter = Jobs(self.state), Painter()
        self.found: tuple[Finding, ...] = (passed("p95", Text("p95 is fine.")),)
        self.cut = False
        checks: Any = {"metrics": None, "mongo": None}
        targets: Any = {SHOP: None}
        self.handler = HealthHandler(targets, checks, self, self.state, self.clock)
        self.bots = [Sheets(self.state, self.painter, self.painter, self.clock, panels(DEFAULT[:4])) for _ in range(2)]

    def examine(self, checks: Any, target: TargetName, seconds: float) -> Any:
        self.state.away = self.cut
        return dict.fromkeys(checks, self.found)

    def look(self, section: str = "metrics", surface: Surface = Surface.SLACK) -> JobId:
        actor = Actor(PersonId("U0SARA"), "T1", surface)
        plan = Plan(LOOK, SHOP, {"section": section}, actor, "C0OPS", self.clock.now().isoformat(), "n", LANE)
        job = Job(JobId("j1"), plan, JobState.RUNNING, self.clock.now())
        self.jobs.create(job)
        work: Any = type("Work", (), {"job": job})
        outcome = self.handler.run(work)
        self.state.away = False
        assert not any(bot.round() for bot in self.bots), "a look that goes on is left alone"
        self.jobs.change(job.id, lambda each: replace(each, state=outcome.state, outcome=outcome, ended=job.created))
        return job.id

    def card(self, job_id: JobId) -> Card:
        job = self.jobs.load(job_id)
        assert job is not None
        return self.handler.describe(job)


@pytest.fixture
def house() -> House:
    return House()


def test_the_card_stands_without_and_gets_one_picture_from_one_bot(house: House) -> None:
    job = house.look()
    assert house.card(job).picture is None
    assert [bot.round() for bot in house.bots] == [True, False]
    picture = house.card(job).picture
    assert picture is not None
    assert (picture.file, house.painter.drawn) == ("F1", [("answers", "errors")])
    assert house.state.get(f"dirty:{job}") is not None, "the relay must edit it"


@pytest.mark.parametrize(
    ("section", "surface", "found"),
    [
        ("metrics", Surface.TERMINAL, passed("p95", Text("fine"))),
        ("metrics", Surface.SLACK, unknown("metrics", Text("Prometheus does not answer."))),
        ("mongo", Surface.SLACK, failed("primary", Text("none"))),
    ],
    ids=["at the terminal", "Prometheus is away", "another section"],
)
def test_where_a_picture_makes_no_sense_none_is_drawn(
    house: House, section: str, surface: Surface, found: Finding
) -> None:
    house.found = (found,)
    house.look(section, surface)
    assert not any(bot.round() for bot in house.bots)
    assert house.painter.drawn == []


def test_what_cannot_be_drawn_is_said_in_the_card_and_not_tried_again(house: House) -> None:
    house.painter.failure = OutsideError(Text("Prometheus does not answer."))
    job = house.look()
    assert house.bots[0].round()
    card = house.card(job)
    assert (card.picture, str(card.lines[-1])) == (None, "There is no picture: Prometheus does not answer.")
    house.clock.advance(sheets.CLAIM_SECONDS + 1)
    assert not house.bots[0].round()


def test_a_chat_that_cannot_now_is_asked_again_a_minute_later(house: House) -> None:
    house.painter.refusal = Refusal(Text("files:write is missing."))
    job = house.look()
    with pytest.raises(Refusal):
        house.bots[0].round()
    house.painter.refusal = None
    assert not house.bots[1].round(), "the claim lasts"
    house.clock.advance(sheets.CLAIM_SECONDS + 1)
    assert house.bots[1].round()
    assert house.card(job).picture is not None


def test_a_state_that_cannot_take_the_wish_costs_the_picture_and_nothing_else(house: House) -> None:
    house.cut = True
    job = house.look()
    assert not any(bot.round() for bot in house.bots)
    card = house.card(job)
    assert (str(card.title), card.picture) == ("Health of shop: all 1 are well", None)


@pytest.mark.parametrize("there", [False, True], ids=["a record that is gone", "a job that ended without a look"])
def test_for_what_has_no_card_with_a_look_nothing_is_drawn_and_the_wish_is_over(house: House, there: bool) -> None:
    actor = Actor(PersonId("U0SARA"), "T1", Surface.SLACK)
    plan = Plan(LOOK, SHOP, {"section": "metrics"}, actor, "C0OPS", house.clock.now().isoformat(), "n", LANE)
    job = Job(JobId("j1"), plan, JobState.CANCELLED, house.clock.now())
    if there:
        house.jobs.create(job)
    sheets.want(house.state, job)
    assert house.bots[0].round()
    assert (house.painter.drawn, house.state.keys(sheets.WANTED)) == ([], ())
    assert not house.bots[1].round()


def test_a_picture_that_took_longer_than_its_wish_lasts_is_shown_all_the_same(house: House) -> None:
    house.painter.meanwhile = lambda: house.clock.advance(sheets.WANTED_SECONDS + 1)
    job = house.look()
    assert house.bots[0].round()
    assert house.card(job).picture is not None
    assert not house.bots[1].round()


def test_a_job_that_began_anew_while_its_picture_was_drawn_gets_none_of_what_it_was(house: House) -> None:
    job_id = house.look()
    ended = house.jobs.load(job_id)
    assert ended is not None

    def lost() -> None:
        house.state.flush()
        house.jobs.restore(replace(ended, state=JobState.RUNNING, outcome=None, ended=None))

    house.painter.meanwhile = lost
    assert house.bots[0].round()
    assert house.painter.kept
    newest = house.jobs.load(job_id)
    assert newest is not None
    assert (newest.state, newest.outcome) == (JobState.RUNNING, None)


def test_questions_share_a_panel_only_when_they_say_so_and_measure_the_same() -> None:
    ask = [
        Question("p50", "a", "seconds", panel="answers"),
        Question("p95", "b", "seconds", above=0.8, panel="answers"),
        Question("rate", "c", "rate", panel="answers"),
        Question("disk", "d", "share", below=0.1),
        Question("disk", "e", "share"),
    ]
    found = panels(ask)
    assert [(each.title, len(each.curves), each.above, each.below) for each in found] == [
        ("answers", 2, 0.8, None),
        ("answers", 1, None, None),
        ("disk", 1, None, 0.1),
        ("disk", 1, None, None),
    ]
