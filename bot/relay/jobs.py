"""Jobs, as the relay shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from handlers.core.answers import JobId, Surface
from handlers.core.cards import Card
from handlers.core.jobs import Job
from handlers.core.postings import Posting


class Desk(Protocol):
    """What of the desk the relay needs."""

    def load(self, job_id: JobId) -> Job | None:
        """See the desk."""

    def card(self, job: Job) -> Card:
        """See the desk."""


class JobBoard:
    """See `Board`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def begin(self, names: Sequence[str]) -> None:
        """Every job has its own card."""

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        """None for a job that is gone, and for what was asked for at the terminal, where it is shown."""
        job = self._desk.load(JobId(name))
        if job is None or job.plan.actor.surface is Surface.TERMINAL or not job.plan.channel:
            return None
        return Posting(
            channel=job.plan.channel,
            card=self._desk.card(job),
            began=job.created,
            notes=job.notes,
            ended=job.ended if job.state.final else None,
            urgency=0 if job.state.final or not shown else 2,
            person=job.plan.actor.person if job.plan.actor.surface is Surface.SLACK else "",
        )
