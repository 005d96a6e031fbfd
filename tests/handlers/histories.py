"""Nights of backups as they happen: failures, outages, wrong clocks, checks that fail, pins, other zones and settings,
and two pruners at once. `violations` is what a history did to what must never happen.

- `true` is when something really happened; what a copy says of itself can be wrong.
- A deletion is judged when it happens: the newest seven days and four weeks that have a good copy have one after it
  too, the newest good copy is not the one, seven good ones remain, and nothing locked, pinned or needed goes.
- Without failing checks the whole history is judged every night: of all good copies ever made, the newest seven days
  and four weeks still have one.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from handlers.core.backups.retention import Copy, Extension, Policy, ahead, counts, decide, lock_until_at_write
from handlers.core.formats.manifests import BackupKind
from handlers.core.words.answers import BackupId
from handlers.core.words.text import Text

ZONES = ("UTC", "Asia/Tehran", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe")
BEGIN = datetime(2026, 8, 1, 2, 0, tzinfo=UTC)
NIGHT = timedelta(days=1)


@dataclass
class Habits:
    """How often things happen in a night; shares from 0 to 1."""

    failure: float = 0.05
    outage: float = 0.004
    by_hand: float = 0.05
    restore: float = 0.01
    jump: float = 0.01
    failing_check: float = 0.01
    drill: float = 0.1
    pin: float = 0.02
    needed: float = 0.02
    move: float = 0.01
    second_pruner: float = 0.2
    locking: bool = True


@dataclass
class History:
    """One target's history under one source of luck."""

    luck: random.Random
    habits: Habits = field(default_factory=Habits)
    copies: dict[BackupId, Copy] = field(default_factory=dict)
    true: dict[BackupId, datetime] = field(default_factory=dict)
    ever: dict[BackupId, Copy] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    now: datetime = BEGIN
    skew: timedelta = timedelta(0)
    wrong_nights: int = 0
    down_nights: int = 0
    deleted: int = 0
    violations: list[str] = field(default_factory=list)

    def chance(self, share: float) -> bool:
        return self.luck.random() < share

    def night(self) -> None:
        """One night, with what happens in it."""
        self.now += NIGHT
        self._clock()
        self._settings()
        if self.down_nights:
            self.down_nights -= 1
            return
        if self.chance(self.habits.outage):
            self.down_nights = self.luck.randint(3, 25)
        self._people()
        before = tuple(self.copies.values())
        if self.chance(self.habits.restore):
            self.make(BackupKind.PRE_RESTORE)
        if self.chance(self.habits.by_hand):
            self.make(BackupKind.MANUAL)
        if not self.chance(self.habits.failure):
            self.make(BackupKind.SCHEDULED)
        self.prune(before if self.chance(self.habits.second_pruner) else None)
        self._whole()

    def make(self, kind: BackupKind) -> None:
        """A good copy, dated by this machine's clock."""
        self.now += timedelta(seconds=self.luck.randint(1, 5000))
        made = self.now + self.skew
        offset = made.astimezone(self.zone).utcoffset() or timedelta(0)
        lock = lock_until_at_write(kind, self.now, offset, tuple(self.copies.values()), self.policy)
        identity = BackupId(f"{made:%Y%m%dt%H%M%S} {len(self.ever)}")
        locks = (lock, lock + timedelta(seconds=9)) if self.habits.locking else ()
        copy = Copy(identity, made, kind, offset, locks=locks, stored=self.now)
        self.copies[identity] = self.ever[identity] = copy
        self.true[identity] = self.now

    def prune(self, stale: tuple[Copy, ...] | None = None) -> None:
        """One run; with `stale`, a second one beside it that read the history before the night's backup. Pins, checks
        and drills are not between the two: they are jobs on the same target, and there is one at a time."""
        runs = [tuple(self.copies.values())]
        if stale is not None:
            runs.insert(self.luck.randint(0, 1), stale)
        for number, seen in enumerate(runs):
            decision = decide(seen, self.policy, self.now, self.skew, locking=self.habits.locking)
            for extension in decision.extend:
                self._extend(extension)
            for copy in decision.delete:
                there = self.copies.get(copy.id)
                # The store refuses what was locked anew since the history was read.
                old = number > 0 or seen is stale
                if there is not None and not (old and self._locked(there)):
                    self._delete(there)

    def _locked(self, copy: Copy) -> bool:
        """The store refuses to delete it, whatever an old decision says."""
        return any(lock is not None and lock > self.now for lock in copy.locks)

    def _extend(self, extension: Extension) -> None:
        there = self.copies.get(extension.copy.id)
        if there is None:
            return
        if any(lock is not None and extension.until < lock for lock in there.locks):
            extension = Extension(there, max(lock for lock in (*there.locks, extension.until) if lock is not None))
        self.copies[there.id] = replace(there, locks=(extension.until, extension.until))

    def _delete(self, copy: Copy) -> None:
        good = [each for each in self.copies.values() if counts(each, self.now)]
        after = [each for each in good if each.id != copy.id]
        if days(good) != days(after):
            self._violated("took a day away", copy)
        if weeks(good) != weeks(after):
            self._violated("took a week away", copy)
        if counts(copy, self.now):
            if copy.made == max(each.made for each in good):
                self._violated("deleted the newest good copy", copy)
            if self.true[copy.id] == max(self.true[each.id] for each in good):
                self._violated("deleted the copy that was really the newest", copy)
        if len(after) < 7:
            self._violated(f"left {len(after)} good copies", copy)
        if copy.pinned or copy.needed_by or ahead(copy, self.now):
            self._violated("deleted what is pinned, needed or dated in the future", copy)
        if self._locked(copy):
            self._violated("deleted under a lock", copy)
        del self.copies[copy.id]
        self.deleted += 1

    def _whole(self) -> None:
        if self.habits.failing_check or self.habits.jump:
            return
        ever = [copy for copy in self.ever.values() if counts(copy, self.now)]
        there = [copy for copy in self.copies.values() if counts(copy, self.now)]
        if days(ever) != days(there):
            self.violations.append(f"{self.now:%d %b}: a day is missing")
        if weeks(ever) != weeks(there):
            self.violations.append(f"{self.now:%d %b}: a week is missing")

    def _violated(self, what: str, copy: Copy) -> None:
        self.violations.append(f"{self.now:%Y-%m-%d}: {what}: {copy.id}")

    def _clock(self) -> None:
        if self.wrong_nights:
            self.wrong_nights -= 1
            if not self.wrong_nights:
                self.skew = timedelta(0)
        elif self.chance(self.habits.jump):
            self.wrong_nights = self.luck.randint(1, 9)
            self.skew = timedelta(days=self.luck.choice([-400, -30, -1, 1, 30, 400]), hours=self.luck.randint(0, 5))

    def _settings(self) -> None:
        if self.chance(self.habits.move):
            self.zone = ZoneInfo(self.luck.choice(ZONES))
        if self.chance(self.habits.move):
            self.policy = replace(
                self.policy,
                daily=self.luck.choice([0, 3, 7, 7, 14]),
                weekly=self.luck.choice([0, 2, 4, 4, 8]),
                hourly=self.luck.choice([0, 0, 24]),
                monthly=self.luck.choice([0, 0, 12]),
                window=self.luck.choice([None, timedelta(days=5)]),
            )

    def _people(self) -> None:
        for copy in list(self.copies.values()):
            if self.chance(self.habits.failing_check / 4):
                copy = replace(copy, good=False)
            if self.chance(self.habits.drill / 8):
                copy = replace(copy, drilled=True)
            if self.chance(self.habits.pin / 4):
                copy = replace(copy, pinned=not copy.pinned)
            if self.chance(self.habits.needed / 4):
                copy = replace(copy, needed_by=() if copy.needed_by else (Text("an open restore"),))
            self.copies[copy.id] = copy


def days(good: list[Copy]) -> list[date]:
    """The newest seven that have a good copy."""
    return sorted({copy.local.date() for copy in good})[-7:]


def weeks(good: list[Copy]) -> list[tuple[int, int]]:
    """The newest four that have a good copy."""
    return sorted({(copy.local.isocalendar().year, copy.local.isocalendar().week) for copy in good})[-4:]
