"""Object Lock as AWS keeps it, where moto 5.2 does not.

1. A lock needs a bucket with Object Lock, also for a multipart upload (InvalidRequest), and both a mode and a time that
   is still to come (InvalidArgument).
2. A multipart upload keeps the lock it was created with, or the bucket's default one.
3. COMPLIANCE is never shortened, weakened or removed. GOVERNANCE is neither without the permission to get around it,
   which the one key does not have: a request that wants to is refused (AccessDenied). Both can be extended.
4. A locked version is not deleted, one by one or many at once (AccessDenied; many are refused as a whole).
5. Versioning of a bucket with Object Lock is not suspended (InvalidBucketState).
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from sandbox.aws.signature import Environ, Refused

Headers = list[tuple[str, str]]
Answer = tuple[str, Headers, bytes]
Forward = Callable[[Environ, bytes], Answer]
BYPASS = "HTTP_X_AMZ_BYPASS_GOVERNANCE_RETENTION"
_MODES = ("GOVERNANCE", "COMPLIANCE")
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_OBJECT = re.compile(r"<Object>.*?</Object>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Lock:
    """Until when a version stays."""

    mode: str
    until: datetime


class ObjectLocks:
    """What is locked. `forward` reaches moto; the calls come one after another."""

    def __init__(self, forward: Forward) -> None:
        self._forward = forward
        self._buckets: set[str] = set()
        self._configurations: dict[str, bytes] = {}
        self._uploads: dict[str, Lock | None] = {}
        self._locks: dict[tuple[str, str, str], Lock] = {}

    def check(self, operation: str, environ: Environ, body: bytes) -> None:
        """Raises Refused for what AWS would refuse."""
        bucket, key = place_of(environ)
        if BYPASS in environ:
            raise Refused(403, "AccessDenied")
        match operation:
            case "PutObject" | "CreateMultipartUpload":
                self._asked(environ)
            case "PutObjectRetention":
                self._check_retention(bucket, key, _version(environ), body.decode())
            case "DeleteObject":
                self._check_delete(bucket, key, _version(environ))
            case "DeleteObjects":
                for each in _OBJECT.findall(body.decode()):
                    self._check_delete(bucket, _inside(each, "Key"), _inside(each, "VersionId"))
            case "PutBucketVersioning" if bucket in self._buckets and _inside(body.decode(), "Status") != "Enabled":
                raise Refused(409, "InvalidBucketState")

    def answer(self, operation: str, environ: Environ, body: bytes) -> Answer | None:
        """The answer about a bucket's default lock, which moto takes and then cannot work with; None: ask moto."""
        bucket, _ = place_of(environ)
        if operation == "PutObjectLockConfiguration" and bucket in self._buckets:
            self._configurations[bucket] = body
            return "200 OK", [], b""
        if operation == "GetObjectLockConfiguration" and bucket in self._configurations:
            return "200 OK", [("Content-Type", "application/xml")], self._configurations[bucket]
        return None

    def note(self, operation: str, environ: Environ, body: bytes, answer: Answer) -> None:
        """Remembers what an answer of moto means."""
        status, headers, data = answer
        if not status.startswith("200"):
            return
        bucket, key = place_of(environ)
        version = {name.lower(): value for name, value in headers}.get("x-amz-version-id", "")
        match operation:
            case "CreateBucket" if environ.get("HTTP_X_AMZ_BUCKET_OBJECT_LOCK_ENABLED", "").lower() == "true":
                self._buckets.add(bucket)
            case "PutObject":
                asked = self._asked(environ)
                self._keep(bucket, key, version, asked)
                if asked is None:
                    self._keep_in_moto_too(environ, version, self._default(bucket))
            case "CreateMultipartUpload":
                self._uploads[_inside(data.decode(), "UploadId")] = self._asked(environ)
            case "CompleteMultipartUpload":
                asked = self._uploads.pop(_query(environ)["uploadId"], None)
                self._keep_in_moto_too(environ, version, asked or self._default(bucket))
            case "PutObjectRetention":
                self._keep(bucket, key, _version(environ), _retention(body.decode()))

    def _asked(self, environ: Environ) -> Lock | None:
        mode = environ.get("HTTP_X_AMZ_OBJECT_LOCK_MODE", "")
        until = environ.get("HTTP_X_AMZ_OBJECT_LOCK_RETAIN_UNTIL_DATE", "")
        if not mode and not until:
            return None
        if place_of(environ)[0] not in self._buckets:
            raise Refused(400, "InvalidRequest")
        return _lock(mode, until)

    def _check_retention(self, bucket: str, key: str, version: str, body: str) -> None:
        if bucket not in self._buckets:
            raise Refused(400, "InvalidRequest")
        new, held = _retention(body), self._held(bucket, key, version)
        if held is not None and (new is None or new.mode != held.mode or new.until < held.until):
            raise Refused(403, "AccessDenied")

    def _check_delete(self, bucket: str, key: str, version: str) -> None:
        if version and self._held(bucket, key, version) is not None:
            raise Refused(403, "AccessDenied")

    def _held(self, bucket: str, key: str, version: str) -> Lock | None:
        lock = self._locks.get((bucket, key, version))
        return lock if lock is not None and lock.until > datetime.now(UTC) else None

    def _keep(self, bucket: str, key: str, version: str, lock: Lock | None) -> None:
        if lock is not None:
            self._locks[bucket, key, version] = lock

    def _default(self, bucket: str) -> Lock | None:
        body = self._configurations.get(bucket, b"").decode()
        days = int(_inside(body, "Days") or 0) + 365 * int(_inside(body, "Years") or 0)
        return Lock(_inside(body, "Mode"), datetime.now(UTC) + timedelta(days=days)) if days else None

    def _keep_in_moto_too(self, environ: Environ, version: str, lock: Lock | None) -> None:
        if lock is None:
            return
        self._keep(*place_of(environ), version, lock)
        until = lock.until.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        body = (
            f'<Retention xmlns="{_NAMESPACE}"><Mode>{lock.mode}</Mode>'
            f"<RetainUntilDate>{until}</RetainUntilDate></Retention>"
        ).encode()
        query = f"retention&versionId={version}"
        uri = f"{environ['RAW_URI'].partition('?')[0]}?{query}"
        asked = {"REQUEST_METHOD": "PUT", "QUERY_STRING": query, "RAW_URI": uri, "REQUEST_URI": uri}
        status, _, data = self._forward({**environ, **asked}, body)
        if not status.startswith("200"):
            raise ValueError(f"moto did not take a lock: {status} {data.decode(errors='replace')}")


def place_of(environ: Environ) -> tuple[str, str]:
    """The bucket and the key that a request is about."""
    path: str = environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
    bucket, _, key = path.removeprefix("/").partition("/")
    return bucket, key


def _query(environ: Environ) -> dict[str, str]:
    return dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))


def _version(environ: Environ) -> str:
    return _query(environ).get("versionId", "")


def _inside(xml: str, tag: str) -> str:
    match = re.search(rf"<{tag}>([^<]*)</{tag}>", xml)
    return match[1] if match else ""


def _retention(body: str) -> Lock | None:
    mode, until = _inside(body, "Mode"), _inside(body, "RetainUntilDate")
    return _lock(mode, until) if mode or until else None


def _lock(mode: str, until: str) -> Lock:
    try:
        moment = datetime.fromisoformat(until)
    except ValueError as error:
        raise Refused(400, "InvalidArgument") from error
    if mode not in _MODES or moment <= datetime.now(UTC):
        raise Refused(400, "InvalidArgument")
    return Lock(mode, moment)
