"""One call of a Web API method: its arguments, read the way Slack reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.slack.errors import JSON, SlackError, invalid, missing_argument
from sandbox.slack.workspace import Channel, Workspace


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose token was accepted."""

    workspace: Workspace
    args: JSON

    def text(self, name: str) -> str:
        """A required string. Raises `invalid_arguments`."""
        value = self.optional(name)
        if not value:
            raise missing_argument(name)
        return value

    def optional(self, name: str) -> str | None:
        """A string, or None if it was not sent. Raises `invalid_arguments`."""
        value = self.args.get(name)
        if value is None:
            return None
        if isinstance(value, dict | list):
            raise invalid("invalid_arguments", [f"must be a string [json-pointer:/{name}]"])
        return str(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean, as JSON or as form text."""
        value = self.args.get(name)
        if value is None:
            return default
        return value if isinstance(value, bool) else str(value).lower() in ("1", "true", "t")

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number of 1 to `most`; more is cut to `most`. Raises `invalid_limit` and the like."""
        value = self.args.get(name)
        if value in (None, ""):
            return default
        try:
            number = int(str(value))
        except ValueError:
            raise SlackError(f"invalid_{name}") from None
        if number < 1:
            raise SlackError(f"invalid_{name}")
        return min(number, most)

    def structure(self, name: str, error: str) -> object:
        """A JSON value, also if it came as text; None if it was not sent. Raises `error`."""
        value = self.args.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            parsed: object = json.loads(value)
        except ValueError:
            raise SlackError(error) from None
        return parsed

    def need(self, *any_of: str) -> None:
        """Demands one of these scopes. Raises `missing_scope`."""
        need_scope(self.workspace.manifest.bot_scopes, any_of)

    def channel(self, name: str = "channel") -> Channel:
        """The channel an id names. Raises `channel_not_found`."""
        return self.workspace.channel(self.text(name))

    def writable(self, channel: Channel) -> None:
        """Demands that the app may write here. Raises `is_archived`, `not_in_channel`."""
        if channel.is_archived:
            raise SlackError("is_archived")
        public = not channel.is_private and channel.im_user is None
        if self.workspace.app_is_in(channel):
            return
        if not (public and "chat:write.public" in self.workspace.manifest.bot_scopes):
            raise SlackError("not_in_channel")


def need_scope(scopes: tuple[str, ...], any_of: tuple[str, ...]) -> None:
    """Raises `missing_scope` with what is needed and what the app has."""
    if any_of and not set(any_of) & set(scopes):
        provided = ",".join(scopes)
        raise SlackError("missing_scope", extra={"needed": any_of[0], "provided": provided})


@dataclass(frozen=True, slots=True)
class Method:
    """A method: what it does, its rate tier, the scopes of which it needs one, its kind of token. `form_only`: it reads
    no JSON body."""

    run: Callable[[Call], JSON]
    tier: int
    scopes: tuple[str, ...] = ()
    token: str = "bot"
    form_only: bool = False
