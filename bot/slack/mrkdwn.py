"""Text as Slack's mrkdwn, and as plain text for places where mrkdwn is not read.

- A value can never format, mention, link or become an emoji: `&`, `<` and `>` are entities
  (docs.slack.dev/messaging/formatting-message-text#escaping); marks that Slack would read as formatting are shown
  as characters that look alike, because mrkdwn has no escape for them.
- An underscore between two ASCII letters or digits formats nothing and stays, so that names can be copied.
- Only a `Person`, `Crew` or `Room` that looks like a Slack id becomes a mention; only a datetime becomes a date.
- An address becomes a link only where a `Linked` says so and it is harmless; otherwise its words stay words.
- What is too long is made shorter value by value, never cut inside an entity, a mention or a code span.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from handlers.core.words.text import Code, Crew, Lines, Linked, Person, Room, Text, cleaned, plain, spelled_time

_PERSON, _CREW = re.compile(r"[UW][A-Z0-9]{2,}"), re.compile(r"S[A-Z0-9]{2,}")
_ROOM = re.compile(r"[CG][A-Z0-9]{2,}")
# The look-alikes: ASTERISK OPERATOR, MODIFIER LETTER LOW MACRON, TILDE OPERATOR, MODIFIER LETTER GRAVE ACCENT.
_MARKS = str.maketrans({"*": "\u2217", "_": "\u02cd", "~": "\u223c", "`": "\u02cb"})
_INSIDE_NAME = re.compile(r"(?<=[A-Za-z0-9])_+(?=[A-Za-z0-9])")
_EMOJI = re.compile(r":(?=[^\s:]+:)")
_RATIO = "\u2236"
_QUOTE = re.compile(r"^(\s*)>")
_BESIDE = re.compile(r"(?<!`)``(?!`)")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_NO_LINK = re.compile(r"[<>|\"*~`]")
LINKED = 400
EMPTY = "—"


@dataclass(frozen=True, slots=True)
class _Share:
    """How many characters one value, and one block of lines, may take."""

    value: int
    lines: int


_SHARES = (_Share(300, 2400), _Share(150, 1200), _Share(60, 500), _Share(24, 200), _Share(8, 60))


def size(text: str) -> int:
    """Its length as Slack counts it: UTF-16 units, so that an emoji never makes a text too long."""
    return len(text.encode("utf-16-le", "replace")) // 2


def escaped(text: str) -> str:
    """`&`, `<` and `>` as entities; nothing else is changed."""
    return text.translate(_ENTITIES)


def inert(value: str) -> str:
    """A value that Slack shows as it is: one line that formats, mentions and links nothing."""
    value = "".join(part if index % 2 else part.translate(_MARKS) for index, part in enumerate(_split(value)))
    # `>` opens a quotation, also as an entity: at the beginning it becomes SINGLE RIGHT-POINTING ANGLE MARK.
    return escaped(_QUOTE.sub("\\1\u203a", unemojied(value)))


def unemojied(value: str) -> str:
    """A value in which no `:name:` is an emoji."""
    return _EMOJI.sub(_RATIO, value)


def _split(value: str) -> list[str]:
    """Pieces to be translated and underscores to be kept, in turn."""
    pieces, end = [], 0
    for match in _INSIDE_NAME.finditer(value):
        pieces += [value[end : match.start()], match.group()]
        end = match.end()
    return [*pieces, value[end:]]


def openable(url: str, limit: int) -> bool:
    """Whether a press on it may open it: http or https, a host, and no password."""
    if size(url) > limit or not url.isprintable() or " " in url or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        right = parts.port is None or parts.port > 0  # a port that is none raises ValueError
        return right and parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def linked(words: str, url: str) -> str:
    """A link, or its words alone. Both are escaped: neither can end the link or name another (formatting-message-text,
    "linking to URLs")."""
    shown = inert(words)
    right = openable(url, LINKED) and not _NO_LINK.search(url)
    return f"<{escaped(url)}|{shown}>" if shown.strip() and right else shown


def code(word: str) -> str:
    """A code span: nothing inside it is read, and no back-tick can end it."""
    shown = escaped(word.replace("`", "\u02cb")).strip(" ")
    return f"`{shown}`" if shown else EMPTY


def mention(person: str) -> str:
    """A mention of a person; anything else than a person's id is a word."""
    return f"<@{person}>" if _PERSON.fullmatch(person) else code(cleaned(person, 60))


def date(moment: datetime) -> str:
    """A date in the reader's time zone, with UTC for whoever cannot show it. Raises ValueError without a zone."""
    fallback = spelled_time(moment)
    seconds = int(moment.timestamp())
    return f"<!date^{seconds}^{{date_short_pretty}} {{time}}|{fallback}>" if seconds > 0 else fallback


def block_of(lines: str, limit: int) -> str:
    """Output as a code block, its last lines; what was left out above is counted."""
    shown = [escaped(cleaned(line).replace("`", "\u02cb")) for line in lines.splitlines()]
    kept: list[str] = []
    while shown and len("\n".join(kept)) + len(shown[-1]) < limit:
        kept.insert(0, shown.pop())
    if not kept and shown:
        last = lines.splitlines()[-1].replace("`", "\u02cb")
        kept = [escaped(cleaned(last, max(2, limit // 5)))]
        shown.pop()
    if shown:
        kept.insert(0, f"… +{len(shown):,} ↑")
    text = "\n".join(kept)
    return f"\n```\n{text}\n```\n" if text.strip() else EMPTY


def mrkdwn(text: Text, limit: int) -> str:
    """The sentence in mrkdwn, at most `limit` UTF-16 units."""
    return _fitted(text, limit, lambda share: _BESIDE.sub("` `", _rich(text, share)), inert)


def plain_text(text: Text, limit: int) -> str:
    """The sentence for a plain_text object, at most `limit` UTF-16 units: one line, no emoji from a value."""
    return _fitted(text, limit, lambda share: _simple(text, share), unemojied)


def _fitted(text: Text, limit: int, spell: Callable[[_Share], str], safe: Callable[[str], str]) -> str:
    for share in _SHARES:
        if size(spelled := spell(share).strip()) <= limit:
            return spelled
    rest = " ".join(str(text).split())
    while size(safe(rest)) >= limit:
        rest = rest[: min(limit, len(rest) * 9 // 10)]
    return safe(rest) + "…"


def _rich(text: Text, share: _Share) -> str:
    """Fills the template; its own words may format, but `&`, `<` and `>` in them are only characters."""
    # Inside back-ticks of the template a span of the value's own would end them, and leave the value outside.
    spanned = "`" in text.template
    return Text(escaped(text.template), **text.values).fill(lambda value: _spelled(value, share, spanned))


def _spelled(value: object, share: _Share, spanned: bool) -> str:
    match value:
        case str():
            return inert(cleaned(value, share.value))
        case Person(person) if not spanned:
            return mention(person)
        case Crew(crew) if not spanned:
            return f"<!subteam^{crew}>" if _CREW.fullmatch(crew) else code(cleaned(crew, 60))
        case Room(room) if not spanned:
            return f"<#{room}>" if _ROOM.fullmatch(room) else code(cleaned(room, 60))
        case Code(word) if not spanned:
            return code(cleaned(word, share.value))
        case Lines(lines) if not spanned:
            return block_of(lines, share.lines)
        case Linked(words, url) if not spanned:
            return linked(cleaned(words, share.value), url)
        case datetime() if not spanned:
            return date(value)
        case Text() if not spanned:
            return _rich(value, share)
        case _:
            return inert(cleaned(plain(value), share.value))


def _simple(text: Text, share: _Share) -> str:
    def spell(value: object) -> str:
        return _simple(value, share) if isinstance(value, Text) else unemojied(cleaned(plain(value), share.value))

    return text.fill(spell)
