"""The child that draws one picture: an order on standard input, a PNG on standard output, an Ending as return code."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress

NICENESS = 10
"""Whoever answers people goes first."""
MEMORY_BYTES = 1024**3
"""All the address space it may have; it needs a fifth. An answer without an end kills it, and nobody else."""


def main() -> int:
    """Draws it."""
    os.nice(NICENESS)
    with suppress(OSError, ValueError):  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    # After the limit, and only in the child.
    from bot.adapters.plots import drawing, prometheus, series, sheet
    from bot.adapters.plots.order import Ending, SheetOrder, unpacked

    order = unpacked(sys.stdin.buffer.read())
    try:
        if isinstance(order, SheetOrder):
            sys.stdout.buffer.write(sheet.drawn(order, prometheus.asked))
            return Ending.DRAWN
        answer = prometheus.asked(order.address, order.expression, order.until)
        shown = series.shown(answer, order.until, both_ends=order.threshold is not None)
    except prometheus.FailedError as failed:
        return failed.ending
    except (ValueError, TypeError, KeyError, AttributeError):
        return Ending.NOT_PROMETHEUS
    if shown.series:
        sys.stdout.buffer.write(drawing.drawn(order, shown))
    return Ending.DRAWN


if __name__ == "__main__":
    sys.exit(main())
