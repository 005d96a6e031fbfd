"""A rollback's journal: `v1/<target>/rollbacks/<job>/`, as handlers.core.step_journals keeps it.

- `begin` (the job, the seconds) · `intent put` · `done put` · `intent return` · `done return` · `end`; `taken` where
  another worker took it over.
- Once `intent return` is written, everybody goes back: the direction is decided once.
- It is also the lock that outlives the state: one that is not closed belongs to a rollback that is not over.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from handlers.core.door.step_journals import CLOSED, StepJournal, unclosed
from handlers.core.ports import ArtifactStore
from handlers.core.runbooks.attempts import Result, StepState
from handlers.core.runbooks.deployments import Change
from handlers.core.words.answers import JobId, TargetName
from handlers.core.words.jobs import Job, text_from_json, text_json


class RollbackJournal(StepJournal):
    """One rollback's."""

    def __init__(self, store: ArtifactStore, target: TargetName, job: JobId) -> None:
        super().__init__(store, _root(target), "all", job)

    @property
    def returning(self) -> bool:
        """Whether it was decided to go back."""
        return self.last("intent", "return") is not None

    @property
    def touched(self) -> bool:
        """Whether anything may have been changed."""
        return self.last("intent", "put") is not None

    @property
    def began(self) -> datetime:
        """When it did."""
        return datetime.fromisoformat(self.entries[0].at)

    @property
    def result(self) -> Result | None:
        """How it ended; None while it has not."""
        end = self.end
        if end is None:
            return None
        facts = tuple((str(label), str(value)) for label, value in end.facts["facts"])
        return Result(StepState(end.facts["state"]), text_from_json(end.facts["text"]), facts, end.facts["output"])

    def conclude(self, result: Result, now: datetime) -> None:
        """Writes how it ended, and closes it."""
        self.write(
            "end",
            now=now,
            state=result.state.value,
            text=text_json(result.text),
            facts=[list(each) for each in result.facts],
            output=result.output[-2000:],
        )
        self.close()


def changes_of(job: Job) -> tuple[Change, ...]:
    """What was confirmed. Raises ValueError for what is no plan of a rollback."""
    stored = job.plan.arguments.get("changes", ())
    if not isinstance(stored, Sequence) or isinstance(stored, str):
        raise ValueError("no changes")
    return tuple(Change.from_json(each) for each in stored)


def open_rollbacks(store: ArtifactStore, target: TargetName) -> tuple[JobId, ...]:
    """Jobs whose rollback is not over. Raises OutsideError."""
    return tuple(job for _, job in unclosed(store, _root(target)))


def left(store: ArtifactStore, target: TargetName) -> tuple[Change, ...]:
    """What the last rollback that went well changed; nothing when none did. Raises OutsideError or Damage."""
    prefix = f"{_root(target)}all/"
    closed = [each for each in store.list(prefix) if each.key.endswith(CLOSED)]
    for each in sorted(closed, key=lambda artifact: artifact.modified, reverse=True):
        job = JobId(each.key.removeprefix(prefix).removesuffix(CLOSED))
        journal = RollbackJournal(store, target, job).read()
        found, begun = journal.result, journal.begun()
        if found is not None and begun is not None and found.state is StepState.PASSED:
            return changes_of(begun)
    return ()


def _root(target: TargetName) -> str:
    return f"v1/{target}/rollbacks/"
