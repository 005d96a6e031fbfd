"""What was typed: what of it may be taken, and what of it may be written down.

- A code is only ever typed into the window that asks for it, a token of Slack into no window at all: words with one are
  refused, since the chat has seen them.
- What is recorded of words has neither in it, however people write one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from handlers.core.words.errors import Refusal
from handlers.core.words.text import Text

TOKEN = re.compile(r"\bx(?:ox[a-z]|app)[-.]\S+")
TOKEN_TYPED = Text(
    "This looks like a token of Slack. The chat has seen it, so revoke it and make another one; nothing was done with "
    "it here. A token only ever goes into a file on the bot's host: `/runbook slack-tokens` says how."
)
CODE = re.compile(r"\d{3}-?\d{3}")
# In what is written into a form, which a card or the record may repeat; a label's value, `id="123456"`, is none.
NOTED = re.compile(r"(?<![\w\"#=~])\d{3}[ -]?\d{3}(?!\w)")
CODE_TYPED = Text(
    "One of these words looks like a code. A code is only ever typed into the window that asks for it; this one was "
    "seen by the chat, so use the next one. A number of six digits is written with a # before it."
)
RECORDED = re.compile(r"(?<!\w)\d{3}[ -]?\d{3}(?!\w)")


def allowed_words(words: Iterable[str]) -> None:
    """Raises Refusal when a command's words have a code or a token in them."""
    words = tuple(words)
    if any(CODE.fullmatch(word) for word in words):
        raise Refusal(CODE_TYPED)
    if any(TOKEN.search(word) for word in words):
        raise Refusal(TOKEN_TYPED)


def allowed_fields(fields: Mapping[str, str]) -> None:
    """Raises Refusal when what was written into a form has one."""
    if any(TOKEN.search(typed) for typed in fields.values()):
        raise Refusal(TOKEN_TYPED)
    if any(NOTED.search(typed) for typed in fields.values()):
        raise Refusal(CODE_TYPED)


def without_codes(typed: str) -> str:
    """What was typed, as it may be recorded: nothing that could be a code, and no token."""
    return RECORDED.sub("······", TOKEN.sub("······", typed))[:500]
