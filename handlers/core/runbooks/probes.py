"""What steps of a runbook look at and act on, as Protocols.

- A look says what was established. What could not be established raises OutsideError, and is UNKNOWN to people.
- Nothing here is given a shell; nothing follows a redirect; everything ends by its deadline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from handlers.core.words.answers import Actor, JobId, TargetName
from handlers.core.words.text import Text


@dataclass(frozen=True, slots=True)
class Page:
    """What an address answered. `status` 0: it did not answer, and `why` says how that was seen."""

    status: int
    body: str = ""
    seconds: float = 0.0
    why: str = ""


class Web(Protocol):
    """Pages."""

    def get(self, url: str, seconds: float) -> Page:
        """Asks once; reads at most 64 kB. Refused, reset or too slow is a Page without a status: that is what was
        established. Raises OutsideError when the host could not be looked up or its certificate is not believed."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection. `why`: empty when it was made, else how it was refused."""

    seconds: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a TLS server showed. `why`: empty when it is believed."""

    until: datetime | None
    seconds: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class ChatToken:
    """The bot's token of the chat. `stored`: whether there is a file that holds one; `changed`: that is another one
    than this process uses; `why`: empty when the chat lets the stored one in as this bot, else what it says."""

    stored: bool
    changed: bool = False
    why: str = ""


class ChatTokens(Protocol):
    """See ChatToken."""

    def look(self) -> ChatToken:
        """Reads the file and asks the chat, now. Raises OutsideError when that could not be asked."""


class Network(Protocol):
    """Names, connections, TLS."""

    def resolve(self, host: str, seconds: float) -> tuple[str, ...]:
        """Its addresses; none: the name does not exist. Raises OutsideError when that could not be asked."""

    def connect(self, host: str, port: int, seconds: float) -> Connected:
        """Opens and closes a TCP connection. Raises OutsideError when it could not be tried."""

    def tls(self, host: str, port: int, seconds: float) -> Certificate:
        """Shakes hands. Raises OutsideError when it could not be tried."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' newest value; may be NaN."""

    labels: Mapping[str, str]
    value: float


class Metrics(Protocol):
    """Prometheus."""

    def ask(self, expression: str, seconds: float) -> tuple[Sample, ...]:
        """An instant query; a scalar is a sample without labels. Raises OutsideError."""


class PastMetrics(Protocol):
    """Prometheus, also as it was."""

    def ask(self, expression: str, seconds: float, moment: datetime | None = None) -> tuple[Sample, ...]:
        """An instant query of that moment; None: of now. Raises OutsideError."""


@dataclass(frozen=True, slots=True)
class MemberState:
    """One member of a replica set. `lag_seconds`: behind the primary, None where that is not known."""

    name: str
    state: str
    healthy: bool
    lag_seconds: float | None


@dataclass(frozen=True, slots=True)
class IndexBuild:
    """An index that is being built. `share`: how far it is, None where that is not told."""

    collection: str
    seconds: float
    share: float | None


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """A replica set now. `window_seconds`: how far the oplog reaches back, None where it may not be read; `slow`:
    operations that have run longer than a second, longest first, without their values, None where they may not be
    seen; `builds`: the same for indexes. `silent`: the primary, by the word of the others, that does not answer."""

    members: tuple[MemberState, ...]
    primary: str
    window_seconds: float | None
    connections: int
    connections_left: int
    slow: tuple[str, ...] | None
    silent: str = ""
    builds: tuple[IndexBuild, ...] | None = ()


class MongoState(Protocol):
    """MongoDB's own view of itself."""

    def look(self, seconds: float) -> ReplicaState:
        """Raises OutsideError when no member answers or the user may not ask."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended. `code` None: it was stopped after its time."""

    code: int | None
    output: str


class Program(Protocol):
    """Programs."""

    def run(self, words: Sequence[str], seconds: float, beat: Iterable[None] = ()) -> Finished:
        """Runs it without a shell, with PATH, HOME and LANG and nothing else of the bot's environment; the last
        200 kB of its output are kept. What `beat` raises goes through, after the program was ended. Raises OutsideError
        when it cannot be started."""


class Backups(Protocol):
    """Backups, through the desk."""

    def begin(self, target: TargetName, actor: Actor, channel: str) -> JobId:
        """As if the person had typed `/backup now`. Raises Refusal or OutsideError."""

    def ended(self, job: JobId) -> tuple[bool, Text] | None:
        """Whether it went well, and its words; None while it goes on. Raises OutsideError."""


class Notices(Protocol):
    """Messages to a channel."""

    def tell(self, channel: str, text: Text, target: TargetName, actor: Actor) -> None:
        """A card of its own. Raises OutsideError."""
