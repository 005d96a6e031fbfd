"""A loading: what is held against it, and how often people are told how far it is."""

from __future__ import annotations

import pytest

from handlers.core.ports import LiveCollection
from handlers.core.restores.loadings import TOLD, load, shape
from handlers.core.words.errors import Damage
from handlers.core.words.jobs import Job, Progress
from tests.fake_database import FakeDatabase
from tests.handlers.test_restorations import Scene, Telling


class Told(Telling):
    """Remembers what people were told."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.stages: list[str] = []

    def progress(self, progress: Progress) -> None:
        self.stages.append(str(progress.stage))


def filled(count: int) -> tuple[FakeDatabase, tuple[LiveCollection, ...]]:
    database = FakeDatabase()
    for number in range(count):
        database.add(f"c{number:04}", [{"_id": 1}])
    return database, database.collections(count=True)


@pytest.mark.parametrize("count", [3, TOLD, 2 * TOLD + 1, 5 * TOLD])
def test_people_are_told_of_indexes_as_they_are_built_and_of_many_not_each_time(count: int) -> None:
    database, there = filled(count)
    work = Told(Scene().job("restore", "latest"))
    shape(database, "", [each.spec for each in there], work, expire=True)
    first, *told = work.stages
    assert first == f"Building the indexes of {count:,} collections"
    assert min(count, TOLD) <= len(told) <= TOLD
    every = count // len(told)
    assert told[0] == f"Building indexes: {every} of {count:,} collections, c{every - 1:04} just now"


def test_without_a_manifest_an_archive_is_held_to_its_count_alone() -> None:
    database, there = filled(2)
    with database.dump() as dump:
        packed = list(iter(dump.read, b""))
    specs = [each.spec for each in there]
    other = FakeDatabase("other")
    assert load(other, packed, "", specs[:1]) == 1
    assert other.content().keys() == {"c0000"}
    other.seen_by_load = lambda evidence: type(evidence)(0, 7, 0, "")
    with pytest.raises(Damage, match="7 documents were loaded; the backup holds 1"):
        load(other, packed, "new_", specs[:1])
