"""Alertmanager's own list, as a port: what it has now, and the silences that stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Listed:
    """One alert that Alertmanager has: it is not over. `silenced_by`: ids of silences; `inhibited_by`: fingerprints."""

    started: datetime
    labels: Mapping[str, str]
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """A silence that is not over."""

    by: str
    comment: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything at once. `started`: when this Alertmanager did; it forgets its alerts when it ends."""

    started: datetime
    alerts: Mapping[str, Listed]
    silences: Mapping[str, Standing]


class Alertmanager(Protocol):
    """One Alertmanager, or several that share their silences. Everything raises OutsideError."""

    def look(self) -> Listing:
        """What it has now."""

    def silence(self, labels: Mapping[str, str], until: datetime, by: str, comment: str, known: str = "") -> str:
        """Keeps it quiet about alerts with exactly these labels until then; the id of what stands now. `known`: a
        silence of the same labels to be lengthened; its id may change."""

    def lift(self, silence: str) -> None:
        """Ends a silence; nothing happens when it is over or unknown."""
