"""Backups: the newest good one against the objective, how many there are, what was proved, and the lock.

- The objective is 26 hours, as for the alarm: a night and time to notice.
- A copy that a check failed is no good one; what was never drilled is a FAIL after ten days, as in the alert rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from handlers.core.answers import TargetName
from handlers.core.catalogue import Catalogue
from handlers.core.evidence import Check
from handlers.core.findings import Finding, failed, passed, unknown
from handlers.core.holdings import Holding, Holdings
from handlers.core.ports import Clock, Target
from handlers.core.text import Code, Seconds, Text, spelled_seconds

NEWEST, DRILLED, SCRUBBED = timedelta(hours=26), timedelta(days=10), timedelta(days=2)
LEAST_DAILY = 7
SOURCE = "the backups"


@dataclass(frozen=True, slots=True)
class BackupsCheck:
    """See the module."""

    targets: Mapping[TargetName, Target]
    catalogues: Mapping[TargetName, Catalogue]
    holdings: Holdings
    clock: Clock

    def __call__(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        """The findings. Raises OutsideError when the store does not answer."""
        return tuple(self._found(target))

    def _found(self, target: TargetName) -> Iterator[Finding]:
        holding = self.holdings.read(target)
        yield self._newest(holding)
        yield from _copies(holding)
        history = self.catalogues[target].dossier.history()
        for check, limit in ((Check.SCRUB, SCRUBBED), (Check.DRILL, DRILLED)):
            last = history.last(check, good=True)
            yield self._proved(check, None if last is None else self.clock.now() - last.made, limit)
        yield _lock(holding, self.targets[target])

    def _newest(self, holding: Holding) -> Finding:
        good = [copy for copy in holding.copies if copy.good]
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
            text = Text("No {check} has passed yet. `/backup {command}` runs one.", check=check.value,
                        command="drill" if check is Check.DRILL else "verify")  # fmt: skip
            return unknown(name, text, source=SOURCE)
        made = passed if age <= limit else failed
        text = Text("The last {check} passed {age} ago.", check=check.value, age=Seconds(age.total_seconds()))
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


def _lock(holding: Holding, target: Target) -> Finding:
    locking = target.store.locking()
    if not locking.possible:
        why = locking.why_not or Text("it cannot lock")
        return failed("lock", Text("Backups can be deleted by whoever has the keys: {why}", why=why), value="none",
                      limit="Object Lock", source=SOURCE)  # fmt: skip
    open_ = [copy for copy in holding.copies if copy.good and not any(lock is not None for lock in copy.locks)]
    if open_:
        text = Text("{count} good copies are not locked.", count=len(open_))
        return failed("lock", text, value=str(len(open_)), limit="0", source=SOURCE)
    return passed(
        "lock", Text("Every good copy is locked ({mode}).", mode=locking.mode), value=locking.mode, source=SOURCE
    )
