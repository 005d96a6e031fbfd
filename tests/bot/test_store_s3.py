"""What only a bucket can do wrong, beyond the contract that every store keeps (tests/contracts/test_store.py)."""

from __future__ import annotations

import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import boto3.session
import pytest
from mypy_boto3_s3.client import S3Client

from bot.adapters.store_s3 import S3Store
from bot.adapters.store_s3 import upload as upload_module
from bot.adapters.store_s3.part import Part
from bot.adapters.store_s3.upload import part_bytes
from handlers.core.words.errors import OutsideError, Refusal
from sandbox.aws import Aws, Fault

MIB = 1024 * 1024
PART = 5 * MIB
"""The smallest that S3 takes."""
HOURS = timedelta(hours=1)


@pytest.fixture(scope="module")
def server() -> Iterator[Aws]:
    with Aws() as aws:
        aws.create_bucket("backups")
        yield aws


@pytest.fixture
def aws(server: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    server.heal()
    return server


@pytest.fixture
def store(aws: Aws, request: pytest.FixtureRequest) -> S3Store:
    return S3Store(f"s3://backups/{request.node.name[:100].replace('[', '-').rstrip(']')}", first_part_bytes=PART)


@pytest.fixture
def client(aws: Aws) -> Iterator[S3Client]:
    made: S3Client = boto3.session.Session().client("s3")
    yield made
    made.close()


def _upload(store: S3Store, data: bytes, key: str = "data") -> None:
    upload = store.open_write(key)
    try:
        upload.write(data)
        upload.commit()
    finally:
        upload.abort()


def _leftovers(store: S3Store) -> int:
    return store.sweep(datetime.now(UTC) + HOURS)


@pytest.mark.parametrize(
    "url",
    ["", "backups", "s3://", "s3:///a", "https://backups/a", "s3://b", "s3://backups/../a", "s3://backups/.a",
     "s3://backups/a b", "s3://key:secret@backups/a", "s3://backups/a?x=1", "s3://backups/a//b", "s3://-backups"],
)  # fmt: skip
def test_what_is_not_the_address_of_a_bucket_is_refused(aws: Aws, url: str) -> None:
    with pytest.raises(Refusal, match="s3://bucket/prefix"):
        S3Store(url)


def test_where_it_is_can_be_told_to_people(aws: Aws) -> None:
    assert S3Store("s3://backups").describe() == "s3://backups"
    assert S3Store("s3://backups/").describe() == "s3://backups"
    assert S3Store("s3://backups/a/b/").describe() == "s3://backups/a/b"


def test_an_endpoint_that_is_not_an_address_is_refused(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "not an address")
    with pytest.raises(Refusal, match="AWS_ENDPOINT_URL_S3"):
        S3Store("s3://backups")


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "secret key is wrong"),
        ({"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN"}, "access key is not known"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"},
         "no credentials"),
    ],
)  # fmt: skip
def test_wrong_credentials_are_told_without_telling_them(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], reason: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    store = S3Store("s3://backups/x")
    for touch in (store.get, store.list, lambda key: store.put_new(key, b"1"), lambda key: list(store.read(key))):
        with pytest.raises(OutsideError, match=reason) as caught:
            touch("a")
        assert caught.value.permanent
        assert aws.access_key not in str(caught.value)


def test_a_bucket_that_is_missing_is_told(aws: Aws) -> None:
    store = S3Store("s3://no-such-bucket/x", first_part_bytes=PART)
    for touch in (
        lambda: store.list(""),
        lambda: store.put_new("a", b""),
        lambda: store.open_write("a").write(bytes(PART)),
        lambda: store.sweep(datetime.now(UTC)),
    ):
        with pytest.raises(OutsideError, match="bucket does not exist") as caught:
            touch()
        assert caught.value.permanent


def test_a_server_that_is_gone_is_told_soon_and_may_come_back(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    store = S3Store("s3://backups/x")
    began = time.monotonic()
    with pytest.raises(OutsideError, match="cannot be reached") as caught:
        store.get("a")
    assert not caught.value.permanent
    assert time.monotonic() - began < 15


def test_a_server_that_does_not_answer_is_given_up(aws: Aws) -> None:
    store = S3Store("s3://backups/slow", read_timeout_seconds=0.3)
    store.put_new("a", b"1")
    aws.fail(Fault("GetObject", "delay", times=9, seconds=1))
    with pytest.raises(OutsideError, match="did not answer in time"):
        store.get("a")
    assert aws.served()["GetObject"] == 3


@pytest.mark.parametrize("operation", ["PutObject", "HeadObject", "GetObject", "ListObjectVersions", "DeleteObject"])
@pytest.mark.parametrize("kind", ["error", "cut", "lost"])
def test_a_fault_that_passes_is_not_noticed(aws: Aws, store: S3Store, operation: str, kind: str) -> None:
    aws.fail(Fault(operation, kind, times=2))  # type: ignore[arg-type]
    assert store.put_new("a", b"1")
    assert not store.put_new("a", b"2")
    assert store.get("a") == b"1"
    assert [artifact.key for artifact in store.list("")] == ["a"]
    store.delete("a")
    assert store.get("a") is None
    assert aws.served()[operation] >= 2


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
@pytest.mark.parametrize("kind", ["error", "cut", "lost"])
def test_an_upload_survives_a_fault_that_passes(aws: Aws, store: S3Store, operation: str, kind: str) -> None:
    data = os.urandom(2 * PART + 17)
    aws.fail(Fault(operation, kind, times=1))  # type: ignore[arg-type]
    _upload(store, data)
    assert b"".join(store.read("data")) == data


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "PutObject"])
def test_an_upload_that_fails_leaves_nothing(aws: Aws, store: S3Store, operation: str) -> None:
    aws.fail(Fault(operation, "error", times=99))
    with pytest.raises(OutsideError, match="InternalError") as caught:
        _upload(store, bytes(1000 if operation == "PutObject" else 3 * PART))
    assert not caught.value.permanent
    assert store.list("") == ()
    assert _leftovers(store) == 0


def test_a_failed_part_stops_the_writing(aws: Aws, store: S3Store) -> None:
    aws.fail(Fault("UploadPart", "error", times=99, status=403, code="AccessDenied"))
    upload = store.open_write("data")
    with pytest.raises(OutsideError, match="may not do this"):
        upload.write(bytes(20 * PART))
    upload.abort()
    assert aws.served()["UploadPart"] < 6
    assert _leftovers(store) == 0


def test_when_a_part_was_given_up_for_silence_no_further_one_is_tried(aws: Aws) -> None:
    store = S3Store("s3://backups/silent", read_timeout_seconds=0.3, first_part_bytes=PART)
    aws.fail(Fault("UploadPart", "delay", times=99, seconds=2))
    upload = store.open_write("data")
    with pytest.raises(OutsideError, match="did not answer in time"):
        upload.write(bytes(20 * PART))
    upload.abort()
    assert aws.served()["UploadPart"] <= 6


def test_after_a_silence_little_is_waited_for_until_there_is_an_answer(aws: Aws) -> None:
    store = S3Store("s3://backups/silent", read_timeout_seconds=0.5)
    fault = Fault("ListObjectVersions", "delay", times=99, seconds=2)
    aws.fail(fault)
    for tried in (3, 4, 5):
        with pytest.raises(OutsideError, match="did not answer in time"):
            store.list("")
        assert aws.served()["ListObjectVersions"] == tried
    aws.heal()
    assert store.list("") == ()
    before = aws.served()["ListObjectVersions"]
    aws.fail(fault)
    with pytest.raises(OutsideError, match="did not answer in time"):
        store.list("")
    assert aws.served()["ListObjectVersions"] == before + 3


class Slow(BaseHTTPRequestHandler):
    """Takes what is sent slowly, but always more of it."""

    protocol_version = "HTTP/1.1"
    taken: ClassVar[list[int]] = []

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        self.taken.append(left)
        while left:
            left -= len(self.rfile.read(min(left, 64 * 1024)))
            time.sleep(0.005)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_an_upload_that_is_slow_but_moves_is_not_given_up(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some ten megabytes a second for longer than the silence that is given up."""
    Slow.taken.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow, bind_and_activate=False) as server:
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        server.server_bind()
        server.server_activate()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        try:
            assert S3Store("s3://backups/x", read_timeout_seconds=1.5).put_new("a", bytes(40 * MIB))
        finally:
            server.shutdown()
    assert Slow.taken == [40 * MIB]


def test_no_part_is_under_way_any_more_after_an_abort(aws: Aws, store: S3Store) -> None:
    aws.fail(Fault("UploadPart", "delay", times=9, seconds=0.3))
    upload = store.open_write("data")
    upload.write(bytes(2 * PART))
    upload.abort()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("s3-upload")]


def test_when_an_abort_fails_a_sweep_finds_the_rest(aws: Aws, store: S3Store) -> None:
    aws.fail(Fault("AbortMultipartUpload", "error", times=3))
    upload = store.open_write("data")
    upload.write(bytes(PART + 1))
    upload.abort()
    assert _leftovers(store) == 1


def test_a_commit_of_which_nobody_knows_the_end_is_withdrawn(aws: Aws, store: S3Store) -> None:
    aws.fail(Fault("CompleteMultipartUpload", "lost", times=3))
    aws.fail(Fault("HeadObject", "error", times=3))
    with pytest.raises(OutsideError):
        _upload(store, bytes(PART + 1))
    assert store.list("") == ()
    assert _leftovers(store) == 0


def test_a_lost_answer_does_not_make_ours_somebody_elses(aws: Aws, store: S3Store) -> None:
    aws.fail(Fault("PutObject", "lost", times=3))
    assert store.put_new("a", b"same")
    aws.fail(Fault("PutObject", "lost", times=3))
    assert not store.put_new("a", b"same")
    _, other = store.put_new("b", b"1"), S3Store(store.describe(), first_part_bytes=PART)
    aws.fail(Fault("CompleteMultipartUpload", "cut", times=3))
    with pytest.raises(OutsideError, match="there already"):
        _upload(other, bytes(PART + 1), "b")
    assert store.get("b") == b"1"


def test_a_conflict_is_asked_again(aws: Aws, store: S3Store) -> None:
    aws.fail(Fault("PutObject", "error", times=1, status=409, code="ConditionalRequestConflict"))
    assert store.put_new("a", b"1")
    aws.fail(Fault("PutObject", "error", times=9, status=409, code="ConditionalRequestConflict"))
    with pytest.raises(OutsideError) as caught:
        store.put_new("b", b"1")
    assert not caught.value.permanent


@pytest.mark.parametrize("at", [0, 1, MIB - 1, MIB, 3 * MIB + 5])
def test_reading_goes_on_where_it_broke(aws: Aws, store: S3Store, at: int) -> None:
    data = os.urandom(4 * MIB)
    _upload(store, data)
    aws.fail(Fault("GetObject", "short", times=1, bytes=at))
    assert b"".join(store.read("data")) == data
    assert aws.served()["GetObject"] == 2


def test_reading_that_never_gets_further_ends(aws: Aws, store: S3Store) -> None:
    store.put_new("data", bytes(4 * MIB))
    aws.fail(Fault("GetObject", "short", times=99, bytes=0))
    with pytest.raises(OutsideError, match="cannot be reached"):
        list(store.read("data"))
    assert aws.served()["GetObject"] == 3


def test_reading_never_goes_on_in_another_artifact(aws: Aws, store: S3Store) -> None:
    store.put_new("data", b"1" * 4 * MIB)
    aws.fail(Fault("GetObject", "short", times=1, bytes=2 * MIB))
    pieces = store.read("data")
    assert next(pieces) == b"1" * MIB
    store.delete("data")
    store.put_new("data", b"2" * 4 * MIB)
    with pytest.raises(OutsideError) as caught:
        list(pieces)
    assert caught.value.permanent


def test_memory_stays_at_three_parts_and_two_are_sent_at_once(
    aws: Aws, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms: list[int] = []

    def counted(room_bytes: int) -> Part:
        rooms.append(room_bytes)
        return Part(room_bytes)

    monkeypatch.setattr(upload_module, "Part", counted)
    aws.fail(Fault("UploadPart", "delay", times=99, seconds=0.1))
    store.list("")
    upload, piece, senders = store.open_write("data"), bytes(MIB), 0
    tracemalloc.start()
    for _ in range(60):
        upload.write(piece)
        senders = max(senders, sum(thread.name.startswith("s3-upload") for thread in threading.enumerate()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    upload.commit()
    assert peak < PART  # beside the parts, whose memory is mapped
    assert rooms == [PART] * 3
    assert senders == 2
    assert aws.served()["UploadPart"] == 12


def test_ten_thousand_parts_hold_more_than_s3_does() -> None:
    sizes = [part_bytes(number) for number in range(1, 10_001)]
    assert sizes[0] == sizes[4599] == 6 * MIB
    assert sizes[4600] == sizes[5499] == 18 * MIB
    assert sizes[5500] == 54 * MIB
    assert max(sizes) <= 5 * 1024**3
    assert sum(sizes) >= 5 * 1024**4


def test_more_than_a_page_of_artifacts_is_listed(store: S3Store, client: S3Client) -> None:
    prefix = store.describe().removeprefix("s3://backups/")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: client.put_object(Bucket="backups", Key=f"{prefix}/a/{n:04d}"), range(1003)))
    assert [artifact.key for artifact in store.list("a/")] == [f"a/{number:04d}" for number in range(1003)]


def test_what_is_beside_our_prefix_is_not_ours(aws: Aws, store: S3Store, client: S3Client) -> None:
    store.put_new("a", b"1")
    prefix = store.describe().removeprefix("s3://backups/")
    for key in (f"{prefix}2/a", f"{prefix}/.hidden", f"{prefix}/a b", f"{prefix}/folder/", prefix):
        client.put_object(Bucket="backups", Key=key, Body=b"")
    client.create_multipart_upload(Bucket="backups", Key=f"{prefix}2/a")
    assert [artifact.key for artifact in store.list("")] == ["a"]
    assert _leftovers(store) == 0
