"""Response URLs: five uses within thirty minutes.

Source: docs.slack.dev/interactivity/handling-user-interaction.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sandbox.slack.clock import Clock
from sandbox.slack.errors import SlackError

USES = 5
LIFE_SECONDS = 1800.0


@dataclass(slots=True)
class ResponseUrl:
    """Where an answer goes: a person in a channel, and the message acted on, if any."""

    channel: str
    user: str
    at: float
    source_ts: str | None = None
    thread_ts: str | None = None
    uses: int = 0


class ResponseUrls:
    """Every response URL given out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.base_url = ""
        self._urls: dict[str, ResponseUrl] = {}

    def new(
        self, kind: str, channel: str, user: str, source_ts: str | None = None, thread_ts: str | None = None
    ) -> str:
        """The address for one command (`kind` "commands") or click ("actions")."""
        key = secrets.token_urlsafe(18)
        self._urls[key] = ResponseUrl(channel, user, self._clock.now(), source_ts, thread_ts)
        return f"{self.base_url}/{kind}/{key}"

    def use(self, key: str) -> ResponseUrl:
        """Counts one use. Raises `invalid_url`, `expired_url` or `used_url`, each with HTTP 404."""
        url = self._urls.get(key)
        if url is None:
            raise SlackError("invalid_url", status=404)
        if self._clock.now() - url.at > LIFE_SECONDS:
            raise SlackError("expired_url", status=404)
        if url.uses >= USES:
            raise SlackError("used_url", status=404)
        url.uses += 1
        return url
