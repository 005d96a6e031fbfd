"""The network to the S3 store is cut while copies are deleted and while the oplog is saved: what must stay is there,
what is left goes later, and every moment is exact.

`make test` takes every fourth of the points, `make chaos` all of them.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from handlers.core.backups.timelines import Follower, links, reachable, windows
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import JobState
from sandbox.demo import shop
from sandbox.servers.link import Cut
from sandbox.servers.mongod import Mongod
from sandbox.servers.radosgw import Radosgw
from tests.chaos.bank import Client, found_balances, open_accounts, writing
from tests.chaos.cut_scene import Scene, cut_scene
from tests.chaos.house import SHOP
from tests.chaos.test_moments import done
from tests.chaos.test_pruning_crashes import DAILY, planted
from tests.depth import EVERY_POINT

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("radosgw")]

NIGHTS = 20
# A copy is its manifest and its archive; three copies go in one run.
DELETIONS = [
    Cut("DELETE", "after"),
    Cut("DELETE", "before"),
    Cut("DELETE", "before", "silent", "silent", nth=2),
    Cut("DELETE", "after", "silent", "silent", nth=3),
    Cut("DELETE", "middle", nth=4),
    Cut("DELETE", "after", nth=6),
]
SLICES = [
    Cut("PUT .*/pitr/", "after"),
    Cut("PUT .*/pitr/", "middle"),
    Cut("PUT .*/pitr/", "before", "silent", "silent", nth=2),
    Cut("PUT .*/pitr/", "after", "silent", "silent", nth=2),
    Cut("PUT .*/pitr/", "after", "half", "mended", nth=2),
]


def named(cut: object) -> str:
    """A point, in the name of its test."""
    assert isinstance(cut, Cut)
    return f"{cut.nth}-{cut.at}-{cut.how}-{cut.then}"


def asked(cut: object) -> str:
    """The same, with what was asked for."""
    assert isinstance(cut, Cut)
    return f"{cut.asked}-{named(cut)}"


@pytest.fixture
def scene(
    radosgw: Radosgw,
    mongod: Mongod,
    database: str,
    redis_url: str,
    tools_path: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Scene]:
    with cut_scene(radosgw, mongod, database, (redis_url, tools_path, tmp_path), monkeypatch, fat=1) as found:
        yield found


@pytest.mark.parametrize("cut", DELETIONS if EVERY_POINT else DELETIONS[::4], ids=named)
def test_a_pruning_whose_store_is_cut_off_takes_no_copy_that_must_stay(scene: Scene, cut: Cut) -> None:
    (manifest,) = scene.listed()
    nights = planted(scene.house, manifest, NIGHTS)
    must_stay = {manifest.id, *nights[-(DAILY - 1) :]}
    ended = scene.cut(cut, "backup", "prune")
    assert ended.state is JobState.FAILED
    assert "the next run does" in str(ended.outcome)
    left = {each.id for each in scene.listed()}
    assert must_stay <= left
    for _ in range(NIGHTS):
        assert scene.done("backup", "prune").state is JobState.DONE
        before, left = left, {each.id for each in scene.listed()}
        assert must_stay <= left <= before
        if left == before:
            break
    scene.age()
    assert scene.done("backup", "now").state is JobState.DONE
    assert scene.done("backup", "prune").state is JobState.DONE
    scene.nothing_half_made()


@pytest.mark.parametrize("cut", SLICES if EVERY_POINT else SLICES[::4], ids=named)
def test_a_follower_whose_store_is_cut_off_goes_on_with_every_moment_exact(
    scene: Scene, mongod: Mongod, database: str, cut: Cut
) -> None:
    built = scene.house
    with mongod.client() as client:
        client[database].drop_collection("log")  # the shop's is capped, and no transaction writes to such
        open_accounts(client, database)
    follower = Follower(SHOP, built.database, built.store, built.clock)
    follower.step(lambda: True, seconds=1.0)
    done(built, "backup", "now")
    with writing(mongod.uri(database), database) as ledger:
        began = int(time.time()) + 1
        scene.wire.cut(cut)
        failures = _followed(scene, follower, seconds=5.0)
        ended = int(time.time())
        time.sleep(1)
    follower.step(lambda: True, seconds=1.0)
    assert scene.wire.done.is_set()
    assert (failures > 0) is (cut.then != "mended")
    known = links(scene.straight, SHOP)
    for link in known:
        assert hashlib.sha256(b"".join(scene.straight.read(link.stored.key))).hexdigest() == link.stored.sha256
    assert len(windows(known)) == 1
    assert reachable(scene.listed(), known)[-1][1].seconds >= ended
    with Client(mongod.uri()) as client:
        for second in sorted({*random.Random(1).sample(range(began, ended), 2), ended}):
            into = f"{database}_{second}"
            done(built, "restore", datetime.fromtimestamp(second, UTC).isoformat(), "into", into)
            assert found_balances(client, into) == ledger.balances(second)
            client.drop_database(into)


JOURNAL = r"PUT .*/restores/.*/{}\.json"
UNDO_OLD = [
    Cut(JOURNAL.format("decision"), "after"),
    Cut(JOURNAL.format("intent"), "before"),
    Cut(JOURNAL.format("decision"), "before", "silent", "silent"),
    Cut(JOURNAL.format("outcome"), "before"),
]
UNDO_NEW = [
    Cut(JOURNAL.format("outcome"), "after"),
    Cut(JOURNAL.format("gone"), "before", "silent", "silent"),
    Cut(JOURNAL.format("closed"), "before"),
]


@pytest.mark.parametrize("cut", [*UNDO_OLD, *UNDO_NEW] if EVERY_POINT else [UNDO_OLD[0], UNDO_NEW[0]], ids=asked)
def test_an_undo_whose_store_is_cut_off_ends_in_the_old_data_or_the_new(
    radosgw: Radosgw,
    mongod: Mongod,
    database: str,
    redis_url: str,
    tools_path: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cut: Cut,
) -> None:
    given = (redis_url, tools_path, tmp_path)
    with cut_scene(radosgw, mongod, database, given, monkeypatch, fat=1, keep_hours=24) as scene:
        restored = scene.done("restore", "latest")
        assert restored.state is JobState.DONE
        ended = scene.cut(cut, "restore", "undo", restored.id)
        undone = cut in UNDO_NEW
        assert ("what it was before the restore" in str(ended.outcome)) is undone, ended.outcome
        assert shop.picture(scene.uri) == (scene.live if undone else scene.backed_up)
        assert scene.house.desk.holder(SHOP) is None


def _followed(scene: Scene, follower: Follower, *, seconds: float) -> int:
    """Follows that long, and longer until the cut has come; how often it failed. The network returns after the second
    failure."""
    failures, end = 0, time.monotonic() + seconds
    while time.monotonic() < end or not scene.wire.done.is_set() or scene.wire.broken:
        try:
            follower.step(lambda: True, seconds=0.5)
        except OutsideError:
            failures += 1
            if failures >= 2:
                scene.wire.mend()
    return failures
