"""A pruning: what it does in the store, what it writes down, and what is left when it stops anywhere."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.backup import BackupHandler
from handlers.core.backups.catalogue import MANIFEST, VOID, Catalogue, folder
from handlers.core.backups.holdings import Checked, Holdings
from handlers.core.backups.journals import Journal
from handlers.core.backups.keeping import Keeping
from handlers.core.backups.pins import ROUNDS, Pins
from handlers.core.backups.timelines import links
from handlers.core.door.approval import Gate
from handlers.core.door.desk import Began, Desk, Outside, Said
from handlers.core.door.records import Jobs
from handlers.core.formats.manifests import BackupKind, Manifest
from handlers.core.formats.objects import Packing, Receipt, Slice, Stored
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import Target
from handlers.core.restores.drills import Laboratory
from handlers.core.words.answers import Actor, BackupId, Invocation, JobId, PersonId, Surface, TargetName
from handlers.core.words.errors import OutsideError, Problem, Refusal
from handlers.core.words.jobs import Job, JobState
from tests.fake_database import FakeCommand, FakeDatabase, FakeScratch
from tests.fakes import (
    FakeClock,
    FakeEntropy,
    FakeFactors,
    FakePeople,
    Faults,
    Killed,
    MemoryAudit,
    MemoryQueue,
    MemoryState,
    MemoryStore,
    someone,
)

SHOP = TargetName("shop")
NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
SOME, KEPT_OF_SOME = 13, 9  # seven days, and the Mondays and the first of the weeks before
NIGHT = Actor(PersonId("schedule"), "T0LOCAL", Surface.SCHEDULE)


@dataclass
class House:
    """A target with backups in a store, and a desk over it. All fakes share one `faults`: they are one process."""

    faults: Faults = field(default_factory=Faults)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    failed: set[BackupId] = field(default_factory=set)
    servers: frozenset[TargetName] = frozenset()
    others: tuple[TargetName, ...] = ()

    def __post_init__(self) -> None:
        self.store, self.state = MemoryStore(self.clock, self.faults), MemoryState(self.clock, self.faults)
        self.audit, self.queue = MemoryAudit(faults=self.faults), MemoryQueue(faults=self.faults)
        self.entropy = FakeEntropy()
        self.database = FakeDatabase("shop", self.faults)
        self.desk = self.new_desk()

    def new_desk(self, keeping: Keeping | None = None) -> Desk:
        """Another process, or other rules."""
        target = Target(SHOP, self.database, self.store, FakeCommand())
        self.catalogue = Catalogue(SHOP, self.store)
        targets, catalogues = {SHOP: target}, {SHOP: self.catalogue}
        for each in self.others:
            targets[each], catalogues[each] = replace(target, name=each), Catalogue(each, self.store)
        checks = lambda _: Checked(failed=frozenset(self.failed))  # noqa: E731
        self.holdings = Holdings(targets, catalogues, self.clock, checks, servers=self.servers)
        self.keeping = keeping or Keeping(self.holdings, self.state, self.clock)
        handlers: Any = {
            "backup": BackupHandler(
                targets, catalogues, Jobs(self.state), self.clock, self.keeping, Laboratory(FakeScratch(self.faults))
            )
        }
        gate = Gate(self.state, FakeFactors(), self.clock, self.entropy)
        outside = Outside(self.state, self.queue, self.audit, FakePeople(), self.clock, self.entropy)
        return Desk(handlers, gate, outside)

    def add(self, made: datetime, kind: BackupKind = BackupKind.SCHEDULED, *, torn: bool = True) -> BackupId:
        """A backup with its files, stored when it was made; one that is not `torn` is of the moment it was made."""
        backup = BackupId(f"{made:%Y%m%dt%H%M%Sz}-aaaaaa")
        key = f"{folder(SHOP, backup)}/data.archive.zst"
        manifest = Manifest(
            backup, SHOP, "shop", "", kind, made, 1, "schedule", "schedule", JobId("a"), Stored(key, "00", 4), 4,
            Packing(), None, "", "100", "6", (),
        )  # fmt: skip
        if not torn:
            then, part = int(made.timestamp()), Stored(f"{folder(SHOP, backup)}/oplog.bson.zst", "00", 4)
            manifest = replace(manifest, slice=Slice(OpTime(then - 5, 1), OpTime(then, 1), 1, part))
        now, self.clock.moment = self.clock.moment, made
        for file in manifest.files:
            self.store.place(file.key, b"data")
        self.store.place(f"{folder(SHOP, backup)}/manifest.json", manifest.to_bytes())
        self.clock.moment = now
        return backup

    def nights(self, count: int, until: datetime = NOW - timedelta(hours=1), *, torn: bool = True) -> list[BackupId]:
        """The oldest first."""
        return [self.add(until - DAY * back, torn=torn) for back in reversed(range(count))]

    def run(self, *words: str, actor: Actor = NIGHT) -> Job:
        """Asked and worked to its end."""
        answer = self.desk.ask(Invocation("backup", words, actor, "C0OPS"))
        assert isinstance(answer, Began), answer
        self.desk.work(answer.job)
        job = self.desk.load(answer.job)
        assert job is not None
        return job

    def listed(self) -> list[BackupId]:
        return sorted(each.id for each in self.catalogue.listing().manifests)

    def events(self, *names: str) -> list[str]:
        return [each.event for each in self.audit.events if each.event in names or not names]


class Overtaken(Catalogue):
    """One in which a manifest arrives as soon as its folder was looked at."""

    def __init__(self, target: TargetName, store: MemoryStore, late: bytes) -> None:
        super().__init__(target, store)
        self._late = late

    def void(self, place: str) -> bool:
        self._store.put_new(f"{place}/{MANIFEST}", self._late)
        return super().void(place)


@pytest.fixture
def house() -> House:
    return House()


def test_the_schedule_may_prune_and_so_may_a_person(house: House) -> None:
    old = house.nights(60)
    job = house.run("prune", "shop")
    assert job.state is JobState.DONE
    assert house.listed() == old[3:]
    house.run("prune", actor=someone())
    assert house.listed() == old[6:]


def test_what_a_deleted_backup_had_is_gone_and_the_others_are_whole(house: House) -> None:
    old = house.nights(60)
    house.run("prune")
    listing = house.catalogue.listing()
    assert listing.leftovers == ()
    assert listing.absent == frozenset()
    assert not any(old[0] in key for key in house.store.artifacts)


def test_the_card_says_what_is_kept_and_why_and_what_is_gone(house: House) -> None:
    old = house.nights(60)
    job = house.run("prune")
    assert job.outcome is not None
    assert f"deleted 3. Gone: {old[0]}, {old[1]}, {old[2]}." in str(job.outcome.text)
    assert f"{old[-1]}  daily of 25 Nov, newest" in str(job.notes[0])
    assert house.desk.card(job).tone.value == "good"


def test_every_deletion_is_written_down_before_and_after_with_what_survives_and_why(house: House) -> None:
    old = house.nights(60)
    house.run("prune")
    assert house.events("backup.delete", "backup.deleted") == ["backup.delete", "backup.deleted"] * 3
    intent = next(each for each in house.audit.events if each.event == "backup.delete")
    assert intent.facts["backup"] == old[0]
    assert intent.facts["kept"][old[-1]] == ["daily of 25 Nov", "newest"]  # type: ignore[index, call-overload]
    assert intent.actor == NIGHT


def test_nothing_goes_that_cannot_be_written_down(house: House) -> None:
    old = house.nights(60)
    answer = house.desk.ask(Invocation("backup", ("prune",), NIGHT, "C0OPS"))
    assert isinstance(answer, Began)
    for nth in range(2, 40):
        house.faults.fail("audit.write", nth)
    with pytest.raises(Exception, match="audit"):
        house.desk.work(answer.job)
    assert house.listed() == old


def test_nothing_goes_without_a_fresh_backup(house: House) -> None:
    old = house.nights(60, until=NOW - timedelta(hours=40))
    job = house.run("prune")
    assert house.listed() == old
    assert job.outcome is not None
    assert "36 hours" in str(job.outcome.text)
    assert house.desk.card(job).tone.value == "warning"


@pytest.mark.parametrize("ahead", [timedelta(minutes=7), -timedelta(days=400)])
def test_nothing_goes_while_the_stores_clock_is_another(house: House, ahead: timedelta) -> None:
    old = house.nights(60)
    house.store.ahead = ahead
    house.run("prune")
    assert house.listed() == old


def test_a_copy_whose_data_is_gone_does_not_count_and_is_told(house: House) -> None:
    old = house.nights(60)
    hidden = f"{folder(SHOP, old[-1])}/data.archive.zst"
    del house.store.artifacts[hidden]
    holding = house.holdings.read(SHOP)
    assert [copy.id for copy in holding.copies if not copy.good] == [old[-1]]
    answer = house.desk.ask(Invocation("backup", ("list",), someone(), "C0OPS"))
    assert isinstance(answer, Said)
    assert any(f"data is gone, do not rely on it: {old[-1]}" in str(line) for line in answer.card.lines)


def test_a_manifest_that_cannot_be_read_is_neither_counted_nor_deleted(house: House) -> None:
    house.nights(60)
    damaged = f"{folder(SHOP, BackupId('20200101t000000z-aaaaaa'))}/manifest.json"
    house.store.place(damaged, b"{}")
    for _ in range(20):
        house.run("prune")
    assert damaged in house.store.artifacts


def test_a_pin_keeps_and_its_end_lets_go(house: House) -> None:
    old = house.nights(60)
    house.run("pin", old[0], actor=someone())
    house.run("prune")
    assert old[0] in house.listed()
    again = house.run("pin", old[0], actor=someone())
    assert again.outcome is not None
    assert "already" in str(again.outcome.text)
    house.run("unpin", old[0], actor=someone())
    house.run("prune")
    assert old[0] not in house.listed()


def test_of_two_who_pin_at_once_one_does(house: House) -> None:
    pins = Pins(SHOP, house.store)
    seen: list[bool] = []

    def slow(prefix: str) -> Any:
        found = MemoryStore.list(house.store, prefix)
        if not seen:
            seen.append(
                Pins(SHOP, MemoryStoreView(house.store)).set(BackupId("x"), PersonId("U0OMID"), NOW, pinned=True)
            )
        return found

    house.store.list = slow  # type: ignore[method-assign]
    assert not pins.set(BackupId("x"), PersonId("U0SARA"), NOW, pinned=True)
    assert seen == [True]
    assert pins.pinned() == {"x"}


def test_who_is_overtaken_at_a_pin_again_and_again_is_told_so(house: House) -> None:
    pins, other = Pins(SHOP, house.store), MemoryStoreView(house.store)
    for nth in range(1, ROUNDS + 1):
        house.faults.meanwhile("store.list", nth, lambda: toggled(other))
    with pytest.raises(OutsideError, match="Too many changed the same pin at once"):
        pins.set(BackupId("x"), PersonId("U0SARA"), NOW, pinned=True)
    assert pins.pinned() == frozenset()
    assert pins.set(BackupId("x"), PersonId("U0SARA"), NOW, pinned=True)
    assert pins.pinned() == {"x"}


def toggled(store: MemoryStore) -> None:
    """Somebody pins it and lets it go again."""
    for pinned in (True, False):
        assert Pins(SHOP, store).set(BackupId("x"), PersonId("U0OMID"), NOW, pinned=pinned)


def test_what_is_no_number_beside_the_pins_pins_nothing(house: House) -> None:
    house.store.put_new("v1/shop/pins/x/notes.txt", b"by hand")
    assert Pins(SHOP, house.store).pinned() == frozenset()
    assert Pins(SHOP, house.store).set(BackupId("x"), PersonId("U0SARA"), NOW, pinned=True)
    assert house.store.get("v1/shop/pins/x/0001.json") is not None


class MemoryStoreView(MemoryStore):
    """The same artifacts, as another process sees them."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store.clock)
        self.artifacts, self.receipts = store.artifacts, store.receipts


def test_what_an_open_restore_puts_back_stays(house: House) -> None:
    old = house.nights(60)
    intent = house.run("pin", old[0], actor=someone())
    house.run("unpin", old[0], actor=someone())
    journal = Journal(house.store, SHOP, intent.id)
    journal.intend(intent)
    assert house.run("prune").state is JobState.DONE
    assert house.listed() == [old[0], *old[4:]]
    journal.close()
    house.run("prune")
    assert old[0] not in house.listed()


def opened(house: House, store: MemoryStore, target: TargetName, operation: str, arguments: dict[str, Any]) -> Journal:
    """A restore or undo at work on a target."""
    job = house.run("prune")
    job = replace(job, plan=replace(job.plan, operation=operation, target=target, arguments=arguments))
    journal = Journal(store, target, job.id)
    journal.intend(job)
    return journal


def begun_job(house: House) -> Job:
    """A job that was not worked on yet."""
    job = house.desk.load(begun(house, "pin", house.listed()[-1]))
    assert job is not None
    house.desk.work(job.id)
    return job


def test_what_an_open_restore_kept_of_what_it_replaces_stays_until_it_is_closed_however_long_that_takes(
    house: House,
) -> None:
    made = NOW - DAY * 20
    kept = house.add(made, BackupKind.PRE_RESTORE)
    house.nights(10)
    job = replace(begun_job(house), id=JobId("aaaaaabbbbbb"), created=made)
    journal = Journal(house.store, SHOP, job.id)
    journal.intend(replace(job, plan=replace(job.plan, operation="restore.run", arguments={})))
    house.run("prune")
    assert kept in house.listed()
    journal.close()
    house.run("prune")
    assert kept not in house.listed()


def test_while_an_undo_is_at_work_the_copies_can_be_listed_and_pruned(house: House) -> None:
    old = house.nights(60)
    opened(house, house.store, SHOP, "restore.undo", {"of": "x", "database": "shop"})
    assert house.run("prune").state is JobState.DONE
    assert old[-1] in house.listed()
    assert house.keeping.listed(SHOP, 20).lines


def test_what_is_being_restored_to_another_server_stays(house: House) -> None:
    other = TargetName("staging")
    house.others = (other,)
    house.desk = house.new_desk()
    old = house.nights(60)
    needed = old[3]  # those before go with the pruning by which the journal comes to be
    journal = opened(house, house.store, other, "restore.run", {"backup": needed, "source": SHOP})
    house.run("prune")
    assert house.listed()[0] == needed
    journal.close()
    house.run("prune")
    assert needed not in house.listed()


def test_a_restore_whose_journal_went_while_it_was_looked_at_needs_nothing(house: House) -> None:
    old = house.nights(60)
    journal = opened(house, house.store, SHOP, "restore.run", {"backup": old[3]})
    key = f"v1/shop/restores/{journal.job}/intent.json"
    assert [copy.id for copy in house.holdings.read(SHOP).copies if copy.needed_by] == [old[3]]

    def leave(prefix: str) -> Any:
        found = MemoryStore.list(house.store, prefix)
        if prefix == "v1/shop/restores/":
            house.store.delete(key)
        return found

    house.store.list = leave  # type: ignore[method-assign]
    assert not any(copy.needed_by for copy in house.holdings.read(SHOP).copies)


def test_while_a_journal_cannot_be_read_nothing_goes(house: House) -> None:
    old = house.nights(60)
    house.store.put_new("v1/shop/restores/aaaaaaaaaaaa/intent.json", b"{")
    assert house.run("prune").state is JobState.FAILED
    assert house.listed() == old


def test_another_process_does_not_offer_what_was_deleted(house: House) -> None:
    old = house.nights(60)
    theirs = Catalogue(SHOP, house.store)
    theirs.listing()
    house.run("prune")
    with pytest.raises(Refusal, match="There is no backup"):
        theirs.find(old[0])


def test_list_says_of_every_copy_why_it_is_there(house: House) -> None:
    house.nights(12)
    answer = house.desk.ask(Invocation("backup", ("list",), someone(), "C0OPS"))
    assert isinstance(answer, Said)
    lines = [str(line) for line in answer.card.lines]
    assert lines[0].endswith("· daily of 25 Nov, newest")
    assert lines[2].endswith("· daily of 23 Nov, weekly of week 48, until 2026-12-21 00:00")
    assert "nothing needs it" in lines[10]


# -- locks ---------------------------------------------------------------------------------------------------------


def lock(house: House, backup: BackupId, until: datetime) -> None:
    for key in house.store.artifacts:
        if backup in key:
            house.store.receipts[key] = Receipt(f"v {key}", until)


def test_locks_that_run_out_are_lengthened_and_written_down(house: House) -> None:
    house.store.lock_mode = "COMPLIANCE"
    old = house.nights(5)
    for backup in old:
        lock(house, backup, NOW + DAY * 5)
    lock(house, old[2], NOW + DAY)
    job = house.run("prune")
    assert job.outcome is not None
    assert job.outcome.facts["lengthened"] == [old[2]]
    assert {held.locked_until for key, held in house.store.receipts.items() if old[2] in key} == {NOW + DAY * 9}
    assert house.events("lock.lengthen", "lock.lengthened") == ["lock.lengthen", "lock.lengthened"]


def test_a_lock_that_cannot_be_lengthened_is_loud_and_keeps_no_other_from_it(house: House) -> None:
    house.store.lock_mode = "COMPLIANCE"
    old = house.nights(3)
    for backup in old:
        lock(house, backup, NOW + DAY)
    house.faults.fail("store.extend_lock", 1)
    job = house.run("prune")
    assert job.state is JobState.FAILED
    assert job.outcome is not None
    assert job.outcome.facts["lengthened"] == old[1:]


def test_a_locked_copy_is_not_even_tried(house: House) -> None:
    house.store.lock_mode = "COMPLIANCE"
    old = house.nights(60)
    for backup in old:
        lock(house, backup, NOW + DAY * 3)
    lock(house, old[4], NOW - DAY)
    job = house.run("prune")
    assert job.outcome is not None
    assert job.outcome.facts["deleted"] == [old[4]]


# -- where it stops ------------------------------------------------------------------------------------------------


def whole(house: House) -> None:
    """What is listed is whole: every file of every backup is there."""
    for manifest in house.catalogue.listing().manifests:
        assert {file.key for file in manifest.files} <= house.store.artifacts.keys()


def begun(house: House, *words: str) -> JobId:
    answer = house.desk.ask(Invocation("backup", words or ("prune",), someone() if words else NIGHT, "C0OPS"))
    assert isinstance(answer, Began)
    return answer.job


def calls_of_a_pruning() -> int:
    house = House()
    house.nights(SOME)
    job, before = begun(house), len(house.faults.calls)
    house.desk.work(job)
    return len(house.faults.calls) - before


CALLS = calls_of_a_pruning()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_wherever_a_pruning_is_killed_nothing_is_listed_that_is_not_whole_and_the_next_one_finishes(
    after: bool,
) -> None:
    for nth in range(1, CALLS + 1):
        house = House()
        old = house.nights(SOME)
        job = begun(house)
        house.faults.kill("*", nth, after=after)
        with pytest.raises(Killed):
            house.desk.work(job)
        house.faults.revive()
        whole(house)
        assert set(old[-7:]) <= set(house.listed())
        house.desk = house.new_desk()
        house.clock.advance(40)
        house.desk.tend()  # somebody else looks at what is true
        ended = house.desk.load(job)
        assert ended is not None
        assert ended.state.final or ended.state is JobState.QUEUED, nth
        if not ended.state.final:
            house.desk.work(job)
        intents = house.events("backup.delete").count("backup.delete")
        assert intents >= SOME - len(house.listed())
        for _ in range(2):
            house.run("prune")
        assert house.catalogue.listing().leftovers == (), nth
        assert len(house.listed()) == KEPT_OF_SOME
        stored = {key for key, (data, _) in house.store.artifacts.items() if data != VOID}
        assert {key.rpartition("/")[0] for key in stored} == {folder(SHOP, backup) for backup in house.listed()}


def test_whichever_call_of_a_pruning_fails_nothing_is_listed_that_is_not_whole() -> None:
    for nth in range(1, CALLS + 1):
        house = House()
        house.nights(SOME)
        job = begun(house)
        house.faults.fail("*", nth)
        with suppress(Problem):
            house.desk.work(job)
        whole(house)


def test_a_leftover_that_may_still_become_a_backup_stays_a_day(house: House) -> None:
    house.nights(3)
    key = f"{folder(SHOP, BackupId('20261125t020000z-bbbbbb'))}/data.archive.zst"
    house.store.place(key, b"half")
    house.run("prune")
    assert key in house.store.artifacts
    house.clock.advance(25 * 3600)
    house.add(house.clock.moment - timedelta(hours=1))
    job = house.run("prune")
    assert key not in house.store.artifacts
    assert job.outcome is not None
    assert job.outcome.facts["leftovers"] == 1


def test_a_manifest_that_arrives_after_a_pruning_took_its_data_makes_no_backup(house: House) -> None:
    house.nights(3)
    unfinished = house.add(house.clock.moment - timedelta(minutes=5))
    key = f"{folder(SHOP, unfinished)}/{MANIFEST}"
    manifest, _ = house.store.artifacts.pop(key)
    house.desk = house.new_desk()
    house.clock.advance(25 * 3600)
    house.add(house.clock.moment - timedelta(hours=1))
    house.run("prune")
    assert not house.store.put_new(key, manifest)
    listing = house.catalogue.listing()
    assert unfinished not in {each.id for each in listing.manifests}
    assert (listing.absent, listing.damaged, listing.hidden, listing.leftovers) == (frozenset(), (), (), ())


def test_a_manifest_that_arrives_just_before_its_data_would_go_keeps_them(house: House) -> None:
    house.nights(3)
    unfinished = house.add(house.clock.moment - timedelta(minutes=5))
    place = folder(SHOP, unfinished)
    manifest, _ = house.store.artifacts.pop(f"{place}/{MANIFEST}")
    house.desk = house.new_desk()
    house.clock.advance(25 * 3600)
    house.add(house.clock.moment - timedelta(hours=1))
    house.holdings._catalogues = {SHOP: Overtaken(SHOP, house.store, manifest)}
    house.run("prune")
    assert house.store.get(f"{place}/data.archive.zst") == b"data"
    house.desk = house.new_desk()
    assert unfinished in house.listed()


def test_a_backup_whose_store_stays_away_before_its_manifest_ends_soon_and_says_so(house: House) -> None:
    house.database.add("orders", [{"_id": 1}])
    house.faults.fail("upload.commit", 1)
    for nth in range(1, 500):
        house.faults.fail("store.list", nth)
        house.faults.fail("store.get", nth)
    began = house.clock.monotonic()
    job = house.run("now")
    assert job.state is JobState.FAILED
    assert "No backup was kept. What was uploaded of it goes with a later pruning." in str(job.outcome)
    assert house.clock.monotonic() - began <= 60


def test_a_backup_whose_store_stays_away_at_its_manifest_says_nothing_before_it_knows(house: House) -> None:
    house.database.add("orders", [{"_id": 1}])
    house.faults.fail("store.put_new", 1, after=True)
    for nth in range(1, 12):
        house.faults.fail("store.get", nth)
        house.faults.fail("store.list", nth)
    job = house.run("now")
    house.faults.revive()
    assert job.state is JobState.DONE
    assert len(house.listed()) == 1


def test_an_upload_that_nobody_will_finish_goes_after_a_day(house: House) -> None:
    house.nights(3)
    house.store.open_write(f"{folder(SHOP, BackupId('20261125t020000z-bbbbbb'))}/data.archive.zst").write(b"half")
    house.store.open_write("v1/elsewhere/full/data").write(b"half")
    house.run("prune")
    assert len(house.store.open_uploads) == 2
    house.clock.advance(25 * 3600)
    house.add(house.clock.moment - timedelta(hours=1))
    house.run("prune")
    assert [upload.key for upload in house.store.open_uploads] == ["v1/elsewhere/full/data"]
    assert "uploads.swept" in {each.event for each in house.audit.events}


def test_a_locked_leftover_stays_until_its_lock_is_over(house: House) -> None:
    house.store.lock_mode = "COMPLIANCE"
    for backup in house.nights(3):
        lock(house, backup, NOW + DAY * 5)
    key = f"{folder(SHOP, BackupId('20261020t020000z-bbbbbb'))}/data.archive.zst"
    house.store.place(key, b"half", NOW + DAY)
    house.store.artifacts[key] = (b"half", NOW - DAY * 30)
    assert house.run("prune").state is JobState.DONE
    assert key in house.store.artifacts


def test_slices_that_no_moment_needs_go_and_those_from_its_base_on_stay(house: House) -> None:
    house.nights(20, torn=False)
    house.keeping = replace(house.keeping, policy=replace(house.keeping.policy, window=timedelta(days=7)))
    house.desk = house.new_desk(house.keeping)
    sha = "ab" * 32
    for days in range(1, 20):
        start = int((house.clock.moment - timedelta(days=days)).timestamp())
        house.store.place(f"v1/shop/pitr/20261101/{start}.1_{start + 86_400}.1_5_{sha}.bson.zst", b"slice")
    base = max(
        each.created for each in house.catalogue.listing().manifests if house.clock.moment - each.created >= DAY * 7
    )
    job = house.run("prune")
    assert job.outcome is not None
    left = links(house.store, SHOP)
    assert job.outcome.facts["slices"] == 19 - len(left) > 0
    assert min(each.start.moment for each in left) <= base
    assert all(each.end.moment >= base for each in left)
    written = [event.event for event in house.audit.events if event.event.startswith("slices.")]
    assert written == ["slices.delete", "slices.deleted"]


def with_slices(house: House, window: timedelta, *days: int) -> list[str]:
    """A house that keeps moments for so long, and slices of a day each that begin so many days ago."""
    house.keeping = replace(house.keeping, policy=replace(house.keeping.policy, window=window))
    house.desk = house.new_desk(house.keeping)
    keys = []
    for each in days:
        start = int((house.clock.moment - DAY * each).timestamp())
        keys.append(f"v1/shop/pitr/20261101/{start}.1_{start + 86_400}.1_5_{'ab' * 32}.bson.zst")
        house.store.place(keys[-1], b"slice")
    return keys


def test_while_every_slice_is_needed_none_goes_and_nothing_is_written_down(house: House) -> None:
    house.nights(20)
    slices = with_slices(house, DAY * 7, 1, 2, 3)
    job = house.run("prune")
    assert job.outcome is not None
    assert job.outcome.facts["slices"] == 0
    assert [each.stored.key for each in links(house.store, SHOP)] == sorted(slices)
    assert house.events("slices.delete", "slices.deleted") == []


def test_a_copy_that_is_of_no_one_moment_lets_no_slice_go_that_leads_from_the_one_before_it(house: House) -> None:
    whole = house.add(NOW - DAY * 12, torn=False)
    for days in range(11, -1, -1):
        house.add(NOW - DAY * days - timedelta(hours=1), BackupKind.MANUAL if days % 2 else BackupKind.PRE_RESTORE)
    slices = with_slices(house, DAY * 7, *range(1, 13))
    house.run("prune")
    assert [each.stored.key for each in links(house.store, SHOP)] == sorted(slices)
    assert "base of the point-in-time window" in str(house.keeping.listed(SHOP, 20).lines[-1])
    assert whole in house.listed()


def test_an_old_slice_that_is_locked_waits_and_the_others_go(house: House) -> None:
    house.store.lock_mode = "COMPLIANCE"
    for backup in house.nights(20):
        lock(house, backup, NOW + DAY * 5)
    locked, free, needed = with_slices(house, DAY * 7, 15, 14, 2)
    house.store.receipts[locked] = Receipt("v1000", NOW + DAY)
    job = house.run("prune")
    assert job.outcome is not None
    assert job.outcome.facts["slices"] == 1
    assert [each.stored.key for each in links(house.store, SHOP)] == [locked, needed]
    assert free not in house.store.artifacts
    house.clock.advance(2 * 86_400)
    house.add(house.clock.moment - timedelta(hours=1))
    house.run("prune")
    assert locked not in house.store.artifacts


def test_two_prunings_at_once_take_nothing_that_either_would_keep() -> None:
    # The second one runs to its end at a moment inside the first one, as if the claim on the target had been lost.
    for seed in range(12):
        house = House()
        old = house.nights(60)
        ran: list[int] = []
        first, at = begun(house), random.Random(seed).randint(1, 60)

        def also(prefix: str, house: House = house, ran: list[int] = ran, at: int = at) -> Any:
            ran.append(1)
            if len(ran) == at:
                other = House(faults=house.faults, clock=house.clock)
                other.store.artifacts, other.store.receipts = house.store.artifacts, house.store.receipts
                other.desk = other.new_desk()
                other.run("prune")
            return MemoryStore.list(house.store, prefix)

        house.store.list = also  # type: ignore[method-assign]
        house.desk.work(first)
        del house.store.list
        whole(house)
        assert set(old[-7:]) <= set(house.listed())
        assert len(house.listed()) >= 54
