"""A channel's book: which groups of alerts have a card of their own there, and which share one.

- A group gets its own card while the channel is calm: at most `threshold` new cards a minute, those not posted yet
  included.
- More than that is a storm: the worst get the cards that are left, the others share one card that counts them. While
  it lasts, what is critical still gets its own, `threshold` in a minute. A storm ends when nothing was
  added for a minute and few of its groups still fire; those then get their own cards.
- A group that is over before anything was posted about it joins the shared card too: nobody needs a message each about
  what is past, and nobody is told nothing. That is no storm: when it fires again, it leaves that card for its own.
- The book says which of its groups are over, so that nobody has to load what is past; a day later it forgets them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from handlers.core.alerts.groups import SEVERITIES, Alert, Group, names

CALM = timedelta(seconds=60)
"""So long the new cards are counted in a storm, in which only what is critical gets its own."""
FORGET = timedelta(days=1)
MOST_MEMBERS = 20_000
# A card shows fifteen members; a book that is read and written all the time need not hold thousands of addresses.
MOST_LINKED, LONGEST_LINK = 500, 400


@dataclass(frozen=True, slots=True)
class Own:
    """A group with its own card. `serial`: the round it is for. `shown`: it was posted. `over`: since when it is known
    that nothing of it fires."""

    serial: int
    at: datetime
    shown: bool = False
    over: datetime | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A group in a shared card. `firing` 0: it is over, or that is not known (`unknown`). `link`: where to look at it,
    as its alerts say; `card`: where its own card is, once it has one."""

    name: str
    severity: str
    firing: int
    since: datetime
    serial: int = 0
    link: str = ""
    card: str = ""
    unknown: bool = False


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
        return (
            shared is not None
            and shared.storm
            and shared.ended is None
            and any(each.firing for each in shared.members.values())
        )

    def holds(self, group_id: str, serial: int) -> bool:
        """Whether the group has its own card for this round."""
        own = self.own.get(group_id)
        return own is not None and own.serial == serial

    def showed(self, group_id: str) -> bool:
        """Whether the group's own card was posted."""
        own = self.own.get(group_id)
        return own is not None and own.shown


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
            members[group_id] = _member(group, linked=len(members) < MOST_LINKED)
        else:
            fresh[group_id] = group
    given, rolled = _divided(book, fresh, now, threshold)
    for group_id in given:
        members.pop(group_id, None)
    room = max(0, MOST_LINKED - len(members))
    members |= {group_id: _member(fresh[group_id], linked=at < room) for at, group_id in enumerate(rolled)}
    book = told(book, changed, now)
    own = {**book.own, **{group_id: Own(fresh[group_id].serial, now) for group_id in given}}
    book = _shared(replace(book, own=own), members, now, added=joined or bool(rolled), storm=bool(rolled))
    book, released = _ended(book, now, threshold)
    return book, (*given, *released)


def told(book: Book, groups: Mapping[str, Group], now: datetime) -> Book:
    """With whether these groups are over."""
    turned = {
        name: replace(own, over=now if groups[name].over else None)
        for name, own in book.own.items()
        if name in groups and groups[name].over != (own.over is not None)
    }
    return replace(book, own={**book.own, **turned}) if turned else book


def _members(book: Book) -> dict[str, Member]:
    """Those of the shared card that is open."""
    shared = book.shared
    return dict(shared.members) if shared is not None and shared.ended is None else {}


def _member(group: Group, *, linked: bool) -> Member:
    alerts = (group.firing or group.resolved).values()
    link = next((each for each in map(_link, alerts) if 0 < len(each) <= LONGEST_LINK), "") if linked else ""
    title, firing = ", ".join(names(alerts)[:3]), len(group.firing)
    return Member(title, group.severity, firing, group.began, group.serial, link, unknown=group.unknown)


def _link(alert: Alert) -> str:
    return alert.words.get("dashboard_url") or alert.words.get("dashboard") or alert.generator


def placed(book: Book, group_id: str, address: str) -> Book:
    """The group's own card is there: the shared card that lists it leads to it."""
    shared = book.shared
    member = None if shared is None else shared.members.get(group_id)
    if shared is None or member is None or member.card == address or not address:
        return book
    members = {**shared.members, group_id: replace(member, card=address)}
    return replace(book, shared=replace(shared, members=members))


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
    return _shared(replace(book, own=own), {**_members(book), group_id: _member(group, linked=True)}, now, added=True)


def old(book: Book, now: datetime) -> tuple[str, ...]:
    """Groups whose card was given a day ago and that are not known to be over."""
    return tuple(name for name, each in book.own.items() if each.over is None and now - each.at >= FORGET)


def forgotten(book: Book, unknown: frozenset[str], now: datetime) -> Book:
    """Without the groups that are over for a day, and without those that nobody knows any more."""
    kept = {name: each for name, each in book.own.items() if each.over is None or now - each.over < FORGET}
    own = {name: each for name, each in kept.items() if name not in unknown}
    return book if len(own) == len(book.own) else replace(book, own=own)


def encoded(book: Book) -> bytes:
    """For the state."""
    shared = book.shared
    return json.dumps(
        {
            "own": {name: [own.serial, own.at.isoformat(), own.shown] for name, own in book.own.items()},
            "over": {name: each.over.isoformat() for name, each in book.own.items() if each.over is not None},
            "serial": book.serial,
            "shared": None
            if shared is None
            else {
                "began": shared.began.isoformat(),
                "added": shared.added.isoformat(),
                "ended": None if shared.ended is None else shared.ended.isoformat(),
                "storm": shared.storm,
                "members": {
                    name: [each.name, each.severity, each.firing, each.since.isoformat(), each.serial, *_links(each)]
                    for name, each in shared.members.items()
                },
                "unknown": [name for name, each in shared.members.items() if each.unknown],
            },
        },
        separators=(",", ":"),
    ).encode()


def _links(member: Member) -> tuple[str, ...]:
    return (member.link, member.card) if member.link or member.card else ()


def _decoded(member: Sequence[Any], *, unknown: bool) -> Member:
    name, severity, firing, since, serial, *links = member
    link, card = links or ("", "")
    return Member(name, severity, firing, datetime.fromisoformat(since), serial, link, card, unknown)


def decoded(value: bytes) -> Book:
    """What `encoded` made."""
    data = json.loads(value)
    time, held = datetime.fromisoformat, data["shared"]
    shared = None
    if held is not None:
        unknown = frozenset(held.get("unknown", ()))
        members = {name: _decoded(each, unknown=name in unknown) for name, each in held["members"].items()}
        ended = None if held["ended"] is None else time(held["ended"])
        shared = Shared(time(held["began"]), time(held["added"]), members, ended, held["storm"])
    over = {name: time(since) for name, since in data.get("over", {}).items()}
    own = {name: Own(serial, time(at), shown, over.get(name)) for name, (serial, at, shown) in data["own"].items()}
    return Book(own, shared, data["serial"])
