"""Jobs, as the relay shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from handlers.core.words.answers import JobId, Surface
from handlers.core.words.cards import Card
from handlers.core.words.jobs import Job
from handlers.core.words.postings import Posting


class Desk(Protocol):
    """What of the desk the relay needs."""

    def load(self, job_id: JobId) -> Job | None:
        """See the desk."""

    def card(self, job: Job) -> Card:
        """See the desk."""


class JobBoard:
    """See `Board`. `direct`: the channel between a person and the bot. Raises Refusal or OutsideError."""

    def __init__(self, desk: Desk, direct: Callable[[str], str] | None = None) -> None:
        self._desk = desk
        self._direct = direct
        self._met: dict[str, str] = {}

    def begin(self, names: Sequence[str]) -> Mapping[str, int]:
        """Every job has its own card."""
        return {}

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        """None for a job that is gone, and for what was asked for at the terminal, where it is shown."""
        job = self._desk.load(JobId(name))
        if job is None or job.plan.actor.surface is Surface.TERMINAL or not job.plan.channel:
            return None
        return Posting(
            channel=self._where(job.plan.channel),
            card=self._desk.card(job),
            began=job.created,
            notes=job.notes,
            ended=job.ended if job.state.final else None,
            urgency=0 if job.state.final or not shown else 2,
            person=job.plan.actor.person if job.plan.actor.surface is Surface.SLACK else "",
        )

    def _where(self, channel: str) -> str:
        """A person's id stands for the conversation between them and the bot."""
        if self._direct is None or channel[:1] not in {"U", "W"}:
            return channel
        if channel not in self._met:
            self._met[channel] = self._direct(channel)
        return self._met[channel]

    def placed(self, name: str, channel: str, address: str) -> None:
        """Nobody asks."""
