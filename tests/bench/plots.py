"""What a bench found as a picture beside its table: bars with how far the rounds went, or curves with one law.

SVG, the same bytes for the same figures, on white: readable in light and dark.
"""

from __future__ import annotations

import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

OURS, OTHERS, LIMIT = "#1f6f8b", "#b9c2c9", "#c0392b"
WIDTH_INCHES, BAR_INCHES, CURVE_INCHES = 8.0, 0.42, 3.2


@dataclass(frozen=True, slots=True)
class Bars:
    """One bar a contender, as long as its median; a line across it from the least to the most. `ours` is drawn in
    colour. `limit`: the promise, in the same unit."""

    title: str
    unit: str
    figures: Mapping[str, Sequence[float]]
    ours: frozenset[str] = frozenset()
    limit: float | None = None

    def svg(self) -> bytes:
        """The picture."""
        names = list(self.figures)
        figure, axes = _blank(self.title, BAR_INCHES * len(names) + 1.1)
        for place, name in enumerate(names):
            rounds = self.figures[name]
            middle = statistics.median(rounds)
            axes.barh(place, middle, color=OURS if name in self.ours else OTHERS, height=0.6)
            axes.plot([min(rounds), max(rounds)], [place, place], color="black", linewidth=1)
            axes.annotate(f" {middle:,.4g}", (max(rounds), place), va="center", fontsize=8)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlabel(self.unit)
        axes.margins(x=0.12)
        if self.limit is not None:
            axes.axvline(self.limit, color=LIMIT, linestyle="--", linewidth=1)
        return _drawn(figure)


@dataclass(frozen=True, slots=True)
class Curve:
    """How something grows: `lines` have the points (x, y) of each. The x axis is logarithmic where it spans decades."""

    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float, float]]]
    limit: float | None = None

    def svg(self) -> bytes:
        """The picture."""
        figure, axes = _blank(self.title, CURVE_INCHES)
        places = sorted({x for points in self.lines.values() for x, _ in points})
        for name, points in self.lines.items():
            axes.plot(*zip(*points, strict=True), marker="o", label=name)
        if places[-1] > 20 * places[0]:
            axes.set_xscale("log")
        axes.set_xticks(places, [f"{place:,g}" for place in places])
        axes.minorticks_off()
        most = max(y for points in self.lines.values() for _, y in points)
        axes.set_ylim(0, 1.15 * max(most, self.limit or 0))
        axes.set_xlabel(self.x)
        axes.set_ylabel(self.y)
        if self.limit is not None:
            axes.axhline(self.limit, color=LIMIT, linestyle="--", linewidth=1, label="the promise")
        axes.legend(frameon=False, fontsize=8)
        return _drawn(figure)


Plot = Bars | Curve


def _blank(title: str, height: float) -> tuple[Figure, mpl.axes.Axes]:
    figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes


def _drawn(figure: Figure) -> bytes:
    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "negahban", "svg.fonttype": "none"}):
        FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None})
    return stream.getvalue()
