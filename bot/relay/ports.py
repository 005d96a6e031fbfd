"""What the relay touches, as Protocols: where cards are shown, and who says what they should say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from handlers.core.cards import Card
from handlers.core.postings import Posting
from handlers.core.text import Text


class Chat(Protocol):
    """Where cards are shown. Raises Refusal when the bot may not write there, and OutsideError, which may be a Snag."""

    def digest(self, card: Card) -> str:
        """Changes when what is shown changes."""

    def post(self, channel: str, said: Card | Text, mark: str, thread: str | None = None) -> str:
        """A new message that carries the mark; its id inside the channel."""

    def update(self, channel: str, ts: str, card: Card) -> None:
        """Edits a message."""

    def find(self, channel: str, mark: str, near: datetime, thread: str | None = None) -> str | None:
        """Our message with this mark, sent about then."""

    def direct(self, person: str) -> str:
        """The channel between a person and the bot."""


@runtime_checkable
class Snag(Protocol):
    """What an OutsideError of the chat knows besides: how long to wait, perhaps done all the same, message gone, or
    read and not wanted."""

    retry_after_seconds: float | None
    ambiguous: bool
    gone: bool
    refused: bool


class Board(Protocol):
    """Who says what one kind of cards should say. Raises OutsideError."""

    def begin(self, names: Sequence[str]) -> None:
        """A pass begins, and these have changed."""

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        """What should be shown; None for nothing. `shown`: a message about it may be there already."""
