"""Locks in buckets: one counts when the store says so afterwards, and then nobody with the bot's keys gets around it.

What is true of every locking store is in tests/contracts/test_store.py. Here are the ways in which a store fails to
lock, and the proof on a real radosgw, with the keys of the bucket's owner, who may do more than the bot should.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from mypy_boto3_s3.client import S3Client

from bot.adapters.signing import fits
from bot.adapters.store_s3 import S3Store
from bot.adapters.store_s3.bucket import Bucket
from handlers.core.backups.catalogue import Catalogue, folder
from handlers.core.formats.manifests import BackupKind, Manifest
from handlers.core.formats.objects import Packing, Receipt, Stored
from handlers.core.restores.readings import reading
from handlers.core.sealing.examination import Examiner
from handlers.core.sealing.segments import Archive
from handlers.core.words.answers import BackupId, JobId, TargetName
from handlers.core.words.errors import OutsideError
from sandbox.aws import Aws, Fault
from sandbox.servers.radosgw import PROGRAMS, Radosgw
from tests.audit_chains import SIGNER, sealed_record, segment_of
from tests.conftest import needs
from tests.handlers.test_audit import head_of

MIB = 1024 * 1024
PART = 5 * MIB
SHOP = TargetName("shop")
BACKUP = BackupId("20261124t030000z-abcdef")
DATA, MANIFEST = (f"{folder(SHOP, BACKUP)}/{name}" for name in ("data.archive.zst", "manifest.json"))


@pytest.fixture(scope="module")
def server() -> Iterator[Aws]:
    with Aws() as aws:
        aws.create_bucket("locked", lock=True)
        aws.create_bucket("plain")
        yield aws


@pytest.fixture
def aws(server: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    server.heal()
    return server


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:90]


@pytest.fixture
def store(aws: Aws, prefix: str) -> S3Store:
    return S3Store(f"s3://locked/{prefix}", first_part_bytes=PART)


@pytest.fixture
def client(aws: Aws) -> Iterator[S3Client]:
    made: S3Client = boto3.session.Session().client("s3")
    yield made
    made.close()


def _until(days: float = 10) -> datetime:
    return (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)


def _write(store: S3Store, size: int, key: str = "data", lock_until: datetime | None = None) -> Receipt:
    upload = store.open_write(key, lock_until=lock_until)
    try:
        upload.write(bytes(size))
        return upload.commit()
    finally:
        upload.abort()


def _leftovers(store: S3Store) -> int:
    return store.sweep(datetime.now(UTC) + timedelta(hours=1))


# -- stores that do not lock as they were asked ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, PART + 1])
def test_a_lock_comes_with_the_write_itself(aws: Aws, store: S3Store, size: int) -> None:
    """Between a write and a lock that comes after it, anybody could take the lock's place."""
    until = _until()
    assert _write(store, size, lock_until=until).locked_until == until
    assert aws.served()["PutObjectRetention"] == 0


@pytest.mark.parametrize(("operation", "size"), [("PutObject", 10), ("CreateMultipartUpload", PART + 1)])
def test_a_lock_that_got_lost_is_asked_for_once_more(aws: Aws, store: S3Store, operation: str, size: int) -> None:
    aws.fail(Fault(operation, "deaf"))
    until = _until()
    receipt = _write(store, size, lock_until=until)
    assert receipt.locked_until == until
    assert aws.served()["PutObjectRetention"] == 1


@pytest.mark.parametrize("answer", ["deaf", "error"])
@pytest.mark.parametrize(("operation", "size"), [("PutObject", 10), ("CreateMultipartUpload", PART + 1)])
def test_what_the_store_does_not_lock_is_not_kept(
    aws: Aws, store: S3Store, operation: str, size: int, answer: Any
) -> None:
    aws.fail(Fault(operation, "deaf", times=99))
    aws.fail(Fault("PutObjectRetention", answer, times=99, status=403, code="AccessDenied"))
    with pytest.raises(OutsideError, match=r"is not locked as it must be .* the store says no lock") as caught:
        _write(store, size, lock_until=_until())
    assert caught.value.permanent
    assert store.list("") == ()
    assert _leftovers(store) == 0


def test_a_small_artifact_that_is_not_locked_is_not_kept_either(aws: Aws, store: S3Store) -> None:
    aws.fail(Fault("PutObject", "deaf"))
    aws.fail(Fault("PutObjectRetention", "deaf", times=99))
    with pytest.raises(OutsideError, match="is not locked as it must be"):
        store.put_new("a", b"1", lock_until=_until())
    assert store.list("") == ()


def test_a_lock_that_does_not_get_longer_is_said(aws: Aws, store: S3Store) -> None:
    version = _write(store, 10, lock_until=_until(1)).version
    aws.fail(Fault("PutObjectRetention", "deaf", times=99))
    with pytest.raises(OutsideError, match="is not locked as it must be"):
        store.extend_lock("data", version, _until(5))


def test_a_lock_of_a_weaker_mode_does_not_count(aws: Aws, prefix: str, store: S3Store, client: S3Client) -> None:
    weak = S3Store(store.describe(), lock_mode="GOVERNANCE")
    assert weak.locking().mode == "GOVERNANCE"
    receipt = _write(weak, 10, lock_until=_until())
    assert receipt.locked_until is not None
    assert store.receipt("data", receipt.version) == Receipt(receipt.version)
    with pytest.raises(OutsideError, match=r"is not locked as it must be .* the store says GOVERNANCE"):
        store.extend_lock("data", receipt.version, _until())
    strong = _write(store, 10, "strong", _until())
    longer = _until(20)
    assert weak.extend_lock("strong", strong.version, longer).locked_until == longer
    head = client.head_object(Bucket="locked", Key=f"{prefix}/strong", VersionId=strong.version)
    assert head["ObjectLockMode"] == "COMPLIANCE"


def test_no_way_around_a_lock_is_ever_asked_for(aws: Aws, store: S3Store) -> None:
    weak = S3Store(store.describe(), lock_mode="GOVERNANCE")
    receipt = _write(weak, 10, lock_until=_until())
    with pytest.raises(OutsideError, match="is locked until"):
        weak.delete("data", version=receipt.version)
    assert weak.extend_lock("data", receipt.version, _until(1)) == receipt
    assert aws.served()["BypassGovernanceRetention"] == 0


def test_without_a_mode_nothing_is_locked_and_what_others_locked_is_said(aws: Aws, store: S3Store) -> None:
    none = S3Store(store.describe(), lock_mode="none")
    assert str(none.locking().why_not) == "BACKUP_LOCK_MODE is none."
    with pytest.raises(OutsideError, match="BACKUP_LOCK_MODE is none"):
        none.open_write("a", lock_until=_until())
    receipt = _write(store, 10, lock_until=_until())
    assert none.receipt("data") == receipt


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault("GetObjectLockConfiguration", "error", times=9, status=403, code="AccessDenied"), "may not ask"),
        (Fault("GetObjectLockConfiguration", "error", times=9, status=501, code="NotImplemented"), "without Object"),
        (Fault("GetBucketVersioning", "error", times=9, status=403, code="AccessDenied"), "may not ask"),
    ],
)
def test_a_bucket_of_which_nobody_knows_whether_it_locks_is_not_said_to_lock(
    aws: Aws, store: S3Store, fault: Fault, why: str
) -> None:
    aws.fail(fault)
    assert why in str(store.locking().why_not)


def test_the_default_lock_of_a_bucket_is_said_and_read_back(aws: Aws, client: S3Client) -> None:
    aws.create_bucket("default", lock=True)
    rule: Any = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    client.put_object_lock_configuration(
        Bucket="default", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    store = S3Store("s3://default/x", first_part_bytes=PART)
    assert store.locking().default_mode == "COMPLIANCE"
    for size in (10, PART + 1):
        receipt = _write(store, size, f"of-{size}")
        assert receipt.locked_until is not None
        assert timedelta(hours=23) < receipt.locked_until - datetime.now(UTC) < timedelta(hours=25)


# -- versions ----------------------------------------------------------------------------------------------------------


def test_a_store_that_cannot_list_versions_still_works(aws: Aws, prefix: str) -> None:
    store = S3Store(f"s3://plain/{prefix}", first_part_bytes=PART)
    aws.fail(Fault("ListObjectVersions", "error", times=99, status=501, code="NotImplemented"))
    assert store.put_new("a", b"1")
    assert not store.put_new("a", b"2")
    assert _write(store, PART + 1) == Receipt() == store.receipt("data")
    assert store.get("a") == b"1"
    assert [(each.key, each.version, each.hidden) for each in store.list("")] == [("a", "", False), ("data", "", False)]
    store.delete("a")
    assert store.get("a") is None


def test_what_was_there_before_the_bucket_had_versions_is_found_when_it_is_hidden(
    aws: Aws, prefix: str, client: S3Client
) -> None:
    aws.create_bucket("aged")
    store = S3Store(f"s3://aged/{prefix}")
    store.put_new("a", b"old")
    client.put_bucket_versioning(Bucket="aged", VersioningConfiguration={"Status": "Enabled"})
    assert [(each.version, each.hidden) for each in store.list("")] == [("", False)]
    client.delete_object(Bucket="aged", Key=f"{prefix}/a")
    assert [(each.version, each.hidden) for each in store.list("")] == [("", True)]
    assert store.get("a") == b"old"
    assert b"".join(store.read("a")) == b"old"
    store.delete("a")
    assert store.list("") == ()


def test_an_expired_key_is_not_taken_for_a_version_that_is_gone(aws: Aws, store: S3Store) -> None:
    version = _write(store, 10).version
    aws.fail(Fault("HeadObject", "error", times=9, status=400, code="ExpiredToken"))
    with pytest.raises(OutsideError):
        store.receipt("data", version)


def test_a_version_of_another_makers_form_is_not_there(aws: Aws, store: S3Store) -> None:
    _write(store, 10)
    aws.fail(Fault("HeadObject", "error", times=9, status=400, code="InvalidArgument"))
    assert store.receipt("data", "2~of-another-maker") is None


def test_a_put_that_was_done_twice_is_ours_and_there_once(aws: Aws, store: S3Store) -> None:
    aws.fail(Fault("PutObject", "lost", times=1))
    assert store.put_new("a", b"1")
    assert [each.hidden for each in store.list("")] == [False]


def test_the_time_is_the_stores(aws: Aws, store: S3Store) -> None:
    aws.fail(Fault("HeadBucket", "skewed", seconds=3600))
    ahead = store.moment() - datetime.now(UTC)
    assert timedelta(minutes=59) < ahead < timedelta(minutes=61)


# -- the proof ---------------------------------------------------------------------------------------------------------


class Kept:
    """A locked backup in a bucket of a real radosgw, and all that its owner could try."""

    def __init__(self, store: S3Store, client: S3Client) -> None:
        self.store, self.client = store, client
        self.bucket, _, self.prefix = store.describe().removeprefix("s3://").partition("/")
        self.until = _until()
        self.data = os.urandom(PART + 1234)
        upload = store.open_write(DATA, lock_until=self.until)
        upload.write(self.data)
        stored = Stored(DATA, hashlib.sha256(self.data).hexdigest(), len(self.data), upload.commit())
        self.manifest = Manifest(
            id=BACKUP,
            target=SHOP,
            database="shop",
            deployment="rs0",
            kind=BackupKind.MANUAL,
            created=datetime(2026, 11, 24, 3, tzinfo=UTC),
            seconds=1,
            created_by="U0SARA",
            surface="slack",
            job=JobId("abcdefghijkl"),
            data=stored,
            raw_bytes=len(self.data),
            packing=Packing(),
            slice=None,
            torn="",
            tool="",
            server="",
            collections=(),
        )
        assert store.put_new(MANIFEST, self.manifest.to_bytes(), lock_until=self.until)
        kept = store.receipt(MANIFEST)
        assert kept is not None
        self.receipts = {DATA: stored.receipt, MANIFEST: kept}

    def must_be_whole(self) -> None:
        """It is found, its data is what was written, and its locks are not shorter than they were."""
        found = Catalogue(SHOP, self.store).find(BACKUP)
        assert found == self.manifest
        assert b"".join(reading(self.store, found.data, lambda _: None)) == self.data
        for key, receipt in self.receipts.items():
            now = self.store.receipt(key, receipt.version)
            assert now is not None
            assert now.locked_until is not None
            assert now.locked_until >= self.until

    def of(self, key: str) -> dict[str, Any]:
        """The arguments that mean exactly the version that is kept."""
        return {"Bucket": self.bucket, "Key": f"{self.prefix}/{key}", "VersionId": self.receipts[key].version}

    def newest(self, key: str) -> dict[str, Any]:
        """The arguments that mean the key alone."""
        return {"Bucket": self.bucket, "Key": f"{self.prefix}/{key}"}


def _retention(mode: str, days: float) -> dict[str, Any]:
    return {"Retention": {"Mode": mode, "RetainUntilDate": _until(days)}}


def _overwritten_in_parts(kept: Kept, key: str) -> None:
    upload = kept.client.create_multipart_upload(**kept.newest(key))["UploadId"]
    where: dict[str, Any] = {**kept.newest(key), "UploadId": upload}
    tag = kept.client.upload_part(**where, PartNumber=1, Body=b"not ours")["ETag"]
    kept.client.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})


def _is_refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except (ClientError, OutsideError):
        return True
    return False


REFUSED: dict[str, Callable[[Kept, str], object]] = {
    "the version is deleted": lambda kept, key: kept.client.delete_object(**kept.of(key)),
    "the version is deleted around governance": lambda kept, key: kept.client.delete_object(
        **kept.of(key), BypassGovernanceRetention=True
    ),
    "the lock is shortened": lambda kept, key: kept.client.put_object_retention(
        **kept.of(key), **_retention("COMPLIANCE", 1)
    ),
    "the lock is shortened around governance": lambda kept, key: kept.client.put_object_retention(
        **kept.of(key), **_retention("COMPLIANCE", 1), BypassGovernanceRetention=True
    ),
    "the lock is weakened": lambda kept, key: kept.client.put_object_retention(
        **kept.of(key), **_retention("GOVERNANCE", 20)
    ),
    "the lock is weakened around governance": lambda kept, key: kept.client.put_object_retention(
        **kept.of(key), **_retention("GOVERNANCE", 20), BypassGovernanceRetention=True
    ),
    "the lock is taken away": lambda kept, key: kept.client.put_object_retention(
        **kept.of(key), Retention={}, BypassGovernanceRetention=True
    ),
    "versions are given up": lambda kept, key: kept.client.put_bucket_versioning(
        Bucket=kept.bucket, VersioningConfiguration={"Status": "Suspended"}
    ),
    "the bucket is deleted": lambda kept, key: kept.client.delete_bucket(Bucket=kept.bucket),
    "the store deletes it": lambda kept, key: kept.store.delete(key),
    "the store deletes the version": lambda kept, key: kept.store.delete(key, version=kept.receipts[key].version),
    "the store uploads another": lambda kept, key: _write(kept.store, 10, key),
    "the store uploads another with a lock": lambda kept, key: _write(kept.store, PART + 1, key, _until()),
}
WITHOUT_EFFECT: dict[str, Callable[[Kept, str], object]] = {
    "the key is deleted": lambda kept, key: kept.client.delete_object(**kept.newest(key)),
    "many versions are deleted": lambda kept, key: kept.client.delete_objects(
        Bucket=kept.bucket, Delete={"Objects": [{"Key": kept.of(key)["Key"], "VersionId": kept.of(key)["VersionId"]}]}
    ),
    "the key is overwritten": lambda kept, key: kept.client.put_object(**kept.newest(key), Body=b"not ours"),
    "the key is overwritten in parts": _overwritten_in_parts,
    "the key is overwritten by a copy of itself": lambda kept, key: kept.client.copy_object(
        **kept.newest(key),
        CopySource={"Bucket": kept.bucket, "Key": kept.of(key)["Key"], "VersionId": kept.of(key)["VersionId"]},
        MetadataDirective="REPLACE",
    ),
    "the legal hold is lifted": lambda kept, key: kept.client.put_object_legal_hold(
        **kept.of(key), LegalHold={"Status": "OFF"}
    ),
    "the default lock gets weaker": lambda kept, key: kept.client.put_object_lock_configuration(
        Bucket=kept.bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
        },
    ),
    "the store shortens the lock": lambda kept, key: kept.store.extend_lock(key, kept.receipts[key].version, _until(1)),
    "the store puts another": lambda kept, key: kept.store.put_new(key, b"not ours"),
    "the store sweeps": lambda kept, key: kept.store.sweep(datetime.now(UTC) + timedelta(days=1)),
}


@contextmanager
def _kept(radosgw: Radosgw, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    bucket = f"kept-{os.urandom(4).hex()}"
    for name, value in radosgw.environment(radosgw.create_user(bucket)).items():
        monkeypatch.setenv(name, value)
    client: S3Client = boto3.session.Session().client("s3", config=Config(retries={"total_max_attempts": 1}))
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    yield Kept(S3Store(f"s3://{bucket}/x", first_part_bytes=PART), client)
    client.close()


@pytest.fixture
def kept(radosgw: Radosgw, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    with _kept(radosgw, monkeypatch) as made:
        yield made


@pytest.fixture
def kept_under_rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    for program in PROGRAMS:
        needs(program)
    with Radosgw(quick_rules=True) as server, _kept(server, monkeypatch) as made:
        yield made


@pytest.mark.xdist_group("radosgw")
def test_nothing_that_the_owner_of_the_bucket_can_do_deletes_or_shortens_a_locked_backup(kept: Kept) -> None:
    kept.must_be_whole()
    for key in (DATA, MANIFEST):
        for name, attempt in REFUSED.items():
            assert _is_refused(lambda attempt=attempt, key=key: attempt(kept, key)), name  # type: ignore[misc]
            kept.must_be_whole()
        for attempt in WITHOUT_EFFECT.values():
            attempt(kept, key)
            kept.must_be_whole()
    listing = Catalogue(SHOP, kept.store).listing()
    assert listing.manifests == (kept.manifest,)
    assert set(listing.hidden) == {DATA, MANIFEST}


@pytest.mark.xdist_group("radosgw")
def test_a_rule_that_lets_all_expire_removes_what_is_not_locked_and_hides_the_rest(kept_under_rules: Kept) -> None:
    """A day of a rule is a second here, so that it is seen to work."""
    kept = kept_under_rules
    loose = kept.store.open_write("loose").commit()
    kept.client.delete_object(**kept.newest("loose"))
    rule: Any = {
        "ID": "everything",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": 1},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }
    kept.client.put_bucket_lifecycle_configuration(Bucket=kept.bucket, LifecycleConfiguration={"Rules": [rule]})
    deadline = time.monotonic() + 60
    while kept.store.receipt("loose", loose.version) is not None or not Catalogue(SHOP, kept.store).listing().hidden:
        assert time.monotonic() < deadline, "the rule did nothing"
        time.sleep(0.2)
    kept.must_be_whole()


@pytest.mark.xdist_group("radosgw")
def test_what_was_written_twice_by_a_repeated_request_is_there_once(kept: Kept) -> None:
    """radosgw takes the repetition for a new version, whatever `If-None-Match` says."""
    bucket = Bucket(kept.store.describe())
    first, again = (bucket.put(f"{kept.prefix}/a", b"1", "our mark", {}) for _ in range(2))
    assert first == again
    assert first
    assert bucket.put(f"{kept.prefix}/a", b"1", "another mark", {}) is None
    assert [each.version for each in bucket.versions_of(f"{kept.prefix}/a")] == [first]


@pytest.mark.xdist_group("radosgw")
def test_a_default_lock_of_another_mode_makes_the_upload_fail_and_says_what_to_do(kept: Kept) -> None:
    """radosgw gives a multipart upload the default lock, and does not let it be made stronger afterwards."""
    WITHOUT_EFFECT["the default lock gets weaker"](kept, DATA)
    assert kept.store.locking().default_mode == "GOVERNANCE"
    with pytest.raises(OutsideError, match="no default lock of another mode"):
        _write(kept.store, PART + 1, "other", _until())


@pytest.mark.xdist_group("radosgw")
def test_a_copy_of_the_audit_record_cannot_be_taken_back_by_the_owner_of_the_bucket(kept: Kept, tmp_path: Path) -> None:
    lines = sealed_record(tmp_path / "audit.jsonl", "event", (3,))
    archive, segment = Archive(kept.store, 30), segment_of(lines, 0, 4)
    archive.put(segment, lines)
    [version] = kept.client.list_object_versions(Bucket=kept.bucket, Prefix=f"{kept.prefix}/audit/")["Versions"]
    found: Any = {"Bucket": kept.bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
    assert _is_refused(lambda: kept.client.delete_object(**found, BypassGovernanceRetention=True))
    assert _is_refused(lambda: kept.client.put_object_retention(**found, **_retention("COMPLIANCE", 1)))
    kept.client.delete_object(Bucket=kept.bucket, Key=version["Key"])
    kept.client.put_object(Bucket=kept.bucket, Key=version["Key"], Body=b"another history")
    assert archive.segments() == (segment,)
    assert list(archive.lines(head_of(lines[0]))) == lines
    found_short = Examiner(fits, {SIGNER.public}, archive)(lines[:2])
    assert "end is missing" in found_short.problem
