"""/health compare: what is otherwise than about an hour ago, and an honest word when nothing is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.checks import comparison, printed
from handlers.checks.comparison import compared, moved_by
from handlers.checks.keeper import LookKeeper
from handlers.checks.metrics import MetricsCheck, Question, Then
from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.memory import KEPT, MOST_FINDINGS, Look, LookBook, seen
from handlers.core.health.vitals import Check
from handlers.core.runbooks.probes import Sample
from handlers.core.words.answers import Draft, Invocation, JobId, Plan, Start, TargetName
from handlers.core.words.cards import Tone
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from handlers.health import LANE, LOOK, HealthHandler
from tests.fakes import FakeClock, Faults, MemoryState, someone
from tests.handlers.test_health import Played, Working

SHOP = TargetName("shop")
TLS = passed("TLS", Text("Only encrypted connections are taken."), value="requireTLS")
OPEN = failed("TLS", Text("Connections without encryption are taken."), value="off")
FEW, MANY = (passed("connections", Text("They are in use."), value=value) for value in ("10", "480"))


class House:
    """The handler over fakes, an hour at a time."""

    def __init__(self) -> None:
        self.clock, self.played, self.faults = FakeClock(), Played(), Faults()
        self.state = MemoryState(self.clock, self.faults)
        checks: Any = dict.fromkeys(self.played.found)
        targets: Any = {SHOP: None}
        self.handler = HealthHandler(targets, checks, self.played, self.state, self.clock)

    def looked(self, section: str = "all", *, against: bool = False) -> Job:
        arguments: Any = {"section": section, **({"against": "hour"} if against else {})}
        plan = Plan(LOOK, SHOP, arguments, someone(), "C0OPS", self.clock.now().isoformat(), "n", LANE)
        job = Job(JobId("j1"), plan, JobState.RUNNING, self.clock.now())
        work: Any = Working(job)
        outcome = self.handler.run(work)
        return Job.from_bytes(replace(job, state=outcome.state, outcome=outcome, ended=self.clock.now()).to_bytes())

    def compared(self, section: str = "all") -> tuple[str, Tone, str]:
        card = self.handler.describe(self.looked(section, against=True))
        return str(card.title), card.tone, "\n".join(map(str, card.lines))


@pytest.fixture
def house() -> House:
    return House()


def test_what_turned_and_what_moved_is_said_with_then_and_now(house: House) -> None:
    house.played.found["mongo"] = (TLS, FEW)
    house.looked()
    house.clock.advance(3600)
    house.played.found["mongo"] = (OPEN, MANY)
    title, tone, lines = house.compared()
    assert title.endswith("against an hour ago: 1 verdicts and 2 numbers changed")
    assert tone is Tone.BAD
    assert "✗ was ✓: Connections without encryption are taken." in lines
    assert "connections 10 → 480" in lines
    assert "*audit* against" in lines


def test_more_turns_than_a_card_holds_are_counted_and_where_they_are_listed_is_said(house: House) -> None:
    names = [f"lag of {at}" for at in range(comparison.SHOWN + 2)]
    house.played.found["mongo"] = tuple(passed(each, Text("near")) for each in names)
    house.looked("mongo")
    house.clock.advance(3600)
    house.played.found["mongo"] = tuple(failed(each, Text("behind")) for each in names)
    title, _, lines = house.compared("mongo")
    assert title.endswith("10 verdicts and 0 numbers changed")
    assert lines.count("✗ was ✓: behind") == comparison.SHOWN
    assert "… and 2 more; press mongo" in lines


def test_nothing_kept_is_said_and_is_not_nothing_changed(house: House) -> None:
    title, tone, lines = house.compared()
    assert "nothing is known of an hour ago" in title
    assert tone is Tone.UNKNOWN, "although all that was found now is well"
    assert "nobody looked about an hour ago" in lines


def test_a_section_nobody_looked_at_then_is_said_beside_the_others(house: House) -> None:
    house.looked("mongo")
    house.clock.advance(3600)
    title, _, lines = house.compared()
    assert title.endswith("nothing changed in what is known of it")
    assert "? *audit*: nobody looked" in lines


@pytest.mark.parametrize(("minutes", "known"), [(29, False), (31, True), (60, True), (89, True), (91, False)])
def test_about_an_hour_is_from_half_of_one_to_one_and_a_half(house: House, minutes: int, known: bool) -> None:
    house.looked("mongo")
    house.clock.advance(minutes * 60)
    assert ("nothing changed" in house.compared("mongo")[0]) is known


def test_the_nearest_look_counts(house: House) -> None:
    for value in ("1", "2", "3"):
        house.played.found["mongo"] = (passed("connections", Text("x"), value=value),)
        house.looked("mongo")
        house.clock.advance(25 * 60)
    _, _, lines = house.compared("mongo")  # 75, 50 and 25 minutes ago
    assert "connections 2 → 3" in lines


def test_a_state_that_does_not_answer_is_nothing_known(house: House) -> None:
    house.looked()
    house.clock.advance(3600)
    for number in range(1, 30):
        house.faults.fail("state.get", number)
    assert "nothing is known" in house.compared()[0]


def test_what_was_not_seen_at_one_of_the_two_times_is_no_change(house: House) -> None:
    house.played.found["mongo"] = (TLS, FEW)
    house.looked("mongo")
    house.clock.advance(3600)
    house.played.found["mongo"] = (TLS, passed("cache", Text("x"), value="40 %"))
    title, _, lines = house.compared("mongo")
    assert title.endswith("nothing changed")
    assert "Not seen then: cache" in lines
    assert "? Not seen now: connections" in lines


def test_a_section_that_hangs_now_is_not_seen_and_keeps_what_was_known(house: House) -> None:
    house.looked("mongo")
    house.clock.advance(3600)
    house.played.found["mongo"] = (unknown("mongo", Text("mongo did not answer.")),)
    _, tone, lines = house.compared("mongo")
    assert tone is Tone.UNKNOWN
    assert "? Not seen now: mongo" in lines
    assert LookBook(house.state).newest(SHOP, "mongo") == house.clock.now() - timedelta(hours=1)


@pytest.mark.parametrize(
    ("words", "section"),
    [(("compare",), "all"), (("compare", "mongo"), "mongo"), (("compare", "all", "shop"), "all"),
     (("compare", "audit"), "audit")],
    ids=str,
)  # fmt: skip
def test_a_comparison_is_a_look_in_a_lane_of_its_own(house: House, words: tuple[str, ...], section: str) -> None:
    start = house.handler.ask(Invocation("health", words, someone(), "C0OPS"))
    draft = Draft(LOOK, SHOP, {"section": section, "against": "hour"}, lane=f"{LANE}-compare-{section}")
    assert start == Start(draft)


def test_the_button_asks_for_what_the_word_does(house: House) -> None:
    card = house.handler.describe(house.looked("mongo"))
    (button,) = (each for each in card.buttons if str(each.label) == "Compare with an hour ago")
    words = (button.action.removeprefix("health_"), *button.value.split())
    assert house.handler.ask(Invocation("health", words, someone(), "C0OPS")) == Start(
        Draft(LOOK, SHOP, {"section": "mongo", "against": "hour"}, lane=f"{LANE}-compare-mongo")
    )


def test_the_audit_section_alone_is_compared_and_no_scorecard(house: House) -> None:
    house.looked("audit", against=True)
    assert house.played.asked == ["audit"]


def test_programs_are_told_the_same(house: House) -> None:
    house.played.found["mongo"] = (FEW,)
    house.looked("mongo")
    house.clock.advance(3600)
    house.played.found["mongo"] = (MANY,)
    job = house.looked("mongo", against=True)
    data = json.loads(printed.spelled(job, form="json"))
    assert data["against"]["mongo"]["moved"] == [["connections", "10", "480"]]
    assert "connections 10 → 480" in printed.spelled(job, form="markdown")


# -- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        ("10", "10", False),
        ("100", "104", False),
        ("100", "106", True),
        ("120 ms", "840 ms", True),
        ("950 ms", "1.0 s", True),
        ("1,000", "1,010", False),
        ("", "3", True),
        ("requireTLS", "off", True),
        ("50% free, 50 GB", "49% free, 49 GB", False),
        ("0", "1", True),
    ],
)
def test_a_twentieth_is_no_move(before: str, now: str, moved: bool) -> None:
    assert moved_by(before, now) is moved


@given(st.text(max_size=20))
def test_whatever_it_says_it_has_not_moved_from_itself(value: str) -> None:
    assert not moved_by(value, value)


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdef"), unique=True))
def test_every_finding_of_either_time_is_counted_once(then: list[str], now: list[str]) -> None:
    moment = FakeClock().now()
    look = Look(moment, dict.fromkeys(then, ("pass", "")))
    found: Sequence[Finding] = [passed(name, Text("x")) for name in now]
    each = compared({"mongo": look}, {"mongo": found})["mongo"]
    if found:
        touched = [*each.fresh, *each.gone, *(name for name, _, _ in (*each.turned, *each.moved))]
        assert len(touched) + each.same == len({*then, *now})
        assert comparison.Compared.from_json(json.loads(json.dumps(each.to_json()))) == each


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_what_is_kept_is_bounded_however_often_somebody_looks() -> None:
    clock = FakeClock()
    state = MemoryState(clock)
    book = LookBook(state)
    many = [passed(f"lag of member-{number}.example:27017", Text("x"), value="v" * 500) for number in range(400)]
    sections = ("mongo", "metrics", "edge", "secrets", "backups", "updates", "audit")
    for _ in range(600):
        book.note(SHOP, dict.fromkeys(sections, many), clock.now())
        clock.advance(60)
    held = state.get(f"looks:{SHOP}")
    assert held is not None
    kept = json.loads(held.value)
    assert all(len(looks) <= 13 and len(looks[0]["of"]) <= MOST_FINDINGS for looks in kept.values())
    assert len(held.value) < 2_000_000
    clock.advance(KEPT.total_seconds() + 1)
    assert state.get(f"looks:{SHOP}") is None


def test_what_cannot_be_read_begins_anew() -> None:
    clock = FakeClock()
    state = MemoryState(clock)
    state.put_if(f"looks:{SHOP}", b"[1]", None)
    LookBook(state).note(SHOP, {"mongo": [TLS]}, clock.now())
    assert LookBook(state).around(SHOP, clock.now())["mongo"].seen == seen([TLS])


# -- the keeper ------------------------------------------------------------------------------------------------------


def test_the_bot_looks_by_itself_after_a_pause_once_over_all_workers() -> None:
    clock, played = FakeClock(), Played()
    played.found = {"mongo": (TLS,), "edge": (TLS,), "secrets": (TLS,)}
    state = MemoryState(clock)
    checks: Any = dict.fromkeys(played.found)
    keepers = [LookKeeper(state, checks, played, clock, (SHOP,), 900) for _ in range(3)]
    for keeper in keepers:
        keeper.round()
    assert played.asked == [], "not at the start"
    clock.advance(901)
    asked: list[list[str]] = []
    for keeper in keepers:
        played.asked = []
        keeper.round()
        asked.append(played.asked)
    assert asked == [["mongo", "edge"], [], []], "one of three, and no secrets"
    clock.advance(3600)
    assert set(LookBook(state).around(SHOP, clock.now() - timedelta(hours=1))) == {"mongo", "edge"}


def test_a_pause_of_zero_never_looks() -> None:
    clock, played = FakeClock(), Played()
    checks: Any = {"mongo": None}
    keeper = LookKeeper(MemoryState(clock), checks, played, clock, (SHOP,), 0)
    clock.advance(10_000)
    keeper.round()
    assert played.asked == []


# -- metrics of then -------------------------------------------------------------------------------------------------


class Remembering:
    """A Prometheus that says another number of the past."""

    def __init__(self) -> None:
        self.moments: list[datetime | None] = []

    def ask(self, expression: str, seconds: float, moment: datetime | None = None) -> tuple[Sample, ...]:
        self.moments.append(moment)
        if expression == "unknown then":
            return ()
        return (Sample({}, 0.1 if moment else 0.9),)


class Direct:
    """An examiner that asks one after the other."""

    def examine(self, checks: Mapping[str, Check], target: TargetName, seconds: float) -> Any:
        return {name: check(target, seconds) for name, check in checks.items()}


def test_metrics_are_asked_of_prometheus_as_they_were() -> None:
    past = Remembering()
    questions = [Question("p95", "p95", "seconds", above=0.8), Question("new", "unknown then", "count")]
    checks: Any = {"metrics": MetricsCheck(past, questions)}
    targets: Any = {SHOP: None}
    house = House()
    house.handler = HealthHandler(
        targets, checks, Direct(), house.state, house.clock, None, lambda at: MetricsCheck(Then(past, at), questions)
    )
    title, _, lines = house.compared("metrics")
    assert "1 verdicts and 1 numbers changed" in title
    assert "p95 100 ms → 900 ms" in lines
    assert "Not seen then: new" not in lines, "it is not known now either"
    assert house.clock.now() - timedelta(hours=1) in past.moments
