"""/health: what is asked, what the card says, and what changed since the last look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from handlers import updates
from handlers.core.door.alarms import Alarms
from handlers.core.door.records import Jobs
from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.upkeep import UpkeepBook
from handlers.core.health.vitals import Check
from handlers.core.words.answers import Draft, Invocation, JobId, Plan, Reply, Start, TargetName
from handlers.core.words.cards import Tone
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from handlers.health import LANE, LOOK, SECTIONS, HealthHandler
from tests.fakes import FakeClock, FakeEntropy, MemoryAudit, MemoryState, someone

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
        self.state = MemoryState(self.clock)
        self.configure("mongo", "audit")

    def configure(self, *sections: str) -> None:
        checks: Any = dict.fromkeys(sections)
        targets: Any = {SHOP: None}
        self.played.found = {**dict.fromkeys(sections, (GOOD,)), **self.played.found}
        self.handler = HealthHandler(targets, checks, self.played, self.state, self.clock)

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


def test_a_look_that_goes_on_says_so_and_leaves_nothing_behind(house: House) -> None:
    job = replace(house.looked(), state=JobState.RUNNING, outcome=None, ended=None)
    title, tone, lines = house.card(job)
    assert (title, tone, lines) == ("Health of shop: looking…", Tone.WORKING, "")
    assert house.handler.lost() == ()


def test_the_card_says_what_is_not_configured_and_nothing_when_everything_is(house: House) -> None:
    job = house.looked()
    absent = "not configured: metrics, edge, secrets, backups, updates"
    assert str(house.handler.describe(job).footer).endswith(absent)
    house.configure(*SECTIONS)
    assert str(house.handler.describe(house.looked()).footer) == "looked in 0.0 s · 2026-11-24 03:00:00 UTC"


def test_a_look_at_the_updates_has_a_button_for_who_made_them(house: House) -> None:
    house.configure("updates")
    buttons = house.handler.describe(house.looked("updates")).buttons
    assert [(each.action, each.value) for each in buttons if str(each.label) == "This month's are made"] == [
        (updates.DONE, "shop")
    ]
    assert updates.DONE not in {each.action for each in house.handler.describe(house.looked()).buttons}


def test_a_reminder_of_the_updates_is_shown_in_its_own_words(house: House) -> None:
    alarms = Alarms(house.state, MemoryAudit(), house.clock, FakeEntropy())
    updates.Updates(UpkeepBook(house.state), alarms, house.clock, [SHOP], someone(), "C0OPS").round()
    (key,) = house.state.keys("job:")
    job = Jobs(house.state).load(JobId(key.removeprefix("job:")))
    assert job is not None
    assert house.card(job)[:2] == ("Security updates of shop are due", Tone.WARNING)


@pytest.mark.parametrize("stored", [b"{", b"[]x"], ids=["half", "other"])
def test_a_kept_scorecard_that_cannot_be_read_changes_no_verdict_and_is_compared_with_nothing(
    house: House, stored: bytes
) -> None:
    fresh = house.looked("audit")
    held = house.state.get("scorecard:shop")
    assert held is not None
    house.state.put_if("scorecard:shop", stored, held.version)
    job = house.looked("audit")
    assert job.outcome is not None
    assert fresh.outcome is not None
    assert (job.outcome.facts["since"], job.outcome.facts["changes"]) == ("", [])
    assert job.outcome.facts["verdict"] == fresh.outcome.facts["verdict"]
