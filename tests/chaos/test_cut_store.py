"""The network to the S3 store is cut, before, in the middle of and after any request: no backup is listed that is not
whole, live data is the old or the new, no good copy goes, and what is said is true.

`make test` takes every fifth of the points, `make chaos` all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.adapters.store_s3.bucket import TIMEOUT_SECONDS
from handlers.backup import AWAY_ROUNDS
from handlers.core.words.jobs import JobState
from sandbox.demo import shop
from sandbox.servers.link import Cut
from sandbox.servers.mongod import Mongod
from sandbox.servers.radosgw import Radosgw
from tests.chaos.cut_scene import Scene, cut_scene
from tests.depth import EVERY_POINT, FULL

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("radosgw")]

ARCHIVE = r"data\.archive\.zst"
PARTS, COMPLETE = rf"PUT .*{ARCHIVE}.*partNumber={{}}$", rf"POST .*{ARCHIVE}\?uploadId="
SLICE, MANIFEST = r"PUT .*oplog\.bson\.zst", r"PUT .*/full/.*manifest\.json"
NOT_MADE = [
    Cut(PARTS.format(3), "middle", "silent", "silent"),
    Cut(rf"POST .*{ARCHIVE}\?uploads", "before"),
    Cut(rf"POST .*{ARCHIVE}\?uploads", "after"),
    Cut(PARTS.format(1), "middle"),
    Cut(COMPLETE, "after"),
    Cut(PARTS.format(2), "after"),
    Cut(PARTS.format(4), "middle", "close"),
    Cut(COMPLETE, "before"),
    Cut(COMPLETE, "after", "silent", "silent"),
    Cut(rf"GET .*versions.*{ARCHIVE}", "after"),
    Cut(SLICE, "middle", "half"),
    Cut(SLICE, "after"),
    Cut(MANIFEST, "before", "silent", "silent"),
    Cut(MANIFEST, "middle"),
]
MADE = [
    Cut(MANIFEST, "after"),
    Cut(MANIFEST, "after", "silent", "silent"),
    Cut(PARTS.format(2), "middle", "reset", "mended"),
    Cut(COMPLETE, "after", "reset", "mended"),
    Cut(MANIFEST, "after", "half", "mended"),
]


def some(points: list[Cut]) -> list[Cut]:
    """All of them, or every fifth."""
    return points if EVERY_POINT else points[::5]


def named(cut: object) -> str:
    """A point, or a word, in the name of its test."""
    if not isinstance(cut, Cut):
        return str(cut)
    return f"{cut.asked}-{cut.nth}-{cut.at}-{cut.how}-{cut.then}"


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
    with cut_scene(radosgw, mongod, database, (redis_url, tools_path, tmp_path), monkeypatch) as found:
        yield found


@pytest.mark.parametrize("cut", some(NOT_MADE), ids=named)
def test_a_backup_whose_store_is_cut_off_before_its_manifest_is_not_there(scene: Scene, cut: Cut) -> None:
    ended = scene.cut(cut, "backup", "now")
    assert ended.state is JobState.FAILED
    assert "No backup was kept" in str(ended.outcome)
    assert len(scene.listed()) == 1
    scene.nothing_half_made()
    scene.the_next_one_works()


def test_a_manifest_that_arrives_when_its_data_are_gone_makes_no_backup(scene: Scene) -> None:
    ended = scene.cut(Cut(MANIFEST, "before", "late", "silent"), "backup", "now")
    assert ended.state is JobState.FAILED
    assert "No backup was kept" in str(ended.outcome)
    assert scene.wire.arrive() == 1
    assert len(scene.listed()) == 1
    scene.nothing_half_made()
    scene.the_next_one_works()


@pytest.mark.parametrize("cut", some(MADE), ids=named)
def test_a_backup_of_which_only_an_answer_was_lost_is_there(scene: Scene, cut: Cut) -> None:
    ended = scene.cut(cut, "backup", "now")
    assert ended.state is JobState.DONE, ended.outcome
    assert len(scene.listed()) == 2
    scene.nothing_half_made()


def test_a_backup_in_a_black_hole_ends_while_it_lasts_and_says_what_is_true(scene: Scene) -> None:
    scene.wire.cut(Cut(PARTS.format(2), "middle", "silent", "silent"))
    ended = scene.done("backup", "now", returns=0)
    assert scene.wire.broken
    assert ended.state is JobState.FAILED
    assert ended.outcome is not None
    assert "did not answer in time. No backup was kept." in str(ended.outcome.text)
    assert scene.waits <= AWAY_ROUNDS
    scene.wire.mend()
    assert len(scene.listed()) == 1
    scene.the_next_one_works()
    scene.age()
    assert scene.done("backup", "now").state is JobState.DONE
    assert scene.done("backup", "prune").state is JobState.DONE
    scene.nothing_half_made()


@pytest.mark.skipif(not FULL, reason="it takes the minutes that it measures: make chaos")
@pytest.mark.timeout(600)
def test_a_backup_in_a_black_hole_ends_within_minutes_with_the_limits_of_production(
    radosgw: Radosgw,
    mongod: Mongod,
    database: str,
    redis_url: str,
    tools_path: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = (redis_url, tools_path, tmp_path)
    with cut_scene(radosgw, mongod, database, given, monkeypatch, answer_seconds=TIMEOUT_SECONDS) as scene:
        scene.wire.cut(Cut(PARTS.format(2), "middle", "silent", "silent"))
        # Its pauses are as long as in earnest, too.
        scene.house.clock.longest_seconds = 60.0
        begun = time.monotonic()
        ended = scene.done("backup", "now", returns=0)
        took = time.monotonic() - begun
        print(f"a backup in a black hole ended after {took:.0f} s")
        assert ended.state is JobState.FAILED
        assert "No backup was kept" in str(ended.outcome)
        assert took < 300
        scene.wire.mend()
        assert len(scene.listed()) == 1


DATA = rf"GET .*{ARCHIVE}\?versionId"
JOURNAL = r"PUT .*/restores/.*/{}\.json"
OLD = [
    Cut(DATA, "answer"),
    Cut(JOURNAL.format("intent"), "before"),
    Cut(JOURNAL.format("intent"), "after"),
    Cut(MANIFEST, "after", "silent", "silent"),
    Cut(COMPLETE, "before"),
    Cut(JOURNAL.format("decision"), "after"),
    Cut(DATA, "answer", "silent", "silent"),
    Cut(r"GET .*oplog\.bson\.zst\?versionId", "before"),
    Cut(JOURNAL.format("decision"), "before"),
    Cut(JOURNAL.format("decision"), "after", "silent", "silent"),
    Cut(JOURNAL.format("outcome"), "middle"),
    Cut(JOURNAL.format("outcome"), "before", "silent", "silent"),
]
NEW = [
    Cut(JOURNAL.format("outcome"), "after"),
    Cut(JOURNAL.format("closed"), "before"),
    Cut(JOURNAL.format("closed"), "after", "silent", "silent"),
]
UNHINDERED = [
    Cut(DATA, "answer", "reset", "mended"),
    Cut(JOURNAL.format("decision"), "after", "reset", "mended"),
    Cut(JOURNAL.format("outcome"), "after", "half", "mended"),
]


@pytest.mark.parametrize("cut", some(OLD), ids=named)
def test_a_restore_whose_store_is_cut_off_before_the_outcome_leaves_the_old_data(scene: Scene, cut: Cut) -> None:
    ended = scene.cut(cut, "restore", "latest")
    assert ended.state is JobState.FAILED
    assert "the old data" in str(ended.outcome) or "as it was" in str(ended.outcome)
    assert shop.picture(scene.uri) == scene.live
    scene.nothing_half_made()
    assert scene.done("restore", scene.listed()[-1].id).state is JobState.DONE
    assert shop.picture(scene.uri) == scene.backed_up


@pytest.mark.parametrize("cut", some(NEW), ids=named)
def test_a_restore_whose_store_is_cut_off_after_the_outcome_leaves_the_new_data(scene: Scene, cut: Cut) -> None:
    ended = scene.cut(cut, "restore", "latest")
    assert "is the backup's" in str(ended.outcome)
    assert shop.picture(scene.uri) == scene.backed_up
    scene.nothing_half_made()


@pytest.mark.parametrize("cut", some(UNHINDERED), ids=named)
def test_a_restore_goes_on_after_the_store_was_away_for_a_moment(scene: Scene, cut: Cut) -> None:
    ended = scene.cut(cut, "restore", "latest")
    assert ended.state is JobState.DONE, ended.outcome
    assert shop.picture(scene.uri) == scene.backed_up
    scene.nothing_half_made()


PROOFS = [
    ("verify", Cut(DATA, "answer")),
    ("verify", Cut(DATA, "before", "silent", "silent")),
    ("verify", Cut(r"PUT .*/evidence/", "middle")),
    ("drill", Cut(DATA, "answer", nth=2)),
    ("drill", Cut(DATA, "answer", "silent", "silent", nth=2)),
]


@pytest.mark.parametrize(("word", "cut"), PROOFS if EVERY_POINT else PROOFS[2:4], ids=named)
def test_a_proof_whose_store_is_cut_off_says_nothing_about_the_backup(scene: Scene, word: str, cut: Cut) -> None:
    ended = scene.cut(cut, "backup", word)
    assert ended.state is JobState.FAILED
    assert "says nothing about the backup" in str(ended.outcome)
    scene.nothing_half_made()
    assert scene.done("backup", word).state is JobState.DONE
