"""A comparison: what is otherwise now than about an hour ago, in verdicts and in numbers.

- Compared is by the names of findings. Verdicts that turned come first; numbers that moved by a twentieth or more are
  listed; what was not seen at one of the two times is said, and is no change.
- Metrics are what Prometheus says of that moment; everything else is what the bot kept (`memory`), with its time.
- A section of which nothing is known from around then is said to be so: not "nothing changed".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from handlers.checks.scorecard import MARKS
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding
from handlers.core.health.memory import Look, answered, seen
from handlers.core.words.digests import Json
from handlers.core.words.text import Text, cleaned

SHOWN, SHOWN_NAMES = 8, 5
LEAST_MOVE = 0.05
WORD = "compare"
"""What asks for it."""
AGAINST = "against"
"""The argument and the fact of a job that compares."""
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Compared:
    """One section. `at` None: nothing is known from around then. `turned`, `moved`: name, before, now; `same`: how many
    are as they were; `fresh`: not seen then; `gone`: not seen now."""

    at: datetime | None
    turned: tuple[tuple[str, str, str], ...] = ()
    moved: tuple[tuple[str, str, str], ...] = ()
    same: int = 0
    fresh: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """For the record of a job."""
        return {
            "at": None if self.at is None else self.at.isoformat(timespec="seconds"),
            "turned": [list(each) for each in self.turned],
            "moved": [list(each) for each in self.moved],
            "same": self.same,
            "fresh": list(self.fresh),
            "gone": list(self.gone),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Compared:
        """Raises KeyError, TypeError or ValueError for what is not a stored one."""
        turned, moved = (tuple((str(a), str(b), str(c)) for a, b, c in data[name]) for name in ("turned", "moved"))
        fresh, gone = (tuple(map(str, data[name])) for name in ("fresh", "gone"))
        at = None if data["at"] is None else datetime.fromisoformat(data["at"])
        return Compared(at, turned, moved, int(data["same"]), fresh, gone)


def compared(before: Mapping[str, Look], found: Mapping[str, Sequence[Finding]]) -> Mapping[str, Compared]:
    """Each section that was looked at now."""
    return {section: _section(section, before.get(section), findings) for section, findings in found.items()}


def _section(section: str, look: Look | None, findings: Sequence[Finding]) -> Compared:
    if look is None:
        return Compared(None)
    if not answered(section, findings):
        return Compared(look.at, gone=(section,))
    now = seen(findings)
    both = [name for name in now if name in look.seen]
    turned = [(name, look.seen[name][0], now[name][0]) for name in both if look.seen[name][0] != now[name][0]]
    moved = [(name, look.seen[name][1], now[name][1]) for name in both if moved_by(look.seen[name][1], now[name][1])]
    touched = {name for name, _, _ in (*turned, *moved)}
    return Compared(
        look.at,
        tuple(turned),
        tuple(moved),
        len([name for name in both if name not in touched]),
        tuple(name for name in now if name not in look.seen),
        tuple(name for name in look.seen if name not in now),
    )


def moved_by(before: str, now: str) -> bool:
    """Whether a number is another one. Words around it that changed are a change; a twentieth less or more is none."""
    if before == now:
        return False
    if not before or not now or _NUMBER.sub("#", before) != _NUMBER.sub("#", now):
        return True
    pairs = zip(_NUMBER.findall(before), _NUMBER.findall(now), strict=True)
    return any(_apart(float(one.replace(",", "")), float(two.replace(",", ""))) for one, two in pairs)


def _apart(one: float, two: float) -> bool:
    return abs(one - two) > LEAST_MOVE * max(abs(one), abs(two))


def read(stored: object) -> Mapping[str, Compared]:
    """As a job keeps it."""
    if not isinstance(stored, Mapping):
        return {}
    return {str(name): Compared.from_json(each) for name, each in stored.items()}


def title(subject: Text, given: Mapping[str, Compared]) -> Text:
    """What changed, counted."""
    known = [each for each in given.values() if each.at is not None]
    turned, moved = sum(len(each.turned) for each in known), sum(len(each.moved) for each in known)
    if not known:
        return Text("{subject}: nothing is known of an hour ago", subject=subject)
    if turned or moved:
        return Text("{subject}, against an hour ago: {turned} verdicts and {moved} numbers changed", subject=subject,
                    turned=turned, moved=moved)  # fmt: skip
    if len(known) < len(given):
        return Text("{subject}, against an hour ago: nothing changed in what is known of it", subject=subject)
    return Text("{subject}, against an hour ago: nothing changed", subject=subject)


def lines(given: Mapping[str, Compared], found: Mapping[str, Sequence[Finding]]) -> Iterator[Text]:
    """For a card. What nothing is known of comes last, in one line."""
    for section, each in given.items():
        if each.at is None:
            continue
        yield Text("*{section}* against {at}: {same} are as they were", section=section, at=each.at, same=each.same)
        told = {finding.name: finding.text for finding in found.get(section, ())}
        for name, before, now in each.turned[:SHOWN]:
            said = told.get(name, Text("{name}", name=name))
            yield Text("{mark} was {before}: {said}", mark=_mark(now), before=_mark(before), said=said)
        if len(each.turned) > SHOWN:
            yield Text("… and {more} more; press {section}", more=len(each.turned) - SHOWN, section=section)
        if each.moved:
            yield Text("Numbers: {numbers}", numbers=_numbers(each.moved))
        if each.fresh:
            yield Text("Not seen then: {names}", names=_names(each.fresh))
        if each.gone:
            yield Text("? Not seen now: {names}", names=_names(each.gone))
    if unknown := [section for section, each in given.items() if each.at is None]:
        sections = ", ".join(unknown)
        yield Text("? *{section}*: nobody looked about an hour ago, so nothing is compared.", section=sections)


def _mark(verdict: str) -> str:
    return MARKS[Verdict(verdict)]


def _numbers(moved: Sequence[tuple[str, str, str]]) -> str:
    told = [f"{name} {before or '?'} → {now or '?'}" for name, before, now in moved[:SHOWN]]
    more = [f"and {len(moved) - SHOWN} more"] if len(moved) > SHOWN else []
    return cleaned("; ".join((*told, *more)))


def _names(names: Sequence[str]) -> str:
    more = [f"and {len(names) - SHOWN_NAMES} more"] if len(names) > SHOWN_NAMES else []
    return cleaned(", ".join((*names[:SHOWN_NAMES], *more)))
