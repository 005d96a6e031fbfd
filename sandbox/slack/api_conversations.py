"""The `conversations.*` methods. Source: docs.slack.dev/reference/methods."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import TypeVar

from sandbox.slack.calls import Call, Method
from sandbox.slack.errors import JSON, SlackError, missing_argument
from sandbox.slack.messages import Message
from sandbox.slack.workspace import Channel

_READ = ("channels:read", "groups:read", "im:read", "mpim:read")
_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")
_KINDS = {
    "public_channel": "channels:read",
    "private_channel": "groups:read",
    "im": "im:read",
    "mpim": "mpim:read",
}
_T = TypeVar("_T")


def page(items: Sequence[_T], call: Call, *, default: int, most: int) -> tuple[list[_T], str]:
    """One page of items and the cursor of the next, "" at the end. Raises `invalid_cursor`."""
    cursor, start = call.optional("cursor"), 0
    if cursor:
        try:
            start = int(base64.b64decode(cursor, validate=True).decode().removeprefix("next:"))
        except (binascii.Error, ValueError):
            raise SlackError("invalid_cursor") from None
    if start < 0:
        raise SlackError("invalid_cursor")
    end = start + call.number("limit", default, most)
    following = base64.b64encode(f"next:{end}".encode()).decode() if end < len(items) else ""
    return list(items[start:end]), following


def show_channel(call: Call, channel: Channel) -> JSON:
    """The channel object as Slack sends it."""
    workspace = call.workspace
    base: JSON = {"id": channel.id, "created": workspace.created, "is_archived": channel.is_archived}
    if channel.im_user is not None:
        return {**base, "is_im": True, "user": channel.im_user, "is_channel": False, "is_group": False}
    return {
        **base,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": not channel.is_private,
        "is_group": channel.is_private,
        "is_im": False,
        "is_mpim": False,
        "is_private": channel.is_private,
        "is_general": False,
        "is_shared": False,
        "is_member": workspace.app_is_in(channel),
        "num_members": len(channel.members),
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
        "context_team_id": workspace.seed.team_id,
    }


def list_channels(call: Call) -> JSON:
    """conversations.list, of the asked `types`; each type needs its own scope."""
    kinds = (call.optional("types") or "public_channel").replace(" ", "").split(",")
    for kind in kinds:
        if kind not in _KINDS:
            raise SlackError("invalid_types")
        call.need(_KINDS[kind])
    workspace, found = call.workspace, []
    for channel in workspace.channels.values():
        kind = "im" if channel.im_user else "private_channel" if channel.is_private else "public_channel"
        hidden = kind != "public_channel" and not workspace.app_is_in(channel)
        if kind in kinds and not hidden and not (channel.is_archived and call.flag("exclude_archived")):
            found.append(show_channel(call, channel))
    some, cursor = page(found, call, default=100, most=1000)
    return {"channels": some, "response_metadata": {"next_cursor": cursor}}


def info(call: Call) -> JSON:
    """conversations.info."""
    channel = call.channel()
    call.need(f"{channel.family}:read")
    return {"channel": show_channel(call, channel)}


def members(call: Call) -> JSON:
    """conversations.members."""
    channel = call.channel()
    call.need(f"{channel.family}:read")
    some, cursor = page(channel.members, call, default=100, most=1000)
    return {"members": some, "response_metadata": {"next_cursor": cursor}}


def join(call: Call) -> JSON:
    """conversations.join: public channels only."""
    channel = call.channel()
    if channel.is_archived:
        raise SlackError("is_archived")
    if channel.is_private or channel.im_user is not None:
        raise SlackError("method_not_supported_for_channel_type")
    answer: JSON = {}
    if call.workspace.app_is_in(channel):
        answer["warning"] = "already_in_channel"
    else:
        channel.members.append(call.workspace.seed.bot_user_id)
    return {"channel": show_channel(call, channel), **answer}


def open_direct_message(call: Call) -> JSON:
    """conversations.open: a direct message with one person."""
    workspace = call.workspace
    if call.optional("channel"):
        channel = call.channel()
    else:
        users = [user for user in call.text("users").split(",") if user]
        if len(users) > 1:
            raise SlackError("too_many_users")
        if users[0] not in workspace.users:
            raise SlackError("user_not_found")
        channel = workspace.direct_message(users[0])
    shown = show_channel(call, channel) if call.flag("return_im") else {"id": channel.id}
    return {"channel": shown}


def _read_messages(call: Call) -> Channel:
    channel = call.channel()
    call.need(f"{channel.family}:history")
    if not call.workspace.app_is_in(channel):
        raise SlackError("not_in_channel")
    return channel


def _between(call: Call, messages: list[Message]) -> list[Message]:
    """Those between `oldest` and `latest`, the ends only if `inclusive`."""
    inclusive = call.flag("inclusive")
    for name in ("oldest", "latest"):
        bound = call.optional(name)
        if bound in (None, "", "0", "now"):
            continue
        if not re.fullmatch(r"\d+(\.\d+)?", str(bound)):
            raise SlackError(f"invalid_ts_{name}")
        edge = _order(str(bound))
        after = name == "oldest"
        messages = [
            message
            for message in messages
            if (_order(message.ts) > edge if after else _order(message.ts) < edge)
            or (inclusive and _order(message.ts) == edge)
        ]
    return messages


def _order(ts: str) -> tuple[int, int]:
    seconds, _, fraction = ts.partition(".")
    return int(seconds), int(fraction.ljust(6, "0")[:6] or 0)


def history(call: Call) -> JSON:
    """conversations.history: newest first, no thread replies; metadata only if asked for."""
    channel = _read_messages(call)
    store = call.workspace.messages
    found = sorted(_between(call, store.top(channel.id)), key=lambda each: _order(each.ts), reverse=True)
    some, cursor = page(found, call, default=100, most=999)
    wanted = call.flag("include_all_metadata")
    answer: JSON = {
        "messages": [store.show(message, include_metadata=wanted) for message in some],
        "has_more": bool(cursor),
        "pin_count": 0,
    }
    return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


def replies(call: Call) -> JSON:
    """conversations.replies: the first message of the thread, then its replies, oldest first."""
    channel = _read_messages(call)
    store = call.workspace.messages
    ts = call.optional("ts")
    if not ts:
        raise missing_argument("ts")
    root = store.root(channel.id, ts)
    rest = _between(call, store.replies(channel.id, root.ts))
    some, cursor = page([root, *rest], call, default=1000, most=1000)
    wanted = call.flag("include_all_metadata")
    answer: JSON = {
        "messages": [store.show(message, include_metadata=wanted) for message in some],
        "has_more": bool(cursor),
    }
    return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


METHODS = {
    "conversations.list": Method(list_channels, 2, _READ),
    "conversations.info": Method(info, 3, _READ),
    "conversations.members": Method(members, 4, _READ),
    "conversations.join": Method(join, 3, ("channels:join",)),
    "conversations.open": Method(open_direct_message, 3, ("im:write", "mpim:write")),
    "conversations.history": Method(history, 3, _HISTORY),
    "conversations.replies": Method(replies, 3, _HISTORY),
}
