"""What the parts of a service run, and how they are told to run something else: the port of rollbacks.

- A version is named exactly (an image's digest, a template's hash) and shown by its tag; the same `id` is the same.
- A change is one service from one version to another. What is told to run twice is the same as once.
- A service that runs neither of the two was changed by somebody else, and is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from handlers.core.runbooks.probes import Finished
from handlers.core.words.digests import Json

SHORT = 12
_ALGORITHM = "sha256:"


@dataclass(frozen=True, slots=True)
class Version:
    """`id`: exactly this. `tag`: what people call it. `source`: where it can be had again, empty where that is not
    known."""

    id: str
    tag: str = ""
    source: str = ""

    def __str__(self) -> str:
        short = self.id.removeprefix(_ALGORITHM)
        short = short[:SHORT] if self.id.startswith(_ALGORITHM) else self.id
        return f"{self.tag} ({short})" if self.tag and self.tag != self.id else short

    def to_json(self) -> list[Json]:
        """For what is stored."""
        return [self.id, self.tag, self.source]


@dataclass(frozen=True, slots=True)
class Change:
    """One service, from what runs now to what ran when it was well."""

    service: str
    before: Version
    after: Version

    def to_json(self) -> Json:
        """For the plan that is confirmed."""
        return [self.service, self.before.to_json(), self.after.to_json()]

    @staticmethod
    def from_json(stored: Json) -> Change:
        """Raises ValueError for anything else."""
        match stored:
            case [str(service), [*before], [*after]] if len(before) == len(after) == 3:
                return Change(service, Version(*map(str, before)), Version(*map(str, after)))
            case _:
                raise ValueError("not a stored change")

    @property
    def back(self) -> Change:
        """The way back."""
        return Change(self.service, self.after, self.before)


@dataclass(frozen=True, slots=True)
class Seen:
    """`running`: what each service was told to run last, up or not; one that has nothing is not in it. `previous`: what
    each ran before that, where the platform itself remembers; None: it does not."""

    running: Mapping[str, Version]
    previous: Mapping[str, Version] | None = None


class Services(Protocol):
    """The parts of a service."""

    @property
    def takes_back(self) -> bool:
        """Whether `put` may be given the way back, because what runs can be seen and told in both directions."""

    def look(self) -> Seen:
        """What there is now. Raises OutsideError, also while one of them is in the middle of a change."""

    def fetch(self, versions: Mapping[str, Version], seconds: float) -> None:
        """Makes sure that these can be run, and changes nothing that runs. Raises Refusal, naming the service, when one
        cannot be had; OutsideError."""

    def put(self, changes: Sequence[Change], seconds: float, beat: Iterable[None] = ()) -> Finished:
        """Makes each of these services run `after`, and waits until the platform says that it does; others are left
        alone. Does nothing to one that does. Raises Refusal, before anything is changed, when one runs neither
        `before` nor `after`. What `beat` raises goes through, after what was begun has ended. Raises OutsideError."""
