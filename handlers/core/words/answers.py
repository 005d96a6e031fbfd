"""What is asked and what is answered.

- An `Invocation` is what a person (or the schedule, or the terminal) said, and who and where.
- A `Plan` is a frozen decision about what would happen: "latest" resolved, sizes and names looked up. Its digest is
  what the card shows, what a code confirms, and what the worker checks again. Changing a byte voids the approval.
- An `Answer` is closed: `Reply` (nothing happens), `Start` (a job may begin now), `Confirm` (a code must come first).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NewType

from handlers.core.words.cards import Card
from handlers.core.words.digests import Json, digest

PersonId = NewType("PersonId", str)
JobId = NewType("JobId", str)
BackupId = NewType("BackupId", str)
TargetName = NewType("TargetName", str)


class Surface(Enum):
    """Where a wish came from."""

    SLACK = "slack"
    TERMINAL = "terminal"
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: an id inside a workspace, never a display name."""

    person: PersonId
    team: str
    surface: Surface

    def to_json(self) -> dict[str, Json]:
        """For stored records."""
        return {"person": self.person, "team": self.team, "surface": self.surface.value}

    @staticmethod
    def from_json(data: Mapping[str, str]) -> Actor:
        """Raises KeyError or ValueError for what is not a stored actor."""
        return Actor(PersonId(data["person"]), data["team"], Surface(data["surface"]))


@dataclass(frozen=True, slots=True)
class Invocation:
    """One wish: `/backup now shop` is command `backup`, words `("now", "shop")`."""

    command: str
    words: tuple[str, ...]
    actor: Actor
    channel: str


@dataclass(frozen=True, slots=True)
class Press:
    """A button on a card that is no job's, or an answered form: which one, the value it carries, and what was typed."""

    action: str
    value: str
    actor: Actor
    channel: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, to which target, with every argument resolved. Arguments are canonical JSON, no floats.
    `lane`: empty for what only one job may do to a target at a time; jobs of another lane go on beside it. `policy`:
    the version of the team's rules it was asked under. `shown`: the card that shows the job, as the relay names it;
    empty: the job has its own."""

    operation: str
    target: TargetName
    arguments: Mapping[str, Json]
    actor: Actor
    channel: str
    created: str
    nonce: str
    lane: str = ""
    policy: str = ""
    shown: str = ""

    def to_json(self) -> dict[str, Json]:
        """For stored records, and for the digest."""
        return {
            "operation": self.operation,
            "target": self.target,
            "arguments": dict(self.arguments),
            "actor": self.actor.to_json(),
            "channel": self.channel,
            "created": self.created,
            "nonce": self.nonce,
            **({"lane": self.lane} if self.lane else {}),
            **({"policy": self.policy} if self.policy else {}),
            **({"shown": self.shown} if self.shown else {}),
        }

    @property
    def digest(self) -> str:
        """The fingerprint a code is bound to."""
        return digest("plan", self.to_json())


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan before the desk signs it with actor, channel, time and nonce."""

    operation: str
    target: TargetName
    arguments: Mapping[str, Json] = field(default_factory=dict)
    lane: str = ""
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file for the asker alone."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """Only words, and perhaps a file; nothing happens. Seen by the asker alone."""

    card: Card
    file: Attachment | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """A job that may begin at once."""

    draft: Draft


@dataclass(frozen=True, slots=True)
class Confirm:
    """A job that needs a second factor bound to the plan."""

    draft: Draft


Answer = Reply | Start | Confirm
