"""A witness: says aloud when the audit record cannot be written, because then nothing more is done.

- What cannot be recorded is refused, as everywhere; besides, the team's channel is told, once, for as long as it lasts.
- The first record that is written again ends it.
"""

from __future__ import annotations

import contextlib

from handlers.core.door.alarms import Alarm, Alarms
from handlers.core.ports import Audit
from handlers.core.words.answers import Actor, TargetName
from handlers.core.words.audit import AuditEvent
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Job
from handlers.core.words.text import Text

ALARM = "audit.unwritable"
TARGET = TargetName("audit")


class Witness:
    """An Audit over another. `actor`, `channel`: who tells, and where; an empty channel: nobody is told."""

    def __init__(self, audit: Audit, alarms: Alarms, actor: Actor, channel: str) -> None:
        self._audit = audit
        self._alarms = alarms
        self._actor = actor
        self._channel = channel
        self._failed = True  # another process may have told: the first record that is written looks

    def write(self, event: AuditEvent) -> None:
        """See Audit."""
        try:
            self._audit.write(event)
        except OutsideError as error:
            self._failed = True
            with contextlib.suppress(OutsideError):  # without the state nobody can be told, and nothing is done either
                alarm = Alarm(ALARM, ALARM, TARGET, error.text, {}, recorded=False)
                self._alarms.lasts(alarm, self._actor, self._channel)
            raise
        if self._failed:
            with contextlib.suppress(OutsideError):
                text = Text("The audit record can be written again.")
                self._alarms.over(ALARM, TARGET, text, self._actor)
                self._failed = False


def alarm_card(job: Job) -> Card:
    """What an alarm about the audit record says, also that of the notary."""
    tampered = job.plan.operation != ALARM
    lines = () if job.outcome is None else (job.outcome.text,)
    if job.outcome is not None and "over" in job.outcome.facts:
        return Card(Text("The audit record was looked after"), Tone.GOOD, lines)
    if tampered:
        hint = Text("Run `negahban audit verify` on the bot's host before anybody works on it.")
        return Card(Text("The audit record was tampered with"), Tone.BAD, (*lines, hint))
    hint = Text("Nothing is backed up, restored or rotated until it can be written.")
    return Card(Text("The audit record cannot be written"), Tone.BAD, (*lines, hint))
