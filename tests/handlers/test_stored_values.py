"""What stands in a store of secrets: it is read, or refused without a word of it, and never shown by accident."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from handlers.core.rotation.access_keys import KeyPair
from handlers.core.rotation.accounts import Credentials
from handlers.core.rotation.recorded_secrets import RecordedSecrets
from handlers.core.rotation.secret_stores import Sealed
from handlers.core.words.errors import Damage
from tests.fake_secrets import MemorySecrets, first_key, first_user
from tests.fakes import FakeClock, MemoryAudit
from tests.handlers.test_rotations import House, state_of, text_of

BROKEN = [b"", b"CANARY", b"{}", b"[]", b'"CANARY"', b'{"username": "CANARY", "access_key_id": "CANARY"}', b"\xff\xfe"]


@pytest.mark.parametrize("stored", BROKEN)
@pytest.mark.parametrize(
    ("read", "told"), [(KeyPair.read, "is no access key"), (Credentials.read, "is no user with a password")]
)
def test_what_cannot_be_read_is_refused_and_not_quoted(
    read: Callable[[Sealed], object], told: str, stored: bytes
) -> None:
    with pytest.raises(Damage, match=told) as caught:
        read(Sealed(stored))
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "told"), [("s3", "is no access key"), ("mongo", "is no user with a password"), ("jwt", "is no key ring")]
)
def test_what_somebody_put_there_in_another_form_stays_as_it_is(name: str, told: str) -> None:
    house = House()
    house.secrets.put(name, b"by hand")
    keys, users = dict(house.keys.keys), dict(house.accounts.users)
    if name == "mongo":
        job = house.done(name)
        assert state_of(job) == "aborted"
        said = text_of(house.desk.card(job))
    else:
        with pytest.raises(Damage) as caught:
            house.ask(name)
        said = str(caught.value)
    assert told in said
    assert (house.secrets.seen(name), house.secrets.look(name).pending) == (b"by hand", None)
    assert (house.keys.keys, house.accounts.users) == (keys, users)


def test_nothing_that_is_printed_shows_a_value() -> None:
    pair, user = KeyPair.read(Sealed(first_key())), Credentials.read(Sealed(first_user()))
    assert repr(pair) == "KeyPair(…'IRST')", "people tell keys apart by their ends"
    assert repr(user) == "Credentials('app_a')"
    assert f"{Sealed(b'CANARY')} {Sealed(b'CANARY')!r}" == "Sealed(…) Sealed(…)"


@pytest.mark.parametrize("kept", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_sealed_value_is_neither_pickled_nor_copied(kept: Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="a secret is not pickled"):
        kept(Sealed(b"CANARY"))


def test_a_sealed_value_is_compared_by_what_it_is_and_its_hash_tells_nothing() -> None:
    assert {Sealed(b"one"), Sealed(b"one"), Sealed(b"two")} == {Sealed(b"one"), Sealed(b"two")}
    assert hash(Sealed(b"one")) == hash(Sealed(b"two"))
    assert Sealed(b"one") != b"one"


def test_where_secrets_are_is_told_without_a_record_of_it() -> None:
    audit = MemoryAudit()
    store = RecordedSecrets(MemorySecrets(FakeClock()), audit)
    assert store.describe() == "memory"
    assert audit.events == []
