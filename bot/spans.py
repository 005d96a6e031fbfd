"""Spans: what takes its time, as bot/tracing.py notes it, and where that goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took its time. `job`: the one it belongs to, "" for none; `whole`: it is that job from its asking
    to its last card. `wrong`: the kind of what went wrong, "" when nothing did."""

    name: str
    began: datetime
    ended: datetime
    job: str = ""
    whole: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    wrong: str = ""


class Traces(Protocol):
    """Where spans go."""

    def note(self, span: Span) -> None:
        """Never raises and never waits. The same span noted twice is one."""
