"""Uploads, and images in messages."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from sandbox.slack.server import LocalSlack
from tests.sandbox.bolt_app import JSON, web_client

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40


@pytest.fixture
def slack() -> Iterator[LocalSlack]:
    with LocalSlack(file_delay=60) as server:
        yield server


@pytest.fixture
def client(slack: LocalSlack) -> WebClient:
    return web_client(slack)


def _image(file_id: str) -> list[JSON]:
    return [{"type": "image", "alt_text": "a plot", "slack_file": {"id": file_id}}]


def _send(url: str, content: bytes) -> int:
    try:
        with urllib.request.urlopen(url, content, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def test_an_image_can_be_shown_only_once_it_is_processed(slack: LocalSlack, client: WebClient) -> None:
    file_id = client.files_upload_v2(content=PNG, filename="plot.png", title="Plot")["files"][0]["id"]
    with pytest.raises(SlackApiError) as refusal:
        client.chat_postMessage(channel="C0OPS", text="t", blocks=_image(file_id))
    assert refusal.value.response["error"] == "invalid_blocks"
    slack.advance(61)
    assert client.chat_postMessage(channel="C0OPS", text="t", blocks=_image(file_id))["ok"]
    with urllib.request.urlopen(f"{slack.url}/files/{file_id}", timeout=5) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (PNG, "image/png")


def test_a_file_shared_with_a_channel_is_a_message_there(slack: LocalSlack, client: WebClient) -> None:
    root = client.chat_postMessage(channel="C0OPS", text="root")["ts"]
    client.files_upload_v2(
        channel="C0OPS", content="log lines", filename="log.txt", initial_comment="the log", thread_ts=root
    )
    reply = slack.person("U0SARA").thread("C0OPS", root)[1]
    assert reply["text"] == "the log"
    assert reply["files"][0]["name"] == "log.txt"
    assert client.files_info(file=reply["files"][0]["id"])["file"]["size"] == 9


def test_the_address_takes_the_announced_bytes_once(client: WebClient) -> None:
    ticket = client.files_getUploadURLExternal(filename="a.png", length=len(PNG))
    assert _send(ticket["upload_url"], PNG + b"more") == 400
    with pytest.raises(SlackApiError) as early:
        client.files_completeUploadExternal(files=[{"id": ticket["file_id"], "title": "a"}])
    assert early.value.response["error"] == "file_not_found"
    assert _send(ticket["upload_url"], PNG) == 200
    assert _send(ticket["upload_url"], PNG) == 400
    assert client.files_completeUploadExternal(files=[{"id": ticket["file_id"], "title": "a"}])["ok"]


def test_a_file_goes_only_where_the_app_is(client: WebClient) -> None:
    ticket = client.files_getUploadURLExternal(filename="a.png", length=len(PNG))
    _send(ticket["upload_url"], PNG)
    files = [{"id": ticket["file_id"], "title": "a"}]
    with pytest.raises(SlackApiError) as outside:
        client.files_completeUploadExternal(files=files, channel_id="C0RANDOM")
    assert outside.value.response["error"] == "not_in_channel"
    with pytest.raises(SlackApiError) as by_name:
        client.files_completeUploadExternal(files=files, channel_id="#ops")
    assert by_name.value.response["error"] == "channel_not_found"


def test_an_empty_file_and_a_long_description_are_refused(client: WebClient) -> None:
    with pytest.raises(SlackApiError) as empty:
        client.api_call("files.getUploadURLExternal", params={"filename": "a", "length": "0"})
    assert empty.value.response["error"] == "invalid_arguments"
    client.files_getUploadURLExternal(filename="a", length=1, alt_txt="x" * 1000)
    with pytest.raises(SlackApiError):
        client.files_getUploadURLExternal(filename="a", length=1, alt_txt="x" * 1001)
