"""One run of a runbook: where each step is, and what may happen next.

    a step:  (no attempt) ──► RUNNING ──► PASSED | FAILED | UNKNOWN | INTERRUPTED ──► another attempt
                   └────────► DONE (by hand) | SKIPPED

- A run holds the whole runbook it started with: a later edit of the file changes nothing here.
- Each attempt of a step has a number, and a number is taken once. A click says which attempt it means, so a click on
  an old button, and the slower one of two, is told what happened instead.
- One step at a time. The next step is the first that is needed and not settled: PASSED, DONE and SKIPPED settle, a
  failure does where the runbook goes on. A step before it may be run again, unless it passed and needed a code.
- A result is taken only from the job that holds the attempt. What nobody could establish is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from handlers.core.runbooks.attempts import SETTLED, VERDICTS, Attempt, Result, StepState
from handlers.core.runbooks.runbooks import Runbook, Step
from handlers.core.words.answers import PersonId, TargetName
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Code, Lines, Person, Text

MOST_ATTEMPTS = 30
MOST_SAID = 150
MOST_FENCED = 300
MOST_OUTPUT, MOST_LINES = 2400, 20


@dataclass(frozen=True, slots=True)
class Said:
    """History for the thread. `result`: the attempt says it too; `report`: the report as a file stands here;
    `output`: the whole output of this attempt, `STEP/NUMBER`, does."""

    at: datetime
    text: Text
    result: bool = False
    report: bool = False
    output: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """See the module. `lead`: who looks after it; `alert`, `group`, `fired`: what it came from, empty for nothing.
    `fenced`: jobs that were given up before they took an attempt; they may take none any more. `itself`: a rule began
    it, and its first steps run by themselves. `why`: what was said when it was ended."""

    id: str
    runbook: Runbook
    target: TargetName
    channel: str
    by: PersonId
    lead: PersonId
    began: datetime
    labels: Mapping[str, str] = field(default_factory=dict)
    alert: str = ""
    group: str = ""
    fired: datetime | None = None
    attempts: Mapping[str, tuple[Attempt, ...]] = field(default_factory=dict)
    said: tuple[Said, ...] = ()
    closed: datetime | None = None
    closed_by: PersonId | None = None
    fenced: tuple[str, ...] = ()
    itself: bool = False
    why: str = ""

    def step(self, name: str) -> Step:
        """Raises Refusal when there is none."""
        for each in self.runbook.steps:
            if each.name == name:
                return each
        raise Refusal(Text("This run has no step {name}.", name=Code(name)))

    def number(self, name: str) -> int:
        """From 1."""
        return [each.name for each in self.runbook.steps].index(name) + 1

    def tries(self, name: str) -> tuple[Attempt, ...]:
        """Its attempts, oldest first."""
        return self.attempts.get(name, ())

    def last(self, name: str) -> Attempt | None:
        """Its newest attempt."""
        tries = self.tries(name)
        return tries[-1] if tries else None

    def next_attempt(self, name: str) -> int:
        """The number that is free."""
        return len(self.tries(name)) + 1

    @property
    def running(self) -> Step | None:
        """The step that runs now."""
        for each in self.runbook.steps:
            last = self.last(each.name)
            if last is not None and last.state is StepState.RUNNING:
                return each
        return None

    def needed(self, step: Step) -> bool | None:
        """Whether its `when` is so; None while that is open."""
        for name, verdicts in step.when.items():
            last = self.last(name)
            if self.needed(self.step(name)) is False:
                return False
            if last is None or last.state in {StepState.RUNNING, StepState.INTERRUPTED}:
                return None
            if last.state.value not in verdicts:
                return False
        return True

    def settled(self, step: Step) -> bool:
        """Whether it holds up nothing."""
        last = self.last(step.name)
        if last is None or last.state is StepState.RUNNING:
            return False
        return last.state in SETTLED or (step.goes_on and last.state is not StepState.INTERRUPTED)

    @property
    def current(self) -> Step | None:
        """The step whose turn it is; None when nothing is left to do."""
        for each in self.runbook.steps:
            if not self.settled(each) and self.needed(each) is not False:
                return each
        return None

    @property
    def over(self) -> datetime | None:
        """When it was ended, or its last step was; None while something is to be done."""
        if self.closed is not None:
            return self.closed
        if self.current is not None or self.running is not None:
            return None
        ends = [each.ended for tries in self.attempts.values() for each in tries if each.ended is not None]
        return max(ends, default=self.began)

    @property
    def unasked(self) -> Step | None:
        """The step that runs by itself now: never one that was tried before."""
        opening, current = self.runbook.opening, self.current
        if not self.itself or opening is None or current is None or self.running is not None or self.closed is not None:
            return None
        return current if current.name in opening.steps and not self.tries(current.name) else None

    @property
    def untouched(self) -> bool:
        """Whether no person did anything with it yet."""
        return (
            self.itself
            and self.lead == self.by
            and all(each.who == self.by for tries in self.attempts.values() for each in tries)
        )

    def again(self, step: Step) -> bool:
        """Whether a step before the current one may be run once more."""
        last = self.last(step.name)
        if last is None or last.state in {StepState.RUNNING, StepState.DONE} or step.kind == "manual":
            return False
        return not (last.state is StepState.PASSED and step.confirm) and self.needed(step) is not False


def permitted(run: Run, name: str, attempt: int) -> Step:
    """The step, when that attempt of it may begin now. Raises Refusal, saying why not."""
    step = run.step(name)
    still_open(run)
    tries = run.tries(name)
    if attempt <= len(tries):
        raise Refusal(_taken(tries[max(attempt, 1) - 1]))
    if attempt > len(tries) + 1 or attempt > MOST_ATTEMPTS:
        raise Refusal(Text("This step was tried {count} times; that is all I keep.", count=len(tries)))
    running = run.running
    if running is not None:
        who = run.tries(running.name)[-1]
        raise Refusal(
            Text(
                "{person} runs {title} since {at}. One step at a time.",
                person=Person(who.who),
                title=running.title,
                at=who.began,
            )
        )
    if run.needed(step) is False:
        raise Refusal(Text("{title} is not needed after what was found.", title=step.title))
    current = run.current
    if (current is None or current.name != name) and not run.again(step):
        if current is None or run.number(current.name) > run.number(name):
            raise Refusal(Text("{title} is settled and is not done twice.", title=step.title))
        raise Refusal(
            Text("It is not the turn of {title} yet: first {current}.", title=step.title, current=current.title)
        )
    return step


def still_open(run: Run) -> None:
    """Raises Refusal when it was ended."""
    if run.closed is not None:
        raise Refusal(Text("{person} ended this run {at}.", person=Person(run.closed_by or ""), at=run.closed))


def _taken(attempt: Attempt) -> Text:
    who = Person(attempt.who)
    if attempt.state is StepState.RUNNING:
        return Text("{person} runs this already, since {at}.", person=who, at=attempt.began)
    return Text(
        "{person} was first, {at}: {verdict}. {text}",
        person=who,
        at=attempt.began,
        verdict=VERDICTS[attempt.state],
        text=attempt.text,
    )


def begun(run: Run, name: str, attempt: int, job: str, who: PersonId, now: datetime) -> Run:
    """The attempt is this job's from here on. Raises Refusal."""
    if job in run.fenced:
        raise Refusal(Text("This was given up before it began."))
    permitted(run, name, attempt)
    return tried(run, name, Attempt(StepState.RUNNING, who, now, job))


def finished(run: Run, name: str, job: str, result: Result, now: datetime) -> Run:
    """The job's result; another's attempt stays as it is."""
    last = run.last(name)
    if last is None or last.job != job or last.state is not StepState.RUNNING:
        return run
    ended = replace(last, state=result.state, ended=now, text=result.text, facts=result.facts)
    run = replace(run, attempts={**run.attempts, name: (*run.tries(name)[:-1], ended)})
    step = run.step(name)
    told = Text(
        "{number}. {title}: {verdict}. {text}",
        number=run.number(name),
        title=step.title,
        verdict=VERDICTS[result.state],
        text=result.text,
    )
    end = shown_end(result.output)
    if end:
        told = Text("{told}\n{output}", told=told, output=Lines(end))
    run = noted(run, told, now, result=True)
    if end == result.output.strip("\n"):
        return run
    whole = Text("The whole output of {number}. {title}", number=run.number(name), title=step.title)
    return noted(run, whole, now, result=True, output=f"{name}/{len(run.tries(name))}")


def shown_end(output: str) -> str:
    """What of an output stands in the thread itself: its last lines. When that is not all, the rest is a file."""
    return "\n".join(output.strip("\n").splitlines()[-MOST_LINES:])[-MOST_OUTPUT:]


def fenced(run: Run, job: str, told: Text, now: datetime) -> Run:
    """The job took no attempt and will not: its worker may be slow and not dead."""
    if job in run.fenced:
        return run
    return noted(replace(run, fenced=(*run.fenced, job)[-MOST_FENCED:]), told, now)


def noted(run: Run, text: Text, now: datetime, *, result: bool = False, output: str = "") -> Run:
    """With more history for the thread; a full one keeps what came first."""
    if len(run.said) >= MOST_SAID:
        return run
    return replace(run, said=(*run.said, Said(now, text, result, output=output)))


def tried(run: Run, name: str, attempt: Attempt) -> Run:
    """With one more attempt at a step."""
    return replace(run, attempts={**run.attempts, name: (*run.tries(name), attempt)})
