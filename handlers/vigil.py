"""The vigil: begins runbooks by themselves when their alerts begin to fire, and has their first steps looked at.

- Over any number of bots, killed at any point, an episode begins a runbook once: the register decides by one
  compare-and-set, and a run that is in there and was not stored is stored by whoever sees it next.
- A step is begun by the same press as a person's, as somebody who may only look; never one that was tried before, so
  what a dead worker left is a person's turn.
- Only while the alert is fresh and has a card of its own: a storm begins nothing, nor does a new file.
- A run that nobody touched is ended when its alert is over for ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from handlers import steps
from handlers.beginnings import Beginnings, episode, of_alert
from handlers.core.alerts.groups import AGAIN, Alert, Group
from handlers.core.alerts.ledger import noted
from handlers.core.ports import State
from handlers.core.runbooks.openings import Opening, Register
from handlers.core.runbooks.run_acts import closed, unfit
from handlers.core.runbooks.run_cards import value_of
from handlers.core.runbooks.runbooks import Runbook
from handlers.core.runbooks.runs import Run
from handlers.core.words.answers import Actor, PersonId, Press, Surface
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text
from handlers.performing import Performer, lane

RULE = PersonId("rule")
FRESH = timedelta(minutes=15)
KEEP_SECONDS = 2 * 86_400
ROUNDS = 32
PREFIX = "begins:"


@dataclass(frozen=True, slots=True)
class _Chance:
    """A group that fires, and the runbook that would be begun for it."""

    channel: str
    group_id: str
    group: Group
    runbook: Runbook
    opening: Opening
    alert: Alert

    @property
    def episode(self) -> str:
        return episode(self.group_id, self.group)


class Vigil:
    """See the module. `press`: the desk's."""

    def __init__(
        self, beginnings: Beginnings, performer: Performer, state: State, team: str, press: Callable[[Press], object]
    ) -> None:
        self._beginnings = beginnings
        self._performer = performer
        self._state = state
        self._actor = Actor(RULE, team, Surface.SCHEDULE)
        self._press = press

    def round(self) -> None:
        """Begins what is due, and goes on with what was begun. Raises OutsideError."""
        now = self._performer.clock.now()
        for chance in self._chances(now):
            self._begin(chance, now)
        for key in self._state.keys(PREFIX):
            for entry in self._register(key)[0].begun.values():
                run = self._performer.records.load(entry.run)
                if run is not None and run.closed is None:
                    self._go_on(run, now)

    def _chances(self, now: datetime) -> list[_Chance]:
        found, ledger = [], self._beginnings.ledger
        for channel in ledger.channels():
            for group_id, own in ledger.book(channel).own.items():
                group = ledger.load(group_id) if own.shown and now - own.at < FRESH else None
                chance = None if group is None else self._chance(channel, group_id, group)
                if chance is not None and chance.group.serial == own.serial:
                    found.append(chance)
        return found

    def _chance(self, channel: str, group_id: str, group: Group) -> _Chance | None:
        runbook = self._beginnings.library.of(group)
        opening = None if runbook is None else runbook.opening
        alert = None if opening is None else opening.of(group)
        if runbook is None or opening is None or alert is None:
            return None
        return _Chance(channel, group_id, group, runbook, opening, alert)

    def _begin(self, chance: _Chance, now: datetime) -> None:
        entry = self._entered(chance, now).entries[chance.episode]
        title = chance.runbook.title
        if not entry.run:
            self._told(
                chance,
                Text("{title} did not begin by itself: {why}. The button begins it.", title=title, why=entry.why),
            )
            return
        if self._performer.records.load(entry.run) is not None:
            return
        run_id = self._performer.records.of_alert(f"{chance.episode}.{chance.runbook.name}", entry.run)
        if run_id != entry.run:
            return  # a person was faster
        told = Text("{title} begins by itself; its card is in this channel (run {id}).", title=title, id=Code(run_id))
        self._told(chance, told)
        run = self._beginnings.run(chance.runbook, RULE, chance.channel, run_id, entry.at)
        run = of_alert(replace(run, itself=True), chance.group_id, chance.group, chance.alert)
        self._performer.records.create(run)

    def _entered(self, chance: _Chance, now: datetime) -> Register:
        """The register with this episode in it."""
        key = f"{PREFIX}{chance.runbook.name}"
        for _ in range(ROUNDS):
            before, version = self._register(key)
            if chance.episode in before.entries:
                return before
            run_id = self._beginnings.entropy.token(10)
            after = before.entered(chance.episode, chance.opening, run_id, self._open(before, now), now)
            if self._state.put_if(key, after.to_bytes(), version, seconds=KEEP_SECONDS) is not None:
                return after
        raise OutsideError(Text("Too many began the same runbook at once."))

    def _register(self, key: str) -> tuple[Register, str | None]:
        held = self._state.get(key)
        return (Register(), None) if held is None else (Register.from_bytes(held.value), held.version)

    def _open(self, register: Register, now: datetime) -> int:
        """How many of the begun runs are not over, those included that are about to be stored."""
        pairs = [(each, self._performer.records.load(each.run)) for each in register.begun.values()]
        return sum(1 for each, run in pairs if (now - each.at < FRESH if run is None else run.over is None))

    def _told(self, chance: _Chance, text: Text) -> None:
        """Into the alert's thread, once."""
        self._beginnings.ledger.change(
            chance.group_id, lambda group: group if text in group.said else noted(group, text)
        )

    def _go_on(self, run: Run, now: datetime) -> None:
        group = self._beginnings.ledger.load(run.group)
        ended = None if group is None else group.ended
        if run.untouched and ended is not None and now - ended > AGAIN and run.running is None:
            why = "its alert is over, and nobody touched it"
            self._performer.records.change(
                run.id, lambda each: closed(each, RULE, now, why) if each.untouched else each
            )
            return
        step = run.unasked
        if step is None or self._performer.jobs.holder(run.target, lane(run.id)) is not None:
            return
        try:
            steps.filled(step, run.labels)
        except Refusal as refusal:
            name, why_not = step.name, refusal.text
            self._performer.records.change(run.id, lambda each: unfit(each, name, why_not, now))
            return
        try:
            self._press(Press("step_run", value_of(run, step), self._actor, run.channel))
        except Refusal:
            return  # somebody was faster; the next round looks again
