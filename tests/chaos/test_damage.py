"""A thousand damaged backups, each refused before live data is touched.

- A case is a number: it seeds what is done to which byte. A failure names it, and `-k` runs it alone.
- Two worlds, plain and encrypted. Every case is a whole restore by the real handler, and its recovery.
- What is asserted: it was refused in words for a person; what is live is byte for byte, and by identity, what it was;
  nothing is left of the staging.
- `resealed` damage comes with fitting checksums, so that the safeguards behind them are asked too.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from typing import Any

import pytest
import zstandard

from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.packing import Packer, unpacked
from bot.adapters.mongo.sealing import keys
from handlers.core.catalogue import MANIFEST
from handlers.core.digests import canonical, digest
from handlers.core.errors import Problem
from handlers.core.manifests import CollectionKind, Manifest
from handlers.core.switches import RESERVED
from sandbox.servers.mongod import Mongod
from tests.chaos.damage import SECRET, World, archive_of, guard_of, resealed, world

SEEDS = 1000
WORLDS = {"plain": False, "encrypted": True}
GONE = object()
FREE = frozenset(
    {"seconds", "raw_bytes", "created_by", "deployment", "surface", "job", "torn", "tool", "server", "database"}
)
Damaging = Callable[[World, random.Random], None]


@cache
def made(name: str) -> World:
    return world(encrypted=WORLDS[name])


# -- what is done to the bytes ---------------------------------------------------------------------------------------


def cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


def flipped(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for place in draw.sample(range(len(data)), draw.choice((1, 1, 1, 2, 8))):
        changed[place] ^= 1 << draw.randrange(8)
    return bytes(changed)


def zeroed(data: bytes, draw: random.Random) -> bytes:
    start = draw.randrange(len(data) - 40)
    length = draw.randrange(32, len(data) - start)
    return data[:start] + bytes(length) + data[start + length :]


def shortened(data: bytes, draw: random.Random) -> bytes:
    """Without a piece of its middle."""
    start, stop = sorted(draw.sample(range(1, len(data)), 2))
    return data[:start] + data[stop:]


def doubled(data: bytes, draw: random.Random) -> bytes:
    start, stop = sorted(draw.sample(range(1, len(data)), 2))
    return data[:stop] + data[start:]


def appended(data: bytes, draw: random.Random) -> bytes:
    return data + draw.choice((b"\0", b"\n", data, draw.randbytes(draw.randrange(1, 5000))))


def emptied(data: bytes, draw: random.Random) -> bytes:
    return b""


def bomb(data: bytes, draw: random.Random) -> bytes:
    return zstandard.compress(bytes(draw.randrange(1, 32) << 20))


def noise(data: bytes, draw: random.Random) -> bytes:
    return draw.randbytes(draw.randrange(1, 2 * len(data)))


def head_flipped(data: bytes, draw: random.Random) -> bytes:
    """In the first lines, where age keeps its keys and Zstandard its sizes."""
    return flipped(data[:150], random.Random(draw.random())) + data[150:]


BYTES = (cut, flipped, flipped, flipped, zeroed, shortened, doubled, appended, emptied, bomb, noise, head_flipped)


# -- what is done to the store ---------------------------------------------------------------------------------------


def place_of(manifest: Manifest) -> str:
    return f"{manifest.data.key.rpartition('/')[0]}/{MANIFEST}"


def data_damaged(there: World, draw: random.Random) -> None:
    key = there.first.data.key
    there.put(key, draw.choice(BYTES)(there.get(key), draw))


def data_swapped(there: World, draw: random.Random) -> None:
    one, other = there.first.data.key, there.second.data.key
    first, second = there.get(one), there.get(other)
    there.put(one, second)
    there.put(other, first)


def data_gone(there: World, draw: random.Random) -> None:
    there.put(there.first.data.key, None)


def manifest_damaged(there: World, draw: random.Random) -> None:
    key = place_of(there.first)
    there.put(
        key,
        draw.choice((cut, flipped, flipped, zeroed, shortened, doubled, appended, emptied, noise))(
            there.get(key), draw
        ),
    )


def manifest_swapped(there: World, draw: random.Random) -> None:
    there.put(place_of(there.first), there.get(place_of(there.second)))


def manifest_gone(there: World, draw: random.Random) -> None:
    there.put(place_of(there.first), None)


def manifest_changed(there: World, draw: random.Random) -> None:
    """By somebody who can count its digests."""
    stored = there.get(place_of(there.first))
    changed = stored
    while changed == stored:
        changed = resealed(stored, lambda body: draw.choice(LIES)(body, there, draw))
    there.put(place_of(there.first), changed)


def data_resealed(there: World, draw: random.Random) -> None:
    """Damaged, and the manifest tells its new checksum."""
    key = there.first.data.key
    damaged = draw.choice(BYTES)(there.get(key), draw)
    there.put(key, damaged)
    retold(there, damaged)


def retold(there: World, data: bytes) -> None:
    def tell(body: dict[str, Any]) -> None:
        body["data"] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}

    there.put(place_of(there.first), resealed(there.get(place_of(there.first)), tell))


def repacked(there: World, raw: bytes) -> None:
    """Another archive as the first backup's, with checksums that fit."""
    packer = Packer(there.first.packing, threads=0)
    packed = packer.pack(raw) + packer.finish()
    there.put(there.first.data.key, packed)
    retold(there, packed)


def other_data_resealed(there: World, draw: random.Random) -> None:
    """The other backup's data, with its checksum."""
    data = there.get(there.second.data.key)
    there.put(there.first.data.key, data)
    retold(there, data)


# -- lies of a manifest ----------------------------------------------------------------------------------------------


def _spec(body: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    solid = [each for each in body["collections"] if each["kind"] != "view"]
    return draw.choice(solid)


def lie_about_a_count(body: dict[str, Any], there: World, draw: random.Random) -> None:
    _spec(body, draw)["documents"] += draw.choice((-1, 1, 1000))


def lie_about_two_counts(body: dict[str, Any], there: World, draw: random.Random) -> None:
    """The sum fits."""
    one, other = draw.sample([each for each in body["collections"] if each["kind"] == "collection"], 2)
    one["documents"] += 1
    other["documents"] -= 1


def lie_about_an_option(body: dict[str, Any], there: World, draw: random.Random) -> None:
    _spec(body, draw)["options"] = draw.choice(('{"capped":true}', '{"validator":{"a":1}}', "{", "[]", '{"x":"y"}'))


def lie_about_a_name(body: dict[str, Any], there: World, draw: random.Random) -> None:
    _spec(body, draw)["name"] += "x"


def lie_about_a_kind(body: dict[str, Any], there: World, draw: random.Random) -> None:
    spec = _spec(body, draw)
    spec["kind"] = draw.choice([each.value for each in CollectionKind if each.value != spec["kind"]])


def lie_about_one_more(body: dict[str, Any], there: World, draw: random.Random) -> None:
    body["collections"].append({**_spec(body, draw), "name": "invented"})


def lie_about_the_data(body: dict[str, Any], there: World, draw: random.Random) -> None:
    body["data"] |= draw.choice(
        (
            {"sha256": there.second.data.sha256},
            {"bytes": body["data"]["bytes"] + 1},
            {"key": there.second.data.key},
            {"key": there.second.data.key, "sha256": there.second.data.sha256, "bytes": there.second.data.size_bytes},
            {"key": "v1/other/full/2026/11/24/x/data.archive.zst"},
            {"sha256": body["data"]["sha256"].upper()},
        )
    )


def lie_about_whose_it_is(body: dict[str, Any], there: World, draw: random.Random) -> None:
    body |= draw.choice(
        ({"target": "other"}, {"id": there.second.id}, {"id": "latest"}, {"id": "../x"}, {"target": ""})
    )


def lie_about_the_keys(body: dict[str, Any], there: World, draw: random.Random) -> None:
    body["packing"]["recipients"] = ["age1" + "q" * 58]


def lie_by_leaving_one_out(body: dict[str, Any], there: World, draw: random.Random) -> None:
    body["collections"].remove(_spec(body, draw))


LIES = (
    lie_by_leaving_one_out,
    lie_about_a_count,
    lie_about_two_counts,
    lie_about_an_option,
    lie_about_a_name,
    lie_about_a_kind,
    lie_about_one_more,
    lie_about_the_data,
    lie_about_whose_it_is,
    lie_about_the_keys,
)

STORED: tuple[Damaging, ...] = (
    *(data_damaged,) * 8,
    *(manifest_damaged,) * 4,
    *(manifest_changed,) * 4,
    *(data_resealed,) * 6,
    data_swapped,
    data_gone,
    manifest_swapped,
    manifest_gone,
    other_data_resealed,
)


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
    print(f"seeds {hundred * 100} to {hundred * 100 + 99}, {name}: {dict(spoke)}")


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
def test_another_archive_of_the_same_counts_and_definitions_is_refused(name: str) -> None:
    """Only the checksum tells them apart."""
    other = made(name).copy()
    other.restore()
    documents = {each: found.documents for each, found in other.database.there.items()}
    documents["items"][0]["text"] = "never saved"
    there = made(name).copy()
    packer = Packer(there.first.packing, threads=0)
    raw = archive_of(there.first.collections, documents)
    there.put(there.first.data.key, packer.pack(raw) + packer.finish())
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
    print(f"inside, {name}: {dict(spoke)}")
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
