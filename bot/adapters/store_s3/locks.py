"""Object Lock: until when a version cannot be removed, whoever asks.

- A lock is what the store says of exactly this version, asked after the write. radosgw gives a multipart upload the
  bucket's default lock in place of the one that came with it; others have kept none. What is not locked as it was asked
  for is locked once more, asked again, and then given up.
- A stronger mode counts for a weaker one; a lock is never shortened and never weakened.
- The permission to get around GOVERNANCE is never used.
Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from bot.adapters.store_s3.bucket import Bucket, Seen, named, which
from bot.adapters.store_s3.failures import DENIED, UNKNOWN, code_of
from handlers.core.formats.objects import Receipt
from handlers.core.ports import Locking
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import ObjectLockRetentionModeType

LockMode = Literal["COMPLIANCE", "GOVERNANCE", "none"]
_STRENGTH: dict[str, int] = {"": 0, "GOVERNANCE": 1, "COMPLIANCE": 2}
_NO_CONFIGURATION = frozenset({"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"})


class Locks:
    """The locks of one bucket, of one mode. All methods raise OutsideError."""

    def __init__(self, bucket: Bucket, mode: LockMode) -> None:
        """`none`: nothing is locked."""
        self._bucket = bucket
        self._mode: ObjectLockRetentionModeType | None = None if mode == "none" else mode

    def locking(self) -> Locking:
        """What the bucket says of itself."""
        if self._mode is None:
            return Locking(why_not=Text("BACKUP_LOCK_MODE is none."))
        where = Code(self._bucket.describe())
        client, name = self._bucket.client, self._bucket.name
        with self._bucket.translating():
            try:
                versioned = client.get_bucket_versioning(Bucket=name).get("Status") == "Enabled"
                found = client.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
            except ClientError as error:
                if code_of(error) in _NO_CONFIGURATION | UNKNOWN:
                    return Locking(why_not=Text("{where} was made without Object Lock.", where=where))
                if code_of(error) in DENIED:
                    return Locking(
                        why_not=Text(
                            "The bot's key may not ask whether {where} locks: it lacks s3:GetBucketVersioning or "
                            "s3:GetBucketObjectLockConfiguration.",
                            where=where,
                        )
                    )
                raise
        if not versioned or found.get("ObjectLockEnabled") != "Enabled":
            return Locking(why_not=Text("{where} keeps no versions, or has no Object Lock.", where=where))
        default = found.get("Rule", {}).get("DefaultRetention", {}).get("Mode", "")
        return Locking(self._mode, default)

    def must_be_possible(self) -> None:
        """Raises OutsideError when nothing can be locked here: better now than after the upload."""
        why_not = self.locking().why_not
        if why_not is not None:
            raise OutsideError(Text("No lock can be had: {why_not}", why_not=why_not), permanent=True)

    def headers(self, until: datetime | None) -> dict[str, Any]:
        """What asks for a lock with a write."""
        if until is None:
            return {}
        return {"ObjectLockMode": self._mode, "ObjectLockRetainUntilDate": _whole(until)}

    def receipt(self, full: str, version: str) -> Receipt | None:
        """What the store says of this version now."""
        seen = self._bucket.seen(full, version)
        return None if seen is None else self._receipt(seen)

    def kept(self, full: str, version: str, until: datetime | None) -> Receipt:
        """What the store says of this version, which must be locked until then. Raises OutsideError when it is not,
        also after it was asked to lock it once more."""
        seen = self._seen(full, version)
        if until is not None and not self._counts(seen, until):
            self._lock(full, seen, until)
            seen = self._seen(full, version)
            if not self._counts(seen, until):
                raise self._unlocked(full, seen, until)
        return self._receipt(seen)

    def _lock(self, full: str, seen: Seen, until: datetime) -> None:
        mode: Any = max(self._mode or "", seen.mode, key=_STRENGTH.__getitem__)
        latest = until if seen.until is None else max(until, seen.until)
        try:
            self._bucket.client.put_object_retention(
                Bucket=self._bucket.name,
                Key=full,
                Retention={"Mode": mode, "RetainUntilDate": _whole(latest)},
                **which(seen.version),
            )
        except ClientError as error:
            if code_of(error) in DENIED:
                raise self._unlocked(full, seen, until) from error
            raise self._bucket.problem(error) from error

    def _seen(self, full: str, version: str) -> Seen:
        seen = self._bucket.seen(full, version)
        if seen is None:
            raise OutsideError(
                Text("There is no {key} in {where}.", key=Code(full), where=Code(self._bucket.describe())),
                permanent=True,
            )
        return seen

    def _counts(self, seen: Seen, until: datetime) -> bool:
        strong = _STRENGTH.get(seen.mode, 0) >= _STRENGTH[self._mode or "COMPLIANCE"]
        return strong and seen.until is not None and seen.until >= until

    def _receipt(self, seen: Seen) -> Receipt:
        """A lock of a weaker mode than ours is none."""
        strong = self._mode is None or _STRENGTH.get(seen.mode, 0) >= _STRENGTH[self._mode]
        return Receipt(named(seen.version), seen.until if strong and seen.mode else None)

    def _unlocked(self, full: str, seen: Seen, until: datetime) -> OutsideError:
        said = Text("no lock") if seen.until is None else Text("{mode} until {until}", mode=seen.mode, until=seen.until)
        return OutsideError(
            Text(
                "{key} is not locked as it must be ({mode} until {until}): the store says {said}. "
                "Give the bot's key s3:PutObjectRetention, and the bucket no default lock of another mode.",
                key=Code(full),
                mode=self._mode or "none",
                until=until,
                said=said,
            ),
            permanent=True,
        )


def _whole(moment: datetime) -> datetime:
    """Up to the next second: stores keep fewer digits than we have, and a lock must not end early."""
    return moment if moment.microsecond == 0 else moment.replace(microsecond=0) + timedelta(seconds=1)
