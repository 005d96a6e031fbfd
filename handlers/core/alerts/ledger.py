"""The ledger: groups of alerts and the books of channels, as kept in the state.

- `group:<id>` is one group; every change of it marks `dirty:alert.<id>` in the same step, so that the relay shows it.
- `book:<channel>` is written by the one relay that acts.
- A group is kept for 30 days after the last word about it.
- A book is read and written all the time and may be large: what was read once is not read again while its version in
  the state is the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from handlers.core.alerts import books
from handlers.core.alerts.books import Book
from handlers.core.alerts.groups import Acknowledged, Alert, Change, Group, Hush, Quieted, folded
from handlers.core.alerts.handlings import Handling
from handlers.core.alerts.matchers import Matcher
from handlers.core.alerts.notices import Notice
from handlers.core.door.marks import mark
from handlers.core.ports import Held, State
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import text_from_json, text_json
from handlers.core.words.text import Text

KEEP_SECONDS = 30 * 86_400
ROUNDS = 20
MOST_SAID = 20
REPORTED, REPORTED_SECONDS = "ci-reported:", 90 * 86_400

Said = Callable[[Group, Change], tuple[Text, ...]]


class Ledger:
    """Everything raises OutsideError."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._books: dict[str, tuple[str, Book]] = {}

    def load(self, group_id: str) -> Group | None:
        """None when there is none."""
        held = self._state.get(f"group:{group_id}")
        return None if held is None else decoded(held.value)

    def fold(self, notice: Notice, now: datetime, said: Said) -> Change:
        """Stores what a message says; durable when it returns. `said`: what the thread is told about it."""
        change = Change()

        def how(group: Group | None) -> Group:
            nonlocal change
            after, change = folded(group, notice, now)
            return _with(after, said(after, change))

        self._stored(notice.group, how)
        return change

    def change(self, group_id: str, how: Callable[[Group], Group]) -> Group | None:
        """Applies `how` to the newest record until it could be stored; None when there is none."""

        def changed(group: Group | None) -> Group | None:
            return None if group is None else how(group)

        return self._stored(group_id, changed)

    def touch(self, group_id: str) -> None:
        """The card may have to change."""
        mark(self._state, f"dirty:alert.{group_id}", b"", seconds=KEEP_SECONDS, rounds=ROUNDS)

    def _stored(self, group_id: str, how: Callable[[Group | None], Group | None]) -> Group | None:
        key = f"group:{group_id}"
        for _ in range(ROUNDS):
            held = self._state.get(key)
            before = None if held is None else decoded(held.value)
            after = how(before)
            if after is None or after == before:
                return before
            version = None if held is None else held.version
            touch = f"dirty:alert.{group_id}"
            if self._state.put_if(key, encoded(after), version, seconds=KEEP_SECONDS, touch=touch) is not None:
                return after
        raise OutsideError(Text("Too many changed the same group of alerts at once."))

    def saw_watchdog(self, source: str, now: datetime) -> None:
        """The monitoring of that source works."""
        value = now.isoformat().encode()
        mark(self._state, f"watchdog:{source}", value, seconds=KEEP_SECONDS, rounds=ROUNDS)

    def watchdogs(self) -> Mapping[str, datetime]:
        """When each source's Watchdog was heard last."""
        found = {key.removeprefix("watchdog:"): self._state.get(key) for key in self._state.keys("watchdog:")}
        return {source: _time(held.value.decode()) for source, held in found.items() if held is not None}

    def saw_report(self, repo: str, now: datetime) -> None:
        """A CI job reported on this repository just now, whatever it found."""
        mark(self._state, f"{REPORTED}{repo[:100]}", now.isoformat().encode(), seconds=REPORTED_SECONDS, rounds=ROUNDS)

    def reports(self) -> Mapping[str, datetime]:
        """By repository, when a CI job reported last, of the last 90 days."""
        found = {key.removeprefix(REPORTED): self._state.get(key) for key in self._state.keys(REPORTED)}
        return {name: _time(held.value.decode()) for name, held in found.items() if held is not None}

    def watch_over(self, group_id: str, until: datetime, now: datetime) -> None:
        """The watch looks after this group until then, also when it is over and its card forgotten."""
        seconds = max(60, min(KEEP_SECONDS, round((until - now).total_seconds()) + 3600))
        mark(self._state, f"wish:{group_id}", b"", seconds=seconds, rounds=ROUNDS)

    def watched(self) -> tuple[str, ...]:
        """Groups that somebody wished something for."""
        return tuple(key.removeprefix("wish:") for key in self._state.keys("wish:"))

    # -- books -------------------------------------------------------------------------------------------------

    def channels(self) -> tuple[str, ...]:
        """Every channel that has a book."""
        return tuple(key.removeprefix("book:") for key in self._state.keys("book:"))

    def book(self, channel: str) -> Book:
        """An empty one when there is none."""
        return self._book(channel, self._state.get(f"book:{channel}"))

    def _book(self, channel: str, held: Held | None) -> Book:
        if held is None:
            return Book()
        version, book = self._books.get(channel, ("", Book()))
        if version != held.version:
            book = books.decoded(held.value)
            self._books[channel] = (held.version, book)
        return book

    def change_book(self, channel: str, how: Callable[[Book], Book]) -> Book:
        """Applies `how` to the book; a changed shared card is marked in the same step."""
        key = f"book:{channel}"
        for _ in range(ROUNDS):
            held = self._state.get(key)
            before = self._book(channel, held)
            after = how(before)
            if after is before or after == before:
                return before
            touch = f"dirty:book.{channel}" if after.shared != before.shared else ""
            version = None if held is None else held.version
            stored = self._state.put_if(key, books.encoded(after), version, seconds=KEEP_SECONDS, touch=touch)
            if stored is not None:
                self._books[channel] = (stored, after)
                return after
        raise OutsideError(Text("Too many changed the same channel's book at once."))


def _with(group: Group, said: tuple[Text, ...]) -> Group:
    kept = (*group.said, *said)
    dropped = max(0, len(kept) - MOST_SAID)
    return replace(group, said=kept[dropped:], said_before=group.said_before + dropped) if said else group


def noted(group: Group, *said: Text) -> Group:
    """With more history for the thread."""
    return _with(group, said)


def encoded(group: Group) -> bytes:
    """For the state."""
    return json.dumps(
        {
            "source": group.source,
            "receiver": group.receiver,
            "labels": dict(group.labels),
            "first": group.first.isoformat(),
            "last": group.last.isoformat(),
            "alerts": {name: _alert_json(each) for name, each in group.alerts.items()},
            "hidden": group.hidden,
            "address": group.address,
            "unclear": group.unclear,
            "acknowledged": None if group.acknowledged is None else asdict(group.acknowledged),
            "quieted": [asdict(each) for each in group.quieted],
            "said": [text_json(each) for each in group.said],
            "said_before": group.said_before,
            "trouble": "",  # a bot of an earlier release beside this one reads it
            "reminded": group.reminded,
            "picture": group.picture,
            "pictured": group.pictured,
            "depicted": group.depicted,
            "serial": group.serial,
            "answered": group.answered,
            "unheld": group.unheld,
            "unhushed": group.unhushed,
            "handled": [_handling_json(each) for each in group.handled],
            "standing": dict(group.standing),
            "unheard": group.unheard,
        },
        separators=(",", ":"),
        default=datetime.isoformat,
    ).encode()


def _alert_json(alert: Alert) -> dict[str, Any]:
    """Without what is as it mostly is: a storm has thousands of these."""
    data = {
        "labels": dict(alert.labels),
        "words": dict(alert.words),
        "generator": alert.generator,
        "started": alert.started,
        "ended": alert.ended,
        "earlier": list(alert.earlier),
        "disproved": alert.disproved,
        "told_over": alert.told_over,
        "vanished": alert.vanished,
        "missing": alert.missing,
        "listed": alert.listed,
        "grade": alert.grade,
        "hush": None if alert.hush is None else asdict(alert.hush),
    }
    return {name: value for name, value in data.items() if value} | ({} if alert.exact else {"exact": False})


def decoded(value: bytes) -> Group:
    """What `encoded` made."""
    data = json.loads(value)
    held = data["acknowledged"]
    return Group(
        source=data["source"],
        receiver=data["receiver"],
        labels=data["labels"],
        first=_time(data["first"]),
        last=_time(data["last"]),
        alerts={name: _alert(each) for name, each in data["alerts"].items()},
        hidden=data["hidden"],
        address=data["address"],
        unclear=data["unclear"],
        acknowledged=None if held is None else Acknowledged(**{**held, "at": _time(held["at"])}),
        quieted=tuple(_quieted(each) for each in data["quieted"]),
        said=tuple(text_from_json(each) for each in data["said"]),
        said_before=data.get("said_before", 0),
        reminded=data["reminded"],
        picture=data["picture"],
        pictured=_maybe(data["pictured"]),
        depicted=data.get("depicted", ""),
        serial=data["serial"],
        answered=_who(data.get("answered")),
        unheld=_who(data.get("unheld")),
        unhushed=_who(data.get("unhushed")),
        handled=tuple(_handling(each) for each in data.get("handled", ())),
        standing={name: _time(until) for name, until in data.get("standing", {}).items()},
        unheard=data.get("unheard", ""),
    )


def _who(data: Sequence[str] | None) -> tuple[str, datetime] | None:
    return None if data is None else (data[0], _time(data[1]))


def _handling_json(handling: Handling) -> dict[str, Any]:
    return {
        "run": handling.run,
        "title": handling.title,
        "by": handling.by,
        "began": handling.began,
        "said": text_json(handling.said),
        "turns": handling.turns,
        "ended": handling.ended,
        "link": handling.link,
    }


def _handling(data: Mapping[str, Any]) -> Handling:
    times = {"began": _time(data["began"]), "ended": _maybe(data["ended"])}
    return Handling(**{**data, **times, "said": text_from_json(data["said"])})


def _alert(data: Mapping[str, Any]) -> Alert:
    hush = data.get("hush")
    return Alert(
        labels=data.get("labels", {}),
        words=data.get("words", {}),
        generator=data.get("generator", ""),
        started=_time(data["started"]),
        ended=_maybe(data.get("ended")),
        earlier=tuple(_time(each) for each in data.get("earlier", ())),
        disproved=_maybe(data.get("disproved")),
        told_over=_maybe(data.get("told_over")),
        vanished=data.get("vanished", False),
        missing=_maybe(data.get("missing")),
        hush=None if hush is None else Hush(**{**hush, "until": _maybe(hush["until"])}),
        exact=data.get("exact", True),
        listed=_maybe(data.get("listed")),
        grade=data.get("grade", ""),
    )


def _quieted(data: Mapping[str, Any]) -> Quieted:
    return Quieted(
        **{
            **data,
            "at": _time(data["at"]),
            "until": _time(data["until"]),
            "matchers": tuple(Matcher(**each) for each in data["matchers"]),
        }
    )


def _time(value: str) -> datetime:
    return datetime.fromisoformat(value)


def _maybe(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
