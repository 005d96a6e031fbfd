"""Modals and the Home tab, and what a person typed into them.

- A trigger lives three seconds, so a placeholder opens first and becomes the question when the desk has it.
- The question shows what the code will confirm, word for word; only the challenge's id travels with it.
- A form's action and value travel with it, what was typed comes back by the fields' names.
- A code is six digits; people type "123 456", so blanks are taken out here and everything else is the desk's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.slack.blocks import JSON, card_blocks, plain
from bot.slack.mrkdwn import mrkdwn, plain_text
from handlers.core.cards import Card, Tone
from handlers.core.errors import Refusal
from handlers.core.forms import Choice, Form, Words
from handlers.core.text import Text

QUESTION, WAITING, EXPLANATION, FORM = "totp", "totp_wait", "explanation", "form"
BLOCK = ACTION = "code"
ERROR = 400
TITLE = 24
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
    return card_view(Card(title=text, tone=Tone.WARNING))


def card_view(card: Card) -> JSON:
    """Says what became of it."""
    return _modal(EXPLANATION, card_blocks(card))


def form_view(form: Form, channel: str) -> JSON:
    """Asks what the form asks."""
    told: list[JSON] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": mrkdwn(each, 3000)}} for each in form.lines
    ]
    carried = json.dumps({"action": form.action, "value": form.value, "channel": channel})
    blocks = [*told, *(_field(each) for each in form.fields)]
    submit = plain(plain_text(form.submit, TITLE))
    return _modal(FORM, blocks, title=plain(plain_text(form.title, TITLE)), submit=submit, private_metadata=carried)


def _field(field: Choice | Words) -> JSON:
    """An input block, named like its field."""
    element: JSON
    if isinstance(field, Choice):
        options = {value: {"text": plain(plain_text(words, 75)), "value": value} for value, words in field.options}
        element = {"type": "static_select", "options": list(options.values()), "initial_option": options[field.initial]}
    else:
        element = {"type": "plain_text_input", "multiline": field.lines, "max_length": field.most}
        if field.initial:
            element["initial_value"] = field.initial
    block: JSON = {
        "type": "input",
        "block_id": field.name,
        "label": plain(plain_text(field.label, 2000)),
        "element": {"action_id": "field", **element},
    }
    if isinstance(field, Words) and field.hint is not None:
        block["hint"] = plain(plain_text(field.hint, 2000))
    return block


def answered(view: Mapping[str, Any]) -> tuple[str, str, str, dict[str, str]]:
    """The action, value and channel of a submitted form, and what its fields say. Raises Refusal for another view."""
    try:
        carried = json.loads(str(view.get("private_metadata", "")))
        action, value, channel = (str(carried[name]) for name in ("action", "value", "channel"))
    except (ValueError, KeyError, TypeError):
        raise Refusal(Text("This form is from an older version of me. Press the button again.")) from None
    typed: dict[str, str] = {}
    for name, inside in (view.get("state", {}).get("values") or {}).items():
        given = inside.get("field") if isinstance(inside, dict) else None
        chosen = (given or {}).get("selected_option") or given or {}
        if isinstance(chosen.get("value"), str):
            typed[str(name)[:100]] = chosen["value"][:3000]
    return action, value, channel, typed


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
