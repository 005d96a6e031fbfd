"""Consent: the people who must confirm a job, each with their own code, before it may run.

- First the asker, then as many others as the rules ask for; each sees the same plan and confirms the same digest.
- Two ids of one person are one. Whoever is no longer allowed, by the rules as they are now, does not count.
- The worker asks again: a plan, a target or a policy that changed after the confirmation voids it, and so does an
  account of the asker or of anybody who agreed that Slack deactivated or made a guest meanwhile.
- What was confirmed half an hour ago, or before the state was restarted, is not run: the world may be another one, and
  an older memory may hold a job that ran already. A clock that went back makes nothing younger.
- A code that was used before locks the operation: it ends there, and the code's owner is told.
- Confirmations are kept apart from the job, so that whoever can change a job's record cannot confirm it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from handlers.core.door.approval import Decision, Gate
from handlers.core.door.glass import Glass, broken, glass_digest
from handlers.core.door.permits import Permits
from handlers.core.door.policy import Permission
from handlers.core.door.records import Jobs
from handlers.core.door.rules import Need
from handlers.core.door.tellings import Telling, hard_locked, replayed
from handlers.core.ports import Audit, Clock
from handlers.core.words.answers import Actor, JobId, PersonId, Surface
from handlers.core.words.audit import AuditEvent
from handlers.core.words.errors import Refusal
from handlers.core.words.job_cards import busy
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Person, Text

OFFER_SECONDS = 15 * 60
GRANT_SECONDS = 2 * OFFER_SECONDS
APART = timedelta(minutes=1)
"""How far the clocks of two hosts may be apart."""
_AGAIN = frozenset({Decision.WRONG, Decision.MALFORMED, Decision.SPENT, Decision.WAIT})
_CHANGED = Text("The policy was changed after this was asked for. Nothing was done; ask again.")
_AHEAD = Text("By the clock this is yet to be asked for: a clock is wrong. Nothing was done; ask again.")

Permissions = Callable[[Job], Permission | None]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Nothing was approved. `again`: another code may be typed into the same question."""

    text: Text
    again: bool


class Consent:
    """See the module. `permission_of`: how much a job can do."""

    def __init__(
        self,
        gate: Gate,
        permits: Permits,
        jobs: Jobs,
        audit: Audit,
        clock: Clock,
        permission_of: Permissions,
        telling: Telling,
        glass: Glass | None,
    ) -> None:
        self._gate = gate
        self._permits = permits
        self._jobs = jobs
        self._audit = audit
        self._clock = clock
        self._permission_of = permission_of
        self._telling = telling
        self._glass = glass

    def open(self, job_id: JobId, actor: Actor) -> tuple[Job, str]:
        """A question for a code, and the job it is about. Raises Refusal, OutsideError or Damage."""
        job = self._offered(job_id, actor)
        holder = self._jobs.holder(job.target, job.plan.lane)
        if holder is not None:
            raise Refusal(busy(holder))
        challenge = self._gate.open(actor, _asked(job, actor))
        self._write("challenge.opened", job, actor)
        return job, challenge

    def give(self, job_id: JobId, actor: Actor, challenge: str, code: str) -> Job | Rejected:
        """Judges a code; the job with one more confirmation. Raises Refusal, OutsideError or Damage: nothing was
        approved then."""
        job = self._offered(job_id, actor)
        asked = _asked(job, actor)
        decision, text = self._gate.submit(actor, challenge, asked, code)
        if decision is not Decision.ACCEPTED:
            self._write("code.refused", job, actor, decision="deny", reason=decision.value)
            if decision is Decision.REPLAYED:
                self._locked(job, actor)
            elif decision is Decision.HARD_LOCKED:
                self._telling.tell(hard_locked(actor.person))
            return Rejected(text, again=decision in _AGAIN)
        self._write("code.accepted", job, actor)
        if asked != job.plan.digest and self._glass is not None:
            self._glass.told(job)
        confirmed = self._jobs.confirm(job.id, asked, actor.person)
        changed = self._jobs.change(job.id, lambda each: replace(each, confirmed_by=_with(each, confirmed)))
        return job if changed is None else changed

    def complete(self, job: Job) -> bool:
        """Whether everybody who must confirm has done so."""
        need = self._permits.planned(job.plan, Permission.DESTROY)
        return isinstance(need, Need) and self._missing(job, need) is None

    def void(self, job: Job) -> Text | None:
        """Why a job that is about to run must not, by what holds now; None when it may."""
        permission = self._permission_of(job)
        if permission is None:
            return Text("Nobody may do that: the policy does not list it.")
        need = self._permits.planned(job.plan, permission)
        if isinstance(need, Text):
            return need
        gone = self._gone(job, permission)
        if gone is not None or permission is not Permission.DESTROY:
            return gone
        if self._ahead(job):
            return _AHEAD
        if self._clock.now() - job.created > timedelta(seconds=GRANT_SECONDS):
            return Text("This was asked for more than 30 minutes ago. Nothing was done; ask again.")
        if job.plan.policy != self._permits.rules.version:
            return _CHANGED
        return self._missing(job, need)

    def _ahead(self, job: Job) -> bool:
        """Whether the clock says that it is yet to be asked for."""
        return job.created - self._clock.now() > APART

    def _gone(self, job: Job, permission: Permission) -> Text | None:
        """Whose account does not count any more, of the asker's and those that confirmed."""
        asker = job.plan.actor
        digests = (job.plan.digest, glass_digest(job)) if permission is Permission.DESTROY else ()
        confirmed = dict.fromkeys(each for digest in digests for each in self._jobs.confirmed(job.id, digest))
        actors = [asker, *(replace(asker, person=each) for each in confirmed if each != asker.person)]
        return next((gone for each in actors if (gone := self._permits.gone(each, permission)) is not None), None)

    def _locked(self, job: Job, actor: Actor) -> None:
        """Ends an operation whose code somebody else may have seen, and tells the code's owner."""
        text = Text("A code of {person} was used twice, so this was locked. Ask again.", person=Person(actor.person))

        def locked(each: Job) -> Job:
            if each.state is not JobState.OFFERED:
                return each
            outcome = Outcome(JobState.CANCELLED, text, {})
            return replace(each.moved(JobState.CANCELLED), outcome=outcome, ended=self._clock.now())

        self._write("job.locked", job, actor, decision="deny")
        self._jobs.change(job.id, locked)
        self._telling.tell(replayed(actor.person))

    def _missing(self, job: Job, need: Need) -> Text | None:
        """Whose confirmation is missing; None: nobody's."""
        plan = job.plan
        if job.glass:
            confirmed = plan.actor.person in self._jobs.confirmed(job.id, glass_digest(job))
            return broken(job, need.alone, confirmed, self._clock.now())
        if need.frozen is not None:
            return need.frozen
        agreeing = self._jobs.confirmed(job.id, plan.digest)
        if plan.actor.person not in agreeing:
            if plan.actor.person in self._jobs.confirmed(job.id, plan.digest, ever=True):
                return Text("Redis was restarted after this was confirmed. Nothing was done; ask again.")
            return Text("The plan is not the one that was confirmed. Nothing was done.")
        agreed = self._permits.rules.agreed(plan.actor.person, need, agreeing)
        if agreed < need.approvals:
            return Text("{count} more people must agree to this. Nothing was done.", count=need.approvals - agreed)
        return None

    def _offered(self, job_id: JobId, actor: Actor) -> Job:
        job = self._jobs.load(job_id)
        if job is None or job.state is JobState.EXPIRED:
            raise Refusal(Text("This offer is over. Ask again."))
        if job.state is not JobState.OFFERED:
            raise Refusal(Text("This was already decided."))
        if self._ahead(job):
            raise Refusal(_AHEAD)
        if self._clock.now() - job.created > timedelta(seconds=OFFER_SECONDS):
            raise Refusal(Text("This offer is older than 15 minutes. Ask again, so that you see what is true now."))
        asker = job.plan.actor
        if (asker.person, asker.team) == (actor.person, actor.team):
            if actor.person in self._jobs.confirmed(job.id, _asked(job, actor)):
                raise Refusal(Text("You confirmed this. Now others must agree."))
            self._permits.allow(
                actor,
                self._permission_of(job),
                job.plan.operation,
                target=job.target,
                channel=job.plan.channel,
                arguments=job.plan.arguments,
            )
        else:
            self._may_agree(job, actor)
        return job

    def _may_agree(self, job: Job, actor: Actor) -> None:
        """Raises Refusal unless this person may confirm somebody else's job, now."""
        asker, rules = job.plan.actor, self._permits.rules
        need = self._permits.planned(job.plan, Permission.DESTROY)
        if isinstance(need, Text):  # it speaks to who asked
            raise Refusal(need if job.plan.policy == rules.version else _CHANGED)
        if not need.approvals or actor.team != asker.team or actor.surface is not Surface.SLACK:
            self._write("challenge.denied", job, actor, decision="deny", reason="another person")
            raise Refusal(Text("Only {person}, who asked for this, can confirm it.", person=Person(asker.person)))
        human = rules.human(actor.person)
        if human is None or human.name not in need.approvers:  # the asker is never among them
            self._write("challenge.denied", job, actor, decision="deny", reason="may not agree")
            raise Refusal(Text("The policy does not let you agree to this."))
        unheard = self._permits.unheard(actor, Permission.DESTROY)
        if unheard is not None:
            raise Refusal(unheard)
        if asker.person not in job.confirmed_by:
            raise Refusal(Text("First {person}, who asked for this, confirms it.", person=Person(asker.person)))
        if any(rules.human(each) == human for each in job.confirmed_by):
            raise Refusal(Text("You agreed to this already."))

    def _write(self, event: str, job: Job, actor: Actor, *, decision: str = "allow", **facts: str) -> None:
        self._audit.write(
            AuditEvent(
                event=event,
                decision=decision,
                actor=actor,
                target=job.target,
                operation=job.plan.operation,
                digest=job.plan.digest,
                facts={"job": job.id, **facts},
            )
        )


def _asked(job: Job, actor: Actor) -> str:
    """What this person's code confirms: the plan; of the asker who broke the glass, the plan and the reason."""
    return glass_digest(job) if job.glass and actor.person == job.plan.actor.person else job.plan.digest


def _with(job: Job, confirmed: Iterable[PersonId]) -> tuple[PersonId, ...]:
    return tuple(dict.fromkeys((*job.confirmed_by, *confirmed)))
