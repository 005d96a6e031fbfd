"""Slices of the oplog lead from a backup to a moment, or it cannot be restored: a gap is never bridged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.backups.timelines import LOCK_TIME, Follower, Link, base, links, path, reachable, windows
from handlers.core.formats.manifests import Manifest
from handlers.core.formats.objects import Stored
from handlers.core.formats.optimes import OpTime
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError
from tests.fake_database import FakeDatabase, FakeTail
from tests.fakes import FakeClock, Faults, MemoryStore
from tests.handlers.test_manifests import manifest

SHOP = TargetName("shop")


def at(seconds: int) -> OpTime:
    return OpTime(1_764_000_000 + seconds, 1)


def link(start: int, end: int) -> Link:
    return Link(at(start), at(end), 1, Stored(f"{start}_{end}", "00" * 32, 1))


def backup(seconds: int) -> Manifest:
    """A consistent backup of that moment."""
    made = manifest()
    assert made.slice is not None
    return replace(made, slice=replace(made.slice, start=at(seconds - 5), end=at(seconds)))


def test_a_slice_is_known_by_its_key_alone() -> None:
    store, sha = MemoryStore(FakeClock()), "ab" * 32
    store.put_new(f"v1/shop/pitr/20251124/{at(0)}_{at(30)}_12_{sha}.bson.zst", b"packed")
    store.put_new(f"v1/shop/pitr/20251124/{at(30)}_{at(60)}_0_{sha}.bson.zst.age", b"packed")
    store.put_new(f"v1/shop/pitr/20251124/{at(60)}_{at(30)}_0_{sha}.bson.zst", b"ends before it begins")
    store.put_new(f"v1/shop/pitr/20251124/{at(60)}_{at(90)}_0_short.bson.zst", b"no SHA-256")
    store.put_new(f"v1/shop/pitr/20251124/4294967296.1_4294967297.1_0_{sha}.bson.zst", b"no time of an oplog")
    store.put_new(f"v1/other/pitr/20251124/{at(60)}_{at(90)}_0_{sha}.bson.zst", b"of another target")
    first, second = links(store, SHOP)
    assert (first.start, first.end, first.entries) == (at(0), at(30), 12)
    assert first.stored == Stored(f"v1/shop/pitr/20251124/{at(0)}_{at(30)}_12_{sha}.bson.zst", sha, 6)
    assert (second.start, second.end, second.entries) == (at(30), at(60), 0)


def test_slices_lead_from_one_time_to_another() -> None:
    known = [link(0, 30), link(30, 60), link(60, 90)]
    assert path(known, at(10), at(70)) == (known[0], known[1], known[2])
    assert path(known, at(30), at(60)) == (known[1],)
    assert path(known, at(40), at(40)) == ()


def test_a_gap_is_not_bridged() -> None:
    known = [link(0, 30), link(31, 60)]
    assert path(known, at(10), at(60)) is None
    assert path(known, at(31), at(61)) is None
    assert path([], at(0), at(1)) is None


def test_of_slices_that_two_wrote_the_fewest_are_taken() -> None:
    known = [link(0, 10), link(0, 30), link(10, 30), link(30, 40)]
    assert path(known, at(0), at(40)) == (known[1], known[3])


def test_windows_end_where_a_gap_is() -> None:
    assert windows([link(60, 90), link(0, 30), link(30, 40), link(20, 35)]) == ((at(0), at(40)), (at(60), at(90)))


def test_only_a_consistent_backup_makes_moments_reachable() -> None:
    known = [link(0, 30), link(30, 60), link(70, 99)]
    assert reachable([replace(backup(10), slice=None)], known) == ()
    assert reachable([backup(10)], known) == ((at(10), at(60)),)
    assert reachable([backup(65), backup(10), backup(80)], known) == (
        (at(10), at(60)),
        (at(65), at(65)),
        (at(80), at(99)),
    )


def test_the_newest_backup_that_leads_there_is_taken() -> None:
    known = [link(0, 60), link(70, 99)]
    old, new, later = backup(10), backup(40), backup(80)
    assert base([old, new, later], known, at(50)) == new
    assert base([old, new, later], known, at(40)) == new
    assert base([old, new, later], known, at(39)) == old
    assert base([old, new, later], known, at(65)) is None
    assert base([old, new, later], known, at(90)) == later


spans = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)


@given(st.lists(spans, max_size=12), spans)
def test_there_is_a_path_exactly_within_a_window(given_links: list[list[int]], wanted: list[int]) -> None:
    known = [link(start, end) for start, end in given_links]
    after, until = at(wanted[0]), at(wanted[1])
    found = path(known, after, until)
    inside = after == until or any(start <= after and until <= end for start, end in windows(known))
    assert (found is not None) == inside
    reached = after
    for each in found or ():
        assert each.start <= reached < each.end
        reached = each.end
    assert found is None or reached >= until


def test_the_time_of_an_oplog_is_the_servers_own() -> None:
    assert OpTime.last_of(datetime(2026, 11, 23, 10, 35, 30, tzinfo=UTC)) > OpTime(1795430130, 4_000_000_000)


@pytest.mark.parametrize("after", [False, True])
def test_the_first_slice_of_a_timeline_is_read_again_when_it_could_not_be_stored(after: bool) -> None:
    clock, faults = FakeClock(), Faults()
    database, store = FakeDatabase("shop"), MemoryStore(clock, faults)
    database.create("orders")
    began = database.now()
    follower = Follower(SHOP, database, store, clock)

    def going() -> bool:
        if database.now() == began:
            database.write("orders", {"_id": 1})
        return False

    faults.fail("store.put_new", after=after)
    with pytest.raises(OutsideError):
        follower.step(going, seconds=0)
    database.write("orders", {"_id": 2})
    follower.step(going, seconds=0)
    assert windows(links(store, SHOP)) == ((began, database.now()),)


@pytest.mark.parametrize("mode", ["", "COMPLIANCE"])
def test_a_slice_is_locked_as_long_as_a_backup_at_least_where_the_store_locks(mode: str) -> None:
    clock = FakeClock()
    database, store = FakeDatabase("shop"), MemoryStore(clock, lock_mode=mode)
    database.create("orders")
    follower = Follower(SHOP, database, store, clock)
    follower.step(lambda: False, seconds=0)
    database.write("orders", {"_id": 1})
    follower.step(lambda: False, seconds=0)
    for link in links(store, SHOP):
        receipt = store.receipt(link.stored.key)
        assert receipt is not None
        assert receipt.locked_until == (clock.now() + LOCK_TIME if mode else None)
    assert links(store, SHOP)


# -- following the oplog of a server -------------------------------------------------------------------------------


class Shop(FakeDatabase):
    """`broken`: when a restore replaced the data, as every tail that sees it says."""

    broken: OpTime | None = None
    waiting = False

    @contextmanager
    def tail(self, after: OpTime | None) -> Iterator[FakeTail]:
        with super().tail(after) as running:
            running.broken, running.waiting = self.broken, self.waiting
            yield running


class Following:
    """A shop whose oplog is saved."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.database, self.store = Shop("shop"), MemoryStore(self.clock)
        self.began = self.database.create("orders")
        self.follower = Follower(SHOP, self.database, self.store, self.clock)
        self.follower.step(lambda: False, seconds=0)

    def write(self) -> OpTime:
        return self.database.write("orders", {"_id": 1})

    def windows(self) -> tuple[tuple[OpTime, OpTime], ...]:
        return windows(links(self.store, SHOP))


@pytest.fixture
def following() -> Following:
    return Following()


def test_what_comes_while_a_slice_is_open_goes_into_it_and_nobody_asks_without_pause(following: Following) -> None:
    begun = following.clock.monotonic()

    def busy() -> None:
        following.write()

    following.clock.on_sleep = busy
    done = following.follower.step(lambda: True, seconds=5)
    assert following.clock.monotonic() - begun == 5
    assert done.entries == 5
    assert done.reached == following.database.now()
    assert following.windows() == ((following.began, following.database.now()),)


def test_a_follower_that_is_told_to_stop_saves_what_it_has(following: Following) -> None:
    last = following.write()
    asked: list[bool] = []

    def going() -> bool:
        asked.append(True)
        return len(asked) < 3

    done = following.follower.step(going, seconds=1000)
    assert (done.reached, done.entries, len(asked)) == (last, 1, 3)
    assert following.windows() == ((following.began, last),)


def test_while_more_is_waiting_the_next_is_read_without_a_pause(following: Following) -> None:
    following.database.waiting = True
    begun, reads = following.clock.monotonic(), iter(range(3))

    def going() -> bool:
        following.write()
        return next(reads, None) is not None

    done = following.follower.step(going, seconds=30)
    assert following.clock.monotonic() == begun
    assert (done.waiting, done.entries) == (True, 3)  # what came after the last read is left for the next slice
    assert following.follower.step(lambda: False, seconds=0).entries == 1


def test_where_the_oplog_no_longer_reaches_back_a_new_timeline_begins_and_the_gap_is_said(following: Following) -> None:
    saved = following.write()
    following.follower.step(lambda: False, seconds=0)
    for _ in range(3):
        following.write()
    following.database.oldest = following.database.now()
    gap = following.follower.step(lambda: False, seconds=0)
    assert gap.reached is None
    assert not gap.restored
    assert str(gap.gap) == "The oplog no longer reaches back: there is a gap."
    again = following.database.now()
    following.follower.step(lambda: False, seconds=0)
    last = following.write()
    following.follower.step(lambda: False, seconds=0)
    assert following.windows() == ((following.began, saved), (again, last))


def test_where_a_restore_replaced_the_data_a_new_timeline_begins_after_it(following: Following) -> None:
    saved = following.write()
    following.database.broken = OpTime(saved.seconds, saved.increment + 5)
    done = following.follower.step(lambda: True, seconds=30)
    assert (done.reached, done.entries, done.restored) == (following.database.broken, 1, True)
    assert str(done.gap) == "The data was replaced by a restore."
    assert following.windows() == ((following.began, saved),)
    following.database.oplog.append(replace(following.database.oplog[-1], time=following.database.broken))
    following.database.broken = None
    last = following.write()
    following.follower.step(lambda: False, seconds=0)
    assert following.windows()[1:] == ((OpTime(saved.seconds, saved.increment + 5), last),)
