"""A capture: a backup comes to exist whole, or nothing of it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from handlers.core.backups.captures import TAIL_SECONDS, unchanged_since
from handlers.core.backups.catalogue import Listing
from handlers.core.door.desk import Began
from handlers.core.formats.manifests import DumpEvidence
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import SliceEvidence, Target
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from tests.fake_database import FakeCommand
from tests.handlers.test_proofs import SHOP, House, words


@pytest.fixture
def house() -> House:
    return House()


def nothing_is_left(house: House) -> bool:
    """Neither a backup, nor a file of one, nor an upload; at most the word that there will never be one."""
    return house.catalogue.listing() == Listing((), ()) and house.store.open_uploads == []


def failed(house: House) -> Job:
    job = house.done("now")
    assert job.state is JobState.FAILED
    assert nothing_is_left(house)
    return job


def test_an_empty_database_is_not_saved_because_its_name_may_be_wrong(house: House) -> None:
    house.database.there.clear()
    assert words(failed(house)).startswith("The database shop is empty or its name is wrong: nothing to save.")


def test_a_dump_of_which_something_is_missing_becomes_no_backup_and_its_last_words_are_told(house: House) -> None:
    def cut(seen: DumpEvidence) -> DumpEvidence:
        return replace(seen, return_code=1, last_lines="connection reset by peer")

    house.database.seen_by_dump = cut
    said = words(failed(house))
    assert said.startswith("mongodump ended with 1. No backup was kept. connection reset by peer")


def test_a_slice_with_a_hole_becomes_no_backup(house: House) -> None:
    house.database.seen_by_tail = lambda seen: replace(seen, problem=Text("The oplog has a hole"))
    assert words(failed(house)).startswith("The oplog has a hole. No backup was kept; try again.")


def test_a_slice_that_does_not_reach_what_the_primary_has_becomes_no_backup(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dump was read from the primary: it may hold what no majority has yet."""
    house.database.deployment = "rs0"
    ahead = OpTime(house.database.now().seconds + 100, 1)
    monkeypatch.setattr(house.database, "now", lambda: ahead)
    assert words(failed(house)).startswith("The majority of the replica set is far behind its primary.")


def test_what_changes_while_a_long_dump_runs_is_taken_along(house: House) -> None:
    reads: list[int] = []

    def slow() -> None:
        house.clock.advance(TAIL_SECONDS)
        house.database.write("items", {"_id": 100 + len(reads), "sku": f"new{len(reads)}"})
        reads.append(house.faults.calls.count("tail.read"))

    for nth in range(1, 4):
        house.faults.meanwhile("database.piece", nth, slow)
    made = house.backup()
    assert reads == [0, 1, 2]  # each second of the dump, and not only at its end
    assert made.slice is not None
    assert made.slice.entries == 3
    assert house.store.get(made.slice.stored.key, version=made.slice.stored.receipt.version)


def test_of_a_single_server_a_backup_is_made_without_a_slice(house: House) -> None:
    house.database.deployment = ""
    made = house.backup()
    assert made.slice is None
    assert [artifact.key for artifact in house.store.list("v1/shop/full/")] == sorted(
        [made.data.key, made.data.key.replace("data.archive.zst", "manifest.json")]
    )


def test_a_backup_that_is_cancelled_leaves_nothing(house: House) -> None:
    answer = house.ask("now")
    assert isinstance(answer, Began)
    job = house.loaded(answer.job)

    def cancelled() -> None:
        house.desk.cancel(job.id, job.plan.actor)
        house.desk.beat()

    house.faults.meanwhile("database.dump", 1, cancelled)
    house.desk.work(job.id)
    assert house.loaded(job.id).state is JobState.CANCELLED
    assert nothing_is_left(house)


# -- whether anything happened since -------------------------------------------------------------------------------


def unchanged(house: House) -> bool:
    manifest = house.catalogue.listing().manifests[0]
    return unchanged_since(Target(SHOP, house.database, house.store, FakeCommand()), manifest)


def write(house: House) -> None:
    house.database.write("items", {"_id": 1, "sku": "other"})


def lose_the_oplog(house: House) -> None:
    write(house)
    house.database.oldest = house.database.now()


def become_a_single_server(house: House) -> None:
    house.database.deployment = ""


def have_a_hole(house: House) -> None:
    def holed(seen: SliceEvidence) -> SliceEvidence:
        return replace(seen, problem=Text("a hole"))

    house.database.seen_by_tail = holed


def test_a_backup_since_which_nothing_was_written_still_is_what_is_live(house: House) -> None:
    house.backup()
    assert unchanged(house)


@pytest.mark.parametrize("happens", [write, lose_the_oplog, become_a_single_server, have_a_hole])
def test_what_was_written_or_cannot_be_known_is_a_change(house: House, happens: Callable[[House], None]) -> None:
    house.backup()
    happens(house)
    assert not unchanged(house)


def test_of_a_backup_without_a_slice_nobody_knows_whether_anything_changed_since(house: House) -> None:
    house.database.deployment = ""
    house.backup()
    house.database.deployment = "rs0"
    assert not unchanged(house)
