"""What the app says in these tests."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from slack_sdk import WebClient

from tests.sandbox.bolt_app import button, plain


def say(client: WebClient, text: str = "text", **more: Any) -> str:
    """A message of the app in #ops."""
    return str(client.chat_postMessage(channel="C0OPS", text=text, **more)["ts"])


def png(width: int, height: int) -> bytes:
    """A picture of one colour (PNG specification, section 11)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x2e\x8b\x57" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def gallery(client: WebClient) -> None:
    """Messages of every kind, for the eye."""
    file = client.files_upload_v2(content=png(420, 130), filename="plot.png", title="Plot")["files"][0]
    options = [{"text": plain(name), "value": name} for name in ("daily", "hourly")]
    fields = ["*Database*\nshop", "*Size*\n1.2 GiB", "*Asked by*\n<@U0LEILA>", "*Target*\n`shop_restored`"]
    root = say(
        client,
        blocks=[
            {"type": "header", "text": plain("Restore of 2024-05-01 :hourglass_flowing_sand:")},
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": "Waits for *two* people. <https://shop.example|The plan>"},
                "accessory": {"type": "overflow", "action_id": "more", "options": options},
            },
            {"type": "section", "fields": [{"type": "mrkdwn", "text": each} for each in fields]},
            {"type": "divider"},
            {
                "type": "actions",
                "elements": [
                    button("approve", style="primary", text=plain("Approve")),
                    button("deny", style="danger", text=plain("Deny")),
                    button("show", text=plain("Details")),
                    {
                        "type": "static_select",
                        "action_id": "plan",
                        "placeholder": plain("Plan"),
                        "options": options,
                    },
                ],
            },
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "Ends in 10 minutes · job `j-17`"}]},
        ],
    )
    say(client, "a reply", thread_ts=root)
    say(client, "نسخهٔ پشتیبان *shop* آماده است :white_check_mark: (۱٫۲ گیگابایت)\n> نقل قول\nand English again")
    say(client, "*Steps*\n• dump\n• check\n```mongodump --archive | zstd\nsha256 ok```")
    say(client, blocks=[{"type": "image", "alt_text": "a plot", "slack_file": {"id": file["id"]}}])
    client.chat_postEphemeral(channel="C0OPS", user="U0SARA", text="Your code was wrong. Two tries are left.")
