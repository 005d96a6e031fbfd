"""A sheet: several small plots of one hour in one picture, made for a phone held upright.

- Two columns, 900 dots wide, so that its letters stay readable when it is shown 360 wide; the first panel is as wide as
  both. White, as the pictures of alerts: it reads the same in light and dark.
- Each title ends with the newest number. A limit is a dashed line, and what lies beyond it is tinted.
- A gap stays a gap. A panel without numbers says so, and so does one whose question is refused: never an empty frame.
- At most four series in a panel, the largest; how many there are besides is told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from bot.adapters.plots.drawing import ALARM, COLOURS, DOTS, FAINT, INK, STYLE, is_alone, png
from bot.adapters.plots.order import Ending, SheetOrder
from bot.adapters.plots.prometheus import FailedError
from bot.adapters.plots.series import HOUR_SECONDS, Series, moments, shown
from bot.adapters.plots.units import Scale, scale_for
from handlers.core.alerts.plots import Panel
from handlers.core.words.text import cleaned

Ask = Callable[[str, str, float], Sequence[Any]]

WIDTH, ROW = 9.0, 2.45
MOST_LINES = 4
TITLE_LENGTH, NAME_LENGTH = 30, 24
LABEL_SHARE = 0.25
"""So much of a plot's height the name of a limit takes."""
_HALF_HOUR = 1800
_KINDS = {"share": "ratio", "seconds": "seconds", "bytes": "bytes", "rate": "rate"}
_SMALL = {**STYLE, "font.size": 17}


@dataclass(frozen=True, slots=True)
class _Filled:
    """A panel with its numbers. `why`: why there are none; `besides`: series that are left out."""

    panel: Panel
    lines: tuple[Series, ...]
    besides: int = 0
    why: str = ""


def drawn(order: SheetOrder, ask: Ask) -> bytes:
    """The picture. Raises FailedError, ValueError, TypeError, KeyError or AttributeError as for a single plot."""
    filled = [_filled(order, panel, ask) for panel in order.panels]
    grid = moments(order.until)
    with mpl.rc_context(_SMALL):
        rows = 1 + math.ceil((len(filled) - 1) / 2)
        layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.1)
        figure = Figure(figsize=(WIDTH, ROW * rows + 0.3), dpi=DOTS, facecolor="white", layout=layout)
        canvas = FigureCanvasAgg(figure)
        places = figure.add_gridspec(rows, 2)
        for number, each in enumerate(filled):
            wide = number == 0
            place = places[0, :] if wide else places[1 + (number - 1) // 2, (number - 1) % 2]
            _draw(figure.add_subplot(place), grid, each, wide=wide)
        figure.supxlabel(f"until {datetime.fromtimestamp(grid[-1], UTC):%Y-%m-%d %H:%M}, UTC", fontsize=16, color=INK)
        canvas.draw()
        return png(canvas)


def _filled(order: SheetOrder, panel: Panel, ask: Ask) -> _Filled:
    lines: list[Series] = []
    for curve in panel.curves:
        try:
            found = shown(ask(order.address, curve.expression, order.until), order.until).series
        except FailedError as failed:
            if failed.ending is not Ending.NOT_UNDERSTOOD:
                raise
            return _Filled(panel, (), why="the question is refused")
        alone = len(found) == 1
        lines += [Series(curve.name if alone else f"{curve.name} {each.name}".strip(), each.values) for each in found]
    why = "" if lines else "no data"
    return _Filled(panel, tuple(lines[:MOST_LINES]), max(0, len(lines) - MOST_LINES), why)


def _draw(axes: Axes, grid: Sequence[float], filled: _Filled, *, wide: bool) -> None:
    panel = filled.panel
    limits = [each for each in (panel.above, panel.below) if each is not None]
    numbers = [value for line in filled.lines for value in line.values if not math.isnan(value)]
    scale = scale_for(_KINDS.get(panel.unit, ""), max(map(abs, [*numbers, *limits]), default=0.0))
    _time(axes, grid)
    title = cleaned(panel.title, TITLE_LENGTH)
    if filled.why:
        axes.set_title(title, loc="left", fontweight="bold", fontsize=18)
        axes.set_yticks([])
        axes.text(0.5, 0.5, filled.why, transform=axes.transAxes, ha="center", va="center", color="#666666")
        return
    for line, colour in zip(filled.lines, COLOURS, strict=False):
        axes.plot(grid, [value * scale.factor for value in line.values], color=colour, linewidth=2.4)
    for line, colour in zip(filled.lines, COLOURS, strict=False):
        _dots(axes, grid, [value * scale.factor for value in line.values], colour)
    _frame(axes, [value * scale.factor for value in [*numbers, *limits]], scale, 4 if wide else 2)
    _limits(axes, panel, scale)
    if len(filled.lines) == 1 and not filled.besides:
        title = f"{title}  {_newest(filled.lines[0], scale)}"
    else:
        _names(axes, filled, scale, wide=wide)
    axes.set_title(title, loc="left", fontweight="bold", fontsize=18)


def _newest(line: Series, scale: Scale) -> str:
    """The number of now; what is older than the last three moments is not now."""
    recent = [value for value in line.values[-3:] if not math.isnan(value)]
    return scale.spelled(recent[-1], 3) if recent else "–"


def _dots(axes: Axes, grid: Sequence[float], values: Sequence[float], colour: str) -> None:
    alone = [place for place in range(len(values)) if is_alone(values, place)]
    if alone:
        at, heights = [grid[place] for place in alone], [values[place] for place in alone]
        axes.plot(at, heights, "o", color=colour, markersize=6)


def _names(axes: Axes, filled: _Filled, scale: Scale, *, wide: bool) -> None:
    names = [f"{cleaned(line.name, NAME_LENGTH)} {_newest(line, scale)}" for line in filled.lines]
    names += [f"+{filled.besides} more"] if filled.besides else []
    handles = [*axes.get_lines()[: len(filled.lines)], *[Line2D([], [], color=INK)] * bool(filled.besides)]
    where: dict[str, Any] = {"loc": "upper right", "framealpha": 0.8, "edgecolor": "none", "borderpad": 0.1}
    if wide:
        where = {
            "loc": "lower right",
            "bbox_to_anchor": (1, 0.97),
            "ncols": len(names),
            "frameon": False,
            "borderpad": 0,
        }
    # A name that begins with _ is left out of a legend, so each is put in only once its place is there.
    places = ["name"] * len(names)
    legend = axes.legend(handles, places, labelcolor="linecolor", handlelength=0, handletextpad=0, fontsize=16,
                         labelspacing=0.15, columnspacing=1.2, borderaxespad=0.2, **where)  # fmt: skip
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)
        text.set_fontweight("bold")


def _frame(axes: Axes, heights: Sequence[float], scale: Scale, ticks: int) -> None:
    lowest, highest = min(heights), max(heights)
    if lowest >= 0:
        lowest = 0.0  # a small plot has no room to say that its axis does not begin at zero
    room = (highest - lowest) * 0.12 or abs(highest) * 0.12 or 0.5
    axes.set_ylim(lowest - (room * 0.3 if lowest >= 0 else room), highest + room)
    axes.yaxis.set_major_locator(MaxNLocator(ticks + 1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda height, _: scale.spelled(height / scale.factor, 3)))


def _limits(axes: Axes, panel: Panel, scale: Scale) -> None:
    bottom, top = axes.get_ylim()
    for limit, beyond in ((panel.above, top), (panel.below, bottom)):
        if limit is None:
            continue
        height = limit * scale.factor
        # On the good side of the line, unless there is no room for it.
        share, under = (height - bottom) / (top - bottom), beyond == top
        under = share > 1 - LABEL_SHARE or (under and share > LABEL_SHARE)
        axes.axhspan(min(height, beyond), max(height, beyond), color=ALARM, alpha=0.07, linewidth=0)
        axes.axhline(height, color=ALARM, linewidth=2.2, linestyle=(0, (5, 3)))
        axes.annotate(
            f"limit {scale.spelled(limit, 3)}",
            (0.0, height),
            xycoords=("axes fraction", "data"),
            xytext=(5, -4 if under else 4),
            textcoords="offset points",
            va="top" if under else "bottom",
            color=ALARM,
            fontsize=15,
            fontweight="bold",
        )


def _time(axes: Axes, grid: Sequence[float]) -> None:
    axes.set_xlim(grid[0], grid[-1])
    first = math.ceil(grid[0] / _HALF_HOUR) * _HALF_HOUR
    axes.xaxis.set_major_locator(FixedLocator([first + _HALF_HOUR * n for n in range(HOUR_SECONDS // _HALF_HOUR + 1)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda moment, _: f"{datetime.fromtimestamp(moment, UTC):%H:%M}"))
    axes.tick_params(length=0, pad=5, labelsize=15)
    axes.grid(visible=True, color=FAINT, linewidth=1)
    axes.set_axisbelow(True)
