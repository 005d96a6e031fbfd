"""What is done to a stored backup: to its bytes, to what lies in the store, and what a forged manifest lies about.

- Each takes a world, or bytes, and a seeded source of chance, and changes the first backup.
- `resealed` damage comes with checksums that fit.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Any

import zstandard

from bot.adapters.mongo.packing import Packer
from handlers.core.backups.catalogue import MANIFEST
from handlers.core.formats.manifests import CollectionKind, Manifest
from tests.chaos.archives import packed_whole
from tests.chaos.damage import World, resealed

Damaging = Callable[[World, random.Random], None]


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
    stored = packed_whole(Packer(there.first.packing, threads=0), raw)
    there.put(there.first.data.key, stored)
    retold(there, stored)


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
