"""Memory: what was found of a target in the last two hours, so that now can be compared with then.

- `looks:<target>` in the state holds, by section, entries ten minutes apart and none older than two hours: of every
  finding its verdict and its number, at most 150 of a section. No sentence, nothing of what is in the data.
- A look that comes too soon after the kept one is not kept; neither is a section that did not answer at all.
- "About an hour ago" is the entry nearest to it, between half an hour and an hour and a half ago. None is none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from handlers.core.health.findings import Finding
from handlers.core.ports import State
from handlers.core.words.answers import TargetName

AGO, AROUND = timedelta(hours=1), timedelta(minutes=30)
APART, KEPT = timedelta(minutes=10), timedelta(hours=2)
MOST_FINDINGS, MOST_CHARACTERS = 150, 60
KEEP_SECONDS = int(KEPT.total_seconds())

Seen = Mapping[str, tuple[str, str]]
"""By the name of a finding its verdict and its number."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was found in one section at that time."""

    at: datetime
    seen: Seen


class LookBook:
    """The looks in the state. Everything raises OutsideError."""

    def __init__(self, state: State) -> None:
        self._state = state

    def note(self, target: TargetName, found: Mapping[str, Sequence[Finding]], now: datetime) -> None:
        """Keeps what is new enough; who is slower than another loses nothing that matters."""
        kept, version = self._read(target)
        fresh = {
            section: Look(now, seen(findings))
            for section, findings in found.items()
            if answered(section, findings) and not any(now - each.at < APART for each in kept.get(section, ()))
        }
        if not fresh:
            return
        looks = {name: [each for each in known if now - each.at <= KEPT] for name, known in kept.items()}
        for section, look in fresh.items():
            looks.setdefault(section, []).append(look)
        value = json.dumps({name: [_packed(each) for each in known] for name, known in looks.items() if known})
        self._state.put_if(f"looks:{target}", value.encode(), version, seconds=KEEP_SECONDS)

    def around(self, target: TargetName, moment: datetime) -> Mapping[str, Look]:
        """By section the look nearest to that moment; a section without one is not in it."""
        found: dict[str, Look] = {}
        for section, known in self._read(target)[0].items():
            near = [each for each in known if abs(each.at - moment) <= AROUND]
            if near:
                found[section] = min(near, key=lambda each: abs(each.at - moment))
        return found

    def newest(self, target: TargetName, section: str) -> datetime | None:
        """When the newest kept look at a section was."""
        return max((each.at for each in self._read(target)[0].get(section, ())), default=None)

    def _read(self, target: TargetName) -> tuple[dict[str, list[Look]], str | None]:
        held = self._state.get(f"looks:{target}")
        if held is None:
            return {}, None
        try:
            data = json.loads(held.value)
            return {str(name): [_unpacked(each) for each in known] for name, known in data.items()}, held.version
        except (ValueError, KeyError, TypeError, AttributeError):
            return {}, held.version  # not worth an alarm: it begins anew


def answered(section: str, findings: Sequence[Finding]) -> bool:
    """Whether the section said anything: one that did not is one finding with its own name."""
    return [each.name for each in findings] not in ([], [section])


def seen(findings: Sequence[Finding]) -> Seen:
    """What is kept of them."""
    return {each.name: (each.verdict.value, each.value[:MOST_CHARACTERS]) for each in findings[:MOST_FINDINGS]}


def _packed(look: Look) -> dict[str, Any]:
    return {"at": look.at.isoformat(timespec="seconds"), "of": {name: list(pair) for name, pair in look.seen.items()}}


def _unpacked(data: Mapping[str, Any]) -> Look:
    pairs = {str(name): (str(pair[0]), str(pair[1])) for name, pair in data["of"].items()}
    return Look(datetime.fromisoformat(data["at"]), pairs)
