"""What Slack sends, read: who, where, what was pressed.

- Identity comes from where Slack itself puts it, never from a value a message carries.
- A payload without a person or workspace is refused, not guessed.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from handlers.core.words.answers import Actor, PersonId, Surface
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Text

MOST_CHARACTERS = 40_000
MOST_WORDS = 50
JSON = dict[str, Any]
Payload = Mapping[str, Any]


def actor_of(body: Payload) -> Actor:
    """Who typed, pressed or submitted. Raises Refusal when Slack does not say."""
    user, team = _part(body, "user"), _part(body, "team")
    person = user.get("id") or body.get("user_id")
    workspace = user.get("team_id") or team.get("id") or body.get("team_id")
    if not (isinstance(person, str) and person and isinstance(workspace, str) and workspace):
        raise Refusal(Text("Slack did not say who you are, so nothing was done."))
    return Actor(PersonId(person), workspace, Surface.SLACK)


def channel_of(body: Payload) -> str:
    """Where; empty in a modal or the Home tab."""
    where = _part(body, "channel").get("id") or _part(body, "container").get("channel_id") or body.get("channel_id")
    return where if isinstance(where, str) else ""


def action_value(body: Payload) -> str:
    """What the pressed button carries; empty when it carries nothing."""
    actions = body.get("actions")
    first = actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], dict) else {}
    value = first.get("value")
    return value if isinstance(value, str) else ""


def action_id(body: Payload) -> str:
    """The pressed button's name."""
    actions = body.get("actions")
    first = actions[0] if isinstance(actions, list) and actions and isinstance(actions[0], dict) else {}
    name = first.get("action_id")
    return name if isinstance(name, str) else ""


def view_of(body: Payload) -> JSON:
    """The submitted view; empty when there is none."""
    return _part(body, "view")


def response_url_of(body: Payload) -> str:
    """Where an answer can be sent; empty when Slack gave none."""
    url = body.get("response_url")
    return url if isinstance(url, str) else ""


def words_of(text: object) -> tuple[str, ...]:
    """What was typed after the command, as words."""
    typed = html.unescape(text[: 6 * MOST_CHARACTERS])[:MOST_CHARACTERS] if isinstance(text, str) else ""
    return tuple(typed.split()[:MOST_WORDS])


def _part(body: Payload, name: str) -> JSON:
    part = body.get(name)
    return part if isinstance(part, dict) else {}
