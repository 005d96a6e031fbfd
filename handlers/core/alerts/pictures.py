"""Pictures: which alerts get a plot of what they measure, and when a new one is due.

- Of a group it is the first firing alert that says what it measures: by its annotation `picture_expression`, else by
  the expression in Prometheus's link. A threshold is split off where it is plain to see.
- A new one is due when the group's own card is there and something else fires than in the picture before; one a minute
  for each group, over all bots (the claim `picture:<group>`). None in a storm, none for what is over.
- No card waits for a picture: it is put into the stored group when it is there, and then the relay edits the card.
- What cannot be drawn is not tried again before something else fires. What has no value in the plot yet, as it only
  began to be measured, is tried again: soon, then ever more slowly. So is it when Prometheus or the chat cannot. Both
  come after all others.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from handlers.core.alerts.alert_cards import pictured
from handlers.core.alerts.books import Book
from handlers.core.alerts.expressions import from_generator, split_threshold, usable
from handlers.core.alerts.groups import Group, names
from handlers.core.alerts.ledger import Ledger
from handlers.core.alerts.notices import EXPRESSION
from handlers.core.alerts.plots import Gallery, Plotter
from handlers.core.ports import Clock, State
from handlers.core.words.errors import OutsideError, Problem

EVERY, SOON = timedelta(seconds=60), timedelta(seconds=15)
LONGEST = timedelta(minutes=16)
FILE = "alert.png"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a picture shows: the expression, where its threshold is, and its title."""

    expression: str
    threshold: float | None
    title: str


def subject(group: Group) -> Subject | None:
    """What to plot for what fires; None when no alert says what it measures."""
    for alert in group.firing.values():
        found = usable(alert.words.get(EXPRESSION, "")) or from_generator(alert.generator)
        if found is not None:
            measured, threshold = split_threshold(found)
            return Subject(measured, threshold, ", ".join(names(group.firing.values())[:3]))
    return None


def firing_mark(group: Group) -> str:
    """Changes when something else fires."""
    fires = sorted((name, alert.started.isoformat()) for name, alert in group.firing.items())
    return hashlib.sha256(json.dumps(fires).encode()).hexdigest()[:16]


def due(group: Group, group_id: str, book: Book, now: datetime) -> bool:
    """Whether the group needs a new picture now, as far as its channel's book and its last picture say."""
    own = book.own.get(group_id)
    posted = own is not None and own.shown and own.serial == group.serial
    if book.stormy or not posted or group.over or group.depicted == firing_mark(group):
        return False
    return group.pictured is None or now - group.pictured >= EVERY


class Pictures:
    """Makes them, one at a time."""

    def __init__(self, ledger: Ledger, state: State, plotter: Plotter, gallery: Gallery, clock: Clock) -> None:
        self._ledger = ledger
        self._state = state
        self._plotter = plotter
        self._gallery = gallery
        self._clock = clock
        self._failures = Counter[str]()

    def round(self) -> bool:
        """Makes the picture that is due first; whether there was one. Raises Problem when Prometheus or the chat
        cannot now."""
        for group_id, group, wanted in self._due():
            claim = self._claimed(group_id)
            if claim is None:
                continue
            try:
                made = self._make(group_id, group, wanted)
            except Problem:
                self._failures[group_id] += 1
                raise
            if made:
                self._failures.pop(group_id, None)
            else:
                self._later(group_id, claim)
            return True
        return False

    def _due(self) -> list[tuple[str, Group, Subject]]:
        now = self._clock.now()
        found: list[tuple[str, Group, Subject]] = []
        for channel in self._ledger.channels():
            book = self._ledger.book(channel)
            for group_id, own in book.own.items():
                wanted_here = own.shown and own.over is None and not book.stormy
                group = self._ledger.load(group_id) if wanted_here else None
                if group is not None and due(group, group_id, book, now) and (wanted := subject(group)) is not None:
                    found.append((group_id, group, wanted))
        self._failures = Counter({name: self._failures[name] for name, _, _ in found if name in self._failures})
        return sorted(found, key=lambda each: (self._failures[each[0]], each[1].first, each[0]))

    def _claimed(self, group_id: str) -> str | None:
        """The version of the claim, if nobody made one in the last minute; ever longer after failures."""
        return self._state.put_if(f"picture:{group_id}", b"", None, seconds=self._pause(group_id, EVERY))

    def _later(self, group_id: str, claim: str) -> None:
        """There was nothing to draw yet."""
        self._state.put_if(f"picture:{group_id}", b"", claim, seconds=self._pause(group_id, SOON))
        self._failures[group_id] += 1

    def _pause(self, group_id: str, first: timedelta) -> int:
        return int(min(first * 2.0 ** min(self._failures[group_id], 10), LONGEST).total_seconds())

    def _make(self, group_id: str, group: Group, wanted: Subject) -> bool:
        """Whether that is settled; not while there is nothing to draw."""
        now = self._clock.now()
        try:
            drawn = self._plotter.plot(wanted.expression, wanted.title, now, wanted.threshold)
        except OutsideError as error:
            if not error.permanent:
                raise
            drawn = b""
        if drawn is None:
            return False
        file = "" if not drawn else self._gallery.upload(FILE, drawn, pictured(group, now))

        def how(newest: Group) -> Group:
            if newest.serial != group.serial:
                return newest
            tried = replace(newest, depicted=firing_mark(group))
            return replace(tried, picture=file, pictured=now) if file else tried

        self._ledger.change(group_id, how)
        return True
