"""The port for the access keys of one user of AWS, of which there are two at most.

- Who changes them is an administrator of its own, never the user whose keys they are.
- A key that is active is never deleted: it is switched off first, and whoever still uses it is seen.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from handlers.core.rotation.secret_stores import Sealed
from handlers.core.words.errors import Damage
from handlers.core.words.text import Text


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """An access key, as stored: `{"access_key_id", "secret_access_key", "version"}`."""

    id: str
    secret: str
    version: str = ""

    def __repr__(self) -> str:
        return f"KeyPair(…{self.id[-4:]!r})"

    @staticmethod
    def read(value: Sealed) -> KeyPair:
        """Raises Damage for what is no stored access key."""
        try:
            data: Any = json.loads(value.reveal())
            return KeyPair(str(data["access_key_id"]), str(data["secret_access_key"]), str(data.get("version", "")))
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        # Not chained: what cannot be read may be quoted by the exception.
        raise Damage(Text("The stored value is no access key, so nothing was changed. docs/rotation.md shows one."))

    def sealed(self, version: str) -> Sealed:
        """As stored under the name of a version."""
        data = {"access_key_id": self.id, "secret_access_key": self.secret, "version": version}
        return Sealed(json.dumps(data, sort_keys=True, separators=(",", ":")).encode())


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What AWS says of a key; its id is no secret."""

    id: str
    active: bool
    made: datetime


class AccessKeys(Protocol):
    """The keys of one user. Raises OutsideError when AWS cannot be asked, permanent when it refuses; nothing that is
    raised tells a secret. What was changed is known everywhere only after a while."""

    def listed(self) -> tuple[KeyFacts, ...]:
        """All of them, oldest first. Raises OutsideError (permanent) when one of them signs these very requests."""

    def make(self) -> KeyPair:
        """One more, active. Its secret is told this once: when the answer is lost, there is a key nobody knows."""

    def knock(self, key: KeyPair) -> bool:
        """Whether this key is let in, here and now, as this user."""

    def last_used(self, key: str) -> datetime | None:
        """When it was used last, refused uses too, to a quarter of an hour; None when never, or not any more there."""

    def switch(self, key: str, *, active: bool) -> None:
        """Makes it active or inactive. Nothing happens when it is so, or not there."""

    def delete(self, key: str) -> None:
        """Deletes it. Nothing happens when it is not there; raises OutsideError (permanent) while it is active."""
