"""The watch: every few seconds a look at Alertmanager's own list, so that cards tell what no webhook says.

- What is silenced or held back by another alert is shown so; what vanished is closed and says why.
- An acknowledgement is a silence of 15 minutes on exactly its alerts, lengthened while it stands and they fire, and
  lifted when it does not. Its comment names group, operation and alert, so that after a crash it is found again and
  none is made twice, by however many bots.
- A silence that somebody asked for is made once; when somebody ends it in Alertmanager itself, it is not made again.
- Any number of bots may look: what they find is folded into the same groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from handlers.core.alerts import matchers
from handlers.core.alerts.alert_cards import history
from handlers.core.alerts.alertmanagers import Alertmanager, Listed, Listing, Standing
from handlers.core.alerts.groups import Acknowledged, Change, Group, Hush, Look, Quieted, Sighting, observed
from handlers.core.alerts.ledger import Ledger, Said, noted
from handlers.core.ports import Clock
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Person, Text

HELD, SHORT = timedelta(minutes=15), timedelta(minutes=5)
MARK = "Acknowledged in Slack (negahban "
ASKED = " (asked for in Slack, negahban "


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
        was refused; everything else was done."""
        at = self._clock.now()
        listing = self._alertmanager.look()
        look = Look({name: _sighting(each, listing) for name, each in listing.alerts.items()}, at, listing.started)
        wanted: dict[str, str] = {}
        refused: list[Refusal] = []
        for group_id in self._open():
            group = self._look_at(group_id, look)
            if group is not None and group.acknowledged is not None:
                marks = _marks(group_id, group, group.acknowledged)
                refused += self._hold(group, group.acknowledged, marks, listing)
                wanted |= marks
            if group is not None and group.quieted:
                self._quiet(group_id, group, listing)
        for silence, standing in listing.silences.items():
            if standing.comment.startswith(MARK) and standing.comment not in wanted:
                self._lift(silence, standing)
        if refused:
            raise refused[0]

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

    def _hold(self, group: Group, held: Acknowledged, marks: Mapping[str, str], listing: Listing) -> Sequence[Refusal]:
        """Makes the silences of an acknowledgement stand; what was refused."""
        refused: list[Refusal] = []
        now = self._clock.now()
        there = {each.comment: (name, each.until) for name, each in listing.silences.items()}
        for comment, fingerprint in marks.items():
            known, until = there.get(comment, ("", now))
            if until - now < SHORT:
                wanted = matchers.of(group.alerts[fingerprint].labels)
                try:
                    self._alertmanager.silence(wanted, now + HELD, held.by, comment, known)
                except Refusal as refusal:
                    refused.append(refusal)
        return refused

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

    def _lift(self, silence: str, standing: Standing) -> None:
        """Nobody holds it any more, unless somebody pressed the button since the look."""
        group_id, operation, _ = (*standing.comment.removeprefix(MARK).split(" "), "", "", "")[:3]
        group = self._ledger.load(group_id)
        held = None if group is None else group.acknowledged
        fingerprint = standing.comment.rstrip(")").rpartition(" ")[2]
        still = held is not None and held.operation == operation and group is not None and fingerprint in group.firing
        if not still:
            self._alertmanager.lift(silence)


def _marks(group_id: str, group: Group, held: Acknowledged) -> dict[str, str]:
    """The comments of an acknowledgement's silences, and the fingerprint of which alert each is on."""
    alerts = ((name, group.alerts.get(name)) for name in held.alerts)
    return {
        f"{MARK}{group_id} {held.operation} {name})": name
        for name, alert in alerts
        if alert is not None and alert.firing and alert.exact
    }


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
