"""Text: a sentence and its values, not yet a string.

- A template is English with `{names}`; the values stay apart until a medium spells them, so that no value
  can ever be read as formatting, a mention or a link.
- A string value is hostile until `cleaned`: control characters and direction overrides are shown, not obeyed.
- Sizes are bytes, durations seconds, times aware UTC; how they look is decided here, once, for every medium.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

_FIELD = re.compile(r"\{([a-z][a-z0-9_]*)\}")
# Bidirectional controls can make a line read as another one (CVE-2021-42574), so they are removed with the rest.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Cn"})
_DIRECTION_CONTROLS = frozenset(
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\u2028\u2029\ufeff"
)
VALUE_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Bytes:
    """A size in bytes."""

    count: int


@dataclass(frozen=True, slots=True)
class Seconds:
    """A duration in seconds."""

    count: float


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that is spelled already: ASCII digits, `.` before decimals, `,` between thousands."""

    spelled: str


@dataclass(frozen=True, slots=True)
class Person:
    """A person, by the chat system's id; never by a display name."""

    id: str


@dataclass(frozen=True, slots=True)
class Crew:
    """A group of people (a Slack user group), by its id."""

    id: str


@dataclass(frozen=True, slots=True)
class Room:
    """A channel, by the chat system's id."""

    id: str


@dataclass(frozen=True, slots=True)
class Code:
    """A word to be read letter by letter: an id, a name, a command."""

    word: str


@dataclass(frozen=True, slots=True)
class Lines:
    """The output of a program: several lines, shown as they are."""

    lines: str


@dataclass(frozen=True, slots=True)
class Linked:
    """Words that open an address, where the medium can and the address is one of http or https without a password; only
    words elsewhere. The words are hostile like any, so say where it leads."""

    words: str
    url: str


@dataclass(frozen=True, slots=True)
class Text:
    """A template and the values for its `{names}`. Raises ValueError when a name has no value."""

    template: str
    values: Mapping[str, Any]

    def __init__(self, template: str, /, **values: Any) -> None:
        missing = set(_FIELD.findall(template)) - set(values)
        if missing:
            raise ValueError(f"no value for {sorted(missing)} in {template!r}")
        object.__setattr__(self, "template", template)
        object.__setattr__(self, "values", MappingProxyType(values))

    def fill(self, spell: Callable[[Any], str]) -> str:
        """The sentence, with every value spelled by `spell`; the template itself is trusted."""
        return _FIELD.sub(lambda match: spell(self.values[match.group(1)]), self.template)

    def __str__(self) -> str:
        return self.fill(plain)


def plain(value: Any) -> str:
    """How a value reads in a terminal or a log. Raises TypeError for what is not a value of a Text."""
    match value:
        case str():
            return cleaned(value)
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case datetime():
            return spelled_time(value)
        case Bytes(count):
            return spelled_bytes(count)
        case Seconds(count):
            return spelled_seconds(count)
        case Person(id) | Crew(id) | Room(id):
            return cleaned(id)
        case Code(word) | Figure(word) | Linked(word, _):
            return cleaned(word)
        case Lines(lines):
            return "\n".join(cleaned(line) for line in lines.splitlines())
        case Text():
            return str(value)
        case _:
            raise TypeError(f"not a value of a Text: {type(value).__name__}")


def cleaned(value: str, limit: int = VALUE_LIMIT) -> str:
    """One line without hidden characters, at most `limit` characters; what was left out is marked by `…`."""
    shown = value[: limit + 1]
    if not shown.isprintable():  # printable is stricter: most words need no closer look
        shown = "".join(_shown(character) for character in shown)
    return shown if len(value) <= limit else shown[: limit - 1] + "…"


def _shown(character: str) -> str:
    if character in "\n\t\r":
        return " "
    if character in _DIRECTION_CONTROLS or unicodedata.category(character) in _HIDDEN_CATEGORIES:
        return "\N{REPLACEMENT CHARACTER}"
    return character


def spelled_bytes(count: int) -> str:
    """`0 B`, `1.5 kB`, `12 MB`, `3.4 GB`: decimal units (IEC 80000-13), two digits that matter."""
    return str(measured(Bytes(count)))


def spelled_seconds(count: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `4 days`."""
    return str(measured(Seconds(count)))


def measured(value: Bytes | Seconds) -> Text:
    """A size or a duration as a sentence of its own, so that its unit has words in every language."""
    return _size(value.count) if isinstance(value, Bytes) else _duration(value.count)


def _size(count: int) -> Text:
    if count < 1000:
        return Text("{size} B", size=count)
    kilobytes, megabytes = count / 1000, count / 1_000_000
    if kilobytes < 999.5:
        return Text("{size} kB", size=_rounded(kilobytes))
    if megabytes < 999.5:
        return Text("{size} MB", size=_rounded(megabytes))
    if megabytes / 1000 < 999.5:
        return Text("{size} GB", size=_rounded(megabytes / 1000))
    return Text("{size} TB", size=_rounded(megabytes / 1_000_000))


def _rounded(size: float) -> Figure:
    return Figure(f"{size:.1f}" if size < 9.95 else f"{size:,.0f}")


def _duration(count: float) -> Text:
    if count < 10:
        return Text("{seconds} s", seconds=Figure(f"{count:.1f}" if count >= 0 else "0"))
    seconds = round(count)
    if seconds < 60:
        return Text("{seconds} s", seconds=seconds)
    if seconds < 3600:
        minutes, rest = divmod(seconds, 60)
        if rest:
            return Text("{minutes} min {seconds} s", minutes=minutes, seconds=rest)
        return Text("{minutes} min", minutes=minutes)
    if seconds < 86_400 * 2:
        hours, minutes = divmod(seconds // 60, 60)
        if minutes:
            return Text("{hours} h {minutes} min", hours=hours, minutes=minutes)
        return Text("{hours} h", hours=hours)
    return Text("{days} days", days=Figure(str(seconds // 86_400)))


def spelled_time(moment: datetime) -> str:
    """`2026-11-24 03:12:07 UTC`. Raises ValueError for a time without a zone."""
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("a time without a zone")
    return (moment - offset).strftime("%Y-%m-%d %H:%M:%S UTC")
