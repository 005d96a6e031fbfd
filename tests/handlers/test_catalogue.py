"""The catalogue finds what is there, and says what somebody did to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from handlers.core.backups.catalogue import CACHE_LIMIT, MANIFEST, Catalogue, Listing, folder, new_id
from handlers.core.formats.evidence import Verdict
from handlers.core.formats.manifests import Manifest
from handlers.core.words.answers import BackupId, JobId, TargetName
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.text import Text
from tests.fakes import FakeClock, Faults, MemoryStore
from tests.handlers.test_evidence import seen
from tests.handlers.test_manifests import manifest

SHOP = manifest().target
KEY = f"{folder(SHOP, manifest().id)}/{MANIFEST}"


def put(store: MemoryStore, *manifests: Manifest) -> None:
    """Backups with their files."""
    for each in manifests:
        for file in each.files:
            store.put_new(file.key, b"data")
        Catalogue(each.target, store).commit(each)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FakeClock(), lock_mode="COMPLIANCE")


def test_a_backup_whose_manifest_was_hidden_is_listed_found_and_said_to_be_hidden(store: MemoryStore) -> None:
    put(store, manifest())
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


def made_at(moment: datetime) -> Manifest:
    """A backup without a slice."""
    backup = new_id(moment, JobId("a" * 12))
    data = replace(manifest().data, key=f"{folder(SHOP, backup)}/data.archive.zst")
    return replace(manifest(), id=backup, created=moment, data=data, slice=None)


def test_a_manifest_that_went_while_the_store_was_listed_is_no_backup_and_no_damage() -> None:
    store = MemoryStore(FakeClock(), Faults())
    Catalogue(SHOP, store).commit(manifest())
    store.faults.meanwhile("store.list", 1, lambda: store.delete(KEY))
    listing = Catalogue(SHOP, store).listing()
    assert (listing.manifests, listing.damaged) == ((), ())


def test_a_whole_manifest_that_is_not_at_home_where_it_lies_is_damage(store: MemoryStore) -> None:
    other = made_at(manifest().created - timedelta(days=1))
    strangers = [
        replace(manifest(), target=TargetName("billing")),
        replace(manifest(), id=BackupId("../../20261124t030000z-abcdef")),
        other,
        replace(manifest(), data=other.data),
    ]
    for stranger in strangers:
        store.artifacts.clear()
        store.put_new(KEY, stranger.to_bytes())
        catalogue = Catalogue(SHOP, store)
        assert (catalogue.listing().manifests, catalogue.listing().damaged) == ((), (KEY,))
        with pytest.raises(Damage, match=f"The manifest at {KEY} belongs to another backup"):
            catalogue.find(manifest().id)


def test_more_backups_than_are_remembered_are_all_listed(store: MemoryStore) -> None:
    wanted = [made_at(manifest().created - timedelta(hours=back)) for back in range(CACHE_LIMIT + 1)]
    catalogue = Catalogue(SHOP, store)
    for each in wanted:
        catalogue.commit(each)
    assert list(catalogue.listing().manifests) == wanted
    assert list(catalogue.listing().manifests) == wanted


@pytest.mark.parametrize(("permanent", "raised"), [(True, False), (False, True)])
def test_data_that_is_locked_waits_for_a_pruning_and_a_store_that_is_away_is_said(
    permanent: bool, raised: bool
) -> None:
    store = MemoryStore(FakeClock(), Faults())
    slice_ = manifest().slice
    assert slice_ is not None
    for key in (manifest().data.key, slice_.stored.key):
        store.put_new(key, b"half")
    store.faults.fail("store.delete", 1, error=OutsideError(Text("It is so."), permanent=permanent))
    catalogue = Catalogue(SHOP, store)
    if raised:
        with pytest.raises(OutsideError, match="It is so"):
            catalogue.forget_data(manifest().id)
    else:
        catalogue.forget_data(manifest().id)
        assert store.get(slice_.stored.key) is None
    assert [each.key for each in catalogue.listing().leftovers][:1] == [manifest().data.key]


# -- what `latest` passed over -------------------------------------------------------------------------------------


def quarantined(catalogue: Catalogue, backup: BackupId) -> None:
    catalogue.dossier.add(replace(seen(Verdict.FAIL), backup=backup))


def test_newer_ones_that_latest_passed_over_are_named_also_when_the_found_one_went_meanwhile(
    store: MemoryStore,
) -> None:
    catalogue = Catalogue(SHOP, store)
    newer, old = manifest(), made_at(manifest().created - timedelta(days=1))
    put(store, newer, old)
    quarantined(catalogue, newer.id)
    found = catalogue.find("latest")
    assert found == old
    store.delete(f"{folder(SHOP, old.id)}/{MANIFEST}")
    (told,) = catalogue.cautions("latest", found)
    assert str(told).startswith(f"{newer.id} is newer, but quarantined: its scrub failed")


def test_a_newer_one_that_came_since_latest_was_looked_for_is_not_called_quarantined(store: MemoryStore) -> None:
    catalogue = Catalogue(SHOP, store)
    put(store, made_at(manifest().created - timedelta(days=1)))
    found = catalogue.find("latest")
    put(store, manifest())
    assert catalogue.cautions("latest", found) == ()
