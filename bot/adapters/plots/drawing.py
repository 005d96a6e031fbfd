"""Drawing: series, a threshold and a title as a PNG that can be read on a phone.

- Text is text: nothing in it is read as mathematics, and hidden characters are replaced.
- 1200 by 600 dots on white, large letters, times in UTC. Gaps stay gaps; a lone number between two gaps is a dot.
- It grows with its legend, so that the curves keep their room.
- 256 colours: half the bytes. Noise that weighs more than a picture may is made smaller; with fewer colours, two lines
  would look like one.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from PIL import Image

from bot.adapters.plots.order import PICTURE_BYTES, Order
from bot.adapters.plots.series import HOUR_SECONDS, Series, Shown, moments
from bot.adapters.plots.units import Scale, scale_of
from handlers.core.words.text import cleaned

WIDTH, HEIGHT, DOTS = 12.0, 6.0, 100
"""In inches, and dots for each inch."""
LEGEND_ROW = 0.36
TITLE_LENGTH = 80
_COLUMNS = ((18, 3), (36, 2))
"""How long names may be to stand in so many columns."""
_SCALES = (1, 0.8, 0.6, 0.4)
_PAD = 0.12
_TEN_MINUTES = 600
INK, FAINT, ALARM = "#1d1c1d", "#d8d8da", "#c01c28"
# Told apart by people who see colours differently too: Okabe and Ito's, without the yellow that white swallows, and
# Tol's for the rest. Red is the threshold's.
COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#6b4c9a",
    "#332288", "#882255", "#999933", "#44aa99", "#555555", "#aa4499",
)  # fmt: skip
STYLE: dict[Any, Any] = {
    "text.parse_math": False,
    "text.usetex": False,
    "font.size": 19,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "path.simplify": True,
}


def drawn(order: Order, shown: Shown) -> bytes:
    """The picture."""
    with mpl.rc_context(STYLE):
        names = [series.name for series in shown.series]
        if shown.left_out:
            names.append(f"+{shown.left_out} more series")
        columns = next((many for length, many in _COLUMNS if max(map(len, names)) <= length), 1)
        rows = math.ceil(len(names) / columns)
        height = HEIGHT + LEGEND_ROW * max(0, rows - 1)
        layout = ConstrainedLayoutEngine(w_pad=_PAD, h_pad=_PAD)
        figure = Figure(figsize=(WIDTH, height), dpi=DOTS, facecolor="white", layout=layout)
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        lines = _draw(axes, order, shown)
        title = axes.set_title(cleaned(order.title, TITLE_LENGTH), loc="left", fontsize=23, fontweight="bold", pad=14)
        if any(names):
            _legend(figure, lines, names, columns)
        _fit(title, canvas)
        canvas.draw()
        return png(canvas)


def png(canvas: FigureCanvasAgg) -> bytes:
    """What was drawn, as a PNG of at most PICTURE_BYTES."""
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    data = b""
    for scale in _SCALES:
        smaller = picture if scale == 1 else picture.resize((int(picture.width * scale), int(picture.height * scale)))
        image = io.BytesIO()
        smaller.quantize(256, dither=Image.Dither.NONE).save(image, "PNG", optimize=True)
        data = image.getvalue()
        if len(data) <= PICTURE_BYTES:
            break
    return data


def _fit(title: Text, canvas: FigureCanvasAgg) -> None:
    """Makes a long title smaller, so that its end can be read."""
    canvas.draw()
    bounds = title.get_window_extent()
    room = WIDTH * DOTS - bounds.x0 - DOTS * _PAD
    if bounds.width > room:
        title.set_fontsize(title.get_fontsize() * room / bounds.width)


def _draw(axes: Axes, order: Order, shown: Shown) -> list[Line2D]:
    grid = moments(order.until)
    numbers = [value for series in shown.series for value in series.values if not math.isnan(value)]
    if order.threshold is not None:
        numbers.append(order.threshold)
    scale = scale_of(order.expression, max(map(abs, numbers)))
    lines = [_line(axes, grid, series, colour, scale) for series, colour in zip(shown.series, COLOURS, strict=False)]
    _frame(axes, grid, scale, [value * scale.factor for value in numbers])
    if order.threshold is not None:
        _threshold(axes, order.threshold, scale)
    return lines


def _line(axes: Axes, grid: Sequence[float], series: Series, colour: str, scale: Scale) -> Line2D:
    values = [value * scale.factor for value in series.values]
    (line,) = axes.plot(grid, values, color=colour, linewidth=2.6, solid_capstyle="round")
    alone = [place for place in range(len(values)) if is_alone(values, place)]
    if alone:
        at, heights = [grid[place] for place in alone], [values[place] for place in alone]
        (dots,) = axes.plot(at, heights, "o", color=colour, markersize=8, clip_on=False)
        dots.set_in_layout(False)  # a dot that is not cut at the edge would make room for itself
    return line


def is_alone(values: Sequence[float], place: int) -> bool:
    """Whether the number there has a gap on both sides, so that no line reaches it."""
    around = [values[beside] for beside in (place - 1, place + 1) if 0 <= beside < len(values)]
    return not math.isnan(values[place]) and all(map(math.isnan, around))


def _frame(axes: Axes, grid: Sequence[float], scale: Scale, heights: Sequence[float]) -> None:
    lowest, highest = min(heights), max(heights)
    room = (highest - lowest) * 0.08 or abs(highest) * 0.08 or 0.5
    bottom = lowest - room
    if lowest >= 0:
        bottom = max(bottom, -room * 0.4)  # a line at zero is seen, and nothing looks as if it could be less
    axes.set_ylim(bottom, highest + 1.5 * room)
    axes.set_xlim(grid[0], grid[-1])
    first = math.ceil(grid[0] / _TEN_MINUTES) * _TEN_MINUTES
    axes.xaxis.set_major_locator(
        FixedLocator([first + _TEN_MINUTES * n for n in range(HOUR_SECONDS // _TEN_MINUTES + 1)])
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda moment, _: f"{datetime.fromtimestamp(moment, UTC):%H:%M}"))
    span = highest + 2 * room - bottom
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda height, _: _tick(height, span, scale)))
    axes.set_xlabel(f"{datetime.fromtimestamp(grid[-1], UTC):%Y-%m-%d}, UTC", loc="right", fontsize=16)
    axes.tick_params(length=0, pad=8)
    axes.grid(visible=True, color=FAINT, linewidth=1)
    axes.set_axisbelow(True)


def _tick(height: float, span: float, scale: Scale) -> str:
    """A number on the axis: with as many digits as tell it from its neighbours."""
    if abs(height) < span * 1e-6:
        return scale.spelled(0.0)
    return scale.spelled(height / scale.factor, max(3, math.ceil(math.log10(abs(height) / span)) + 3))


def _threshold(axes: Axes, threshold: float, scale: Scale) -> None:
    height = threshold * scale.factor
    axes.axhline(height, color=ALARM, linewidth=2.2, linestyle=(0, (6, 4)))
    axes.annotate(
        f"threshold {scale.spelled(threshold)}",
        (0.0, height),
        xycoords=("axes fraction", "data"),
        xytext=(8, 9),
        textcoords="offset points",
        color=ALARM,
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2},
    )


def _legend(figure: Figure, lines: Sequence[Line2D], names: Sequence[str], columns: int) -> None:
    nothing = Line2D([], [], linestyle="none")
    handles = [*lines, *[nothing] * (len(names) - len(lines))]
    # A name that begins with _ is left out of a legend, so each is put in only once its place is there.
    places = ["name"] * len(names)
    legend = figure.legend(handles, places, loc="outside lower left", ncols=columns, frameon=False, fontsize=17)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)
