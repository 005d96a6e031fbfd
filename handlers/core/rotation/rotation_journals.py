"""A rotation's journal: `v1/secrets/<secret>/<job>/`, as handlers.core.step_journals keeps it.

- A version's id is written, never a value.
- That it shall pause is a mark beside it, `v1/rotation-pauses/<secret>/<job>/<how often it has paused>.json`: whoever
  works on it sees the mark before its next step, whatever became of the state and of who asked.
- A paused rotation is taken up by another job, which writes `continued` or `returning` into the same journal; from
  then on that job is the one at work.
"""

from __future__ import annotations

from datetime import datetime

from handlers.core.door.step_journals import Entry, StepJournal
from handlers.core.door.step_journals import unclosed as unclosed_under
from handlers.core.ports import ArtifactStore
from handlers.core.words.answers import JobId
from handlers.core.words.digests import canonical
from handlers.core.words.jobs import Job

ROOT = "v1/secrets/"
PAUSES = "v1/rotation-pauses/"
PAUSED, CONTINUED, RETURNING = "paused", "continued", "returning"
BACK_STEP = "back"


class RotationJournal(StepJournal):
    """One rotation's."""

    def __init__(self, store: ArtifactStore, secret: str, job: JobId) -> None:
        super().__init__(store, ROOT, secret, job)
        self._marks = f"{PAUSES}{secret}/{job}"

    def ask_pause(self, now: datetime) -> None:
        """Once more does nothing."""
        self._store.put_new(self._mark(), canonical({"at": now.isoformat()}))

    def pause_asked(self) -> bool:
        """Since it was begun or last taken up."""
        return self._store.get(self._mark()) is not None

    @property
    def paused(self) -> Entry | None:
        """The record of its pause, while nobody has taken it up."""
        newest = self.entries[-1] if self.entries else None
        return newest if newest is not None and newest.what == PAUSED else None

    @property
    def returning(self) -> bool:
        """Whether a person had it go back; then it never goes forward again."""
        return self.last(RETURNING) is not None

    @property
    def turned_back(self) -> bool:
        """Whether the former value may be in use again, because a person or a failure had it go back. There is no way
        forward from there: what the steps before did is not so any more."""
        return self.returning or self.last("intent", BACK_STEP) is not None

    def at_work(self) -> Job | None:
        """The job that works on it, or did last, as it was when it took it up; None when nothing was begun."""
        taken = next((each for each in reversed(self.entries) if each.what in {CONTINUED, RETURNING}), None)
        return self.begun() if taken is None else self.job_of(taken)

    def _mark(self) -> str:
        return f"{self._marks}/{sum(each.what == PAUSED for each in self.entries):04}.json"


def unclosed(store: ArtifactStore) -> tuple[RotationJournal, ...]:
    """Rotations of all secrets that somebody must look after. Raises OutsideError or Damage."""
    return tuple(RotationJournal(store, secret, job).read() for secret, job in unclosed_under(store, ROOT))


def journals(store: ArtifactStore, secret: str) -> tuple[RotationJournal, ...]:
    """Every rotation of a secret, oldest first. Raises OutsideError or Damage."""
    prefix = f"{ROOT}{secret}/"
    jobs = {each.key.removeprefix(prefix).partition("/")[0] for each in store.list(prefix)}
    found = [RotationJournal(store, secret, JobId(job)).read() for job in jobs]
    return tuple(sorted(found, key=lambda each: each.entries[0].at))
