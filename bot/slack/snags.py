"""What Slack's refusals mean, as the errors of the house.

- `Snag` is an OutsideError that also says what a sender must know: wait how long, perhaps done all the same,
  the message is gone, or Slack does not want what it was sent.
- What a person can put right (an invitation, an archived channel) is a Refusal that says how.
- No answer, an answer that broke off, and 5xx are ambiguous: Slack may have done it. A refused connection is not.
- A message names the method and Slack's error code; never an argument, a token or an address.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar
from urllib.error import HTTPError, URLError

from slack_sdk.errors import SlackApiError, SlackClientError

from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text

T = TypeVar("T")

_CLOSED = frozenset({"cant_update_message", "edit_window_closed"})
_GONE = _CLOSED | {"message_not_found", "thread_not_found"}
_AMBIGUOUS = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
_PERMANENT = frozenset(
    {
        "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope",
        "not_allowed_token_type", "invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long",
        "invalid_arguments", "invalid_metadata_format", "metadata_too_large", "user_not_found", "no_text",
        "no_such_subteam", "plan_upgrade_required",
    }
)  # fmt: skip
_PERSONS_TURN = {
    "not_in_channel": Text("I am not in this channel. Type `/invite @Negahban` here, then ask again."),
    "channel_not_found": Text(
        "I cannot see this conversation. Ask in a channel I am in: type `/invite @Negahban` there first."
    ),
    "is_archived": Text("This channel is archived. Ask in another one."),
    "restricted_action": Text("An admin does not let me post in this channel. Ask in another one."),
    "restricted_action_read_only_channel": Text("Only some people may post in this channel. Ask in another one."),
    "user_not_in_channel": Text("You are not in this channel. Ask where you are a member."),
    "expired_trigger_id": Text("Slack gives me three seconds to open a dialog, and they were over. Press it again."),
    "exchanged_trigger_id": Text("This press was already answered. Press it again."),
}
_CODE = re.compile(r"[a-z][a-z0-9_]{0,60}")
_MOST_WAIT_SECONDS = 3600.0


class Snag(OutsideError):
    """A call that Slack did not answer as hoped.

    `retry_after_seconds`: not before this long, None when Slack named no time. `ambiguous`: it may have happened.
    `gone`: the message, or its thread, cannot be reached any more; `closed`: it is there, and stays as it is.
    `refused`: Slack read it and said no.
    """

    def __init__(
        self,
        text: Text,
        *,
        permanent: bool = False,
        retry_after_seconds: float | None = None,
        ambiguous: bool = False,
        gone: bool = False,
        closed: bool = False,
        refused: bool = False,
    ) -> None:
        super().__init__(text, permanent=permanent)
        self.retry_after_seconds = retry_after_seconds
        self.ambiguous = ambiguous
        self.gone = gone
        self.closed = closed
        self.refused = refused


def translated(method: str, call: Callable[[], T]) -> T:
    """The call's answer. Raises Refusal or Snag for whatever Slack's library raises."""
    try:
        return call()
    except SlackApiError as error:
        raise _refused(method, error) from error
    except HTTPError as error:
        with error:
            raise _status(method, error.code, error.headers.get("Retry-After")) from error
    except URLError as error:
        never_sent = isinstance(error.reason, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError)
        raise _unanswered(method, ambiguous=not never_sent) from error
    except (OSError, http.client.HTTPException, SlackClientError, UnicodeDecodeError) as error:
        raise _unanswered(method, ambiguous=True) from error


def check_status(method: str, status: int, retry_after: str | None) -> None:
    """For answers that are only an HTTP status. Raises Snag unless it is 200."""
    if status != http.HTTPStatus.OK:
        raise _status(method, status, retry_after)


def _unanswered(method: str, *, ambiguous: bool) -> Snag:
    return Snag(Text("Slack did not answer {method}.", method=Code(method)), ambiguous=ambiguous)


def _status(method: str, status: int, retry_after: str | None) -> Snag:
    text = Text("Slack answered {method} with HTTP {status}.", method=Code(method), status=str(status))
    if status == http.HTTPStatus.TOO_MANY_REQUESTS:
        return Snag(text, retry_after_seconds=_wait(retry_after))
    return Snag(text, ambiguous=status >= 500, permanent=400 <= status < 500)


def _wait(retry_after: str | None) -> float:
    """Retry-After in seconds; Slack sends whole seconds."""
    known = retry_after is not None and re.fullmatch(r"[0-9]{1,6}", retry_after.strip())
    return min(float(retry_after), _MOST_WAIT_SECONDS) if known and retry_after is not None else 1.0


def _refused(method: str, error: SlackApiError) -> Refusal | Snag:
    response = error.response
    status = int(response.status_code)
    headers = {name.lower(): value for name, value in response.headers.items()}
    found = response.get("error") if isinstance(response.data, dict) else None
    code = found if isinstance(found, str) and _CODE.fullmatch(found) else None
    if status == http.HTTPStatus.TOO_MANY_REQUESTS or code in {"ratelimited", "rate_limited"}:
        wait = _wait(headers.get("retry-after"))
        return Snag(Text("Slack asks to slow down with {method}.", method=Code(method)), retry_after_seconds=wait)
    if status != http.HTTPStatus.OK or code is None:
        return Snag(
            Text("Slack answered {method} with HTTP {status}.", method=Code(method), status=str(status)),
            ambiguous=status >= 500 or code is None,
        )
    if code in _PERSONS_TURN:
        return Refusal(_PERSONS_TURN[code])
    return Snag(
        Text("Slack refused {method}: {code}.", method=Code(method), code=Code(code)),
        permanent=code in _PERMANENT,
        ambiguous=code in _AMBIGUOUS,
        gone=code in _GONE,
        closed=code in _CLOSED,
        refused=code not in _AMBIGUOUS | _GONE,
    )
