"""The intake: webhooks of Alertmanager and of CI jobs, over WSGI.

- 200 only when the state has it; 503 within a second when it has not, and while the bot goes down: Alertmanager tries
  5xx again and nothing else. 401 without the token, compared in constant time; 400 for what is no webhook, 413 for what
  is larger than 10 MiB: sending either again would change nothing.
- `?source=NAME` tells several Alertmanagers apart; peers of one cluster share a name.
- Nothing of a body is logged. Every answer is counted.
"""

from __future__ import annotations

import hmac
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Protocol
from urllib.parse import parse_qs

from handlers.core.alerts import notices
from handlers.core.alerts.notices import Notice
from handlers.core.words.errors import Problem, Refusal
from handlers.core.words.text import Text

ALERTMANAGER, CI = "/webhooks/alertmanager", "/webhooks/ci"
MOST_BYTES, MOST_FIELDS = 10 * 1024 * 1024, 10
TOO_LARGE = 413
_LENGTH = re.compile(r"[0-9]{1,12}")
_SOURCE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_WORD = re.compile(r"[A-Za-z0-9._/@:+-]{1,200}")

Start = Callable[..., Any]
Tokens = Callable[[], Iterable[bytes]]
"""Those that are let in now. Raises OutsideError while they are not known."""
_log = logging.getLogger(__name__)


class Alerts(Protocol):
    """What of handlers.alerts the intake needs."""

    def take_in(self, notice: Notice) -> None:
        """See there."""

    def take_report(self, tool: str, repo: str, ref: str, body: bytes) -> None:
        """See there."""


class Intake:
    """A WSGI application for both paths."""

    def __init__(self, alerts: Alerts, token: str | Tokens, stored: Callable[[], None] = lambda: None) -> None:
        """`token`: the one that is let in, or those that are now. `stored`: called after something was, so that it is
        shown soon."""
        self._alerts = alerts
        self._stored = stored
        self._tokens: Tokens = (lambda: (token.encode(),)) if isinstance(token, str) else token
        self._closing = threading.Event()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def close(self) -> None:
        """From now on everything is answered with 503."""
        self._closing.set()

    @property
    def closing(self) -> bool:
        """Whether nothing is taken in any more."""
        return self._closing.is_set()

    def counts(self) -> dict[tuple[str, str], int]:
        """Answers so far, by path and outcome."""
        with self._lock:
            return dict(self._counts)

    def refused(self, path: str, status: int) -> None:
        """The server refused something unread; that is counted too when it was for a webhook."""
        if path in {ALERTMANAGER, CI}:
            with self._lock:
                self._counts[path, "too_large" if status == TOO_LARGE else "malformed"] += 1

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """One request."""
        path = environ.get("PATH_INFO", "")
        outcome, status, words = self._judged(path, environ)
        with self._lock:
            self._counts[path, outcome] += 1
        start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(words)))])
        return [words]

    def _judged(self, path: str, environ: dict[str, Any]) -> tuple[str, str, bytes]:
        try:
            if not self._allowed(environ):
                return "unauthorized", "401 Unauthorized", b"the bearer token is missing or wrong\n"
        except Problem as problem:
            _log.warning("%s: %s", path, problem)
            return "unavailable", "503 Service Unavailable", b"the token is not known yet; try again\n"
        if self._closing.is_set():
            return "unavailable", "503 Service Unavailable", b"going down; try again\n"
        length = str(environ.get("CONTENT_LENGTH") or 0)
        if not _LENGTH.fullmatch(length):
            return "malformed", "400 Bad Request", b"the length is no number\n"
        if int(length) > MOST_BYTES:
            return "too_large", "413 Content Too Large", b"larger than 10 MiB\n"
        body = environ["wsgi.input"].read(int(length))
        try:
            asked = _asked(str(environ.get("QUERY_STRING", "")))
            if path == ALERTMANAGER:
                self._alerts.take_in(notices.read(body, _word(asked, "source", _SOURCE, "default")))
            else:
                words = [_word(asked, name, _WORD, "") for name in ("tool", "repo", "ref")]
                self._alerts.take_report(words[0], words[1], words[2], body)
        except Refusal as refusal:
            _log.warning("%s: refused: %s", path, refusal)
            return "malformed", "400 Bad Request", f"{refusal}\n".encode()
        except Problem as problem:
            _log.warning("%s: not stored: %s", path, problem)
            return "unavailable", "503 Service Unavailable", b"not stored; try again\n"
        self._stored()
        return "stored", "200 OK", b"stored\n"

    def _allowed(self, environ: dict[str, Any]) -> bool:
        scheme, _, given = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
        typed = given.strip().encode("utf-8", "replace")
        right = [bool(token) and hmac.compare_digest(typed, token) for token in self._tokens()]
        return any(right) and scheme.lower() == "bearer"


def _asked(query: str) -> dict[str, list[str]]:
    try:
        return parse_qs(query, max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Refusal(Text("The address has too many fields after the question mark.")) from error


def _word(asked: dict[str, list[str]], name: str, shape: re.Pattern[str], default: str) -> str:
    """The first word of that name if it has the right shape, or the default."""
    given = asked.get(name, [""])[0]
    return given if shape.fullmatch(given) else default
