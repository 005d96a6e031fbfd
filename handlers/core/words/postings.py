"""A posting: what a channel should show about one thing now. Whatever the bot shows is one of these."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from handlers.core.words.cards import Card
from handlers.core.words.text import Text


@dataclass(frozen=True, slots=True)
class Document:
    """A text file for a thread. `name`: no other's in that thread, because by it the file is found again."""

    name: str
    title: Text
    content: str


@dataclass(frozen=True, slots=True)
class Posting:
    """One message and its thread.

    `notes`: what its thread is told, the newest of it; `notes_before`: how many were before these and are not kept.
    `began`: since when there is something to show. `ended`: nothing more is expected, so that it may be given up
    when it cannot be shown for a day. `urgency`: 0 a person waits, 1 new, 2 changed, 3 over; less goes first.
    `serial`: another number is another message. `person`, `refuge`: who is told directly, or which channel, when the
    channel refuses it. `elsewhere`: a card that somebody removed is shown in the refuge too. `tells_late`: says when
    it came late.
    """

    channel: str
    card: Card
    began: datetime
    notes: tuple[Text | Document, ...] = ()
    notes_before: int = 0
    ended: datetime | None = None
    urgency: int = 2
    serial: int = 0
    person: str = ""
    refuge: str = ""
    elsewhere: bool = False
    tells_late: bool = False

    @property
    def told(self) -> int:
        """How many notes there were in all."""
        return self.notes_before + len(self.notes)
