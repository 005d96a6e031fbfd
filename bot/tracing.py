"""Traces: when what happened, for whoever asks where the time went.

- A job is one trace: asking, waiting, working with its stages, showing. It is made from the job's record, as its card
  is, by who shows it: nothing is carried between processes, and nothing is lost when one of them ends.
- A webhook and a card of alerts are traces of their own, found by `negahban.card`.
- Facts are names that the bot gave: commands, targets, states, ids. No words of a person, no label, no value, no code.
- Whoever is traced behaves as before; nobody waits for a trace (`Traces.note`).
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from bot.intake import Alerts
from bot.relay.jobs import Desk as JobDesk
from bot.relay.ports import Board
from bot.spans import Span, Traces
from handlers.core.alerts.notices import Notice
from handlers.core.door.consent import Rejected
from handlers.core.door.desk import Accepted, Began, Challenge, Desk, Said
from handlers.core.ports import Clock
from handlers.core.words.answers import Actor, Invocation, JobId, Press
from handlers.core.words.cards import Card
from handlers.core.words.forms import Form
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.postings import Posting
from handlers.core.words.text import cleaned

NOTHING: Mapping[str, str] = {}
BAD = frozenset({JobState.FAILED, JobState.INTERRUPTED})


@dataclass(slots=True)
class Noted:
    """What becomes known of a span on the way."""

    job: str = ""
    facts: dict[str, str] = field(default_factory=dict)


@contextmanager
def timed(traces: Traces, clock: Clock, name: str, facts: Mapping[str, str] = NOTHING) -> Iterator[Noted]:
    """Notes what happens inside, and what it raises by its kind alone."""
    began, noted, wrong = clock.now(), Noted(facts=dict(facts)), ""
    try:
        yield noted
    except BaseException as error:
        wrong = type(error).__name__
        raise
    finally:
        traces.note(Span(name, began, clock.now(), noted.job, facts=noted.facts, wrong=wrong))


class TracedDesk:
    """The desk, as Slack's side uses it."""

    def __init__(self, desk: Desk, traces: Traces, clock: Clock) -> None:
        self._desk, self._traces, self._clock = desk, traces, clock

    def ask(self, invocation: Invocation) -> Said | Began:
        """See the desk."""
        with timed(self._traces, self._clock, f"/{invocation.command}") as noted:
            answer = self._desk.ask(invocation)
            if isinstance(answer, Began):
                noted.job = answer.job
            return answer

    def challenge(self, job_id: JobId, actor: Actor) -> Challenge:
        """See the desk."""
        with timed(self._traces, self._clock, "question for a code"):
            return self._desk.challenge(job_id, actor)

    def approve(self, challenge: str, actor: Actor, code: str) -> Accepted | Rejected:
        """See the desk."""
        with timed(self._traces, self._clock, "judging a code") as noted:
            answer = self._desk.approve(challenge, actor, code)
            if isinstance(answer, Accepted):
                noted.job = answer.job
            noted.facts["negahban.accepted"] = "yes" if isinstance(answer, Accepted) else "no"
            return answer

    def cancel(self, job_id: JobId, actor: Actor) -> None:
        """See the desk."""
        with timed(self._traces, self._clock, "cancel"):
            self._desk.cancel(job_id, actor)

    def asks(self, action: str) -> bool:
        """See the desk."""
        return self._desk.asks(action)

    def press(self, press: Press) -> Card | Form | None:
        """See the desk."""
        with timed(self._traces, self._clock, press.action):
            return self._desk.press(press)


class TracedTaking:
    """What takes webhooks in, as the intake uses it."""

    def __init__(self, taking: Alerts, traces: Traces, clock: Clock) -> None:
        self._taking, self._traces, self._clock = taking, traces, clock

    def take_in(self, notice: Notice) -> None:
        """See there."""
        with timed(self._traces, self._clock, "taking alerts in", {"negahban.card": f"alert.{notice.group}"}):
            self._taking.take_in(notice)

    def take_report(self, tool: str, repo: str, ref: str, body: bytes) -> None:
        """See there."""
        with timed(self._traces, self._clock, "taking a report in"):
            self._taking.take_report(tool, repo, ref, body)


class TracedBoard:
    """A board of one kind: how long a change waited until it was shown."""

    def __init__(self, kind: str, board: Board, traces: Traces, clock: Clock) -> None:
        self._kind, self._board, self._traces, self._clock = kind, board, traces, clock
        self._since: dict[str, datetime] = {}

    def begin(self, names: Sequence[str]) -> Mapping[str, int]:
        """See the board."""
        return self._board.begin(names)

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        """See the board."""
        posting = self._board.posting(name, shown=shown)
        if posting is None:
            self._since.pop(name, None)
        else:
            self._since.setdefault(name, self._clock.now())
        return posting

    def placed(self, name: str, channel: str, address: str) -> None:
        """See the board."""
        self._board.placed(name, channel, address)
        now = self._clock.now()
        self._shown(name, self._since.pop(name, now), now)

    def _shown(self, name: str, since: datetime, now: datetime) -> None:
        self._traces.note(Span("showing a card", since, now, facts={"negahban.card": f"{self._kind}.{name}"}))


@dataclass(slots=True)
class _Stage:
    name: str
    since: datetime


class TracedJobs(TracedBoard):
    """The board of jobs. A stage is one that a card could have shown: what changed within a pass of the relay is part
    of what came before."""

    def __init__(self, jobs: JobDesk, targets: Container[str], board: Board, traces: Traces, clock: Clock) -> None:
        """`targets`: those that are named; what else a job is about may be a person."""
        super().__init__("job", board, traces, clock)
        self._jobs, self._targets = jobs, targets
        self._stages: dict[str, _Stage] = {}

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        """See the board."""
        posting = super().posting(name, shown=shown)
        job = self._jobs.load(JobId(name)) if posting is not None else None
        if job is None:
            self._stages.pop(name, None)
        else:
            self._look(job)
        return posting

    def _look(self, job: Job) -> None:
        stage, last = _stage(job), self._stages.get(job.id)
        now = job.ended or self._clock.now()
        if last is not None and last.name != stage:
            self._traces.note(Span(last.name, last.since, max(now, last.since), job.id))
            del self._stages[job.id]
        if stage and job.id not in self._stages:
            self._stages[job.id] = _Stage(stage, now)

    def _shown(self, name: str, since: datetime, now: datetime) -> None:
        self._traces.note(Span("showing a card", since, now, name))
        job = self._jobs.load(JobId(name))
        if job is not None and job.ended is not None and job.state.final:
            for span in spans_of(job, job.ended, now, self._targets):
                self._traces.note(span)


def spans_of(job: Job, ended: datetime, shown: datetime, targets: Container[str]) -> Iterator[Span]:
    """A job that ended, and whose last card is shown: the whole, what it waited for and what it worked."""
    facts: dict[str, str] = {"negahban.target": job.plan.target} if job.plan.target in targets else {}
    facts |= {
        "negahban.operation": job.plan.operation,
        "negahban.state": job.state.value,
        "negahban.asked_from": job.plan.actor.surface.value,
    }
    wrong = job.state.value if job.state in BAD else ""
    yield Span(job.plan.operation, job.created, max(shown, ended), job.id, whole=True, facts=facts, wrong=wrong)
    yield Span("waiting", job.created, job.started or ended, job.id)
    if job.started is not None:
        yield Span("working", job.started, ended, job.id, wrong=wrong)


def _stage(job: Job) -> str:
    """The sentence that names it, without its values."""
    if job.state is not JobState.RUNNING or job.progress is None:
        return ""
    return cleaned(job.progress.stage.template)
