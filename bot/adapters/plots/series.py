"""Series: what Prometheus answered, as lines that can be drawn.

- The hour is a grid of moments, one each 30 seconds; a moment without a number is a gap, and so are NaN, infinities
  and what is too large to draw.
- At most 12 series, those with the largest last numbers; with a threshold, which may be one from below, half of them
  are those with the smallest. How many there are besides is told.
- A name is the label that tells the series apart, or the labels in which they differ: at most 60 characters, without
  hidden ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.core.words.text import cleaned

HOUR_SECONDS = 3600
STEP_SECONDS = 30
MOST_SERIES = 12
NAME_LENGTH = 60
_LARGEST = 1e100
_GAP = float("nan")
_METRIC = "__name__"
_BEST = frozenset({"instance"})


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name, and a number or NaN for each moment of the hour, oldest first."""

    name: str
    values: tuple[float, ...]

    @property
    def last(self) -> float:
        """The newest number there is."""
        return next(value for value in reversed(self.values) if not math.isnan(value))


@dataclass(frozen=True, slots=True)
class Shown:
    """The series to draw, largest last number first, and how many are left out."""

    series: tuple[Series, ...]
    left_out: int


def moments(end: float) -> tuple[float, ...]:
    """The moments of the grid, in seconds since 1970."""
    begin = round(end) - HOUR_SECONDS
    return tuple(float(begin + second) for second in range(0, HOUR_SECONDS + 1, STEP_SECONDS))


def shown(answer: Sequence[Mapping[str, Any]], end: float, *, both_ends: bool = False) -> Shown:
    """What to draw of a `matrix` (https://prometheus.io/docs/prometheus/latest/querying/api/#range-vectors). Raises
    ValueError, TypeError, KeyError or AttributeError for anything else."""
    grid = moments(end)
    lines = [(dict(each["metric"]), _on_grid(each.get("values", ()), grid)) for each in answer]
    drawable = [line for line in lines if not all(map(math.isnan, line[1]))]
    named = _names([labels for labels, _ in drawable])
    series = [Series(name, values) for name, (_, values) in zip(named, drawable, strict=True)]
    series.sort(key=lambda each: (-each.last, each.name))
    left_out = max(0, len(series) - MOST_SERIES)
    kept = MOST_SERIES // 2 if both_ends else MOST_SERIES
    return Shown((*series[:kept], *series[kept + left_out :]), left_out)


def _on_grid(points: Sequence[tuple[float, str]], grid: Sequence[float]) -> tuple[float, ...]:
    values = [_GAP] * len(grid)
    for moment, text in points:
        place = round((float(moment) - grid[0]) / STEP_SECONDS)
        value = float(text)
        if 0 <= place < len(values) and abs(value) <= _LARGEST:  # a NaN is never so
            values[place] = value
    return tuple(values)


def _names(all_labels: Sequence[Mapping[str, str]]) -> list[str]:
    keys = sorted({key for labels in all_labels for key in labels})
    telling = [key for key in keys if len({labels.get(key) for labels in all_labels}) > 1]
    if not telling:
        telling = [key for key in keys if key != _METRIC] or keys
    # One label that tells all of them apart is enough; the rest would push it out of sight.
    for key in sorted(telling, key=lambda each: (each not in _BEST, each)):
        if len({labels.get(key) for labels in all_labels}) == len(all_labels) > 1:
            telling = [key]
            break
    return [_name(labels, telling) for labels in all_labels]


def _name(labels: Mapping[str, str], telling: Sequence[str]) -> str:
    words = [
        str(labels[key]) if key == _METRIC or len(telling) == 1 else f"{key}={labels[key]}"
        for key in telling
        if key in labels
    ]
    return cleaned(", ".join(words), NAME_LENGTH)
