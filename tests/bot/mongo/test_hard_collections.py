"""Collections that are hard to carry: odd names, the largest documents, nothing at all, very many."""

from __future__ import annotations

import secrets
import time
from contextlib import closing
from typing import Any

import bson
import pytest
from pymongo.database import Database

from bot.adapters.mongo import MongoDatabase
from handlers.core.formats.manifests import incomplete
from handlers.core.words.errors import OutsideError
from sandbox.servers.mongod import Mongod
from tests.bot.mongo.stock import PREFIX, dumped, live, names_of
from tests.fake_database import EveryName

# A `$` inside is not among them: the server takes no such name.
HARD_NAMES = (
    "two..dots",
    "dot at the end.",
    "many.dots.in.it",
    "back\\slash\\",
    "*",
    "*.*",
    "-d",
    "--drop",
    "--archive=x",
    "--nsExclude=*",
    "(0 documents)",
    "restored successfully. 9 document(s) failed",
    "e\u0301 and é",
    "\u202eright to left",
    "هزار و یک شب",
    "n" * 200,
)
LARGEST_BYTES = 16 * 1024 * 1024


def test_names_that_mean_something_elsewhere_are_only_names(
    loader: MongoDatabase, real: Database[dict[str, Any]]
) -> None:
    for number, name in enumerate(HARD_NAMES):
        real.command({"insert": name, "documents": [{"_id": count} for count in range(number + 1)]})
    packed, evidence = dumped(loader)
    assert incomplete(evidence) is None
    assert names_of(evidence) == set(HARD_NAMES)
    before = real.command("dbHash")["collections"]
    loaded = loader.load(packed, PREFIX, names_of(evidence))
    assert (loaded.return_code, loaded.failed) == (0, 0), loaded.last_lines
    assert {spec.name: spec.documents for spec in live(loader, PREFIX)} == {
        f"{PREFIX}{name}": number + 1 for number, name in enumerate(HARD_NAMES)
    }
    after = real.command("dbHash")["collections"]
    assert {name: digest for name, digest in after.items() if not name.startswith(PREFIX)} == before
    for name in HARD_NAMES:
        loader.drop(name)
        loader.rename(PREFIX + name, name)
    assert real.command("dbHash")["collections"] == before


def test_only_the_names_that_were_asked_for_are_loaded(loader: MongoDatabase, real: Database[dict[str, Any]]) -> None:
    for name in HARD_NAMES:
        real.command({"insert": name, "documents": [{"_id": 1}]})
    packed, _ = dumped(loader)
    wanted = set(HARD_NAMES[::2])
    assert loader.load(packed, PREFIX, wanted).restored == len(wanted)
    assert {spec.name for spec in live(loader, PREFIX)} == {f"{PREFIX}{name}" for name in wanted}


def test_documents_of_the_largest_size_come_back(tools_path: str) -> None:
    room = LARGEST_BYTES - len(bson.encode({"_id": 0, "x": b""}))
    with (
        Mongod(cache_gigabytes=1) as server,
        closing(MongoDatabase(server.uri("shop"), path=tools_path, stall_seconds=30)) as adapter,
        server.client() as client,
    ):
        for number in range(3):
            client.shop.large.insert_one({"_id": number, "x": secrets.token_bytes(room)})
            client.shop.large.insert_many({"_id": f"{number} {small}"} for small in range(100))
        packed, _ = dumped(adapter)
        assert max(len(document.raw) for document in _raw(client.shop)) == LARGEST_BYTES
        loaded = adapter.load(packed, PREFIX, EveryName())
        assert (loaded.return_code, loaded.restored) == (0, 303), loaded.last_lines
        found = client.shop.command("dbHash")["collections"]
        assert found["large"] == found[f"{PREFIX}large"]


def _raw(database: Any) -> Any:
    return database.large.with_options(
        codec_options=bson.CodecOptions(document_class=bson.raw_bson.RawBSONDocument)
    ).find()


def test_an_empty_database_and_empty_collections_are_loaded_as_they_are(
    loader: MongoDatabase, real: Database[dict[str, Any]]
) -> None:
    nothing = loader.load(dumped(loader)[0], PREFIX, EveryName())
    assert (nothing.return_code, nothing.restored, nothing.failed) == (0, 0, 0)
    for number in range(20):
        real.create_collection(f"empty{number}")
    packed, _ = dumped(loader)
    loaded = loader.load(packed, PREFIX, EveryName())
    assert (loaded.return_code, loaded.restored) == (0, 0)
    assert len(live(loader, PREFIX)) == 20


def test_as_many_indexes_as_the_server_takes_come_back(adapter: MongoDatabase, real: Database[dict[str, Any]]) -> None:
    for name in ("one", "two", "three", "four"):
        real[name].insert_many({"_id": number, "f1": number, "f62": -number} for number in range(50))
        fields = [{"key": {f"f{number}": 1, "also": -1}, "name": f"index {number}"} for number in range(63)]
        real.command("createIndexes", name, indexes=fields[: 63 if name != "four" else 11])
    packed, evidence = dumped(adapter)
    assert sum(len(spec.indexes) for spec in evidence.announced) == 204
    assert adapter.load(packed, PREFIX, EveryName()).return_code == 0
    wanted = {PREFIX + spec.name: spec.indexes for spec in evidence.announced}
    assert set(adapter.build_indexes(wanted, expire=False)) == set(wanted)
    staged = {spec.name.removeprefix(PREFIX): spec.indexes for spec in live(adapter, PREFIX)}
    assert staged == {spec.name: spec.indexes for spec in evidence.announced}


def test_an_index_that_cannot_be_built_ends_the_building(
    adapter: MongoDatabase, real: Database[dict[str, Any]]
) -> None:
    unique = ('{"key":{"n":{"$numberInt":"1"}},"name":"unique","unique":true}',)
    names = [f"c{number}" for number in range(12)]
    for name in names:
        real[name].insert_many([{"_id": 1, "n": 1}, {"_id": 2, "n": 1 if name == "c0" else 2}])
    with pytest.raises(OutsideError, match="duplicate key"):
        list(adapter.build_indexes(dict.fromkeys(names, unique), expire=False))
    assert len([name for name in names if len(real[name].index_information()) == 2]) < 11


def test_very_many_collections_are_carried_without_asking_about_each_more_than_once(
    adapter: MongoDatabase, real: Database[dict[str, Any]]
) -> None:
    count = 200
    for number in range(count):
        real.command({"create": f"c{number}", "writeConcern": {"w": 1}})
    real.create_collection("view", viewOn="c0", pipeline=[{"$match": {"a": 1}}])
    real.command({"profile": 0})
    before = _commands(real)
    packed, evidence = dumped(adapter)
    asked = _commands(real) - before
    assert incomplete(evidence) is None
    begun = time.process_time()
    assert adapter.load(packed, PREFIX, EveryName()).return_code == 0
    assert time.process_time() - begun < 5
    before = _commands(real)
    assert len(adapter.collections(count=True, prefix=PREFIX)) == count
    assert _commands(real) - before <= count
    assert asked <= 2 * count  # mongodump's own


def _commands(real: Database[dict[str, Any]]) -> int:
    """How often the server was asked for a collection's indexes."""
    return int(real.command("serverStatus")["metrics"]["commands"]["listIndexes"]["total"])
