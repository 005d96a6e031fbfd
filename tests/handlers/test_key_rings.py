"""A key ring never forgets the key of a living token."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.rotation.key_rings import KeyRing, signer
from handlers.core.rotation.secret_stores import Sealed
from handlers.core.words.errors import Damage

NOW = datetime(2026, 11, 25, tzinfo=UTC)
NAMES = st.text("abcdefgh", min_size=1, max_size=8)
RINGS = st.dictionaries(NAMES, st.text(min_size=1, max_size=20), min_size=1, max_size=5).flatmap(
    lambda keys: st.sampled_from(sorted(keys)).map(lambda active: KeyRing("v1", active, keys))
)


@given(RINGS)
def test_what_is_stored_is_read_again(ring: KeyRing) -> None:
    assert KeyRing.read(ring.sealed()) == ring


@given(RINGS, st.text("xyz", min_size=1, max_size=4))
def test_no_phase_before_the_last_forgets_a_key_or_signs_with_one_that_was_not_accepted(
    ring: KeyRing, name: str
) -> None:
    accepting = ring.accepting("v2", name, "new")
    signing = accepting.signing("v3", name)
    assert accepting.active == ring.active
    assert ring.keys.items() <= accepting.keys.items() == signing.keys.items()
    assert signing.active in accepting.keys
    assert signing.alone("v4").keys == {name: "new"}


@given(RINGS)
def test_a_token_names_its_key(ring: KeyRing) -> None:
    for name in ring.keys:
        assert signer(ring.token(name, NOW)) == name


@given(st.binary(max_size=60))
def test_what_is_no_token_names_no_key_and_breaks_nothing(data: bytes) -> None:
    assert isinstance(signer(Sealed(data)), str)


@pytest.mark.parametrize(
    "stored", [b"", b"CANARY", b"{}", b"[]", b'{"active": "CANARY", "keys": {}}', b'{"keys": "x"}']
)
def test_what_is_no_key_ring_is_refused_and_not_quoted(stored: bytes) -> None:
    with pytest.raises(Damage) as caught:
        KeyRing.read(Sealed(stored))
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_key_that_is_not_accepted_does_not_sign() -> None:
    with pytest.raises(Damage):
        KeyRing("v1", "a", {"a": "x"}).signing("v2", "b")


def test_neither_a_ring_nor_a_sealed_value_shows_a_key() -> None:
    ring = KeyRing("v1", "a", {"a": "CANARY"})
    assert "CANARY" not in repr(ring) + repr(ring.sealed()) + str(ring.sealed())
