"""docs/performance.md: one section a bench, each replaced when its bench runs again."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
_SECTION = re.compile(r"^<!-- bench: (?P<name>\w+) -->\n(?P<body>.*?)(?=^<!-- bench: |\Z)", re.MULTILINE | re.DOTALL)
_HEAD = """# Performance

Made by `make bench` (`make bench ARGS="NAME…"` makes only those sections anew); do not edit by hand. Seconds depend on
the machine and on what else it does; ratios are what to compare.

"""


@dataclass(frozen=True, slots=True)
class Section:
    """What one bench found. `rows` have as many cells as `columns`."""

    name: str
    title: str
    finding: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    method: str

    def text(self, moment: datetime) -> str:
        """As Markdown."""
        lines = [f"## {self.title}", "", self.finding, ""]
        lines += [_line(self.columns), _line(tuple("---" for _ in self.columns)), *map(_line, self.rows), ""]
        lines += [self.method, "", f"`make bench ARGS={self.name}`, {moment:%Y-%m-%d}, {machine()}.", ""]
        return "\n".join(lines)


def write(sections: list[Section], order: tuple[str, ...]) -> None:
    """Puts the sections into the page; those of benches that did not run stay."""
    stored = PAGE.read_text() if PAGE.exists() else ""
    bodies = {match["name"]: match["body"].strip() + "\n" for match in _SECTION.finditer(stored)}
    now = datetime.now(UTC)
    bodies |= {section.name: section.text(now) for section in sections}
    parts = [f"<!-- bench: {name} -->\n{bodies[name]}" for name in order if name in bodies]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(_HEAD + "\n".join(parts))


def machine() -> str:
    """This machine in general words."""
    memory = round(psutil.virtual_memory().total / 2**30)
    system = f"{platform.system()} on {platform.machine()}"
    return f"{os.cpu_count()} cores, {memory} GiB, {system}, Python {platform.python_version()}"


def megabytes(count: int) -> str:
    """Like 300 MB."""
    return f"{count / 1e6:,.0f} MB"


def mebibytes(count: int) -> str:
    """Like 41.5 MiB, for memory."""
    return f"{count / 2**20:.1f} MiB"


def per_second(rate: float) -> str:
    """Like 120 MB/s."""
    return f"{rate / 1e6:,.0f} MB/s"


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"
