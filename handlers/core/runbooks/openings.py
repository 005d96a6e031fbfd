"""An opening: when a runbook is begun by itself, and which of its first steps then run by themselves.

- It stands in the runbook's file, because whoever reviews the steps must see that some of them run unasked; the routes
  say where a card goes, not what is done.
- Only the first steps, one after the other, and only kinds that look. Everything else waits for a person.
- The register of a runbook says for which episodes of an alert it was begun, or why not. One compare-and-set on it
  decides, so an episode is begun once, at most so many are open, and none begins in the quiet time after another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from handlers.core.alerts import labels
from handlers.core.alerts.groups import SEVERITIES, Alert, Group
from handlers.core.words.digests import Json

KEPT_BEGUN, KEPT_NOT = timedelta(days=1), timedelta(hours=1)
DEFAULTS = {"most_open": (2, 20), "quiet_minutes": (30, 1440)}
_KEYS = frozenset({"steps", "match", "severity", *DEFAULTS})
_WORST = SEVERITIES[:4]


@dataclass(frozen=True, slots=True)
class Opening:
    """See the module. `steps`: their names; `match`: what the alert's labels must be besides; `severity`: the least."""

    steps: tuple[str, ...]
    match: Mapping[str, str] = field(default_factory=dict)
    severity: str = "warning"
    most_open: int = DEFAULTS["most_open"][0]
    quiet_minutes: int = DEFAULTS["quiet_minutes"][0]

    def to_json(self) -> dict[str, Json]:
        """For the stored run, and for the version."""
        return {
            "steps": list(self.steps),
            "match": dict(self.match),
            "severity": self.severity,
            "most_open": self.most_open,
            "quiet_minutes": self.quiet_minutes,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Opening:
        """What `to_json` made."""
        return Opening(**{**data, "steps": tuple(data["steps"])})

    def of(self, group: Group) -> Alert | None:
        """The first firing alert that it is for: nobody keeps it quiet, and it is bad enough."""
        most = SEVERITIES.index(self.severity)
        for alert in group.firing.values():
            enough = alert.severity in SEVERITIES and SEVERITIES.index(alert.severity) <= most
            if enough and alert.hush is None and labels.fits(self.match, alert.labels):
                return alert
        return None


def read(given: object, steps: Sequence[tuple[str, bool]]) -> tuple[Opening | None, tuple[str, ...]]:
    """The opening in a file's data, or everything that is wrong with it. `steps`: each one's name, and whether it only
    looks."""
    if not isinstance(given, Mapping):
        return None, ("begins: expected a mapping, perhaps with `steps`, `match`, `severity`",)
    problems = [f"begins: `{str(each)[:40]}` is not known here" for each in given if each not in _KEYS]
    names = given.get("steps", _leading(steps))
    if not isinstance(names, list) or not names or names != [name for name, _ in steps[: len(names)]]:
        problems.append("begins, steps: expected the names of the first steps, in their order")
        names = []
    looks = dict(steps)
    problems += [
        f"begins, steps: {name} does not only look, so it waits for a person" for name in names if not looks[name]
    ]
    match = given.get("match", {})
    if match != {}:
        problems += labels.wrong("begins, match", match)
    severity = given.get("severity", "warning")
    if severity not in _WORST:
        problems.append(f"begins, severity: expected one of {', '.join(_WORST)}")
    numbers = {name: given.get(name, usual) for name, (usual, _) in DEFAULTS.items()}
    for name, value in numbers.items():
        least, most = (1 if name == "most_open" else 0), DEFAULTS[name][1]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            problems.append(f"begins, {name}: expected a whole number from {least} to {most}")
    if problems:
        return None, tuple(problems)
    return Opening(tuple(names), {str(name): value for name, value in match.items()}, severity, **numbers), ()


def _leading(steps: Sequence[tuple[str, bool]]) -> list[str]:
    found = []
    for name, looks in steps:
        if not looks:
            break
        found.append(name)
    return found


@dataclass(frozen=True, slots=True)
class Entry:
    """What was decided about an episode: the run, or empty and why not."""

    at: datetime
    run: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Register:
    """See the module; by the name of the episode."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    @property
    def begun(self) -> Mapping[str, Entry]:
        """Those that were begun in the last day."""
        return {name: each for name, each in self.entries.items() if each.run}

    def entered(self, episode: str, opening: Opening, run: str, still_open: int, now: datetime) -> Register:
        """With an episode that is not in there. `still_open`: how many of the begun runs are not over."""
        newest = max((each.at for each in self.begun.values()), default=None)
        if still_open >= opening.most_open:
            entry = Entry(now, "", f"{still_open} runs of it are open")
        elif newest is not None and now - newest < timedelta(minutes=opening.quiet_minutes):
            entry = Entry(now, "", f"another began less than {opening.quiet_minutes} minutes ago")
        else:
            entry = Entry(now, run)
        kept = {
            name: each for name, each in self.entries.items() if now - each.at < (KEPT_BEGUN if each.run else KEPT_NOT)
        }
        return Register({**kept, episode: entry})

    def to_bytes(self) -> bytes:
        """For the state."""
        return json.dumps(
            {name: [each.at.isoformat(), each.run, each.why] for name, each in self.entries.items()}
        ).encode()

    @staticmethod
    def from_bytes(value: bytes) -> Register:
        """What `to_bytes` made."""
        data = json.loads(value)
        return Register({name: Entry(datetime.fromisoformat(at), *rest) for name, (at, *rest) in data.items()})
