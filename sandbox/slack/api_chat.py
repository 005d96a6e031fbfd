"""The `chat.*` methods. Source: docs.slack.dev/reference/methods."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.slack.calls import Call, Method
from sandbox.slack.errors import JSON, SlackError
from sandbox.slack.limits import (
    TEXT_CUT,
    UPDATE_TEXT_BYTES,
    check_attachments,
    check_message_blocks,
    check_metadata,
    update_text_bytes,
)
from sandbox.slack.messages import Message
from sandbox.slack.rates import SPECIAL_POST, UNLIMITED
from sandbox.slack.workspace import Workspace

_CUSTOM = ("username", "icon_url", "icon_emoji")


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says; None: not given."""

    text: str | None
    blocks: list[JSON] | None
    attachments: list[JSON] | None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.text or "").strip() and not self.blocks and not self.attachments


def read_content(
    workspace: Workspace, text: str | None, blocks: object, attachments: object, *, summed: bool = True
) -> Content:
    """Checks what a message says. Raises `invalid_blocks` and its kin; text is cut at 40,000."""
    checked = None if blocks is None else check_message_blocks(blocks, workspace.files.is_ready, summed=summed)
    extra = None if attachments is None else check_attachments(attachments)
    return Content(None if text is None else text[:TEXT_CUT], checked, extra)


def _content(call: Call) -> Content:
    return read_content(
        call.workspace,
        call.optional("text"),
        call.structure("blocks", "invalid_blocks_format"),
        call.structure("attachments", "invalid_attachments"),
    )


def _draft(call: Call, channel_id: str, content: Content) -> Message:
    workspace = call.workspace
    return Message(
        channel=channel_id,
        ts=workspace.clock.ts(),
        user=workspace.seed.bot_user_id,
        text=content.text or "",
        blocks=content.blocks or [],
        attachments=content.attachments or [],
        thread_ts=call.optional("thread_ts") or None,
        bot=workspace.bot_marks(),
    )


def post_message(call: Call) -> JSON:
    """chat.postMessage."""
    workspace = call.workspace
    channel = workspace.channel_by_reference(call.text("channel").strip())
    if any(name in call.args for name in _CUSTOM):
        call.need("chat:write.customize")
    call.writable(channel)
    content = _content(call)
    if content.is_empty:
        raise SlackError("no_text")
    metadata = call.structure("metadata", "invalid_metadata_format")
    checked = None if metadata is None else check_metadata(metadata)
    message = _draft(call, channel.id, content)
    message.metadata = checked
    message.broadcast = message.thread_ts is not None and call.flag("reply_broadcast")
    workspace.post(message)
    shown = message.to_json(include_metadata=True)
    return {"channel": channel.id, "ts": message.ts, "message": shown}


def post_ephemeral(call: Call) -> JSON:
    """chat.postEphemeral: for one person, who is a member; found by no other method."""
    workspace = call.workspace
    channel = workspace.channel_by_reference(call.text("channel"))
    user = workspace.users.get(call.text("user"))
    call.writable(channel)
    if user is None or user.id not in channel.members:
        raise SlackError("user_not_in_channel")
    content = _content(call)
    if content.is_empty:
        raise SlackError("no_text")
    message = _draft(call, channel.id, content)
    message.only_for = user.id
    workspace.post(message)
    return {"message_ts": message.ts}


def update(call: Call) -> JSON:
    """chat.update: own messages only. Text without blocks removes blocks; attachments and metadata stay
    unless they are sent; only a message without blocks is marked as edited. Text over 4,000 bytes is
    `msg_too_long`, unlike in chat.postMessage."""
    workspace = call.workspace
    channel = call.channel()
    message = workspace.messages.find(channel.id, call.text("ts"))
    if message.user != workspace.seed.bot_user_id:
        raise SlackError("cant_update_message")
    call.writable(channel)
    content = _content(call)
    if content.is_empty and "blocks" not in call.args and "attachments" not in call.args:
        raise SlackError("no_text")
    if update_text_bytes(content.text or "") > UPDATE_TEXT_BYTES:
        raise SlackError("msg_too_long")
    metadata = call.structure("metadata", "invalid_metadata_format")
    if metadata is not None:
        message.metadata = check_metadata(metadata)
    if content.blocks is not None or content.text is not None:
        message.blocks = content.blocks or []
    if content.attachments is not None:
        message.attachments = content.attachments
    message.text = content.text or (message.text if content.text is None else "")
    if not message.blocks:
        message.edited = {"user": message.user, "ts": workspace.clock.ts()}
    workspace.tell("message_changed", message)
    shown = message.to_json(include_metadata=True)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": shown}


def delete(call: Call) -> JSON:
    """chat.delete: own messages only."""
    workspace = call.workspace
    channel = call.channel()
    message = workspace.messages.find(channel.id, call.text("ts"))
    if message.user != workspace.seed.bot_user_id:
        raise SlackError("cant_delete_message")
    workspace.messages.remove(message)
    workspace.tell("message_deleted", message)
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(call: Call) -> JSON:
    """chat.getPermalink."""
    workspace = call.workspace
    channel = call.channel()
    message = workspace.messages.find(channel.id, call.text("message_ts"))
    link = f"{workspace.url}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts not in (None, message.ts):
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


METHODS = {
    "chat.postMessage": Method(post_message, SPECIAL_POST, ("chat:write",)),
    "chat.postEphemeral": Method(post_ephemeral, 4, ("chat:write",)),
    "chat.update": Method(update, 3, ("chat:write",)),
    "chat.delete": Method(delete, 3, ("chat:write",)),
    "chat.getPermalink": Method(get_permalink, UNLIMITED),
}
