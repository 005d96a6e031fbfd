"""A stray: a job of a kind that this version of the bot does not know, left by a later one or a former one.

- Whoever does not know it does not begin it: it stays for a worker that does, which finds it by itself.
- While nobody works on it for half an hour, it is ended by those who are there, with a card: a lane that it held is
  free then.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from handlers.core.door.policy import Permission
from handlers.core.door.work import Work
from handlers.core.ports import Clock
from handlers.core.words.answers import Confirm, Invocation, JobId, Reply, Start
from handlers.core.words.cards import Card
from handlers.core.words.errors import Refusal
from handlers.core.words.job_cards import Wording, job_card
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Code, Text

LEFT = timedelta(minutes=30)


class Stray:
    """What stands behind such jobs, as a handler: it lets nobody do anything, and says what can be said."""

    permissions: Mapping[str, Permission] = {}

    def ask(self, invocation: Invocation) -> Reply | Start | Confirm:
        """See Handler."""
        raise Refusal(Text("There is no command {word}.", word=Code(invocation.command)))

    def describe(self, job: Job) -> Card:
        """See Handler."""
        named = Text("{operation} of {target}", operation=_named(job), target=Code(job.target))
        return job_card(job, Wording(named))

    def run(self, work: Work) -> Outcome:
        """See Handler."""
        raise Refusal(_unknown(work.job))

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """See Handler."""
        left = Text("What it left behind is not known: look before you ask for it again.")
        return Outcome(JobState.INTERRUPTED, Text("{why} {left}", why=_unknown(job), left=left), {})

    def lost(self) -> tuple[Job, ...]:
        """See Handler."""
        return ()


class Strays:
    """Since when nobody was seen at work on each of them, by this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._alone: dict[JobId, float] = {}

    def left(self, job: JobId, *, tended: bool) -> bool:
        """Whether it is to be ended. `tended`: somebody is at work on it now."""
        now = self._clock.monotonic()
        since = now if tended else self._alone.get(job, now)
        self._alone[job] = since
        return now - since > LEFT.total_seconds()


def _named(job: Job) -> Code:
    return Code(job.plan.operation.replace(".", " "))


def _unknown(job: Job) -> Text:
    return Text("No worker that runs knows {operation}: it is of another version of the bot.", operation=_named(job))
