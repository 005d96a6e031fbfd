"""Three people click over two desks whose processes die between any two calls, also while a step is at work.

- No attempt of a step is at work twice, and of one run never two steps at once.
- What an attempt found never changes afterwards, and none is lost.
- A click that does nothing says why: at once, or in the run's thread when its job came too late.
- In the end, when everybody lives again, nothing is left running and nothing is held.
- A sequence begins with nothing done, or with so many steps done, or with the run ended.

It prints how much happened, and in which states of the run processes died; `make chaos` takes 3,000 sequences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.beginnings import Beginnings
from handlers.core.alerts.ledger import Ledger
from handlers.core.door.approval import Gate
from handlers.core.door.desk import Accepted, Desk, Outside
from handlers.core.door.permits import Permits
from handlers.core.door.records import Jobs
from handlers.core.door.rules import NoRules
from handlers.core.runbooks.attempts import Attempt, StepState
from handlers.core.runbooks.library import Library
from handlers.core.runbooks.run_cards import run_card, value_of
from handlers.core.runbooks.run_records import RunRecords
from handlers.core.runbooks.runbooks import read
from handlers.core.runbooks.runs import Run
from handlers.core.words.answers import Actor, JobId, Press, TargetName
from handlers.core.words.cards import Card
from handlers.core.words.errors import Problem
from handlers.core.words.forms import Form
from handlers.core.words.jobs import Job, JobState
from handlers.deeds import Hands
from handlers.handwork import Handwork
from handlers.looks import Eyes
from handlers.performing import Performer, lane
from handlers.runbooks import RunbookHandler
from handlers.steps import SHAPES
from tests.depth import FULL
from tests.fake_probes import FakeNetwork, FakeProgram, FakeServices, FakeWeb, rollbacks_of
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
    MemoryStore,
    someone,
)

MANY = 3000
SEQUENCES = MANY if FULL else 250
PEOPLE = [someone("U0SARA"), someone("U0OMID"), someone("U0LEILA")]
SHOP = TargetName("shop")
DATA = {
    "title": "Clicks",
    "steps": [
        {"name": "one", "kind": "http", "title": "One", "with": {"url": "http://x/one"}, "on_failure": "continue"},
        {"name": "hand", "kind": "manual", "title": "By hand", "text": "Do it."},
        {"name": "two", "kind": "http", "title": "Two", "with": {"url": "http://x/two"}},
        {"name": "back", "kind": "rollback", "title": "Back", "on_failure": "continue"},
    ],
}


STATES = {
    "one is next", "one waits for a worker", "one runs", "one was interrupted", "hand is next",
    "two is next", "two waits for a worker", "two runs", "two was interrupted",
    "back is next", "back waits for a code", "back waits for a worker", "back runs", "back was interrupted",
    "done", "ended",
}  # fmt: skip


@dataclass
class Figures:
    """What happened in all sequences."""

    counts: Counter[str] = field(default_factory=Counter)
    died: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {what}" for what, count in self.counts.items())
        return "\n".join((counts, *(f"  died while {state}: {self.died[state]}" for state in sorted(self.died))))


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

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self.clock = FakeClock()
        self.memory, self.store = MemoryState(self.clock), MemoryStore(self.clock)
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
        services = FakeServices(takes_back=False, during=lambda: self.work_on("back", faults))
        rollbacks = rollbacks_of(services, self.clock, store=self.store)
        eyes = Eyes(web, FakeNetwork(), self.clock, health_url="")
        hands = Hands(self.clock, FakeProgram(), {}, rollbacks=rollbacks)
        performer = Performer(RunRecords(state), Jobs(state), eyes, hands, self.clock)
        gate = Gate(state, self.factors, self.clock, self.entropy)
        handwork = Handwork(performer, Permits(gate, FakePeople(), NoRules(), self.audit, self.clock))
        beginnings = Beginnings(Library(Empty(), SHAPES), Ledger(state), self.entropy, SHOP)
        handler = RunbookHandler(beginnings, performer, handwork)
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
            self.figures.died[self.state()] += 1
            self.faults[number].revive()
            self.desks[number] = self.process(number)
        except Problem as problem:
            self.refused.append(str(problem))

    def state(self) -> str:
        """Where the run is, as a process that just died left it."""
        run = self.run
        if run.closed is not None:
            return "ended"
        holder = self.jobs.holder(SHOP, lane("run1"))
        if run.running is not None:
            return f"{run.running.name} runs"
        if holder is not None:
            return f"{holder.plan.arguments['step']} waits for a worker"
        if any(each.state is JobState.OFFERED for each in self.jobs.active()):
            return "back waits for a code"
        if run.current is None:
            return "done"
        last = run.last(run.current.name)
        interrupted = last is not None and last.state is StepState.INTERRUPTED
        return f"{run.current.name} {'was interrupted' if interrupted else 'is next'}"

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
            if isinstance(answer, Form):
                typed = {"note": "because" if choice % 3 else "", "person": PEOPLE[choice % 2].person}
                answer = desk.press(Press(answer.action, answer.value, actor, "C0OPS", typed))
            if isinstance(answer, Form):
                assert any("why" in str(each) for each in answer.lines)
                return
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

    def forward(self, phases: int) -> None:
        """Nothing goes wrong yet: so many steps are done, and after the last of them the run is ended."""
        for _ in range(phases):
            self.look()
            current = self.run.current
            wanted = {"run_abort"} if current is None else {"step_run", "step_done"}
            step = "" if current is None else value_of(self.run, current)
            action, value = next(each for each in self.values if each[0] in wanted and each[1] in {step, "run1"})
            answer = self.desks[0].press(Press(action, value, PEOPLE[0], "C0OPS"))
            if isinstance(answer, Form):
                self.desks[0].press(Press(answer.action, answer.value, PEOPLE[0], "C0OPS", {"note": "because"}))
            self.approve(0)
            self.work(1)
        self.look()

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


def test_no_attempt_is_at_work_twice_nothing_is_lost_and_every_refused_click_says_why() -> None:
    figures = Figures()

    @settings(max_examples=SEQUENCES, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 5), st.lists(actions, min_size=15, max_size=60))
    def lived_through(phases: int, chosen: list[tuple[Any, ...]]) -> None:
        world = World(figures)
        world.forward(phases)
        figures.counts[f"began after {len(world.worked)} steps at work"] += 1
        for action in chosen:
            world.act(action)
        world.drain()
        world.judge()
        figures.counts["sequences"] += 1
        figures.counts["things done"] += len(chosen)
        figures.counts["steps at work"] += len(world.worked)
        figures.counts["clicks refused with the reason"] += len(world.refused)

    lived_through()
    print(figures)
    assert figures.counts["sequences"] >= SEQUENCES
    assert figures.died.keys() <= STATES
    assert len(figures.died) >= (len(STATES) if SEQUENCES == MANY else 10)
