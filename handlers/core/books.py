"""A channel's book: which groups of alerts have a card of their own there, and which share one.

- A group gets its own card while the channel is calm: at most `threshold` new cards a minute, those not posted yet
  included.
- More than that is a storm: the worst get the cards that are left, the others share one card that counts them. While
  it lasts, what is critical still gets its own as far as the threshold allows. A storm ends when nothing was added for
  a minute and few of its groups still fire; those then get their own cards.
- A group that is over before anything was posted about it joins the shared card too: nobody needs a message each about
  what is past, and nobody is told nothing. That is no storm: when it fires again, it leaves that card for its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from handlers.core.groups import SEVERITIES, Group, names

CALM = timedelta(seconds=60)
FORGET = timedelta(days=1)
MOST_MEMBERS = 20_000


@dataclass(frozen=True, slots=True)
class Own:
    """A group with its own card. `serial`: the round it is for. `shown`: it was posted."""

    serial: int
    at: datetime
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A group in a shared card. `firing` 0: it is over."""

    name: str
    severity: str
    firing: int
    since: datetime
    serial: int = 0


@dataclass(frozen=True, slots=True)
class Shared:
    """One card for many groups. `storm`: there were too many; otherwise it only tells of what is past. `ended`: nothing
    more is added."""

    began: datetime
    added: datetime
    members: Mapping[str, Member] = field(default_factory=dict)
    ended: datetime | None = None
    storm: bool = False

    @property
    def open(self) -> Mapping[str, Member]:
        """Those that still fire, worst and oldest first."""
        found = [pair for pair in self.members.items() if pair[1].firing]
        return dict(sorted(found, key=lambda pair: (rank(pair[1].severity), pair[1].since, pair[0])))


@dataclass(frozen=True, slots=True)
class Book:
    """See the module. `serial`: how many shared cards there were."""

    own: Mapping[str, Own] = field(default_factory=dict)
    shared: Shared | None = None
    serial: int = 0

    @property
    def stormy(self) -> bool:
        """Whether new groups share a card now."""
        shared = self.shared
        return shared is not None and shared.storm and shared.ended is None and bool(shared.open)

    def holds(self, group_id: str, serial: int) -> bool:
        """Whether the group has its own card for this round."""
        own = self.own.get(group_id)
        return own is not None and own.serial == serial


def rank(severity: str) -> int:
    """0 is the worst."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else 2


def sorted_in(book: Book, changed: Mapping[str, Group], now: datetime, threshold: int) -> tuple[Book, tuple[str, ...]]:
    """The book with these changed groups in their places, and which groups got a card of their own just now."""
    members = _members(book)
    fresh: dict[str, Group] = {}
    joined = False
    for group_id, group in changed.items():
        if book.holds(group_id, group.serial):
            members.pop(group_id, None)
        elif group.over or (group_id in members and book.stormy):
            joined = joined or group_id not in members
            members[group_id] = _member(group)
        else:
            fresh[group_id] = group
    given, rolled = _divided(book, fresh, now, threshold)
    for group_id in given:
        members.pop(group_id, None)
    members |= {group_id: _member(fresh[group_id]) for group_id in rolled}
    own = {**book.own, **{group_id: Own(fresh[group_id].serial, now) for group_id in given}}
    book = _shared(replace(book, own=own), members, now, added=joined or bool(rolled), storm=bool(rolled))
    book, released = _ended(book, now, threshold)
    return book, (*given, *released)


def _members(book: Book) -> dict[str, Member]:
    """Those of the shared card that is open."""
    shared = book.shared
    return dict(shared.members) if shared is not None and shared.ended is None else {}


def _member(group: Group) -> Member:
    alerts = group.firing or group.resolved
    return Member(", ".join(names(alerts.values())[:3]), group.severity, len(group.firing), group.began, group.serial)


def _divided(
    book: Book, fresh: Mapping[str, Group], now: datetime, threshold: int
) -> tuple[Sequence[str], Sequence[str]]:
    """Who gets their own card, and who shares one."""
    pending = sum(1 for own in book.own.values() if not own.shown or now - own.at < CALM)
    if not book.stormy and pending + len(fresh) <= threshold:
        return tuple(fresh), ()
    order = sorted(fresh, key=lambda each: (rank(fresh[each].severity), fresh[each].first, each))
    room = max(0, threshold - pending)
    if book.stormy:
        room = min(room, sum(1 for each in order if rank(fresh[each].severity) == 0))
    return order[:room], order[room:]


def _shared(book: Book, members: Mapping[str, Member], now: datetime, *, added: bool, storm: bool = False) -> Book:
    shared = book.shared
    if shared is None or shared.ended is not None:
        if not members:
            return book
        return replace(book, shared=Shared(now, now, members, storm=storm), serial=book.serial + 1)
    if len(members) > MOST_MEMBERS:
        over = [each for each, member in members.items() if not member.firing]
        dropped = frozenset(over[: len(members) - MOST_MEMBERS])
        members = {each: member for each, member in members.items() if each not in dropped}
    added_at = now if added else shared.added
    return replace(book, shared=replace(shared, members=members, added=added_at, storm=storm or shared.storm))


def _ended(book: Book, now: datetime, threshold: int) -> tuple[Book, tuple[str, ...]]:
    """The end of a storm: those that still fire get their own cards."""
    shared = book.shared
    if shared is None or shared.ended is not None or now - shared.added < CALM:
        return book, ()
    still = shared.open
    if len(still) > threshold // 2:
        return book, ()
    own = {**book.own, **{each: Own(member.serial, now) for each, member in still.items()}}
    return replace(book, own=own, shared=replace(shared, ended=now)), tuple(still)


def marked(book: Book, group_id: str) -> Book:
    """The group's own card was posted."""
    own = book.own.get(group_id)
    if own is None or own.shown:
        return book
    return replace(book, own={**book.own, group_id: replace(own, shown=True)})


def handed_over(book: Book, group_id: str, group: Group, now: datetime) -> Book:
    """The group is over before its own card could be posted: it joins the shared one."""
    own = {name: each for name, each in book.own.items() if name != group_id}
    return _shared(replace(book, own=own), {**_members(book), group_id: _member(group)}, now, added=True)


def forgotten(book: Book, over: frozenset[str], now: datetime) -> Book:
    """Without the groups that are over and whose card was given a day ago."""
    own = {name: each for name, each in book.own.items() if name not in over or now - each.at < FORGET}
    return replace(book, own=own)


def encoded(book: Book) -> bytes:
    """For the state."""
    shared = book.shared
    return json.dumps(
        {
            "own": {name: [own.serial, own.at.isoformat(), own.shown] for name, own in book.own.items()},
            "serial": book.serial,
            "shared": None
            if shared is None
            else {
                "began": shared.began.isoformat(),
                "added": shared.added.isoformat(),
                "ended": None if shared.ended is None else shared.ended.isoformat(),
                "storm": shared.storm,
                "members": {
                    name: [each.name, each.severity, each.firing, each.since.isoformat(), each.serial]
                    for name, each in shared.members.items()
                },
            },
        },
        separators=(",", ":"),
    ).encode()


def decoded(value: bytes) -> Book:
    """What `encoded` made."""
    data = json.loads(value)
    time, held = datetime.fromisoformat, data["shared"]
    shared = None
    if held is not None:
        members = {
            name: Member(title, severity, firing, time(since), serial)
            for name, (title, severity, firing, since, serial) in held["members"].items()
        }
        ended = None if held["ended"] is None else time(held["ended"])
        shared = Shared(time(held["began"]), time(held["added"]), members, ended, held["storm"])
    own = {name: Own(serial, time(at), shown) for name, (serial, at, shown) in data["own"].items()}
    return Book(own, shared, data["serial"])
