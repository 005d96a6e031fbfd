"""What AWS checks of every request: who signed it, and that the body is the one that was meant.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, and for other services
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Any

Environ = dict[str, Any]
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<scope>[^,]+), "
    r"SignedHeaders=(?P<signed>[^,]+), Signature=(?P<signature>[0-9a-f]+)"
)


class Refused(Exception):
    """A request that AWS would refuse."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code

    def answer(self) -> tuple[str, list[tuple[str, str]], bytes]:
        """As S3 writes it."""
        body = f"<Error><Code>{self.code}</Code><Message>refused</Message></Error>".encode()
        return f"{self.status} {self.code}", [("Content-Type", "application/xml")], body


def check_signature(environ: Environ, body: bytes, access_key: str, secret_key: str) -> None:
    """Raises Refused unless the request was signed with this key pair, for this body."""
    if signer(environ) != access_key:
        raise Refused(403, "InvalidAccessKeyId")
    check_signed(environ, body, secret_key, environ.get("HTTP_X_AMZ_CONTENT_SHA256", ""))


def signer(environ: Environ) -> str:
    """The access key that a request says it was signed with. Raises Refused when it says none."""
    return _signed(environ)["key"]


def scope(environ: Environ) -> list[str]:
    """The date, the region and the service that it was signed for."""
    return _signed(environ)["scope"].split("/")


def _signed(environ: Environ) -> re.Match[str]:
    match = _AUTHORIZATION.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
    if match is None:
        raise Refused(403, "AccessDenied")
    return match


def check_signed(environ: Environ, body: bytes, secret_key: str, said: str) -> None:
    """Raises Refused unless the signature is of this secret key. `said`: the digest of the body; only S3 sends it."""
    match = _signed(environ)
    if said != "UNSIGNED-PAYLOAD" and said != hashlib.sha256(body).hexdigest():
        raise Refused(400, "XAmzContentSHA256Mismatch")
    signed = match["signed"].split(";")
    path, _, query = environ["RAW_URI"].partition("?")
    pairs = sorted(each.partition("=")[::2] for each in query.split("&") if each)
    request = "\n".join(
        [
            environ["REQUEST_METHOD"],
            path,
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{_header(environ, name)}" for name in signed),
            "",
            match["signed"],
            said,
        ]
    )
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", environ.get("HTTP_X_AMZ_DATE", ""), match["scope"], digest])
    key = f"AWS4{secret_key}".encode()
    for word in (*match["scope"].split("/"), text):
        key = hmac.digest(key, word.encode(), "sha256")
    if not hmac.compare_digest(key.hex(), match["signature"]):
        raise Refused(403, "SignatureDoesNotMatch")


def check_digests(environ: Environ, body: bytes) -> None:
    """Raises Refused when a checksum that came with the body is not the body's."""
    md5 = environ.get("HTTP_CONTENT_MD5")
    if md5 is not None and md5 != _base64(hashlib.md5(body, usedforsecurity=False).digest()):
        raise Refused(400, "BadDigest")
    checksum = environ.get("HTTP_X_AMZ_CHECKSUM_SHA256")
    if checksum is not None and checksum != _base64(hashlib.sha256(body).digest()):
        raise Refused(400, "BadDigest")


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _header(environ: Environ, name: str) -> str:
    field = name.upper().replace("-", "_")
    value = environ.get(f"HTTP_{field}", environ.get(field, ""))
    return " ".join(str(value).split())
