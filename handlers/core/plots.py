"""Plots: the picture inside an alert's card: who draws it, and who keeps it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from handlers.core.text import Text


class Plotter(Protocol):
    """Draws what an expression measured.

    - The expression, the title and every label may be hostile; they are shown as text and never obeyed.
    - A picture is a help, never a condition: whoever asks goes on without it when this fails.
    """

    def plot(self, expression: str, title: str, until: datetime, threshold: float | None) -> bytes | None:
        """A PNG of the hour before `until`, with a line at the threshold; None when there is nothing to draw.
        Takes up to 15 seconds, one picture at a time. Raises OutsideError (permanent when this expression cannot be
        drawn), ValueError for a time without a zone."""


class Gallery(Protocol):
    """Where the chat keeps pictures."""

    def upload(self, name: str, data: bytes, alt: Text) -> str:
        """Keeps a PNG, for a card to show; its id there. `alt`: what it shows. Raises Refusal and OutsideError."""
