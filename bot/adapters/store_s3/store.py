"""A bucket of S3, or of anything that speaks it, as artifact store.

- Nothing is ever overwritten, and nothing is visible before it is whole (bucket.py, upload.py).
- Reading goes on where a connection broke, as long as the artifact is the same, and its length is checked.
- What is in the bucket and is not named as our artifacts are is not listed.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from bot.adapters.store_s3.bucket import ATTEMPTS, PAUSE_SECONDS, Bucket, is_key
from bot.adapters.store_s3.failures import MISSING, code_of
from bot.adapters.store_s3.upload import PART_BYTES, S3Upload
from handlers.core.errors import OutsideError
from handlers.core.objects import Receipt
from handlers.core.ports import Artifact
from handlers.core.text import Code, Text

if TYPE_CHECKING:
    from botocore.response import StreamingBody

PIECE_BYTES = 1024 * 1024


class S3Store:
    """The ArtifactStore port over a bucket. All methods raise OutsideError."""

    def __init__(self, url: str, *, read_timeout_seconds: float = 60, first_part_bytes: int = PART_BYTES) -> None:
        """`url`: `s3://bucket/prefix`; endpoint, region and credentials come from boto3's own variables. Connects to
        nothing yet. Raises Refusal for what is not such an address."""
        self._bucket = Bucket(url, read_timeout_seconds=read_timeout_seconds)
        self._first_part_bytes = first_part_bytes

    def describe(self) -> str:
        """The bucket and the prefix."""
        return self._bucket.describe()

    def open_write(self, key: str) -> S3Upload:
        """Begins an artifact of unknown length."""
        return S3Upload(self._bucket, self._bucket.full_key(key), self._first_part_bytes)

    def put_new(self, key: str, data: bytes) -> bool:
        """Stores a small artifact if the key is free, atomically over all processes."""
        return self._bucket.put(self._bucket.full_key(key), data, secrets.token_hex(16))

    def read(self, key: str) -> Iterator[bytes]:
        """The artifact in pieces of at most 1 MiB."""
        full, offset, size, breaks = self._bucket.full_key(key), 0, -1, 0
        same: dict[str, Any] = {}
        while offset != size:
            try:
                with self._bucket.translating():
                    answer = self._bucket.client.get_object(Bucket=self._bucket.name, Key=full, **same)
                if size < 0:
                    size = answer["ContentLength"]
                    same = {"IfMatch": answer["ETag"]}
                with contextlib.closing(answer["Body"]) as body:
                    while offset < size:
                        piece = self._piece(body)
                        offset, breaks = offset + len(piece), 0
                        yield piece
            except OutsideError as error:
                breaks += 1
                if error.permanent or size < 0 or breaks >= ATTEMPTS:
                    raise
                time.sleep(PAUSE_SECONDS * breaks)
                same["Range"] = f"bytes={offset}-"

    def _piece(self, body: StreamingBody) -> bytes:
        with self._bucket.translating():
            piece = body.read(PIECE_BYTES)
        if not piece:
            raise OutsideError(Text("{where} sent less than it has.", where=Code(self.describe())))
        return piece

    def get(self, key: str) -> bytes | None:
        """A small artifact; None when it is not there."""
        full = self._bucket.full_key(key)
        with self._bucket.translating():
            try:
                answer = self._bucket.client.get_object(Bucket=self._bucket.name, Key=full)
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                raise
            with contextlib.closing(answer["Body"]) as body:
                return body.read()

    def list(self, prefix: str) -> tuple[Artifact, ...]:
        """Every artifact whose key begins so, sorted by key."""
        found = []
        with self._bucket.translating():
            pages = self._bucket.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket.name, Prefix=self._bucket.prefix + prefix):
                for each in page.get("Contents", ()):
                    key = each["Key"].removeprefix(self._bucket.prefix)
                    if is_key(key):
                        found.append(Artifact(key, each["Size"], each["LastModified"].astimezone(UTC)))
        return tuple(sorted(found, key=lambda artifact: artifact.key))

    locking = False

    def receipt(self, key: str, version: str = "") -> Receipt | None:
        """The version and its lock, as the bucket says."""
        full, named = self._bucket.full_key(key), {"VersionId": version} if version else {}
        with self._bucket.translating():
            try:
                answer: Any = self._bucket.client.head_object(Bucket=self._bucket.name, Key=full, **named)  # type: ignore[arg-type]
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                raise
        until = answer.get("ObjectLockRetainUntilDate")
        return Receipt(answer.get("VersionId", ""), None if until is None else until.astimezone(UTC))

    def extend_lock(self, key: str, version: str, until: datetime) -> Receipt:
        """Nothing is locked here yet."""
        raise OutsideError(Text("{where} does not lock what it keeps.", where=Code(self.describe())), permanent=True)

    def now(self) -> datetime:
        """The date in the bucket's answer."""
        with self._bucket.translating():
            answer: Any = self._bucket.client.head_bucket(Bucket=self._bucket.name)
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(UTC)

    def delete(self, key: str, version: str = "") -> None:
        """Removes an artifact (its newest version, or that one); nothing happens when it is not there."""
        full, named = self._bucket.full_key(key), {"VersionId": version} if version else {}
        with self._bucket.translating():
            self._bucket.client.delete_object(Bucket=self._bucket.name, Key=full, **named)  # type: ignore[arg-type]

    def sweep(self, before: datetime, under: str = "") -> int:
        """Aborts the multipart uploads under our prefix that began before that time; how many."""
        removed = 0
        with self._bucket.translating():
            pages = self._bucket.client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket.name, Prefix=self._bucket.prefix + under):
                for each in page.get("Uploads", ()):
                    if each["Initiated"] < before:
                        removed += self._bucket.abort_upload(each["Key"], each["UploadId"])
        return removed
