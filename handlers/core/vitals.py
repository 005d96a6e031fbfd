"""What the health looks at, as Protocols besides those of `probes`.

- A look says what was established; None stands for what this user may not ask. No answer at all is OutsideError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from handlers.core.answers import TargetName
from handlers.core.findings import Finding

Check = Callable[[TargetName, float], tuple[Finding, ...]]
"""Establishes findings within so many seconds. Raises OutsideError."""


class Examiner(Protocol):
    """Runs checks side by side."""

    def examine(
        self, checks: Mapping[str, Check], target: TargetName, seconds: float
    ) -> Mapping[str, tuple[Finding, ...]]:
        """What each established. One that raises or does not come back in time is one UNKNOWN, and delays nobody."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One MongoDB server. `authorization`: whether it asks who somebody is; `tls`: its mode (`requireTLS`, …), empty
    for none; `weak_users`: those without SCRAM-SHA-256; `cache_share`, `oplog_share`: how full they are;
    `whole_bytes`: of the disk. None: may not be asked."""

    version: str
    connections: int
    connections_left: int
    authorization: bool | None
    tls: str | None
    weak_users: tuple[str, ...] | None
    cache_share: float | None
    oplog_share: float | None
    disk_bytes: int
    free_bytes: int | None
    whole_bytes: int


class MongoServer(Protocol):
    """MongoDB's word on itself."""

    def facts(self, seconds: float) -> ServerFacts:
        """Raises OutsideError."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an address answered, headers in their order, names in lower case. `status` 0: not at all, and `why`."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    why: str = ""

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a header."""
        return tuple(value for known, value in self.headers if known == name)

    def one(self, name: str) -> str:
        """All values as one, as a browser joins them; empty when there is none."""
        return ", ".join(self.all(name))


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate as one address serves it. `why`: empty when it is believed."""

    address: str
    until: datetime | None
    version: str
    why: str = ""


class Edge(Protocol):
    """A public address, looked at from outside. Only configured ones are asked; a name that leads to a link-local
    address is refused; no redirect is followed."""

    def ask(self, url: str, headers: Mapping[str, str], seconds: float, method: str = "GET") -> Answer:
        """One question, body unread. Raises OutsideError when it could not be asked."""

    def certificates(self, host: str, port: int, seconds: float) -> tuple[Shown, ...]:
        """The certificate on every address of the name. Raises OutsideError."""

    def speaks(self, host: str, port: int, version: str, seconds: float) -> bool | None:
        """Whether it speaks that version of TLS (`TLSv1`, `TLSv1.1`); None: this machine cannot try."""
