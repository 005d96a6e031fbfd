"""docs/backup-format.md is honest: its schema takes every manifest and nothing else, and its steps restore a backup."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import pyrage
import pytest
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pymongo.database import Database

from bot.adapters.clock import SystemClock
from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.packing import Packer
from bot.adapters.store_directory import DirectoryStore
from handlers.core.backups.catalogue import data_key, folder
from handlers.core.backups.timelines import Follower
from handlers.core.formats.manifests import BackupKind, Manifest, incomplete
from handlers.core.formats.objects import Packing, Slice, Stored
from handlers.core.formats.optimes import OpTime
from handlers.core.words.answers import BackupId, JobId, TargetName
from handlers.core.words.digests import canonical, digest
from sandbox.servers.mongod import Mongod
from tests.bot.mongo.stock import dumped, fill
from tests.chaos.archives import packed_whole
from tests.chaos.damage import world
from tests.conftest import needs
from tests.handlers.test_manifests import MANIFESTS

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "backup-format.md").read_text()
SCHEMA = json.loads((DOCS / "manifest.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
ID, SHOP = BackupId("20261124t030000z-k3v9qa".replace("9", "2")), TargetName("shop")
SECRET = str(pyrage.x25519.Identity.generate())
PUBLIC = str(pyrage.x25519.Identity.from_str(SECRET).to_public())
PACKINGS = st.builds(Packing, st.integers(1, 19), st.sampled_from([(), (PUBLIC,), (PUBLIC, PUBLIC)]))


def at_home(manifest: Manifest, packing: Packing) -> Manifest:
    """A made-up manifest with an id and keys such as there are."""
    data = replace(manifest.data, key=data_key(manifest.target, ID, packing))
    slice_ = manifest.slice
    if slice_ is not None:
        key = f"{folder(manifest.target, ID)}/oplog.bson{packing.suffix}"
        slice_ = replace(slice_, stored=replace(slice_.stored, key=key))
    return replace(manifest, id=ID, data=data, slice=slice_, packing=packing)


MADE_UP = st.builds(at_home, MANIFESTS.filter(lambda each: "\n" not in each.target), PACKINGS)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@given(MADE_UP)
def test_every_manifest_is_of_the_schema(manifest: Manifest) -> None:
    VALIDATOR.validate(json.loads(manifest.to_bytes()))


@pytest.mark.parametrize("encrypted", [False, True])
def test_the_manifests_of_real_backups_are_of_the_schema(*, encrypted: bool) -> None:
    there = world(encrypted=encrypted)
    for manifest in (there.first, there.second):
        VALIDATOR.validate(json.loads(manifest.to_bytes()))


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every object inside, its own too."""
    if isinstance(value, dict):
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from places(child, (*path, name))


def inside(value: Any, path: tuple[str | int, ...]) -> Any:
    for name in path:
        value = value[name]
    return value


@given(MADE_UP, st.data())
def test_a_manifest_with_a_field_more_or_less_is_not_of_the_schema(manifest: Manifest, data: st.DataObject) -> None:
    body = json.loads(manifest.to_bytes())
    found = inside(body, data.draw(st.sampled_from(list(places(body)))))
    if data.draw(st.booleans()):
        found["more"] = 1
    else:
        del found[data.draw(st.sampled_from(sorted(found.keys() - {"began"})))]  # which older ones lack
    assert not VALIDATOR.is_valid(body)


@given(MADE_UP, st.data())
def test_what_the_schema_refuses_is_refused_by_the_bot(manifest: Manifest, data: st.DataObject) -> None:
    """Whatever its digests say. The bot refuses more: what a schema cannot say."""
    body = json.loads(manifest.to_bytes())
    found = inside(body, data.draw(st.sampled_from([path for path in places(body) if path[:1] != ("packing",)])))
    name = data.draw(st.sampled_from(sorted(found)))
    found[name] = data.draw(st.sampled_from([None, [], {}, True, "\0", -1, 1.5, "7"]))
    if VALIDATOR.is_valid(body) or name in {"id", "target", "database", "key", "sha256", "name", "digest"}:
        return
    for spec in body["collections"] if isinstance(body["collections"], list) else ():
        if isinstance(spec, dict) and name != "fingerprint":
            spec["fingerprint"] = resealed(
                "collection", [spec[each] for each in ("name", "kind", "options", "indexes")]
            )
    del body["digest"]
    body["digest"] = resealed("manifest", body)
    with pytest.raises(Exception, match="damaged"):
        Manifest.from_bytes(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


def resealed(domain: str, value: Any) -> str:
    """A digest of anything, fractions too."""
    try:
        return digest(domain, value)
    except TypeError:
        return "0" * 64


def test_the_page_names_every_field() -> None:
    names = set(SCHEMA["properties"]) | set(SCHEMA["properties"]["packing"]["properties"])
    for kind in ("stored", "collection"):
        names |= set(SCHEMA["$defs"][kind]["properties"])
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def test_the_digests_are_what_the_page_says() -> None:
    manifest = world(encrypted=False).first
    body = json.loads(manifest.to_bytes())
    said = body.pop("digest")
    spelled = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert spelled.encode() == canonical(body)
    assert hashlib.sha256(f"negahban/manifest/1\n{spelled}".encode()).hexdigest() == said
    for spec in body["collections"]:
        listed = json.dumps([spec[name] for name in ("name", "kind", "options", "indexes")], separators=(",", ":"))
        assert hashlib.sha256(f"negahban/collection/1\n{listed}".encode()).hexdigest() == spec["fingerprint"]


# -- the steps -------------------------------------------------------------------------------------------------------


def backed_up(adapter: MongoDatabase, real: Database[dict[str, Any]], into: Path) -> None:
    """A folder with a backup and a slice: the database as it is now, though its dump is older."""
    fill(real)
    local = real.client.local["oplog.rs"]
    start = local.find().sort("$natural", -1).limit(1)[0]["ts"]
    packed, evidence = dumped(adapter)
    assert incomplete(evidence) is None
    real.plain.update_many({"_id": {"$lt": 50}}, {"$set": {"n": "newer"}})
    real.plain.delete_many({"_id": {"$gte": 350}})
    real["dot.ted.name"].insert_one({"_id": "newer"})
    end = local.find().sort("$natural", -1).limit(1)[0]["ts"]
    raw_log = local.with_options(codec_options=bson.CodecOptions(document_class=RawBSONDocument))
    entries = [
        each.raw for each in raw_log.find({"ts": {"$gt": start, "$lte": end}, "ns": {"$regex": f"^{real.name}\\."}})
    ]
    assert entries
    packer = adapter.packer()
    stored = packed_whole(packer, b"".join(entries))
    place, suffix = folder(SHOP, ID), evidence.packing.suffix
    manifest = Manifest(
        id=ID,
        target=SHOP,
        database=real.name,
        deployment="rs0",
        kind=BackupKind.MANUAL,
        created=datetime(2026, 11, 24, 3, tzinfo=UTC),
        seconds=1,
        created_by="U0SARA",
        surface="slack",
        job=JobId("k3v2qaaa"),
        data=Stored(data_key(SHOP, ID, evidence.packing), evidence.sha256, evidence.stored_bytes),
        raw_bytes=evidence.raw_bytes,
        packing=evidence.packing,
        slice=Slice(
            optime(start), optime(end), len(entries), Stored(f"{place}/oplog.bson{suffix}", packer.sha256, len(stored))
        ),
        torn="",
        tool=evidence.tool,
        server=evidence.server,
        collections=evidence.announced,
    )
    (into / f"data.archive{suffix}").write_bytes(b"".join(packed))
    (into / f"oplog.bson{suffix}").write_bytes(stored)
    (into / "manifest.json").write_bytes(manifest.to_bytes())


def optime(stamp: Timestamp) -> OpTime:
    return OpTime(stamp.time, stamp.inc)


def content(real: Database[dict[str, Any]]) -> dict[str, Any]:
    """Every document, and every index by name."""
    return {
        name: (
            sorted(map(repr, real[name].find())),
            sorted(index["name"] for index in real[name].list_indexes()) if name not in {"stats", "st*r"} else [],
        )
        for name in real.list_collection_names()
        if not name.startswith("system.")
    }


def steps() -> str:
    """The page's one block of shell."""
    (found,) = re.findall(r"```bash\n(.+?)```", PAGE, re.DOTALL)
    return str(found)


def followed(place: Path, key: Path, uri: str, path: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The steps, by a stranger: no program of the bot is near."""
    environment = {"PATH": path, "HOME": str(place), "FOLDER": str(place), "KEY": str(key), "URI": uri, **more}
    return subprocess.run(
        ["bash", "-eu", "-c", steps()], env=environment, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_stranger_restores_by_the_page_alone(
    mongod: Mongod, database: str, tools_path: str, tmp_path: Path, *, encrypted: bool
) -> None:
    needs("zstd")
    needs("age")
    packing = Packing(3, (PUBLIC,)) if encrypted else Packing()
    place, key = tmp_path / "backup", tmp_path / "key.txt"
    place.mkdir()
    key.write_text(f"# a key file\n{SECRET}\n")
    with (
        closing(MongoDatabase(mongod.uri(database), path=tools_path, packing=packing)) as adapter,
        mongod.client() as client,
    ):
        backed_up(adapter, client[database], place)
        wanted = content(client[database])
        assert wanted["plain"][0]
        client.drop_database(database)
        done = followed(place, key, mongod.uri(""), tools_path)
        assert done.returncode == 0, done.stderr[-2000:]
        assert "0 document(s) failed to restore" in done.stderr
        assert "400 collection plain\n" in done.stdout
        assert content(client[database]) == wanted


def gone_on(adapter: MongoDatabase, real: Database[dict[str, Any]], follower: Follower) -> tuple[dict[str, Any], int]:
    """Life after a backup, its oplog saved in slices; what was there at a moment, and the first second after that."""
    for number in range(3):
        real.plain.insert_one({"_id": f"new {number}"})
        with real.client.start_session() as session, session.start_transaction():
            for blob in range(3):
                large = {"_id": f"large {number} {blob}", "x": os.urandom(6_000_000)}  # together more than one entry
                real["dot.ted.name"].insert_one(large, session=session)
        real.plain.delete_one({"_id": number})
        assert follower.step(lambda: False).gap is None
    wanted, last = content(real), adapter.now().seconds
    time.sleep(1.1)  # that second is over
    real.plain.update_one({"_id": 100}, {"$set": {"n": "too late"}})
    real.plain.drop()
    follower.step(lambda: False)
    return wanted, last + 1


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_stranger_restores_a_later_moment_by_the_page_alone(
    mongod: Mongod, database: str, tools_path: str, tmp_path: Path, *, encrypted: bool
) -> None:
    needs("zstd")
    needs("age")
    packing = Packing(3, (PUBLIC,)) if encrypted else Packing()
    place, store, key = tmp_path / "backup", tmp_path / "store", tmp_path / "key.txt"
    place.mkdir()
    key.write_text(f"{SECRET}\n")
    with (
        closing(MongoDatabase(mongod.uri(database), path=tools_path, packing=packing)) as adapter,
        mongod.client() as client,
    ):
        follower = Follower(SHOP, adapter, DirectoryStore(store), SystemClock())
        follower.step(lambda: False)
        backed_up(adapter, client[database], place)
        wanted, until = gone_on(adapter, client[database], follower)
        client.drop_database(database)
        pitr = store / "v1" / SHOP / "pitr"
        done = followed(place, key, mongod.uri(""), tools_path, PITR=str(pitr), UNTIL=str(until))
        assert done.returncode == 0, done.stderr[-2000:]
        assert content(client[database]) == wanted
        client.drop_database(database)
        sorted(pitr.glob("*/*"))[-1].unlink()
        assert followed(place, key, mongod.uri(""), tools_path, PITR=str(pitr), UNTIL=str(until)).returncode != 0


@pytest.mark.parametrize("name", ["manifest.json", "data.archive.zst", "oplog.bson.zst"])
def test_the_steps_stop_at_damage_before_anything_is_loaded(
    mongod: Mongod, database: str, tools_path: str, tmp_path: Path, name: str
) -> None:
    needs("zstd")
    with closing(MongoDatabase(mongod.uri(database), path=tools_path)) as adapter, mongod.client() as client:
        backed_up(adapter, client[database], tmp_path)
        client.drop_database(database)
        stored = bytearray((tmp_path / name).read_bytes())
        stored[len(stored) // 2] ^= 1
        (tmp_path / name).write_bytes(stored)
        assert followed(tmp_path, tmp_path, mongod.uri(""), tools_path).returncode != 0
        assert client[database].list_collection_names() == []


def test_a_packer_of_the_database_packs_slices_as_its_archives() -> None:
    adapter = MongoDatabase("mongodb://127.0.0.1/shop", packing=Packing(5), zstd_threads=1)
    assert isinstance(adapter.packer(), Packer)
    assert adapter.packer().packing == adapter.packing == Packing(5)
