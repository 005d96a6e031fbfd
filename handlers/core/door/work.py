"""Work: what a running job is given. It tells people how far it is, and it stops when it must.

- `check` before every step that takes long or changes something: it raises when a person cancelled, and when this
  process may no longer be the one that acts.
- Progress is for people: when it cannot be stored, the work goes on. Notes are kept until they can.
- After `settle` it is too late to cancel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from handlers.core.words.answers import JobId
from handlers.core.words.digests import Json
from handlers.core.words.jobs import Job, Progress
from handlers.core.words.text import Text


class Work(Protocol):
    """One job, while it runs."""

    @property
    def job(self) -> Job:
        """Its record as this process knows it."""

    def check(self) -> None:
        """Raises Cancelled or OutsideError (the lease was lost)."""

    def progress(self, progress: Progress) -> None:
        """How far it is; stored at most once a second."""

    def note(self, note: Text) -> None:
        """Something happened that belongs into the thread."""

    def record(self, event: str, **facts: Json) -> None:
        """Writes into the audit record what is about to be done, or was. Raises OutsideError; then it must not be
        done."""

    def settle(self) -> None:
        """From here on nobody can cancel. Raises Cancelled or OutsideError; then it is not settled."""


def beats(work: Work) -> Iterator[None]:
    """An endless iterator that checks at each step, for those who wait elsewhere."""
    while True:
        work.check()
        yield


def short(job: JobId) -> str:
    """The part of a job's id that goes into names."""
    return job[:8]
