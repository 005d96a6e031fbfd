"""Runbooks that begin by themselves: once for each episode over any number of bots, whatever dies; only looking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.beginnings import Beginnings
from handlers.core.alerts import notices
from handlers.core.alerts.books import Own
from handlers.core.alerts.ledger import Ledger
from handlers.core.door.approval import Gate
from handlers.core.door.desk import Desk, Outside
from handlers.core.door.permits import Permits
from handlers.core.door.records import Jobs
from handlers.core.door.rules import NoRules
from handlers.core.runbooks.attempts import StepState
from handlers.core.runbooks.library import Library
from handlers.core.runbooks.probes import Page
from handlers.core.runbooks.run_acts import unfit
from handlers.core.runbooks.run_cards import run_card
from handlers.core.runbooks.run_records import RunRecords
from handlers.core.runbooks.run_reports import report
from handlers.core.runbooks.runbooks import read
from handlers.core.runbooks.runs import Run
from handlers.core.words.answers import Press, TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text
from handlers.deeds import Hands
from handlers.handwork import Handwork
from handlers.looks import Eyes
from handlers.performing import Performer
from handlers.runbooks import RunbookHandler
from handlers.steps import SHAPES
from handlers.vigil import RULE, Vigil
from tests.fake_probes import FakeNetwork, FakeProgram, FakeWeb
from tests.fakes import (
    FakeClock,
    FakeEntropy,
    FakeFactors,
    FakePeople,
    Faults,
    Killed,
    MemoryAudit,
    MemoryQueue,
    MemoryState,
    someone,
)
from tests.handlers.test_runbooks import Files

SHOP, ALERTS, SARA = TargetName("shop"), "C0ALERTS", someone("U0SARA")
STEPS: list[dict[str, Any]] = [
    {"name": "one", "kind": "http", "title": "One", "with": {"url": "http://x/one"}, "on_failure": "continue"},
    {"name": "two", "kind": "http", "title": "Two", "with": {"url": "http://x/two/${job}"}},
    {"name": "deed", "kind": "command", "title": "Deed", "with": {"program": "restart"}},
    {"name": "three", "kind": "http", "title": "Three", "with": {"url": "http://x/three"}},
]
WHY = {"note": "because"}
DATA: dict[str, Any] = {"title": "It", "answers": [{"alertname": "Slow"}], "steps": STEPS, "begins": {}}


class World:
    """Two bots over one memory. Alerts have their cards."""

    def __init__(self, **begins: Any) -> None:
        self.clock, self.entropy, self.audit = FakeClock(), FakeEntropy(), MemoryAudit()
        self.memory = MemoryState(self.clock)
        self.faults = [Faults(), Faults()]
        self.waiting: list[Any] = []
        self.asked: list[str] = []
        self.between: list[Callable[[], None]] = []
        self.web = FakeWeb(during=self._asks)
        self.files = Files(it={**DATA, "begins": begins})
        self.records, self.ledger = RunRecords(self.memory), Ledger(self.memory)
        self.bots = [self.bot(0), self.bot(1)]

    def bot(self, number: int) -> tuple[Desk, Vigil]:
        state = self.memory.beside(self.faults[number])
        eyes = Eyes(self.web, FakeNetwork(), self.clock)
        performer = Performer(RunRecords(state), Jobs(state), eyes, Hands(self.clock, FakeProgram(), {}), self.clock)
        beginnings = Beginnings(Library(self.files, SHAPES), Ledger(state), self.entropy, SHOP)
        gate = Gate(state, FakeFactors(), self.clock, self.entropy)
        handwork = Handwork(performer, Permits(gate, FakePeople(), NoRules(), self.audit, self.clock))
        handler = RunbookHandler(beginnings, performer, handwork)
        queue = MemoryQueue(self.waiting, self.faults[number])
        desk = Desk({"runbook": handler}, gate, Outside(state, queue, self.audit, FakePeople(), self.clock,
                    self.entropy), (handler,))  # fmt: skip
        return desk, Vigil(beginnings, performer, state, "T0LOCAL", desk.press)

    def _asks(self, url: str) -> None:
        self.asked.append(url)
        for number, faults in enumerate(self.faults):
            if number == self.working:
                with faults.at("step.work"):
                    pass

    working = 0

    def fire(self, *, severity: str = "critical", number: int = 0, job: str = "shop") -> str:
        labels = {"alertname": "Slow", "severity": severity, "job": job, "number": str(number)}
        seen = notices.Seen(notices.fingerprint_of(labels), labels, {}, self.clock.now(), None, "")
        notice = notices.Notice("am", "r", {"alertname": "Slow", "number": str(number)}, (seen,))
        self.ledger.fold(notice, self.clock.now(), lambda group, change: ())
        group, own = self.ledger.load(notice.group), Own(0, self.clock.now(), shown=True)
        assert group is not None
        own = replace(own, serial=group.serial)
        self.ledger.change_book(ALERTS, lambda book: replace(book, own={**book.own, notice.group: own}))
        return notice.group

    def end(self, group_id: str) -> None:
        group = self.ledger.load(group_id)
        assert group is not None
        ended = {name: replace(each, ended=self.clock.now(), told_over=self.clock.now())
                 for name, each in group.alerts.items()}  # fmt: skip
        self.ledger.change(group_id, lambda each: replace(each, alerts=ended))

    def doing(self, number: int, what: Callable[[Desk, Vigil], None]) -> None:
        """In one process; when it dies, another one goes on in its place."""
        try:
            what(*self.bots[number])
        except Killed:
            self.faults[number].revive()
            self.bots[number] = self.bot(number)
        except OutsideError:
            pass

    def round(self, number: int = 0) -> None:
        self.doing(number, lambda desk, vigil: vigil.round())

    def work(self, number: int = 0) -> None:
        given, self.waiting[:], self.working = list(self.waiting), [], number
        for job in given:
            self.doing(number, lambda desk, vigil, job=job: desk.work(job))  # type: ignore[misc]

    def tend(self, number: int = 0) -> None:
        self.clock.advance(31)
        self.doing(number, lambda desk, vigil: desk.tend())

    def settle(self) -> None:
        """Everybody lives, and does everything there is to do."""
        for each in self.faults:
            each.revive()
        for _ in range(6):
            for number in (0, 1):
                self.tend(number)
                self.round(number)
                self.work(number)

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.records.all()

    def said(self, group_id: str) -> str:
        group = self.ledger.load(group_id)
        assert group is not None
        return "\n".join(map(str, group.said))


def test_the_card_is_there_with_its_verdicts_before_anybody_pressed_and_the_deed_waits() -> None:
    world = World()
    group_id = world.fire()
    world.web.answer = Page(503)
    world.settle()
    (run,) = world.runs
    assert (run.channel, run.group, run.labels["job"], run.by) == (ALERTS, group_id, "shop", RULE)
    card = run_card(run, None)
    assert [run.tries(name)[-1].state for name in ("one", "two")] == [StepState.FAILED] * 2
    assert run.tries("deed") == run.tries("three") == ()
    assert world.asked == ["http://x/one", "http://x/two/shop"]
    assert "Began by itself" in str(card.facts)
    assert "step_run" in {each.action for each in card.buttons}
    assert world.said(group_id).count("begins by itself") == 1


def test_a_person_goes_on_where_it_stopped_and_the_report_tells_who_came_when() -> None:
    world = World()
    group_id = world.fire()
    world.settle()
    (run,) = world.runs
    assert run.current is not None
    assert run.current.name == "deed"
    assert "Time to acknowledge: not known" in report(run, world.ledger.load(group_id))
    world.clock.advance(60)
    world.bots[0][0].press(Press("step_skip_note", f"{run.id}/deed/1", SARA, ALERTS, WHY))
    world.settle()
    (run,) = world.runs
    assert run.tries("three") == ()  # it only looks, but it is not one of the first
    written = report(run, world.ledger.load(group_id))
    assert "the runbook began by itself" in written
    assert "Time to acknowledge: not known" not in written


@pytest.mark.parametrize(
    ("begins", "fires", "expected"),
    [
        ({"severity": "error"}, {"severity": "warning"}, 0),
        ({"severity": "error"}, {"severity": "error"}, 1),
        ({"severity": "info"}, {"severity": "strange"}, 0),
        ({"match": {"job": "/sho./"}}, {}, 1),
        ({"match": {"job": "other"}}, {}, 0),
    ],
)
def test_only_what_is_bad_enough_and_matches_begins(begins: Any, fires: Any, expected: int) -> None:
    world = World(**begins)
    world.fire(**fires)
    world.settle()
    assert len(world.runs) == expected


def test_a_silenced_alert_an_old_one_and_one_without_a_card_of_its_own_begin_nothing() -> None:
    world = World()
    group_id = world.fire()
    book = world.ledger.book(ALERTS)
    world.ledger.change_book(
        ALERTS, lambda each: replace(each, own={group_id: replace(book.own[group_id], shown=False)})
    )
    world.settle()
    world.ledger.change_book(ALERTS, lambda each: book)
    world.clock.advance(timedelta(minutes=15).total_seconds())
    world.settle()
    assert world.runs == ()


def test_an_episode_begins_once_and_the_next_one_after_the_quiet_time_again() -> None:
    world = World(quiet_minutes=30)
    group_id = world.fire()
    world.settle()
    world.bots[0][0].press(Press("run_abort_why", world.runs[0].id, SARA, ALERTS, WHY))
    world.settle()
    other = world.fire(number=2)
    world.settle()
    assert [run.closed_by for run in world.runs] == [SARA.person]
    assert "did not begin by itself: another began less than 30 minutes ago" in world.said(other)
    world.end(group_id)
    world.clock.advance(timedelta(minutes=31).total_seconds())
    world.fire()
    world.settle()
    assert len(world.runs) == 2
    assert len({each.id for each in world.runs}) == 2


def test_at_most_so_many_runs_are_open_and_one_that_nobody_needs_any_more_is_ended() -> None:
    world = World(most_open=2, quiet_minutes=0)
    groups = [world.fire(number=number) for number in range(4)]
    world.settle()
    assert len(world.runs) == 2
    assert sum("2 runs of it are open" in world.said(each) for each in groups) == 2
    for each in groups:
        world.end(each)
    world.clock.advance(timedelta(minutes=11).total_seconds())
    world.settle()
    assert [run.closed_by for run in world.runs] == [RULE, RULE]
    assert "its alert is over, and nobody touched it" in str(run_card(world.runs[0], None).lines)
    world.fire(number=9)
    world.settle()
    assert len(world.runs) == 3


def test_a_run_that_somebody_touched_is_theirs_to_end() -> None:
    world = World()
    group_id = world.fire()
    world.settle()
    world.bots[0][0].press(Press("step_skip_note", f"{world.runs[0].id}/deed/1", SARA, ALERTS, WHY))
    world.end(group_id)
    world.clock.advance(timedelta(minutes=11).total_seconds())
    world.settle()
    assert world.runs[0].closed is None


def test_who_presses_the_alerts_button_is_shown_the_run_that_began_by_itself_and_a_persons_run_begins_nothing() -> None:
    world = World()
    group_id = world.fire()
    world.settle()
    told = world.bots[1][0].press(Press("alert_runbook", group_id, SARA, ALERTS))
    assert "began by itself" in str(told)
    other = World()
    group_id = other.fire()
    assert other.bots[0][0].press(Press("alert_runbook", group_id, SARA, ALERTS)) is None
    other.settle()
    assert [run.by for run in other.runs] == [SARA.person]
    assert other.asked == []


def test_a_label_that_fits_no_argument_makes_the_step_unknown_and_asks_nothing() -> None:
    world = World()
    world.fire(job="../../admin")
    world.settle()
    (run,) = world.runs
    last = run.last("two")
    assert last is not None
    assert last.state is StepState.UNKNOWN
    assert world.asked == ["http://x/one"]
    assert sum(each.operation == "step_run" for each in world.audit.events) == 1


def test_a_step_whose_worker_died_is_not_looked_at_again_by_itself() -> None:
    world = World()
    world.fire()
    world.round()
    world.faults[0].kill("step.work")
    world.work(0)
    world.clock.advance(60)
    world.settle()
    (run,) = world.runs
    assert [each.state for each in run.tries("one")] == [StepState.INTERRUPTED]
    assert world.asked == ["http://x/one"]


@pytest.mark.parametrize(
    ("begins", "wrong"),
    [
        ({"steps": ["one", "two", "deed"]}, "deed does not only look"),
        ({"steps": ["two"]}, "expected the names of the first steps"),
        ({"steps": ["three"]}, "expected the names of the first steps"),
        ({"steps": []}, "expected the names of the first steps"),
        ({"severity": "none"}, "severity"),
        ({"most_open": 0}, "most_open"),
        ({"quiet_minutes": True}, "quiet_minutes"),
        ({"match": {"job": "/(/"}}, "neither a word nor"),
        ({"how": 1}, "`how` is not known"),
        ([], "expected a mapping"),
    ],
)
def test_the_lint_refuses_whatever_does_not_only_look(begins: Any, wrong: str) -> None:
    found, problems = read("it", {**DATA, "begins": begins}, SHAPES)
    assert found is None
    assert any(wrong in each for each in problems), problems


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_every_kind_that_does_something_is_refused_as_a_first_step(kind: str) -> None:
    given = {name: "restart" if name == "program" else "5" for name in SHAPES[kind].arguments
             if SHAPES[kind].arguments[name].required}  # fmt: skip
    step = {"name": "it", "kind": kind, "title": "It", "text": "Do it.", "with": given}
    _, problems = read("it", {"title": "It", "steps": [step], "begins": {"steps": ["it"]}}, SHAPES)
    looks = kind in {"http", "mongo", "network", "promql", "slack_token"}
    assert any("does not only look" in each for each in problems) != looks
    if looks:
        _, problems = read(
            "it", {"title": "It", "steps": [{**step, "confirm": "totp"}], "begins": {"steps": ["it"]}}, SHAPES
        )
        assert any("does not only look" in each for each in problems)


@pytest.mark.parametrize("writes", range(6))
def test_two_bots_that_decide_at_the_same_time_begin_it_once_and_keep_to_the_most(writes: int) -> None:
    world = World(quiet_minutes=0, most_open=1)
    for number in range(3):
        world.fire(number=number)
    interleaved(world, writes)
    world.settle()
    assert len(world.runs) == 1
    assert Counter(world.asked) == {"http://x/one": 1, "http://x/two/shop": 1}


def test_a_bot_that_always_comes_second_begins_nothing_and_the_next_round_does() -> None:
    world = World()
    group_id = world.fire()
    state = world.bots[0][1]._state
    plain = state.put_if

    def first(key: str, *given: Any, **more: Any) -> str | None:
        return None if key.startswith("begins:") else plain(key, *given, **more)

    state.put_if = first  # type: ignore[method-assign]
    with pytest.raises(OutsideError, match="Too many began the same runbook at once"):
        world.bots[0][1].round()
    assert (world.runs, world.said(group_id)) == ((), "")
    state.put_if = plain  # type: ignore[method-assign]
    world.round()
    assert len(world.runs) == 1


def test_a_person_who_presses_in_the_same_moment_is_the_one_who_runs_the_step() -> None:
    world = World()
    world.fire()
    desk, vigil = world.bots[0]
    plain = desk.press

    def faster(press: Press) -> object:
        plain(Press(press.action, press.value, SARA, ALERTS))
        return plain(press)

    vigil._press = faster
    vigil.round()
    world.work()
    (run,) = world.runs
    assert [each.who for each in run.tries("one")] == [SARA.person]
    assert world.asked == ["http://x/one"]


def test_a_run_that_people_brought_to_its_end_is_left_as_it_is() -> None:
    world = World()
    world.fire()
    world.settle()
    (run,) = world.runs
    for name in ("deed", "three"):
        world.bots[0][0].press(Press("step_skip_note", f"{run.id}/{name}/1", SARA, ALERTS, WHY))
    (run,) = world.runs
    assert run.over == world.clock.now()
    world.settle()
    assert world.runs == (run,)
    assert len(world.asked) == 2


def test_a_step_that_a_person_tried_before_it_was_found_unfit_stays_theirs() -> None:
    world = World()
    world.fire()
    world.round()
    world.work()
    (run,) = world.runs
    why, now = Text("It does not fit."), world.clock.now()
    assert [each.state for each in unfit(run, "two", why, now).tries("two")] == [StepState.UNKNOWN]
    world.bots[0][0].press(Press("step_skip_note", f"{run.id}/two/1", SARA, ALERTS, WHY))
    (run,) = world.runs
    assert unfit(run, "two", why, now) == run
    assert [each.who for each in run.tries("two")] == [SARA.person]


deeds = st.one_of(
    st.tuples(st.just("round"), st.integers(0, 1)),
    st.tuples(st.just("work"), st.integers(0, 1)),
    st.tuples(st.just("tend"), st.integers(0, 1)),
    st.tuples(st.just("kill"), st.integers(0, 1), st.integers(1, 60), st.booleans()),
    st.tuples(st.just("die at work"), st.integers(0, 1)),
    st.tuples(st.just("between"), st.integers(0, 12)),
)


def lived(world: World, chosen: list[tuple[Any, ...]]) -> None:
    for action in chosen:
        match action:
            case ("round", number):
                world.round(number)
            case ("work", number):
                world.work(number)
            case ("tend", number):
                world.tend(number)
            case ("kill", number, nth, after):
                world.faults[number].kill("*", nth, after=after)
            case ("die at work", number):
                world.faults[number].kill("step.work")
            case ("between", calls):
                interleaved(world, calls)


def interleaved(world: World, calls: int) -> None:
    """The second bot makes a whole round, and works, just before the first one's next but so many writes."""
    state = world.bots[0][1]._state
    plain = state.put_if
    left = [calls]

    def put_if(*given: Any, **more: Any) -> str | None:
        left[0] -= 1
        if left[0] == -1:
            world.round(1)
            world.work(1)
        return plain(*given, **more)

    state.put_if = put_if  # type: ignore[method-assign]
    try:
        world.round(0)
    finally:
        state.put_if = plain  # type: ignore[method-assign]


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.lists(deeds, min_size=5, max_size=40))
def test_whatever_dies_an_episode_begins_once_and_no_step_is_looked_at_twice(chosen: list[tuple[Any, ...]]) -> None:
    world = World(quiet_minutes=0)
    group_id = world.fire()
    lived(world, chosen)
    fresh = world.clock.now() - world.ledger.book(ALERTS).own[group_id].at < timedelta(minutes=15)
    world.settle()
    assert len(world.runs) == 1 or (not fresh and not world.runs)
    assert max(Counter(world.asked).values(), default=0) <= 1
    for run in world.runs:
        assert world.said(group_id).count("begins by itself") == 1
        assert all(len(run.tries(name)) <= 1 for name in ("one", "two"))
        assert run.running is None
        last = run.last("one")
        assert last is not None
        assert run.last("two") is not None or last.state is StepState.INTERRUPTED
