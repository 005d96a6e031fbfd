"""A step of a run as a job of the desk: what is offered or begun, the work, and what is true after a crash.

- The worker takes the attempt by compare-and-set before it does anything: no attempt is taken twice. Who comes too
  late does nothing, and the run's thread says so.
- A worker that died leaves its step INTERRUPTED; it is run again only when somebody presses again. A rollback has a
  journal, by which it is brought to an end (handlers/core/runbooks/rollbacks.py).
- What destroys is a plan of its own, confirmed by a code; what is done is what the plan says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from handlers import steps
from handlers.core.door.policy import Permission
from handlers.core.door.records import Jobs
from handlers.core.door.work import Work
from handlers.core.ports import Clock
from handlers.core.runbooks.attempts import Result, StepState
from handlers.core.runbooks.rollback_journals import changes_of
from handlers.core.runbooks.run_records import RunRecords
from handlers.core.runbooks.runbooks import Step
from handlers.core.runbooks.runs import Run, begun, fenced, finished, permitted, shown_end
from handlers.core.words.answers import Confirm, Draft, Press, Start
from handlers.core.words.cards import Button, Card, Fact
from handlers.core.words.digests import Json, spoken
from handlers.core.words.errors import Cancelled, OutsideError, Problem, Refusal
from handlers.core.words.job_cards import Wording, job_card
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Code, Person, Text
from handlers.deeds import Call, Hands, planned
from handlers.looks import Eyes

OPERATIONS = {
    Permission.READ: "runbook.look",
    Permission.OPERATE: "runbook.act",
    Permission.DESTROY: "runbook.destroy",
}
MEASURED = frozenset({StepState.PASSED, StepState.FAILED})
STOPPABLE = frozenset({"wait", "backup"})
ROLLBACK_SECONDS = 300
"""How long one that is taken over waits, when the run that says it is gone."""
GONE = Text("I no longer know this run: the last word about it is older than 30 days.")


_ENDS = {StepState.PASSED: JobState.DONE, StepState.INTERRUPTED: JobState.INTERRUPTED}


def lane(run_id: str) -> str:
    """One step of a run at a time."""
    return f"run-{run_id}"


@dataclass(frozen=True, slots=True)
class Performer:
    """See the module."""

    records: RunRecords
    jobs: Jobs
    eyes: Eyes
    hands: Hands
    clock: Clock

    def known(self, run_id: str) -> Run:
        """Raises Refusal when it is gone."""
        run = self.records.load(run_id)
        if run is None:
            raise Refusal(GONE)
        return run

    def changed(self, run_id: str, how: Callable[[Run], Run]) -> Run:
        """The run after a change. Raises Refusal when it is gone."""
        run = self.records.change(run_id, how)
        if run is None:
            raise Refusal(GONE)
        return run

    def free(self, run: Run) -> None:
        """Raises Refusal while a job of the run waits or works."""
        holder = self.jobs.holder(run.target, lane(run.id))
        if holder is not None:
            raise Refusal(
                Text(
                    "{person} pressed for {step} already, {at}. One step at a time.",
                    person=Person(holder.plan.actor.person),
                    step=Code(str(holder.plan.arguments.get("step"))),
                    at=holder.created,
                )
            )

    def pressed(self, press: Press) -> Start | Confirm:
        """What a press of Run leads to. Raises Refusal, saying why nothing is begun, or OutsideError."""
        run_id, name, attempt = parsed(press.value)
        run = self.known(run_id)
        step = permitted(run, name, attempt)
        if step.kind == "manual":
            raise Refusal(Text("{title} is done by hand: press Done when it is.", title=step.title))
        self.free(run)
        steps.filled(step, run.labels)
        permission = steps.needs(step)
        changes: list[Json] = [each.to_json() for each in planned(self.hands, step)]
        given: dict[str, Json] = {"run": run_id, "step": name, "attempt": attempt, "version": run.runbook.version}
        if changes:
            given["changes"] = changes
        operation = OPERATIONS[permission]
        if permission is Permission.DESTROY:
            return Confirm(Draft(operation, run.target, given, lane(run_id)))
        return Start(Draft(operation, run.target, given, lane(run_id), f"run.{run_id}"))

    def describe(self, job: Job) -> Card:
        """The card of a plan that destroys."""
        run = self.records.load(str(job.plan.arguments["run"]))
        name = str(job.plan.arguments["step"])
        title = name if run is None else run.step(name).title
        offered = job.state is JobState.OFFERED
        facts = tuple(_facts(job, run, name))
        buttons = (Button("confirm", Text("Confirm with a code"), job.id, danger=True),) if offered else ()
        lines = (Text("Compare when you confirm: {spoken}", spoken=Code(spoken(job.plan.digest))),) if offered else ()
        return job_card(job, Wording(Text("{title}", title=title), facts, lines, buttons))

    def run(self, work: Work) -> Outcome:
        """See Handler."""
        job = work.job
        run_id, name, attempt = _named(job)
        actor = job.plan.actor
        taken = self.changed(run_id, lambda run: begun(run, name, attempt, job.id, actor.person, self.clock.now()))
        step = taken.step(name)
        if OPERATIONS[steps.needs(step)] != job.plan.operation:
            raise Refusal(Text("The step needs another permission than it was begun with. Nothing was done."))
        given = steps.filled(step, taken.labels)
        if job.plan.operation == OPERATIONS[Permission.DESTROY]:
            work.settle()

        call = Call(taken, step, given, actor, taken.channel, _Check(self, work, taken, step), job)
        try:
            call.check()
            result = steps.perform(self.eyes, self.hands, call)
        except Problem as problem:
            if step.kind == "rollback":
                raise  # its journal knows how far it came, and `recover` brings that to an end
            cut = isinstance(problem, Cancelled | _Stopped)
            state = StepState.INTERRUPTED if cut else StepState.UNKNOWN
            again = cut and not isinstance(problem, _Ended)
            text = Text("{why} It can be run again.", why=problem.text) if again else problem.text
            self._finish(run_id, name, job, Result(state, text))
            raise
        self._finish(run_id, name, job, result)
        return _outcome(result)

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """See Handler: the attempt is interrupted, or was refused; nothing is done again."""
        run_id, name, _ = _named(job)
        ended = self._resumed(job)
        if ended is not None:
            self._finish(run_id, name, job, ended)
            return _outcome(ended)
        dead = reason is None
        text = reason or Text("Its worker stopped; what it did is not known. It can be run again.")
        run = self.records.load(run_id)
        mine = [] if run is None else [each for each in run.tries(name) if each.job == job.id]
        if mine and mine[0].state is not StepState.RUNNING:
            return _outcome(Result(mine[0].state, mine[0].text))  # it had its end before its job had
        if mine:
            self._finish(run_id, name, job, Result(StepState.INTERRUPTED if dead else StepState.UNKNOWN, text))
        else:
            self._refused(run_id, name, job, text)
        return Outcome(JobState.INTERRUPTED if dead else JobState.FAILED, text, {})

    def lost(self) -> tuple[Job, ...]:
        """Rollbacks that are not over. Runs live in the state: what else was lost with it is lost."""
        return () if self.hands.rollbacks is None else self.hands.rollbacks.lost()

    def _resumed(self, job: Job) -> Result | None:
        """How a rollback that was begun ended; None for everything else."""
        if self.hands.rollbacks is None or "changes" not in job.plan.arguments:
            return None
        run_id, name, _ = _named(job)
        run = self.records.load(run_id)
        seconds = ROLLBACK_SECONDS if run is None else run.step(name).seconds
        return self.hands.rollbacks.resume(job, float(seconds))

    def _finish(self, run_id: str, name: str, job: Job, result: Result) -> None:
        if shown_end(result.output) != result.output.strip("\n"):
            self.records.keep_output(run_id, name, _named(job)[2], result.output)
        run = self.records.change(run_id, lambda run: finished(run, name, job.id, result, self.clock.now()))
        if run is not None and run.step(name).kind == "promql" and result.state in MEASURED:
            # The verdict is stored: when this fails, `recover` finds it, and only the picture is missing.
            self.records.sketch(run_id, name, len(run.tries(name)))

    def _refused(self, run_id: str, name: str, job: Job, why: Text) -> None:
        told = Text("{person} pressed for {step}, and nothing was done: {why}", person=Person(job.plan.actor.person),
                    step=Code(name), why=why)  # fmt: skip
        self.records.change(run_id, lambda run: fenced(run, job.id, told, self.clock.now()))


class _Stopped(OutsideError):
    """This worker may not go on."""


class _Ended(Cancelled):
    """The run was ended, so nothing of it is run again."""


@dataclass(frozen=True, slots=True)
class _Check:
    """Raises when the work must stop: the worker may not go on, or the run was ended while it only waits."""

    performer: Performer
    work: Work
    run: Run
    step: Step

    def __call__(self) -> None:
        try:
            self.work.check()
        except OutsideError as error:
            raise _Stopped(error.text) from error
        if self.step.kind in STOPPABLE and self.performer.known(self.run.id).closed is not None:
            raise _Ended(Text("The run was ended meanwhile."))


def parsed(value: str) -> tuple[str, str, int]:
    """Run, step and attempt that a button carries. Raises Refusal for anything else."""
    match value.split("/"):
        case [run_id, name, attempt] if attempt.isascii() and attempt.isdigit() and len(attempt) < 5:
            return run_id, name, int(attempt)
        case _:
            raise Refusal(Text("This button is from an older version of me and does nothing."))


def _named(job: Job) -> tuple[str, str, int]:
    given = job.plan.arguments
    return str(given["run"]), str(given["step"]), int(str(given["attempt"]))


def _facts(job: Job, run: Run | None, name: str) -> list[Fact]:
    facts = []
    for each in changes_of(job):
        value = Text("{before} → {after}", before=Code(str(each.before)), after=Code(str(each.after)))
        facts.append(Fact(Text("{service}", service=each.service), value))
    if run is not None and not facts:
        given: Mapping[str, str] = run.step(name).arguments
        facts += [Fact(Text("{key}", key=key), Text("{value}", value=Code(value))) for key, value in given.items()]
    return facts


def _outcome(result: Result) -> Outcome:
    return Outcome(_ENDS.get(result.state, JobState.FAILED), result.text, {})
