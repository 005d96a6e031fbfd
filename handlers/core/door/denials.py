"""Denials: somebody who was asked to agree says no, and why; the offer ends there.

- Whoever could agree can deny; the asker takes it back instead, without a reason.
- The reason is on the card and in the audit record, before the offer ends. What was denied is asked for anew.
"""

from __future__ import annotations

from dataclasses import replace

from handlers.core.door.permits import Permits
from handlers.core.door.policy import Permission
from handlers.core.door.records import Jobs
from handlers.core.door.rules import Need
from handlers.core.ports import Audit, Clock, State
from handlers.core.words.answers import Actor, JobId
from handlers.core.words.audit import AuditEvent
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Person, Text

SHORTEST = 3
MOST = 300


class Denials:
    """See the module."""

    def __init__(self, state: State, permits: Permits, audit: Audit, clock: Clock) -> None:
        self._jobs = Jobs(state)
        self._permits = permits
        self._audit = audit
        self._clock = clock

    def offer(self, job_id: JobId, actor: Actor) -> Job:
        """The job that this person may deny. Raises Refusal."""
        job = self._jobs.offered(job_id)
        need = self._permits.planned(job.plan, Permission.DESTROY)
        human = self._permits.rules.human(actor.person)
        if human is None or not isinstance(need, Need) or human.name not in need.approvers:
            raise Refusal(Text("The policy does not ask you to agree to this, so you cannot deny it."))
        return job

    def deny(self, job_id: JobId, actor: Actor, reason: str) -> None:
        """Ends it. Raises Refusal or OutsideError; then nothing was changed."""
        job, why = self.offer(job_id, actor), " ".join(reason.split())[:MOST]
        if len(why) < SHORTEST:
            raise Refusal(Text("Say why, in a few words: who asked for it will read them."))
        plan, facts = job.plan, {"job": str(job.id), "reason": why}
        self._audit.write(AuditEvent("job.denied", "deny", actor, job.target, plan.operation, plan.digest, facts))
        text = Text("{person} denied it: {reason}", person=Person(actor.person), reason=why)

        def denied(each: Job) -> Job:
            if each.state is not JobState.OFFERED:
                return each
            outcome = Outcome(JobState.CANCELLED, text, {})
            return replace(each.moved(JobState.CANCELLED), outcome=outcome, ended=self._clock.now())

        self._jobs.change(job_id, denied)
