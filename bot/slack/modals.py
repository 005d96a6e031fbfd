"""Modals and the Home tab, and what a person typed into them.

- A trigger lives three seconds, so a placeholder opens first and becomes the question when the desk has it.
- The question shows what the code will confirm, word for word; only the challenge's id travels with it.
- A code is six digits; people type "123 456", so blanks are taken out here and everything else is the desk's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.slack.blocks import JSON, card_blocks, plain
from bot.slack.mrkdwn import plain_text
from handlers.core.cards import Card, Tone
from handlers.core.text import Text

QUESTION, WAITING, EXPLANATION = "totp", "totp_wait", "explanation"
BLOCK = ACTION = "code"
ERROR = 400
MOST_TYPED = 9
_HINT = (
    "The six digits your authenticator shows for this bot. This question closes after 120 seconds. Slack shows what "
    "you type; a code works once."
)


def waiting_view() -> JSON:
    """The placeholder."""
    return _modal(WAITING, [_words("One moment…")])


def question_view(summary: Card, challenge: str) -> JSON:
    """Asks for the code that confirms what `summary` says."""
    asked: JSON = {
        "type": "input",
        "block_id": BLOCK,
        "label": plain("Code"),
        "hint": plain(_HINT),
        "element": {
            "type": "plain_text_input",
            "action_id": ACTION,
            "min_length": 6,
            "max_length": MOST_TYPED,
            "focus_on_load": True,
            "placeholder": plain("123456"),
        },
    }
    blocks = [*card_blocks(replace(summary, buttons=())), asked]
    return _modal(QUESTION, blocks, submit=plain("Confirm"), private_metadata=challenge)


def explanation_view(text: Text) -> JSON:
    """Says why there is no question, or why it is over."""
    return _modal(EXPLANATION, card_blocks(Card(title=text, tone=Tone.WARNING)))


def home_view(commands: Sequence[str]) -> JSON:
    """The Home tab: what can be typed."""
    lines = tuple(Text(f"`/{command} help` says what {command} can do.") for command in commands)
    card = Card(
        title=Text("Negahban keeps backups of your databases"),
        lines=(Text("Type a command in a channel I am in; its card is edited in place while it works."), *lines),
        footer=Text("Codes are typed into a dialog only, never into a message."),
    )
    return {"type": "home", "blocks": card_blocks(card)}


def typed_code(view: Mapping[str, Any]) -> str:
    """The code of a submitted question without its blanks; empty when there is none."""
    values = view.get("state", {}).get("values", {})
    typed = values.get(BLOCK, {}).get(ACTION, {}).get("value")
    return "".join(typed.split())[:MOST_TYPED] if isinstance(typed, str) else ""


def errors_answer(text: Text) -> JSON:
    """The ack that shows a sentence below the code."""
    return {"response_action": "errors", "errors": {BLOCK: plain_text(text, ERROR) or "No."}}


def update_answer(view: JSON) -> JSON:
    """The ack that shows another view in place of the question."""
    return {"response_action": "update", "view": view}


def _modal(callback_id: str, blocks: list[JSON], **more: Any) -> JSON:
    return {
        "type": "modal",
        "callback_id": callback_id,
        "title": plain("Negahban"),
        "close": plain("Close"),
        "blocks": blocks,
        **more,
    }


def _words(text: str) -> JSON:
    return {"type": "section", "text": plain(text)}
