"""The Home tab: how things stand, at a glance, for the person who opened it.

- Per target: how the last look at its health ended and when; then open alerts, running jobs, secrets that are due, the
  next backup, and whether this person is enrolled. It reads what is known and asks no system anew.
- Only full members of the workspace see it. What cannot be read is not known, and says so in its line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from handlers.core.alerts.groups import names
from handlers.core.alerts.ledger import Ledger
from handlers.core.backups.schedules import Schedule
from handlers.core.door.approval import WORKSPACE
from handlers.core.door.records import Jobs
from handlers.core.formats.evidence import Verdict
from handlers.core.ports import Clock, Factors, People, State
from handlers.core.words.answers import Actor, TargetName
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import Problem
from handlers.core.words.text import Code, Person, Text

SHOWN = 8
DUE = ("rotate-due", "rotate-soon", "rotate-retire", "rotate-needs")


@dataclass(frozen=True, slots=True)
class Home:
    """See the module. `schedule` None: no backups by themselves."""

    state: State
    people: People
    factors: Factors
    clock: Clock
    targets: tuple[TargetName, ...]
    schedule: Schedule | None

    def card(self, actor: Actor) -> Card | None:
        """What this person sees; None for who is no full member. Never raises a Problem."""
        if self.people.standing(actor) != "member":
            return None
        parts: list[Callable[[], Iterable[Text]]] = [
            self._health,
            self._alerts,
            self._running,
            self._due,
            self._next,
            lambda: self._enrolment(actor),
        ]
        lines = tuple(line for part in parts for line in _guarded(part))
        return Card(Text("How things stand"), Tone.PLAIN, lines)

    def _health(self) -> Iterator[Text]:
        for target in self.targets:
            held = self.state.get(f"health:{target}")
            data = {} if held is None else json.loads(held.value)
            found = [Verdict(each) for each in data.get("verdicts", {}).values()]
            bad, unsure = found.count(Verdict.FAIL), found.count(Verdict.UNKNOWN)
            if not found:
                yield Text("? {target}: nobody has looked yet; `/health` does.", target=Code(target))
                continue
            mark = "✗" if bad else "?" if unsure else "✓"
            yield Text(
                "{mark} {target}: {bad} wrong, {unsure} not known of {all}, looked at {at}",
                mark=mark,
                target=Code(target),
                bad=bad,
                unsure=unsure,
                all=len(found),
                at=datetime.fromisoformat(str(data["at"])),
            )

    def _alerts(self) -> Iterator[Text]:
        ledger = Ledger(self.state)
        books = [ledger.book(channel) for channel in ledger.channels()]
        shared = [book.shared.members for book in books if book.shared is not None]
        ids = {each for book in books for each in book.own}
        ids |= {name for members in shared for name, each in members.items() if each.firing or each.unknown}
        fire, count, unknown = list[str](), 0, 0
        for each in ids:  # one after the other: in a storm all of them together are many megabytes
            group = ledger.load(each)
            if group is not None and group.unknown:
                unknown += 1
            elif group is not None and not group.over:
                fire += names(group.firing.values())
                count += 1
        if unknown:
            yield Text("? {count} groups of alerts are over only as far as told, or not known.", count=unknown)
        if not fire and not unknown:
            yield Text("✓ No alert is open.")
        elif fire:
            told = ", ".join(sorted(fire)[:SHOWN])
            yield Text("✗ {count} alerts are open: {names}", count=count, names=Code(told))

    def _running(self) -> Iterator[Text]:
        jobs = [each for each in Jobs(self.state).active() if not each.state.final]
        if not jobs:
            yield Text("No job is running.")
        for each in jobs[:SHOWN]:
            what = Code(each.plan.operation.replace(".", " "))
            yield Text("{what} of {target} is {state}, asked for by {person}", what=what, target=Code(each.target),
                       state=each.state.value, person=Person(each.plan.actor.person))  # fmt: skip

    def _due(self) -> Iterator[Text]:
        found = {key.rpartition(":")[2] for kind in DUE for key in self.state.keys(f"alarm:{kind}:")}
        if found:
            told = ", ".join(sorted(found)[:SHOWN])
            yield Text("✗ {count} secrets wait for somebody: {names}", count=len(found), names=Code(told))
        else:
            yield Text("✓ No secret waits to be rotated.")

    def _next(self) -> Iterator[Text]:
        if self.schedule is None:
            yield Text("✗ No backup is made by itself: BACKUP_SCHEDULE is off.")
        else:
            yield Text("The next backup is made at {time}.", time=self.schedule.following(self.clock.now()))

    def _enrolment(self, actor: Actor) -> Iterator[Text]:
        if self.factors.get(actor.person, WORKSPACE) is None:
            yield Text("✗ You have no second factor, so you cannot confirm a restore.")
        else:
            yield Text("✓ You are enrolled: you can confirm with your authenticator.")


def _guarded(part: Callable[[], Iterable[Text]]) -> tuple[Text, ...]:
    try:
        return tuple(part())
    except (Problem, ValueError, KeyError):
        return (Text("? A part of this could not be read now."),)
