"""The page of what `make chaos` found: nothing in it is of another run than it says, and no failure is lost."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.results import AREAS, AT_LENGTH, BRIEFLY, Row, file_of, merged, read

CRASHES = "chaos/test_crashes.py::test_a_backup_whose_mongodump_is_killed_is_not_there"
RELAY = "chaos/test_alert_relay.py::test_lost_answers_double_nothing"


def test_every_file_of_chaos_is_in_one_area() -> None:
    files = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py"))
    named = sorted(each for names in AREAS.values() for each in names)
    assert len(named) == len(set(named))
    assert set(files) - set(named) == {"test_results"}


def test_each_depth_has_a_table_and_a_summary_of_all_its_rows() -> None:
    text = merged("", BRIEFLY, {CRASHES: Row(3, 3, 0, 4.2, ["a | b"]), RELAY: Row(1, 31, 1, 9.0)}, "then")
    text = merged(text, AT_LENGTH, {CRASHES: Row(1, 1, 0, 1.0)}, "later")
    assert "| backups, restores, retention | 1 | 3 | 3 | 0 |" in text
    assert "| alerts | 1 | 1 | 31 | 1 |" in text
    assert "| all of it | 2 | 4 | 34 | 1 |" in text
    assert "| all of it | 1 | 1 | 1 | 0 |" in text
    assert {title: list(rows) for title, rows in read(text).items()} == {
        BRIEFLY: [RELAY, CRASHES], AT_LENGTH: [CRASHES],
    }  # fmt: skip
    assert "a \\| b" in read(text)[BRIEFLY][CRASHES]


def test_what_did_not_run_keeps_its_row_and_what_is_no_more_goes() -> None:
    gone = "chaos/test_crashes.py::test_of_another_time"
    first = merged("", BRIEFLY, {CRASHES: Row(3, 3, 0, 4.2), gone: Row(1, 1, 0, 1.0)}, "then")
    assert gone not in first
    again = merged(first, BRIEFLY, {CRASHES: Row(0, 0, 0, 0.0), RELAY: Row(1, 1, 0, 1.0)}, "later")
    assert read(again)[BRIEFLY][CRASHES].endswith("| then |")
    failed = merged(again, BRIEFLY, {CRASHES: Row(0, 0, 1, 0.0)}, "last")
    assert "| 0 | 0 | 1 | 0 |" in read(failed)[BRIEFLY][CRASHES]


def test_a_test_names_its_file() -> None:
    assert file_of(CRASHES) == "test_crashes"
