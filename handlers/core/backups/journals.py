"""A restore's journal: what was about to happen, beside the backups, in records that never change.

- `v1/<target>/restores/<job>/intent.json`    before anything: the job, so that its card can be found again
- `…/decision.json`   the one compare-and-set between "the worker switches" and "somebody rescues": whoever is
                      second walks away. `go` with what is live and what is staged, or not.
- `…/outcome.json`    `switched` once the new data is in place; or `rolled_back`
- `…/back.json`       after a rollback: the old data is whole in its place, so nothing is read from where it was moved
- `…/kept.json`       until when what was replaced is kept beside the live data, and in which database
- `…/closed.json`     nothing is left to do
- `…/gone.json`       what was kept is there no more: its time was over, or an undo put it back
A journal without `closed` is a restore somebody must look after, also when the state was lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from handlers.core.formats.manifests import CollectionSpec
from handlers.core.ports import ArtifactStore, LiveCollection
from handlers.core.words.answers import JobId, TargetName
from handlers.core.words.digests import Json, canonical
from handlers.core.words.errors import Damage
from handlers.core.words.jobs import Job
from handlers.core.words.text import Code, Text


@dataclass(frozen=True, slots=True)
class Decision:
    """`go`: the switch may have begun, from `old` to `new` (names as they are when live). `staged`: what the names of
    the staged ones begin with. `blocked`: writes of others are blocked while it lasts."""

    go: bool
    old: tuple[LiveCollection, ...] = ()
    new: tuple[LiveCollection, ...] = ()
    staged: str = ""
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """What a restore replaced, kept for an undo until that time."""

    job: JobId
    database: str
    until: datetime


class Journal:
    """The journal of one restore. Everything raises OutsideError; Damage for what cannot be read."""

    def __init__(self, store: ArtifactStore, target: TargetName, job: JobId) -> None:
        self._store = store
        self.job = job
        self._folder = f"v1/{target}/restores/{job}"

    def intend(self, job: Job) -> None:
        """Writes the intent; once more does nothing."""
        self._put("intent", {"job": json.loads(job.to_bytes())})

    def intent(self) -> Job | None:
        """The job as it was when it began; None when nothing was begun."""
        found = self._get("intent")
        try:
            return None if found is None else Job.from_bytes(canonical(found["job"]))
        except (KeyError, ValueError) as error:
            raise self._damaged("intent") from error

    def decide(self, decision: Decision) -> Decision:
        """Writes the decision, or gives the one somebody else wrote first."""
        self._put(
            "decision",
            {
                "go": decision.go,
                "old": [_live(each) for each in decision.old],
                "new": [_live(each) for each in decision.new],
                "staged": decision.staged,
                "blocked": decision.blocked,
            },
        )
        found = self.decision()
        if found is None:
            raise self._damaged("decision")
        return found

    def decision(self) -> Decision | None:
        """What was decided; None when nothing was yet."""
        found = self._get("decision")
        try:
            return (
                None
                if found is None
                else Decision(
                    bool(found["go"]),
                    _lives(found["old"]),
                    _lives(found["new"]),
                    str(found["staged"]),
                    bool(found["blocked"]),
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged("decision") from error

    def conclude(self, switched: bool) -> bool:
        """Writes how the switch ended, or gives what somebody else wrote first."""
        self._put("outcome", {"switched": switched})
        found = self._get("outcome")
        if found is None or not isinstance(found.get("switched"), bool):
            raise self._damaged("outcome")
        return bool(found["switched"])

    def put_back(self) -> None:
        """The old data is whole in its place; what was moved away may be removed."""
        self._put("back", {})

    @property
    def is_back(self) -> bool:
        """Whether that was written."""
        return self._get("back") is not None

    def keep(self, database: str, until: datetime) -> None:
        """Writes until when what was replaced is kept; once more does nothing."""
        self._put("kept", {"database": database, "until": until.isoformat()})

    def kept(self) -> Kept | None:
        """What is still kept, also when its time is over; None when nothing is, or not any more."""
        return None if self._get("gone") is not None else self.once_kept()

    def once_kept(self) -> Kept | None:
        """What was kept, also when it is there no more; None when nothing ever was."""
        found = self._get("kept")
        if found is None:
            return None
        try:
            return Kept(self.job, str(found["database"]), datetime.fromisoformat(found["until"]))
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged("kept") from error

    def gone(self) -> None:
        """What was kept is there no more."""
        self._put("gone", {})

    def close(self) -> None:
        """Nothing is left to do."""
        self._put("closed", {})

    def _put(self, name: str, data: Mapping[str, Json]) -> None:
        self._store.put_new(f"{self._folder}/{name}.json", canonical(dict(data)))

    def _get(self, name: str) -> dict[str, Any] | None:
        stored = self._store.get(f"{self._folder}/{name}.json")
        if stored is None:
            return None
        try:
            data = json.loads(stored)
        except ValueError as error:
            raise self._damaged(name) from error
        if not isinstance(data, dict):
            raise self._damaged(name)
        return data

    def _damaged(self, name: str) -> Damage:
        return Damage(
            Text("The journal {where} cannot be read. Somebody must look.", where=Code(f"{self._folder}/{name}"))
        )


def unclosed(store: ArtifactStore, target: TargetName) -> tuple[JobId, ...]:
    """Restores of a target that somebody must look after. Raises OutsideError."""
    return tuple(
        job for job, found in _journals(store, target).items() if "intent.json" in found and "closed.json" not in found
    )


def journal(store: ArtifactStore, target: TargetName, job: str) -> Journal | None:
    """That of a job that somebody named; None when this target has none. Raises OutsideError."""
    return Journal(store, target, JobId(job)) if job in _journals(store, target) else None


def kept(store: ArtifactStore, target: TargetName) -> tuple[Kept, ...]:
    """What restores of a target replaced and is kept still, the newest last. Raises OutsideError or Damage."""
    found = (
        Journal(store, target, job).kept()
        for job, names in _journals(store, target).items()
        if "kept.json" in names and "gone.json" not in names
    )
    return tuple(sorted((each for each in found if each is not None), key=lambda each: each.until))


def _journals(store: ArtifactStore, target: TargetName) -> dict[JobId, set[str]]:
    root = f"v1/{target}/restores/"
    names: dict[JobId, set[str]] = {}
    for artifact in store.list(root):
        job, _, name = artifact.key.removeprefix(root).partition("/")
        names.setdefault(JobId(job), set()).add(name)
    return names


def _live(collection: LiveCollection) -> Json:
    return {"spec": collection.spec.to_json(), "uuid": collection.uuid}


def _lives(data: Sequence[Mapping[str, Any]]) -> tuple[LiveCollection, ...]:
    return tuple(LiveCollection(CollectionSpec.from_json(each["spec"]), str(each["uuid"])) for each in data)
