"""Retention: which copies are kept and why, which locks are lengthened, and which copies may go.

- A copy counts when it is good (committed, and no check has failed since), was not made by a restore to keep what it
  replaced, is not dated in the future, and was not when the store got it: a wrong date would take a right one's slot
  when its day comes.
- Kept are: the newest counted copy of each of the last 7 days that have one; the first of each of the last 4 ISO
  weeks that have one, and of hours, months and years if asked for; the newest; the newest that a drill restored;
  what is pinned; what somebody needs; the base of the point-in-time window; for 14 days, what was kept before a
  restore; for 37 days, what failed a check or is dated wrongly, for whoever looks into it; what is dated in the future.
- Slots count copies, not calendar days: an outage ages nothing out. Less than 7 days and 4 weeks cannot be asked for.
- Days, weeks, months and years are those of the local time stored with each copy, so that a later change of zone
  moves nothing. Hours are of UTC: an hour that the clock repeats is two.
- A copy goes only when nothing keeps it, its lock is over, a counted copy is younger than 36 hours, at least 7 counted
  ones remain, the clocks agree within 5 minutes; at most 3 in one run, the oldest first.
- On a server that is only restored to no schedule makes copies, so what restores kept there waits for no young one and
  for no seven; the newest good one of it stays, whatever its age.
- Locks are never shortened. What is kept has two days of lock left, or gets nine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from handlers.core.formats.manifests import BackupKind
from handlers.core.words.answers import BackupId
from handlers.core.words.text import Code, Seconds, Text

LEAST_DAYS, LEAST_WEEKS = 7, 4
MOST_DELETED = 3
FRESH = timedelta(hours=36)
SKEW = timedelta(minutes=5)
GRACE_DAYS = 2
WEEK_GRACE_DAYS = 9
RESTORE_KEPT = timedelta(days=14)
FAILED_KEPT = timedelta(days=37)
LOCK_LEFT, LOCK_MORE = timedelta(days=2), timedelta(days=9)


@dataclass(frozen=True, slots=True)
class Copy:
    """A backup as retention sees it. `offset`: how far local time was ahead of UTC when it was made; `good`: False
    once a check or a drill failed; `locks`: for each of its files, until when the store says it is locked; `needed_by`:
    what others need it for, in words; `stored`: when the store got it, by the store's clock; None: not known. `moment`:
    the one moment it is of; None: it is of none, and no other can be reached from it."""

    id: BackupId
    made: datetime
    kind: BackupKind
    offset: timedelta = timedelta(0)
    good: bool = True
    drilled: bool = False
    pinned: bool = False
    locks: tuple[datetime | None, ...] = ()
    needed_by: tuple[Text, ...] = ()
    stored: datetime | None = None
    moment: datetime | None = None

    @property
    def local(self) -> datetime:
        """The local time it was made at, without a zone."""
        return self.made.replace(tzinfo=None) + self.offset

    @property
    def misdated(self) -> bool:
        """Whether it was stored before the time at which it says it was made: some clock was wrong."""
        return self.stored is not None and self.made > self.stored + SKEW

    @property
    def safe_until(self) -> datetime | None:
        """When the first of its locks ends; None when a file has none."""
        until = [lock for lock in self.locks if lock is not None]
        return min(until) if until and len(until) == len(self.locks) else None

    @property
    def free_after(self) -> datetime | None:
        """When the last of its locks ends; None when it has none."""
        return max((lock for lock in self.locks if lock is not None), default=None)


@dataclass(frozen=True, slots=True)
class Policy:
    """How many are kept. `window`: how far back every moment must be restorable; None: not asked for."""

    daily: int = LEAST_DAYS
    weekly: int = LEAST_WEEKS
    hourly: int = 0
    monthly: int = 0
    yearly: int = 0
    window: timedelta | None = None

    @property
    def days(self) -> int:
        """Never fewer than the floor."""
        return max(self.daily, LEAST_DAYS)

    @property
    def weeks(self) -> int:
        """Never fewer than the floor."""
        return max(self.weekly, LEAST_WEEKS)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a copy is kept. `until`: the earliest time at which this can stop being true; None: not known beforehand."""

    text: Text
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Extension:
    """A lock that becomes longer."""

    copy: Copy
    until: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What retention says about a history. `waiting`: copies that nothing keeps and that stay all the same, and why;
    `held`: why nothing at all may be deleted now; `alarms`: what somebody must look at."""

    kept: Mapping[BackupId, tuple[Reason, ...]]
    delete: tuple[Copy, ...]
    waiting: Mapping[BackupId, Text]
    extend: tuple[Extension, ...]
    held: tuple[Text, ...]
    alarms: tuple[Text, ...]


def decide(
    copies: Sequence[Copy],
    policy: Policy,
    now: datetime,
    skew: timedelta = timedelta(0),
    *,
    locking: bool = False,
    visited: bool = False,
) -> Decision:
    """The decision about all copies of one target. `now`: the store's own clock, aware UTC; `skew`: how far ours is
    from it; `locking`: the store locks what it keeps; `visited`: it is a server that is only restored to."""
    history = sorted(copies, key=lambda copy: (copy.made, copy.id))
    counted = [copy for copy in history if counts(copy, now)]
    reasons: dict[BackupId, list[Reason]] = {copy.id: [] for copy in history}
    last = _newest_kept(history, now) if visited else []
    for copy, reason in (*_slots(counted, policy), *_single(counted, policy, now), *last, *_own(history, now)):
        reasons[copy.id].append(reason)
    kept = {copy.id: tuple(reasons[copy.id]) for copy in history if reasons[copy.id]}
    clocks = (_skewed(skew),) if abs(skew) > SKEW else ()
    held = (*_held(counted, now), *clocks)
    loose = [copy for copy in history if copy.id not in kept]
    delete, waiting = _deletions(loose, counted, now, held, clocks if visited else None)
    extend = _extensions([copy for copy in history if copy.id in kept], now) if locking else ()
    found = clocks if visited else held
    return Decision(kept, delete, waiting, extend, found, _alarms(history, now, skew, locking=locking))


def counts(copy: Copy, now: datetime) -> bool:
    """Whether a copy fills a slot."""
    return copy.good and copy.kind is not BackupKind.PRE_RESTORE and not copy.misdated and not ahead(copy, now)


def base(copies: Sequence[Copy], policy: Policy, now: datetime) -> Copy | None:
    """The copy from which every moment of the window is reached: the newest counted one that is of a moment before it,
    or the oldest that is of any; None where no window is asked for, or none can be reached."""
    if policy.window is None:
        return None
    begin = now - policy.window
    dated = [(copy.moment, copy) for copy in copies if copy.moment is not None and counts(copy, now)]
    dated.sort(key=lambda each: (each[0], each[1].id))
    before = [copy for moment, copy in dated if moment <= begin]
    return before[-1] if before else next((copy for _, copy in dated), None)


def ahead(copy: Copy, now: datetime) -> bool:
    """Whether a copy is dated in the future."""
    return copy.made > now + SKEW


def lock_until_at_write(
    kind: BackupKind, made: datetime, offset: timedelta, copies: Sequence[Copy], policy: Policy
) -> datetime:
    """Until when a new copy, made now, is locked: the first counted one of its ISO week for as long as weeks are kept
    and nine days, the others for as long as days are kept and two; what is kept before a restore, 14 days."""
    if kind is BackupKind.PRE_RESTORE:
        return made + RESTORE_KEPT
    week = _week(made.replace(tzinfo=None) + offset)
    if any(counts(copy, made) and _week(copy.local) == week for copy in copies):
        return made + timedelta(days=policy.days + GRACE_DAYS)
    return made + timedelta(days=7 * policy.weeks + WEEK_GRACE_DAYS)


# -- what keeps ----------------------------------------------------------------------------------------------------

Kept = tuple[Copy, Reason]


def _slots(counted: Sequence[Copy], policy: Policy) -> list[Kept]:
    found: list[Kept] = []
    for copy in _last(counted, policy.hourly, lambda each: each.made.replace(minute=0, second=0, microsecond=0)):
        hour = copy.made.replace(minute=0, second=0, microsecond=0)
        text = Text("hourly of {hour} UTC", hour=f"{_day(hour)} {hour:%H}:00")
        found.append((copy, Reason(text, hour + timedelta(hours=policy.hourly))))
    for copy in _last(counted, policy.days, lambda each: each.local.date()):
        until = _midnight(copy, copy.local.date() + timedelta(days=policy.days))
        found.append((copy, Reason(Text("daily of {day}", day=_day(copy.local)), until)))
    for copy in _first(counted, policy.weeks, lambda each: _week(each.local)):
        monday = copy.local.date() - timedelta(days=copy.local.weekday())
        until = _midnight(copy, monday + timedelta(weeks=policy.weeks))
        found.append((copy, Reason(Text("weekly of week {week}", week=_week(copy.local)[1]), until)))
    found += [
        (copy, Reason(Text("monthly of {month}", month=f"{copy.local:%b} {copy.local.year}")))
        for copy in _first(counted, policy.monthly, lambda each: (each.local.year, each.local.month))
    ]
    found += [
        (copy, Reason(Text("yearly of {year}", year=str(copy.local.year))))
        for copy in _first(counted, policy.yearly, lambda each: each.local.year)
    ]
    return found


def _single(counted: Sequence[Copy], policy: Policy, now: datetime) -> list[Kept]:
    found: list[Kept] = []
    if counted:
        found.append((counted[-1], Reason(Text("newest"))))
    drilled = [copy for copy in counted if copy.drilled]
    if drilled:
        found.append((drilled[-1], Reason(Text("newest that a drill restored"))))
    first = base(counted, policy, now)
    if first is not None:
        found.append((first, Reason(Text("base of the point-in-time window"))))
    return found


def _newest_kept(history: Sequence[Copy], now: datetime) -> list[Kept]:
    """The newest good one of those that restores kept."""
    mine = [each for each in history if each.kind is BackupKind.PRE_RESTORE and each.good]
    sure = [each for each in mine if not each.misdated and not ahead(each, now)]
    return [(each, Reason(Text("newest that a restore kept"))) for each in sure[-1:]]


def _own(history: Sequence[Copy], now: datetime) -> list[Kept]:
    """What keeps a copy whatever the others are."""
    found: list[Kept] = []
    for copy in history:
        if copy.pinned:
            found.append((copy, Reason(Text("pinned"))))
        found += [(copy, Reason(text)) for text in copy.needed_by]
        if ahead(copy, now):
            found.append((copy, Reason(Text("dated in the future"), copy.made)))
        elif copy.kind is BackupKind.PRE_RESTORE and now < copy.made + RESTORE_KEPT:
            found.append((copy, Reason(Text("kept before a restore"), copy.made + RESTORE_KEPT)))
        elif copy.misdated and now < copy.made + FAILED_KEPT:
            found.append((copy, Reason(Text("dated wrongly; kept to be looked at"), copy.made + FAILED_KEPT)))
        elif not copy.good and now < copy.made + FAILED_KEPT:
            found.append((copy, Reason(Text("failed a check; kept to be looked at"), copy.made + FAILED_KEPT)))
    return found


def _last(counted: Sequence[Copy], count: int, period: Callable[[Copy], Any]) -> list[Copy]:
    """The newest copy of each of the last `count` periods that have one."""
    chosen = {period(copy): copy for copy in counted}
    return [chosen[each] for each in sorted(chosen, reverse=True)[:count]]


def _first(counted: Sequence[Copy], count: int, period: Callable[[Copy], Any]) -> list[Copy]:
    """The oldest copy of each of the last `count` periods that have one."""
    chosen = {period(copy): copy for copy in reversed(counted)}
    return [chosen[each] for each in sorted(chosen, reverse=True)[:count]]


def _week(local: datetime) -> tuple[int, int]:
    """The ISO year and week: 1 January can be in week 53 of the year before."""
    year, week, _ = local.isocalendar()
    return year, week


def _day(local: datetime) -> str:
    return f"{local.day} {local:%b}"


def _midnight(copy: Copy, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - copy.offset


# -- what goes -----------------------------------------------------------------------------------------------------


def _held(counted: Sequence[Copy], now: datetime) -> tuple[Text, ...]:
    if not counted or now - counted[-1].made > FRESH:
        return (Text("there is no good backup younger than 36 hours"),)
    return ()


def _deletions(
    loose: Sequence[Copy],
    counted: Sequence[Copy],
    now: datetime,
    held: tuple[Text, ...],
    visiting: tuple[Text, ...] | None = None,
) -> tuple[tuple[Copy, ...], dict[BackupId, Text]]:
    """What goes, and why the rest of `loose` stays. `visiting`: what holds instead for what restores kept on a server
    that is only restored to; None on others."""
    remaining = len(counted)
    delete: list[Copy] = []
    waiting: dict[BackupId, Text] = {}
    for copy in loose:
        alone = visiting is not None and copy.kind is BackupKind.PRE_RESTORE
        stays = visiting if visiting is not None and alone else held
        if copy.free_after is not None and copy.free_after > now:
            waiting[copy.id] = Text("nothing needs it; locked until {time}", time=copy.free_after)
        elif stays:
            waiting[copy.id] = Text("nothing needs it; it stays while {why}", why=stays[0])
        elif not alone and remaining - counts(copy, now) < LEAST_DAYS:
            waiting[copy.id] = Text("nothing needs it; fewer than {least} would remain", least=LEAST_DAYS)
        elif len(delete) == MOST_DELETED:
            waiting[copy.id] = Text("nothing needs it; it goes in a later run")
        else:
            delete.append(copy)
            remaining -= counts(copy, now)
    return tuple(delete), waiting


def _extensions(kept: Sequence[Copy], now: datetime) -> tuple[Extension, ...]:
    return tuple(
        Extension(copy, now + LOCK_MORE)
        for copy in kept
        if copy.safe_until is None or copy.safe_until < now + LOCK_LEFT
    )


def _alarms(history: Sequence[Copy], now: datetime, skew: timedelta, *, locking: bool) -> tuple[Text, ...]:
    found = [
        Text("{id} is dated in the future: a clock was wrong.", id=copy.id) for copy in history if ahead(copy, now)
    ]
    if locking:
        found += [
            Text("{id} is not locked, though the store locks what it keeps.", id=Code(copy.id))
            for copy in history
            if copy.safe_until is None
        ]
    if abs(skew) > SKEW:
        found.append(Text("{skewed}. Correct the clock.", skewed=_skewed(skew)))
    return tuple(found)


def _skewed(skew: timedelta) -> Text:
    return Text("this machine's clock and the store's are {skew} apart", skew=Seconds(abs(skew).total_seconds()))
