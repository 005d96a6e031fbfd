"""What the health looks at, as Protocols besides those of `probes`.

- A look says what was established; None stands for what this user may not ask. No answer at all is OutsideError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from handlers.core.health.findings import Finding
from handlers.core.words.answers import TargetName

Check = Callable[[TargetName, float], tuple[Finding, ...]]
"""Establishes findings within so many seconds. Raises OutsideError."""


class Examiner(Protocol):
    """Runs checks side by side."""

    def examine(
        self, checks: Mapping[str, Check], target: TargetName, seconds: float
    ) -> Mapping[str, tuple[Finding, ...]]:
        """What each established. One that raises or does not come back in time is one UNKNOWN, and delays nobody."""


@dataclass(frozen=True, slots=True)
class Tickets:
    """Permissions to read (or to write) at the same time: how many are given out, of how many, and how many operations
    wait for one, None where that is not told."""

    out: int
    total: int
    waiting: int | None


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One MongoDB server. `authorization`: whether it asks who somebody is; `tls`: its mode (`requireTLS`, …), empty
    for none; `weak_users`: those without SCRAM-SHA-256; `cache_share`, `oplog_share`: how full they are, `dirty_share`:
    how much of the cache is not on the disk yet; `whole_bytes`: of the disk; `tickets`: for `read` and `write`. None:
    may not be asked, or the server has none."""

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
    dirty_share: float | None = None
    tickets: Mapping[str, Tickets] | None = None


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
    """A certificate as one address serves it. `why`: empty when it is believed; `begins`: since when it is good, None
    where no certificate was seen; `fingerprint`: SHA-256 of it, as hex digits."""

    address: str
    until: datetime | None
    version: str
    why: str = ""
    begins: datetime | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Filed:
    """The certificate in the file that the proxy should serve from. `fingerprint`: SHA-256 of it, as hex digits."""

    begins: datetime
    until: datetime
    fingerprint: str


class CertificateFile(Protocol):
    """That file, as the bot sees it."""

    def read(self) -> Filed:
        """The first certificate in it. Raises OutsideError."""


class AlertRules(Protocol):
    """The rules that Prometheus alerts by."""

    def loaded(self, seconds: float) -> Mapping[str, str]:
        """By name, how well each is evaluated: `ok`, `err` or `unknown`. Raises OutsideError."""


Reached = Literal["open", "refused", "silent", "untried"]
"""`silent`: no answer, as behind a firewall, or because something on the way is down; `untried`: this machine has no
way there."""


class Edge(Protocol):
    """A public address, looked at from outside. Only configured ones are asked; a name that leads to a link-local
    address is refused; no redirect is followed."""

    def ask(self, url: str, headers: Mapping[str, str], seconds: float, method: str = "GET") -> Answer:
        """One question, body unread. Raises OutsideError when it could not be asked."""

    def certificates(self, host: str, port: int, seconds: float) -> tuple[Shown, ...]:
        """The certificate on every address of the name. Raises OutsideError."""

    def chosen(self, host: str, port: int, version: str, ciphers: Sequence[int], seconds: float) -> int | None:
        """What a server takes that is offered only these ciphers (as numbers) in that version (`SSLv3` to `TLSv1.3`);
        None when it refuses. Raises OutsideError."""

    def reach(self, host: str, ports: Sequence[int], seconds: float) -> Mapping[int, Mapping[str, Reached]]:
        """Which ports take a connection, by port and address of the name. Raises Refusal and OutsideError."""
