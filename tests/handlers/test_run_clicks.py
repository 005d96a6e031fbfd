"""Three people click over two desks whose processes die between any two calls, also while a step is at work.

- No attempt of a step is at work twice, and of one run never two steps at once.
- What an attempt found never changes afterwards, and none is lost.
- A click that does nothing says why: at once, or in the run's thread when its job came too late.
- In the end, when everybody lives again, nothing is left running and nothing is held.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.core.answers import Actor, JobId, Press, TargetName
from handlers.core.approval import Gate
from handlers.core.attempts import Attempt, StepState
from handlers.core.cards import Card
from handlers.core.desk import Accepted, Desk, Outside
from handlers.core.errors import Problem
from handlers.core.jobs import Job, JobState
from handlers.core.ledger import Ledger
from handlers.core.library import Library
from handlers.core.records import Jobs
from handlers.core.run_cards import run_card
from handlers.core.run_records import RunRecords
from handlers.core.runbooks import read
from handlers.core.runs import Run
from handlers.deeds import Hands
from handlers.looks import Eyes
from handlers.performing import Performer, lane
from handlers.runbooks import Beginnings, RunbookHandler
from handlers.steps import SHAPES
from tests.fake_probes import FakeNetwork, FakeProgram, FakeRollback, FakeWeb
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

SEQUENCES = 3000 if os.environ.get("CHAOS") == "full" else 250
PEOPLE = [someone("U0SARA"), someone("U0OMID"), someone("U0LEILA")]
SHOP = TargetName("shop")
DATA = {
    "title": "Clicks",
    "steps": [
        {"name": "one", "kind": "http", "title": "One", "with": {"url": "http://x/one"}, "on_failure": "continue"},
        {"name": "hand", "kind": "manual", "title": "By hand", "text": "Do it."},
        {"name": "two", "kind": "http", "title": "Two", "with": {"url": "http://x/two"}},
        {"name": "back", "kind": "rollback", "title": "Back"},
    ],
}


class Empty:
    """A shelf without files."""

    def look(self) -> dict[str, object]:
        return {}


class Interleaved:
    """State as one process reaches it; something else may happen just before it stores a run or claims a lane."""

    def __init__(self, state: MemoryState, world: World) -> None:
        self._state, self._world = state, world
        self.get, self.keys, self.delete_if = state.get, state.keys, state.delete_if
        self.incarnation = state.incarnation

    def put_if(
        self, key: str, value: bytes, version: str | None, *, seconds: int | None = None, touch: str = ""
    ) -> str | None:
        if key.startswith(("run:", "busy:")) and self._world.between:
            self._world.between.pop(0)()
        return self._state.put_if(key, value, version, seconds=seconds, touch=touch)


class World:
    """Two processes over one memory."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.memory = MemoryState(self.clock)
        self.faults = [Faults(), Faults()]
        self.between: list[Callable[[], None]] = []
        self.states = [Interleaved(self.memory.beside(each), self) for each in self.faults]
        self.entropy, self.factors, self.audit = FakeEntropy(), FakeFactors(), MemoryAudit()
        for person in PEOPLE:
            self.factors.add(person.person)
        self.waiting: list[JobId] = []
        self.inside: list[tuple[str, int]] = []
        self.worked: list[tuple[str, int]] = []
        self.meanwhile: list[Callable[[], None]] = []
        self.values: list[tuple[str, str]] = []
        self.records, self.jobs = RunRecords(self.memory), Jobs(self.memory)
        self.refused: list[str] = []
        self.seen: dict[str, tuple[Attempt, ...]] = {}
        runbook, problems = read("clicks", DATA, SHAPES)
        assert runbook is not None, problems
        self.records.create(Run("run1", runbook, SHOP, "C0OPS", PEOPLE[0].person, PEOPLE[0].person, self.clock.now()))
        self.desks = [self.process(0), self.process(1)]

    def process(self, number: int) -> Desk:
        faults, state = self.faults[number], self.states[number]
        web = FakeWeb(during=lambda url: self.work_on(url.rpartition("/")[2], faults))
        rollback = FakeRollback(during=lambda: self.work_on("back", faults))
        eyes = Eyes(web, FakeNetwork(), self.clock, health_url="")
        hands = Hands(self.clock, FakeProgram(), {}, rollback=rollback)
        performer = Performer(RunRecords(state), Jobs(state), eyes, hands, self.clock)
        handler = RunbookHandler(Beginnings(Library(Empty(), SHAPES), Ledger(state), self.entropy, SHOP), performer)
        gate = Gate(state, self.factors, self.clock, self.entropy)
        queue = MemoryQueue(self.waiting, faults)
        outside = Outside(state, queue, self.audit, FakePeople(), self.clock, self.entropy)
        return Desk({"runbook": handler}, gate, outside, (handler,))

    @property
    def run(self) -> Run:
        found = self.records.load("run1")
        assert found is not None
        return found

    def work_on(self, step: str, faults: Faults) -> None:
        """A step is at work here now."""
        key = (step, len(self.run.tries(step)))
        assert not self.inside, f"{key} while {self.inside} is at work"
        assert key not in self.worked, f"{key} is at work twice"
        last = self.run.last(step)
        assert last is not None
        assert last.state is StepState.RUNNING
        self.worked.append(key)
        self.inside.append(key)
        try:
            if self.meanwhile:
                self.meanwhile.pop(0)()
            with faults.at("step.work"):
                pass
        finally:
            self.inside.remove(key)

    def look(self) -> None:
        """Remembers every button ever shown; what an attempt found stays."""
        run = self.run
        for button in run_card(run, self.jobs.holder(SHOP, lane("run1"))).buttons:
            if (button.action, button.value) not in self.values:
                self.values.append((button.action, button.value))
        for name, tries in self.seen.items():
            for before, now in zip(tries, run.tries(name), strict=False):
                assert before == now or before.state is StepState.RUNNING
            assert len(run.tries(name)) >= len(tries)
        self.seen = {step.name: run.tries(step.name) for step in run.runbook.steps}

    def doing(self, number: int, what: Callable[[Desk], None]) -> None:
        """In one process; when it dies, another one goes on in its place."""
        try:
            what(self.desks[number])
        except Killed:
            self.faults[number].revive()
            self.desks[number] = self.process(number)
        except Problem as problem:
            self.refused.append(str(problem))

    def press(self, number: int, actor: Actor, choice: int) -> None:
        self.look()
        running = [each for each in self.values if each[0] in {"step_run", "step_done"}]
        usual = (running[-1:], running[-3:], running, self.values)[choice % 4] or self.values
        action, value = usual[choice // 4 % len(usual)]
        if action in {"run_abort", "run_hand_over", "run_report"} and choice % 5:
            return

        def pressed(desk: Desk) -> None:
            before, known = self.run, len(self.memory.keys("job:"))
            answer = desk.press(Press(action, value, actor, "C0OPS"))
            assert isinstance(answer, Card) or self.run != before or len(self.memory.keys("job:")) > known

        self.doing(number, pressed)

    def approve(self, number: int) -> None:
        """Whoever was offered something types the right code."""
        for job in self.jobs.active():
            if job.state is JobState.OFFERED:
                self.clock.advance(31)

                def typed(desk: Desk, job: Job = job) -> None:
                    actor = job.plan.actor
                    code = self.factors.code(actor.person, int(self.clock.now().timestamp()) // 30)
                    answer = desk.approve(desk.challenge(job.id, actor).id, actor, code)
                    assert isinstance(answer, Accepted) or str(answer.text)

                self.doing(number, typed)
                return

    def work(self, number: int) -> None:
        given, self.waiting[:] = list(self.waiting), []
        for job in given:
            self.doing(number, lambda desk, job=job: desk.work(job))  # type: ignore[misc]

    def tend(self, number: int) -> None:
        self.clock.advance(31)
        self.doing(number, lambda desk: desk.tend())

    def act(self, action: tuple[Any, ...]) -> None:
        match action:
            case ("press", number, person, choice):
                self.press(number, PEOPLE[person], choice)
            case ("work", number):
                self.work(number)
            case ("tend", number):
                self.tend(number)
            case ("approve", number):
                self.approve(number)
            case ("kill", number, (call, nth), more):
                self.faults[number].kill(call, nth + (0 if call == "step.work" else more))
            case ("meanwhile", other):
                self.meanwhile.append(lambda: self.act(other))
            case ("between", others):
                self.between.append(lambda: self.all(others))
        self.look()

    def all(self, actions: list[tuple[Any, ...]]) -> None:
        for each in actions:
            self.act(each)

    def drain(self) -> None:
        """Everybody lives; what waits is done."""
        self.meanwhile.clear()
        self.between.clear()
        for each in self.faults:
            each.revive()
        for _ in range(40):
            if not self.jobs.active():
                return
            self.clock.advance(600)
            self.tend(0)
            self.work(1)
            self.look()
        raise AssertionError(f"still there: {self.jobs.active()}")

    def judge(self) -> None:
        run = self.run
        assert all(self.refused)
        assert run.running is None
        assert self.jobs.holder(SHOP, lane("run1")) is None
        attempts = {
            each.job: number for tries in run.attempts.values() for number, each in enumerate(tries, 1) if each.job
        }
        said = " ".join(str(each.text) for each in run.said)
        for key in self.memory.keys("job:"):
            job = self.jobs.load(JobId(key.removeprefix("job:")))
            assert job is not None
            assert attempts.get(job.id) in {None, job.plan.arguments["attempt"]}
            if job.id not in attempts and job.started is not None:
                assert f"{job.plan.actor.person} pressed for" in said, job


simple = st.one_of(
    st.tuples(st.just("press"), st.integers(0, 1), st.integers(0, 2), st.integers(0, 80)),
    st.tuples(st.just("work"), st.integers(0, 1)),
    st.tuples(st.just("work"), st.integers(0, 1)),
    st.tuples(st.just("tend"), st.integers(0, 1)),
    st.tuples(st.just("approve"), st.integers(0, 1)),
)
actions = st.one_of(
    simple,
    simple,
    st.tuples(
        st.just("kill"),
        st.integers(0, 1),
        st.sampled_from([("step.work", 1), ("state.put_if", 3), ("queue.put", 1)]),
        st.integers(0, 8),
    ),
    st.tuples(st.just("kill"), st.integers(0, 1), st.just(("*", 1)), st.integers(0, 30)),
    st.tuples(st.just("meanwhile"), simple),
    st.tuples(st.just("between"), st.lists(simple, min_size=1, max_size=3)),
)


@settings(max_examples=SEQUENCES, suppress_health_check=list(HealthCheck))
@given(st.lists(actions, min_size=15, max_size=60))
def test_no_attempt_is_at_work_twice_nothing_is_lost_and_every_refused_click_says_why(
    chosen: list[tuple[Any, ...]],
) -> None:
    world = World()
    world.look()
    for action in chosen:
        world.act(action)
    world.drain()
    world.judge()
