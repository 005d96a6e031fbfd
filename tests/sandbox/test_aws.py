"""The local S3 is as strict as the real one, in what the bot relies on and moto alone lets through."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

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
