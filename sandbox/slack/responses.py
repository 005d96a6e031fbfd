"""Answers that are not Web API calls: the body of an ack, and what is posted to a response URL.

Source: docs.slack.dev/interactivity/handling-user-interaction, "message responses".
"""

from __future__ import annotations

from sandbox.slack.api_chat import Content, read_content
from sandbox.slack.errors import JSON, SlackError
from sandbox.slack.messages import Message
from sandbox.slack.response_urls import ResponseUrl
from sandbox.slack.workspace import Workspace


def respond(workspace: Workspace, url: ResponseUrl, payload: JSON) -> None:
    """Shows an answer: ephemeral unless `response_type` is `in_channel`; or replaces or deletes the
    message that was acted on. Raises `no_text`, `invalid_blocks` and the like."""
    source = _source(workspace, url)
    if payload.get("delete_original"):
        if source is not None:
            workspace.messages.remove(source)
            workspace.tell("message_deleted", source)
        return
    text = payload.get("text")
    content = read_content(
        workspace,
        None if text is None else str(text),
        payload.get("blocks"),
        payload.get("attachments"),
        summed=False,
    )
    if content.is_empty:
        raise SlackError("no_text")
    if payload.get("replace_original") and source is not None:
        _replace(workspace, source, content)
        return
    in_channel = payload.get("response_type") == "in_channel"
    thread_ts = payload.get("thread_ts") or url.thread_ts
    workspace.post(
        Message(
            channel=url.channel,
            ts=workspace.clock.ts(),
            user=workspace.seed.bot_user_id,
            text=content.text or "",
            blocks=content.blocks or [],
            attachments=content.attachments or [],
            thread_ts=str(thread_ts) if thread_ts else None,
            bot=workspace.bot_marks(),
            only_for=None if in_channel else url.user,
        )
    )


def _source(workspace: Workspace, url: ResponseUrl) -> Message | None:
    if url.source_ts is None:
        return None
    try:
        return workspace.messages.seen(url.channel, url.source_ts, url.user)
    except SlackError:
        return None


def _replace(workspace: Workspace, source: Message, content: Content) -> None:
    source.text, source.blocks = content.text or "", content.blocks or []
    source.attachments = content.attachments or []
    if source.only_for is None:
        source.edited = {"user": source.user, "ts": workspace.clock.ts()}
    workspace.tell("message_changed" if source.only_for is None else "ephemeral", source)
