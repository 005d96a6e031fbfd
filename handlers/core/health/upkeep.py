"""Upkeep: who made the month's round of security updates, and when, as people acknowledged it.

- `upkeep:<target>` in the state holds the last 36 acknowledgements. One a day counts; pressing twice says so once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from handlers.core.ports import State
from handlers.core.words.answers import PersonId, TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text

MOST = 36
ROUNDS = 8
KEEP_SECONDS = 3 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody said that the updates are made."""

    at: datetime
    person: PersonId


class UpkeepBook:
    """The acknowledgements. Everything raises OutsideError."""

    def __init__(self, state: State) -> None:
        self._state = state

    def history(self, target: TargetName) -> tuple[Acknowledged, ...]:
        """The oldest first."""
        return self._read(target)[0]

    def acknowledge(self, target: TargetName, person: PersonId, now: datetime) -> bool:
        """Whether it is new: False when somebody said so this day already."""
        for _ in range(ROUNDS):
            known, version = self._read(target)
            if known and known[-1].at.date() == now.date():
                return False
            kept = [*known, Acknowledged(now, person)][-MOST:]
            value = json.dumps([{"at": each.at.isoformat(), "by": each.person} for each in kept]).encode()
            if self._state.put_if(f"upkeep:{target}", value, version, seconds=KEEP_SECONDS) is not None:
                return True
        raise OutsideError(Text("Too many acknowledged the same at once. Press again."))

    def _read(self, target: TargetName) -> tuple[tuple[Acknowledged, ...], str | None]:
        held = self._state.get(f"upkeep:{target}")
        return ((), None) if held is None else (tuple(map(_read, json.loads(held.value))), held.version)


def _read(data: Mapping[str, Any]) -> Acknowledged:
    return Acknowledged(datetime.fromisoformat(data["at"]), PersonId(str(data["by"])))
