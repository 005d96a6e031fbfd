"""Somebody with the bot's keys deletes everything in the bucket: the backup is still listed, and restored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from mypy_boto3_s3.client import S3Client
from pymongo import MongoClient

from bot.adapters.store_s3 import S3Store
from handlers.core.words.answers import Invocation
from handlers.core.words.jobs import JobState
from sandbox.demo import shop
from sandbox.servers.mongod import Mongod
from sandbox.servers.radosgw import Radosgw
from tests.chaos.house import SARA, House, house

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("radosgw")]


@pytest.fixture
def store(radosgw: Radosgw, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    bucket = f"hidden-{os.urandom(4).hex()}"
    for name, value in radosgw.environment(radosgw.create_user(bucket)).items():
        monkeypatch.setenv(name, value)
    client: S3Client = boto3.session.Session().client("s3")
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    client.close()
    return S3Store(f"s3://{bucket}")


def _everything_deleted(store: S3Store) -> None:
    """As `aws s3 rm --recursive` does it."""
    client: S3Client = boto3.session.Session().client("s3")
    bucket = store.describe().removeprefix("s3://")
    for each in client.list_objects_v2(Bucket=bucket)["Contents"]:
        client.delete_object(Bucket=bucket, Key=each["Key"])
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    client.close()


def _said(built: House, word: str) -> str:
    answer: Any = built.desk.ask(Invocation("backup", (word,), SARA, "C0OPS"))
    return "\n".join(map(str, answer.card.lines))


def test_a_backup_that_was_hidden_is_listed_with_a_warning_and_restored(
    store: S3Store, mongod: Mongod, database: str, redis_url: str, tools_path: str, tmp_path: Path
) -> None:
    uri = mongod.uri(database)
    shop.plant(uri, orders=40)
    built = house(uri, redis_url, tmp_path, tools_path, elsewhere=store)
    made = built.asked("backup", "now")
    built.desk.work(made)
    assert built.loaded(made).state is JobState.DONE
    before = shop.picture(uri)
    shop.live_on(uri)
    _everything_deleted(store)

    another = house(uri, redis_url, tmp_path, tools_path, elsewhere=store)
    assert "somebody hid it" in _said(another, "list")
    assert "somebody hid it" in _said(another, "status")
    job = another.asked("restore", "latest")
    another.desk.work(job)
    assert another.loaded(job).state is JobState.DONE, another.loaded(job)
    assert shop.picture(uri) == before
    for each in (built, another):
        each.database.close()
    with MongoClient[dict[str, Any]](uri) as client:
        client.drop_database(database)
