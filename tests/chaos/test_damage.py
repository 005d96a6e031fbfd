"""A thousand damaged backups, each refused before live data is touched.

- A case is a number: it seeds what is done to which byte. A failure names it, and `-k` runs it alone.
- Two worlds, plain and encrypted. Every case is a whole restore by the real handler, and its recovery.
- What is asserted: it was refused in words for a person; what is live is byte for byte, and by identity, what it was;
  nothing is left of the staging.
- `resealed` damage comes with fitting checksums, so that the safeguards behind them are asked too.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from typing import Any

import pytest

from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.packing import Packer, unpacked
from bot.adapters.mongo.sealing import keys
from handlers.core.formats.manifests import CollectionKind
from handlers.core.restores.switches import RESERVED
from handlers.core.words.digests import canonical, digest
from handlers.core.words.errors import Problem
from sandbox.servers.mongod import Mongod
from tests.chaos.archives import SECRET, archive_of, packed_whole
from tests.chaos.damage import World, guard_of, resealed, world
from tests.chaos.damages import (
    STORED,
    appended,
    bomb,
    cut,
    data_resealed,
    doubled,
    emptied,
    flipped,
    noise,
    place_of,
    repacked,
    shortened,
    zeroed,
)

SEEDS = 1000
WORLDS = {"plain": False, "encrypted": True}
GONE = object()
FREE = frozenset(
    {"seconds", "raw_bytes", "created_by", "deployment", "surface", "job", "torn", "tool", "server", "database"}
    | {"offset_seconds"}
)


@cache
def made(name: str) -> World:
    return world(encrypted=WORLDS[name])


def refused(there: World, run: Callable[[], None], case: object) -> str:
    """The safeguard that spoke; fails unless nothing happened to what is live."""
    before = there.live()
    with pytest.raises(Problem) as caught:
        run()
    assert there.live() == before, f"case {case}: live data was touched, and then: {caught.value}"
    assert not any(name.startswith(RESERVED) for name in there.database.there), f"case {case}"
    guard = guard_of(caught.value)
    assert not guard.startswith("?"), f"case {case}: {guard}"
    return guard


@cache
def restored(name: str) -> object:
    """What is live when the backup itself was restored."""
    there = made(name).copy()
    there.restore()
    return there.content()


def harmless(name: str, there: World) -> bool:
    """Whether the damage means nothing (a frame that asks for another window, say): the restore gives the backup."""
    trial = there.copy()
    try:
        trial.restore()
    except Problem:
        return False
    return trial.content() == restored(name)


@pytest.mark.parametrize("hundred", range(SEEDS // 100))
@pytest.mark.parametrize("name", WORLDS)
def test_a_damaged_backup_is_refused_before_live_data_is_touched(name: str, hundred: int) -> None:
    spoke: Counter[str] = Counter()
    for seed in range(hundred * 100, hundred * 100 + 100, 2):
        case = seed + (name == "encrypted")
        draw, there = random.Random(case), made(name).copy()
        damage = draw.choice(STORED)
        before = dict(there.store.artifacts)
        damage(there, draw)
        assert there.store.artifacts != before, f"case {case}: {damage.__name__} changed nothing"
        if damage is data_resealed and harmless(name, there):
            spoke["no harm"] += 1
        else:
            spoke[refused(there, there.restore, f"{case} ({damage.__name__})")] += 1
    assert spoke["no harm"] <= 2
    print(f"seeds {hundred * 100} to {hundred * 100 + 99}, {name}: {spoke.total()} faults; {dict(spoke)}")


@pytest.mark.parametrize("name", WORLDS)
def test_the_backup_itself_is_restored(name: str) -> None:
    """Or refusing would prove nothing."""
    there = made(name).copy()
    there.restore()
    assert "only0" in there.database.there
    assert [each["_id"] for each in there.database.there["orders"].documents] == list(range(12))


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("seed", range(20))
def test_a_backup_that_changes_after_the_confirmation_is_refused(name: str, seed: int) -> None:
    draw, there = random.Random(seed), made(name).copy()
    damage = draw.choice(STORED)
    refused(there, lambda: there.restore(lambda: damage(there, draw)), f"{seed} ({damage.__name__})")


@pytest.mark.parametrize("name", WORLDS)
def test_a_manifest_that_is_another_after_the_confirmation_is_refused_however_sound_it_is(name: str) -> None:
    there = made(name).copy()
    key = place_of(there.first)
    changed = resealed(there.get(key), lambda body: body.update(created_by="somebody else"))
    assert refused(there, lambda: there.restore(lambda: there.put(key, changed)), "sound") == "plan"


@pytest.mark.parametrize("name", WORLDS)
def test_a_manifest_that_points_to_files_elsewhere_is_refused(name: str) -> None:
    there = made(name).copy()
    other = there.second.data

    def point(body: dict[str, Any]) -> None:
        body["data"] |= {"key": other.key, "sha256": other.sha256, "bytes": other.size_bytes}

    there.put(place_of(there.first), resealed(there.get(place_of(there.first)), point))
    assert refused(there, there.restore, "elsewhere") == "place"


@pytest.mark.parametrize("name", WORLDS)
def test_another_archive_of_the_same_counts_and_definitions_is_refused(name: str) -> None:
    """Only the checksum tells them apart."""
    other = made(name).copy()
    other.restore()
    documents = {each: found.documents for each, found in other.database.there.items()}
    documents["items"][0]["text"] = "never saved"
    there = made(name).copy()
    packer = Packer(there.first.packing, threads=0)
    raw = archive_of(there.first.collections, documents)
    there.put(there.first.data.key, packed_whole(packer, raw))
    assert refused(there, there.restore, "same counts") == "checksum"


@pytest.mark.parametrize("name", WORLDS)
def test_a_manifest_of_another_form_is_refused(name: str) -> None:
    there = made(name)
    stored = there.get(place_of(there.first))
    for field, value in json.loads(stored).items():
        if field in {"digest", "slice"}:
            continue
        for wrong in (None, -1, 7, True, "", "\0", [], {}, [7], GONE):
            sealed = spelled(stored, field, wrong)
            # Another word may be a truth that this test knows nothing of.
            if wrong == value or (isinstance(value, str | int) and type(wrong) is type(value) and field in FREE):
                continue
            if field == "began" and wrong is GONE:  # those of before it was noted lack it
                continue
            there = made(name).copy()
            there.put(place_of(there.first), sealed)
            assert refused(there, there.restore, (field, wrong)) in {"manifest", "place", "names"}
    for more in ({"more": 1}, {"schema": 3}, {"schema": 1}, {"schema": "2"}, {"created": "2026-11-24T06:30:00+03:30"}):
        ((field, wrong),) = more.items()
        there = made(name).copy()
        there.put(place_of(there.first), spelled(stored, field, wrong))
        assert refused(there, there.restore, more) == "manifest"
    there.put(place_of(there.first), json.dumps(json.loads(stored)).encode())
    assert refused(there, there.restore, "spaces") == "manifest"


def spelled(stored: bytes, field: str, value: object) -> bytes:
    """The manifest with another value, and the digest of that."""
    body = {**json.loads(stored), field: value}
    del body["digest"]
    if value is GONE:
        del body[field]
    return canonical({**body, "digest": digest("manifest", body)})


@pytest.mark.parametrize("name", WORLDS)
def test_an_archive_that_is_damaged_inside_is_refused_or_does_no_harm(name: str) -> None:
    """Damage from before it was packed, or by somebody who can pack: every checksum around it fits. What the archive
    says about itself (its tool, sizes) may change without harm; then what is live is exactly the backup."""
    spoke: Counter[str] = Counter()
    for seed in range(80):
        draw, there = random.Random(seed), made(name).copy()
        raw = b"".join(unpacked([there.get(there.first.data.key)], keys([SECRET])))
        repacked(there, draw.choice((cut, flipped, flipped, zeroed, shortened, doubled))(raw, draw))
        spoke["no harm" if harmless(name, there) else refused(there, there.restore, seed)] += 1
    print(f"inside, {name}: {spoke.total()} faults; {dict(spoke)}")
    assert spoke["no harm"] < 16
    assert spoke.keys() >= {"archive", "loader"}


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize(
    ("old", "new", "guards"),
    [
        (b'"timeField": "t"', b'"timeField": "x"', {"definitions"}),
        (b'"unique": true', b'"uniquE": true', {"no harm"}),  # indexes are built from the manifest
        (b"\x00items\x00", b"\x00itemz\x00", {"names", "archive"}),
        (b"7919 of 0", b"7918 of 0", {"loader"}),
    ],
)
def test_each_part_of_an_archive_has_its_safeguard(name: str, old: bytes, new: bytes, guards: set[str]) -> None:
    there = made(name).copy()
    raw = b"".join(unpacked([there.get(there.first.data.key)], keys([SECRET])))
    assert old in raw
    repacked(there, raw.replace(old, new))
    assert ("no harm" if harmless(name, there) else refused(there, there.restore, old)) in guards


# -- the same with the real tools ------------------------------------------------------------------------------------


@pytest.fixture
def real(mongod: Mongod, database: str, tools_path: str) -> Iterator[MongoDatabase]:
    """A live database beside which damaged archives are loaded."""
    with closing(
        MongoDatabase(mongod.uri(database), path=tools_path, stall_seconds=20, identities=[SECRET])
    ) as adapter:
        adapter.create_indexes("items", ['{"key":{"a":{"$numberInt":"1"}},"name":"a_1"}'], expire=False)
        yield adapter


def loaded(adapter: MongoDatabase, there: World) -> str:
    """What the adapter says to the first backup."""
    names = {spec.name for spec in there.first.collections if spec.kind is CollectionKind.COLLECTION}
    data = there.get(there.first.data.key)
    pieces = [data[start : start + 500] for start in range(0, len(data), 500)]
    try:
        evidence = adapter.load(pieces, "__rst_", names)
    except Problem as problem:
        return guard_of(problem)
    return "loader" if evidence.return_code or evidence.failed else "loaded"


@pytest.mark.parametrize("name", WORLDS)
def test_the_archives_of_this_file_are_ones_that_mongorestore_takes(real: MongoDatabase, name: str) -> None:
    there = made(name).copy()
    assert loaded(real, there) == "loaded"
    staged = {each.spec.name: each.spec.documents for each in real.collections(count=True, prefix="__rst_")}
    assert staged == {"__rst_items": 20, "__rst_orders": 12, "__rst_only0": 1}


@pytest.mark.parametrize("name", WORLDS)
def test_the_real_tools_take_no_damaged_bytes_for_a_backup(real: MongoDatabase, name: str) -> None:
    before = real.collections(count=True)
    for seed in range(12):
        draw, there = random.Random(seed), made(name).copy()
        key = there.first.data.key
        there.put(
            key, draw.choice((cut, flipped, zeroed, shortened, appended, emptied, bomb, noise))(there.get(key), draw)
        )
        assert loaded(real, there) in {"age", "age header", "zstd", "archive", "loader"}, seed
        for each in real.collections(prefix="__rst_"):
            real.drop(each.spec.name)
        assert real.collections(count=True) == before
