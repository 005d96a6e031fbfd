"""An alarm: something that nobody asked about and somebody must know, as a card in the team's channel.

- It is a record like that of a job that has ended, so that the relay shows it; it never runs.
- `alarm:<kind>:<target>` in the state names the record while the alarm lasts: one card for each episode, however many
  bots look. When it is over, the same card says so. A record that is gone (30 days) is made anew: a reminder.
- What is raised and what is over is in the audit record first; only an alarm about the record itself goes without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from handlers.core.door.records import Jobs
from handlers.core.ports import Audit, Clock, Entropy, State
from handlers.core.words.answers import Actor, JobId, Plan, TargetName
from handlers.core.words.audit import AuditEvent
from handlers.core.words.digests import Json
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Text


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong. `operation` says whose words its card has; `kind` tells alarms of one target apart. `recorded`:
    must be in the audit record; False when that is what is wrong."""

    kind: str
    operation: str
    target: TargetName
    text: Text
    facts: Mapping[str, Json]
    recorded: bool = True


class Alarms:
    """Raises and closes alarms in one channel. Everything raises OutsideError."""

    def __init__(self, state: State, audit: Audit, clock: Clock, entropy: Entropy) -> None:
        self._state = state
        self._audit = audit
        self._clock = clock
        self._entropy = entropy
        self._jobs = Jobs(state)

    def tell(self, alarm: Alarm, actor: Actor, channel: str) -> None:
        """Says something once that is over when it is said."""
        self._raise(alarm, actor)
        self._jobs.create(self._record(self._new_id(), alarm, actor, channel))

    def raised(self, kind: str, target: TargetName) -> bool:
        """Whether it lasts."""
        return self._state.get(_key(kind, target)) is not None

    def lasts(self, alarm: Alarm, actor: Actor, channel: str) -> None:
        """It is so now: raised if it was not yet."""
        key, job_id = _key(alarm.kind, alarm.target), self._new_id()
        held = self._state.get(key)
        if held is not None:
            job_id = JobId(held.value.decode())
            if self._jobs.load(job_id) is not None:
                return self._jobs.touch(job_id)  # whoever raised it may have died before it could be shown
        self._raise(alarm, actor)
        if held is None and self._state.put_if(key, job_id.encode(), None) is None:
            return None  # somebody else saw it too
        return self._jobs.create(self._record(job_id, alarm, actor, channel))

    def over(self, kind: str, target: TargetName, text: Text, actor: Actor) -> None:
        """It is not so any more: the card says so, if there is one."""
        held = self._state.get(_key(kind, target))
        if held is None:
            return
        self._write("alarm.over", kind, target, actor, {})

        def closed(job: Job) -> Job:
            if job.outcome is None:
                return job
            facts = {**job.outcome.facts, "over": self._clock.now().isoformat()}
            return replace(job, outcome=Outcome(job.outcome.state, text, facts))

        self._jobs.change(JobId(held.value.decode()), closed)
        self._state.delete_if(_key(kind, target), held.version)

    def _raise(self, alarm: Alarm, actor: Actor) -> None:
        try:
            self._write("alarm.raised", alarm.kind, alarm.target, actor, alarm.facts)
        except OutsideError:
            if alarm.recorded:
                raise

    def _new_id(self) -> JobId:
        return JobId(self._entropy.token(12))

    def _record(self, job_id: JobId, alarm: Alarm, actor: Actor, channel: str) -> Job:
        now = self._clock.now()
        nonce = self._entropy.token(26)
        plan = Plan(alarm.operation, alarm.target, {"kind": alarm.kind}, actor, channel, now.isoformat(), nonce)
        outcome = Outcome(JobState.FAILED, alarm.text, alarm.facts)
        return Job(job_id, plan, JobState.FAILED, now, ended=now, outcome=outcome)

    def _write(self, event: str, kind: str, target: TargetName, actor: Actor, facts: Mapping[str, Json]) -> None:
        self._audit.write(AuditEvent(event, "allow", actor, target=target, facts={**facts, "alarm": kind}))


def _key(kind: str, target: TargetName) -> str:
    return f"alarm:{kind}:{target}"
