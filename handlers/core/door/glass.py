"""Breaking the glass: a person whom the policy names does alone, in an emergency, what is frozen or what others would
have to agree to.

- It opens one plan, not a time: the offer that its asker made, for the minutes the policy says, and nothing else.
- A reason comes first; their own code confirms plan, reason and moment together. Changing any of them voids it.
- It is loud: the card says so, the audit's channel is told, and a task stays open there until somebody else has looked
  at it. It is said again after a day. Where there is no
  such channel, no glass is broken.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from handlers.core.door.alarms import Alarm, Alarms
from handlers.core.door.policy import Permission
from handlers.core.door.records import Jobs
from handlers.core.door.rules import Need, RuleBook, Wish
from handlers.core.ports import Audit, Clock, State
from handlers.core.words.answers import Actor, JobId, TargetName
from handlers.core.words.audit import AuditEvent
from handlers.core.words.digests import digest
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Code, Person, Text

REVIEW = "access.glass"
REVIEW_HOURS = 24
LOOK_SECONDS = 600
SHORTEST = 10
MOST = 300


def glass_digest(job: Job) -> str:
    """What the asker's code confirms when they go on alone."""
    return digest("glass", {"plan": job.plan.digest, "reason": job.glass, "at": job.glass_at})


def broken(job: Job, minutes: int, confirmed: bool, now: datetime) -> Text | None:
    """Why the glass does not let this job through; None: it does. `minutes`: what the policy of now allows its asker;
    `confirmed`: their code confirmed it."""
    if not minutes:
        return Text("The policy does not let the asker go on alone any more. Nothing was done.")
    if not confirmed:
        return Text("The asker's code did not confirm that they go on alone. Nothing was done.")
    try:
        age = now - datetime.fromisoformat(job.glass_at)
    except (ValueError, TypeError):
        return Text("When the glass was broken is not known. Nothing was done.")
    if not timedelta(minutes=-1) <= age <= timedelta(minutes=minutes):
        return Text("The glass was broken more than {minutes} minutes ago. Nothing was done.", minutes=minutes)
    return None


class Glass:
    """Breaks it, and looks after what must be looked at afterwards. `channel`: of the audit."""

    def __init__(
        self, state: State, rules: RuleBook, audit: Audit, clock: Clock, alarms: Alarms, actor: Actor, channel: str
    ) -> None:
        self._state = state
        self._jobs = Jobs(state)
        self._looked: float | None = None
        self._rules = rules
        self._audit = audit
        self._clock = clock
        self._alarms = alarms
        self._actor = actor
        self._channel = channel

    def offer(self, job_id: JobId, actor: Actor) -> Job:
        """The job that this person may go on with alone. Raises Refusal."""
        job = self._jobs.offered(job_id)
        if (job.plan.actor.person, job.plan.actor.team) != (actor.person, actor.team):
            raise Refusal(Text("Only {person}, who asked for this, can.", person=Person(job.plan.actor.person)))
        need = self._need(job)
        if not isinstance(need, Need) or not need.alone:
            raise Refusal(Text("The policy does not let you do this alone."))
        if not self._channel:
            raise Refusal(Text("There is no AUDIT_CHANNEL to be told of it, so nobody can go on alone."))
        return job

    def break_(self, job_id: JobId, actor: Actor, reason: str) -> None:
        """Notes the reason and the moment; a code must follow. Raises Refusal or OutsideError."""
        job, why = self.offer(job_id, actor), " ".join(reason.split())[:MOST]
        if len(why) < SHORTEST:
            raise Refusal(Text("Say in a sentence why this cannot wait for somebody else."))
        at = self._clock.now().isoformat(timespec="seconds")
        self._write("glass.broken", job, actor, reason=why)

        def noted(each: Job) -> Job:
            return replace(each, glass=why, glass_at=at) if each.state is JobState.OFFERED else each

        self._jobs.change(job_id, noted)

    def told(self, job: Job) -> None:
        """It was confirmed: the audit's channel is told, and asked to look at it. Raises OutsideError."""
        text = Text(
            "{person} broke the glass: alone, {operation} on {target}, because: {reason}. Somebody else must look at "
            "it within {hours} hours.",
            person=Person(job.plan.actor.person),
            operation=Code(job.plan.operation.replace(".", " ")),
            target=Code(job.target),
            reason=job.glass,
            hours=REVIEW_HOURS,
        )
        facts = {"action": "access_reviewed", "value": str(job.id)}
        self._alarms.lasts(Alarm("glass", REVIEW, TargetName(job.id), text, facts), self._actor, self._channel)

    def remind(self) -> None:
        """Says again, once, what nobody has looked at in time; looks every ten minutes. Raises OutsideError."""
        now = self._clock.monotonic()
        if self._looked is not None and now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        for key in self._state.keys("alarm:glass:"):
            target = TargetName(key.removeprefix("alarm:glass:"))
            held = self._state.get(key)
            task = None if held is None else self._jobs.load(JobId(held.value.decode()))
            if task is None or task.outcome is None:
                continue
            late = self._clock.now() - task.created > timedelta(hours=REVIEW_HOURS)
            if late and self._state.put_if(f"glass-late:{target}", b"", None) is not None:
                what = task.outcome.text
                text = Text("Nobody has looked at this for {hours} hours: {what}", hours=REVIEW_HOURS, what=what)
                self._alarms.tell(
                    Alarm("glass-late", REVIEW, target, text, task.outcome.facts), self._actor, self._channel
                )

    def reviewed(self, job_id: JobId, actor: Actor) -> None:
        """Somebody else has looked at it. Raises Refusal or OutsideError."""
        job = self._jobs.load(job_id)
        if job is None or not job.glass or not self._alarms.raised("glass", TargetName(job_id)):
            raise Refusal(Text("Somebody has looked at this already."))
        rules, asker = self._rules.current(), job.plan.actor.person
        human, need = rules.human(actor.person), self._need(job)
        if human is None or actor.person == asker or human == rules.human(asker):
            raise Refusal(Text("Somebody else must look at this, not who did it."))
        if isinstance(need, Need) and need.approvers and human.name not in need.approvers:
            raise Refusal(Text("The policy does not let you agree to such things, so not to this afterwards either."))
        self._write("glass.reviewed", job, actor)
        text = Text("{person} has looked at it.", person=Person(actor.person))
        self._alarms.over("glass", TargetName(job_id), text, actor)

    def _need(self, job: Job) -> Need | Text:
        plan = job.plan
        wish = Wish(Permission.DESTROY, plan.operation, plan.target, plan.channel, self._clock.now(), plan.arguments)
        return self._rules.current().need(plan.actor.person, wish)

    def _write(self, event: str, job: Job, actor: Actor, **facts: str) -> None:
        about = {"job": str(job.id), **facts}
        operation = job.plan.operation
        self._audit.write(AuditEvent(event, "allow", actor, job.target, operation, job.plan.digest, about))
