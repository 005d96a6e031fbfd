"""A ticket: what is remembered of a link to the page of enrolment. Hashes of what was given out, never that itself."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from handlers.core.words.answers import PersonId
from handlers.core.words.digests import canonical
from handlers.core.words.errors import Damage
from handlers.core.words.text import Text

TRIES = 5


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is remembered of a link. Hashes, not what was given out; `expires` in Unix seconds."""

    enrolment: str
    person: str
    team: str
    binding: str
    expires: int
    renews: bool
    state: str = "invited"
    key: str = ""
    sealed: str = ""
    proof: str = ""
    tries: int = TRIES

    def to_bytes(self) -> bytes:
        """The stored form."""
        return canonical(asdict(self))

    @staticmethod
    def from_bytes(stored: bytes) -> Ticket:
        """Raises Damage for what is not a ticket."""
        try:
            data: Any = json.loads(stored)
            return Ticket(**data)
        except (TypeError, ValueError) as error:
            raise Damage(Text("What was kept of this enrolment cannot be read. Start over.")) from error

    @property
    def whose(self) -> PersonId:
        """The person."""
        return PersonId(self.person)
