"""Modals and the Home tab, and what a person typed into them.

- A trigger lives three seconds, so a placeholder opens first and becomes the question when the desk has it.
- The question shows what the code will confirm, word for word; only the challenge's id and the channel travel with it.
- A form's action and value travel with it, what was typed comes back by the fields' names.
- A code is six digits; people type "123 456", so blanks are taken out here and everything else is the desk's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, assert_never

from bot.slack.blocks import JSON, card_blocks, plain
from bot.slack.mrkdwn import mrkdwn, plain_text
from handlers.core.words.cards import Button, Card, Tone
from handlers.core.words.errors import Refusal
from handlers.core.words.forms import Choice, Form, Someone, Words
from handlers.core.words.text import Text
from handlers.core.words.tongues import ENGLISH, Tongue

QUESTION, WAITING, EXPLANATION, FORM = "totp", "totp_wait", "explanation", "form"
BLOCK = ACTION = "code"
ERROR = 400
TITLE = 24
MOST_TYPED = 9
_HINT = Text(
    "The six digits your authenticator shows for this bot. This question closes after 120 seconds. Slack shows what "
    "you type; a code works once."
)


def waiting_view(tongue: Tongue = ENGLISH) -> JSON:
    """The placeholder."""
    words = {"type": "section", "text": _said(Text("One moment…"), tongue)}
    return _modal(WAITING, [words], tongue)


def question_view(summary: Card, challenge: str, tongue: Tongue = ENGLISH, channel: str = "") -> JSON:
    """Asks for the code that confirms what `summary` says."""
    asked: JSON = {
        "type": "input",
        "block_id": BLOCK,
        "label": _said(Text("Code"), tongue),
        "hint": _said(_HINT, tongue),
        "element": {
            "type": "plain_text_input",
            "action_id": ACTION,
            "min_length": 6,
            "max_length": MOST_TYPED,
            "focus_on_load": True,
            "placeholder": plain("123456"),
        },
    }
    blocks = [*card_blocks(replace(summary, buttons=()), tongue), asked]
    submit = _said(Text("Confirm"), tongue, TITLE)
    return _modal(QUESTION, blocks, tongue, submit=submit, private_metadata=f"{challenge} {channel}".strip())


def explanation_view(text: Text, tongue: Tongue = ENGLISH) -> JSON:
    """Says why there is no question, or why it is over."""
    return card_view(Card(title=text, tone=Tone.WARNING), tongue)


def card_view(card: Card, tongue: Tongue = ENGLISH) -> JSON:
    """Says what became of it."""
    return _modal(EXPLANATION, card_blocks(card, tongue), tongue)


def form_view(form: Form, channel: str, tongue: Tongue = ENGLISH) -> JSON:
    """Asks what the form asks."""
    form = tongue.said(form)
    told: list[JSON] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": mrkdwn(each, 3000)}} for each in form.lines
    ]
    carried = json.dumps({"action": form.action, "value": form.value, "channel": channel})
    blocks = [*told, *(_field(each) for each in form.fields)]
    submit = plain(plain_text(form.submit, TITLE))
    title = plain(plain_text(form.title, TITLE))
    return _modal(FORM, blocks, tongue, title=title, submit=submit, private_metadata=carried)


def _field(field: Choice | Words | Someone) -> JSON:
    """An input block, named like its field."""
    element: JSON
    match field:
        case Choice():
            options = {value: {"text": plain(plain_text(words, 75)), "value": value} for value, words in field.options}
            chosen = options[field.initial]
            element = {"type": "static_select", "options": list(options.values()), "initial_option": chosen}
        case Someone():
            element = {"type": "users_select", "initial_user": field.initial}
        case Words():
            element = {"type": "plain_text_input", "multiline": field.lines, "max_length": field.most}
            if field.initial:
                element["initial_value"] = field.initial
        case _:
            assert_never(field)
    block: JSON = {
        "type": "input",
        "block_id": field.name,
        "label": plain(plain_text(field.label, 2000)),
        "element": {"action_id": "field", **element},
    }
    if isinstance(field, Words) and field.hint is not None:
        block["hint"] = plain(plain_text(field.hint, 2000))
    if isinstance(field, Words) and field.optional:
        block["optional"] = True
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
        answer = chosen.get("value", chosen.get("selected_user"))
        if isinstance(answer, str):
            typed[str(name)[:100]] = answer[:3000]
    return action, value, channel, typed


def home_view(commands: Sequence[str], standing: Card | None = None, tongue: Tongue = ENGLISH) -> JSON:
    """The Home tab: how things stand, for who may see that, and what can be typed."""
    lines = tuple(Text("`/{command} help` says what {command} can do.", command=command) for command in commands)
    card = Card(
        title=Text("Negahban keeps backups of your databases"),
        lines=(Text("Type a command in a channel I am in; its card is edited in place while it works."), *lines),
        buttons=(Button("access_enrol", Text("Set up my second factor"), "me"),),
        footer=Text("Codes are typed into a dialog only, never into a message."),
    )
    told = [] if standing is None else card_blocks(standing, tongue)
    return {"type": "home", "blocks": [*told, *card_blocks(card, tongue)]}


def asked(view: Mapping[str, Any]) -> tuple[str, str]:
    """The challenge of a submitted question, and the channel in which it was asked; empty where not known."""
    challenge, _, channel = str(view.get("private_metadata", "")).partition(" ")
    return challenge, channel


def typed_code(view: Mapping[str, Any]) -> str:
    """The code of a submitted question without its blanks; empty when there is none."""
    values = view.get("state", {}).get("values", {})
    typed = values.get(BLOCK, {}).get(ACTION, {}).get("value")
    return "".join(typed.split())[:MOST_TYPED] if isinstance(typed, str) else ""


def errors_answer(text: Text, tongue: Tongue = ENGLISH) -> JSON:
    """The ack that shows a sentence below the code."""
    shown = plain_text(tongue.said(text), ERROR) or plain_text(tongue.said(Text("No.")), ERROR)
    return {"response_action": "errors", "errors": {BLOCK: shown}}


def update_answer(view: JSON) -> JSON:
    """The ack that shows another view in place of the question."""
    return {"response_action": "update", "view": view}


def _modal(callback_id: str, blocks: list[JSON], tongue: Tongue, **more: Any) -> JSON:
    return {
        "type": "modal",
        "callback_id": callback_id,
        "title": _said(Text("Negahban"), tongue, TITLE),
        "close": _said(Text("Close"), tongue, TITLE),
        "blocks": blocks,
        **more,
    }


def _said(text: Text, tongue: Tongue, limit: int = 2000) -> JSON:
    """A plain_text object of a sentence that is not said yet."""
    return plain(plain_text(tongue.said(text), limit))
