"""What the relay touches, as Protocols: where cards are shown, and who says what they should say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from handlers.core.words.cards import Card
from handlers.core.words.postings import Document, Posting
from handlers.core.words.text import Text
from handlers.core.words.tongues import ENGLISH, Tongue

# The tongue of a channel; with a reader, of what only this person sees there.
Spoken = Callable[[str, str], Tongue]


def in_english(channel: str, reader: str) -> Tongue:
    """Everywhere."""
    return ENGLISH


class Chat(Protocol):
    """Where cards are shown. Raises Refusal when the bot may not write there, and OutsideError, which may be a Snag."""

    def digest(self, card: Card, tongue: Tongue = ENGLISH) -> str:
        """Changes when what is shown changes."""

    def post(
        self, channel: str, said: Card | Text, mark: str, thread: str | None = None, tongue: Tongue = ENGLISH
    ) -> str:
        """A new message that carries the mark; its id inside the channel."""

    def update(self, channel: str, ts: str, card: Card, tongue: Tongue = ENGLISH) -> None:
        """Edits a message."""

    def find(self, channel: str, mark: str, near: datetime, thread: str | None = None) -> str | None:
        """Our message with this mark, sent about then."""

    def attach(self, channel: str, document: Document, thread: str) -> None:
        """A file in a thread."""

    def attached(self, channel: str, name: str, near: datetime, thread: str) -> str | None:
        """Our message in the thread with the file of this name."""

    def address(self, channel: str, ts: str) -> str:
        """Where a message can be opened; "" when that is not known."""

    def direct(self, person: str) -> str:
        """The channel between a person and the bot."""


@runtime_checkable
class Snag(Protocol):
    """What an OutsideError of the chat knows besides: how long to wait, perhaps done all the same, message gone,
    or there and `closed` to edits, or read and not wanted."""

    retry_after_seconds: float | None
    ambiguous: bool
    gone: bool
    closed: bool
    refused: bool


class Board(Protocol):
    """Who says what one kind of cards should say. Raises OutsideError."""

    def begin(self, names: Sequence[str]) -> Mapping[str, int]:
        """A pass begins, and these have changed. How urgent each is (see Posting), as far as that is known here."""

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        """What should be shown; None for nothing. `shown`: a message about it may be there already."""

    def placed(self, name: str, channel: str, address: str) -> None:
        """It is shown as it should be. `channel`: of its posting; `address`: where its message can be opened. Several
        threads may say so at a time, each about another."""
