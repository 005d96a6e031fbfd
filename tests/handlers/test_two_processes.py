"""Two processes at once: whatever one does, the other can do something between any two of its steps.

- Two desks over one memory. Before any access of the first one to the state, the second may do something whole.
- Nothing that destroys runs without the codes the rules ask for; no code counts twice; nothing runs twice.
- `make chaos CHAOS=full` tries ten thousand sequences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.core.door.approval import Gate
from handlers.core.door.desk import Accepted, Began, Desk, Outside
from handlers.core.ports import State
from handlers.core.words.answers import Actor, Invocation, JobId, PersonId
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.jobs import JobState
from tests.depth import FULL
from tests.handlers.test_consent import LEILA, NIMA, OMID, OMID_TOO, SARA, Team, policy, wrongly


class Overtaken:
    """A state whose user can be overtaken: before its nth call from now on, something else happens first."""

    def __init__(self, inner: State) -> None:
        self._inner = inner
        self._left = -1
        self._then: Callable[[], None] = lambda: None
        self.overtaken = False

    def before(self, call: int, then: Callable[[], None]) -> None:
        self._left, self._then, self.overtaken = call, then, False

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._inner, name)

        def called(*words: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left == -1:
                self.overtaken = True
                self._then()
            return asked(*words, **named)

        return called


@dataclass(frozen=True)
class Act:
    """What one process does: a kind, by whom, with the newest job or the one before."""

    kind: str
    actor: Actor
    job: int


class Pair(Team):
    """Two desks, and what their codes were taken for."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.book.rules = policy(count)
        self.first = Overtaken(self.state)
        self.desks = [self.desk_over(self.first), self.desk_over(self.state)]
        self.jobs_asked: list[JobId] = []
        self.given: dict[tuple[JobId, str], set[PersonId]] = {}
        self.spent: list[tuple[PersonId, int]] = []
        self.bad: list[str] = []
        self.reasons: list[str] = []
        self.doing.during = self.runs

    def desk_over(self, state: Any) -> Desk:
        gate = Gate(state, self.factors, self.clock, self.entropy)
        return Desk({"do": self.doing}, gate, Outside(
            state, self.queue, self.audit, self.people, self.clock, self.entropy, self.book
        ))  # fmt: skip

    def runs(self, work: Any) -> None:
        self.bad += wrongly(self, work.job, self.given.get((work.job.id, work.job.plan.digest), set()))

    def both(self, act: Act, at: int, other: Act) -> None:
        """The first process acts, and is overtaken by the other."""
        self.first.before(at, lambda: self.acts(other, 1))
        self.acts(act, 0)

    def acts(self, act: Act, which: int) -> None:
        desk = self.desks[which]
        try:
            if act.kind == "ask":
                answer = desk.ask(Invocation("do", ("destroy",), act.actor, "C0OPS"))
                self.jobs_asked += [answer.job] if isinstance(answer, Began) else []
            elif act.kind == "tend":
                desk.tend()
            elif self.jobs_asked:
                self.touches(act, desk, self.jobs_asked[-1 - act.job % len(self.jobs_asked)])
        except Refusal as refusal:
            self.reasons.append(str(refusal.text))
        except OutsideError as error:
            self.reasons.append(str(error.text).partition("at once")[1])

    def touches(self, act: Act, desk: Desk, job: JobId) -> None:
        match act.kind:
            case "confirm" | "same code":
                self.clock.advance(31 if act.kind == "confirm" else 0)
                self.typed(desk, job, act.actor)
            case "work":
                desk.work(job)
            case "cancel":
                desk.cancel(job, act.actor)
            case "change":
                self.jobs.change(job, lambda each: replace(each, plan=replace(each.plan, arguments={"size": 9})))
            case "pretend":
                self.jobs.change(
                    job, lambda each: each.moved(JobState.QUEUED) if each.state is JobState.OFFERED else each
                )

    def typed(self, desk: Desk, job: JobId, actor: Actor) -> None:
        """Opens a question and answers it right."""
        challenge = desk.challenge(job, actor).id
        held, step = self.loaded(job), int(self.clock.now().timestamp()) // 30
        given = self.given.setdefault((job, held.plan.digest), set())
        before = actor.person in given
        given.add(actor.person)  # the other process may run it before this one hears that the code was taken
        answer = desk.approve(challenge, actor, self.factors.code(actor.person, step))
        if isinstance(answer, Accepted):
            self.spent.append((actor.person, step))
        elif not before and actor.person not in self.jobs.confirmed(job, held.plan.digest):
            given.discard(actor.person)


ACTS = st.builds(
    Act,
    st.sampled_from(["ask", "confirm", "confirm", "same code", "work", "work", "cancel", "tend", "change", "pretend"]),
    st.sampled_from([SARA, OMID, OMID_TOO, LEILA, NIMA]),
    st.integers(0, 1),
)
BEGIN = [Act("ask", SARA, 0), Act("confirm", SARA, 0), Act("confirm", LEILA, 0), Act("work", SARA, 0)]


@settings(max_examples=10_000 if FULL else 200)
@given(st.integers(0, 2), st.integers(0, 4), st.lists(st.tuples(ACTS, st.integers(0, 25), ACTS), max_size=12))
def test_nothing_runs_wrongly_whichever_step_another_process_comes_between(
    count: int, usual: int, sequence: list[tuple[Act, int, Act]]
) -> None:
    pair = Pair(count)
    for act in BEGIN[:usual]:
        pair.acts(act, 0)
    for act, at, other in sequence:
        pair.both(act, at, other)
    assert pair.bad == []
    assert all(pair.reasons), "every refusal has its reason"
    assert len(set(pair.spent)) == len(pair.spent), "a code was accepted twice"


ASKED = [Act("ask", SARA, 0), Act("ask", SARA, 0)]
STARTS = {
    "asked twice": ASKED,
    "confirmed by who asked": [*ASKED, Act("confirm", SARA, 0)],
    "confirmed by both": [*ASKED, Act("confirm", SARA, 0), Act("confirm", LEILA, 0)],
}
CROSSED = [
    Act("same code", SARA, 0), Act("same code", SARA, 1), Act("same code", LEILA, 0), Act("work", SARA, 0),
    Act("cancel", SARA, 0), Act("tend", SARA, 0),
]  # fmt: skip


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("act", CROSSED, ids=lambda act: f"{act.kind} {act.actor.person} {act.job}")
def test_every_step_of_what_one_process_does_may_be_the_moment_of_the_other(start: list[Act], act: Act) -> None:
    for other in CROSSED:
        for at in range(60):
            pair = Pair(1)
            for each in start:
                pair.acts(each, 0)
            pair.clock.advance(31)
            pair.both(act, at, other)
            for which in (0, 1):
                pair.acts(Act("work", SARA, 0), which)
            assert pair.bad == []
            assert len(set(pair.spent)) == len(pair.spent), "a code was accepted twice"
            if not pair.first.overtaken:
                break  # it takes fewer steps than that
