"""What Slack answers when it refuses: `{"ok": false, "error": <code>, ...}`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

JSON = dict[str, Any]
TROUBLE = "We had some trouble connecting. Try again?"


class SlackError(Exception):
    """A refusal with Slack's own error code; `extra` is merged into the answer."""

    def __init__(self, code: str, *, status: int = 200, extra: JSON | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.extra: JSON = extra or {}

    @property
    def answer(self) -> JSON:
        """The body Slack sends."""
        return {"ok": False, "error": self.code, **self.extra}


def invalid(code: str, findings: Sequence[str]) -> SlackError:
    """A refusal that lists each finding under `response_metadata.messages`, as Slack does."""
    messages = [f"[ERROR] {finding}" for finding in findings]
    extra: JSON = {"errors": list(findings), "response_metadata": {"messages": messages}}
    return SlackError(code, extra=extra)


def missing_argument(name: str) -> SlackError:
    """The refusal of a call that lacks a required argument."""
    return invalid("invalid_arguments", [f"missing required field: {name}"])
