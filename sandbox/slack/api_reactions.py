"""The `reactions.*` methods. Source: docs.slack.dev/reference/methods."""

from __future__ import annotations

import re

from sandbox.slack.calls import Call, Method
from sandbox.slack.errors import JSON, SlackError
from sandbox.slack.messages import Message


def _message(call: Call) -> Message:
    channel = call.channel()
    if channel.is_archived:
        raise SlackError("is_archived")
    return call.workspace.messages.find(channel.id, call.text("timestamp"))


def _name(call: Call) -> str:
    name = call.text("name").strip(":")
    if not re.fullmatch(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?", name):
        raise SlackError("invalid_name")
    return name


def add(call: Call) -> JSON:
    """reactions.add. Raises `already_reacted`."""
    name, message, own = _name(call), _message(call), call.workspace.seed.bot_user_id
    people = message.reactions.setdefault(name, [])
    if own in people:
        raise SlackError("already_reacted")
    people.append(own)
    call.workspace.tell("reaction", message)
    return {}


def remove(call: Call) -> JSON:
    """reactions.remove. Raises `no_reaction`."""
    name, message, own = _name(call), _message(call), call.workspace.seed.bot_user_id
    people = message.reactions.get(name, [])
    if own not in people:
        raise SlackError("no_reaction")
    people.remove(own)
    if not people:
        del message.reactions[name]
    call.workspace.tell("reaction", message)
    return {}


def get(call: Call) -> JSON:
    """reactions.get."""
    message = _message(call)
    return {"type": "message", "channel": message.channel, "message": message.to_json()}


METHODS = {
    "reactions.add": Method(add, 3, ("reactions:write",)),
    "reactions.remove": Method(remove, 2, ("reactions:write",)),
    "reactions.get": Method(get, 3, ("reactions:read",)),
}
