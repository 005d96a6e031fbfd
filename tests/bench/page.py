"""docs/performance.md, its pictures and performance.json: a section a bench, replaced when its bench runs again."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from tests.bench.plots import Plot

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
FIGURES, PLOTS = PAGE.with_suffix(".json"), PAGE.with_suffix("")
_SECTION = re.compile(r"^<!-- bench: (?P<name>\w+) -->\n(?P<body>.*?)(?=^<!-- bench: |\Z)", re.MULTILINE | re.DOTALL)
_NUMBERS, _SPACES = re.compile(r"\[[-\d.e,\s]+\]"), re.compile(r"\s+")
"""A list of numbers is one line of performance.json."""
UNKNOWN_SECONDS = 600.0
_HEAD = """# Performance

Made by `make bench` (`make bench ARGS="NAME…"` makes only those sections anew); do not edit by hand. Seconds depend on
the machine and on what else it does; ratios are what to compare. performance.json has the same and every single
figure.

"""


@dataclass(frozen=True, slots=True)
class Section:
    """What one bench found. `rows` have as many cells as `columns`; `measured`: every single figure behind them;
    `plots`: pictures by their names, which begin with the section's."""

    name: str
    title: str
    finding: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    method: str
    measured: Mapping[str, Sequence[float]] = field(default_factory=dict)
    plots: Mapping[str, Plot] = field(default_factory=dict)
    took_seconds: float = 0.0
    """How long measuring it took."""

    def text(self, moment: datetime) -> str:
        """As Markdown."""
        lines = [f"## {self.title}", "", self.finding, ""]
        lines += [f"![{plot.title}]({PLOTS.name}/{name}.svg)\n" for name, plot in self.plots.items()]
        lines += [_line(self.columns), _line(tuple("---" for _ in self.columns)), *map(_line, self.rows), ""]
        made = f"`make bench ARGS={self.name}`, {self.took_seconds:,.0f} s, {moment:%Y-%m-%d}, {machine()}."
        lines += [self.method, "", made, ""]
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
    PLOTS.mkdir(exist_ok=True)
    for name, plot in (each for section in sections for each in section.plots.items()):
        (PLOTS / f"{name}.svg").write_bytes(plot.svg())
    _keep_figures(sections, order, now)


def oldest_first(names: tuple[str, ...]) -> tuple[str, ...]:
    """The benches of these names: those first that were never made, or longest ago."""
    kept = _kept()
    return tuple(sorted(names, key=lambda name: str(kept.get(name, {}).get("made", ""))))


def took_last(name: str) -> float:
    """How many seconds a bench took when it was made last; UNKNOWN_SECONDS when it never was, or nobody noted it."""
    return float(_kept().get(name, {}).get("took_seconds", UNKNOWN_SECONDS))


def _kept() -> dict[str, Any]:
    return dict(json.loads(FIGURES.read_text())) if FIGURES.exists() else {}


def _keep_figures(sections: list[Section], order: tuple[str, ...], moment: datetime) -> None:
    kept = _kept()
    for section in sections:
        kept[section.name] = {
            "title": section.title,
            "finding": section.finding,
            "columns": section.columns,
            "rows": section.rows,
            "measured": {name: [round(each, 4) for each in figures] for name, figures in section.measured.items()},
            "method": section.method,
            "made": f"{moment:%Y-%m-%dT%H:%M}",
            "took_seconds": round(section.took_seconds),
            "machine": machine(),
        }
    text = json.dumps({name: kept[name] for name in order if name in kept}, indent=1)
    FIGURES.write_text(_NUMBERS.sub(lambda found: _SPACES.sub(" ", found[0]), text) + "\n")


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
