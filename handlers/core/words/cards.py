"""A card: what a person reads, without Slack.

- The title is the whole message on a lock screen: it must make sense alone.
- Facts are pairs; lines are sentences; both are `Text`, spelled by the medium.
- A button names an action and carries an opaque value; it never carries a command.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from handlers.core.words.text import Text

TONGUE = "in"
"""The part of an own page's address that says in which tongue it is shown."""


class Tone(Enum):
    """How the card feels at a glance."""

    PLAIN = "plain"
    WORKING = "working"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and what it says."""

    label: Text
    value: Text


@dataclass(frozen=True, slots=True)
class Button:
    """Something to press. `question`, when given, is asked before the press counts."""

    action: str
    label: Text
    value: str
    danger: bool = False
    primary: bool = False
    question: Text | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """An address to open. Anything but http and https without a password in it is not shown. `own`: a page of the
    bot's, which is told the reader's tongue (`?in=fa`)."""

    label: Text
    url: str
    own: bool = False

    def address(self, tongue: str) -> str:
        """The address for a reader of this tongue."""
        return f"{self.url}?{TONGUE}={tongue}" if self.own else self.url


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that the chat keeps. `file`: its id there. `alt`: what it shows, for who does not see it."""

    file: str
    alt: Text


@dataclass(frozen=True, slots=True)
class Card:
    """One message. `progress` is a share from 0 to 1, drawn as a bar; None when there is nothing to measure.
    `mark`: an emoji in the place of the tone's own."""

    title: Text
    tone: Tone = Tone.PLAIN
    lines: tuple[Text, ...] = ()
    facts: tuple[Fact, ...] = ()
    progress: float | None = None
    buttons: tuple[Button, ...] = ()
    footer: Text | None = None
    links: tuple[Link, ...] = ()
    picture: Picture | None = None
    mark: str = ""
