"""docs/chaos-results.md: what `make chaos` did and found, a row a test, written when it ends (a plugin of pytest).

- Cases: how many times the test ran, each with another moment, store or seed. Found: what it printed.
- Rows of tests that did not run this time stay as they were; a row of a test that is no more goes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.bench.page import machine

PAGE = Path(__file__).parents[2] / "docs" / "chaos-results.md"
_HEAD = """# What `make chaos` found

Written by `make chaos`; do not edit by hand. What is killed and cut, and what is held at each point, is in
[chaos.md](chaos.md). Every seed is fixed in its test or printed by it; `make chaos
ARGS="-k NAME"` runs a row again.

| test | cases | failed | seconds | found | made |
| --- | --- | --- | --- | --- | --- |
"""
_ROW = re.compile(r"^\| `(?P<test>[^`]+)` \|.*$", re.MULTILINE)
_SPACE = re.compile(r"\s+")
WORDS = 400
"""At most so many characters of what a test printed."""


@dataclass
class Row:
    """One test, all its cases together."""

    cases: int = 0
    failed: int = 0
    seconds: float = 0.0
    printed: list[str] = field(default_factory=list)

    def text(self, name: str, made: str) -> str:
        """As Markdown."""
        found = _SPACE.sub(" ", "; ".join(self.printed)).replace("|", "\\|").strip()
        shown = found if len(found) <= WORDS else f"{found[:WORDS]} …"
        return f"| `{name}` | {self.cases} | {self.failed} | {self.seconds:.0f} | {shown} | {made} |"


def gathered(reports: list[pytest.TestReport]) -> dict[str, Row]:
    """By test, without its parameters. A failure in the setting up counts as one."""
    rows: dict[str, Row] = defaultdict(Row)
    for report in reports:
        row = rows[report.nodeid.partition("[")[0].removeprefix("tests/")]
        row.seconds += report.duration
        row.failed += report.failed
        if report.when == "call":
            row.cases += 1
            row.printed += [line for line in report.capstdout.splitlines() if line.strip()]
    return dict(rows)


def merged(page: str, rows: dict[str, Row], made: str) -> str:
    """The page with these rows in it."""
    lines = {match["test"]: match[0] for match in _ROW.finditer(page)}
    lines |= {name: row.text(name, made) for name, row in rows.items()}
    kept = [line for name, line in sorted(lines.items()) if _is_there(name)]
    return _HEAD + "\n".join(kept) + "\n"


def _is_there(name: str) -> bool:
    file, _, test = name.partition("::")
    path = PAGE.parents[1] / "tests" / file
    return path.exists() and f"def {test.rpartition('::')[2]}(" in path.read_text()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """See pytest's reference. The processes of xdist write nothing: their reports come here."""
    if hasattr(config, "workerinput"):
        return
    stats = terminalreporter.stats
    reports = [each for kind in ("", "passed", "failed", "error") for each in stats.get(kind, [])]
    rows = gathered([each for each in reports if isinstance(each, pytest.TestReport)])
    page = PAGE.read_text() if PAGE.exists() else ""
    made = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}"
    PAGE.write_text(merged(page, rows, made))
