"""The catalogue finds what is there, and says what somebody did to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handlers.core.answers import JobId
from handlers.core.catalogue import MANIFEST, Catalogue, folder, new_id
from handlers.core.errors import Damage
from tests.fakes import FakeClock, MemoryStore
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
    first, second = manifest(), replace(manifest(), id=new_id(manifest().created.replace(hour=9), JobId("b" * 12)))
    catalogue.commit(second)
    catalogue.commit(first)
    assert [each.id for each in catalogue.listing().manifests] == [second.id, first.id]
