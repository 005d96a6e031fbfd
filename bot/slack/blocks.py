"""Cards as Block Kit: every block, and every limit of a message, is here and nowhere else.

- Whatever is drawn is said in a tongue first, the words of this file too; English when none is named.
- A card is a title, lines, facts, a picture, a bar, a footer and rows of buttons, in this order; its `text` is what
  notifications and screen readers say.
- A picture is a file that Slack keeps, named by its id (docs.slack.dev/reference/block-kit/blocks/image-block).
- Limits (docs.slack.dev/reference/block-kit and /reference/methods/chat.update, read 2026-08): header 150 plain,
  section 3,000, fields 10 of 2,000, 25 buttons of 75, 50 blocks, `text` 4,000 bytes. The sum of all block text is
  undocumented; about 13,200 characters were refused (slackapi/bolt-js issue 2509), so 12,000 is kept here.
- What does not fit is left out whole and counted: "+3 more".
- A row holds each action once, as Slack demands, so buttons of one action stand below each other.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.slack.mrkdwn import EMPTY, mrkdwn, openable, plain_text, size
from handlers.core.words.cards import Button, Card, Fact, Link, Picture, Tone
from handlers.core.words.text import Code, Lines, Person, Text
from handlers.core.words.tongues import ENGLISH, Tongue

JSON = dict[str, Any]

HEADER = 150
SECTION = 3000
FIELDS = 10
FACTS = 40
LABEL, VALUE = 200, 1700
FOOTER = 600
SUM = 12_000
FACTS_SUM = 6000
TEXT_BYTES = 4000
ROW = 25
BUTTONS = 25
BUTTON_TEXT, BUTTON_VALUE, ACTION_ID = 75, 2000, 255
QUESTION, ANSWER = 300, 30
BAR = 20
LINKS, URL = 5, 3000
ALT = 2000
_FILE = re.compile(r"F[A-Z0-9]+")

_MARKS = {
    Tone.PLAIN: "",
    Tone.WORKING: "\u23f3",
    Tone.GOOD: "\u2705",
    Tone.WARNING: "\u26a0\ufe0f",
    Tone.BAD: "\u274c",
    Tone.UNKNOWN: "\u2754",
}


@dataclass(frozen=True, slots=True)
class Drawn:
    """What Slack is sent for one message."""

    text: str
    blocks: tuple[JSON, ...]

    @property
    def digest(self) -> str:
        """Changes when what is shown changes."""
        shown = json.dumps([self.text, self.blocks], sort_keys=True)
        return hashlib.sha256(shown.encode()).hexdigest()[:32]


def draw(card: Card, tongue: Tongue = ENGLISH) -> Drawn:
    """A card as a message."""
    return Drawn(_fallback(tongue.said(card), tongue), tuple(card_blocks(card, tongue)))


def draw_note(note: Text, tongue: Tongue = ENGLISH) -> Drawn:
    """One sentence as a message."""
    note = tongue.said(note)
    shown = mrkdwn(note, SECTION) or EMPTY
    return Drawn(_joined([_cut(shown, note)], TEXT_BYTES, tongue), (_section(shown),))


def card_blocks(card: Card, tongue: Tongue = ENGLISH) -> list[JSON]:
    """A card as blocks, for a message or a modal."""
    card = tongue.said(card)
    head = [*_title(card)]
    rows, unshown = _rows(card.buttons, tongue)
    more = _more(unshown, Text("+{count} more buttons", count=unshown), tongue)
    tail = [*_bar(card.progress, tongue), *_footer(card.footer), *_links(card.links, tongue), *rows, *more]
    facts = _facts(card.facts, FACTS_SUM, tongue)
    lines = _lines(card.lines, SUM - _sum([*head, *facts, *tail]), tongue)
    return [*head, *lines, *facts, *_picture(card.picture), *tail]


def plain(kind_text: str) -> JSON:
    """A plain_text object of words that are already spelled."""
    return {"type": "plain_text", "text": kind_text or EMPTY, "emoji": True}


def _mrkdwn(text: str) -> JSON:
    # verbatim: Slack makes no link of a bare address and no mention of a bare name.
    return {"type": "mrkdwn", "text": text or EMPTY, "verbatim": True}


def _section(text: str) -> JSON:
    return {"type": "section", "text": _mrkdwn(text)}


def _context(text: str) -> JSON:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _title(card: Card) -> Iterable[JSON]:
    mark = card.mark or _MARKS[card.tone]
    shown = f"{mark} {plain_text(card.title, 10 * SECTION)}".strip()
    if size(shown) <= HEADER and not _needs_mrkdwn(card.title):
        yield {"type": "header", "text": plain(shown)}
        return
    rich = mrkdwn(card.title, SECTION - 10) or EMPTY
    short = size(rich) <= HEADER and "\n" not in rich
    yield _section(f"{mark} *{rich}*".strip() if short else f"{mark} {rich}".strip())


def _needs_mrkdwn(text: Text) -> bool:
    """Whether a header, which is plain text, would lose something: a mention, a date, code."""
    return "`" in text.template or any(
        isinstance(value, Person | Code | Lines | datetime) or (isinstance(value, Text) and _needs_mrkdwn(value))
        for value in text.values.values()
    )


def _lines(lines: Sequence[Text], room: int, tongue: Tongue) -> list[JSON]:
    """Sections of lines, as many lines as there is room for."""
    shown: list[str] = []
    room -= 20  # for the count of what is left out
    for line in lines:
        spelled = mrkdwn(line, min(SECTION, max(room, 200)))
        if size(spelled) + 1 > room:
            break
        room -= size(spelled) + 1
        shown.append(spelled)
    sections: list[str] = []
    for spelled in filter(None, shown):
        if sections and size(sections[-1]) + size(spelled) + 1 <= SECTION:
            sections[-1] += "\n" + spelled
        else:
            sections.append(spelled)
    return [*map(_section, sections), *_rest(len(lines) - len(shown), tongue)]


def _facts(facts: Sequence[Fact], room: int, tongue: Tongue) -> list[JSON]:
    """Sections of at most ten fields, as many facts as there is room for."""
    shown: list[JSON] = []
    for fact in facts[:FACTS]:
        label, value = mrkdwn(fact.label, LABEL), mrkdwn(fact.value, VALUE)
        spelled = f"*{label or EMPTY}*\n{value or EMPTY}"
        room -= size(spelled)
        if room < 0:
            break
        shown.append(_mrkdwn(spelled))
    sections = [{"type": "section", "fields": shown[at : at + FIELDS]} for at in range(0, len(shown), FIELDS)]
    return [*sections, *_rest(len(facts) - len(shown), tongue)]


def _picture(picture: Picture | None) -> Iterable[JSON]:
    if picture is not None and _FILE.fullmatch(picture.file):
        alt = plain_text(picture.alt, ALT) or EMPTY
        yield {"type": "image", "alt_text": alt, "slack_file": {"id": picture.file}}


def _bar(progress: float | None, tongue: Tongue) -> Iterable[JSON]:
    share = _share(progress)
    if share is not None:
        full = math.floor(share * BAR)
        yield _section("\u25b0" * full + "\u25b1" * (BAR - full) + f" {_percent(share, tongue)}")


def _share(progress: float | None) -> float | None:
    """From 0 to 1; None when it is not known."""
    return None if progress is None or math.isnan(progress) else min(max(progress, 0.0), 1.0)


def _percent(share: float, tongue: Tongue) -> str:
    """Rounded down: 100 % is said at the end only."""
    return str(tongue.said(Text("{percent} %", percent=math.floor(share * 100))))


def _footer(footer: Text | None) -> Iterable[JSON]:
    if footer is not None and (spelled := mrkdwn(footer, FOOTER)):
        yield _context(spelled)


def _more(count: int, text: Text, tongue: Tongue) -> Iterable[JSON]:
    if count > 0:
        yield _context(mrkdwn(tongue.said(text), FOOTER))


def _rest(count: int, tongue: Tongue) -> Iterable[JSON]:
    return _more(count, Text("+{count} more", count=count), tongue)


def _rows(buttons: Sequence[Button], tongue: Tongue) -> tuple[list[JSON], int]:
    """Rows of buttons, and how many buttons could not be shown."""
    rows: list[dict[str, JSON]] = []
    shown = 0
    for button in buttons:
        fits = 0 < len(button.action) <= ACTION_ID and size(button.value) <= BUTTON_VALUE
        if not fits or shown == BUTTONS:
            continue
        shown += 1
        if not rows or button.action in rows[-1] or len(rows[-1]) == ROW:
            rows.append({})
        rows[-1][button.action] = _button(button, tongue)
    return [{"type": "actions", "elements": list(row.values())} for row in rows], len(buttons) - shown


def _links(links: Sequence[Link], tongue: Tongue) -> Iterable[JSON]:
    """Buttons that open an address."""
    shown = [link for link in links if openable(link.url, URL)][:LINKS]
    elements = [
        {
            "type": "button",
            "action_id": f"link_{at}",
            "text": plain(plain_text(link.label, BUTTON_TEXT)),
            "url": link.address(tongue.code),
        }
        for at, link in enumerate(shown)
    ]
    if elements:
        yield {"type": "actions", "elements": elements}
    unshown = len(links) - len(shown)
    yield from _more(unshown, Text("+{count} more links", count=unshown), tongue)


def _button(button: Button, tongue: Tongue) -> JSON:
    label = plain_text(button.label, BUTTON_TEXT)
    element: JSON = {"type": "button", "action_id": button.action, "text": plain(label)}
    if button.value:
        element["value"] = button.value
    if button.danger or button.primary:
        element["style"] = "danger" if button.danger else "primary"
    if button.question is not None:
        element["confirm"] = {
            "title": plain(str(tongue.said(Text("Are you sure?")))),
            "text": plain(plain_text(button.question, QUESTION)),
            "confirm": plain(plain_text(button.label, ANSWER)),
            "deny": plain(str(tongue.said(Text("Go back")))),
            **({"style": "danger"} if button.danger else {}),
        }
    return element


def _fallback(card: Card, tongue: Tongue) -> str:
    """What a notification says: the title, how far, then as many lines and facts as fit."""
    title = mrkdwn(card.title, 1000) or EMPTY
    pieces = [f"{card.mark or _MARKS[card.tone]} {_cut(title, card.title)}".strip()]
    share = _share(card.progress)
    pieces += [] if share is None else [_percent(share, tongue)]
    pieces += [mrkdwn(line, 1000) for line in card.lines[:40]]
    pieces += [f"{mrkdwn(fact.label, LABEL)}: {mrkdwn(fact.value, 500)}" for fact in card.facts[:20]]
    pieces += [mrkdwn(card.footer, 300)] if card.footer is not None else []
    return _joined(pieces, TEXT_BYTES, tongue)


def _cut(shown: str, text: Text) -> str:
    """The same sentence, shorter where its bytes are too many for a notification."""
    limit = 2000
    while len(shown.encode()) > TEXT_BYTES - 100:
        limit //= 2
        shown = mrkdwn(text, limit)
    return shown


def _joined(pieces: Iterable[str], most_bytes: int, tongue: Tongue) -> str:
    """Whole pieces, one a line, until the bytes are used up."""
    text, left_out = "", 0
    for piece in filter(None, pieces):
        longer = f"{text}\n{piece}" if text else piece
        if left_out or len(longer.encode()) > most_bytes - 60:
            left_out += 1
        else:
            text = longer
    more = str(tongue.said(Text("+{count} more", count=left_out)))
    return f"{text}\n{more}" if left_out else text or EMPTY


def _sum(blocks: object) -> int:
    """The size of every `text` inside blocks."""
    match blocks:
        case list():
            return sum(map(_sum, blocks))
        case dict():
            own = size(blocks["text"]) if isinstance(blocks.get("text"), str) else 0
            return own + sum(map(_sum, blocks.values()))
        case _:
            return 0
