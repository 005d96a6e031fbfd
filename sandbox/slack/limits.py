"""The limits of messages, modals and Home tabs. One over, and Slack refuses.

Sources: docs.slack.dev/reference/block-kit, docs.slack.dev/reference/methods, and the constants that
slack_sdk.models enforces. The sum of block text is undocumented: about 13,200 characters were measured in
slackapi/bolt-js issue 2509 (read 2026-08). How large metadata may be is undocumented too: 8,000 bytes here.
"""

from __future__ import annotations

import copy
import json
import re
import secrets
from collections.abc import Callable

from sandbox.slack.elements import (
    EITHER,
    INPUT_ONLY,
    INTERACTIVE,
    PLAIN,
    Findings,
    check_element,
    check_picture,
    check_text,
    check_text_object,
)
from sandbox.slack.errors import JSON, SlackError, invalid

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
BLOCK_TEXT_SUM = 13_200
MARKDOWN_SUM = 12_000
TEXT_CUT = 40_000
UPDATE_TEXT_BYTES = 4_000
ATTACHMENTS = 100
METADATA_BYTES = 8_000

FileIsReady = Callable[[JSON], bool]


def check_message_blocks(blocks: object, file_is_ready: FileIsReady, *, summed: bool = True) -> list[JSON]:
    """The blocks of a message, ready to store. Raises `invalid_blocks`, `invalid_blocks_format` or
    `msg_blocks_too_long`; `summed` False leaves out the last, as for response URLs."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise SlackError("invalid_blocks_format")
    found = Findings(file_is_ready)
    _check_blocks(found, blocks, "/blocks", MESSAGE_BLOCKS, view=False)
    if found.messages:
        raise invalid("invalid_blocks", found.messages)
    if summed and text_sum(blocks) > BLOCK_TEXT_SUM:
        raise SlackError("msg_blocks_too_long")
    return completed(blocks)


def check_view(view: object, file_is_ready: FileIsReady, kind: str) -> JSON:
    """A modal (`kind` "modal") or Home tab ("home"), ready to store. Raises `invalid_arguments`."""
    found = Findings(file_is_ready)
    if not isinstance(view, dict):
        raise invalid("invalid_arguments", ["must be an object [json-pointer:/view]"])
    at = "/view"
    if view.get("type") != kind:
        found.add(f"unsupported type: {view.get('type')}", f"{at}/type")
    allowed = {"type", "blocks", "callback_id", "private_metadata", "external_id"}
    if kind == "modal":
        allowed |= {"title", "submit", "close", "clear_on_close", "notify_on_close", "submit_disabled"}
        check_text(found, view, "title", at, 24, kinds=PLAIN)
        check_text(found, view, "submit", at, 24, kinds=PLAIN, required=False)
        check_text(found, view, "close", at, 24, kinds=PLAIN, required=False)
    found.string(view, "callback_id", at, 255)
    found.string(view, "external_id", at, 255)
    found.string(view, "private_metadata", at, 3000)
    for name in ("clear_on_close", "notify_on_close", "submit_disabled"):
        found.flag(view, name, at)
    found.only(view, allowed, at)
    blocks = found.items(view, "blocks", at, VIEW_BLOCKS, least=0)
    _check_blocks(found, blocks, f"{at}/blocks", VIEW_BLOCKS, view=True)
    has_input = any(isinstance(block, dict) and block.get("type") == "input" for block in blocks)
    if kind == "modal" and has_input and not view.get("submit"):
        found.add("submit is required when an input is within blocks", at)
    if found.messages:
        raise invalid("invalid_arguments", found.messages)
    return {**copy.deepcopy(view), "blocks": completed(view["blocks"])}


def check_metadata(metadata: object) -> JSON | None:
    """A message's metadata, None for the empty object that removes it."""
    if metadata == {}:
        return None
    fine = (
        isinstance(metadata, dict)
        and isinstance(metadata.get("event_type"), str)
        and 0 < len(metadata["event_type"]) <= 255
        and isinstance(metadata.get("event_payload"), dict)
        and set(metadata) <= {"event_type", "event_payload", "entities"}
    )
    if not fine or not isinstance(metadata, dict):
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(metadata["event_payload"]).encode()) > METADATA_BYTES:
        raise SlackError("metadata_too_large")
    return metadata


def check_attachments(attachments: object) -> list[JSON]:
    """Legacy attachments: at most 100 objects."""
    if not isinstance(attachments, list) or not all(isinstance(each, dict) for each in attachments):
        raise SlackError("invalid_attachments")
    if len(attachments) > ATTACHMENTS:
        raise SlackError("too_many_attachments")
    return attachments


def update_text_bytes(text: str) -> int:
    """The size Slack compares with 4,000 in `chat.update`: bytes, each bare `&` as an entity."""
    return len(re.sub(r"&(?!(amp|lt|gt);)", "&amp;", text).encode())


def text_sum(value: object) -> int:
    """The characters of every `text` inside blocks."""
    if isinstance(value, list):
        return sum(text_sum(each) for each in value)
    if isinstance(value, dict):
        text = value.get("text")
        own = len(text) if isinstance(text, str) else 0
        return own + sum(text_sum(each) for each in value.values())
    return 0


def completed(blocks: list[JSON]) -> list[JSON]:
    """A copy with what Slack fills in: `block_id`, `action_id`, `emoji` and `verbatim`."""
    blocks = copy.deepcopy(blocks)
    for block in blocks:
        block.setdefault("block_id", secrets.token_urlsafe(4)[:5])
        for element in elements_of(block):
            if element.get("type") in INTERACTIVE or _is_input(str(element.get("type"))):
                element.setdefault("action_id", secrets.token_urlsafe(4)[:5])
        _complete_text(block)
    return blocks


def _complete_text(value: object) -> None:
    if isinstance(value, list):
        for each in value:
            _complete_text(each)
    elif isinstance(value, dict):
        if value.get("type") == "plain_text":
            value.setdefault("emoji", True)
        elif value.get("type") == "mrkdwn":
            value.setdefault("verbatim", False)
        for each in value.values():
            _complete_text(each)


def elements_of(block: JSON) -> list[JSON]:
    """The elements of a block, wherever they stand."""
    found = list(block["elements"]) if isinstance(block.get("elements"), list) else []
    found += [block[name] for name in ("accessory", "element") if name in block]
    return [each for each in found if isinstance(each, dict)]


def _is_input(kind: str) -> bool:
    return kind in INPUT_ONLY or (kind in INTERACTIVE | {"select"} or kind.endswith("_select"))


def _in_input(kind: str) -> bool:
    return _is_input(kind) and kind not in ("button", "overflow")


def _in_actions(kind: str) -> bool:
    return _is_input(kind) and kind not in INPUT_ONLY


def _in_section(kind: str) -> bool:
    return kind == "image" or _in_actions(kind)


def _check_blocks(found: Findings, blocks: list[object], at: str, most: int, *, view: bool) -> None:
    if len(blocks) > most and not view:
        found.add(f"no more than {most} items allowed", at)
    seen: set[str] = set()
    markdown = 0
    for index, block in enumerate(blocks):
        here = f"{at}/{index}"
        if not isinstance(block, dict):
            found.add("must be an object", here)
            continue
        _check_block(found, block, here, view=view)
        block_id = block.get("block_id")
        if isinstance(block_id, str):
            if block_id in seen:
                found.add(f"`block_id` {block_id!r} already exists", f"{here}/block_id")
            seen.add(block_id)
        _check_action_ids(found, block, here)
        if block.get("type") == "markdown" and isinstance(block.get("text"), str):
            markdown += len(block["text"])
    if markdown > MARKDOWN_SUM:
        found.add(f"markdown text must be less than {MARKDOWN_SUM + 1} characters in all", at)


def _check_action_ids(found: Findings, block: JSON, at: str) -> None:
    seen: set[str] = set()
    for index, element in enumerate(elements_of(block)):
        action_id = element.get("action_id")
        if isinstance(action_id, str):
            if action_id in seen:
                found.add(f"`action_id` {action_id!r} already exists", f"{at}/elements/{index}/action_id")
            seen.add(action_id)


_BLOCK_FIELDS: dict[str, set[str]] = {
    "section": {"text", "fields", "accessory", "expand"},
    "header": {"text"},
    "divider": set(),
    "image": {"alt_text", "image_url", "slack_file", "title"},
    "context": {"elements"},
    "actions": {"elements"},
    "input": {"label", "element", "hint", "optional", "dispatch_action"},
    "markdown": {"text"},
    "rich_text": {"elements"},
}


def _check_block(found: Findings, block: JSON, at: str, *, view: bool) -> None:
    kind = block.get("type")
    if not isinstance(kind, str) or kind not in _BLOCK_FIELDS or (view and kind == "markdown"):
        found.add(f"unsupported type: {kind}", f"{at}/type")
        return
    found.string(block, "block_id", at, 255)
    found.only(block, {"type", "block_id", *_BLOCK_FIELDS[kind]}, at)
    match kind:
        case "section":
            _check_section(found, block, at)
        case "header":
            check_text(found, block, "text", at, 150, kinds=PLAIN)
        case "image":
            check_picture(found, block, at)
            check_text(found, block, "title", at, 2000, kinds=PLAIN, required=False)
        case "context":
            for index, element in enumerate(found.items(block, "elements", at, 10)):
                _check_context_element(found, element, f"{at}/elements/{index}")
        case "actions":
            for index, element in enumerate(found.items(block, "elements", at, 25)):
                check_element(found, element, f"{at}/elements/{index}", _in_actions)
        case "input":
            check_text(found, block, "label", at, 2000, kinds=PLAIN)
            check_text(found, block, "hint", at, 2000, kinds=PLAIN, required=False)
            check_element(found, block.get("element"), f"{at}/element", _in_input)
            found.flag(block, "optional", at)
            found.flag(block, "dispatch_action", at)
        case "markdown":
            found.string(block, "text", at, MARKDOWN_SUM, required=True)
        case "rich_text":
            found.items(block, "elements", at, 1000)


def _check_section(found: Findings, block: JSON, at: str) -> None:
    fields = block.get("fields")
    check_text(found, block, "text", at, 3000, required=fields is None)
    if fields is not None:
        for index, each in enumerate(found.items(block, "fields", at, 10)):
            check_text_object(found, each, f"{at}/fields/{index}", 2000)
    if block.get("accessory") is not None:
        check_element(found, block["accessory"], f"{at}/accessory", _in_section)
    found.flag(block, "expand", at)


def _check_context_element(found: Findings, element: object, at: str) -> None:
    if isinstance(element, dict) and element.get("type") in EITHER:
        check_text_object(found, element, at, 3000)
    else:
        check_element(found, element, at, lambda kind: kind == "image")
