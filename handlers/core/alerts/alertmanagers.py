"""Alertmanager's own list, as a port: what it has now, and the silences that stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from handlers.core.alerts.matchers import Matcher


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

    def matching(self, matchers: Sequence[Matcher]) -> tuple[Mapping[str, str], ...]:
        """The labels of every alert it has now that all of these match, within two seconds: a person's form waits for
        it. Raises Refusal for matchers it refuses."""

    def silence(self, matchers: Sequence[Matcher], until: datetime, by: str, comment: str, known: str = "") -> str:
        """Keeps it quiet about alerts that all of these match until then; the id of what stands now. `known`: a
        silence of the same matchers to be lengthened; its id may change. Raises Refusal for matchers it refuses."""

    def lift(self, silence: str) -> None:
        """Ends a silence; nothing happens when it is over or unknown."""
