"""Measuring: what Prometheus is told about backups: how old the newest is, how many there are, what was proved.

- `negahban_last_good_check_age_seconds{target, check}`: how long ago a scrub or drill passed last. There is no such
  line while none ever did, or while the store cannot be reached: alert on its absence too.
  `check="moment"`: a drill that went on to the newest moment that the saved oplog leads to.
- `negahban_drill_ready_seconds{target, check}`: how long until the data of a backup, or of that moment, was there.
- `negahban_quarantined_backups{target}`: how many backups a failed check keeps from being `latest`.
- `negahban_backup_age_seconds{target}` of the newest good one, `negahban_backup_good_copies{target}`,
  `negahban_pitr_lag_seconds{target}`: how far behind the saved oplog is, `negahban_database_bytes{target}`. As workers
  noted them.
- The store is listed at most once a minute, however often Prometheus asks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from bot.intake import Intake
from bot.relay import Relay
from bot.relay.tally import BOUNDS
from bot.web import Measure, Spread
from handlers.core.backups.catalogue import Catalogue, Catalogues
from handlers.core.backups.rota import Freshness, noted
from handlers.core.formats.evidence import Check
from handlers.core.formats.optimes import OpTime
from handlers.core.health.growth import Entry, GrowthBook
from handlers.core.ports import Clock, Held, State
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import Problem

FRESH_SECONDS = 60.0
_AGE = "negahban_last_good_check_age_seconds"
_AGE_MEANS = "Seconds since a check of this kind passed last"
_READY = "negahban_drill_ready_seconds"
_READY_MEANS = "How long the last good drill took until the data could be used"
_QUARANTINED = "negahban_quarantined_backups"
_QUARANTINED_MEANS = "Backups that a failed check keeps from being latest"


def relayed(relay: Relay, intake: Intake) -> Iterator[Measure | Spread]:
    """What this process relays and takes in."""
    for (path, outcome), count in intake.counts().items():
        yield Measure("negahban_webhooks_total", "Webhooks answered", {"path": path, "outcome": outcome}, count)
    oldest = relay.oldest_unsent_seconds()
    yield Measure("negahban_relay_oldest_unsent_seconds", "How long the oldest unsent card waits", {}, oldest)
    tally = relay.tally
    yield Measure("negahban_alerts_lost_total", "Cards that were given up", {}, tally.lost)
    yield Measure("negahban_relay_posts_total", "Messages sent to the chat", {}, tally.posts)
    yield Measure("negahban_relay_edits_total", "Edits sent to the chat", {}, tally.edits)
    yield Measure("negahban_relay_edits_saved_total", "Changes that needed no message of their own", {}, tally.saved)
    yield Measure("negahban_relay_rate_limited_total", "Times the chat asked to slow down", {}, tally.waits)
    spread = tuple(tally.spread)
    yield Spread("negahban_alert_to_chat_seconds", "From a webhook to its first message", BOUNDS, spread, tally.seconds)


class Proved:
    """The measures. Never raises."""

    def __init__(self, catalogues: Catalogues, clock: Clock) -> None:
        self._catalogues = catalogues
        self._clock = clock
        self._looked: float | None = None
        self._measures: tuple[Measure, ...] = ()
        self._lock = threading.Lock()

    def __call__(self) -> tuple[Measure, ...]:
        """What is true, or was less than a minute ago."""
        with self._lock:
            now = self._clock.monotonic()
            if self._looked is None or now - self._looked >= FRESH_SECONDS:
                self._looked = now
                self._measures = tuple(
                    each for target, catalogue in self._catalogues.items() for each in self._of(target, catalogue)
                )
            return self._measures

    def _of(self, target: TargetName, catalogue: Catalogue) -> Iterator[Measure]:
        try:
            history = catalogue.dossier.history()
            suspects = catalogue.suspects()
        except Problem:
            return
        for check in Check:
            last = history.last(check, good=True)
            if last is not None:
                age = (self._clock.now() - last.made).total_seconds()
                yield Measure(_AGE, _AGE_MEANS, {"target": target, "check": check.value}, age)
                if check is Check.DRILL:
                    yield Measure(_READY, _READY_MEANS, {"target": target, "check": "drill"}, last.ready_seconds)
        reached = history.last_moment()
        if reached is not None and reached.moment is not None:
            labels = {"target": target, "check": "moment"}
            yield Measure(_AGE, _AGE_MEANS, labels, (self._clock.now() - reached.made).total_seconds())
            yield Measure(_READY, _READY_MEANS, labels, reached.moment.ready_seconds)
        yield Measure(_QUARANTINED, _QUARANTINED_MEANS, {"target": target}, len(suspects))


class Kept:
    """What the workers noted of the copies of every target. Never raises."""

    def __init__(self, state: State, targets: Iterable[TargetName], clock: Clock) -> None:
        self._state = state
        self._targets = tuple(targets)
        self._clock = clock

    def __call__(self) -> tuple[Measure, ...]:
        """Nothing while it cannot be asked."""
        try:
            seen, now = noted(self._state, self._targets), self._clock.now()
            reached = {target: self._state.get(f"followed:{target}") for target in self._targets}
            book = GrowthBook(self._state)
            grown = {target: book.entries(target) for target in self._targets}
        except Problem:
            return ()
        return tuple(
            each
            for target in self._targets
            for each in (
                *_fresh(target, seen.get(target), now),
                *_lag(target, reached[target], now),
                *_size(target, grown[target]),
            )
        )


def _fresh(target: TargetName, fresh: Freshness | None, now: datetime) -> Iterator[Measure]:
    if fresh is None:
        return
    yield Measure("negahban_backup_good_copies", "Good backups that are kept", {"target": target}, fresh.good)
    if fresh.newest is not None:
        age = (now - fresh.newest).total_seconds()
        yield Measure("negahban_backup_age_seconds", "Age of the newest good backup", {"target": target}, age)


def _size(target: TargetName, entries: Sequence[Entry]) -> Iterator[Measure]:
    if entries:
        said = "What the database takes on its disk, indexes included, as of the newest day"
        yield Measure("negahban_database_bytes", said, {"target": target}, entries[-1].whole_bytes)


def _lag(target: TargetName, held: Held | None, now: datetime) -> Iterator[Measure]:
    if held is not None:
        behind = (now - OpTime.parse(held.value.decode()).moment).total_seconds()
        yield Measure("negahban_pitr_lag_seconds", "How far the saved oplog is behind", {"target": target}, behind)
