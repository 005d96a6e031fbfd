"""A wish for a restore, in the words somebody typed: which backup or moment, of which target, how much, into what.

    /restore ID|latest|TIME [target] [only NAME[,NAME …]] [into DATABASE] [to SERVER]

- A time says its zone: `2026-11-23T14:05:30+03:30`, or `…Z`. Without one nobody knows which hour is meant.
- What follows `only` are names of collections until the next keyword; what follows `into` is one name of a database,
  what follows `to` one of a server that the operator named (never an address).
- Names are checked here for what MongoDB takes; whether they exist is looked up later.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from handlers.core.words.errors import Refusal
from handlers.core.words.text import Code, Text

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ].*")
# mongodb.com/docs/manual/reference/limits, "Naming Restrictions", read 2026-11
_DATABASE = re.compile(r'[^/\\. "$*<>:|?\x00-\x1f]{1,63}')
_NOT_FOR_DATA = frozenset({"admin", "local", "config"})
ONLY, INTO, TO = "only", "into", "to"
_KEYWORDS = frozenset({ONLY, INTO, TO})


@dataclass(frozen=True, slots=True)
class Wish:
    """`backup`: an id or `latest`; empty when `at` names a moment. Empty: `target` not named, `only` everything,
    `into` the target's own database, `to` its own server."""

    backup: str
    at: datetime | None
    target: str
    only: tuple[str, ...]
    into: str
    to: str = ""


def wish(words: Sequence[str]) -> Wish:
    """What the words after the command mean; there is at least one. Raises Refusal."""
    first, *rest = words
    target = ""
    if rest and rest[0] not in _KEYWORDS:
        target = rest.pop(0)
    only: tuple[str, ...] = ()
    into = to = ""
    while rest:
        keyword = rest.pop(0)
        if keyword == ONLY and rest and not only:
            only = _names(rest)
        elif keyword == INTO and rest and not into:
            into = _database(rest.pop(0))
        elif keyword == TO and rest and not to:
            to = rest.pop(0)
        else:
            raise Refusal(
                Text(
                    "I do not understand {word} there; nothing was done. `/restore help` shows how it is written.",
                    word=Code(keyword),
                )
            )
    at = _moment(first) if _TIME.fullmatch(first) else None
    return Wish("" if at else first, at, target, only, into, to)


def _names(rest: list[str]) -> tuple[str, ...]:
    """Takes the names off the front of the rest."""
    taken = [rest.pop(0)]
    while rest and (taken[-1].endswith(",") or rest[0] not in _KEYWORDS):
        taken.append(rest.pop(0))
    names = tuple(dict.fromkeys(name for word in taken for name in word.split(",") if name))
    if not names:
        raise Refusal(Text("Which collections? Write them after `only`, like `only orders,users`."))
    return names


def _database(word: str) -> str:
    if _DATABASE.fullmatch(word) is None or word in _NOT_FOR_DATA:
        raise Refusal(Text("{word} cannot be the name of a database for data.", word=Code(word)))
    return word


def _moment(word: str) -> datetime:
    try:
        found = datetime.fromisoformat(word)
        moment = found.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter in the first and the last hours of the calendar
        raise Refusal(
            Text(
                "{word} is not a time I understand. Write it like {example}.",
                word=Code(word),
                example=Code("2026-11-23T14:05:30+03:30"),
            )
        ) from None
    if found.utcoffset() is None:
        raise Refusal(
            Text(
                "{word} has no time zone, so I do not know which hour you mean. Add one, like {one} or {other}.",
                word=Code(word),
                one=Code("+03:30"),
                other=Code("Z"),
            )
        )
    return moment
