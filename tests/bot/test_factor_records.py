"""A stored second factor gives nothing away, and cannot be changed, moved or read with another key."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyotp
import pytest

from bot.adapters.factors import StoredFactors
from bot.adapters.store_directory import DirectoryStore
from bot.adapters.totp import Totp
from handlers.core.ports import Factor
from handlers.core.words.answers import PersonId
from handlers.core.words.errors import Damage

MOMENT = datetime(2026, 11, 24, 3, 12, 7, tzinfo=UTC)
ANA = PersonId("UANA")
TEAM = "workspace"
KEY = bytes(range(32))


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path)


@pytest.fixture
def factors(store: DirectoryStore) -> StoredFactors:
    return StoredFactors(store, KEY, Totp())


def _enrolled(factors: StoredFactors) -> tuple[Factor, str]:
    seed, _ = factors.begin(ANA, TEAM)
    now = int(MOMENT.timestamp())
    first, second = pyotp.TOTP(seed).at(now - 30), pyotp.TOTP(seed).at(now)
    return factors.enroll(ANA, TEAM, seed, first, second, MOMENT), seed


def _stored(store: DirectoryStore) -> list[str]:
    return [artifact.key for artifact in store.list("")]


def test_the_seed_is_nowhere_in_the_store(factors: StoredFactors, store: DirectoryStore) -> None:
    factor, seed = _enrolled(factors)
    factors.mark(factor, TEAM, used=True, locked=False)
    for key in _stored(store):
        stored = store.get(key) or b""
        for form in (seed.encode(), base64.b32decode(seed), base64.b64encode(seed.encode())):
            assert form not in stored
    assert _stored(store) == ["factors/workspace.UANA/000001.json", "factors/workspace.UANA/000002.json"]


def test_no_nonce_is_used_twice(factors: StoredFactors, store: DirectoryStore) -> None:
    factor: Factor | None = _enrolled(factors)[0]
    for _ in range(5):
        assert factor is not None
        factor = factors.mark(factor, TEAM, used=True, locked=False)
    nonces = {json.loads(store.get(key) or b"")["nonce"] for key in _stored(store)}
    assert len(nonces) == 6


def _change(**fields: Any) -> Callable[[bytes], bytes]:
    return lambda stored: json.dumps({**json.loads(stored), **fields}).encode()


@pytest.mark.parametrize(
    "change",
    [
        _change(locked=False),
        _change(used=False),
        _change(floor_step=0),
        _change(floor_step="0"),
        _change(floor_step=1.5),
        _change(nonce=""),
        _change(nonce="?"),
        _change(seed=base64.b64encode(bytes(48)).decode()),
        _change(seed=None),
        lambda stored: b"",
        lambda stored: b"[]",
        lambda stored: b"\xff",
        lambda stored: stored[: len(stored) // 2],
    ],
)
def test_a_changed_record_is_damage(
    factors: StoredFactors, store: DirectoryStore, change: Callable[[bytes], bytes]
) -> None:
    factor, _ = _enrolled(factors)
    marked = factors.mark(factor, TEAM, used=True, locked=True)
    assert marked is not None
    key = "factors/workspace.UANA/000002.json"
    stored = store.get(key) or b""
    store.delete(key)
    store.put_new(key, change(stored))
    for touch in (
        lambda: factors.get(ANA, TEAM),
        lambda: factors.matching_step(marked, TEAM, "123456", MOMENT),
        lambda: factors.mark(marked, TEAM, used=True, locked=False),
    ):
        with pytest.raises(Damage, match="MASTER_KEY"):
            touch()


@pytest.mark.parametrize(
    "to", ["factors/workspace.UBEN/000001.json", "factors/other.UANA/000001.json", "factors/workspace.UANA/000002.json"]
)
def test_a_record_moved_to_another_place_is_damage(factors: StoredFactors, store: DirectoryStore, to: str) -> None:
    _enrolled(factors)
    store.put_new(to, store.get("factors/workspace.UANA/000001.json") or b"")
    team, person = to.split("/")[1].split(".")
    with pytest.raises(Damage):
        factors.get(PersonId(person), team)


def test_another_master_key_is_damage_that_says_what_to_do(factors: StoredFactors, store: DirectoryStore) -> None:
    _enrolled(factors)
    other = StoredFactors(store, os.urandom(32), Totp())
    with pytest.raises(Damage, match="Put the earlier MASTER_KEY back, or enrol") as caught:
        other.get(ANA, TEAM)
    assert KEY.hex() not in str(caught.value)
    factor, _ = _enrolled(other)
    assert other.get(ANA, TEAM) == factor
