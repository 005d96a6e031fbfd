"""Plots of promql steps: in the run's card afterwards, once, and never a condition of anything."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from handlers.core.runbooks.attempts import StepState
from handlers.core.runbooks.probes import Sample
from handlers.core.runbooks.run_cards import run_card
from handlers.core.runbooks.run_records import decoded, encoded
from handlers.core.runbooks.run_reports import report
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text
from handlers.sketches import Sketches
from tests.fakes import Faults, Killed
from tests.handlers.run_house import House

STEPS: list[dict[str, Any]] = [
    {"name": "health", "kind": "http", "title": "Health"},
    {"name": "slow", "kind": "promql", "title": "Slow", "with": {"query": 'p95{job="${job}"}', "above": 0.8},
     "on_failure": "continue"},
    {"name": "more", "kind": "promql", "title": "More", "with": {"query": "up", "below": 1}},
]  # fmt: skip
AWAY = OutsideError(Text("Prometheus does not answer."))


@dataclass
class Drawn:
    """A plotter and a gallery."""

    answer: bytes | OutsideError | None = b"\x89PNG"
    asked: list[tuple[str, str, datetime, float | None]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def plot(self, expression: str, title: str, until: datetime, threshold: float | None) -> bytes | None:
        self.asked.append((expression, title, until, threshold))
        if isinstance(self.answer, OutsideError):
            raise self.answer
        return self.answer

    def upload(self, name: str, data: bytes, alt: Text) -> str:
        self.kept.append(str(alt))
        return f"F{len(self.kept)}"


@pytest.fixture
def house() -> House:
    house = House({"it": {"title": "It", "steps": STEPS}})
    house.start("it")
    house.records.change(house.run_id, lambda run: replace(run, labels={"job": "shop"}))
    house.step("health")
    house.metrics.answer = (Sample({}, 1.5),)
    return house


def sketches(house: House, drawn: Drawn, faults: Faults | None = None) -> Sketches:
    state = house.state if faults is None else house.state.beside(faults)
    return Sketches(house.records, state, drawn, drawn, house.clock)


def test_the_hour_before_the_step_is_drawn_with_its_threshold_and_shown_in_the_card_and_named_in_the_report(
    house: House,
) -> None:
    drawn = Drawn()
    assert house.step("slow").tries("slow")[-1].state is StepState.FAILED
    ended = house.run.tries("slow")[-1].ended
    house.clock.advance(120)
    assert sketches(house, drawn).round()
    assert not sketches(house, drawn).round()
    assert drawn.asked == [('p95{job="shop"}', "Slow", ended, 0.8)]
    picture = run_card(house.run, None).picture
    assert picture is not None
    assert picture.file == "F1"
    assert str(picture.alt).startswith("A plot of Slow in the hour before 2026-11-24")
    assert "- `F1`: 2. Slow" in report(house.run, None)
    assert decoded(encoded(house.run)) == house.run
    house.clock.advance(5)
    house.step("more")
    assert sketches(house, drawn).round()
    picture = run_card(house.run, None).picture
    assert picture is not None
    assert picture.file == "F2"
    assert drawn.asked[-1][3] == 1.0


def test_a_step_neither_waits_nor_fails_when_nothing_can_be_drawn(house: House) -> None:
    drawn = Drawn(AWAY)
    assert house.step("slow").tries("slow")[-1].state is StepState.FAILED
    before = house.run
    for _ in range(3):
        with pytest.raises(OutsideError, match="does not answer"):
            sketches(house, drawn).round()
    assert not sketches(house, drawn).round()
    assert house.run == before
    assert run_card(house.run, None).picture is None


@pytest.mark.parametrize("answer", [None, OutsideError(Text("x"), permanent=True)], ids=["nothing", "not understood"])
def test_what_cannot_be_drawn_is_tried_once(house: House, answer: Any) -> None:
    drawn = Drawn(answer)
    house.step("slow")
    assert sketches(house, drawn).round()
    assert not sketches(house, drawn).round()
    assert drawn.kept == []


def test_no_picture_of_what_prometheus_could_not_say_nor_of_other_steps(house: House) -> None:
    house.metrics.answer = AWAY
    house.step("slow")
    assert house.run.tries("slow")[-1].state is StepState.UNKNOWN
    assert house.state.keys("sketch:") == ()


def test_the_state_that_cannot_take_the_wish_changes_no_verdict(house: House) -> None:
    house.press("step_run", "slow/1")
    wanted = house.records.sketch

    def away(*given: Any) -> None:
        raise AWAY

    house.records.sketch = away  # type: ignore[method-assign, assignment]
    house.work()
    house.records.sketch = wanted  # type: ignore[method-assign]
    assert house.run.tries("slow")[-1].state is StepState.FAILED
    assert house.state.keys("active:") == ()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_call_it_is_drawn_at_most_once(house: House, after: bool) -> None:
    house.step("slow")
    number = 0
    while True:
        number += 1
        drawn, faults = Drawn(), Faults()
        house.records.sketch(house.run_id, "slow", 1)
        faults.kill("*", number, after=after)
        try:
            sketches(house, drawn, faults).round()
        except Killed:
            sketches(house, drawn).round()
            assert len(drawn.kept) <= 1
            continue
        break
    assert number > 2
    assert len(drawn.kept) == 1


def test_of_two_bots_one_draws(house: House) -> None:
    drawn = Drawn()
    house.step("slow")
    first, second = sketches(house, drawn), sketches(house, drawn)
    plain = drawn.plot

    def meanwhile(*given: Any) -> bytes | None:
        drawn.plot = plain  # type: ignore[method-assign]
        assert not second.round()
        return plain(*given)

    drawn.plot = meanwhile  # type: ignore[method-assign, assignment]
    assert first.round()
    assert drawn.kept == [drawn.kept[0]]


@pytest.mark.parametrize("call", ["keys", "get"])
def test_a_picture_that_another_bot_took_between_two_calls_is_its_own_to_draw(house: House, call: str) -> None:
    house.step("slow")
    drawn, other, state = Drawn(), Drawn(), house.state.beside(Faults())
    plain, rounds = getattr(state, call), []

    def overtaken(key: str) -> Any:
        found = plain(key)
        rounds.append(sketches(house, other).round())
        return found

    setattr(state, call, overtaken)
    assert not Sketches(house.records, state, drawn, drawn, house.clock).round()
    assert (rounds, len(other.asked), drawn.asked) == ([True], 1, [])


@pytest.mark.parametrize(
    "key", ["sketch:gone/slow/1", "sketch:{run}/slow/0", "sketch:{run}/slow/2", "sketch:{run}/more/1"]
)
def test_an_attempt_that_is_not_there_is_not_drawn_and_not_asked_for_again(house: House, key: str) -> None:
    drawn = Drawn()
    house.step("slow")
    sketches(house, drawn).round()
    before, drawn.asked = house.run, []
    house.state.put_if(key.format(run=house.run_id), b"", None)
    assert sketches(house, drawn).round()
    assert (drawn.asked, house.run, house.state.keys("sketch:")) == ([], before, ())


def test_a_query_that_a_newer_bot_would_refuse_stays_without_a_picture(house: House) -> None:
    drawn = Drawn()
    house.step("slow")
    house.records.change(house.run_id, lambda run: replace(run, labels={"job": "x" * 500}))
    before = house.run
    assert sketches(house, drawn).round()
    assert (drawn.asked, house.run, house.state.keys("sketch:")) == ([], before, ())
