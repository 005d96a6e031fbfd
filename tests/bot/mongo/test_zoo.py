"""The whole zoo, dumped and put back: one of everything that MongoDB keeps, to the last byte."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pymongo.database import Database

from bot.adapters.mongo import Engine, MongoDatabase
from handlers.core.formats.manifests import CollectionKind, CollectionSpec, DumpEvidence, differences, incomplete
from handlers.core.restores.loadings import comparable
from sandbox.servers.mongod import Mongod
from tests import zoo
from tests.bot.mongo.stock import dumped, live, names_of


@dataclass(frozen=True)
class Saved:
    """A zoo, and a dump of it."""

    uri: str
    path: str
    real: Database[dict[str, Any]]
    adapter: MongoDatabase
    packed: list[bytes]
    evidence: DumpEvidence
    picture: dict[str, Any]

    @property
    def solid(self) -> list[CollectionSpec]:
        """All but the views."""
        return [spec for spec in self.evidence.announced if spec.kind is not CollectionKind.VIEW]

    def load(self, engine: Engine) -> str:
        """Loads it, indexes too; the prefix."""
        prefix = f"__rst_{secrets.token_hex(4)}_"
        with closing(MongoDatabase(self.uri, path=self.path, stall_seconds=20, loader=engine)) as loader:
            loaded = loader.load(self.packed, prefix, names_of(self.evidence))
        assert (loaded.return_code, loaded.failed) == (0, 0), loaded.last_lines
        assert loaded.restored == sum(spec.documents for spec in self.evidence.announced)
        for spec in self.solid * 2:  # building may be repeated
            self.adapter.set_validator(prefix + spec.name, spec)
            self.adapter.create_indexes(prefix + spec.name, spec.indexes, expire=False)
        return prefix


@pytest.fixture(scope="module")
def saved(mongod: Mongod, tools_path: str) -> Iterator[Saved]:
    """The tests leave it as it was."""
    name = f"test_{secrets.token_hex(6)}"
    uri = mongod.uri(name)
    with mongod.client() as client, closing(MongoDatabase(uri, path=tools_path, stall_seconds=20)) as adapter:
        zoo.plant(client[name])
        packed, evidence = dumped(adapter)
        yield Saved(uri, tools_path, client[name], adapter, packed, evidence, zoo.picture(client[name]))
        client.drop_database(name)


def test_the_dump_of_every_kind_is_whole_and_announces_what_is_there(saved: Saved) -> None:
    assert incomplete(saved.evidence) is None
    assert differences(live(saved.adapter), saved.evidence.announced) == ()
    assert {spec.name for spec in saved.evidence.announced} == set(saved.picture)


def test_loading_every_kind_touches_nothing_without_the_prefix(saved: Saved, engine: Engine) -> None:
    saved.real.orders.insert_one({"_id": "newer than the dump", "number": -1})
    before, picture = zoo.uuids(saved.real), zoo.picture(saved.real)
    prefix = saved.load(engine)
    staged = [replace(spec, name=spec.name.removeprefix(prefix)) for spec in live(saved.adapter, prefix)]
    assert differences([comparable(spec) for spec in saved.solid], [comparable(spec) for spec in staged]) == ()
    ages = {age for spec in staged for index in spec.indexes for age in _ages(index)}
    assert ages == {"2147483647"}  # nothing that was loaded is deleted before it is switched
    for found in saved.adapter.collections(prefix=prefix):
        saved.adapter.drop(found.spec.name)
    assert zoo.uuids(saved.real) == before
    assert zoo.picture(saved.real) == picture
    saved.real.orders.delete_one({"number": -1})


def test_every_kind_comes_back_to_the_last_byte(saved: Saved, engine: Engine) -> None:
    for name in [*zoo.VIEWS, *zoo.TIMESERIES, "orders", "star*s"]:
        saved.real.drop_collection(name)
    saved.real.values.update_many({}, {"$set": {"value": "wrong"}})
    saved.real.articles.drop_index("words")
    prefix = saved.load(engine)
    _switch(saved, prefix)
    found = zoo.picture(saved.real)
    assert {name: _unordered(each) for name, each in found.items()} == {
        name: _unordered(each) for name, each in saved.picture.items()
    }
    assert [name for name in zoo.uuids(saved.real) if prefix in name] == []


def _ages(index: str) -> list[str]:
    age = json.loads(index).get("expireAfterSeconds")
    return [] if age is None else list(age.values())


def _unordered(shown: dict[str, Any]) -> dict[str, Any]:
    """mongodump before 100.9.1 does not keep the order inside the options of a collection (its TOOLS-3411)."""
    options = json.loads(shown["options"])
    return shown if shown["type"] == "view" else {**shown, "options": json.dumps(options, sort_keys=True)}


def _switch(saved: Saved, prefix: str) -> None:
    """What a restore does when all is well, without keeping the old."""
    adapter = saved.adapter
    for found in adapter.collections():
        if not found.spec.name.startswith(prefix) and found.spec.kind is not CollectionKind.TIMESERIES:
            adapter.drop(found.spec.name)
    for spec in saved.solid:
        if spec.kind is CollectionKind.TIMESERIES:
            for _ in range(2):  # may be repeated
                adapter.copy_timeseries(spec, prefix + spec.name, spec.name)
            adapter.drop(prefix + spec.name)
        else:
            adapter.rename(prefix + spec.name, spec.name)
            adapter.set_expiry(spec.name, spec.indexes)
    for spec in saved.evidence.announced:
        if spec.kind is CollectionKind.VIEW:
            adapter.create_view(spec)
            adapter.create_view(spec)
