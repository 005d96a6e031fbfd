"""The port for a pair of database users that take turns: one is in use, the other gets the next password.

- Who does this is an administrator of its own, never the user whose password it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from handlers.core.rotation.secret_stores import Sealed
from handlers.core.words.errors import Damage
from handlers.core.words.text import Text


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """A user and their password, as stored: `{"username", "password", "version"}`. An application takes both from
    there, since the name changes too."""

    username: str
    password: str
    version: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.username!r})"

    @staticmethod
    def read(value: Sealed) -> Credentials:
        """Raises Damage for what is not stored credentials."""
        try:
            data: Any = json.loads(value.reveal())
            return Credentials(str(data["username"]), str(data["password"]), str(data.get("version", "")))
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        # Not chained: what cannot be read may be quoted by the exception.
        raise Damage(Text("The stored value is no user with a password, so nothing was changed."))

    def sealed(self) -> Sealed:
        """As stored."""
        data = {"username": self.username, "password": self.password, "version": self.version}
        return Sealed(json.dumps(data, sort_keys=True, separators=(",", ":")).encode())

    def next(self, users: tuple[str, ...], password: str, version: str) -> Credentials:
        """The other user of the pair. Raises Damage when this one is not of it."""
        if self.username not in users:
            raise Damage(Text("The stored user is not one of the pair in SECRETS_CONFIG, so nothing was changed."))
        return Credentials(next(each for each in users if each != self.username), password, version)


class Accounts(Protocol):
    """Users of one database server. Raises OutsideError when it cannot be asked; nothing that is raised tells a
    password. Every change is acknowledged by the majority before it returns, and may be repeated."""

    def prepare(self, new: Credentials, like: str) -> None:
        """Gives the new user this password, and the roles, restrictions and mechanisms of the user `like`; makes
        the user when there is none. Raises OutsideError (permanent) when there is no user `like`."""

    def works(self, new: Credentials) -> None:
        """By new connections to every member: the user gets in, can do the work, and is refused what no application may
        do. Raises OutsideError (permanent) when not."""

    def lock(self, user: str, unknown: Sealed) -> None:
        """The user's password becomes one that nobody knows, and whoever is connected as that user can do nothing any
        more. The roles stay."""
