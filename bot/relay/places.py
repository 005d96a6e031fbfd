"""Places: where a card is shown when it cannot be where it should be, and what it says then.

- Where the bot may not write, the card goes to the asker directly, or to the posting's refuge, and says why.
- A message that somebody removed is posted anew; in the refuge, where there is one for that.
- A message that can no longer be edited is followed by another in the same channel, which leads to it.
- After five messages of one card nothing is posted any more.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace

from bot.relay.shown import Record, Shown
from handlers.core.words.cards import Card
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import text_from_json, text_json
from handlers.core.words.postings import Posting
from handlers.core.words.text import Linked, Room, Seconds, Text

log = logging.getLogger(__name__)

MESSAGES = 5


def move(posting: Posting, record: Record, why: Text, direct: Callable[[str], str]) -> None:
    """Shows the card to the asker, or in the refuge. `direct`: the channel of a person. Raises Refusal where that is
    not possible."""
    if not posting.person:
        _to_refuge(posting, record, why)
    elif record.shown.because:
        raise Refusal(why)
    else:
        _to(direct(posting.person), record, why)


def _to_refuge(posting: Posting, record: Record, why: Text) -> None:
    shown = record.shown
    if shown.because or posting.refuge in {"", shown.channel}:
        raise Refusal(why)
    where = Room(shown.channel)
    _to(posting.refuge, record, Text("This belongs in {channel}. There: {why}", channel=where, why=why))


def _to(channel: str, record: Record, why: Text) -> None:
    anew = bool(record.shown.ts) or record.shown.anew
    message, because = record.shown.message + (1 if record.shown.ts else 0), json.dumps(text_json(why))
    record.store(channel=channel, ts="", intent="", digest="", because=because, message=message, anew=anew)


def follow(posting: Posting, record: Record, closed: str | None) -> bool:
    """The message is gone, or there and `closed`: its address, as far as it is known. True: it was posted often enough.
    Raises Refusal and OutsideError."""
    shown = record.shown
    if closed is None and posting.elsewhere and posting.refuge not in {"", shown.channel}:
        _to_refuge(posting, record, Text("Its message was removed."))
        return False
    if shown.message >= MESSAGES:
        log.error("a card was removed %d times; not posted again", MESSAGES)
        return True
    before = shown.before if closed is None else closed
    record.store(ts="", intent="", digest="", adopted=False, message=shown.message + 1, before=before, anew=True)
    return False


def explained(card: Card, shown: Shown) -> Card:
    """The card, with why it is here, what it follows and how late it came."""
    lines = card.lines
    if shown.late:
        lines = (Text("This was posted {late} late.", late=Seconds(shown.late)), *lines)
    if shown.before:
        said = Text(
            "The message before this one can no longer be edited: {message}", message=Linked(shown.before, shown.before)
        )
        lines = (said, *lines)
    if shown.because:
        lines = (Text("{reason} So it is shown here.", reason=_reason(shown.because)), *lines)
    return replace(card, lines=lines)


def _reason(because: str) -> Text:
    """As it was stored; versions before 2026-12 stored the English sentence itself."""
    try:
        return text_from_json(json.loads(because))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Text("{reason}", reason=because)
