"""Where something is killed, cut off or full while backups are made and used: counted, so that nobody need believe it.

A test stands for as many points as it is run with in `make chaos`. docs/chaos.md has the same number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.chaos import (
    test_crashes,
    test_cut_keeping,
    test_cut_store,
    test_disk_full,
    test_drills,
    test_follower_crashes,
    test_lost_redis,
    test_other_server,
    test_pruning_crashes,
)

AT_LEAST = 60
VICTIMS = {"worker", "mongodump", "mongorestore", "mongod", "Redis", "network", "disk full"}
WORKS = {"backup", "restore, switch", "undo", "retention", "slice upload"}
BESIDE = {"verify, drill", "another server"}
Test = Callable[..., None]
MATRIX: list[tuple[str, str, Sequence[object] | Test]] = [
    ("backup", "worker", test_crashes.BACKUP_POINTS),
    ("backup", "mongodump", test_crashes.test_a_backup_whose_mongodump_is_killed_is_not_there),
    ("backup", "mongod", test_crashes.test_a_backup_whose_mongodb_is_killed_is_not_there),
    ("backup", "Redis", test_lost_redis.BACKUP_POINTS),
    ("backup", "network", [*test_cut_store.NOT_MADE, *test_cut_store.MADE]),
    ("backup", "network", test_cut_store.test_a_manifest_that_arrives_when_its_data_are_gone_makes_no_backup),
    ("backup", "network", test_cut_store.test_a_backup_in_a_black_hole_ends_while_it_lasts_and_says_what_is_true),
    ("backup", "disk full", test_disk_full.test_a_backup_that_fills_the_disk_is_not_there_and_the_good_one_stays),
    ("restore, switch", "worker", test_crashes.RESTORE_POINTS),
    (
        "restore, switch",
        "worker",
        test_crashes.test_a_restore_whose_worker_is_killed_while_it_loads_leaves_the_old_data,
    ),
    ("restore, switch", "worker", test_crashes.test_a_rescue_that_is_killed_too_is_finished_by_the_next),
    ("restore, switch", "mongodump", test_crashes.test_a_restore_whose_mongodump_is_killed_leaves_the_old_data),
    ("restore, switch", "mongorestore", test_crashes.test_a_restore_whose_mongorestore_is_killed_leaves_the_old_data),
    ("restore, switch", "mongod", test_crashes.test_a_restore_whose_mongodb_is_killed_ends_in_the_old_data),
    (
        "restore, switch",
        "mongod",
        test_crashes.test_a_restore_whose_mongodb_is_killed_after_the_switch_ends_in_the_new_data,
    ),
    (
        "restore, switch",
        "Redis",
        test_crashes.test_a_restore_whose_worker_and_redis_are_both_lost_is_found_by_its_journal,
    ),
    (
        "restore, switch",
        "Redis",
        test_lost_redis.test_a_redis_that_is_killed_and_comes_back_does_not_stop_a_restore,
    ),
    (
        "restore, switch",
        "Redis",
        test_lost_redis.test_a_redis_that_forgets_everything_does_not_lose_the_end_of_a_restore,
    ),
    ("restore, switch", "Redis", test_lost_redis.test_a_redis_that_stays_away_stops_a_restore_before_the_switch),
    ("restore, switch", "network", [*test_cut_store.OLD, *test_cut_store.NEW, *test_cut_store.UNHINDERED]),
    ("restore, switch", "disk full", test_disk_full.RESTORE_POINTS),
    (
        "restore, switch",
        "disk full",
        test_disk_full.test_a_restore_whose_safety_backup_does_not_fit_leaves_the_live_data,
    ),
    ("undo", "worker", test_crashes.UNDO_POINTS),
    ("undo", "mongod", test_crashes.UNDO_WITHOUT_MONGODB),
    ("undo", "Redis", test_lost_redis.UNDO_POINTS),
    ("undo", "network", [*test_cut_keeping.UNDO_OLD, *test_cut_keeping.UNDO_NEW]),
    ("retention", "worker", test_pruning_crashes.POINTS),
    ("retention", "Redis", test_lost_redis.PRUNING_POINTS),
    ("retention", "network", test_cut_keeping.DELETIONS),
    ("slice upload", "worker", test_follower_crashes.POINTS),
    (
        "slice upload",
        "mongod",
        test_follower_crashes.test_a_follower_whose_mongodb_is_killed_goes_on_in_one_timeline_when_it_is_back,
    ),
    ("slice upload", "network", test_cut_keeping.SLICES),
    (
        "slice upload",
        "disk full",
        test_disk_full.test_a_slice_that_does_not_fit_is_not_there_and_comes_when_there_is_room,
    ),
    ("verify, drill", "network", test_cut_store.PROOFS),
    ("verify, drill", "worker", test_drills.test_a_worker_killed_in_a_drill_leaves_no_server_and_no_folder),
    ("another server", "worker", test_other_server.POINTS),
]


def points(of: Sequence[object] | Test) -> int:
    """How many points these are, or this test is run with."""
    if not callable(of):
        return len(of)
    marks: list[Any] = getattr(of, "pytestmark", [])
    sets = [mark.args[1] for mark in marks if mark.name == "parametrize"]
    count = 1
    for each in sets:
        count *= len(each)
    return count


def test_at_least_sixty_points_of_every_work_and_every_victim_are_tried() -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for work, victim, of in MATRIX:
        counts[work, victim] += points(of)
    for (work, victim), count in sorted(counts.items()):
        print(f"{work:16} {victim:14} {count:4}")
    total = sum(count for (work, _), count in counts.items() if work in WORKS)
    print(f"together {total}, and {sum(counts.values()) - total} of {', '.join(sorted(BESIDE))}")
    assert {victim for _, victim in counts} == VICTIMS
    assert {work for work, _ in counts} == WORKS | BESIDE
    assert total >= AT_LEAST
    table = (Path(__file__).parents[2] / "docs" / "chaos.md").read_text()
    said = re.search(r"\| together \| \| (\d+) \|", table)
    assert said is not None
    assert int(said[1]) == sum(counts.values())
    rows = [int(count) for count in re.findall(r"^\| [^|]+ \| [^|]+ \| (\d+) \| test_", table, re.MULTILINE)]
    assert sum(rows) == int(said[1])
