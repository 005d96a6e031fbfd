"""An artifact of unknown length on its way into a bucket.

- Parts of 6 MiB; after 4,600 of them (29 GB) each 900 are three times as large as those before, for at most 10,000
  are allowed. Two are under way at a time while one is filled; `write` waits for one of these three. What fits in one
  part is a plain put.
- Each part carries its SHA-256 in a header, so that the store refuses what was damaged on the way.
- What makes the artifact visible carries `If-None-Match: *`: nothing is overwritten.
- A lock is asked for with the upload, and is what the store says afterwards (locks.py); without it nothing stays.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ (qfacts, conditional-writes, checking-object-integrity)
"""

from __future__ import annotations

import contextlib
import secrets
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from queue import SimpleQueue
from typing import TYPE_CHECKING

from bot.adapters.store_s3.bucket import MARK, Bucket, sha256
from bot.adapters.store_s3.locks import Locks
from bot.adapters.store_s3.part import Part
from handlers.core.formats.objects import Receipt
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 6 * 1024 * 1024
EQUAL_PARTS = 4600
GROWING_PARTS = 900
UPLOADERS = 2


def part_bytes(number: int, first: int = PART_BYTES) -> int:
    """How large the part of this number is, from 1; 10,000 of them hold 5.6 TiB."""
    size = first
    for _ in range(EQUAL_PARTS, number, GROWING_PARTS):
        size *= 3
    return size


class S3Upload:
    """The Upload port. Nothing is sent before the first part is full."""

    def __init__(self, locks: Locks, bucket: Bucket, full: str, lock_until: datetime | None, first: int) -> None:
        """`full`: the key in the bucket; `first`: how many bytes the first part has."""
        self._locks = locks
        self._bucket = bucket
        self._full = full
        self._lock_until = lock_until
        self._first_part_bytes = first
        self._mark = secrets.token_hex(16)
        self._filling: Part | None = None
        self._free: SimpleQueue[Part] = SimpleQueue()
        self._upload_id: str | None = None
        self._parts: list[Future[CompletedPartTypeDef]] = []
        self._pool = ThreadPoolExecutor(UPLOADERS, thread_name_prefix="s3-upload")
        self._failure: OutsideError | None = None
        self._ended = False

    def write(self, data: bytes) -> None:
        """Appends; waits while two parts are under way and one is next."""
        rest = memoryview(data)
        while rest:
            self._must_be_open()
            if self._filling is None:
                self._filling = self._room()
                continue
            rest = self._filling.fill(rest)
            if self._filling.is_full:
                self._send(self._filling)

    def commit(self) -> Receipt:
        """Makes the whole artifact visible, durably and at once. After OutsideError nothing is visible, as far as the
        store could be reached and does not lock it."""
        self._must_be_open()
        try:
            version = self._completed()
            if version is None:
                raise self._taken()
            receipt = self._locks.kept(self._full, version, self._lock_until) if version else Receipt()
        except OutsideError:
            self.abort()
            with contextlib.suppress(OutsideError):
                self._bucket.withdraw(self._full, self._mark)
            raise
        self._upload_id = None
        self._end()
        return receipt

    def abort(self) -> None:
        """Leaves nothing behind; what cannot be removed, `sweep` will."""
        self._end()
        if self._upload_id is not None:
            with contextlib.suppress(OutsideError):
                self._bucket.abort_upload(self._full, self._upload_id)
            self._upload_id = None

    def _end(self) -> None:
        self._ended = True
        self._filling = None
        # A part that arrived after an abort would stay for ever, so those under way end first.
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _taken(self) -> OutsideError:
        return OutsideError(
            Text("{key} is there already, and nothing is ever overwritten.", key=Code(self._full)), permanent=True
        )

    def _completed(self) -> str | None:
        # Locked, ours could not be taken away again; so the key is looked at before.
        if self._lock_until is not None and self._bucket.versions_of(self._full):
            return None
        if self._upload_id is None:
            lock = self._locks.headers(self._lock_until)
            data = b"" if self._filling is None else bytes(self._filling.data)
            return self._bucket.put(self._full, data, self._mark, lock)
        if self._filling is not None:
            self._send(self._filling)
        bucket, upload_id = self._bucket, self._upload_id
        parts = [part.result() for part in self._parts]
        return bucket.settled(
            self._full,
            self._mark,
            lambda: bucket.client.complete_multipart_upload(
                Bucket=bucket.name,
                Key=self._full,
                UploadId=upload_id,
                MultipartUpload={"Parts": parts},
                IfNoneMatch="*",
            ),
        )

    def _room(self) -> Part:
        """A part to fill next: a new one, or one that has arrived, when all are in use."""
        number = len(self._parts) + 1
        size = part_bytes(number, self._first_part_bytes)
        if number > UPLOADERS + 1:
            used = self._free.get()
            if used.room_bytes == size:
                return used.emptied()
        return Part(size)

    def _send(self, part: Part) -> None:
        bucket = self._bucket
        if self._upload_id is None:
            with bucket.translating():
                self._upload_id = bucket.client.create_multipart_upload(
                    Bucket=bucket.name,
                    Key=self._full,
                    ChecksumAlgorithm="SHA256",
                    Metadata={MARK: self._mark},
                    **self._locks.headers(self._lock_until),
                )["UploadId"]
        self._filling = None
        self._parts.append(self._pool.submit(self._send_part, self._upload_id, len(self._parts) + 1, part))

    def _send_part(self, upload_id: str, number: int, part: Part) -> CompletedPartTypeDef:
        bucket = self._bucket
        try:
            if self._failure is not None:  # no further part waits as long as the one that failed
                raise self._failure
            checksum = sha256(part.data)
            with bucket.translating():
                answer = bucket.client.upload_part(
                    Bucket=bucket.name,
                    Key=self._full,
                    UploadId=upload_id,
                    PartNumber=number,
                    Body=part.as_file(),
                    ChecksumSHA256=checksum,
                )
        except OutsideError as error:
            self._failure = error
            raise
        finally:
            self._free.put(part)
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    def _must_be_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._ended:
            raise OutsideError(Text("The upload of {key} has ended.", key=Code(self._full)), permanent=True)
