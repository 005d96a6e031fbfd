"""Plots: the pictures inside cards: of one expression, or of several panels side by side. Who draws, and who keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from handlers.core.words.text import Text


class Plotter(Protocol):
    """Draws what an expression measured.

    - The expression, the title and every label may be hostile; they are shown as text and never obeyed.
    - A picture is a help, never a condition: whoever asks goes on without it when this fails.
    """

    def plot(self, expression: str, title: str, until: datetime, threshold: float | None) -> bytes | None:
        """A PNG of the hour before `until`, with a line at the threshold; None when there is nothing to draw.
        Takes up to 15 seconds, one picture at a time. Raises OutsideError (permanent when this expression cannot be
        drawn), ValueError for a time without a zone."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a panel."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A small plot. `unit`: seconds, share, bytes, rate or count; `above`, `below`: its limits, None for none."""

    title: str
    unit: str
    curves: tuple[Curve, ...]
    above: float | None = None
    below: float | None = None


class Sketcher(Protocol):
    """Draws several measures in one picture; see Plotter."""

    def sheet(self, panels: Sequence[Panel], until: datetime) -> bytes:
        """A PNG of the hour before `until`, at most 200 kB, with a small plot for each panel. A panel without numbers,
        and one whose question is refused, says so in its place. Raises as Plotter.plot."""


class Painter(Plotter, Sketcher, Protocol):
    """Draws both."""


class Gallery(Protocol):
    """Where the chat keeps pictures."""

    def upload(self, name: str, data: bytes, alt: Text) -> str:
        """Keeps a PNG, for a card to show; its id there. `alt`: what it shows. Raises Refusal and OutsideError."""
