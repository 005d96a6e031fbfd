"""The one door: ask · press · challenge · approve · cancel · work · tend. A slash command, a button, a schedule and the
terminal all come through here; whatever they did not ask the desk for does not happen.

- `ask` gives words, or a job: OFFERED when it needs a code, QUEUED when it may begin.
- One operation at a time per target and lane: `busy:<target>` names the job; it is free when that job has ended.
  What only reads backups has a lane of its own, so that an hour of it holds up nothing else.
- Every decision is audited before its effect; when the record cannot be written, nothing is done.
- A job's record and its `dirty:` mark are all that the relay needs to show it; nothing is said to Slack from here.
- Who must confirm what, and whether they did, is asked of `consent`, again when the worker begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, assert_never

from handlers.core.door.approval import Gate
from handlers.core.door.consent import GRANT_SECONDS, OFFER_SECONDS, Consent, Rejected
from handlers.core.door.glass import Glass
from handlers.core.door.permits import Permits
from handlers.core.door.policy import Permission
from handlers.core.door.records import Busy, Jobs
from handlers.core.door.rules import Need, NoRules, RuleBook
from handlers.core.door.shift import Shift
from handlers.core.door.strays import Stray, Strays
from handlers.core.door.tellings import Silent, Telling
from handlers.core.door.typed import allowed_fields, allowed_words, without_codes
from handlers.core.door.work import Work
from handlers.core.ports import Audit, Clock, Entropy, People, Queue, State
from handlers.core.words.answers import (
    Actor,
    Attachment,
    Confirm,
    Draft,
    Invocation,
    JobId,
    Plan,
    Press,
    Reply,
    Start,
    Surface,
    TargetName,
)
from handlers.core.words.audit import AuditEvent
from handlers.core.words.cards import Card, Tone
from handlers.core.words.digests import Json
from handlers.core.words.errors import Damage, OutsideError, Problem, Refusal
from handlers.core.words.forms import Form
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Code, Person, Text

REQUEUE_SECONDS = 30
GRACE_SECONDS = 30  # a code that was typed in an offer's last moment is judged before the offer ends


class Handler(Protocol):
    """One command: parse, plan, run and their words."""

    @property
    def permissions(self) -> Mapping[str, Permission]:
        """What each of its operations needs; `read` is for answers that are only words."""

    def ask(self, invocation: Invocation) -> Reply | Start | Confirm:
        """What the words mean. Raises Refusal, OutsideError or Damage."""

    def describe(self, job: Job) -> Card:
        """What the job's card says now."""

    def run(self, work: Work) -> Outcome:
        """Does it. Raises Cancelled, Refusal, OutsideError or Damage; then `recover` is asked what is true."""

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """After a failure (`reason`) or a dead worker (None): looks at what is there, undoes or finishes what must
        not stay half done, and says what is true now. May be repeated. Raises OutsideError while that cannot be
        known yet."""

    def lost(self) -> tuple[Job, ...]:
        """Jobs whose work was begun and never closed, by what stands beside the backups. Raises OutsideError."""


class Pressable(Protocol):
    """What stands behind buttons that are no job's."""

    @property
    def presses(self) -> Mapping[str, Permission]:
        """Its buttons, and what each needs."""

    @property
    def asking(self) -> frozenset[str]:
        """Which of them are answered with a form."""

    def press(self, press: Press) -> Card | Form | Start | Confirm | None:
        """Does it: words or a form for the presser alone, or None when the card says enough; or a job, begun or
        offered as if it had been typed. Raises Refusal or OutsideError."""


@dataclass(frozen=True, slots=True)
class Said:
    """Words for the asker alone, and perhaps a file. `busy`: the job whose end must be waited for; else None."""

    card: Card
    file: Attachment | None = None
    busy: Job | None = None


@dataclass(frozen=True, slots=True)
class Began:
    """A job exists; its card will be shown where it was asked."""

    job: JobId


@dataclass(frozen=True, slots=True)
class Challenge:
    """A question for a code. `summary` says what the code will confirm."""

    id: str
    job: JobId
    summary: Card


@dataclass(frozen=True, slots=True)
class Accepted:
    """The code was right and the job is queued."""

    job: JobId


@dataclass(frozen=True, slots=True)
class Outside:
    """What the desk touches, through ports."""

    state: State
    queue: Queue
    audit: Audit
    people: People
    clock: Clock
    entropy: Entropy
    rules: RuleBook = field(default_factory=NoRules)
    telling: Telling = field(default_factory=Silent)
    glass: Glass | None = None


class Desk:
    """See the module."""

    def __init__(
        self, handlers: Mapping[str, Handler], gate: Gate, outside: Outside, pressables: Sequence[Pressable] = ()
    ) -> None:
        self._handlers = handlers
        self._pressables = {action: each for each in pressables for action in each.presses}
        self._asking = frozenset(action for each in pressables for action in each.asking)
        self._state = outside.state
        self._queue = outside.queue
        self._audit = outside.audit
        self._clock = outside.clock
        self._breakable = outside.glass is not None
        self._entropy = outside.entropy
        self._jobs = Jobs(outside.state)
        self._permits = Permits(gate, outside.people, outside.rules, outside.audit, outside.clock)
        self._consent = Consent(
            gate,
            self._permits,
            self._jobs,
            outside.audit,
            outside.clock,
            self._permission_of,
            outside.telling,
            outside.glass,
        )
        self._shift = Shift(self._jobs, outside.state, outside.audit, outside.clock)
        self._stray, self._strays = Stray(), Strays(outside.clock)

    # -- asking ------------------------------------------------------------------------------------------------

    def ask(self, invocation: Invocation) -> Said | Began:
        """What a wish leads to. Raises OutsideError or Damage; then nothing was begun."""
        handler = self._handlers.get(invocation.command)
        try:
            if handler is None:
                raise Refusal(Text("There is no command {word}.", word=Code(invocation.command)))
            self._permits.allow(
                invocation.actor,
                handler.permissions.get("read"),
                f"{invocation.command}.ask",
                channel=invocation.channel,
            )
            self._write(_asked(invocation))
            allowed_words(invocation.words)
            answer = handler.ask(invocation)
            match answer:
                case Reply(card, file):
                    return Said(card, file)
                case Start(draft):
                    return Began(self._begin(invocation, handler, draft).id)
                case Confirm(draft):
                    return Began(self._offer(invocation, handler, draft).id)
                case _:
                    assert_never(answer)
        except Refusal as refusal:
            holder = refusal.holder if isinstance(refusal, Busy) else None
            return Said(Card(title=refusal.text, tone=Tone.WARNING), busy=holder)

    def asks(self, action: str) -> bool:
        """Whether the button is answered with a form, so that a place for it must be opened at once."""
        return action in self._asking

    def press(self, press: Press) -> Card | Form | None:
        """A button that is no job's, or an answered form. Raises Refusal or OutsideError; then nothing was done."""
        behind = self._pressables.get(press.action)
        if behind is None:
            raise Refusal(Text("This button is from an older version of me and does nothing. Type the command again."))
        self._permits.allow(press.actor, behind.presses.get(press.action), press.action, channel=press.channel)
        facts: dict[str, Json] = {"value": press.value[:200]}
        if press.fields:
            facts["fields"] = {name: without_codes(typed) for name, typed in press.fields.items()}
        self._write(AuditEvent("pressed", "allow", press.actor, operation=press.action, facts=facts))
        allowed_fields(press.fields)
        answer = behind.press(press)
        match answer:
            case Start(draft):
                self._begin(_typed(press), self._behind(draft), draft)
            case Confirm(draft):
                self._offer(_typed(press), self._behind(draft), draft)
            case _:
                return answer
        return None

    def _begin(self, invocation: Invocation, handler: Handler, draft: Draft) -> Job:
        plan = self._plan(invocation, draft)
        self._allowed(plan, handler.permissions.get(draft.operation))
        job = self._job(plan, JobState.QUEUED)
        self._claim(job)
        self._write(_event("job.queued", job))
        self._jobs.create(job)
        self._queue_put(job)
        return job

    def _offer(self, invocation: Invocation, handler: Handler, draft: Draft) -> Job:
        plan = self._plan(invocation, draft)
        permission = handler.permissions.get(draft.operation)
        if permission is not Permission.DESTROY:
            raise Refusal(Text("Nobody may do that: the policy does not list it."))
        need = self._allowed(plan, permission)
        job = replace(
            self._job(plan, JobState.OFFERED),
            needs=need.approvals,
            frozen=need.frozen,
            alone=bool(need.alone) and self._breakable,
        )
        self._write(_event("job.offered", job))
        self._jobs.create(job)
        return job

    def _allowed(self, plan: Plan, permission: Permission | None) -> Need:
        return self._permits.allow(
            plan.actor,
            permission,
            plan.operation,
            target=plan.target,
            channel=plan.channel,
            arguments=plan.arguments,
        )

    def _plan(self, invocation: Invocation, draft: Draft) -> Plan:
        return Plan(
            operation=draft.operation,
            target=draft.target,
            arguments=draft.arguments,
            actor=invocation.actor,
            channel=invocation.channel,
            created=self._clock.now().isoformat(),
            nonce=self._entropy.token(26),
            lane=draft.lane,
            policy=self._permits.rules.version,
            shown=draft.shown,
        )

    def _job(self, plan: Plan, state: JobState) -> Job:
        return Job(id=JobId(self._entropy.token(12)), plan=plan, state=state, created=self._clock.now())

    def _claim(self, job: Job) -> None:
        holder = self._jobs.claim(job)
        if holder is not None:
            raise Busy(holder)

    def _queue_put(self, job: Job) -> None:
        if job.plan.actor.surface is not Surface.TERMINAL:
            self._queue.put(job.id)

    # -- approving ---------------------------------------------------------------------------------------------

    def challenge(self, job_id: JobId, actor: Actor) -> Challenge:
        """Opens a question for a code. Raises Refusal, OutsideError or Damage."""
        job, challenge = self._consent.open(job_id, actor)
        return Challenge(f"{job.id}.{challenge}", job.id, self._handler(job).describe(job))

    def approve(self, challenge: str, actor: Actor, code: str) -> Accepted | Rejected:
        """Judges a code; with the last one that is needed, the job is queued. Raises OutsideError or Damage; then
        nothing was approved."""
        job_id, _, key = challenge.partition(".")
        try:
            job = self._consent.give(JobId(job_id), actor, key, code)
            if isinstance(job, Rejected):
                return job
            if not self._consent.complete(job):
                return Accepted(job.id)
            self._claim(job)
        except Refusal as refusal:
            return Rejected(refusal.text, again=False)
        self._jobs.change(job.id, _queued)
        self._queue_put(job)
        return Accepted(job.id)

    def cancel(self, job_id: JobId, actor: Actor) -> None:
        """Asks a job to stop. Raises Refusal when it cannot."""
        job = self._jobs.load(job_id)
        if job is None or job.state.final:
            raise Refusal(Text("This has already ended."))
        self._permits.allow(actor, Permission.OPERATE, job.plan.operation, target=job.target, channel=job.plan.channel)
        if job.settled:
            raise Refusal(
                Text("It is too late to cancel: the data is being switched. It will end by itself in a moment.")
            )
        self._write(_event("job.cancel", job, by=actor.person))

        def cancelled(each: Job) -> Job:
            if each.state.final or each.settled:
                return each
            each = replace(each, cancelled_by=actor.person)
            if each.state is JobState.RUNNING:
                return each
            text = Text("Cancelled by {person} before it began.", person=Person(actor.person))
            return _ended(each.moved(JobState.CANCELLED), Outcome(JobState.CANCELLED, text, {}), self._clock.now())

        self._jobs.change(job_id, cancelled)

    # -- looking -----------------------------------------------------------------------------------------------

    def load(self, job_id: JobId) -> Job | None:
        """A job's record. Raises OutsideError."""
        return self._jobs.load(job_id)

    def card(self, job: Job) -> Card:
        """What the job's message should say now."""
        return self._handler(job).describe(job)

    def holder(self, target: TargetName) -> Job | None:
        """The job that works on a target now. Raises OutsideError."""
        return self._jobs.holder(target)

    # -- working -----------------------------------------------------------------------------------------------

    def work(self, job_id: JobId) -> None:
        """Runs a queued job to its end; does nothing for any other. Raises OutsideError when its end is not stored."""
        queued = self._jobs.load(job_id)
        job = None if queued is None or self._strange(queued) else self._shift.begin(job_id)
        if job is None:
            self._give_back(job_id)
            return
        with self._shift.holding(job.id):
            handler = self._handler(job)
            work = self._shift.work(job)
            try:
                reason = self._consent.void(job)
                if reason is not None:
                    raise Refusal(reason)
                self._write(_event("job.started", job))
                outcome = handler.run(work)
            except Problem as problem:
                outcome = self._shift.recovered(handler.recover, work.job, problem)
            handed = outcome.again and self._shift.stopping and self._hand_on(work.job)
            if not handed:
                self._close(work.job, outcome)
        if handed:
            self._queue_put(job)  # now that its lease is free

    def _give_back(self, job_id: JobId) -> None:
        """A worker that stops may still be handed a job: another one begins it at once, not when somebody misses it."""
        job = self._jobs.load(job_id) if self._shift.stopping else None
        if job is not None and job.state is JobState.QUEUED:
            self._queue_put(job)

    def _hand_on(self, job: Job) -> bool:
        """Lets another worker begin it anew; whether that is stored."""
        if not job.can_be_handed:
            return False
        now = self._clock.now()
        try:
            self._write(_event("job.handed", job, decision="unknown"))
            after = self._jobs.change(job.id, lambda each: each.handed(now) if each.can_be_handed else each)
        except OutsideError:
            return False
        return after is not None and after.state is JobState.QUEUED

    def stop(self) -> None:
        """The process is going down: running jobs stop at their next check and clean up; what may be begun anew is."""
        self._shift.stop()

    def beat(self) -> None:
        """Every two seconds in a process that works: renews what its jobs hold."""
        self._shift.beat()

    def tend(self) -> None:
        """Every few seconds in a worker: finds what nobody looks after any more. Raises OutsideError, and Damage when
        there are records that cannot be read; all others are looked after then."""
        now, broken = self._clock.now(), []
        for job_id in self._jobs.begun():
            try:
                job = self._jobs.standing(job_id)
            except ValueError:
                broken.append(job_id)
                continue
            if job is None:
                continue
            if self._strange(job) and not self._strays.left(job_id, tended=self._shift.tended(job_id)):
                broken.append(job_id)
            else:
                self._tend(job, now)
        if broken:
            raise Damage(Text("These jobs cannot be read, so nobody looks after them: {ids}.", ids=", ".join(broken)))

    def _tend(self, job: Job, now: datetime) -> None:
        waits = now - (job.queued or job.created)
        match job.state:
            case JobState.OFFERED if now - job.created > timedelta(seconds=OFFER_SECONDS + GRACE_SECONDS):
                self._write(_event("job.expired", job, decision="deny", confirmed=str(len(job.confirmed_by))))
                self._jobs.change(job.id, self._expired)
            case JobState.QUEUED if waits > timedelta(seconds=GRANT_SECONDS):
                self._write(_event("job.abandoned", job, decision="error"))
                self._jobs.change(job.id, self._abandoned)
            case JobState.QUEUED if waits > timedelta(seconds=REQUEUE_SECONDS):
                self._queue_put(job)
            case JobState.RUNNING:
                self._rescue(job)

    def find_lost(self) -> None:
        """At start and every half minute: jobs whose record was lost with the state come back, to be rescued."""
        for handler in self._handlers.values():
            for job in handler.lost():
                self._jobs.restore(job)

    def _rescue(self, job: Job) -> None:
        if not self._shift.adopt(job.id):
            return
        with self._shift.holding(job.id):
            self._write(_event("job.rescued", job, decision="unknown"))
            try:
                outcome = self._handler(job).recover(job, None)
            except OutsideError:
                return  # not known yet: the next round looks again
            self._close(job, outcome)

    def _expired(self, job: Job) -> Job:
        if job.state is not JobState.OFFERED:
            return job
        text = Text("Nobody confirmed it in 15 minutes. Nothing was changed.")
        if job.confirmed_by:
            text = Text("Too few people agreed to it in 15 minutes. Nothing was changed.")
        return _ended(job.moved(JobState.EXPIRED), Outcome(JobState.EXPIRED, text, {}), self._clock.now())

    def _abandoned(self, job: Job) -> Job:
        if job.state is not JobState.QUEUED:
            return job
        text = Text("No worker took it in 30 minutes. Nothing was changed.")
        return _ended(job.moved(JobState.FAILED), Outcome(JobState.FAILED, text, {}), self._clock.now())

    def _close(self, job: Job, outcome: Outcome) -> None:
        ended = _ended(job.moved(outcome.state), outcome, self._clock.now())
        self._shift.end(ended)
        decision = "allow" if outcome.state in {JobState.DONE, JobState.PAUSED} else "error"
        self._write(_event("job.ended", ended, decision=decision, state=outcome.state.value, reason=str(outcome.text)))

    def _strange(self, job: Job) -> bool:
        return _kind(job.plan) not in self._handlers

    def _handler(self, job: Job) -> Handler:
        return self._behind(job.plan)

    def _behind(self, what: Draft | Plan) -> Handler:
        return self._handlers.get(_kind(what), self._stray)

    def _permission_of(self, job: Job) -> Permission | None:
        return self._handler(job).permissions.get(job.plan.operation)

    def _write(self, event: AuditEvent) -> None:
        self._audit.write(event)


def _kind(what: Draft | Plan) -> str:
    """The command that stands behind it."""
    return what.operation.partition(".")[0]


def _asked(invocation: Invocation) -> AuditEvent:
    facts: dict[str, Json] = {"words": without_codes(" ".join(invocation.words)), "channel": invocation.channel}
    return AuditEvent("asked", "allow", invocation.actor, operation=f"{invocation.command}.ask", facts=facts)


def _queued(job: Job) -> Job:
    return job.moved(JobState.QUEUED) if job.state is JobState.OFFERED else job


def _typed(press: Press) -> Invocation:
    return Invocation(press.action, (), press.actor, press.channel)


def _ended(job: Job, outcome: Outcome, moment: datetime) -> Job:
    return replace(job, outcome=outcome, ended=moment, progress=None)


def _event(event: str, job: Job, *, decision: str = "allow", **facts: str) -> AuditEvent:
    return AuditEvent(
        event=event,
        decision=decision,
        actor=job.plan.actor,
        target=job.target,
        operation=job.plan.operation,
        digest=job.plan.digest,
        facts={"job": job.id, **facts},
    )
