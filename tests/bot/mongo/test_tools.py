"""Dump and load, with the real tools between a real mongod and pipes."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import psutil
import pytest
from pymongo.database import Database

from bot.adapters.mongo import Engine, MongoDatabase
from bot.adapters.mongo.packing import unpacked
from handlers.core.formats.manifests import CollectionKind, differences, incomplete
from handlers.core.words.errors import OutsideError
from sandbox.servers.mongod import Mongod
from tests.bot.mongo.stock import ORDER, PREFIX, children, drained, dumped, fill, live, names_of
from tests.fake_database import EveryName


def test_a_dump_announces_what_the_server_has(adapter: MongoDatabase, real: Database[dict[str, Any]]) -> None:
    fill(real)
    packed, evidence = dumped(adapter)
    for found in (evidence, dumped(adapter)[1]):  # mongodump's order is random
        assert incomplete(found) is None
        assert differences(live(adapter), found.announced) == ()
    assert evidence.sha256 == hashlib.sha256(b"".join(packed)).hexdigest()
    assert evidence.stored_bytes == sum(map(len, packed))
    assert evidence.raw_bytes == sum(map(len, unpacked(packed)))
    assert all(packed)
    assert re.fullmatch(r"mongodump \d+\.\d+\.\d+", evidence.tool)
    assert re.fullmatch(r"\d+\.\d+\.\d+", evidence.server)
    sizes = {spec.name: spec.size_bytes for spec in evidence.announced}
    assert sizes["plain"] == sum(len(bson.encode(document)) for document in real.plain.find())


def test_a_load_makes_the_same_under_the_prefix_and_nothing_else(
    loader: MongoDatabase, real: Database[dict[str, Any]]
) -> None:
    fill(real)
    packed, evidence = dumped(loader)
    before = loader.collections(count=True)
    loaded = loader.load(packed, PREFIX, names_of(evidence))
    assert (loaded.return_code, loaded.failed) == (0, 0)
    assert loaded.restored == sum(spec.documents for spec in evidence.announced)
    for spec in evidence.announced:
        loader.set_validator(f"{PREFIX}{spec.name}", spec)
    staged = [replace(spec, name=spec.name.removeprefix(PREFIX), indexes=()) for spec in live(loader, PREFIX)]
    wanted = [replace(spec, indexes=()) for spec in evidence.announced if spec.kind is not CollectionKind.VIEW]
    assert differences(wanted, staged) == ()
    assert tuple(found for found in loader.collections(count=True) if not found.spec.name.startswith(PREFIX)) == before
    assert list(real[f"{PREFIX}metrics"].find().sort("v")) == list(real.metrics.find().sort("v"))


def test_a_time_series_that_is_not_wanted_is_not_loaded(loader: MongoDatabase, real: Database[dict[str, Any]]) -> None:
    fill(real)
    packed, evidence = dumped(loader)
    loaded = loader.load(packed, PREFIX, {"plain", "star*"})
    assert (loaded.return_code, loaded.restored, loaded.failed) == (0, 402, 0)
    assert {spec.name for spec in live(loader, PREFIX)} == {f"{PREFIX}plain", f"{PREFIX}star*"}
    assert loaded.announced == frozenset((spec.name, spec.kind) for spec in evidence.announced)


def test_live_data_that_changed_since_stays_as_it_is(loader: MongoDatabase, real: Database[dict[str, Any]]) -> None:
    fill(real)
    packed, evidence = dumped(loader)
    real.plain.delete_many({"_id": {"$lt": 100}})
    real.plain.insert_one({"_id": "newer"})
    real.drop_collection("capped")
    real.metrics.insert_one({"t": datetime(2026, 3, 1, tzinfo=UTC), "m": 9, "v": 900})
    before = loader.collections(count=True)
    assert loader.load(packed, PREFIX, names_of(evidence)).return_code == 0
    assert tuple(found for found in loader.collections(count=True) if not found.spec.name.startswith(PREFIX)) == before
    assert real[f"{PREFIX}plain"].count_documents({}) == 400
    assert real.plain.count_documents({}) == 301


def test_an_archive_of_another_database_is_loaded_into_this_one(
    mongod: Mongod, adapter: MongoDatabase, real: Database[dict[str, Any]], tools_path: str, engine: Engine
) -> None:
    fill(real)
    packed, evidence = dumped(adapter)
    name = f"test_{secrets.token_hex(6)}"
    other = MongoDatabase(mongod.uri(name), path=tools_path, loader=engine)
    before = adapter.collections(count=True)
    try:
        loaded = other.load(packed, PREFIX, names_of(evidence))
        assert (loaded.return_code, loaded.failed) == (0, 0)
        assert len(live(other)) == len(live(other, PREFIX)) == len(names_of(evidence)) < len(before)
        assert adapter.collections(count=True) == before
    finally:
        other.close()
        real.client.drop_database(name)


def test_documents_that_are_older_than_their_validator_come_back(
    loader: MongoDatabase, real: Database[dict[str, Any]]
) -> None:
    real.strict.insert_one({"_id": 1, "name": 5})
    real.command("collMod", "strict", validator={"name": {"$type": "string"}})
    packed, _ = dumped(loader)
    loaded = loader.load(packed, PREFIX, EveryName())
    assert (loaded.return_code, loaded.restored, loaded.failed) == (0, 1, 0)
    (staged,) = live(loader, PREFIX)
    assert staged.options == next(spec for spec in live(loader) if spec.name == "strict").options


def test_loading_without_validators_needs_no_more_than_read_and_write(
    guarded: Mongod, adapter: MongoDatabase, real: Database[dict[str, Any]], tools_path: str, engine: Engine
) -> None:
    real.plain.insert_one({"_id": 1})
    packed, _ = dumped(adapter)
    with guarded.client() as client:
        client[engine].command("createUser", "writer", pwd="writer-pass", roles=["readWrite"])
    uri = guarded.uri(engine).replace(f"{guarded.user}:{guarded.password}", "writer:writer-pass")
    uri = uri.replace("authSource=admin", f"authSource={engine}")
    with closing(MongoDatabase(uri, path=tools_path, loader=engine)) as other:
        loaded = other.load(packed, PREFIX, EveryName())
    assert (loaded.return_code, loaded.restored, loaded.failed) == (0, 1, 0)


def test_a_view_is_saved_in_the_order_it_was_made_with(adapter: MongoDatabase, real: Database[dict[str, Any]]) -> None:
    fill(real)
    (made,) = [spec.options for spec in live(adapter) if spec.name == "stats"]
    assert re.findall(r'"(\w)":', made.partition("$sort")[2]) == list(ORDER)
    for _ in range(3):
        announced = {spec.name: spec.options for spec in dumped(adapter)[1].announced}
        assert announced["stats"] == made


def test_a_view_that_changes_during_the_dump_is_an_error(
    adapter: MongoDatabase, real: Database[dict[str, Any]]
) -> None:
    fill(real)
    with adapter.dump() as dump:
        drained(dump)
        real.drop_collection("stats")
        real.create_collection("stats", viewOn="plain", pipeline=[])
        evidence = dump.evidence()  # the view as it was before the dump is what the archive holds
        assert incomplete(evidence) is None
    pipelines = {spec.name: '{"pipeline":[],"viewOn":"never"}' for spec in evidence.announced}
    (view,) = [spec for spec in evidence.announced if spec.name == "stats"]
    with pytest.raises(OutsideError, match="was changed while it was saved"):
        adapter._as_made(view, pipelines)


def test_a_name_that_cannot_be_loaded_is_not_saved_in_silence(
    adapter: MongoDatabase, real: Database[dict[str, Any]]
) -> None:
    real["new\nline"].insert_one({})  # mongorestore leaves such a collection out and ends with 0
    assert "never said it finished" in str(incomplete(dumped(adapter)[1]))


def test_an_empty_database_is_incomplete(adapter: MongoDatabase) -> None:
    assert "empty" in str(incomplete(dumped(adapter)[1]))


@pytest.fixture(scope="module")
def guarded() -> Iterator[Mongod]:
    """A server that wants a password."""
    with Mongod(authentication=True) as server:
        with server.client() as client:
            client.shop.big.insert_many([{"_id": number, "blob": os.urandom(20_000)} for number in range(800)])
        yield server


def secrets_of(process: psutil.Process) -> str:
    """What anybody may read of a process."""
    return " ".join([*process.cmdline(), *(f"{name}={value}" for name, value in process.environ().items())])


def test_no_secret_can_be_seen_from_outside(guarded: Mongod, tools_path: str) -> None:
    seen: list[str] = []

    def watched(packed: list[bytes]) -> Iterator[bytes]:
        """Looks when mongorestore has read some of it."""
        yield from packed[:-1]
        seen.extend(secrets_of(child) for child in children())
        yield packed[-1]

    uri = guarded.uri("shop")
    with closing(MongoDatabase(uri, path=tools_path, stall_seconds=20, loader="mongorestore")) as adapter:
        with adapter.dump() as dump:
            packed = [dump.read()]
            (tool,) = children()
            seen.append(secrets_of(tool))
            assert stat.S_ISFIFO((Path(f"/proc/{tool.pid}/fd") / _config(seen[0])).stat().st_mode)
            packed += drained(dump)
            assert incomplete(dump.evidence()) is None
        assert adapter.load(watched(packed), PREFIX, EveryName()).restored == 800
    assert len(seen) == 2
    for text in seen:
        assert guarded.password not in text
        assert "mongodb://" not in text
        assert set(re.findall(r"(\w+)=", text)) - {"config"} == {"PATH", "HOME", "LANG"}


def test_a_wrong_password_is_not_repeated(guarded: Mongod, tools_path: str) -> None:
    uri = guarded.uri("shop").replace(guarded.password, "wr0ng-pass")
    with (
        closing(MongoDatabase(uri, path=tools_path)) as adapter,
        pytest.raises(OutsideError) as caught,
    ):
        dumped(adapter)
    assert "wr0ng-pass" not in str(caught.value)


def _config(text: str) -> str:
    found = re.search(r"--config=/proc/self/fd/(\d+)", text)
    assert found is not None
    return found[1]
