"""The walker of archives, and the one spelling of definitions, on archives made by hand."""

from __future__ import annotations

import json
import re
import struct
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import bson
import pytest
import zstandard
from bson import json_util
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.mongo.archive import ArchiveError, ArchiveWalker
from bot.adapters.mongo.canonical import definition, index_text, options_text, same_but_for_order
from bot.adapters.mongo.packing import unpacked
from handlers.core.formats.manifests import CollectionKind
from handlers.core.words.errors import Damage

MAGIC = struct.pack("<I", 0x8199E26D)
END = b"\xff\xff\xff\xff"
HEADER = bson.encode(
    {"concurrent_collections": 4, "version": "0.1", "server_version": "6.0.5", "tool_version": "100.7.0"}
)


def announced(name: str, *, kind: str = "collection", database: str = "shop", metadata: str = "{}") -> bytes:
    """A collection in the prelude."""
    return bson.encode({"db": database, "collection": name, "metadata": metadata, "size": 0, "type": kind})


def block(name: str, documents: Sequence[Mapping[str, Any]], *, database: str = "shop") -> bytes:
    """Some documents of a collection."""
    header = bson.encode({"db": database, "collection": name, "EOF": False, "CRC": bson.Int64(0)})
    return header + b"".join(map(bson.encode, documents)) + END


def closed(name: str) -> bytes:
    """The end of a collection."""
    return bson.encode({"db": "shop", "collection": name, "EOF": True, "CRC": bson.Int64(7)}) + END


def archive(*names: str, blocks: Sequence[bytes] = ()) -> bytes:
    """An archive of plain collections."""
    return MAGIC + HEADER + b"".join(map(announced, names)) + END + b"".join(blocks)


def walked(data: bytes, cuts: Sequence[int] = ()) -> ArchiveWalker:
    """A walker that was fed with the pieces between the cuts."""
    walker = ArchiveWalker()
    for start, stop in pairwise(sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})):
        walker.feed(data[start:stop])
    return walker


DOCUMENTS = st.lists(st.fixed_dictionaries({"_id": st.integers(0, 9), "text": st.text(max_size=40)}), max_size=6)


@given(first=DOCUMENTS, second=DOCUMENTS, more=DOCUMENTS, cuts=st.lists(st.integers(0, 100_000), max_size=60))
def test_pieces_of_any_size_give_the_same_counts(
    first: list[dict[str, Any]], second: list[dict[str, Any]], more: list[dict[str, Any]], cuts: list[int]
) -> None:
    blocks = [block("a", first), block("b", second), block("a", more), closed("b"), closed("a")]
    walker = walked(archive("a", "b", blocks=blocks), cuts)
    a, b = walker.announced
    assert (a.documents, b.documents) == (len(first) + len(more), len(second))
    assert a.size_bytes == sum(len(bson.encode(document)) for document in first + more)
    assert walker.closed == {"a", "b"}
    assert walker.at_a_boundary


def test_one_byte_at_a_time_is_enough() -> None:
    data = archive("a", blocks=[block("a", [{"_id": 1}, {"_id": 2}]), closed("a")])
    walker = walked(data, range(len(data)))
    assert [spec.documents for spec in walker.announced] == [2]
    assert (walker.server, walker.tool, walker.database) == ("6.0.5", "100.7.0", "shop")


def test_views_of_memory_are_taken_like_bytes() -> None:
    data = archive("a", blocks=[block("a", [{"_id": 1}]), closed("a")])
    walker = ArchiveWalker()
    for start in range(0, len(data), 7):
        walker.feed(memoryview(data)[start : start + 7])
    assert [spec.documents for spec in walker.announced] == [1]


def test_a_cut_archive_is_not_at_a_boundary() -> None:
    data = archive("a", blocks=[block("a", [{"_id": 1}]), closed("a")])
    whole_until = {len(archive("a")), len(archive("a", blocks=[block("a", [{"_id": 1}])])), len(data)}
    for length in range(len(data) + 1):
        assert walked(data[:length]).at_a_boundary == (length in whole_until), length


def test_a_collection_without_its_end_is_not_closed() -> None:
    assert walked(archive("a", "b", blocks=[block("a", []), block("b", []), closed("b")])).closed == {"b"}


def test_a_time_series_counts_its_buckets() -> None:
    data = MAGIC + HEADER + announced("metrics", kind="timeseries") + END
    data += block("system.buckets.metrics", [{"_id": 1}, {"_id": 2}]) + closed("system.buckets.metrics")
    (spec,) = walked(data).announced
    assert (spec.name, spec.kind, spec.documents) == ("metrics", CollectionKind.TIMESERIES, 2)


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04 something else",
        MAGIC + b"\x00\x00\x00\x00",
        MAGIC + struct.pack("<i", 2**30),
        MAGIC + struct.pack("<i", 12) + b"\xee" * 12,
        MAGIC + HEADER + bson.encode({"unknown": 1}),
        MAGIC + HEADER + announced("a", metadata="not json"),
        MAGIC + HEADER + announced("a", metadata="[]"),
        MAGIC + HEADER + announced("a", metadata='{"options":{"x":{"$numberLong":[]}}}'),
        MAGIC + HEADER + announced("a", kind="something"),
        MAGIC + HEADER + announced("a") + announced("a"),
        MAGIC + HEADER + announced("a") + announced("b", database="other"),
        archive("a") + END,
        archive("a", blocks=[block("never-announced", [])]),
        archive("a", blocks=[block("a", [], database="other")]),
        archive("a", blocks=[closed("a"), block("a", [])]),
        archive("a", blocks=[closed("a")[:-4] + bson.encode({"_id": 1})]),
    ],
)
def test_what_cannot_be_an_archive_is_refused_for_good(data: bytes) -> None:
    with pytest.raises(ArchiveError) as caught:
        walked(data)
    assert caught.value.permanent


def test_walking_is_faster_than_the_tools() -> None:
    documents = [{"_id": number, "text": "x" * 900} for number in range(1000)]
    piece = block("a", documents) * 8
    walker = walked(archive("a"))
    started = time.process_time()
    for _ in range(32):
        walker.feed(piece)
    assert 32 * len(piece) / (time.process_time() - started) > 300e6  # a third of what was measured: machines differ


@given(st.binary(max_size=3000), st.integers(1, 50))
def test_packed_pieces_of_any_size_unpack_to_what_was_packed(raw: bytes, size: int) -> None:
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(raw)
    assert b"".join(unpacked(packed[at : at + size] for at in range(0, len(packed), size))) == raw


@pytest.mark.parametrize("fault", ["cut", "flipped", "longer", "nothing", "other"])
def test_a_frame_that_is_not_whole_is_damage(fault: str) -> None:
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(bytes(range(256)) * 50)
    middle = len(packed) // 2
    faulty = {
        "cut": packed[:-1],
        "flipped": packed[:middle] + bytes([packed[middle] ^ 1]) + packed[middle + 1 :],
        "longer": packed + b"x",
        "nothing": b"",
        "other": b"not zstandard",
    }[fault]
    with pytest.raises(Damage):
        list(unpacked([faulty]))


def test_options_are_the_same_text_in_any_order() -> None:
    one = {"storageEngine": {"z": {"$gt": 1, "$lt": 5}, "a": [{"y": 1, "b": 2}]}, "capped": True, "uuid": 3}
    other = {"capped": True, "storageEngine": {"a": [{"b": 2, "y": 1}], "z": {"$lt": 5, "$gt": 1}}}
    assert options_text(one) == options_text(other)


def test_the_order_of_a_pipeline_and_of_an_index_is_part_of_the_text() -> None:
    up, down = {"a": 1, "b": -1}, {"b": -1, "a": 1}
    assert index_text({"key": up, "name": "i"}) != index_text({"key": down, "name": "i"})
    one, other = options_text({"pipeline": [{"$sort": up}]}), options_text({"pipeline": [{"$sort": down}]})
    assert one != other
    assert same_but_for_order(one, other)
    assert not same_but_for_order(one, options_text({"pipeline": [{"$sort": {"a": 1, "b": 1}}]}))


def test_what_a_server_adds_by_itself_is_not_in_the_text() -> None:
    plain = {"key": {"a": 1}, "name": "a_1"}
    assert index_text({"v": 2, "ns": "shop.a", "background": True, **plain}) == index_text(plain)


@pytest.mark.parametrize(
    "value",
    [
        {"$options": "i", "$regex": "^a"},
        re.compile("^a", re.IGNORECASE),
        bson.Int64(3),
        3,
        3.0,
        bson.Decimal128("1.50"),
        {"$type": "string"},
        bson.ObjectId("65f000000000000000000001"),
        b"\x00\x01",
    ],
)
def test_a_definition_survives_its_text(value: Any) -> None:
    text = options_text({"validator": {"a": value}})
    assert options_text(definition(text)) == text
    assert bson.encode(definition(text)) == bson.encode({"validator": {"a": value}})


@pytest.mark.parametrize("text", ["[]", "1", '{"a": {"$oid": "short"}}', '{"a": {"$numberLong": []}}', "{"])
def test_a_text_that_is_no_definition_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        definition(text)


def test_the_text_is_canonical_extended_json() -> None:
    text = index_text({"name": "i", "key": {"a": 1}, "expireAfterSeconds": bson.Int64(9)})
    assert text == ('{"expireAfterSeconds":{"$numberLong":"9"},"key":{"a":{"$numberInt":"1"}},"name":"i"}')
    assert json.loads(text) == json.loads(
        json_util.dumps(definition(text), json_options=json_util.CANONICAL_JSON_OPTIONS)
    )
