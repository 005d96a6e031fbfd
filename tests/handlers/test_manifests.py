"""A manifest: a dump is judged before it becomes a backup, and a manifest that was changed is not believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.formats.manifests import (
    BackupKind,
    CollectionKind,
    CollectionSpec,
    DumpEvidence,
    Manifest,
    differences,
    incomplete,
    reported_name,
)
from handlers.core.formats.objects import Packing, Receipt, Slice, Stored
from handlers.core.formats.optimes import OpTime
from handlers.core.words.answers import BackupId, JobId, TargetName
from handlers.core.words.digests import canonical, digest
from handlers.core.words.errors import Damage
from tests.handlers.test_digests import VALUES

NAMES = st.text(min_size=1, max_size=12)
COUNTS = st.integers(0, 10**12)
SPECS = st.builds(
    CollectionSpec,
    name=NAMES,
    kind=st.sampled_from(CollectionKind),
    options=st.text(max_size=20),
    indexes=st.lists(st.text(max_size=20), max_size=3).map(tuple),
    documents=COUNTS,
    size_bytes=COUNTS,
)
SOME = st.lists(SPECS, min_size=1, max_size=5, unique_by=lambda spec: spec.name).map(tuple)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 naive bounds
STORED = st.builds(
    Stored,
    key=NAMES,
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    size_bytes=COUNTS,
    receipt=st.builds(Receipt, NAMES, st.none() | MOMENTS),
)
TIMES = st.builds(OpTime, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
SLICES = st.builds(
    lambda one, other, entries, stored: Slice(min(one, other), max(one, other), entries, stored),
    TIMES,
    TIMES,
    COUNTS,
    STORED,
)
MANIFESTS = st.builds(
    Manifest,
    id=NAMES.map(BackupId),
    target=NAMES.map(TargetName),
    database=NAMES,
    kind=st.sampled_from(BackupKind),
    created=MOMENTS,
    began=st.none() | MOMENTS,
    seconds=COUNTS,
    created_by=NAMES,
    deployment=NAMES,
    surface=NAMES,
    job=NAMES.map(JobId),
    data=STORED,
    raw_bytes=COUNTS,
    packing=st.builds(Packing, COUNTS, st.lists(NAMES, max_size=2).map(tuple)),
    slice=st.none() | SLICES,
    torn=NAMES,
    tool=NAMES,
    server=NAMES,
    collections=SOME,
)


def spec(name: str, documents: int = 3, kind: CollectionKind = CollectionKind.COLLECTION) -> CollectionSpec:
    return CollectionSpec(name, kind, "{}", ('{"name":"_id_"}',), documents)


ITEMS, WEATHER = spec("items"), spec("weather", 2, CollectionKind.TIMESERIES)
CHEAP = spec("cheap", 0, CollectionKind.VIEW)


def evidence_of(specs: tuple[CollectionSpec, ...]) -> DumpEvidence:
    """What a whole dump of them shows."""
    solid = [each for each in specs if each.kind is not CollectionKind.VIEW]
    return DumpEvidence(
        return_code=0,
        announced=specs,
        reported={reported_name(each): each.documents for each in solid},
        closed=frozenset(map(reported_name, solid)),
        raw_bytes=1,
        stored_bytes=1,
        sha256="0" * 64,
        packing=Packing(),
        tool="mongodump",
        server="6.0.5",
        last_lines="",
    )


WHOLE = evidence_of((CHEAP, ITEMS, WEATHER))


def test_a_whole_dump_may_become_a_backup() -> None:
    assert incomplete(WHOLE) is None


def test_a_view_is_announced_and_never_dumped() -> None:
    assert incomplete(evidence_of((CHEAP, ITEMS))) is None


def test_a_time_series_is_reported_by_the_name_of_its_buckets() -> None:
    assert reported_name(WEATHER) == "system.buckets.weather"
    assert reported_name(ITEMS) == "items"


BROKEN: dict[str, tuple[Callable[[DumpEvidence], DumpEvidence], str]] = {
    "it was killed": (lambda seen: replace(seen, return_code=-9), "ended with -9"),
    "it failed": (lambda seen: replace(seen, return_code=1), "ended with 1"),
    "a stream was not ended": (lambda seen: replace(seen, closed=seen.closed - {"items"}), "ends inside items"),
    "buckets were not ended": (lambda seen: replace(seen, closed=frozenset({"items", "weather"})), "inside weather"),
    "a collection was never finished": (
        lambda seen: replace(seen, reported={"system.buckets.weather": 2}), "never said it finished items",
    ),
    "it said more than there is": (
        lambda seen: replace(seen, reported={**seen.reported, "items": 4}),
        "said 4 documents in items, the archive holds 3",
    ),
    "it said less than there is": (lambda seen: replace(seen, reported={**seen.reported, "items": 2}), "said 2"),
    "there was nothing": (lambda seen: replace(seen, announced=(), reported={}, closed=frozenset()), "nothing to save"),
}  # fmt: skip


@pytest.mark.parametrize("why", BROKEN)
def test_a_dump_of_which_anything_is_missing_does_not(why: str) -> None:
    broken, words = BROKEN[why]
    found = incomplete(broken(WHOLE))
    assert found is not None
    assert words in str(found)


@given(SOME, st.data())
def test_no_part_of_the_proof_can_be_left_out(specs: tuple[CollectionSpec, ...], data: st.DataObject) -> None:
    whole = evidence_of(specs)
    assert incomplete(whole) is None
    solid = sorted(whole.closed)
    if not solid:
        return
    name = data.draw(st.sampled_from(solid))
    assert incomplete(replace(whole, closed=whole.closed - {name})) is not None
    less = {each: count for each, count in whole.reported.items() if each != name}
    assert incomplete(replace(whole, reported=less)) is not None
    other = data.draw(COUNTS.filter(lambda count: count != whole.reported[name]))
    assert incomplete(replace(whole, reported={**whole.reported, name: other})) is not None
    assert incomplete(replace(whole, return_code=data.draw(st.integers(-64, 255).filter(bool)))) is not None


@given(MANIFESTS)
def test_a_stored_manifest_is_the_manifest(manifest: Manifest) -> None:
    found = Manifest.from_bytes(manifest.to_bytes())
    assert found == manifest
    assert found.to_bytes() == manifest.to_bytes()
    assert found.documents == sum(each.documents for each in manifest.collections)


def manifest() -> Manifest:
    return Manifest(
        id=BackupId("20261124t030000z-abcdef"),
        target=TargetName("shop"),
        database="shop",
        kind=BackupKind.MANUAL,
        created=datetime(2026, 11, 24, 3, tzinfo=UTC),
        seconds=12,
        created_by="U0SARA",
        deployment="rs0",
        surface="slack",
        job=JobId("abcdefghijkl"),
        data=Stored(
            "v1/shop/full/2026/11/24/20261124t030000z-abcdef/data.archive.zst",
            "ab" * 32,
            1000,
            Receipt("v7", datetime(2026, 12, 3, tzinfo=UTC)),
        ),
        raw_bytes=4000,
        packing=Packing(3, ("age1example",)),
        slice=Slice(
            OpTime(1764000000, 1),
            OpTime(1764000012, 7),
            25,
            Stored("v1/shop/full/2026/11/24/20261124t030000z-abcdef/oplog.bson.zst", "cd" * 32, 77),
        ),
        torn="",
        tool="mongodump 100.7.0",
        server="6.0.5",
        collections=(CHEAP, ITEMS, WEATHER),
    )


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_one_changed_byte_is_damage(position: int, byte: int) -> None:
    stored = bytearray(manifest().to_bytes())
    position %= len(stored)
    if stored[position] == byte:
        return
    stored[position] = byte
    with pytest.raises(Damage):
        Manifest.from_bytes(bytes(stored))


@given(st.integers(0, 10_000))
def test_a_manifest_that_was_cut_is_damage(position: int) -> None:
    stored = manifest().to_bytes()
    with pytest.raises(Damage):
        Manifest.from_bytes(stored[: position % len(stored)])


@given(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_what_is_not_a_manifest_is_damage(stored: bytes) -> None:
    with pytest.raises(Damage):
        Manifest.from_bytes(stored)


def sealed(**changed: Any) -> bytes:
    """A manifest with other fields whose own digest fits all the same."""
    body = {**json.loads(manifest().to_bytes()), **changed}
    del body["digest"]
    return canonical({**body, "digest": digest("manifest", body)})


DATA, SLICE = json.loads(manifest().to_bytes())["data"], json.loads(manifest().to_bytes())["slice"]


def test_a_manifest_can_be_sealed_anew() -> None:
    assert Manifest.from_bytes(sealed(seconds=13)) == replace(manifest(), seconds=13)
    for offset in (-86_400, 86_400):
        assert Manifest.from_bytes(sealed(offset_seconds=offset)).offset_seconds == offset


@pytest.mark.parametrize(
    "changed",
    [{"schema": 1}, {"schema": None}, {"kind": "unheard of"}, {"created": "2026-11-24T03:00:00"}, {"created": "soon"},
     {"began": "2026-11-24T03:00:00"}, {"began": None},
     {"data": {}}, {"data": None}, {"seconds": "many"}, {"collections": None}, {"collections": [{}]},
     {"packing": {"codec": "gzip", "level": 3, "recipients": []}}, {"slice": {}},
     {"data": {**DATA, "locked_until": "2026-12-03T00:00:00"}}, {"slice": {**SLICE, "end": "1763999999.1"}},
     {"offset_seconds": True}, {"offset_seconds": "0"}, {"offset_seconds": 86_401}, {"offset_seconds": -86_401},
     {"color": "green"}, {"created_by": 7}],
    ids=str,
)  # fmt: skip
def test_a_sealed_manifest_that_makes_no_sense_is_damage(changed: dict[str, Any]) -> None:
    with pytest.raises(Damage):
        Manifest.from_bytes(sealed(**changed))


@pytest.mark.parametrize("field", ["options", "name", "kind", "indexes"])
def test_a_definition_that_does_not_fit_its_fingerprint_is_damage(field: str) -> None:
    collections = [each.to_json() for each in manifest().collections]
    other = {"options": '{"capped":true}', "name": "other", "kind": "view", "indexes": []}[field]
    changed = [{**collections[1], field: other}]
    with pytest.raises(Damage):
        Manifest.from_bytes(sealed(collections=changed))


def test_the_fingerprint_covers_the_definition_and_not_the_documents() -> None:
    assert replace(ITEMS, documents=99, size_bytes=99).fingerprint == ITEMS.fingerprint
    others = [
        replace(ITEMS, name="other"),
        replace(ITEMS, kind=CollectionKind.TIMESERIES),
        replace(ITEMS, options='{"capped":true}'),
        replace(ITEMS, indexes=()),
    ]
    assert len({each.fingerprint for each in (ITEMS, *others)}) == 5


@given(SOME)
def test_equal_collections_have_no_differences_in_any_order(specs: tuple[CollectionSpec, ...]) -> None:
    assert differences(specs, specs[::-1]) == ()


@pytest.mark.parametrize(
    ("expected", "found", "said"),
    [
        ([ITEMS], [], ["items is missing"]),
        ([], [ITEMS], ["items is there, but not in the backup"]),
        ([ITEMS], [replace(ITEMS, documents=2)], ["items holds 2 documents, not 3"]),
        ([ITEMS], [replace(ITEMS, indexes=())], ["items has other options or indexes"]),
        ([ITEMS], [replace(ITEMS, options="{ }")], ["items has other options or indexes"]),
        ([ITEMS], [replace(ITEMS, size_bytes=9)], []),
        ([ITEMS], [CHEAP], ["cheap is there, but not in the backup", "items is missing"]),
    ],
)  # fmt: skip
def test_differences_name_what_is_not_the_same(
    expected: list[CollectionSpec], found: list[CollectionSpec], said: list[str]
) -> None:
    assert [str(each) for each in differences(expected, found)] == said


@given(MANIFESTS)
def test_a_backup_is_of_the_moment_its_slice_ends(manifest: Manifest) -> None:
    if manifest.slice is None:
        assert (manifest.moment, manifest.stored_bytes) == (manifest.created, manifest.data.size_bytes)
    else:
        assert int(manifest.moment.timestamp()) == manifest.slice.end.seconds
        assert manifest.stored_bytes == manifest.data.size_bytes + manifest.slice.stored.size_bytes


@given(TIMES, TIMES)
def test_times_of_the_oplog_are_ordered_as_their_numbers(one: OpTime, other: OpTime) -> None:
    assert (one < other) == ((one.seconds, one.increment) < (other.seconds, other.increment))
    assert OpTime.parse(str(one)) == one
    assert one <= OpTime.last_of(one.moment)


@pytest.mark.parametrize("spelled", ["", "1", "1.", ".1", "1.2.3", "-1.2", "4294967296.0", "1.4294967296", "١.٢"])
def test_what_is_no_time_of_an_oplog_is_refused(spelled: str) -> None:
    with pytest.raises(ValueError, match="not a time of an oplog"):
        OpTime.parse(spelled)


@pytest.mark.parametrize("year", [1969, 2107])
def test_an_oplog_knows_no_time_before_1970_or_after_2106(year: int) -> None:
    with pytest.raises(ValueError, match="an oplog knows the years 1970 to 2106"):
        OpTime.last_of(datetime(year, 6, 1, tzinfo=UTC))
