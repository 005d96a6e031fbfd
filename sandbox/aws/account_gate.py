"""`python -m sandbox.aws.account_gate PORT KEYS_FILE`: the gate before moto's Secrets Manager, IAM and STS.

Each was measured to be missing in moto 5.2:
1. A request is served only when it is signed right, with the administrator's key or with a user's that is active.
2. A new key, or one whose status changed, is as it will be only after a while; until then it is so in every third
   answer: one success proves nothing.
3. A user's key may ask who it is, and nothing else of IAM and Secrets Manager.
4. A request token that came with one value is refused with another (labels.py says what else of secrets).
5. The last use of a key is dated by quarters of an hour, and a refused use counts.
6. What was deleted while it was active is remembered.
The tests put its clock forward.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from sandbox.aws.labels import Labels
from sandbox.aws.orders import Orders, cut_off
from sandbox.aws.server import CONTROL
from sandbox.aws.signature import Environ, Refused, check_signed, scope, signer

ACCOUNT = "123456789012"
QUARTER_SECONDS = 900
_CODES = {
    "InvalidAccessKeyId": ("InvalidClientTokenId", "UnrecognizedClientException"),
    "SignatureDoesNotMatch": ("SignatureDoesNotMatch", "InvalidSignatureException"),
    "AccessDenied": ("AccessDenied", "AccessDeniedException"),
}
"""What IAM and STS call it, and what Secrets Manager does."""

Answer = tuple[str, list[tuple[str, str]], bytes]


class Keys:
    """The access keys of users: who they are, since when they are what they are, when they were used."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.propagation = 0.0
        self.deleted: dict[str, str] = {}
        self._changed: dict[str, tuple[float, bool]] = {}
        self._asked: dict[str, int] = {}
        self._used: dict[str, tuple[float, str]] = {}

    def now(self) -> float:
        """By the gate's clock."""
        return time.time() + self.offset

    def find(self, name: str) -> Any:
        """moto's record of a key; None when there is none."""
        users = iam_backends[ACCOUNT]["aws"].users.values()
        return next((key for user in users for key in user.access_keys if key.access_key_id == name), None)

    def accepted(self, name: str, service: str) -> str | None:
        """The secret of a key that is let in here and now."""
        key = self.find(name)
        if key is None:
            return None
        now = self.now()
        last = self._used.get(name)
        if last is None or now - last[0] >= QUARTER_SECONDS:
            self._used[name] = (now, service)
        since, before = self._changed.get(name, (0.0, True))
        wanted = key.status == "Active"
        if now < since + self.propagation:
            self._asked[name] = self._asked.get(name, 0) + 1
            wanted = wanted if self._asked[name] % 3 == 0 else before
        return str(key.secret_access_key) if wanted else None

    def used(self, name: str) -> tuple[str, str]:
        """When it was used last, and for what; empty when never."""
        at, service = self._used.get(name, (None, "N/A"))
        return ("" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")), service

    def changed(self, name: str, *, before: bool) -> None:
        """Its status is another from now on, but not everywhere at once."""
        self._changed[name] = (self.now(), before)
        self._asked[name] = 0


class AccountGate:
    """The WSGI application between the socket and moto."""

    def __init__(self, inner: Callable[..., Iterable[bytes]], access_key: str, secret_key: str) -> None:
        self._inner = inner
        self._administrator = access_key, secret_key
        self._orders = Orders()
        self._one = threading.RLock()
        self._keys = Keys()
        self._labels = Labels(ACCOUNT)

    def __call__(self, environ: Environ, start: Callable[..., object]) -> Iterable[bytes]:
        """One request."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if environ["PATH_INFO"].startswith(CONTROL):
            return _said(self._control(environ["PATH_INFO"].removeprefix(CONTROL), json.loads(body)), start)
        operation, given = asked(environ, body)
        fault = self._orders.due(operation)
        kind = fault["kind"] if fault else ""
        if kind == "cut":
            return cut_off(environ)
        try:
            if fault and kind == "error":
                raise Refused(fault["status"], fault["code"])
            with self._one:
                self._check(environ, body, operation)
                answer = self._serve(operation, given, environ, body)
        except Refused as refused:
            answer = _refusal(refused, json_wanted="HTTP_X_AMZ_TARGET" in environ)
        return cut_off(environ) if kind == "lost" else _said(answer, start)

    def _check(self, environ: Environ, body: bytes, operation: str) -> None:
        name, service = signer(environ), scope(environ)[-1]
        administrator, secret = self._administrator
        if name != administrator:
            found = self._keys.accepted(name, service)
            if found is None:
                raise Refused(403, "InvalidAccessKeyId")
            secret = found
        check_signed(environ, body, secret, sha256(body).hexdigest())
        if name != administrator and operation != "GetCallerIdentity":
            raise Refused(403, "AccessDenied")

    def _serve(self, operation: str, given: dict[str, Any], environ: Environ, body: bytes) -> Answer:
        name = str(given.get("AccessKeyId", ""))
        if "HTTP_X_AMZ_TARGET" in environ:
            known = self._labels.answer(operation, given)
            if known is not None:
                return "200 OK", [("Content-Type", "application/x-amz-json-1.1")], json.dumps(known).encode()
            wanted = self._labels.wanted(operation, given)
            answer = self._forward(environ, body)
            if answer[0].startswith("200"):
                self._labels.settle(given, wanted)
            return answer
        key = self._keys.find(name)
        match operation:
            case "GetAccessKeyLastUsed" if key is not None:
                return self._last_used(key)
            case "DeleteAccessKey" if key is not None:
                self._keys.deleted[name] = key.status
            case "UpdateAccessKey" if key is not None and key.status != given.get("Status"):
                self._keys.changed(name, before=key.status == "Active")
            case _:
                pass
        answer = self._forward(environ, body)
        if operation == "CreateAccessKey" and answer[0].startswith("200"):
            made = answer[2].decode().partition("<AccessKeyId>")[2].partition("<")[0]
            self._keys.changed(made, before=False)
        return answer

    def _last_used(self, key: Any) -> Answer:
        at, service = self._keys.used(key.access_key_id)
        date = f"<LastUsedDate>{at}</LastUsedDate>" if at else ""
        text = (
            '<GetAccessKeyLastUsedResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
            f"<GetAccessKeyLastUsedResult><UserName>{key.user_name}</UserName><AccessKeyLastUsed>{date}"
            f"<ServiceName>{service}</ServiceName><Region>N/A</Region></AccessKeyLastUsed>"
            "</GetAccessKeyLastUsedResult></GetAccessKeyLastUsedResponse>"
        )
        return "200 OK", [("Content-Type", "text/xml")], text.encode()

    def _forward(self, environ: Environ, body: bytes) -> Answer:
        heard: list[Any] = []
        inner = {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        data = b"".join(self._inner(inner, lambda status, headers, _=None: heard.extend((status, headers))))
        return heard[0], [each for each in heard[1] if each[0].lower() != "content-length"], data

    def _control(self, action: str, value: Any) -> Answer:
        result: Any = None
        match action:
            case "advance":
                self._keys.offset += value
            case "propagation":
                self._keys.propagation = value
            case "deleted":
                result = self._keys.deleted
            case _:
                return self._orders.control(action, value)
        return "200 OK", [("Content-Type", "application/json")], json.dumps(result).encode()


def asked(environ: Environ, body: bytes) -> tuple[str, dict[str, Any]]:
    """The operation and what was given with it, in both protocols."""
    target = environ.get("HTTP_X_AMZ_TARGET")
    if target is not None:
        return str(target).partition(".")[2], json.loads(body or b"{}")
    given = dict(parse_qsl(body.decode()))
    return given.get("Action", ""), dict(given)


def _refusal(refused: Refused, *, json_wanted: bool) -> Answer:
    of_query, of_json = _CODES.get(refused.code, (refused.code, refused.code))
    if json_wanted:
        text = json.dumps({"__type": of_json, "Message": "refused"})
        status = 400 if refused.status < 500 else refused.status
        return f"{status} {of_json}", [("Content-Type", "application/x-amz-json-1.1")], text.encode()
    text = f"<ErrorResponse><Error><Type>Sender</Type><Code>{of_query}</Code><Message>refused</Message></Error>"
    return f"{refused.status} {of_query}", [("Content-Type", "text/xml")], f"{text}</ErrorResponse>".encode()


def _said(answer: Answer, start: Callable[..., object]) -> Iterable[bytes]:
    status, headers, data = answer
    start(status, [*headers, ("Content-Length", str(len(data)))])
    return [data]


def main(port: int, keys: Path) -> None:
    """Serves on loopback, one thread a request."""
    access_key, secret_key = json.loads(keys.read_text())
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    gate = AccountGate(DomainDispatcherApplication(create_backend_app), access_key, secret_key)
    make_server("127.0.0.1", port, gate, threaded=True, request_handler=MotoRequestHandler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
