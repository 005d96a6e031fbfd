"""What scrubs and drills ask of the real MongoDB: archives walked, collections hashed, questions answered."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database

from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.packing import Packer, unpacked
from handlers.core.formats.manifests import reported_name
from handlers.core.formats.objects import Packing
from handlers.core.words.errors import Damage, OutsideError
from tests.bot.mongo.stock import NAMES, PREFIX, dumped, fill, names_of


@pytest.fixture
def real(real: Database[dict[str, Any]]) -> Database[dict[str, Any]]:
    """With some of everything."""
    fill(real)
    return real


def test_a_stored_archive_is_walked_as_it_was_when_it_was_made(
    real: Database[dict[str, Any]], adapter: MongoDatabase
) -> None:
    packed, evidence = dumped(adapter)
    seen = adapter.examine(iter(packed))
    assert seen.whole
    assert seen.closed == {reported_name(spec) for spec in evidence.announced}
    counts = {spec.name: (spec.documents, spec.size_bytes, spec.indexes) for spec in evidence.announced}
    assert {spec.name: (spec.documents, spec.size_bytes, spec.indexes) for spec in seen.announced} == counts


def repacked(raw: bytes) -> list[bytes]:
    packer = Packer(Packing())
    return [*packer.pack(raw), *packer.finish()]


def test_what_is_no_archive_is_damage_and_a_cut_one_is_not_whole(
    real: Database[dict[str, Any]], adapter: MongoDatabase
) -> None:
    packed, _ = dumped(adapter)
    for nonsense in ([], [b"nonsense"], [*packed[:-1], packed[-1][:-1]], repacked(b"no archive at all")):
        with pytest.raises(Damage):
            adapter.examine(iter(nonsense))
    raw = b"".join(unpacked(packed))
    assert not adapter.examine(iter(repacked(raw[: len(raw) // 2]))).whole


def test_hashes_are_of_every_collection_and_equal_for_equal_documents(
    real: Database[dict[str, Any]], adapter: MongoDatabase
) -> None:
    packed, evidence = dumped(adapter)
    assert adapter.load(iter(packed), PREFIX, names_of(evidence)).return_code == 0
    hashes = adapter.hashes()
    live = {name: md5 for name, md5 in hashes.items() if not name.startswith(PREFIX)}
    assert live.keys() == names_of(evidence) >= {*NAMES, "metrics", "capped", "plain"}
    assert {name: hashes[PREFIX + name] for name in live} == live
    real[f"{PREFIX}plain"].update_one({"_id": 3}, {"$set": {"n": 99}})
    real[f"{PREFIX}capped"].update_one({}, {"$set": {"n": 99}})
    changed = adapter.hashes()
    assert {name for name in live if changed[PREFIX + name] != live[name]} == {"plain", "capped"}


@pytest.mark.parametrize(
    ("pipeline", "at_least", "answer"),
    [
        ("[]", 400, True),
        ("[]", 401, False),
        ('[{"$match":{"n":{"$numberInt":"3"}}}]', 57, True),
        ('[{"$match":{"n":"three"}}]', 1, False),
        ('[{"$match":{"text":{"$regex":"^x{5,}$","$options":"i"}}},{"$group":{"_id":"$n"}}]', 7, True),
    ],
)
def test_a_question_is_whether_there_are_so_many(
    real: Database[dict[str, Any]], adapter: MongoDatabase, pipeline: str, at_least: int, answer: bool
) -> None:
    assert adapter.holds("plain", pipeline, at_least, 10) is answer


def test_a_question_that_takes_too_long_or_means_nothing_is_not_answered(
    real: Database[dict[str, Any]], adapter: MongoDatabase
) -> None:
    slow = '[{"$match":{"$expr":{"$function":{"body":"function(){ sleep(20); return true; }","args":[],"lang":"js"}}}}]'
    with pytest.raises(OutsideError):
        adapter.holds("plain", slow, 400, 0.3)
    with pytest.raises(OutsideError):
        adapter.holds("plain", '[{"$nonsense":{}}]', 1, 10)
    assert not adapter.holds("not there", "[]", 1, 10)
