"""/health: what is asked, what the card says, and what changed since the last look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.vitals import Check
from handlers.core.words.answers import Draft, Invocation, JobId, Plan, Reply, Start, TargetName
from handlers.core.words.cards import Tone
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from handlers.health import LANE, LOOK, HealthHandler
from tests.fakes import FakeClock, MemoryState, someone

SHOP = TargetName("shop")
GOOD, BAD, UNSURE = (
    passed("primary", Text("a is the primary.")),
    failed("TLS", Text("Connections without encryption are taken."), limit="requireTLS"),
    unknown("disk", Text("What is free is not known.")),
)


class Played:
    """An examiner that answers as a test says."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[Finding, ...]] = {"mongo": (GOOD, GOOD), "audit": (GOOD,)}
        self.asked: list[str] = []

    def examine(self, checks: Mapping[str, Check], target: TargetName, seconds: float) -> Any:
        self.asked = list(checks)
        return {name: self.found[name] for name in checks}


class Working:
    """A running job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.recorded: list[tuple[str, Any]] = []

    def record(self, event: str, **facts: Any) -> None:
        self.recorded.append((event, facts))


class House:
    """The handler over fakes."""

    def __init__(self) -> None:
        self.clock, self.played = FakeClock(), Played()
        checks: Any = dict.fromkeys(("mongo", "audit"))
        targets: Any = {SHOP: None}
        self.handler = HealthHandler(targets, checks, self.played, MemoryState(self.clock), self.clock)

    def ask(self, *words: str) -> Reply | Start:
        return self.handler.ask(Invocation("health", words, someone(), "C0OPS"))

    def looked(self, section: str = "all") -> Job:
        plan = Plan(LOOK, SHOP, {"section": section}, someone(), "C0OPS", self.clock.now().isoformat(), "n", LANE)
        job = Job(JobId("j1"), plan, JobState.RUNNING, self.clock.now())
        work: Any = Working(job)
        outcome = self.handler.run(work)
        self.recorded = work.recorded
        return replace(job, state=outcome.state, outcome=outcome, ended=self.clock.now())

    def card(self, job: Job) -> tuple[str, Tone, str]:
        card = self.handler.describe(Job.from_bytes(job.to_bytes()))
        return str(card.title), card.tone, "\n".join(map(str, card.lines))


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize(
    ("words", "section"),
    [((), "all"), (("all",), "all"), (("mongo",), "mongo"), (("mongo", "shop"), "mongo"), (("shop",), "all")],
    ids=["nothing", "all", "a section", "a section of a target", "a target"],
)
def test_a_look_is_a_job_in_a_lane_of_its_own(house: House, words: tuple[str, ...], section: str) -> None:
    assert house.ask(*words) == Start(Draft(LOOK, SHOP, {"section": section}, lane=f"{LANE}-{section}"))


@pytest.mark.parametrize(
    ("words", "why"),
    [(("metrics",), "PROMETHEUS_URL"), (("wiki",), "no target"), (("mongo", "x"), "no target")],
    ids=str,
)
def test_what_cannot_be_looked_at_says_why(house: House, words: tuple[str, ...], why: str) -> None:
    with pytest.raises(Refusal, match=why):
        house.ask(*words)


def test_help_is_only_words(house: House) -> None:
    assert isinstance(house.ask("help"), Reply)


def test_only_the_section_that_was_asked_for_is_looked_at(house: House) -> None:
    house.looked("mongo")
    assert house.played.asked == ["mongo"]


@pytest.mark.parametrize(
    ("findings", "title", "tone"),
    [
        ((GOOD,), "all 2 are well", Tone.GOOD),
        ((GOOD, UNSURE), "1 not known", Tone.UNKNOWN),
        ((BAD, UNSURE), "1 wrong, 1 not known", Tone.BAD),
        ((BAD,), "1 wrong", Tone.BAD),
    ],
    ids=["well", "not known", "both", "wrong"],
)
def test_the_title_counts_and_the_tone_is_the_worst(
    house: House, findings: tuple[Finding, ...], title: str, tone: Tone
) -> None:
    house.played.found["mongo"] = findings
    said, shown, _ = house.card(house.looked())
    assert (said.endswith(title), shown) == (True, tone), said


def test_what_is_wrong_is_listed_and_what_is_well_is_counted(house: House) -> None:
    house.played.found["mongo"] = (GOOD, UNSURE, BAD)
    _, _, lines = house.card(house.looked())
    assert "1 of 3 are well" in lines
    assert lines.index("Connections without") < lines.index("What is free")
    assert "(limit requireTLS)" in lines
    assert "is the primary" not in lines
    _, _, whole = house.card(house.looked("mongo"))
    assert "is the primary" in whole


def test_what_changed_since_the_last_look_is_said(house: House) -> None:
    house.looked()
    house.played.found["mongo"] = (BAD, GOOD)
    _, _, first = house.card(house.looked())
    assert "Since" not in first, "TLS was not looked at before"
    house.played.found["mongo"] = (passed("TLS", Text("Only encrypted connections are taken.")), GOOD)
    _, _, second = house.card(house.looked("mongo"))
    assert house.recorded == [("posture.changed", {"changes": ["mongo: TLS: fail → pass"]})]
    assert "mongo: TLS: fail → pass" in second


def test_a_look_whose_worker_died_is_not_known(house: House) -> None:
    job = house.looked()
    outcome = house.handler.recover(job, None)
    _, tone, _ = house.card(replace(job, state=outcome.state, outcome=outcome))
    assert tone is Tone.UNKNOWN
