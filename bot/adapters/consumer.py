"""A program that uses a secret, over HTTP and by the team's commands.

- A call waits two seconds for a connection and five for an answer (thirty where data is counted or re-encrypted),
  follows no redirect, is never repeated, and reads at most 64 KiB. A token goes in the `Authorization` header alone.
- The probe's login is sent from a file, read anew each time: its password is in no setting.
- No answer and no output of a command is ever shown: either may hold a secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import urllib3
from urllib3.exceptions import HTTPError

from handlers.core.ports import CommandResult
from handlers.core.rotation.data_keys import Batch, KeyCounts
from handlers.core.rotation.secret_stores import Report, Sealed
from handlers.core.rotation.secrets import Use
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

MOST_BYTES = 64 * 1024
COUNT_SECONDS = 30.0


class Program(Protocol):
    """A command; see bot.adapters.command."""

    @property
    def line(self) -> str:
        """As configured; empty when there is none."""

    def run(self, beat: Iterable[None] = (), *, given: bytes = b"") -> CommandResult:
        """Runs it."""


class HttpConsumer:
    """The Consumer port. `roll_out`, `verify`: the commands of `use`."""

    def __init__(self, use: Use, roll_out: Program, verify: Program) -> None:
        self._use = use
        self._roll_out = roll_out
        self._verify = verify
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=2.0, read=5.0), retries=False, maxsize=2, headers={"User-Agent": "negahban"}
        )

    def roll_out(self, beat: Iterable[None] = ()) -> None:
        """See the port."""
        if self._roll_out.line:
            code = self._roll_out.run(beat).return_code
            if code != 0:
                ended = "no answer in time" if code is None else str(code)
                text = Text("{line} ended with {code}.", line=Code(self._roll_out.line), code=ended)
                raise OutsideError(text, permanent=True)

    def reports(self, secret: str) -> tuple[Report, ...]:
        """See the port."""
        found = []
        for url in self._use.reports:
            data = self._json(*self._asked("GET", url), url)
            versions = data.get("secrets") if isinstance(data, dict) else None
            version = versions.get(secret) if isinstance(versions, dict) else None
            found.append(Report(urllib3.util.parse_url(url).netloc or "", version if isinstance(version, str) else ""))
        return tuple(found)

    def healthy(self) -> bool:
        """See the port."""
        return not self._use.health or self._asked("GET", self._use.health)[0] == 200

    def log_in(self) -> Sealed | None:
        """See the port."""
        if not self._use.login:
            return None
        try:
            body = Path(self._use.login_body).read_bytes() if self._use.login_body else b"{}"
        except OSError as error:
            text = Text("The probe's login of {name} cannot be read.", name=Code(self._use.name))
            raise OutsideError(text, permanent=True) from error
        data = self._json(*self._asked("POST", self._use.login, body), self._use.login)
        token = data.get("token") if isinstance(data, dict) else None
        if not isinstance(token, str) or not token.isascii():
            raise OutsideError(Text("The login of {name} gave no token.", name=Code(self._use.name)))
        return Sealed(token.encode())

    def accepts(self, token: Sealed) -> bool | None:
        """See the port."""
        if not self._use.check:
            return None
        status, _ = self._asked("GET", self._use.check, token=token)
        if status not in {200, 401}:
            raise OutsideError(
                Text("{name} answered a token with HTTP {status}.", name=Code(self._use.name), status=str(status))
            )
        return status == 200

    def verified(self, value: Sealed) -> bool:
        """See the port."""
        return not self._verify.line or self._verify.run(given=value.reveal()).return_code == 0

    def encrypted(self) -> KeyCounts | None:
        """See the port."""
        if not self._use.reencrypt:
            return None
        data = self._json(*self._asked("GET", self._use.reencrypt, seconds=COUNT_SECONDS), self._use.reencrypt)
        try:
            keys = {str(key): _count(number) for key, number in data["keys"].items()}
            return KeyCounts(str(data["active"]), keys, frozenset(map(str, data["opens"])))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._strange() from error

    def reencrypt(self, key: str, after: str) -> Batch:
        """See the port."""
        if not self._use.reencrypt:
            raise OutsideError(Text("{name} has no address for that.", name=Code(self._use.name)), permanent=True)
        body = json.dumps({"key": key, "after": after}).encode()
        status, content = self._asked("POST", self._use.reencrypt, body, seconds=COUNT_SECONDS)
        if status == 409:
            raise OutsideError(
                Text("{name} writes under another key than it should.", name=Code(self._use.name)), permanent=True
            )
        data = self._json(status, content, self._use.reencrypt)
        try:
            return Batch(_count(data["moved"]), _count(data["unreadable"]), str(data.get("after") or ""))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._strange() from error

    def _strange(self) -> OutsideError:
        return OutsideError(Text("{name} does not say how its data is encrypted.", name=Code(self._use.name)))

    def _asked(
        self, method: str, url: str, body: bytes | None = None, token: Sealed | None = None, seconds: float = 5.0
    ) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.reveal().decode('ascii')}"
        try:
            answer = self._pool.request(
                method, url, body=body, headers=headers, redirect=False, preload_content=False,
                timeout=urllib3.Timeout(connect=2.0, read=seconds),
            )  # fmt: skip
            with answer:
                content = answer.read(MOST_BYTES + 1)
        except HTTPError:
            # Not chained: the exception holds the request with its headers.
            raise OutsideError(
                Text("{name} does not answer {path}.", name=Code(self._use.name), path=Code(_path(url)))
            ) from None
        return answer.status, content

    def _json(self, status: int, content: bytes, url: str) -> Any:
        try:
            if status == 200 and len(content) <= MOST_BYTES:
                return json.loads(content)
        except (ValueError, RecursionError):
            pass
        name, path = Code(self._use.name), Code(_path(url))
        raise OutsideError(
            Text("{name} gave no right answer to {path} (HTTP {status}).", name=name, path=path, status=str(status))
        )


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("not a count")
    return value


def _path(url: str) -> str:
    return urllib3.util.parse_url(url).path or "/"
