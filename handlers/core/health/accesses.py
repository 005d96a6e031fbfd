"""Accesses: what the health looks at in a cloud account and of the bot's own tokens, as Protocols.

- What a report does not say is None, and UNKNOWN to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

ROOT = "<root_account>"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One active access key. `rotated`: when it was made, None when the report does not say."""

    number: int
    rotated: datetime | None


@dataclass(frozen=True, slots=True)
class CloudUser:
    """One IAM user, or the root of the account. `password`: whether one is set (None for the root: it always is);
    `mfa`: whether a second factor is; `keys`: the active ones."""

    name: str
    password: bool | None
    mfa: bool | None
    keys: tuple[AccessKey, ...]


@dataclass(frozen=True, slots=True)
class CredentialReport:
    """Every user of an account, as of that time (up to four hours ago)."""

    made: datetime
    users: tuple[CloudUser, ...]


class Cloud(Protocol):
    """The account that the backups and secrets are kept in."""

    def report(self, seconds: float) -> CredentialReport:
        """Raises OutsideError when it may not be read, is not ready in time, or is no report."""


@runtime_checkable
class OwnToken(Protocol):
    """A token that the bot itself was given."""

    def ends(self) -> datetime | None:
        """When it does; None: never. Raises OutsideError."""


OwnTokens = Mapping[str, OwnToken]
"""By what they are for."""
