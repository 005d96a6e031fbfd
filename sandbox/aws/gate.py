"""The gate between the socket and moto: what AWS refuses and moto lets through.

Each was measured to be missing in moto 5.2, or to be unsure under threads:
1. Only requests signed with the one key are served, and only with the body that was signed (signature.py).
2. A wrong `Content-MD5` or `x-amz-checksum-sha256` is refused (BadDigest); an upload created with SHA-256 takes only
   parts with that checksum (InvalidRequest), and is completed only with the same ones (InvalidPart).
3. The test and the effect of `If-None-Match: *` are one step: of many at once, one is done.
4. ListMultipartUploads says when each upload really began; one that ended is not known any more (NoSuchUpload).
5. Object Lock is what AWS keeps (object_lock.py).
Faults are found here, too, and what was asked for is counted.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from sandbox.aws.object_lock import BYPASS, Answer, Headers, ObjectLocks
from sandbox.aws.orders import Orders, cut_off
from sandbox.aws.server import CONTROL, REGION
from sandbox.aws.signature import Environ, Refused, check_digests, check_signature

_UPLOAD = re.compile(r"<Upload>.*?</Upload>", re.DOTALL)
_UPLOAD_ID = re.compile(r"<UploadId>([^<]+)</UploadId>")
_PART = re.compile(r"<Part>.*?</Part>", re.DOTALL)
_OURS = f"AWS4-HMAC-SHA256 Credential=gate/20260101/{REGION}/s3/aws4_request, SignedHeaders=host, Signature=0"
SKEW = "sandbox.skew_seconds"
"""Where a request says by how much its answer is dated wrong."""
_LOCK_HEADERS = "HTTP_X_AMZ_OBJECT_LOCK_"
_SUBRESOURCES = {
    "partNumber": {"PUT": "UploadPart"},
    "uploadId": {"POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload", "GET": "ListParts"},
    "uploads": {"POST": "CreateMultipartUpload", "GET": "ListMultipartUploads"},
    "delete": {"POST": "DeleteObjects"},
    "retention": {"PUT": "PutObjectRetention", "GET": "GetObjectRetention"},
    "legal-hold": {"PUT": "PutObjectLegalHold", "GET": "GetObjectLegalHold"},
    "versions": {"GET": "ListObjectVersions"},
    "versioning": {"PUT": "PutBucketVersioning", "GET": "GetBucketVersioning"},
    "object-lock": {"PUT": "PutObjectLockConfiguration", "GET": "GetObjectLockConfiguration"},
    "lifecycle": {"PUT": "PutBucketLifecycleConfiguration", "GET": "GetBucketLifecycleConfiguration"},
    "policy": {"PUT": "PutBucketPolicy", "GET": "GetBucketPolicy", "DELETE": "DeleteBucketPolicy"},
}
_ONE_AFTER_ANOTHER = frozenset(
    {
        "PutObject",
        "CreateMultipartUpload",
        "CompleteMultipartUpload",
        "AbortMultipartUpload",
        "DeleteObject",
        "DeleteObjects",
        "PutObjectRetention",
        "PutObjectLockConfiguration",
        "GetObjectLockConfiguration",
        "PutBucketVersioning",
        "CreateBucket",
    }
)
"""What changes something, or is about locks: the test and the effect are one step."""


class Gate:
    """The WSGI application between the socket and moto."""

    def __init__(self, inner: Callable[..., Iterable[bytes]], access_key: str, secret_key: str) -> None:
        self._inner = inner
        self._keys = access_key, secret_key
        self._orders = Orders()
        self._writing = threading.Lock()
        self._begun: dict[str, datetime] = {}
        self._checksums: dict[str, dict[str, str]] = {}
        self._locks = ObjectLocks(self._forward)

    def __call__(self, environ: Environ, start: Callable[..., object]) -> Iterable[bytes]:
        """One request."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if environ["PATH_INFO"].startswith(CONTROL):
            status, headers, data = self._control(environ, body)
            start(status, [*headers, ("Content-Length", str(len(data)))])
            return [data]
        operation = operation_of(environ)
        fault = self._orders.due(operation)
        if BYPASS in environ:
            self._orders.due("BypassGovernanceRetention")
        kind = fault["kind"] if fault else ""
        environ[SKEW] = fault["seconds"] if fault and kind == "skewed" else 0
        if fault and kind == "delay":
            time.sleep(fault["seconds"])
        if kind == "cut":
            return cut_off(environ)
        try:
            if fault and kind == "error":
                raise Refused(fault["status"], fault["code"])
            check_signature(environ, body, *self._keys)
            check_digests(environ, body)
            if kind == "deaf":
                environ = {name: value for name, value in environ.items() if not name.startswith(_LOCK_HEADERS)}
            deaf = kind == "deaf" and operation == "PutObjectRetention"
            status, headers, data = ("200 OK", [], b"") if deaf else self._serve(operation, environ, body)
        except Refused as refused:
            status, headers, data = refused.answer()
        if kind == "lost":
            return cut_off(environ)
        if operation != "HeadObject":
            headers = [*_without_length(headers), ("Content-Length", str(len(data)))]
        start(status, headers)
        return cut_off(environ, data[: fault["bytes"]]) if fault and kind == "short" else [data]

    def _serve(self, operation: str, environ: Environ, body: bytes) -> Answer:
        upload = dict(parse_qsl(environ["QUERY_STRING"])).get("uploadId", "")
        if operation == "UploadPart":
            self._note_part(upload, environ)
            return self._forward(environ, body)
        if operation in _ONE_AFTER_ANOTHER:
            with self._writing:
                self._locks.check(operation, environ, body)
                known = self._locks.answer(operation, environ, body)
                if known is not None:
                    return known
                answer = self._written(operation, upload, environ, body)
                self._locks.note(operation, environ, body, answer)
                return answer
        answer = self._forward(environ, body)
        if operation == "ListMultipartUploads":
            status, headers, data = answer
            return status, _without_length(headers), _UPLOAD.sub(self._dated, data.decode()).encode()
        return answer

    def _written(self, operation: str, upload: str, environ: Environ, body: bytes) -> Answer:
        match operation:
            case "CompleteMultipartUpload":
                self._check_parts(upload, body)
                answer = self._forward(environ, body)
                if answer[0].startswith("200"):
                    self._begun.pop(upload, None)
                return answer
            case "AbortMultipartUpload":
                if self._begun.pop(upload, None) is None:
                    raise Refused(404, "NoSuchUpload")
                return self._forward(environ, body)
            case "CreateMultipartUpload":
                return self._created(environ, self._forward(environ, body))
            case _:
                return self._forward(environ, body)

    def _forward(self, environ: Environ, body: bytes) -> Answer:
        said: list[Any] = []
        inner = {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        pieces = self._inner(inner, lambda status, headers, _=None: said.extend((status, headers)))
        data = b"".join(pieces)
        return said[0], list(said[1]), data

    def _created(self, environ: Environ, answer: Answer) -> Answer:
        found = _UPLOAD_ID.search(answer[2].decode())
        if found:
            self._begun[found[1]] = datetime.now(UTC)
            if environ.get("HTTP_X_AMZ_CHECKSUM_ALGORITHM") == "SHA256":
                self._checksums[found[1]] = {}
        return answer

    def _note_part(self, upload: str, environ: Environ) -> None:
        if upload not in self._begun:
            raise Refused(404, "NoSuchUpload")
        if upload not in self._checksums:
            return
        checksum = environ.get("HTTP_X_AMZ_CHECKSUM_SHA256")
        if checksum is None:
            raise Refused(400, "InvalidRequest")
        self._checksums[upload][dict(parse_qsl(environ["QUERY_STRING"]))["partNumber"]] = checksum

    def _check_parts(self, upload: str, body: bytes) -> None:
        if upload not in self._begun:
            raise Refused(404, "NoSuchUpload")
        known = self._checksums.get(upload)
        if known is None:
            return
        for part in _PART.findall(body.decode()):
            number = re.search(r"<PartNumber>(\d+)<", part)
            checksum = re.search(r"<ChecksumSHA256>([^<]+)<", part)
            if number is None or checksum is None or known.get(number[1]) != checksum[1]:
                raise Refused(400, "InvalidPart")

    def _dated(self, match: re.Match[str]) -> str:
        found = _UPLOAD_ID.search(match[0])
        begun = self._begun[found[1]] if found else datetime.now(UTC)
        moment = begun.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        return re.sub(r"<Initiated>[^<]*</Initiated>", f"<Initiated>{moment}</Initiated>", match[0])

    def _control(self, environ: Environ, body: bytes) -> Answer:
        value: Any = json.loads(body) if body else None
        action = environ["PATH_INFO"].removeprefix(CONTROL)
        if action != "bucket":
            return self._orders.control(action, value)
        path, lock = f"/{value['name']}", str(value["lock"]).lower()
        made = {**environ, "REQUEST_METHOD": "PUT", "PATH_INFO": path, "RAW_URI": path, "REQUEST_URI": path}
        made |= {"HTTP_AUTHORIZATION": _OURS, "HTTP_X_AMZ_BUCKET_OBJECT_LOCK_ENABLED": lock}
        status, headers, data = self._forward(made, b"")
        if not status.startswith("200"):
            return status, _without_length(headers), data
        self._locks.note("CreateBucket", made, b"", (status, headers, data))
        return "200 OK", [("Content-Type", "application/json")], b"null"


def operation_of(environ: Environ) -> str:
    """The operation, as S3 names it."""
    method, query = environ["REQUEST_METHOD"], dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
    of_object = environ["PATH_INFO"].strip("/").count("/") > 0
    for word, names in _SUBRESOURCES.items():
        if word in query and method in names:
            return names[method]
    match method:
        case "PUT":
            return "PutObject" if of_object else "CreateBucket"
        case "POST":
            return "CreateMultipartUpload"
        case "DELETE":
            return "DeleteObject" if of_object else "DeleteBucket"
        case "HEAD":
            return "HeadObject" if of_object else "HeadBucket"
        case _:
            return "GetObject" if of_object else "ListObjectsV2"


def _without_length(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() != "content-length"]
