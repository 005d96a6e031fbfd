"""docs/chaos-results.md: what `make chaos` did and found, a row a test, written when it ends (a plugin of pytest).

- One table of every point briefly (`make chaos`), and one of everything at length (`make chaos CHAOS=full`); over each
  a summary by what was troubled, of all its rows.
- Cases: how many times the test ran, each with another moment, store or seed. Found: what it printed. A case is one
  trouble, unless it printed of how many kills, faults or replacements it was.
- Rows of tests that did not run this time stay as they were; a row of a test that is no more goes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.bench.page import machine
from tests.depth import FULL

PAGE = Path(__file__).parents[2] / "docs" / "chaos-results.md"
BRIEFLY, AT_LENGTH = "Every point, briefly", "Everything, at length"
AREAS: dict[str, tuple[str, ...]] = {
    "backups, restores, retention": (
        "test_crashes", "test_cut_keeping", "test_cut_store", "test_disk_full", "test_drills", "test_follower_crashes",
        "test_lost_redis", "test_nights", "test_other_server", "test_pruning_crashes", "test_safety", "test_objective",
    ),
    "damaged and hidden backups": ("test_damage", "test_hidden_backup"),
    "consistency under writes, and many collections": ("test_many_collections", "test_moments", "test_points"),
    "alerts": ("test_alert_relay",),
    "replicas and Redis": ("test_failover", "test_rolling_restart"),
    "the gate, the policy, the audit record": (
        "test_audit_disk", "test_gate_race", "test_gate_replay", "test_consent", "test_one_byte", "test_two_processes",
    ),
    "runbooks and roll-backs": ("test_rollback_crashes", "test_run_clicks"),
    "rotations": (
        "test_reencryption", "test_rotation_kills", "test_rotation_probe", "test_rotation_crashes", "test_accounts",
    ),
}  # fmt: skip
_HEAD = """# What `make chaos` found

Written by `make chaos`; do not edit by hand. What is killed and cut, and what is held at each point, is in
[chaos.md](chaos.md). A case fails when anything was lost, done twice, or is neither the old nor the new: 0 failed is 0
lost, 0 doubled, 0 mixed. Every seed is fixed in its test or printed by it, and that of the order at the beginning and
the end; `make chaos ARGS="-k NAME"` runs a row again.
"""
_EXPLAINED = {
    BRIEFLY: "`make chaos`: at most fifteen minutes; what is not begun by then keeps the row of an earlier run.",
    AT_LENGTH: "`make chaos CHAOS=full`: hours, all of it or some files.",
}
_ROW = re.compile(
    r"^\| `(?P<test>[^`]+)` \| (?P<cases>\d+) \| (?P<troubles>\d+) \| (?P<failed>\d+) \| \d+ \|.*$", re.MULTILINE
)
_TROUBLES = re.compile(r"([\d,]+) (?:kills|faults|replaced)\b")
_SPACE = re.compile(r"\s+")
WORDS = 300
"""At most so many characters of what a test printed."""


@dataclass
class Row:
    """One test, all its cases together."""

    cases: int = 0
    troubles: int = 0
    failed: int = 0
    seconds: float = 0.0
    printed: list[str] = field(default_factory=list)

    def text(self, name: str, made: str) -> str:
        """As Markdown."""
        found = _SPACE.sub(" ", "; ".join(self.printed)).replace("|", "\\|").strip()
        shown = found if len(found) <= WORDS else f"{found[:WORDS]} …"
        figures = f"{self.cases} | {self.troubles} | {self.failed} | {self.seconds:.0f}"
        return f"| `{name}` | {figures} | {shown} | {made} |"


def gathered(reports: Iterable[pytest.TestReport]) -> dict[str, Row]:
    """By test, without its parameters. A failure in the setting up counts as one."""
    rows: dict[str, Row] = defaultdict(Row)
    for report in reports:
        row = rows[report.nodeid.partition("[")[0].removeprefix("tests/")]
        row.seconds += report.duration
        row.failed += report.failed
        if report.when == "call":
            lines = [line for line in report.capstdout.splitlines() if line.strip()]
            said = [int(count.replace(",", "")) for count in _TROUBLES.findall("\n".join(lines))]
            row.cases += 1
            row.troubles += sum(said) or 1
            row.printed += lines
    return dict(rows)


def page(tables: Mapping[str, Mapping[str, str]]) -> str:
    """The page of these tables, each of them rows by test."""
    return _HEAD + "".join(_table(title, tables[title]) for title in _EXPLAINED if tables.get(title))


def _table(title: str, rows: Mapping[str, str]) -> str:
    there = {name: row for name, row in sorted(rows.items()) if _is_there(name)}
    return (
        f"\n## {title}\n\n{_EXPLAINED[title]}\n\n| what | tests | cases | kills and other faults | failed |\n"
        f"| --- | --- | --- | --- | --- |\n{_summary(there)}\n\n"
        "| test | cases | kills and other faults | failed | seconds | found | made |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n" + "\n".join(there.values()) + "\n"
    )


def _summary(rows: Mapping[str, str]) -> str:
    matches = [match for row in rows.values() if (match := _ROW.match(row)) is not None]
    lines = []
    whole = {"all of it": tuple(each for files in AREAS.values() for each in files)}
    for area, names in (AREAS | whole).items():
        of = [each for each in matches if file_of(each["test"]) in names]
        if of:
            sums = [sum(int(each[what]) for each in of) for what in ("cases", "troubles", "failed")]
            lines.append(f"| {area} | {len(of)} | " + " | ".join(f"{each:,}" for each in sums) + " |")
    return "\n".join(lines)


def file_of(test: str) -> str:
    """The name of its file."""
    return Path(test.partition("::")[0]).stem


def read(text: str) -> dict[str, dict[str, str]]:
    """The tables of a page that `page` wrote."""
    tables: dict[str, dict[str, str]] = {}
    for title in _EXPLAINED:
        part = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
        tables[title] = {match["test"]: match[0] for match in _ROW.finditer(part)}
    return tables


def merged(text: str, title: str, rows: Mapping[str, Row], made: str) -> str:
    """The page with these rows in one of its tables. What ran no case keeps its row."""
    tables = read(text)
    tables[title] |= {name: row.text(name, made) for name, row in rows.items() if row.cases or row.failed}
    return page(tables)


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
    rows = gathered(each for each in reports if isinstance(each, pytest.TestReport))
    made = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}"
    text = PAGE.read_text() if PAGE.exists() else ""
    PAGE.write_text(merged(text, AT_LENGTH if FULL else BRIEFLY, rows, made))
