"""A group of alerts: what is known about it, folded from messages in any order.

- An alert is its fingerprint, an episode its fingerprint and start. Of two episodes the later start counts; within one
  episode an end beats no end. So any order and any repetition of the same messages gives the same group.
- Absence from a message is never an end: Alertmanager leaves out what it has told before, what is silenced and what
  max_alerts cuts. What vanished is closed by looking at Alertmanager's own list (`observed`), and says so.
- Alertmanager may end an alert that it merely no longer hears of, and fire it again with the same start. Its list
  disproves such an end; without a list, the same episode told as firing 15 minutes later does.
- Words (annotations, links) are the latest told: they are no state.
- Over for ten minutes and firing again is a new round, with a new card; before that the card says it came back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from handlers.core.alerts.handlings import Handling
from handlers.core.alerts.matchers import Matcher
from handlers.core.alerts.notices import Labels, Notice, Seen
from handlers.core.words.text import Text

AGAIN = timedelta(minutes=10)
REVIVED = timedelta(minutes=15)
KEPT = timedelta(days=7)
MARGIN = timedelta(seconds=5)
MOST_EARLIER = 20
SEVERITIES = ("critical", "error", "warning", "info", "none")
LOUD, QUIET = "loud", "quiet"
"""What Alertmanager may be while it has not heard what was wished: it tells of what should be quiet, or keeps quiet."""


@dataclass(frozen=True, slots=True)
class Hush:
    """Why Alertmanager keeps quiet about an alert: `by` a person (a silence, until) or another alert (inhibited).
    `silence`: its id; empty when it was asked for here."""

    kind: str
    by: str = ""
    until: datetime | None = None
    comment: str = ""
    silence: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. `earlier`: starts of past episodes. `disproved`: an end up to then is known to be wrong. `told_over`:
    when its end was first heard. `vanished`: closed because Alertmanager no longer has it. `missing`: since when.
    `listed`: the start of the Alertmanager whose list had it last. `grade`: see Seen.severity."""

    labels: Labels
    words: Labels
    generator: str
    started: datetime
    ended: datetime | None = None
    earlier: tuple[datetime, ...] = ()
    disproved: datetime | None = None
    told_over: datetime | None = None
    vanished: bool = False
    missing: datetime | None = None
    hush: Hush | None = None
    exact: bool = True
    listed: datetime | None = None
    grade: str = ""

    @property
    def firing(self) -> bool:
        """Whether it fires, as far as known."""
        return self.ended is None

    @property
    def name(self) -> str:
        """`alertname`, or what stands for it."""
        return self.labels.get("alertname") or "unnamed alert"

    @property
    def severity(self) -> str:
        """How bad it is here: its grade, or the label as it stands."""
        return self.grade or self.labels.get("severity", "")


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody looks after these alerts (fingerprint: the silence that stands for it, empty while none does)."""

    by: str
    at: datetime
    operation: str
    alerts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Quieted:
    """A silence that somebody asked for, or wants lifted (`lifted_by`). `stands`: its id in Alertmanager, empty while
    it is not there. One without matchers was made elsewhere."""

    operation: str
    by: str
    at: datetime
    until: datetime
    matchers: tuple[Matcher, ...]
    comment: str
    stands: str = ""
    lifted_by: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """What is known about one group. `first`, `last`: when a message about this round came first and last. `said`:
    history for the thread, the newest of it; `said_before`: how many lines of it are not kept any more. `reminded`:
    escalation steps taken. `serial`: how many rounds were before this one; each has its own card. `picture`: a file in
    the chat, of when (`pictured`), and what fired in the newest that was tried (`depicted`). `answered`: who
    acknowledged this round first, and when, also when that is over; `unheld`, `unhushed`: who took the acknowledgement
    back, and who lifted the silences, last. `handled`: runs of runbooks that were started from its card, of this round
    or before. `standing`: silences of acknowledgements that Alertmanager was told of (operation and fingerprint: until
    when). `unheard`: LOUD or QUIET when at the last try something that was wished could not be told to it."""

    source: str
    receiver: str
    labels: Labels
    first: datetime
    last: datetime
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    hidden: int = 0
    address: str = ""
    unclear: bool = False
    acknowledged: Acknowledged | None = None
    quieted: tuple[Quieted, ...] = ()
    said: tuple[Text, ...] = ()
    said_before: int = 0
    reminded: int = 0
    picture: str = ""
    pictured: datetime | None = None
    depicted: str = ""
    serial: int = 0
    answered: tuple[str, datetime] | None = None
    unheld: tuple[str, datetime] | None = None
    unhushed: tuple[str, datetime] | None = None
    handled: tuple[Handling, ...] = ()
    standing: Mapping[str, datetime] = field(default_factory=dict)
    unheard: str = ""

    @property
    def firing(self) -> Mapping[str, Alert]:
        """The alerts that fire, worst and oldest first."""
        found = [(name, each) for name, each in self.alerts.items() if each.firing]
        return dict(sorted(found, key=lambda pair: (_rank(pair[1]), pair[1].started, pair[0])))

    @property
    def over(self) -> bool:
        """Whether nothing fires any more."""
        return not any(each.firing for each in self.alerts.values())

    @property
    def unknown(self) -> bool:
        """Whether nobody can say that it is over: it was told so, or alerts that were left out of the telling may
        fire while no other does."""
        return self.unclear or (self.over and self.hidden > 0)

    @property
    def began(self) -> datetime:
        """When this round began: the first start after ten minutes in which nothing fired."""
        spans = sorted((each.started, each.ended) for each in self.alerts.values() if each.ended is not None)
        still = sorted(each.started for each in self.alerts.values() if each.ended is None)
        marks: list[tuple[datetime, datetime | None]] = [*spans, *((start, None) for start in still)]
        marks.sort(key=lambda span: span[0])
        began: datetime | None = None
        reach: datetime | None = None
        for start, end in marks:
            if began is None or (reach is not None and start - reach > AGAIN):
                began, reach = start, end
            elif reach is not None:
                reach = None if end is None else max(reach, end)
        return began if began is not None else self.first

    @property
    def ended(self) -> datetime | None:
        """When the last alert ended; None while one fires."""
        ends = [each.ended for each in self.alerts.values() if each.ended is not None]
        return max(ends) if self.over and ends else None

    @property
    def resolved(self) -> Mapping[str, Alert]:
        """The alerts of this round that are over, the latest end first."""
        began = self.began
        found = [(name, each) for name, each in self.alerts.items() if each.ended is not None and each.ended >= began]
        return dict(sorted(found, key=lambda pair: (pair[1].ended or began, pair[0]), reverse=True))

    @property
    def severity(self) -> str:
        """The worst severity among what fires, or among this round when it is over."""
        of = self.firing or self.resolved
        return min((each.severity for each in of.values()), key=_severity_rank, default="")


def _rank(alert: Alert) -> int:
    return _severity_rank(alert.severity)


def _severity_rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else 2


@dataclass(frozen=True, slots=True)
class Change:
    """What a message changed: alerts that began to fire, came back, and ended."""

    began: tuple[Alert, ...] = ()
    returned: tuple[Alert, ...] = ()
    ended: tuple[Alert, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.began or self.returned or self.ended)


def folded(group: Group | None, notice: Notice, now: datetime) -> tuple[Group, Change]:
    """The group with what the message says, and what is new in it."""
    known = group or Group(notice.source, notice.receiver, dict(notice.labels), first=now, last=now)
    alerts = dict(known.alerts)
    began: list[Alert] = []
    returned: list[Alert] = []
    ended: list[Alert] = []
    for seen in notice.alerts:
        before = alerts.get(seen.fingerprint)
        after = _joined(before, seen, now)
        alerts[seen.fingerprint] = after
        if after.firing and (before is None or not before.firing):
            (began if before is None else returned).append(after)
        elif not after.firing and (before is None or before.firing):
            ended.append(after)
    merged = replace(
        known,
        alerts=_pruned(alerts),
        first=min(known.first, now),
        last=max(known.last, now),
        hidden=notice.hidden,
        address=notice.address or known.address,
        unclear=notice.unclear,
    )
    return _turned(known, merged, now), Change(tuple(began), tuple(returned), tuple(ended))


def _joined(before: Alert | None, seen: Seen, now: datetime) -> Alert:
    """One alert with one more sighting of it."""
    end = seen.ended
    if before is None:
        told = now if end is not None else None
        return Alert(
            seen.labels, seen.words, seen.generator, seen.started, end, told_over=told, exact=seen.exact,
            grade=seen.severity,
        )  # fmt: skip
    told_words = replace(
        before,
        labels=seen.labels,
        words=seen.words or before.words,
        generator=seen.generator or before.generator,
        grade=seen.severity,
    )
    if seen.started > before.started:
        return replace(
            told_words,
            started=seen.started,
            ended=end,
            earlier=_earlier(before, before.started),
            disproved=None,
            told_over=now if end is not None else None,
            vanished=False,
            missing=None,
            hush=None,
        )
    if seen.started < before.started:
        return replace(before, earlier=_earlier(before, seen.started))
    return _same_episode(told_words, end, now)


def _same_episode(before: Alert, end: datetime | None, now: datetime) -> Alert:
    if end is None:
        if before.ended is not None and before.told_over is not None and now - before.told_over > REVIVED:
            return _revived(before)
        return before
    if before.disproved is not None and end <= before.disproved:
        return before
    if before.ended is None or before.vanished:
        return replace(before, ended=end, told_over=now, vanished=False, missing=None, hush=None)
    return replace(before, ended=max(before.ended, end))


def _revived(alert: Alert) -> Alert:
    return replace(alert, ended=None, disproved=alert.ended, told_over=None, vanished=False, missing=None)


def _earlier(alert: Alert, start: datetime) -> tuple[datetime, ...]:
    return tuple(sorted({*alert.earlier, start})[-MOST_EARLIER:])


def _pruned(alerts: Mapping[str, Alert]) -> dict[str, Alert]:
    """Without what ended a week before the newest thing known."""
    newest = max((each.ended or each.started for each in alerts.values()), default=None)
    if newest is None:
        return dict(alerts)
    return {name: each for name, each in alerts.items() if each.ended is None or newest - each.ended <= KEPT}


def _turned(before: Group, after: Group, now: datetime) -> Group:
    """A new round when it fires again and was known to be over for ten minutes."""
    heard = [each.told_over for each in before.alerts.values() if each.told_over is not None]
    if before.over and heard and not after.over and now - max(heard) > AGAIN:
        blank = replace(
            after, said=(), said_before=0, picture="", pictured=None, depicted="", acknowledged=None, reminded=0
        )
        blank = replace(blank, answered=None, unheld=None, unhushed=None)
        after = replace(blank, serial=after.serial + 1, first=now)
    return _calmed(after)


def _calmed(group: Group) -> Group:
    """An acknowledgement ends with the alerts it stands for."""
    held = group.acknowledged
    if held is not None and not any(name in group.alerts and group.alerts[name].firing for name in held.alerts):
        return replace(group, acknowledged=None, reminded=0)
    return replace(group, reminded=0) if group.over and group.reminded else group


@dataclass(frozen=True, slots=True)
class Sighting:
    """One alert as Alertmanager's own list has it."""

    started: datetime
    hush: Hush | None


@dataclass(frozen=True, slots=True)
class Look:
    """Alertmanager's own list, asked for at `at`. `started`: when that Alertmanager did: what it has not listed since
    then may still fire, so it is missing for five minutes before it counts as gone, instead of 8 s."""

    alerts: Mapping[str, Sighting]
    at: datetime
    started: datetime


def observed(group: Group, look: Look, now: datetime) -> tuple[Group, Change]:
    """The group after a look at Alertmanager's list."""
    alerts = dict(group.alerts)
    returned: list[Alert] = []
    ended: list[Alert] = []
    for name, alert in group.alerts.items():
        sighted = look.alerts.get(name)
        after = _unsighted(alert, look.started, now) if sighted is None else _sighted(alert, sighted, look)
        alerts[name] = after
        if after.firing and not alert.firing:
            returned.append(after)
        if alert.firing and not after.firing:
            ended.append(after)
    return _turned(group, replace(group, alerts=alerts), now), Change((), tuple(returned), tuple(ended))


def _sighted(alert: Alert, sighted: Sighting, look: Look) -> Alert:
    if alert.told_over is not None and alert.told_over > look.at - MARGIN:
        return alert  # its end was told after the list was made
    if sighted.started > alert.started and not alert.firing:
        return replace(
            alert,
            started=sighted.started,
            ended=None,
            earlier=_earlier(alert, alert.started),
            told_over=None,
            vanished=False,
            missing=None,
            hush=sighted.hush,
            listed=look.started,
        )
    if not alert.firing:
        alert = _revived(alert)
    return replace(alert, missing=None, hush=sighted.hush, listed=look.started)


GONE_SOON, GONE_LATE = timedelta(seconds=8), timedelta(minutes=5)


def _unsighted(alert: Alert, since: datetime, now: datetime) -> Alert:
    if not alert.firing:
        return replace(alert, hush=None) if alert.hush is not None else alert
    if alert.missing is None:
        return replace(alert, missing=now)
    steady = alert.listed == since or since <= alert.missing - GONE_LATE
    if now - alert.missing < (GONE_SOON if steady else GONE_LATE):
        return alert
    return replace(alert, ended=alert.missing, told_over=now, vanished=True, hush=None, missing=None)


def names(alerts: Iterable[Alert]) -> tuple[str, ...]:
    """Each name once, in order."""
    return tuple(dict.fromkeys(each.name for each in alerts))
