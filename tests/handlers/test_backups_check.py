"""The section `backups` of /health: what is kept, how old, how it was proved, how it is locked, and what comes next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handlers.checks.backups import BackupsCheck
from handlers.core.backups.catalogue import Catalogue
from handlers.core.backups.holdings import Holdings
from handlers.core.backups.schedules import Schedule
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding
from handlers.core.ports import Target
from handlers.core.words.errors import OutsideError
from tests.fake_database import FakeCommand
from tests.fakes import MemoryStore
from tests.handlers.test_proofs import SHOP, House

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
DAY = 86_400
NIGHTLY = Schedule("backup", "0 4 * * *")


@pytest.fixture
def house() -> House:
    return House()


def found(house: House, schedule: Schedule | None = NIGHTLY) -> dict[str, Finding]:
    targets = {SHOP: Target(SHOP, house.database, house.store, FakeCommand())}
    catalogues = {SHOP: house.catalogue}
    check = BackupsCheck(targets, catalogues, Holdings(targets, catalogues, house.clock), house.clock, schedule)
    return {each.name: each for each in check(SHOP, 5)}


def verdict(house: House, name: str, schedule: Schedule | None = NIGHTLY) -> Verdict:
    return found(house, schedule)[name].verdict


def test_the_newest_good_one_is_held_against_the_objective(house: House) -> None:
    assert verdict(house, "newest") is FAIL
    house.backup()
    assert verdict(house, "newest") is PASS
    house.clock.advance(25 * 3600)
    assert verdict(house, "newest") is PASS
    house.clock.advance(2 * 3600)
    newest = found(house)["newest"]
    assert (newest.verdict, newest.limit) == (FAIL, "26 h")


def test_days_and_weeks_count_only_once_there_was_time_for_them(house: House) -> None:
    house.backup()
    assert [verdict(house, f"{each} copies") for each in ("daily", "weekly")] == [UNKNOWN, UNKNOWN]
    for _ in range(7):
        house.clock.advance(DAY)
        house.backup()
    assert [verdict(house, f"{each} copies") for each in ("daily", "weekly")] == [PASS, UNKNOWN]
    for _ in range(3):
        house.clock.advance(7 * DAY)
        house.backup()
    assert verdict(house, "weekly copies") is PASS


def test_days_without_a_backup_fail_once_there_was_time_for_them(house: House) -> None:
    house.backup()
    house.clock.advance(30 * DAY)
    house.backup()
    assert [verdict(house, f"{each} copies") for each in ("daily", "weekly")] == [FAIL, FAIL]


def test_a_copy_that_somebody_hid_fails(house: House) -> None:
    manifest = house.backup()
    assert "hidden copies" not in found(house)
    house.store.hidden.add(manifest.data.key)
    hidden = found(house)["hidden copies"]
    assert (hidden.verdict, hidden.value) == (FAIL, "1")


@pytest.mark.parametrize(("name", "word", "days"), [("last scrub", "verify", 2), ("last drill", "drill", 10)])
def test_a_proof_is_unknown_then_good_then_too_old(house: House, name: str, word: str, days: int) -> None:
    manifest = house.backup()
    assert verdict(house, name) is UNKNOWN
    house.done(word, manifest.id)
    assert verdict(house, name) is PASS
    house.clock.advance(days * DAY + 3600)
    assert verdict(house, name) is FAIL


def test_a_copy_that_cannot_be_read_is_told(house: House) -> None:
    manifest = house.backup()
    assert "damaged copies" not in found(house)
    key = manifest.data.key.rpartition("/")[0] + "/manifest.json"
    house.store.artifacts[key] = (b"nonsense", house.clock.now())
    house.catalogue = Catalogue(SHOP, house.store)
    assert verdict(house, "damaged copies") is FAIL
    assert verdict(house, "newest") is FAIL


def test_a_store_that_cannot_lock_is_told_and_one_that_locks_is_well(house: House) -> None:
    house.backup()
    assert verdict(house, "lock") is FAIL
    locked = House()
    locked.store = MemoryStore(locked.clock, locked.faults, lock_mode="COMPLIANCE")
    locked.catalogue = Catalogue(SHOP, locked.store)
    locked.desk = locked.new_desk()
    locked.backup()
    assert verdict(locked, "lock") is PASS


@pytest.mark.parametrize("whole", [True, False], ids=["no file is locked", "one file is not"])
def test_a_copy_that_is_not_locked_though_the_store_locks_is_told(whole: bool) -> None:
    house = House()
    house.store = MemoryStore(house.clock, house.faults, lock_mode="COMPLIANCE")
    house.catalogue = Catalogue(SHOP, house.store)
    house.desk = house.new_desk()
    house.backup()
    open_ = house.backup()
    for key in house.store.receipts if whole else [open_.data.key]:
        if key.startswith(open_.data.key.rpartition("/")[0]):
            house.store.receipts[key] = replace(house.store.receipts[key], locked_until=None)
    lock = found(house)["lock"]
    assert (lock.verdict, lock.value, str(lock.text)) == (FAIL, "1", "1 good copies are not locked.")


def test_the_next_run_is_told_and_none_is_a_fault(house: House) -> None:
    run = found(house)["next run"]
    assert (run.verdict, run.value) == (PASS, "2026-11-24 04:00:00 UTC")
    assert verdict(house, "next run", None) is FAIL


def test_a_store_that_does_not_answer_is_no_finding_at_all(house: House) -> None:
    """Whoever examines makes it one UNKNOWN."""
    house.backup()
    for number in range(1, 10):
        house.faults.fail("store.list", number)
    with pytest.raises(OutsideError):
        found(house)
