"""A job and its legal life.

    OFFERED ──► QUEUED ──► RUNNING ──► DONE
       │           │          ├──────► FAILED        it ended; what is true now is in its outcome
       │           │          ├──────► CANCELLED
       │           │          ├──────► INTERRUPTED   its worker died; another one looked at what is true now
       │           │          └──────► PAUSED        a person let it stop; another job goes on from there
       │           └──► CANCELLED
       └──► CANCELLED | EXPIRED

- Final states never change. A job never runs a second time: a dead worker's job is observed, not repeated. One kind is
  handed on (`handed`): its worker was told to stop, nothing remains of it, and nobody's code confirmed it.
- A job's record is everything its card needs; the card is derived from it, never stored.
- Notes are what happened on the way; they go into the card's thread in their order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from handlers.core.words.answers import Actor, JobId, PersonId, Plan, Surface, TargetName
from handlers.core.words.digests import Json, canonical
from handlers.core.words.text import Bytes, Code, Crew, Figure, Lines, Linked, Person, Room, Seconds, Text

NOTES_LIMIT = 40


class JobState(Enum):
    """Where a job is in its life."""

    OFFERED = "offered"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    PAUSED = "paused"
    EXPIRED = "expired"

    @property
    def final(self) -> bool:
        """Nothing will happen any more."""
        return not _NEXT[self]


_NEXT: Mapping[JobState, frozenset[JobState]] = {
    JobState.OFFERED: frozenset({JobState.QUEUED, JobState.CANCELLED, JobState.EXPIRED}),
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.FAILED}),
    JobState.RUNNING: frozenset(
        {JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.INTERRUPTED, JobState.PAUSED}
    ),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.INTERRUPTED: frozenset(),
    JobState.PAUSED: frozenset(),
    JobState.EXPIRED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far: `done` of `total` bytes; total 0 when it is not known. `stage` names the step for people."""

    stage: Text
    done_bytes: int = 0
    total_bytes: int = 0
    bytes_per_second: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. `facts` are for the handler's own card: canonical JSON, no secrets. `again`: nothing remains of
    it, so it may be begun anew when only its worker had to stop; not stored."""

    state: JobState
    text: Text
    facts: Mapping[str, Json]
    again: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one plan."""

    id: JobId
    plan: Plan
    state: JobState
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    progress: Progress | None = None
    notes: tuple[Text, ...] = ()
    outcome: Outcome | None = None
    cancelled_by: str | None = None
    confirmed_by: tuple[PersonId, ...] = ()
    needs: int = 0  # how many others must agree
    settled: bool = False  # too late to cancel
    frozen: Text | None = None  # why it may not be done now, but by the glass
    alone: bool = False  # the asker may break the glass
    glass: str = ""  # why they did
    glass_at: str = ""  # and when
    queued: datetime | None = None  # when it was handed on

    def moved(self, state: JobState) -> Job:
        """The job in its next state. Raises ValueError for a move that is not legal."""
        if state not in _NEXT[self.state]:
            raise ValueError(f"a job does not go from {self.state.value} to {state.value}")
        return replace(self, state=state)

    def handed(self, moment: datetime) -> Job:
        """Waiting again, because its worker was told to stop. Raises ValueError when that is not legal: what a code
        confirmed, what cannot be cancelled any more, what was cancelled, and what only the terminal's process runs."""
        if not self.can_be_handed:
            raise ValueError(f"a job that is {self.state.value} is not handed on")
        note = Text("Its worker was stopped, so it is begun anew.")
        return replace(self, state=JobState.QUEUED, started=None, progress=None, queued=moment).noted(note)

    @property
    def can_be_handed(self) -> bool:
        """See `handed`."""
        asked_here = self.plan.actor.surface is Surface.TERMINAL
        touched = bool(self.confirmed_by or self.needs or self.settled or self.cancelled_by or self.glass)
        return self.state is JobState.RUNNING and not touched and not asked_here

    def noted(self, note: Text) -> Job:
        """With one more note; a full list keeps its first notes and says once that it is full."""
        if len(self.notes) >= NOTES_LIMIT:
            return self
        if len(self.notes) == NOTES_LIMIT - 1:
            note = Text("More happened; see the log of the bot.")
        return replace(self, notes=(*self.notes, note))

    @property
    def target(self) -> TargetName:
        """What it works on."""
        return self.plan.target

    def to_bytes(self) -> bytes:
        """The stored form."""
        return canonical(
            {
                "id": self.id,
                "plan": self.plan.to_json(),
                "state": self.state.value,
                "created": self.created.isoformat(),
                "started": None if self.started is None else self.started.isoformat(),
                "ended": None if self.ended is None else self.ended.isoformat(),
                "progress": None if self.progress is None else _progress_json(self.progress),
                "notes": [text_json(note) for note in self.notes],
                "outcome": None if self.outcome is None else _outcome_json(self.outcome),
                "cancelled_by": self.cancelled_by,
                "confirmed_by": list(self.confirmed_by),
                "needs": self.needs,
                "settled": self.settled,
                "frozen": None if self.frozen is None else text_json(self.frozen),
                "alone": self.alone,
                "glass": self.glass,
                "glass_at": self.glass_at,
                "queued": None if self.queued is None else self.queued.isoformat(),
            }
        )

    @staticmethod
    def from_bytes(stored: bytes) -> Job:
        """Raises ValueError for what is not a stored job."""
        try:
            return _job(json.loads(stored))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("not a stored job") from error


def _job(data: Mapping[str, Any]) -> Job:
    outcome, progress = data["outcome"], data["progress"]
    return Job(
        id=JobId(data["id"]),
        plan=plan_from_json(data["plan"]),
        state=JobState(data["state"]),
        created=datetime.fromisoformat(data["created"]),
        started=_moment(data["started"]),
        ended=_moment(data["ended"]),
        progress=None
        if progress is None
        else Progress(text_from_json(progress["stage"]), progress["done"], progress["total"], progress["rate"]),
        notes=tuple(text_from_json(note) for note in data["notes"]),
        outcome=None
        if outcome is None
        else Outcome(JobState(outcome["state"]), text_from_json(outcome["text"]), outcome["facts"]),
        cancelled_by=data["cancelled_by"],
        confirmed_by=tuple(PersonId(each) for each in data["confirmed_by"]),
        needs=int(data["needs"]),
        settled=data["settled"],
        frozen=None if data["frozen"] is None else text_from_json(data["frozen"]),
        alone=data["alone"],
        glass=str(data["glass"]),
        glass_at=str(data["glass_at"]),
        queued=_moment(data.get("queued")),
    )


def plan_from_json(data: Mapping[str, Any]) -> Plan:
    """Raises KeyError, TypeError or ValueError for what is not a stored plan."""
    return Plan(
        operation=str(data["operation"]),
        target=TargetName(data["target"]),
        arguments=dict(data["arguments"]),
        actor=Actor.from_json(data["actor"]),
        channel=str(data["channel"]),
        created=str(data["created"]),
        nonce=str(data["nonce"]),
        lane=str(data.get("lane", "")),
        policy=str(data.get("policy", "")),
        shown=str(data.get("shown", "")),
    )


def _moment(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored)


def _progress_json(progress: Progress) -> Json:
    return {
        "stage": text_json(progress.stage),
        "done": progress.done_bytes,
        "total": progress.total_bytes,
        "rate": progress.bytes_per_second,
    }


def _outcome_json(outcome: Outcome) -> Json:
    return {"state": outcome.state.value, "text": text_json(outcome.text), "facts": dict(outcome.facts)}


def text_json(text: Text) -> Json:
    """A Text as stored: its template and its tagged values."""
    return {
        "template": text.template,
        "values": {name: _value_json(value) for name, value in text.values.items()},
    }


def _value_json(value: object) -> Json:
    match value:
        case str():
            return ["str", value]
        case int():
            return ["int", value]
        case datetime():
            return ["time", value.isoformat()]
        case Bytes(count):
            return ["bytes", count]
        case Seconds(count):
            return ["milliseconds", round(count * 1000)]
        case Person(person):
            return ["person", person]
        case Crew(crew):
            return ["crew", crew]
        case Room(room):
            return ["room", room]
        case Code(word):
            return ["code", word]
        case Figure(spelled):
            return ["figure", spelled]
        case Lines(lines):
            return ["lines", lines]
        case Linked(words, url):
            return ["linked", [words, url]]
        case Text():
            return ["text", text_json(value)]
        case _:
            raise TypeError(f"not a value of a Text: {type(value).__name__}")


def text_from_json(data: Mapping[str, Any]) -> Text:
    """Raises KeyError, TypeError or ValueError for what is not a stored Text."""
    return Text(str(data["template"]), **{name: _value(*pair) for name, pair in data["values"].items()})


def _value(kind: str, stored: Any) -> Any:
    match kind:
        case "str" | "int":
            return stored
        case "time":
            return datetime.fromisoformat(stored)
        case "bytes":
            return Bytes(stored)
        case "milliseconds":
            return Seconds(stored / 1000)
        case "person":
            return Person(stored)
        case "crew":
            return Crew(stored)
        case "room":
            return Room(stored)
        case "code":
            return Code(stored)
        case "figure":
            return Figure(stored)
        case "lines":
            return Lines(stored)
        case "linked":
            return Linked(*stored)
        case "text":
            return text_from_json(stored)
        case _:
            raise ValueError(f"unknown kind of value {kind!r}")
