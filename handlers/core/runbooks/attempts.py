"""An attempt at a step of a runbook: who tried, what was found.

- PASS and FAIL were established; what nobody could establish is UNKNOWN, and INTERRUPTED when its worker died.
- DONE and SKIPPED are what a person says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from handlers.core.words.answers import PersonId
from handlers.core.words.text import Text


class StepState(Enum):
    """How an attempt stands."""

    RUNNING = "running"
    PASSED = "pass"
    FAILED = "fail"
    UNKNOWN = "unknown"
    INTERRUPTED = "interrupted"
    DONE = "done"
    SKIPPED = "skipped"


# In words, as people read it.
VERDICTS = {
    StepState.RUNNING: Text("RUNNING"),
    StepState.PASSED: Text("PASS"),
    StepState.FAILED: Text("FAIL"),
    StepState.UNKNOWN: Text("UNKNOWN"),
    StepState.INTERRUPTED: Text("INTERRUPTED"),
    StepState.DONE: Text("DONE"),
    StepState.SKIPPED: Text("SKIPPED"),
}
SETTLED = frozenset({StepState.PASSED, StepState.DONE, StepState.SKIPPED})


@dataclass(frozen=True, slots=True)
class Result:
    """What a step found. `facts`: labels and values, in order; `output`: for the thread."""

    state: StepState
    text: Text
    facts: tuple[tuple[str, str], ...] = ()
    output: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a step. `job`: which job of the desk holds it, empty for what is done by hand. `picture`: a file in
    the chat, of what was measured."""

    state: StepState
    who: PersonId
    began: datetime
    job: str = ""
    ended: datetime | None = None
    text: Text = field(default_factory=lambda: Text(""))
    facts: tuple[tuple[str, str], ...] = ()
    picture: str = ""
