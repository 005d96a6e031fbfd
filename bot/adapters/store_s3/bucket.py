"""A place in a bucket: its client, its keys, and the requests whose outcome must be known.

- Every request is bounded by silence, never by how long it takes: 10 s to connect, 45 s without an answer, three times.
  When a request was given up for silence, those of the next minute wait 5 s, once, until there is an answer: what is
  left to do after a failure must not wait as long as the failure, again and again.
- A lost answer is not a failure: each upload carries a mark of its own, and when it is unsure whether an artifact
  became visible, the mark that is there decides.
- The artifact of a key is its first version. radosgw 16.2 heeds `If-None-Match` in no bucket with versions, and no
  store heeds it under a delete marker; so there, of all who wrote a key, the first one has it, and the others take
  theirs away.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bot.adapters.store_s3.failures import CONTENDED, FAILURES, MISSING, UNKNOWN, code_of, is_silence, reason_of
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ATTEMPTS = 3
PAUSE_SECONDS = 0.2
TIMEOUT_SECONDS = 45.0
CONNECT_SECONDS = 10.0
HASTY_SECONDS = 5.0
AWAY_SECONDS = 60.0
CONNECTIONS = 8
MAX_KEY_CHARACTERS = 200
MARK = "negahban-upload"
NO_VERSION = "null"
"""What S3 calls the only version in a bucket without versions."""
_WORD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_URL = re.compile(r"s3://(?P<name>[a-zA-Z0-9][a-zA-Z0-9._-]{1,253}[a-zA-Z0-9])(?:/(?P<prefix>[A-Za-z0-9._/-]*))?")


@dataclass(frozen=True, slots=True)
class Listed:
    """One version of one key, as a listing says. `version`: empty when the store knows no versions; `latest`: nothing
    is over it."""

    key: str
    version: str
    size_bytes: int
    modified: datetime
    latest: bool

    @property
    def asked(self) -> str:
        """What to name when asking for it: not every store takes `null` where there are no versions."""
        return "" if self.version == NO_VERSION and self.latest else self.version


@dataclass(frozen=True, slots=True)
class Seen:
    """One version, as the store says when asked for it. `mark`: whose upload it is, empty for somebody's who leaves no
    mark; `mode` and `until`: its lock, empty and None without one."""

    version: str
    mark: str
    mode: str
    until: datetime | None


class Bucket:
    """A bucket and the prefix under which everything of ours is."""

    def __init__(self, url: str, *, read_timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """`url`: `s3://bucket/prefix`; endpoint, region and credentials come from boto3's own variables. Connects to
        nothing yet. Raises Refusal for what is not such an address."""
        match = _URL.fullmatch(url)
        self.prefix = (match["prefix"] or "").strip("/") if match else ""
        if match is None or (self.prefix and not all(_WORD.fullmatch(word) for word in self.prefix.split("/"))):
            raise Refusal(Text("The address of a bucket is like s3://bucket/prefix, not {url}.", url=Code(url)))
        self.name = match["name"]
        self.prefix += "/" if self.prefix else ""
        self._timeout_seconds = read_timeout_seconds
        self._session = boto3.session.Session()
        self._patient = self._made(read_timeout_seconds, ATTEMPTS)
        self._hasty: S3Client | None = None
        self._away_until = 0.0
        self._lock = threading.Lock()

    @property
    def client(self) -> S3Client:
        """For the next request: with little patience while the bucket seems to be away."""
        if time.monotonic() >= self._away_until:
            return self._patient
        with self._lock:
            if self._hasty is None:
                self._hasty = self._made(min(HASTY_SECONDS, self._timeout_seconds), 1)
                self._hasty.meta.events.register("after-call.s3", self._came_back)
            return self._hasty

    def _came_back(self, **_: object) -> None:
        self._away_until = 0.0

    def _made(self, timeout_seconds: float, attempts: int) -> S3Client:
        config = Config(
            connect_timeout=min(CONNECT_SECONDS, timeout_seconds),
            read_timeout=timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=CONNECTIONS,
            # We say SHA-256 ourselves: boto3's own CRC32 trailer is refused by other makers' stores.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        try:
            made: S3Client = self._session.client("s3", config=config)
        except (BotoCoreError, ValueError) as error:
            raise Refusal(Text("The settings for S3 (AWS_ENDPOINT_URL_S3, AWS_PROFILE, …) are not usable.")) from error
        return made

    def describe(self) -> str:
        """The bucket and the prefix."""
        return f"s3://{self.name}/{self.prefix}".rstrip("/")

    def full_key(self, key: str) -> str:
        """The key in the bucket. Raises OutsideError for what is not a key."""
        if not is_key(key):
            raise OutsideError(Text("{key} is not a name that the store takes.", key=Code(key)), permanent=True)
        return self.prefix + key

    def put(self, full: str, data: bytes, mark: str, lock: Mapping[str, Any]) -> str | None:
        """Stores in one request if the key is free: the version; None when it is taken. `lock`: headers for one. Raises
        OutsideError: perhaps stored."""
        request: dict[str, Any] = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": sha256(data), "IfNoneMatch": "*"}
        request |= {"Metadata": {MARK: mark}, **lock}
        return self.settled(
            full, mark, lambda: self.client.put_object(Bucket=self.name, Key=full, Body=io.BytesIO(data), **request)
        )

    def settled(self, full: str, mark: str, request: Callable[[], Mapping[str, Any]]) -> str | None:
        """Sends the request that makes an artifact visible, and finds out what became of it: its version when ours is
        there, None when another is. Raises OutsideError when none is, or when nobody knows."""
        for turn in range(1, ATTEMPTS + 1):
            try:
                version = request().get("VersionId", "")
            except FAILURES as error:
                # Also a refusal can be the answer to a repetition whose first sending was done.
                try:
                    there = self.first(full)
                except OutsideError:
                    raise self.problem(error) from error
                if there is not None:
                    return named(there.version) if there.mark == mark else None
                if turn == ATTEMPTS or code_of(error) not in CONTENDED:
                    raise self.problem(error) from error
                time.sleep(PAUSE_SECONDS * turn)
            else:
                return self._first_or_none(full, version, mark) if named(version) else ""
        raise AssertionError

    def _first_or_none(self, full: str, version: str, mark: str) -> str | None:
        there = self.first(full)
        if there is None:
            raise OutsideError(Text("{key} went as soon as it was written.", key=Code(full)))
        if there.version == version:
            return version
        # Another was first; or we were, and a repeated request wrote ours once more.
        with contextlib.suppress(OutsideError):
            self.remove(full, version)
        return there.version if there.mark == mark else None

    def versions(self, prefix: str) -> Iterator[Listed]:
        """All versions of all keys that begin so, by key; of one key from the newest to the oldest."""
        with self.translating():
            try:
                for page in self.client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=prefix):
                    for each in page.get("Versions", ()):
                        latest = each["IsLatest"]
                        yield Listed(each["Key"], each["VersionId"], each["Size"], each["LastModified"], latest=latest)
            except ClientError as error:
                if code_of(error) not in UNKNOWN:
                    raise
                # Some makers' stores know no versions, and not how to list them.
                for found in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
                    for one in found.get("Contents", ()):
                        yield Listed(one["Key"], "", one["Size"], one["LastModified"], latest=True)

    def versions_of(self, full: str) -> list[Listed]:
        """All versions of one key, from the newest to the oldest."""
        return list(itertools.takewhile(lambda each: each.key == full, self.versions(full)))

    def first(self, full: str) -> Seen | None:
        """The artifact of a key; None when there is none, hidden or not."""
        found = self.versions_of(full)
        return self.seen(full, found[-1].asked) if found else None

    def seen(self, full: str, version: str) -> Seen | None:
        """What the store says about one version; None when it is not there."""
        with self.translating():
            try:
                answer: Mapping[str, Any] = self.client.head_object(Bucket=self.name, Key=full, **which(version))
            except ClientError as error:
                if code_of(error) in MISSING or self._is_strange(full, version, error):
                    return None
                raise
        until = answer.get("ObjectLockRetainUntilDate")
        mark, mode = answer["Metadata"].get(MARK, ""), answer.get("ObjectLockMode")
        return Seen(version, mark, mode or "", None if until is None else until.astimezone(UTC))

    def _is_strange(self, full: str, version: str, error: ClientError) -> bool:
        """Whether a bad request means that the version is none of this store's: another maker's has another form. An
        expired token is one, too."""
        strange = version != "" and code_of(error) == "400"
        return strange and all(each.version != version for each in self.versions_of(full))

    def remove(self, full: str, version: str) -> None:
        """Removes one version for good; nothing happens when it is not there."""
        with self.translating():
            self.client.delete_object(Bucket=self.name, Key=full, **which(version))

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
        """Removes what became visible by this upload, as far as it is not locked."""
        for each in self.versions_of(full):
            there = self.seen(full, each.asked)
            if there is not None and there.mark == mark:
                self.remove(full, each.version)

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Every failure of S3 inside becomes an OutsideError that says what to do."""
        try:
            yield
        except FAILURES as error:
            raise self.problem(error) from error

    def problem(self, error: Exception) -> OutsideError:
        """What a failure means, with the place it happened."""
        if is_silence(error):
            self._away_until = time.monotonic() + AWAY_SECONDS
        reason, permanent = reason_of(error)
        return OutsideError(
            Text("{where} cannot be used: {reason}.", where=Code(self.describe()), reason=reason), permanent=permanent
        )


def which(version: str) -> dict[str, Any]:
    """The argument that means one version; none for the only one."""
    return {"VersionId": version} if version else {}


def named(version: str) -> str:
    """A version as the port says it: empty where a store has none."""
    return "" if version == NO_VERSION else version


def is_key(key: str) -> bool:
    """Whether these are words of [A-Za-z0-9._-] without leading dots."""
    return len(key) <= MAX_KEY_CHARACTERS and all(_WORD.fullmatch(word) for word in key.split("/"))


def sha256(data: bytes | memoryview) -> str:
    """As S3 writes checksums: base64."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
