"""A shop whose backups are in a bucket at the other end of a wire, and what must be true whatever becomes of the wire.

- The store is a real radosgw. What is there is looked at without the wire, and by nothing that remembers.
- The network returns when a worker waits for it the second time: until then nobody can know what is true.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3.session
import pytest
from mypy_boto3_s3.client import S3Client
from pymongo import MongoClient

from bot.adapters.store_s3 import S3Store
from bot.worker import Beat
from handlers.core.backups.catalogue import Catalogue
from handlers.core.formats.evidence import Standing
from handlers.core.formats.manifests import Manifest
from handlers.core.ports import Artifact
from handlers.core.restores.switches import RESERVED
from handlers.core.words.jobs import Job, JobState
from sandbox.demo import shop
from sandbox.servers.link import Cut
from sandbox.servers.mongod import Mongod
from sandbox.servers.radosgw import Radosgw
from sandbox.servers.wire import Wire
from tests.chaos.house import SHOP, House, house
from tests.fakes import someone

PART_BYTES = 5 * 2**20
"""The smallest that S3 takes."""
ANSWER_SECONDS = 1.0
"""How long an answer is waited for here; 45 in earnest."""
PEOPLE = iter(f"U{number:08X}" for number in range(1, 1 << 20))


class AgingStore(S3Store):
    """The real one, with a clock that can be ahead."""

    ahead = timedelta()
    since = datetime.max.replace(tzinfo=UTC)
    """What was written after it was written by that clock."""

    def moment(self) -> datetime:
        return super().moment() + self.ahead

    def list(self, prefix: str) -> tuple[Artifact, ...]:
        return tuple(
            replace(each, modified=each.modified + self.ahead) if each.modified >= self.since else each
            for each in super().list(prefix)
        )


@dataclass
class Scene:
    """See the module. `straight`: the store without the wire; `backed_up`, `live`: the shop as it was saved, and as it
    went on."""

    house: House
    straight: S3Store
    wire: Wire
    client: S3Client
    uri: str
    backed_up: dict[str, Any]
    live: dict[str, Any]
    waits: int = 0

    def done(self, *words: str, returns: int = 2) -> Job:
        """A job, worked to its end. `returns`: the wait at which the network does; 0: never."""
        self.waits = 0

        def waiting() -> None:
            self.waits += 1
            if self.waits == returns:
                self.wire.mend()

        self.house.clock.meanwhile = waiting
        job = self.house.asked(*words, by=someone(next(PEOPLE)))
        with Beat(self.house.desk):
            self.house.desk.work(job)
        return self.house.loaded(job)

    def cut(self, cut: Cut, *words: str) -> Job:
        """A job during which the wire is cut; then it is whole again."""
        self.wire.cut(cut)
        ended = self.done(*words)
        assert self.wire.done.is_set(), f"{cut} was not reached: {self.wire.requests}"
        self.wire.mend()
        return ended

    def listed(self) -> tuple[Manifest, ...]:
        """What is listed; each of it is whole, and none is suspected."""
        catalogue = Catalogue(SHOP, self.straight)
        listing = catalogue.listing()
        assert not listing.damaged
        assert not listing.absent
        for manifest in listing.manifests:
            for file in manifest.files:
                stored = b"".join(self.straight.read(file.key, version=file.receipt.version))
                assert hashlib.sha256(stored).hexdigest() == file.sha256
            assert catalogue.dossier.standing(manifest.id).standing is not Standing.QUARANTINED
        return listing.manifests

    def nothing_half_made(self) -> None:
        """Every file belongs to a listed backup, no upload is unfinished, nothing is staged, nobody is busy."""
        known = {file.key for manifest in self.listed() for file in manifest.files}
        there = {each.key for each in self.straight.list("v1/shop/full/") if each.key.endswith(".zst")}
        assert there ^ known == set()
        bucket = self.straight.describe().removeprefix("s3://")
        assert "Uploads" not in self.client.list_multipart_uploads(Bucket=bucket)
        with MongoClient[dict[str, Any]](self.uri) as client:
            names = client.get_default_database().list_collection_names()
        assert [name for name in names if name.removeprefix("system.buckets.").startswith(RESERVED)] == []
        assert self.house.desk.holder(SHOP) is None

    def age(self) -> None:
        """Two days go by, for the bot and for the store."""
        assert isinstance(self.house.store, AgingStore)
        self.house.store.since = self.straight.moment()
        self.house.clock.ahead = self.house.store.ahead = timedelta(days=2)

    def the_next_one_works(self) -> None:
        """A backup after all that."""
        before = len(self.listed())
        assert self.done("backup", "now").state is JobState.DONE
        assert len(self.listed()) == before + 1


@contextmanager
def cut_scene(
    radosgw: Radosgw,
    mongod: Mongod,
    name: str,
    given: tuple[str, str, Path],
    monkeypatch: pytest.MonkeyPatch,
    *,
    fat: int = 90,
    keep_hours: int = 0,
    answer_seconds: float = ANSWER_SECONDS,
) -> Iterator[Scene]:
    """Sets one. `name`: a database of its own; `given`: the address of a Redis, a PATH, a folder; `fat`: how many
    documents of 200 kB that do not compress, so that the archive goes in parts and does not fit into buffers."""
    redis_url, path, folder = given
    bucket, uri = f"cut-{os.urandom(4).hex()}", mongod.uri(name)
    for variable, value in radosgw.environment(radosgw.create_user(bucket)).items():
        monkeypatch.setenv(variable, value)
    client: S3Client = boto3.session.Session().client("s3")
    # It has versions; without a mode, nothing is locked, so that what is left of a cut can go at once.
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    straight = S3Store(f"s3://{bucket}", lock_mode="none")
    with ExitStack() as ending, Wire(urlsplit(radosgw.url).port or 0) as wire:
        ending.callback(client.close)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", wire.url)
        store = AgingStore(
            f"s3://{bucket}", lock_mode="none", read_timeout_seconds=answer_seconds, first_part_bytes=PART_BYTES
        )
        shop.plant(uri, orders=40)
        with MongoClient[dict[str, Any]](uri) as mongo:
            many = mongo.get_default_database().fat
            many.insert_many({"_id": number, "bytes": os.urandom(200_000)} for number in range(fat))
        built = house(uri, redis_url, folder, path, elsewhere=store, keep_hours=keep_hours)
        ending.callback(built.database.close)
        scene = Scene(built, straight, wire, client, uri, shop.picture(uri), {})
        assert scene.done("backup", "now").state is JobState.DONE
        shop.live_on(uri)
        scene.live = shop.picture(uri)
        yield scene
