"""Alerts: what the cards of a channel should say, from what Alertmanager said and what people did.

- A webhook only folds facts into the stored group and marks it; the relay asks the two boards here what to show.
- The channel's book decides whether a group has its own card or shares one (`books`); a group that ended before it
  could be posted joins the shared one.
- The Watchdog, which always fires, is never a card: it says that the monitoring works.
- What is critical and acknowledged by nobody calls people, step by step (`escalations`).
- An acknowledgement names exactly the alerts that fire now; the first presser wins and the second is told who did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from handlers import ci_reports
from handlers.ci_reports import CiReport
from handlers.core.alerts import books, silences
from handlers.core.alerts.alert_cards import group_card, history, shared_card, who_did
from handlers.core.alerts.alertmanagers import Alertmanager
from handlers.core.alerts.books import Book
from handlers.core.alerts.escalations import Step, escalated
from handlers.core.alerts.groups import Acknowledged, Group
from handlers.core.alerts.ledger import Ledger, Said, noted
from handlers.core.alerts.notices import Labels, Notice, Seen, fingerprint_of, group_id
from handlers.core.alerts.routes import Route, Routes
from handlers.core.alerts.severities import own_word
from handlers.core.door.policy import Permission
from handlers.core.ports import Clock, Entropy
from handlers.core.words.answers import Press
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import Refusal
from handlers.core.words.forms import Form
from handlers.core.words.postings import Posting
from handlers.core.words.text import Person, Text

THRESHOLD = 5
LOOK_SECONDS = 5.0


WATCHDOG = "Watchdog"
SILENT = timedelta(minutes=5)
FORGOTTEN = Text("I no longer know these alerts: the last word about them is older than 30 days.")


class Alerts:
    """Takes messages in, and answers buttons."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        entropy: Entropy,
        alertmanager: Alertmanager | None = None,
        *,
        said: Said = history,
        graded: Callable[[Labels], str] = own_word,
    ) -> None:
        """`said`: what the thread is told; `graded`: how bad an alert with these labels is."""
        self._said = said
        self._graded = graded
        self._ledger = ledger
        self._clock = clock
        self._entropy = entropy
        self._alertmanager = alertmanager

    def take_in(self, notice: Notice) -> None:
        """Durable when it returns. Raises OutsideError; then the sender must try again."""
        now = self._clock.now()
        rest = tuple(each for each in notice.alerts if each.labels.get("alertname") != WATCHDOG)
        if any(each.ended is None for each in notice.alerts if each not in rest):
            self._ledger.saw_watchdog(notice.source, now)
        if rest or not notice.alerts:
            rest = tuple(replace(each, severity=self._graded(each.labels)) for each in rest)
            self._ledger.fold(replace(notice, alerts=rest), now, self._said)

    def take_report(self, tool: str, repo: str, ref: str, body: bytes) -> None:
        """The same for a report of npm audit or Snyk. Raises Refusal without the words that name it."""
        if not (tool and repo):
            raise Refusal(Text("A CI report needs ?tool=npm-audit or snyk, and &repo=NAME; perhaps &ref=NAME."))
        labels = {"tool": tool, "repo": repo, **({"ref": ref} if ref else {})}
        self._ledger.saw_report(repo, self._clock.now())
        known = self._ledger.load(group_id("ci", "ci", labels))
        notice = ci_notice(ci_reports.read(tool, body), labels, known, self._clock.now())
        if notice is not None:
            self._ledger.fold(notice, self._clock.now(), self._said)

    def look(self) -> None:
        """Every few seconds: a Watchdog that is silent for five minutes is an alert of our own. Raises OutsideError."""
        now = self._clock.now()
        for source, last in self._ledger.watchdogs().items():
            known = self._ledger.load(group_id("negahban", "watchdog", {"source": source}))
            silent = now - last > SILENT
            if silent == (known is not None and not known.over):
                continue
            self._ledger.fold(_silence(source, last, known, now, silent=silent), now, self._said)

    @property
    def presses(self) -> Mapping[str, Permission]:
        """See Pressable."""
        return dict.fromkeys(
            (
                "alert_ack",
                "alert_unack",
                "alert_unsilence",
                "alert_silence",
                "alert_silence_check",
                "alert_silence_make",
            ),
            Permission.OPERATE,
        )

    @property
    def asking(self) -> frozenset[str]:
        """See Pressable."""
        return frozenset({"alert_silence"})

    def press(self, press: Press) -> Card | Form | None:
        """See Pressable."""
        match press.action:
            case "alert_silence":
                return silences.question(self._known(press.value), press.value)
            case "alert_silence_check" | "alert_silence_make":
                return self._silence(press)
            case "alert_unsilence":
                self._lift(press)
                return None
            case _:
                return self._hold(press)

    def _known(self, group_id: str) -> Group:
        group = self._ledger.load(group_id)
        if group is None:
            raise Refusal(FORGOTTEN)
        return group

    def _told(self) -> Alertmanager:
        if self._alertmanager is None:
            raise Refusal(Text("ALERTMANAGER_URL is not set, so nothing can be silenced from here."))
        return self._alertmanager

    def _silence(self, press: Press) -> Card | Form:
        """An answered form: what it covers, or the wish when that was seen."""
        now, group_id = self._clock.now(), press.value.partition(".")[0]
        alertmanager, operation = self._told(), self._entropy.token(12)
        try:
            wish = silences.wished(press.fields, press.actor.person, operation, now)
            if press.action == "alert_silence_check" or not silences.seen(press.value, press.fields):
                return silences.checked(group_id, press.fields, alertmanager.matching(wish.matchers), now)
        except Refusal as refusal:
            return silences.again(group_id, press.fields, refusal.text)
        self._known(group_id)
        self._ledger.watch_over(group_id, wish.until, now)
        self._ledger.change(group_id, lambda each: silences.asked_for(each, wish))
        return Card(
            Text("Alertmanager is being told. The card says when it is silent, until {until}.", until=wish.until)
        )

    def _lift(self, press: Press) -> None:
        self._told()
        now, operation = self._clock.now(), self._entropy.token(12)
        group = self._known(press.value)
        self._ledger.watch_over(press.value, max((each.until for each in group.quieted), default=now), now)
        self._ledger.change(press.value, lambda each: silences.lifted(each, press.actor.person, operation, now))

    def _hold(self, press: Press) -> Card | None:
        refusal: Text | None = None

        def changed(group: Group) -> Group:
            nonlocal refusal
            after, refusal = _acted(press, group, self._clock.now(), operation)
            return after

        operation = self._entropy.token(12)
        if self._ledger.change(press.value, changed) is None:
            raise Refusal(FORGOTTEN)
        return None if refusal is None else Card(refusal, Tone.WARNING)


def _acted(press: Press, group: Group, now: datetime, operation: str) -> tuple[Group, Text | None]:
    held, who = group.acknowledged, Person(press.actor.person)
    if press.action == "alert_unack":
        if held is None:
            return group, _nothing_held(group)
        said = Text("{person} took the acknowledgement back.", person=who)
        return noted(replace(group, acknowledged=None, unheld=(press.actor.person, now)), said), None
    firing = group.firing
    if not firing or (held is not None and all(name in held.alerts for name in firing)):
        return group, who_did(group)
    stands = {} if held is None else held.alerts
    taken = Acknowledged(press.actor.person, now, operation, {name: stands.get(name, "") for name in firing})
    said = Text("{person} acknowledged {count} alerts.", person=who, count=len(firing))
    answered = group.answered or (press.actor.person, now)
    return noted(replace(group, acknowledged=taken, answered=answered), said), None


def _nothing_held(group: Group) -> Text:
    if group.unheld is None:
        return Text("Nobody has acknowledged this, so there is nothing to take back.")
    who, at = group.unheld
    return Text("{person} took the acknowledgement back already, {at}.", person=Person(who), at=at)


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
        steps: Sequence[Step] = (),
        silencing: bool = True,
        answered: Callable[[Group], bool] = lambda group: False,
    ) -> None:
        """`answered`: whether a runbook answers a group."""
        self._alerts = alerts
        self._ledger = ledger
        self._routes = routes
        self._refuge = refuge
        self._clock = clock
        self._threshold = threshold
        self._steps = tuple(steps)
        self._silencing = silencing
        self._answered = answered
        self._looked: float | None = None

    def begin(self, names: Sequence[str]) -> Mapping[str, int]:
        """Puts changed groups into the books of their channels; how urgent each is."""
        by_channel: dict[str, dict[str, Group]] = {}
        old: dict[str, Group | None] = {}
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
                old |= self._old(channel)
                self._escalate(channel)
        urgency: dict[str, int] = {}
        for channel, groups in by_channel.items():
            book = self._sort(channel, groups, old)
            urgency |= {name: _urgency(each, shown=book.showed(name)) for name, each in groups.items()}
        return urgency

    def _old(self, channel: str) -> Mapping[str, Group | None]:
        """Groups that fire for a day, as far as the channel's book says; None for those that nobody knows any more."""
        return {name: self._ledger.load(name) for name in books.old(self._ledger.book(channel), self._clock.now())}

    def _escalate(self, channel: str) -> None:
        if self._steps or self._routes.mentioning:
            for name, own in self._ledger.book(channel).own.items():
                if own.shown and own.over is None:
                    self._ledger.change(name, self._escalated)

    def _escalated(self, group: Group) -> Group:
        called = tuple(Step(0, who) for who in self._route(group).mention)
        return escalated(group, (*called, *self._steps), self._clock.now())

    def _sort(self, channel: str, groups: Mapping[str, Group], old: Mapping[str, Group | None]) -> Book:
        given: tuple[str, ...] = ()
        known = {name: group for name, group in old.items() if group is not None}
        unknown = frozenset(old) - frozenset(known)

        def how(book: Book) -> Book:
            nonlocal given
            now = self._clock.now()
            after, given = books.sorted_in(books.told(book, known, now), groups, now, self._threshold)
            return books.forgotten(after, unknown, now)

        book = self._ledger.change_book(channel, how)
        for name in given:
            if name not in groups:
                self._ledger.touch(name)
        return book

    def _route(self, group: Group) -> Route:
        first = next(iter((group.firing or group.alerts).values()), None)
        return self._routes.of({**(first.labels if first is not None else {}), **group.labels})

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        """None for a group that shares a card."""
        group = self._ledger.load(name)
        if group is None:
            return None
        route = self._route(group)
        book = self._book(route.channel, name, shown=shown)
        if not book.holds(name, group.serial) or books.told(book, {name: group}, self._clock.now()) is not book:
            book = self._sort(route.channel, {name: group}, {})  # it may have changed since the pass began
        if not book.holds(name, group.serial) and not (shown and group.over):
            return None
        if group.over and not shown:
            self._ledger.change_book(
                route.channel, lambda each: books.handed_over(each, name, group, self._clock.now())
            )
            return None
        return Posting(
            channel=route.channel,
            card=group_card(
                group,
                name,
                silencing=self._silencing,
                runbook=self._answered(group),
                style=self._routes.severities.style(group.severity),
            ),
            began=group.first,
            notes=group.said,
            notes_before=group.said_before,
            ended=group.ended,
            urgency=_urgency(group, shown=shown),
            serial=group.serial,
            refuge=self._refuge,
            elsewhere=True,
            tells_late=True,
        )

    def placed(self, name: str, channel: str, address: str) -> None:
        """Its card was posted, and a shared card that lists the group leads to it."""
        self._ledger.change_book(channel, lambda each: books.placed(books.marked(each, name), name, address))

    def _book(self, channel: str, name: str, *, shown: bool) -> Book:
        """The channel's book, in which it stands that this group's card was posted, once it was."""
        if not shown:
            return self._ledger.book(channel)
        return self._ledger.change_book(channel, lambda each: books.marked(each, name))


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
        self._shown: set[str] = set()

    def begin(self, names: Sequence[str]) -> Mapping[str, int]:
        """The books are written by the other board; the shared card is new, or counts anew."""
        return {name: 2 if name in self._shown else 1 for name in names}

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        """None when the channel has no shared card."""
        book = self._ledger.book(name)
        shared = book.shared
        if shared is None:
            return None
        (self._shown.add if shown else self._shown.discard)(name)
        return Posting(
            channel=name,
            card=shared_card(shared),
            began=shared.began,
            ended=shared.ended,
            urgency=2 if shown else 1,
            serial=book.serial,
            refuge=self._refuge,
            elsewhere=True,
        )

    def placed(self, name: str, channel: str, address: str) -> None:
        """Nobody asks."""


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
