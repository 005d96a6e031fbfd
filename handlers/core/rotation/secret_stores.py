"""Where managed secrets are kept, and who uses them: ports, with their full contracts.

- A `Sealed` value shows nothing of itself: not in a log, an exception, a comparison that fails, or a record.
- A version's id never changes, from the moment it is staged until it is removed; it says nothing about the value.
- Every change names what it believes is current. Who believes wrongly is refused and has changed nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, Protocol

from handlers.core.rotation.data_keys import Batch, KeyCounts
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text


class Sealed:
    """Bytes nobody may see by accident. `reveal` is for adapters, and for rules that make one value of another."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._value

    def __repr__(self) -> str:
        return "Sealed(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and hmac.compare_digest(self._value, other.reveal())

    def __hash__(self) -> int:
        return hash(Sealed)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True)
class Version:
    """One value a secret has, had, or is about to have. `made`: when the store got it, None when it does not say."""

    id: str
    made: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shelf:
    """What stands at a place now. `previous`: what was current before, while it is kept."""

    current: Version | None = None
    pending: Version | None = None
    previous: Version | None = None

    @property
    def current_id(self) -> str:
        """Empty when there is none."""
        return "" if self.current is None else self.current.id


class SecretStore(Protocol):
    """One store of secrets. A place is [a-z0-9][a-z0-9_-]* words with `/` between, at most 100 characters; the id of a
    version 32 to 64 of [A-Za-z0-9-]. Anything else raises OutsideError (permanent), as does everything below that
    cannot be because of what stands there; then nothing was changed. After any other OutsideError the change was made
    or was not: look again. Nothing that is raised tells a value."""

    def look(self, place: str) -> Shelf:
        """What stands there, read past every cache. An empty shelf when nothing does. Raises OutsideError."""

    def value(self, place: str, version: str) -> Sealed:
        """The value of the current, pending or a kept former version. Raises OutsideError (permanent when it is not
        there)."""

    def stage(self, place: str, version: str, value: Sealed, over: str) -> None:
        """Keeps a new version beside the current one, durably; whoever reads the secret does not see it. `over`: the
        current version, empty for none. Once more with the same value does nothing; with another value it is refused,
        as it is while another version is pending."""

    def promote(self, place: str, version: str, over: str) -> None:
        """Makes a pending or former version the current one, in one step, if `over` is current; that one is then the
        previous. Once more does nothing."""

    def remove(self, place: str, version: str) -> None:
        """Destroys a pending or former version; nothing happens when it is not there. Refused for the current one."""

    def describe(self) -> str:
        """Where this is, for people; no secret."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one replica of a consumer says of itself: which version of a secret it uses. Empty: it does not say."""

    replica: str
    version: str


class Consumer(Protocol):
    """A program that uses a secret. Every method raises OutsideError when the program cannot be asked; what it answers
    is somebody else's data and never shown whole."""

    def roll_out(self, beat: Iterable[None] = ()) -> None:
        """Makes every replica read the secret anew, by the command the team wrote; nothing when there is none. What
        `beat` raises goes through. Raises OutsideError when the command fails."""

    def reports(self, secret: str) -> tuple[Report, ...]:
        """What each replica uses, asked now. Empty when the program has no such address."""

    def healthy(self) -> bool:
        """Whether its health address says so; True when it has none."""

    def log_in(self) -> Sealed | None:
        """A token from a fresh login with the probe's account; None when no login is configured."""

    def accepts(self, token: Sealed) -> bool | None:
        """Whether the program lets this token in (200 or 401); None when no such address is configured."""

    def verified(self, value: Sealed) -> bool:
        """Whether the new value does what it is for, by the team's command, which reads it from its standard input;
        True when there is none."""

    def encrypted(self) -> KeyCounts | None:
        """How much of its data is under which key, counted now; None when no such address is configured."""

    def reencrypt(self, key: str, after: str) -> Batch:
        """Brings one batch of its data under that key, from behind `after`, empty for the front. Each piece is changed
        only if it is as it was read. May be repeated. Raises OutsideError, permanent when the program writes under
        another key or has no such address."""


def taken(place: str) -> OutsideError:
    """Somebody else changed the secret."""
    return OutsideError(
        Text("{place} is not what it was: somebody else changed it. Nothing was done.", place=Code(place)),
        permanent=True,
    )


def absent(place: str, version: str) -> OutsideError:
    """There is no such version."""
    return OutsideError(
        Text("{place} has no version {version}.", place=Code(place), version=Code(version)), permanent=True
    )


def crowded(place: str) -> OutsideError:
    """Another version waits."""
    return OutsideError(
        Text("{place} has another new version waiting: another rotation is not finished.", place=Code(place)),
        permanent=True,
    )


def in_use(place: str) -> OutsideError:
    """The current version is not removed."""
    return OutsideError(
        Text("The version of {place} that is in use is never removed.", place=Code(place)), permanent=True
    )
