"""Alerts: what the cards of a channel should say, from what Alertmanager said and what people did.

- A webhook only folds facts into the stored group and marks it; the relay asks the two boards here what to show.
- The channel's book decides whether a group has its own card or shares one (`books`); a group that ended before it
  could be posted joins the shared one.
- The Watchdog, which always fires, is never a card: it says that the monitoring works.
- An acknowledgement names exactly the alerts that fire now; the first presser wins and the second is told who did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from handlers import ci_reports
from handlers.ci_reports import CiReport
from handlers.core import books
from handlers.core.alert_cards import group_card, history, shared_card, who_did
from handlers.core.answers import Press
from handlers.core.books import Book
from handlers.core.cards import Card, Tone
from handlers.core.errors import Refusal
from handlers.core.groups import Acknowledged, Group
from handlers.core.ledger import Ledger, noted
from handlers.core.notices import Notice, Seen, fingerprint_of, group_id
from handlers.core.policy import Permission
from handlers.core.ports import Clock, Entropy
from handlers.core.postings import Posting
from handlers.core.routes import Route, Routes
from handlers.core.text import Person, Text

THRESHOLD = 5
LOOK_SECONDS = 5.0


WATCHDOG = "Watchdog"
SILENT = timedelta(minutes=5)


class Alerts:
    """Takes messages in, and answers buttons."""

    def __init__(self, ledger: Ledger, clock: Clock, entropy: Entropy) -> None:
        self._ledger = ledger
        self._clock = clock
        self._entropy = entropy

    def take_in(self, notice: Notice) -> None:
        """Durable when it returns. Raises OutsideError; then the sender must try again."""
        now = self._clock.now()
        rest = tuple(each for each in notice.alerts if each.labels.get("alertname") != WATCHDOG)
        if any(each.ended is None for each in notice.alerts if each not in rest):
            self._ledger.saw_watchdog(notice.source, now)
        if rest or not notice.alerts:
            self._ledger.fold(replace(notice, alerts=rest), now, history)

    def take_report(self, tool: str, repo: str, ref: str, body: bytes) -> None:
        """The same for a report of npm audit or Snyk. Raises Refusal without the words that name it."""
        if not (tool and repo):
            raise Refusal(Text("A CI report needs ?tool=npm-audit or snyk, and &repo=NAME; perhaps &ref=NAME."))
        labels = {"tool": tool, "repo": repo, **({"ref": ref} if ref else {})}
        known = self._ledger.load(group_id("ci", "ci", labels))
        notice = ci_notice(ci_reports.read(tool, body), labels, known, self._clock.now())
        if notice is not None:
            self._ledger.fold(notice, self._clock.now(), history)

    def look(self) -> None:
        """Every few seconds: a Watchdog that is silent for five minutes is an alert of our own. Raises OutsideError."""
        now = self._clock.now()
        for source, last in self._ledger.watchdogs().items():
            known = self._ledger.load(group_id("negahban", "watchdog", {"source": source}))
            silent = now - last > SILENT
            if silent == (known is not None and not known.over):
                continue
            self._ledger.fold(_silence(source, last, known, now, silent=silent), now, history)

    @property
    def presses(self) -> Mapping[str, Permission]:
        """See Pressable."""
        return {"alert_ack": Permission.OPERATE, "alert_unack": Permission.OPERATE}

    def press(self, press: Press) -> Card | None:
        """See Pressable."""
        refusal: Text | None = None

        def changed(group: Group) -> Group:
            nonlocal refusal
            after, refusal = _acted(press, group, self._clock.now(), operation)
            return after

        operation = self._entropy.token(12)
        if self._ledger.change(press.value, changed) is None:
            raise Refusal(Text("I no longer know these alerts: the last word about them is older than 30 days."))
        return None if refusal is None else Card(refusal, Tone.WARNING)


def _acted(press: Press, group: Group, now: datetime, operation: str) -> tuple[Group, Text | None]:
    held, who = group.acknowledged, Person(press.actor.person)
    if press.action == "alert_unack":
        if held is None:
            return group, Text("Nobody has acknowledged this, so there is nothing to take back.")
        said = Text("{person} took the acknowledgement back.", person=who)
        return noted(replace(group, acknowledged=None), said), None
    firing = group.firing
    if not firing or (held is not None and all(name in held.alerts for name in firing)):
        return group, who_did(group)
    stands = {} if held is None else held.alerts
    taken = Acknowledged(press.actor.person, now, operation, {name: stands.get(name, "") for name in firing})
    said = Text("{person} acknowledged {count} alerts.", person=who, count=len(firing))
    return noted(replace(group, acknowledged=taken), said), None


class AlertBoard:
    """What the card of each group should say; see the relay's Board. Used by the one relay that acts."""

    def __init__(
        self,
        alerts: Alerts,
        ledger: Ledger,
        routes: Routes,
        refuge: str,
        clock: Clock,
        *,
        threshold: int = THRESHOLD,
        answered: Callable[[Group], bool] = lambda group: False,
    ) -> None:
        """`answered`: whether a runbook answers a group."""
        self._alerts = alerts
        self._ledger = ledger
        self._routes = routes
        self._refuge = refuge
        self._clock = clock
        self._threshold = threshold
        self._answered = answered
        self._looked: float | None = None

    def begin(self, names: Sequence[str]) -> None:
        """Puts changed groups into the books of their channels."""
        by_channel: dict[str, dict[str, Group]] = {}
        for name in names:
            group = self._ledger.load(name)
            if group is not None:
                by_channel.setdefault(self._route(group).channel, {})[name] = group
        now = self._clock.monotonic()
        if self._looked is None or now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._alerts.look()
            for channel in self._ledger.channels():
                by_channel.setdefault(channel, {})
        for channel, groups in by_channel.items():
            self._sort(channel, groups)

    def _sort(self, channel: str, groups: Mapping[str, Group]) -> None:
        given: tuple[str, ...] = ()

        def how(book: Book) -> Book:
            nonlocal given
            over = frozenset(name for name, group in groups.items() if group.over)
            after, given = books.sorted_in(
                books.forgotten(book, over, self._clock.now()), groups, self._clock.now(), self._threshold
            )
            return after

        self._ledger.change_book(channel, how)
        for name in given:
            if name not in groups:
                self._ledger.touch(name)

    def _route(self, group: Group) -> Route:
        first = next(iter((group.firing or group.alerts).values()), None)
        return self._routes.of({**(first.labels if first is not None else {}), **group.labels})

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        """None for a group that shares a card."""
        group = self._ledger.load(name)
        if group is None:
            return None
        route = self._route(group)
        book = self._ledger.book(route.channel)
        if not book.holds(name, group.serial) and not (shown and group.over):
            return None
        if group.over and not shown:
            self._ledger.change_book(
                route.channel, lambda each: books.handed_over(each, name, group, self._clock.now())
            )
            return None
        if shown:
            self._ledger.change_book(route.channel, lambda each: books.marked(each, name))
        return Posting(
            channel=route.channel,
            card=group_card(group, name, runbook=self._answered(group)),
            began=group.first,
            notes=group.said,
            ended=group.ended,
            urgency=_urgency(group, shown=shown),
            serial=group.serial,
            refuge=self._refuge,
            elsewhere=True,
            tells_late=True,
        )


def _urgency(group: Group, *, shown: bool) -> int:
    if not shown:
        return 0 if group.severity == "critical" else 1
    if group.acknowledged is not None:
        return 1
    return 3 if group.over else 2


class StormBoard:
    """What the shared card of each channel should say; see the relay's Board."""

    def __init__(self, ledger: Ledger, refuge: str) -> None:
        self._ledger = ledger
        self._refuge = refuge

    def begin(self, names: Sequence[str]) -> None:
        """The books are written by the other board."""

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        """None when the channel has no shared card."""
        book = self._ledger.book(name)
        shared = book.shared
        if shared is None:
            return None
        return Posting(
            channel=name,
            card=shared_card(shared),
            began=shared.began,
            ended=shared.ended,
            urgency=1,
            serial=book.serial,
            refuge=self._refuge,
            elsewhere=True,
        )


def _silence(source: str, last: datetime, known: Group | None, now: datetime, *, silent: bool) -> Notice:
    labels = {"alertname": "MonitoringSilent", "severity": "critical", "source": source}
    words = {"summary": f"Nothing was heard from the monitoring ({source}) for five minutes: alerts may be missing"}
    firing = None if known is None else next(iter(known.firing.values()), None)
    began = firing.started if firing is not None else last + SILENT
    seen = Seen(fingerprint_of(labels), labels, words, began, None if silent else now, "")
    return Notice("negahban", "watchdog", {"source": source}, (seen,))


def ci_notice(report: CiReport, labels: Mapping[str, str], known: Group | None, now: datetime) -> Notice | None:
    """A CI report as one alert of a group of its own; None for a clean one when nothing was wrong before."""
    firing = None if known is None else next(iter(known.firing.values()), None)
    if report.verdict == "clean" and firing is None:
        return None
    worst = next((name for name in ci_reports.SEVERITIES if report.counts.get(name)), "")
    severity = {"critical": "critical", "high": "error"}.get(worst, "warning")
    said = str(report.reason) if report.reason is not None else _counted(report)
    seen = Seen(
        fingerprint=fingerprint_of(labels),
        labels={"alertname": f"{labels['tool']} {labels['repo']}", "severity": severity, **labels},
        words={"summary": said, "runbook": "ci-audit"},
        started=now if firing is None else firing.started,
        ended=now if report.verdict == "clean" else None,
        generator="",
    )
    return Notice("ci", "ci", labels, (seen,), unclear=report.verdict == "unknown")


def _counted(report: CiReport) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items() if count)
    worst = ", ".join(f"{each.name} ({each.severity})" for each in report.worst[:5])
    return f"{counts}. Worst: {worst}" if worst else counts or "nothing wrong"
