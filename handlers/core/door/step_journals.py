"""A journal of one job's steps: what was about to be done and what was seen, beside the backups, in records that never
change.

- `<root><subject>/<job>/<number>.json`: numbers without gaps. Whoever writes a number that is taken has been replaced
  by another worker, and stops: this is the fence.
- An intent before each step, an observation after it.
- `…/closed.json`: after the record `end`. A journal without it is something somebody must look after, also when the
  state was lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from handlers.core.ports import ArtifactStore
from handlers.core.words.answers import JobId
from handlers.core.words.digests import Json, canonical
from handlers.core.words.errors import Damage, OutsideError
from handlers.core.words.jobs import Job
from handlers.core.words.text import Code, Text

CLOSED = "/closed.json"


class Replaced(OutsideError):
    """Another worker took this over."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record. `what`: begin, intent, done, taken, end, and what an operation adds of its own."""

    what: str
    step: str = ""
    at: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


class StepJournal:
    """One job's. Everything raises OutsideError; Damage for what cannot be read."""

    def __init__(self, store: ArtifactStore, root: str, subject: str, job: JobId) -> None:
        self._store = store
        self._folder = f"{root}{subject}/{job}"
        self.job = job
        self.entries: tuple[Entry, ...] = ()

    def read(self) -> Self:
        """Reads what is there, in its order."""
        keys = (each.key for each in self._store.list(f"{self._folder}/"))
        names = sorted(key for key in keys if not key.endswith(CLOSED))
        found = []
        for number, key in enumerate(names):
            if key != self._key(number):
                raise self._damaged()
            found.append(self._entry(key))
        self.entries = tuple(found)
        return self

    def begin(self, job: Job, now: datetime) -> None:
        """The first record: the job, so that its card can be found again."""
        self.write("begin", now=now, job=json.loads(job.to_bytes()))

    def write(self, what: str, step: str = "", *, now: datetime, **facts: Json) -> None:
        """The next record. Raises Replaced when somebody else wrote it: then this worker must not act."""
        entry = Entry(what, step, now.isoformat(), facts)
        data = canonical({"what": what, "step": step, "at": entry.at, "facts": dict(facts)})
        key = self._key(len(self.entries))
        if not self._store.put_new(key, data):
            raise Replaced(
                Text("Another worker took this over; this one stopped, so that two never act at once."),
                permanent=True,
            )
        self.entries = (*self.entries, entry)

    def last(self, what: str, step: str = "") -> Entry | None:
        """The newest record of that sort."""
        return next((each for each in reversed(self.entries) if (each.what, each.step) == (what, step)), None)

    def begun(self) -> Job | None:
        """The job as it was when it began; None when nothing was."""
        first = self.last("begin")
        return None if first is None else self.job_of(first)

    def job_of(self, entry: Entry) -> Job:
        """The job in a record that has one. Raises Damage."""
        try:
            return Job.from_bytes(canonical(entry.facts["job"]))
        except (KeyError, ValueError) as error:
            raise self._damaged() from error

    def close(self) -> None:
        """Nothing is left to do."""
        self._store.put_new(self._folder + CLOSED, b"{}")

    @property
    def end(self) -> Entry | None:
        """How it ended; None while it has not."""
        return self.last("end")

    def _key(self, number: int) -> str:
        return f"{self._folder}/{number:04}.json"

    def _entry(self, key: str) -> Entry:
        stored = self._store.get(key)
        try:
            data = json.loads(stored or b"")
            return Entry(str(data["what"]), str(data["step"]), str(data["at"]), dict(data["facts"]))
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged() from error

    def _damaged(self) -> Damage:
        return Damage(Text("The journal {where} cannot be read. Somebody must look.", where=Code(self._folder)))


def unclosed(store: ArtifactStore, root: str) -> tuple[tuple[str, JobId], ...]:
    """Subject and job of every journal under a root that somebody must look after. Raises OutsideError."""
    keys = [each.key for each in store.list(root)]
    closed = {key.removesuffix(CLOSED) for key in keys if key.endswith(CLOSED)}
    folders = sorted({key.rpartition("/")[0] for key in keys} - closed)
    parts = (folder.removeprefix(root).rpartition("/") for folder in folders)
    return tuple((subject, JobId(job)) for subject, _, job in parts)
