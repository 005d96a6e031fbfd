"""Delivery over HTTP, signed as Slack signs (docs.slack.dev/authentication/verifying-requests-from-slack)."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp

from sandbox.slack.errors import JSON
from sandbox.slack.socket_mode import Ack

FORM = "application/x-www-form-urlencoded"


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The `X-Slack-Signature` of a body: `v0=` and an HMAC-SHA256 in hex."""
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


class HttpDelivery:
    """Posts commands, interactions and events to the app's addresses."""

    def __init__(self, signing_secret: str) -> None:
        self._secret = signing_secret
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes its connections."""
        if self._session is not None:
            await self._session.close()

    async def form(self, url: str, fields: JSON, timeout: float) -> Ack:
        """A slash command, or an interaction in the field `payload`."""
        ack, _ = await self._post(url, urlencode(fields).encode(), FORM, {}, timeout)
        return ack

    async def event(self, url: str, payload: JSON, attempt: int, reason: str, timeout: float) -> tuple[Ack, bool]:
        """An event; the flag is False if the app asked for no retry."""
        headers = {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason} if attempt else {}
        body = json.dumps(payload).encode()
        return await self._post(url, body, "application/json", headers, timeout)

    async def _post(
        self, url: str, body: bytes, content_type: str, headers: dict[str, str], timeout: float
    ) -> tuple[Ack, bool]:
        if not url:
            return Ack("dispatch_failed"), True
        timestamp = str(int(time.time()))
        sent = {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": sign(self._secret, timestamp, body),
            **headers,
        }
        if self._session is None:
            self._session = aiohttp.ClientSession()
        limit = aiohttp.ClientTimeout(total=timeout)
        try:
            async with self._session.post(url, data=body, headers=sent, timeout=limit, allow_redirects=False) as answer:
                text = await answer.text()
                retry = answer.headers.get("x-slack-no-retry") != "1"
                return _ack(answer.status, answer.content_type, text), retry
        except TimeoutError:
            return Ack("operation_timeout"), True
        except aiohttp.ClientError:
            return Ack("dispatch_failed"), True


def _ack(status: int, content_type: str, text: str) -> Ack:
    if status >= 500:
        return Ack("http_service_error")
    if status >= 300:
        return Ack("http_client_error")
    if not text.strip():
        return Ack(None)
    if content_type == "application/json":
        try:
            data: Any = json.loads(text)
        except ValueError:
            return Ack("invalid_command_response")
        return Ack(None, data if isinstance(data, dict) else None)
    return Ack(None, {"text": text})
