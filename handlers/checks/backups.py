"""Backups: the newest good one against the objective, how many there are, what was proved, and the lock.

- The objective is 26 hours, as for the alarm: a night and time to notice.
- The moment that the last drill reached shows whether any moment can be restored, not only that of a backup.
- A copy that a check failed, or that a restore kept, is no good one, as for retention.
- What was never drilled is a FAIL after ten days, as in the alert rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from handlers.core.backups.catalogue import Catalogue
from handlers.core.backups.holdings import Holding, Holdings
from handlers.core.backups.retention import counts
from handlers.core.backups.schedules import Schedule
from handlers.core.formats.evidence import CHECKS, Check, Evidence, Verdict
from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.ports import Clock, Target
from handlers.core.words.answers import TargetName
from handlers.core.words.text import Code, Seconds, Text, spelled_seconds, spelled_time

NEWEST, DRILLED, SCRUBBED = timedelta(hours=26), timedelta(days=10), timedelta(days=2)
DAYS, WEEKS = 7, 4
SOURCE = "the backups"


@dataclass(frozen=True, slots=True)
class BackupsCheck:
    """See the module. `schedule` None: nothing is backed up by itself."""

    targets: Mapping[TargetName, Target]
    catalogues: Mapping[TargetName, Catalogue]
    holdings: Holdings
    clock: Clock
    schedule: Schedule | None = None

    def __call__(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        """The findings. Raises OutsideError when the store does not answer."""
        return tuple(self._found(target))

    def _found(self, target: TargetName) -> Iterator[Finding]:
        holding = self.holdings.read(target)
        yield self._newest(holding)
        yield from _copies(holding)
        days = {each.local.date() for each in holding.copies if counts(each, holding.now)}
        yield _kept("daily copies", days, DAYS, holding, 1)
        weeks = {day - timedelta(days=day.weekday()) for day in days}
        yield _kept("weekly copies", weeks, WEEKS, holding, 7)
        history = self.catalogues[target].dossier.history()
        for check, limit in ((Check.SCRUB, SCRUBBED), (Check.DRILL, DRILLED)):
            last = history.last(check, good=True)
            yield self._proved(check, None if last is None else self.clock.now() - last.made, limit)
        drill = history.last(Check.DRILL)
        if drill is not None:
            yield self._moment(drill)
        yield _lock(holding, self.targets[target])
        yield self._next()

    def _next(self) -> Finding:
        name, source = "next run", "BACKUP_SCHEDULE"
        if self.schedule is None:
            return failed(
                name, Text("No backup is made by itself: BACKUP_SCHEDULE is off."), value="off", source=source
            )
        then = self.schedule.following(self.clock.now())
        text = Text("The next backup is made at {time}.", time=then)
        return passed(name, text, value=spelled_time(then), source=source)

    def _moment(self, drill: Evidence) -> Finding:
        """What the newest drill found of the newest moment it could reach."""
        reached, most = drill.moment, spelled_seconds(DRILLED.total_seconds())
        if reached is None:
            text = Text("The last drill found no saved oplog after its backup, so it reached no moment.")
            return unknown("last moment", text, source=SOURCE)
        if reached.verdict is not Verdict.PASS:
            made = failed if reached.verdict is Verdict.FAIL else unknown
            text = Text("The last drill did not reach {time}: {why}", time=reached.time, why=reached.reason)
            return made("last moment", text, source=SOURCE)
        age = self.clock.now() - drill.made
        made = passed if age <= DRILLED else failed
        text = Text(
            "{time} was restored {age} ago, in {took}.",
            time=reached.time,
            age=Seconds(age.total_seconds()),
            took=Seconds(reached.ready_seconds),
        )
        return made("last moment", text, value=spelled_seconds(age.total_seconds()), limit=most, source=SOURCE)

    def _newest(self, holding: Holding) -> Finding:
        good = [copy for copy in holding.copies if counts(copy, holding.now)]
        limit = spelled_seconds(NEWEST.total_seconds())
        if not good:
            return failed(
                "newest", Text("There is no good backup. `/backup now` makes one."), limit=limit, source=SOURCE
            )
        newest = max(good, key=lambda copy: copy.made)
        age = (holding.now - newest.made).total_seconds()
        made = passed if age <= NEWEST.total_seconds() else failed
        text = Text("The newest good backup is {age} old: {id}.", age=Seconds(age), id=Code(newest.id))
        return made("newest", text, value=spelled_seconds(age), limit=limit, source=SOURCE)

    def _proved(self, check: Check, age: timedelta | None, limit: timedelta) -> Finding:
        name = f"last {check.value}"
        most = spelled_seconds(limit.total_seconds())
        if age is None:
            text = Text("No {check} has passed yet. `/backup {command}` runs one.", check=CHECKS[check],
                        command="drill" if check is Check.DRILL else "verify")  # fmt: skip
            return unknown(name, text, source=SOURCE)
        made = passed if age <= limit else failed
        text = Text("The last {check} passed {age} ago.", check=CHECKS[check], age=Seconds(age.total_seconds()))
        return made(name, text, value=spelled_seconds(age.total_seconds()), limit=most, source=SOURCE)


def _copies(holding: Holding) -> Iterator[Finding]:
    good = [copy for copy in holding.copies if copy.good]
    bad = [copy for copy in holding.copies if not copy.good]
    text = Text("{count} good copies are kept.", count=len(good))
    yield passed("copies", text, value=str(len(good)), source=SOURCE)
    if bad or holding.listing.damaged:
        count = len(bad) + len(holding.listing.damaged)
        text = Text("{count} copies must not be relied on; `/backup list` names them.", count=count)
        yield failed("damaged copies", text, value=str(count), limit="0", source=SOURCE)
    if holding.listing.hidden:
        text = Text("{count} copies were hidden by somebody else.", count=len(holding.listing.hidden))
        yield failed("hidden copies", text, value=str(len(holding.listing.hidden)), limit="0", source=SOURCE)


def _kept(name: str, begun: set[date], wanted: int, holding: Holding, each: int) -> Finding:
    """`begun`: the days, or the Mondays, that have a good copy. Fewer than wanted is a FAIL once there was time for
    all of them."""
    count = len(begun)
    text = Text("{count} of {wanted} {name} are there.", count=min(count, wanted), wanted=wanted, name=name)
    if count >= wanted:
        return passed(name, text, value=str(count), limit=str(wanted), source=SOURCE)
    oldest = min((copy.made for copy in holding.copies), default=holding.now)
    if holding.now - oldest < timedelta(days=each * wanted):
        so_far = Text("{said} There was no time for more yet.", said=text)
        return unknown(name, so_far, source=SOURCE)
    return failed(name, text, value=str(count), limit=str(wanted), source=SOURCE)


def _lock(holding: Holding, target: Target) -> Finding:
    locking = target.store.locking()
    if not locking.possible:
        why = locking.why_not or Text("it cannot lock")
        return failed("lock", Text("Backups can be deleted by whoever has the keys: {why}", why=why), value="none",
                      limit="Object Lock", source=SOURCE)  # fmt: skip
    open_ = [copy for copy in holding.copies if copy.good and copy.safe_until is None]
    if open_:
        text = Text("{count} good copies are not locked.", count=len(open_))
        return failed("lock", text, value=str(len(open_)), limit="0", source=SOURCE)
    return passed(
        "lock", Text("Every good copy is locked ({mode}).", mode=locking.mode), value=locking.mode, source=SOURCE
    )
