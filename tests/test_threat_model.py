"""docs/threat-model.md: every row is there, and every test it names exists and is run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "threat-model.md").read_text()
ROWS = [line.strip("|").split(" | ") for line in TEXT.splitlines() if re.match(r"\| \d+ \|", line)]
NAMED = re.compile(r"`([a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")


def named_in(path: Path) -> set[str]:
    """The names of the tests in a file."""
    tree = ast.parse(path.read_text())
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def test_the_rows_are_numbered_without_a_gap() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, 46))
    assert all(len(row) == 5 and all(cell.strip() for cell in row[1:4]) for row in ROWS)


def test_every_row_names_a_test_or_says_why_there_is_none() -> None:
    for row in ROWS:
        assert NAMED.search(row[4]) or re.match(r"(none|not prevented)\b", row[3].strip()), row


def test_every_test_that_is_named_exists() -> None:
    missing = [
        f"{file}::{name}"
        for file, name in NAMED.findall(TEXT)
        if not (ROOT / "tests" / file).is_file() or name not in named_in(ROOT / "tests" / file)
    ]
    assert missing == []
    assert len(NAMED.findall(TEXT)) == len(re.findall(r"::test_", TEXT)), "a name that is spelled in no known way"
