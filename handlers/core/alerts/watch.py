"""The watch: every few seconds a look at Alertmanager's own list, so that cards tell what no webhook says.

- What is silenced or held back by another alert is shown so; what vanished is closed and says why.
- An acknowledgement is a silence of 15 minutes on exactly its alerts, lengthened while it stands and they fire, and
  lifted when it does not. Its comment names group, operation and alert, so that after a crash it is found again and
  none is made twice, by however many bots.
- What could not be told is tried again, and the card says so. It changes when that begins and when it ends, and not
  with every try.
- A silence that somebody asked for is made once; when somebody ends it in Alertmanager itself, it is not made again.
- Any number of bots may look: what they find is folded into the same groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from handlers.core.alerts import hearings, matchers
from handlers.core.alerts.alert_cards import history
from handlers.core.alerts.alertmanagers import Alertmanager, Listed, Listing, Standing
from handlers.core.alerts.groups import Change, Group, Hush, Look, Quieted, Sighting, observed
from handlers.core.alerts.ledger import Ledger, Said, noted
from handlers.core.ports import Clock
from handlers.core.words.errors import Problem, Refusal
from handlers.core.words.text import Person, Text

HELD, SHORT = timedelta(minutes=15), timedelta(minutes=5)
MARK = "Acknowledged in Slack (negahban "
ASKED = " (asked for in Slack, negahban "

News = dict[str, datetime | None]
"""Of one group: until when each silence of its acknowledgement stands now; None: it does not."""


class Watch:
    """Of the Alertmanager whose webhooks have the source `source`."""

    def __init__(
        self,
        ledger: Ledger,
        alertmanager: Alertmanager,
        clock: Clock,
        *,
        source: str = "default",
        said: Said = history,
    ) -> None:
        """`said`: what the thread is told about a change."""
        self._said = said
        self._ledger = ledger
        self._alertmanager = alertmanager
        self._clock = clock
        self._source = source

    def round(self) -> None:
        """One look. Raises OutsideError; then nothing was concluded from what is missing. Raises Refusal when a silence
        was refused; everything else was done. The cards of what Alertmanager has not heard say so."""
        news: dict[str, News] = {}
        try:
            self._carry_out(news)
        except Problem:
            for group_id in {**dict.fromkeys(self._open()), **news}:
                self._ledger.change(group_id, partial(self._missed, news=news.get(group_id, {})))
            raise
        for group_id, told in news.items():
            self._ledger.change(group_id, partial(_heard, news=told))

    def _carry_out(self, news: dict[str, News]) -> None:
        """Makes Alertmanager as wished; `news`, by group, also has what was reached before a Problem is raised."""
        at = self._clock.now()
        listing = self._alertmanager.look()
        look = Look({name: _sighting(each, listing) for name, each in listing.alerts.items()}, at, listing.started)
        there = {each.comment: (name, each.until) for name, each in listing.silences.items()}
        wanted: set[str] = set()
        ends: dict[str, Mapping[str, None]] = {}
        refused: list[Refusal] = []
        for group_id in self._open():
            group = self._look_at(group_id, look)
            if group is None:
                continue
            wanted |= {_mark(group_id, name) for name in hearings.wanted(group)}
            refused += self._hold(group_id, group, there, news)
            if group.quieted:
                self._quiet(group_id, group, listing)
            if group.unheard or hearings.unwanted(group):
                ends[group_id] = hearings.unwanted(group)
        for silence, standing in listing.silences.items():
            if standing.comment.startswith(MARK) and standing.comment not in wanted:
                self._lift(silence, standing, news)
        for group_id, ended in ends.items():
            news.setdefault(group_id, {}).update(ended)
        if refused:
            raise refused[0]

    def _missed(self, group: Group, news: News) -> Group:
        """The group after a round in which something could not be told, of this group or of another."""
        after = hearings.told(group, news)
        ours = group.source == self._source
        return replace(after, unheard=hearings.unheard(after, self._clock.now())) if ours else after

    def _told(self, group: Group, change: Change) -> tuple[Text, ...]:
        return self._said(group, change) if change else ()

    def _open(self) -> tuple[str, ...]:
        found = dict.fromkeys(self._ledger.watched())
        for channel in self._ledger.channels():
            book = self._ledger.book(channel)
            found |= dict.fromkeys(book.own)
            if book.shared is not None:
                found |= dict.fromkeys(book.shared.open)
        return tuple(found)

    def _look_at(self, group_id: str, look: Look) -> Group | None:
        def how(group: Group) -> Group:
            if group.source != self._source:
                return group
            after, change = observed(group, look, self._clock.now())
            return noted(after, *self._told(after, change))

        group = self._ledger.change(group_id, how)
        return group if group is not None and group.source == self._source else None

    def _hold(
        self, group_id: str, group: Group, there: Mapping[str, tuple[str, datetime]], news: dict[str, News]
    ) -> Iterable[Refusal]:
        """Makes the silences of an acknowledgement stand, and longer when they end soon; what was refused."""
        now, by = self._clock.now(), "" if group.acknowledged is None else group.acknowledged.by
        for name, alert in hearings.wanted(group).items():
            mark = _mark(group_id, name)
            known, until = there.get(mark, ("", now))
            if until - now < SHORT:
                until = now + HELD
                try:
                    self._alertmanager.silence(matchers.of(alert.labels), until, by, mark, known)
                except Refusal as refusal:
                    yield refusal
                    continue
            elif group.standing.get(name, now) - now >= SHORT:
                continue
            news.setdefault(group_id, {})[name] = until

    def _quiet(self, group_id: str, group: Group, listing: Listing) -> None:
        """Makes silences stand that were asked for, and lifts those that are no longer wanted."""
        now = self._clock.now()
        there = {each.comment: name for name, each in listing.silences.items()}
        done: dict[str, Quieted | None] = {}
        told: list[Text] = []
        for wish in group.quieted:
            mark = f"{wish.comment[:500]}{ASKED}{group_id} {wish.operation})"
            stands = wish.stands if wish.stands in listing.silences else there.get(mark, "")
            if wish.lifted_by or wish.until <= now:
                if stands and wish.lifted_by:
                    self._alertmanager.lift(stands)
                done[wish.operation] = None
            elif wish.stands and not stands:
                done[wish.operation] = None
                told.append(Text("The silence of {by} was ended in Alertmanager.", by=Person(wish.by)))
            elif not stands:
                try:
                    stands = self._alertmanager.silence(wish.matchers, wish.until, wish.by, mark)
                except Refusal as refusal:
                    done[wish.operation] = None
                    told.append(Text("The silence was not made: {why}", why=refusal.text))
            if stands and wish.operation not in done:
                done[wish.operation] = replace(wish, stands=stands)
        self._ledger.change(group_id, lambda each: noted(_settled(each, done), *told))

    def _lift(self, silence: str, standing: Standing, news: dict[str, News]) -> None:
        """Nobody holds it any more, unless somebody pressed the button since the look."""
        group_id, _, name = standing.comment.removeprefix(MARK).removesuffix(")").partition(" ")
        group = self._ledger.load(group_id)
        if group is None or name not in hearings.wanted(group):
            self._alertmanager.lift(silence)
            if group is not None and name in group.standing:
                news.setdefault(group_id, {})[name] = None


def _mark(group_id: str, name: str) -> str:
    """The comment of an acknowledgement's silence."""
    return f"{MARK}{group_id} {name})"


def _heard(group: Group, news: News) -> Group:
    """The group after a round in which everything was told."""
    return replace(hearings.told(group, news), unheard="")


def _settled(group: Group, done: Mapping[str, Quieted | None]) -> Group:
    """With what became of the wishes; one that was changed meanwhile stays as it is now."""
    kept: list[Quieted] = []
    for wish in group.quieted:
        after = done.get(wish.operation, wish)
        if after is None:
            continue
        kept.append(replace(wish, stands=after.stands))
    return replace(group, quieted=tuple(kept))


def _sighting(listed: Listed, listing: Listing) -> Sighting:
    return Sighting(listed.started, _hush(listed, listing.silences, listing.alerts))


def _hush(listed: Listed, silences: Mapping[str, Standing], alerts: Mapping[str, Listed]) -> Hush | None:
    """The silence that lasts longest; an acknowledgement's own is none: the card says who acknowledged."""
    standing = [silences[each] for each in listed.silenced_by if each in silences]
    others = [each for each in standing if not each.comment.startswith(MARK)]
    if others:
        longest = max(others, key=lambda each: each.until)
        silence = next(each for each in listed.silenced_by if silences.get(each) == longest)
        comment, ours, _ = longest.comment.partition(ASKED)
        return Hush("silenced", longest.by, longest.until, comment, "" if ours else silence)
    if listed.inhibited_by:
        by = alerts.get(listed.inhibited_by[0])
        return Hush("inhibited", by.labels.get("alertname", "") if by is not None else "")
    return None
