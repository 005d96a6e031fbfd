"""The `files.*` methods. Source: docs.slack.dev/messaging/working-with-files."""

from __future__ import annotations

import re

from sandbox.slack.api_chat import read_content
from sandbox.slack.calls import Call, Method
from sandbox.slack.errors import JSON, SlackError, invalid
from sandbox.slack.files import File
from sandbox.slack.messages import Message

ALT_TEXT = 1000


def get_upload_url(call: Call) -> JSON:
    """files.getUploadURLExternal: where to POST the bytes."""
    name = call.text("filename")
    length = call.text("length")
    alt_text = call.optional("alt_txt") or ""
    if not re.fullmatch(r"[0-9]{1,12}", length) or int(length) < 1:
        raise invalid("invalid_arguments", ["must be more than 0 [json-pointer:/length]"])
    if len(alt_text) > ALT_TEXT:
        raise SlackError("alt_txt_too_large")
    file = call.workspace.files.begin(name, int(length), alt_text)
    return {"upload_url": f"{call.workspace.url}/upload/v1/{file.ticket}", "file_id": file.id}


def complete_upload(call: Call) -> JSON:
    """files.completeUploadExternal: with a channel it also posts the files there."""
    workspace = call.workspace
    wanted = call.structure("files", "invalid_arguments")
    if not isinstance(wanted, list) or not wanted or not all(isinstance(each, dict) for each in wanted):
        raise invalid("invalid_arguments", ["missing required field: files"])
    channel_ids = (call.optional("channel_id") or call.optional("channels") or "").split(",")
    channels = [workspace.channel(each) for each in channel_ids if each]
    thread_ts = call.optional("thread_ts")
    for channel in channels:
        call.writable(channel)
        if thread_ts and workspace.messages.root(channel.id, thread_ts).ts != thread_ts:
            raise SlackError("invalid_thread_ts")
    files = [workspace.files.complete(str(each.get("id")), str(each.get("title") or "")) for each in wanted]
    for channel in channels:
        _share(call, files, channel.id, thread_ts)
    return {"files": [workspace.files.to_json(file) for file in files]}


def _share(call: Call, files: list[File], channel_id: str, thread_ts: str | None) -> None:
    workspace = call.workspace
    blocks = call.structure("blocks", "invalid_blocks_format")
    content = read_content(workspace, call.optional("initial_comment"), blocks, None)
    for file in files:
        file.channels.append(channel_id)
    workspace.post(
        Message(
            channel=channel_id,
            ts=workspace.clock.ts(),
            user=workspace.seed.bot_user_id,
            text=content.text or "",
            blocks=content.blocks or [],
            thread_ts=thread_ts or None,
            bot=workspace.bot_marks(),
            files=[workspace.files.to_json(file) for file in files],
        )
    )


def file_info(call: Call) -> JSON:
    """files.info."""
    file = call.workspace.files.find(call.text("file"))
    return {"file": call.workspace.files.to_json(file)}


def delete_file(call: Call) -> JSON:
    """files.delete."""
    call.workspace.files.delete(call.text("file"))
    return {}


METHODS = {
    "files.getUploadURLExternal": Method(get_upload_url, 4, ("files:write",)),
    "files.completeUploadExternal": Method(complete_upload, 4, ("files:write",)),
    "files.info": Method(file_info, 4, ("files:read",)),
    "files.delete": Method(delete_file, 3, ("files:write",)),
}
