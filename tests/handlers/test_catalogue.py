"""The catalogue finds what is there, and says what somebody did to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handlers.core.backups.catalogue import MANIFEST, Catalogue, Listing, folder, new_id
from handlers.core.words.answers import JobId
from handlers.core.words.errors import Damage, OutsideError, Refusal
from tests.fakes import FakeClock, Faults, MemoryStore
from tests.handlers.test_manifests import manifest

SHOP = manifest().target
KEY = f"{folder(SHOP, manifest().id)}/{MANIFEST}"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FakeClock(), lock_mode="COMPLIANCE")


def test_a_backup_whose_manifest_was_hidden_is_listed_found_and_said_to_be_hidden(store: MemoryStore) -> None:
    Catalogue(SHOP, store).commit(manifest())
    assert Catalogue(SHOP, store).listing().hidden == ()
    store.hide(KEY)
    catalogue = Catalogue(SHOP, store)
    assert catalogue.listing().manifests == (manifest(),)
    assert catalogue.listing().hidden == (KEY,)
    assert catalogue.find("latest") == manifest()
    assert catalogue.exists(manifest().id)
    assert Catalogue(SHOP, store).find(manifest().id) == manifest()


def test_a_hidden_manifest_still_holds_its_id(store: MemoryStore) -> None:
    catalogue = Catalogue(SHOP, store)
    catalogue.commit(manifest())
    store.hide(KEY)
    with pytest.raises(Damage, match="There already is a backup"):
        catalogue.commit(replace(manifest(), database="other"))
    assert Catalogue(SHOP, store).find(manifest().id) == manifest()


def test_data_of_a_backup_that_exists_is_not_forgotten_because_it_was_hidden(store: MemoryStore) -> None:
    catalogue = Catalogue(SHOP, store)
    catalogue.commit(manifest())
    store.put_new(manifest().data.key, b"data")
    store.hide(KEY)
    catalogue.forget_data(manifest().id)
    assert store.get(manifest().data.key) == b"data"


def test_an_id_begins_with_its_time_so_that_the_newest_is_first(store: MemoryStore) -> None:
    catalogue = Catalogue(SHOP, store)
    first, later = manifest(), new_id(manifest().created.replace(hour=9), JobId("b" * 12))
    data = replace(first.data, key=f"{folder(SHOP, later)}/data.archive.zst")
    second = replace(first, id=later, data=data, slice=None)
    catalogue.commit(second)
    catalogue.commit(first)
    assert [each.id for each in catalogue.listing().manifests] == [second.id, first.id]


def test_a_backup_that_was_given_up_never_comes_to_exist(store: MemoryStore) -> None:
    catalogue = Catalogue(SHOP, store)
    store.put_new(manifest().data.key, b"half")
    catalogue.forget_data(manifest().id)
    assert store.get(manifest().data.key) is None
    with pytest.raises(OutsideError, match="was given up by another worker"):
        Catalogue(SHOP, store).commit(manifest())
    for each in (catalogue, Catalogue(SHOP, store)):
        assert each.listing() == Listing((), ())
        assert not each.exists(manifest().id)
        with pytest.raises(Refusal, match="There is no backup"):
            each.find(manifest().id)


def test_a_void_that_somebody_hid_holds_all_the_same_and_worries_nobody(store: MemoryStore) -> None:
    store.put_new(manifest().data.key, b"half")
    Catalogue(SHOP, store).forget_data(manifest().id)
    store.hide(KEY)
    assert Catalogue(SHOP, store).listing() == Listing((), ())


def test_data_that_arrives_after_its_backup_was_given_up_is_a_leftover(store: MemoryStore) -> None:
    store.put_new(manifest().data.key, b"half")
    Catalogue(SHOP, store).forget_data(manifest().id)
    store.put_new(manifest().data.key, b"late")
    assert [each.key for each in Catalogue(SHOP, store).listing().leftovers] == [manifest().data.key]


def test_a_backup_that_left_nothing_is_not_given_up(store: MemoryStore) -> None:
    """Whoever still works on it makes it whole, or not at all."""
    catalogue = Catalogue(SHOP, store)
    catalogue.forget_data(manifest().id)
    catalogue.commit(manifest())
    assert catalogue.exists(manifest().id)


def test_no_data_go_when_nobody_knows_whether_the_void_was_stored() -> None:
    faults = Faults()
    store = MemoryStore(FakeClock(), faults)
    store.put_new(manifest().data.key, b"half")
    faults.fail("store.put_new", 1)
    with pytest.raises(OutsideError):
        Catalogue(SHOP, store).forget_data(manifest().id)
    assert store.get(manifest().data.key) == b"half"
