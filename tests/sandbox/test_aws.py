"""The local S3 is as strict as the real one, in what the bot relies on and moto alone lets through."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from mypy_boto3_s3.client import S3Client
from mypy_boto3_s3.type_defs import CompletedMultipartUploadTypeDef

from sandbox.aws import Aws, Fault

PART = bytes(5 * 1024 * 1024)


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with Aws() as server:
        server.create_bucket("bucket")
        server.create_bucket("locked", lock=True)
        yield server


def _client(aws: Aws, access_key: str = "", secret_key: str = "") -> S3Client:
    made: S3Client = boto3.session.Session().client(
        "s3",
        endpoint_url=aws.url,
        region_name="us-east-1",
        aws_access_key_id=access_key or aws.access_key,
        aws_secret_access_key=secret_key or aws.secret_key,
        config=Config(retries={"total_max_attempts": 1}, request_checksum_calculation="when_required"),
    )
    return made


@pytest.fixture
def client(aws: Aws) -> Iterator[S3Client]:
    aws.heal()
    made = _client(aws)
    yield made
    made.close()


def _parts(client: S3Client, key: str, count: int = 1) -> tuple[str, CompletedMultipartUploadTypeDef]:
    upload = client.create_multipart_upload(Bucket="bucket", Key=key)["UploadId"]
    tags = [
        client.upload_part(Bucket="bucket", Key=key, UploadId=upload, PartNumber=number, Body=PART)["ETag"]
        for number in range(1, count + 1)
    ]
    return upload, {"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, start=1)]}


def test_nobody_is_let_in_without_the_key(aws: Aws) -> None:
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        _client(aws, access_key="AKIAOTHER").list_objects_v2(Bucket="bucket")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        _client(aws, secret_key="other").list_objects_v2(Bucket="bucket")
    connection = http.client.HTTPConnection("127.0.0.1", aws.port, timeout=5)
    connection.request("GET", "/bucket")
    assert connection.getresponse().status == 403
    connection.close()


def test_every_spelling_of_a_key_can_be_signed(client: S3Client) -> None:
    for key in ("a", "a b", "a+b", "a/b//c", "ä/?&=%20", "~!*'()"):
        client.put_object(Bucket="bucket", Key=key, Body=b"1", Metadata={"spaces": "a  b"})
        assert client.get_object(Bucket="bucket", Key=key)["Body"].read() == b"1"
        assert client.list_objects_v2(Bucket="bucket", Prefix=key, MaxKeys=1)["KeyCount"] == 1


def test_if_none_match_counts_for_a_completed_upload_too(client: S3Client) -> None:
    client.put_object(Bucket="bucket", Key="taken", Body=b"1")
    upload, parts = _parts(client, "taken")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.complete_multipart_upload(
            Bucket="bucket", Key="taken", UploadId=upload, MultipartUpload=parts, IfNoneMatch="*"
        )
    assert client.get_object(Bucket="bucket", Key="taken")["Body"].read() == b"1"
    client.complete_multipart_upload(Bucket="bucket", Key="taken", UploadId=upload, MultipartUpload=parts)
    assert client.head_object(Bucket="bucket", Key="taken")["ContentLength"] == len(PART)


def test_of_many_conditional_puts_one_is_done(client: S3Client) -> None:
    def put(number: int) -> str:
        try:
            client.put_object(Bucket="bucket", Key="race", Body=b"%d" % number, IfNoneMatch="*")
        except ClientError as error:
            return error.response["Error"].get("Code", "")
        return "done"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(put, range(40))) == ["PreconditionFailed"] * 39 + ["done"]


def test_an_unfinished_upload_is_listed_with_the_time_it_began(client: S3Client) -> None:
    before = datetime.now(UTC)
    upload, parts = _parts(client, "unfinished")
    (listed,) = client.list_multipart_uploads(Bucket="bucket", Prefix="unfinished")["Uploads"]
    assert listed["UploadId"] == upload
    assert before - timedelta(seconds=1) <= listed["Initiated"] <= datetime.now(UTC)
    client.abort_multipart_upload(Bucket="bucket", Key="unfinished", UploadId=upload)
    with pytest.raises(ClientError, match="NoSuchUpload"):
        client.abort_multipart_upload(Bucket="bucket", Key="unfinished", UploadId=upload)
    with pytest.raises(ClientError, match="NoSuchUpload"):
        client.upload_part(Bucket="bucket", Key="unfinished", UploadId=upload, PartNumber=1, Body=b"")
    with pytest.raises(ClientError, match="NoSuchUpload"):
        client.complete_multipart_upload(Bucket="bucket", Key="unfinished", UploadId=upload, MultipartUpload=parts)


def test_a_part_without_the_checksum_that_was_announced_is_refused(client: S3Client) -> None:
    upload = client.create_multipart_upload(Bucket="bucket", Key="a", ChecksumAlgorithm="SHA256")["UploadId"]
    with pytest.raises(ClientError, match="InvalidRequest"):
        client.upload_part(Bucket="bucket", Key="a", UploadId=upload, PartNumber=1, Body=b"data")
    client.abort_multipart_upload(Bucket="bucket", Key="a", UploadId=upload)


def test_faults_come_as_ordered_and_are_counted(aws: Aws, client: S3Client) -> None:
    client.put_object(Bucket="bucket", Key="a", Body=b"1")
    aws.fail(Fault("HeadObject", "error", skip=1, status=503, code="SlowDown"))
    client.head_object(Bucket="bucket", Key="a")
    with pytest.raises(ClientError, match="503"):
        client.head_object(Bucket="bucket", Key="a")
    client.head_object(Bucket="bucket", Key="a")
    assert aws.served()["HeadObject"] == 3
    aws.heal()
    assert aws.served() == {}


def test_the_gate_refuses_damaged_data(client: S3Client) -> None:
    wrong = "A" * 43 + "="
    for request in ({"ChecksumSHA256": wrong}, {"ContentMD5": "A" * 22 + "=="}):
        with pytest.raises(ClientError, match="BadDigest"):
            client.put_object(Bucket="bucket", Key="damaged", Body=b"data", **request)  # type: ignore[arg-type]
    upload = client.create_multipart_upload(Bucket="bucket", Key="damaged", ChecksumAlgorithm="SHA256")["UploadId"]
    with pytest.raises(ClientError, match="BadDigest"):
        client.upload_part(
            Bucket="bucket", Key="damaged", UploadId=upload, PartNumber=1, Body=b"data", ChecksumSHA256=wrong
        )
    part = client.upload_part(
        Bucket="bucket", Key="damaged", UploadId=upload, PartNumber=1, Body=b"data", ChecksumAlgorithm="SHA256"
    )
    with pytest.raises(ClientError, match="InvalidPart"):
        client.complete_multipart_upload(
            Bucket="bucket",
            Key="damaged",
            UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": wrong}]},
        )
    client.abort_multipart_upload(Bucket="bucket", Key="damaged", UploadId=upload)


# -- Object Lock -------------------------------------------------------------------------------------------------------

DAY = timedelta(days=1)


def _refused(code: str, request: Callable[[], object]) -> None:
    with pytest.raises(ClientError) as caught:
        request()
    assert caught.value.response["Error"].get("Code") == code


def _until(days: float) -> datetime:
    return (datetime.now(UTC) + days * DAY).replace(microsecond=0)


def _lock(mode: str, days: float = 10) -> dict[str, Any]:
    return {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": _until(days)}


def _locked(client: S3Client, key: str, mode: str) -> str:
    """The version of a small locked object."""
    lock: dict[str, Any] = _lock(mode)
    return client.put_object(Bucket="locked", Key=key, Body=b"1", ChecksumAlgorithm="SHA256", **lock)["VersionId"]


def _held(client: S3Client, key: str, version: str) -> tuple[str, datetime]:
    head = client.head_object(Bucket="locked", Key=key, VersionId=version)
    return head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]


def _retain(client: S3Client, key: str, version: str, mode: str, days: float) -> object:
    retention: Any = {"Mode": mode, "RetainUntilDate": _until(days)}
    return client.put_object_retention(Bucket="locked", Key=key, VersionId=version, Retention=retention)


@pytest.mark.parametrize("mode", ["COMPLIANCE", "GOVERNANCE"])
def test_a_lock_is_extended_and_neither_shortened_nor_changed_nor_removed(client: S3Client, mode: str) -> None:
    version, key = _locked(client, mode, mode), mode
    other = {"COMPLIANCE": "GOVERNANCE", "GOVERNANCE": "COMPLIANCE"}[mode]
    empty: Any = {}
    _refused("AccessDenied", lambda: _retain(client, key, version, mode, 9))
    _refused("AccessDenied", lambda: _retain(client, key, version, other, 20))
    for bypass in (False, True):
        _refused(
            "AccessDenied",
            lambda bypass=bypass: client.put_object_retention(  # type: ignore[misc]
                Bucket="locked", Key=key, VersionId=version, Retention=empty, BypassGovernanceRetention=bypass
            ),
        )
    _retain(client, key, version, mode, 20)
    said, until = _held(client, key, version)
    assert said == mode
    assert abs(until - _until(20)) < timedelta(minutes=1)


@pytest.mark.parametrize("mode", ["COMPLIANCE", "GOVERNANCE"])
def test_a_locked_version_is_not_deleted(aws: Aws, client: S3Client, mode: str) -> None:
    key = f"stays/{mode}"
    version = _locked(client, key, mode)
    both: Any = {"Objects": [{"Key": key, "VersionId": version}, {"Key": "other"}]}
    _refused("AccessDenied", lambda: client.delete_object(Bucket="locked", Key=key, VersionId=version))
    _refused("AccessDenied", lambda: client.delete_objects(Bucket="locked", Delete=both))
    _refused(
        "AccessDenied",
        lambda: client.delete_object(Bucket="locked", Key=key, VersionId=version, BypassGovernanceRetention=True),
    )
    assert aws.served()["BypassGovernanceRetention"] == 1
    assert client.delete_object(Bucket="locked", Key=key)["DeleteMarker"]
    assert client.get_object(Bucket="locked", Key=key, VersionId=version)["Body"].read() == b"1"


def test_a_lock_ends_by_itself(client: S3Client) -> None:
    lock: Any = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": datetime.now(UTC) + timedelta(seconds=6)}
    made = client.put_object(Bucket="locked", Key="short", Body=b"1", ChecksumAlgorithm="SHA256", **lock)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            client.delete_object(Bucket="locked", Key="short", VersionId=made["VersionId"])
        except ClientError:
            time.sleep(0.2)
        else:
            break
    assert client.list_object_versions(Bucket="locked", Prefix="short").get("Versions", []) == []


@pytest.mark.parametrize("lock", [_lock("COMPLIANCE", -1), {"ObjectLockMode": "COMPLIANCE"}], ids=["past", "no time"])
def test_a_lock_needs_a_time_that_is_to_come(client: S3Client, lock: dict[str, Any]) -> None:
    _refused(
        "InvalidArgument",
        lambda: client.put_object(Bucket="locked", Key="a", Body=b"1", ChecksumAlgorithm="SHA256", **lock),
    )
    _refused("InvalidArgument", lambda: client.create_multipart_upload(Bucket="locked", Key="a", **lock))
    version = _locked(client, "in time", "COMPLIANCE")
    _refused("InvalidArgument", lambda: _retain(client, "in time", version, "COMPLIANCE", -1))


def test_a_bucket_without_object_lock_locks_nothing(client: S3Client) -> None:
    lock: dict[str, Any] = _lock("COMPLIANCE")
    client.put_object(Bucket="bucket", Key="plain", Body=b"1")
    _refused(
        "InvalidRequest",
        lambda: client.put_object(Bucket="bucket", Key="a", Body=b"1", ChecksumAlgorithm="SHA256", **lock),
    )
    _refused("InvalidRequest", lambda: client.create_multipart_upload(Bucket="bucket", Key="a", **lock))
    retention: Any = {"Mode": "COMPLIANCE", "RetainUntilDate": _until(1)}
    _refused("InvalidRequest", lambda: client.put_object_retention(Bucket="bucket", Key="plain", Retention=retention))


def test_a_locked_put_needs_a_checksum(client: S3Client) -> None:
    lock: dict[str, Any] = _lock("COMPLIANCE")
    with pytest.raises(ClientError, match="required to upload an object with a retention"):
        client.put_object(Bucket="locked", Key="a", Body=b"1", **lock)


@pytest.mark.parametrize("given", ["its own lock", "the bucket's default"])
def test_a_multipart_upload_keeps_its_lock(aws: Aws, client: S3Client, given: str) -> None:
    bucket, lock = given.translate({ord(" "): "-", ord("'"): None}), {}
    aws.create_bucket(bucket, lock=True)
    if given == "its own lock":
        lock = _lock("COMPLIANCE")
    else:
        default: Any = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 10}}
        client.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": default}
        )
    upload = client.create_multipart_upload(Bucket=bucket, Key="a", **lock)["UploadId"]
    tag = client.upload_part(Bucket=bucket, Key="a", UploadId=upload, PartNumber=1, Body=PART)["ETag"]
    made = client.complete_multipart_upload(
        Bucket=bucket, Key="a", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]}
    )
    head = client.head_object(Bucket=bucket, Key="a", VersionId=made["VersionId"])
    assert head["ObjectLockMode"] == "COMPLIANCE"
    assert abs(head["ObjectLockRetainUntilDate"] - _until(10)) < timedelta(minutes=1)
    _refused("AccessDenied", lambda: client.delete_object(Bucket=bucket, Key="a", VersionId=made["VersionId"]))


def test_versioning_of_a_locking_bucket_is_not_suspended(client: S3Client) -> None:
    suspended: Any = {"Status": "Suspended"}
    _refused(
        "InvalidBucketState",
        lambda: client.put_bucket_versioning(Bucket="locked", VersioningConfiguration=suspended),
    )
    assert client.get_bucket_versioning(Bucket="locked")["Status"] == "Enabled"


def test_a_deaf_store_and_a_skewed_clock_can_be_ordered(aws: Aws, client: S3Client) -> None:
    aws.fail(Fault("PutObject", "deaf"))
    aws.fail(Fault("PutObjectRetention", "deaf"))
    version = _locked(client, "deaf", "COMPLIANCE")
    _retain(client, "deaf", version, "COMPLIANCE", 1)
    assert "ObjectLockMode" not in client.head_object(Bucket="locked", Key="deaf", VersionId=version)
    aws.fail(Fault("HeadBucket", "skewed", seconds=86400))
    said = client.head_bucket(Bucket="locked")["ResponseMetadata"]["HTTPHeaders"]["date"]
    assert abs(parsedate_to_datetime(said) - _until(1)) < timedelta(minutes=1)
