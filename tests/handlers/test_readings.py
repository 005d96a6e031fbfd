"""A stored file is read by the version that was written, and only believed when its SHA-256 fits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from handlers.core.formats.objects import Receipt, Stored
from handlers.core.restores.readings import reading
from handlers.core.words.errors import Damage, OutsideError
from tests.fakes import FakeClock, MemoryStore

DATA = bytes(range(256)) * 10_000


def stored(version: str, data: bytes = DATA) -> Stored:
    return Stored("a", hashlib.sha256(data).hexdigest(), len(data), Receipt(version))


def watched(store: MemoryStore, what: Stored) -> tuple[bytes, list[int]]:
    seen: list[int] = []
    return b"".join(reading(store, what, seen.append)), seen


def test_every_piece_is_given_and_counted() -> None:
    store = MemoryStore(FakeClock())
    store.put_new("a", DATA)
    assert watched(store, stored("")) == (DATA, [1 << 20, 2 << 20, len(DATA)])


class Asked(MemoryStore):
    """Remembers which version was asked for."""

    asked = "nothing"

    def read(self, key: str, *, version: str = "") -> Iterator[bytes]:
        self.asked = version
        return super().read(key, version=version)


def test_it_is_read_by_its_version() -> None:
    store = Asked(FakeClock(), lock_mode="COMPLIANCE")
    store.put_new("a", DATA)
    store.hide("a")
    version = store.receipts["a"].version
    assert watched(store, stored(version))[0] == DATA
    assert store.asked == version != ""


def test_in_a_copy_of_the_bucket_it_is_read_by_its_key() -> None:
    store = MemoryStore(FakeClock(), lock_mode="COMPLIANCE")
    store.put_new("a", DATA)
    assert watched(store, stored("of the other bucket"))[0] == DATA


@pytest.mark.parametrize("version", ["", "of the other bucket"])
def test_other_bytes_never_come_to_their_end(version: str) -> None:
    store = MemoryStore(FakeClock(), lock_mode="COMPLIANCE")
    store.put_new("a", DATA[:-1] + b"?")
    got: list[bytes] = []
    with pytest.raises(Damage, match="SHA-256"):
        got.extend(reading(store, stored(version), lambda _: None))
    assert sum(map(len, got)) < len(DATA)


def test_what_is_gone_is_said() -> None:
    with pytest.raises(OutsideError, match="There is no a"):
        watched(MemoryStore(FakeClock(), lock_mode="COMPLIANCE"), stored("v1"))
