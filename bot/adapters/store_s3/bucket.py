"""A place in a bucket: its client, its keys, and the requests whose outcome must be known.

- Every request is bounded: 5 s to connect, 60 s without an answer, three times.
- A lost answer is not a failure: each upload carries a mark of its own, and when it is unsure whether an artifact
  became visible, the mark that is there decides.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bot.adapters.store_s3.failures import CONTENDED, FAILURES, MISSING, code_of, reason_of
from handlers.core.errors import OutsideError, Refusal
from handlers.core.text import Code, Text

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ATTEMPTS = 3
PAUSE_SECONDS = 0.2
CONNECTIONS = 8
MAX_KEY_CHARACTERS = 200
MARK = "negahban-upload"
_WORD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_URL = re.compile(r"s3://(?P<name>[a-zA-Z0-9][a-zA-Z0-9._-]{1,253}[a-zA-Z0-9])(?:/(?P<prefix>[A-Za-z0-9._/-]*))?")


class Bucket:
    """A bucket and the prefix under which everything of ours is."""

    def __init__(self, url: str, *, read_timeout_seconds: float = 60) -> None:
        """`url`: `s3://bucket/prefix`; endpoint, region and credentials come from boto3's own variables. Connects to
        nothing yet. Raises Refusal for what is not such an address."""
        match = _URL.fullmatch(url)
        self.prefix = (match["prefix"] or "").strip("/") if match else ""
        if match is None or (self.prefix and not all(_WORD.fullmatch(word) for word in self.prefix.split("/"))):
            raise Refusal(Text("The address of a bucket is like s3://bucket/prefix, not {url}.", url=Code(url)))
        self.name = match["name"]
        self.prefix += "/" if self.prefix else ""
        config = Config(
            connect_timeout=5,
            read_timeout=read_timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=CONNECTIONS,
            # We say SHA-256 ourselves: boto3's own CRC32 trailer is refused by other makers' stores.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        try:
            self.client: S3Client = boto3.session.Session().client("s3", config=config)
        except (BotoCoreError, ValueError) as error:
            raise Refusal(Text("The settings for S3 (AWS_ENDPOINT_URL_S3, AWS_PROFILE, …) are not usable.")) from error

    def describe(self) -> str:
        """The bucket and the prefix."""
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def full_key(self, key: str) -> str:
        """The key in the bucket. Raises OutsideError for what is not a key."""
        if not is_key(key):
            raise OutsideError(Text("{key} is not a name that the store takes.", key=Code(key)), permanent=True)
        return self.prefix + key

    def put(self, full: str, data: bytes, mark: str) -> bool:
        """Stores in one request if the key is free; False when it is taken. Raises OutsideError: perhaps stored."""
        request: dict[str, Any] = {"ChecksumSHA256": sha256(data), "IfNoneMatch": "*", "Metadata": {MARK: mark}}
        return self.settled(
            full, mark, lambda: self.client.put_object(Bucket=self.name, Key=full, Body=data, **request)
        )

    def settled(self, full: str, mark: str, request: Callable[[], object]) -> bool:
        """Sends the request that makes an artifact visible, and finds out what became of it: True when ours is there,
        False when another is. Raises OutsideError when none is, or when nobody knows."""
        for turn in range(1, ATTEMPTS + 1):
            try:
                request()
            except FAILURES as error:
                # Also a refusal can be the answer to a repetition whose first sending was done.
                try:
                    there = self.mark_of(full)
                except OutsideError:
                    raise self.problem(error) from error
                if there is not None:
                    return there == mark
                if turn == ATTEMPTS or code_of(error) not in CONTENDED:
                    raise self.problem(error) from error
                time.sleep(PAUSE_SECONDS * turn)
            else:
                return True
        raise AssertionError

    def mark_of(self, full: str) -> str | None:
        """Whose upload is visible under a key; empty for somebody's who leaves no mark, None when nothing is there."""
        with self.translating():
            try:
                return self.client.head_object(Bucket=self.name, Key=full)["Metadata"].get(MARK, "")
            except ClientError as error:
                if code_of(error) in MISSING:
                    return None
                raise

    def abort_upload(self, full: str, upload_id: str) -> bool:
        """Removes an unfinished upload; False when it is not there any more."""
        with self.translating():
            try:
                self.client.abort_multipart_upload(Bucket=self.name, Key=full, UploadId=upload_id)
            except ClientError as error:
                if code_of(error) == "NoSuchUpload":
                    return False
                raise
        return True

    def withdraw(self, full: str, mark: str) -> None:
        """Removes what became visible by this upload, if it did."""
        if self.mark_of(full) == mark:
            with self.translating():
                self.client.delete_object(Bucket=self.name, Key=full)

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Every failure of S3 inside becomes an OutsideError that says what to do."""
        try:
            yield
        except FAILURES as error:
            raise self.problem(error) from error

    def problem(self, error: Exception) -> OutsideError:
        """What a failure means, with the place it happened."""
        reason, permanent = reason_of(error)
        return OutsideError(
            Text("{where} cannot be used: {reason}.", where=Code(self.describe()), reason=reason), permanent=permanent
        )


def is_key(key: str) -> bool:
    """Whether these are words of [A-Za-z0-9._-] without leading dots."""
    return len(key) <= MAX_KEY_CHARACTERS and all(_WORD.fullmatch(word) for word in key.split("/"))


def sha256(data: bytes) -> str:
    """As S3 writes checksums: base64."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
