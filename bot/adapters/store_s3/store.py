"""A bucket of S3, or of anything that speaks it, as artifact store.

- Nothing is ever overwritten, and nothing is visible before it is whole (bucket.py, upload.py).
- Reading goes on where a connection broke, as long as the artifact is the same, and its length is checked.
- What is in the bucket and is not named as our artifacts are is not listed.
- The artifact of a key is its first version: a delete marker or a later version over it changes nothing for us.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from bot.adapters.store_s3.bucket import ATTEMPTS, PAUSE_SECONDS, TIMEOUT_SECONDS, Bucket, is_key, named, which
from bot.adapters.store_s3.failures import MISSING, code_of
from bot.adapters.store_s3.locks import LockMode, Locks
from bot.adapters.store_s3.upload import PART_BYTES, S3Upload
from handlers.core.formats.objects import Receipt
from handlers.core.ports import Artifact, Locking
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

if TYPE_CHECKING:
    from botocore.response import StreamingBody

PIECE_BYTES = 1024 * 1024


class S3Store:
    """The ArtifactStore port over a bucket. All methods raise OutsideError."""

    def __init__(
        self,
        url: str,
        *,
        lock_mode: LockMode = "COMPLIANCE",
        read_timeout_seconds: float = TIMEOUT_SECONDS,
        first_part_bytes: int = PART_BYTES,
    ) -> None:
        """`url`: `s3://bucket/prefix`; endpoint, region and credentials come from boto3's own variables. Connects to
        nothing yet. `read_timeout_seconds`: how long the bucket may be silent in a request, of which three are made.
        Raises Refusal for what is not such an address."""
        self._bucket = Bucket(url, read_timeout_seconds=read_timeout_seconds)
        self._locks = Locks(self._bucket, lock_mode)
        self._first_part_bytes = first_part_bytes

    def describe(self) -> str:
        """The bucket and the prefix."""
        return self._bucket.describe()

    def open_write(self, key: str, *, lock_until: datetime | None = None) -> S3Upload:
        """Begins an artifact of unknown length."""
        full = self._bucket.full_key(key)
        if lock_until is not None:
            self._locks.must_be_possible()
        return S3Upload(self._locks, self._bucket, full, lock_until, self._first_part_bytes)

    def put_new(self, key: str, data: bytes, *, lock_until: datetime | None = None) -> bool:
        """Stores a small artifact if the key is free, atomically over all processes."""
        full, mark = self._bucket.full_key(key), secrets.token_hex(16)
        if lock_until is not None:
            self._locks.must_be_possible()
            if self._bucket.versions_of(full):
                return False
        version = self._bucket.put(full, data, mark, self._locks.headers(lock_until))
        if version and lock_until is not None:
            try:
                self._locks.kept(full, version, lock_until)
            except OutsideError:
                with contextlib.suppress(OutsideError):
                    self._bucket.withdraw(full, mark)
                raise
        return version is not None

    def read(self, key: str, *, version: str = "") -> Iterator[bytes]:
        """The artifact in pieces of at most 1 MiB."""
        full, offset, size, breaks = self._bucket.full_key(key), 0, -1, 0
        found = version or self._version(full)
        if found is None:
            raise OutsideError(
                Text("There is no {key} in {where}.", key=Code(key), where=Code(self.describe())), permanent=True
            )
        same = which(found)
        while offset != size:
            try:
                with self._bucket.translating():
                    answer = self._bucket.client.get_object(Bucket=self._bucket.name, Key=full, **same)
                if size < 0:
                    size = answer["ContentLength"]
                    same["IfMatch"] = answer["ETag"]
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

    def _version(self, full: str) -> str | None:
        """Which version to ask for; None when the artifact is not there."""
        found = self._bucket.versions_of(full)
        return found[-1].asked if found else None

    def get(self, key: str, *, version: str = "") -> bytes | None:
        """A small artifact; None when it is not there."""
        full = self._bucket.full_key(key)
        found = version or self._version(full)
        if found is None:
            return None
        with self._bucket.translating():
            try:
                answer = self._bucket.client.get_object(Bucket=self._bucket.name, Key=full, **which(found))
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                raise
            with contextlib.closing(answer["Body"]) as body:
                return body.read()

    def list(self, prefix: str) -> tuple[Artifact, ...]:
        """Every artifact whose key begins so, sorted by key."""
        found: dict[str, Artifact] = {}
        for each in self._bucket.versions(self._bucket.prefix + prefix):
            key = each.key.removeprefix(self._bucket.prefix)
            if is_key(key):
                modified, hidden = each.modified.astimezone(UTC), not each.latest
                found[key] = Artifact(key, each.size_bytes, modified, named(each.version), hidden)
        return tuple(found[key] for key in sorted(found))

    def receipt(self, key: str, version: str = "") -> Receipt | None:
        """What the store says now about the artifact."""
        full = self._bucket.full_key(key)
        found = version or self._version(full)
        return None if found is None else self._locks.receipt(full, found)

    def extend_lock(self, key: str, version: str, until: datetime) -> Receipt:
        """Locks this version at least until then; what the store said afterwards."""
        full = self._bucket.full_key(key)
        self._locks.must_be_possible()
        return self._locks.kept(full, version, until)

    def locking(self) -> Locking:
        """Whether and how this bucket can lock."""
        return self._locks.locking()

    def moment(self) -> datetime:
        """The clock of the store, as its answers are dated."""
        with self._bucket.translating():
            answer = self._bucket.client.head_bucket(Bucket=self._bucket.name)
        try:
            return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(UTC)
        except (KeyError, ValueError) as error:
            raise OutsideError(
                Text("{where} does not say what time it is.", where=Code(self.describe())), permanent=True
            ) from error

    def delete(self, key: str, *, version: str = "") -> None:
        """Removes exactly that version, or every version; nothing happens when it is not there."""
        full = self._bucket.full_key(key)
        for each in [version] if version else [found.version for found in self._bucket.versions_of(full)]:
            try:
                self._bucket.remove(full, each)
            except OutsideError as error:
                seen = self._bucket.seen(full, each) if named(each) else None
                if seen is None or seen.until is None:
                    raise
                raise OutsideError(
                    Text("{key} is locked until {until} and stays.", key=Code(key), until=seen.until), permanent=True
                ) from error

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
