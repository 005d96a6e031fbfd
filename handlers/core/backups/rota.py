"""The rota: what is done without anybody asking, round after round, in every worker.

- At a tick of the schedule it asks the desk for `/backup now`, and when that job has ended for `/backup prune`, also
  when the backup failed: locks are lengthened every day. Nobody but the desk begins anything.
- Behind a gap in the saved oplog a backup is asked for at once (gaps.py); a restore makes such a gap, too. Without a
  schedule it is only told, as long as nobody makes one.
- Chores have schedules of their own: a check, a drill, removing what old restores kept. One that was missed is made up
  for by the next, and what it has to say is on the card of its job; one that somebody at work kept away is told.
- Somebody at work is waited for, as long as the tick may still be caught up (turns.py).
- Before a tick is run, its backup is looked for: one that was lost sight of is not made twice.
- What was missed, and what was refused, is told. What went well has its own card and is told by nobody.
- Once a minute the age of the newest good copy is noted for `/metrics`. Over 26 hours it is an alarm, until there is
  a young one again; not while the backup that would end it waits for its lane or is being made, for six hours at most.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from handlers.core.backups.gaps import Gaps
from handlers.core.backups.holdings import Holdings
from handlers.core.backups.retention import counts
from handlers.core.backups.schedules import AHEAD, CATCH_UP, Schedule, Ticks
from handlers.core.backups.turns import Turn, Turns
from handlers.core.door.alarms import Alarm, Alarms
from handlers.core.door.desk import Desk
from handlers.core.formats.manifests import BackupKind, Manifest
from handlers.core.ports import Clock, State
from handlers.core.words.answers import Actor, Invocation, PersonId, Surface, TargetName
from handlers.core.words.digests import canonical
from handlers.core.words.text import Code, Seconds, Text

STALE = timedelta(hours=26)
WATCH_SECONDS = 60.0
SCHEDULE = PersonId("schedule")


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that is asked of the desk at the ticks of a schedule: a command and its first words."""

    schedule: Schedule
    command: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Duty:
    """What is done for every target, and where it is said. `schedule` None: no backups are made, only watched. `limit`:
    for how long a missed tick is caught up. `servers`: targets that are only restored to: nothing is made or watched
    there, only what restores kept, collections and copies, is removed when its time is over."""

    schedule: Schedule | None
    team: str
    channel: str
    limit: timedelta = CATCH_UP
    chores: tuple[Chore, ...] = ()
    servers: frozenset[TargetName] = frozenset()

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return Actor(SCHEDULE, self.team, Surface.SCHEDULE)


@dataclass(frozen=True, slots=True)
class Freshness:
    """What was seen of the copies of a target. `newest`: when the newest good one was made; None: there is none."""

    newest: datetime | None
    good: int


class Rota:
    """See the module. One object for each process."""

    def __init__(self, desk: Desk, holdings: Holdings, alarms: Alarms, state: State, clock: Clock, duty: Duty) -> None:
        self._desk = desk
        self._holdings = holdings
        self._alarms = alarms
        self._state = state
        self._clock = clock
        self._duty = duty
        self._turns = Turns(desk, alarms, state, clock)
        self._watched: dict[TargetName, float] = {}

    def round(self, target: TargetName) -> None:
        """Does what is to be done now for one target. Raises OutsideError or Damage; the next round goes on."""
        if target in self._duty.servers:
            if self._duty.schedule is not None:
                self._turns.take(self._pruning(target, self._duty.schedule, None))
            return self._do_chores(target, [each for each in self._duty.chores if each.command == "restore"])
        if self._duty.schedule is not None:
            self._turns.take(self._backup(target, self._duty.schedule))
            backups = Ticks(self._state, self._duty.schedule, target)
            self._turns.take(self._pruning(target, self._duty.schedule, backups))
        self._do_chores(target, self._duty.chores)
        if self._clock.monotonic() - self._watched.get(target, -WATCH_SECONDS) >= WATCH_SECONDS:
            self._watched[target] = self._clock.monotonic()
            self._watch(target)
            self._begin_anew(target)
        return None

    # -- turns -------------------------------------------------------------------------------------------------

    def _backup(self, target: TargetName, schedule: Schedule) -> Turn:
        def done(tick: datetime) -> bool:
            made = self._newest_scheduled(target)
            return made is not None and made >= tick

        wish, began = self._invocation("now", target), partial(self._newest_scheduled, target)
        return Turn(schedule, target, wish, self._duty.limit, began, done=done, tells_missed=True, tells_refused=True)

    def _pruning(self, target: TargetName, schedule: Schedule, backups: Ticks | None) -> Turn:
        """`backups`: whose job of that tick is waited for, which may be late itself; None where none is made."""
        return Turn(
            Schedule("prune", schedule.line, schedule.zone),
            target,
            self._invocation("prune", target),
            self._duty.limit + CATCH_UP,
            partial(self._newest_scheduled, target),
            done=lambda tick: backups is None and not self._holdings.any(target),
            after=backups,
            tells_refused=True,
        )

    def _do_chores(self, target: TargetName, chores: Iterable[Chore]) -> None:
        for each in chores:
            wish = Invocation(each.command, (*each.words, target), self._duty.actor, self._duty.channel)
            began = partial(self._newest_scheduled, target)
            self._turns.take(Turn(each.schedule, target, wish, self._duty.limit, began))

    def _newest_scheduled(self, target: TargetName) -> datetime | None:
        """When the schedule made its newest copy, so that a lost state neither loses a tick nor repeats one."""
        now = self._clock.now()
        made = [
            each.made
            for each in self._holdings.read(target, locks=False).copies
            if each.kind is BackupKind.SCHEDULED and each.made <= now + AHEAD
        ]
        return max(made, default=None)

    def _begin_anew(self, target: TargetName) -> None:
        """A backup behind a gap."""
        gaps = Gaps(self._state, target)
        gap, now = gaps.open(), self._clock.now()
        if gap is None:
            return
        if gaps.tell(gap):
            why = Text("{why} Moments inside it cannot be restored. A backup is made now.", why=gap.why)
            if self._duty.schedule is None:
                why = Text(
                    "{why} No moment after it can be restored before there is a new backup: make one with "
                    "`/backup now {target}`. None is made by itself: BACKUP_SCHEDULE is off.",
                    why=gap.why,
                    target=Code(target),
                )
            alarm = Alarm("gap", "backup.gap", target, why, {"at": gap.at.isoformat()})
            self._alarms.tell(alarm, self._duty.actor, self._duty.channel)
        elif self._desk.holder(target) is None:
            made = self._holdings.read(target, locks=False).listing.manifests
            if any(_begins_anew(each, gap.at) for each in made):
                gaps.close(gap)
            elif self._duty.schedule is not None and gaps.ask(gap, now):
                self._desk.ask(self._invocation("now", target))

    def _invocation(self, word: str, target: TargetName) -> Invocation:
        return Invocation("backup", (word, target), self._duty.actor, self._duty.channel)

    # -- the alarm ---------------------------------------------------------------------------------------------

    def _watch(self, target: TargetName) -> None:
        now = self._clock.now()
        holding = self._holdings.read(target, locks=False)
        good = [each.made for each in holding.copies if counts(each, holding.now)]
        fresh = Freshness(max(good, default=None), len(good))
        note(self._state, target, fresh)
        since = fresh.newest or first_seen(self._state, target, now)
        if now - since > STALE and self._late(target, now):
            return
        if now - since > STALE:
            text = Text(
                "The newest good backup of {target} is {age} old. Look at the card of the last backup, put right what "
                "it names, and make one with `/backup now {target}`. Nothing is deleted meanwhile.",
                target=Code(target),
                age=Seconds((now - since).total_seconds()),
            )
            if fresh.newest is None:
                text = Text(
                    "There is no good backup of {target}. Make one with `/backup now {target}`.", target=Code(target)
                )
            alarm = Alarm("stale", "backup.stale", target, text, {"since": since.isoformat()})
            self._alarms.lasts(alarm, self._duty.actor, self._duty.channel)
        elif fresh.newest is not None:
            text = Text("There is a good backup of {target} again, made at {time}.", target=Code(target), time=since)
            self._alarms.over("stale", target, text, self._duty.actor)

    def _late(self, target: TargetName, now: datetime) -> bool:
        """Whether a backup that is due waits for somebody, or is being made: whether it comes is not decided yet."""
        if self._duty.schedule is None:
            return False
        limit, ticks = min(self._duty.limit, CATCH_UP), Ticks(self._state, self._duty.schedule, target)
        wait, last = ticks.waiting(now), ticks.last()
        if wait is not None:
            return now - wait.since <= limit
        job_id = None if last is None or not now - limit <= last <= now else ticks.job(last)
        job = None if job_id is None else self._desk.load(job_id)
        return job is not None and not job.state.final


def _begins_anew(manifest: Manifest, after: datetime) -> bool:
    """Whether moments can be restored again from it on. What a restore kept may be of another database."""
    return manifest.slice is not None and manifest.created >= after and manifest.kind is not BackupKind.PRE_RESTORE


# -- what is noted -------------------------------------------------------------------------------------------------


def note(state: State, target: TargetName, fresh: Freshness) -> None:
    """Remembers what was seen, for `/metrics`. Raises OutsideError."""
    held = state.get(f"fresh:{target}")
    newest = None if fresh.newest is None else fresh.newest.isoformat()
    value = canonical({"newest": newest, "good": fresh.good})
    if held is None or held.value != value:
        state.put_if(f"fresh:{target}", value, None if held is None else held.version)


def noted(state: State, targets: Iterable[TargetName]) -> Mapping[TargetName, Freshness]:
    """What was seen last, of those that were looked at. Raises OutsideError."""
    found: dict[TargetName, Freshness] = {}
    for target in targets:
        held = state.get(f"fresh:{target}")
        if held is not None:
            data = json.loads(held.value)
            newest = None if data["newest"] is None else datetime.fromisoformat(data["newest"])
            found[target] = Freshness(newest, int(data["good"]))
    return found


def first_seen(state: State, target: TargetName, now: datetime) -> datetime:
    """When a target without any good copy was looked at first. Raises OutsideError."""
    key = f"watched:{target}"
    state.put_if(key, now.isoformat().encode(), None)
    held = state.get(key)
    return now if held is None else datetime.fromisoformat(held.value.decode())
