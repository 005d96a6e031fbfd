"""A schedule: which of its ticks are due. Each tick runs once, however many bots there are.

- A cron line of five fields, in a zone. When the clock is put forward over a tick it comes right after the gap; when
  an hour is repeated it comes once (as Debian's cron does it). Lines with `*` for hour or minute follow real time.
- `tick:<schedule>:<target>:<tick>` in the state says who took a tick, for 30 days: a clock that goes back runs nothing
  twice. It is held for two minutes while the desk is asked, and for good once there is a job: a bot that dies in
  between loses no tick.
- `ticked:<schedule>:<target>` is the last tick that was dealt with. What came after it and was not run was missed;
  of several of the last 8 days the newest is run, when it is younger than the limit. One that lies in the future is
  not believed.
- `waits:<schedule>:<target>` says which tick was the first that waits for somebody at work, and for which job: so that
  a worker that is started anew knows it, and that job can be named when the limit passes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import groupby, takewhile

from cronsim import CronSim, CronSimError

from handlers.core.ports import Held, State
from handlers.core.words.answers import JobId, TargetName
from handlers.core.words.digests import canonical

CATCH_UP = timedelta(hours=6)
AHEAD = timedelta(minutes=5)
LOOK_BACK = timedelta(days=8)
ASKING_SECONDS = 120
KEEP_SECONDS = 30 * 86_400
ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Schedule:
    """Something that is done again and again. Raises ValueError, saying what was expected, for what is no cron line."""

    name: str
    line: str
    zone: tzinfo = UTC

    def __post_init__(self) -> None:
        expected = "a cron line of five fields, like `0 2 * * *`"
        if len(self.line.split()) != 5:
            raise ValueError(expected)
        try:
            next(CronSim(self.line, datetime(2026, 1, 1, tzinfo=UTC)))
        except (CronSimError, StopIteration) as error:
            raise ValueError(f"{expected} ({str(error).lower() or 'it never comes'})") from error

    def ticks(self, after: datetime, until: datetime) -> tuple[datetime, ...]:
        """Every tick later than `after` and not later than `until`, in UTC, the oldest first."""
        return tuple(takewhile(lambda tick: tick <= until, self._coming(after)))

    def following(self, now: datetime) -> datetime:
        """The next tick."""
        return next(self._coming(now))

    def _coming(self, after: datetime) -> Iterator[datetime]:
        """Every tick later than that, without end."""
        coming = (local.astimezone(UTC) for local in CronSim(self.line, after.astimezone(self.zone)))
        # In an hour that is repeated, cronsim can begin with its first pass.
        return (tick for tick, _ in groupby(coming) if tick > after)


@dataclass(frozen=True, slots=True)
class Due:
    """What a schedule owes now. `run`: the tick to run, None for none; `missed`: older ones, which are not run."""

    run: datetime | None
    missed: tuple[datetime, ...] = ()


def due(schedule: Schedule, after: datetime, now: datetime, limit: timedelta = CATCH_UP) -> Due:
    """What came since the last tick that was dealt with. One is caught up for five minutes whatever the limit says: no
    worker looks in its very moment."""
    limit = max(limit, AHEAD)
    if after > now + AHEAD:
        after = now - limit
    ticks = schedule.ticks(max(after, now - LOOK_BACK), now)
    if not ticks:
        return Due(None)
    if now - ticks[-1] > limit:
        return Due(None, ticks)
    return Due(ticks[-1], ticks[:-1])


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a tick, for two minutes."""

    key: str
    version: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Ticks that wait for somebody at work. `since`: the first of them; `job`: whose end is waited for."""

    since: datetime
    job: JobId


class Ticks:
    """What was done about the ticks of one schedule and target, in the state. Everything raises OutsideError."""

    def __init__(self, state: State, schedule: Schedule, target: TargetName) -> None:
        self._state = state
        self._prefix = f"tick:{schedule.name}:{target}:"
        self._last = f"ticked:{schedule.name}:{target}"
        self._waits = f"waits:{schedule.name}:{target}"

    def last(self) -> datetime | None:
        """The last tick that was dealt with; None when nothing is remembered."""
        held = self._state.get(self._last)
        return None if held is None else datetime.fromisoformat(held.value.decode())

    def claim(self, tick: datetime, *, missed: bool = False) -> Claim | None:
        """Takes a tick, or, `missed`, the telling of it; None when somebody else has it, or had."""
        key = f"{self._prefix}{tick.isoformat()}{':missed' if missed else ''}"
        version = self._state.put_if(key, b"", None, seconds=ASKING_SECONDS)
        return None if version is None else Claim(key, version)

    def release(self, claim: Claim) -> None:
        """Lets somebody try it again."""
        self._state.delete_if(claim.key, claim.version)

    def record(self, claim: Claim, job: JobId | None) -> None:
        """The tick was run, by this job, or need not be; or it was told."""
        self._state.put_if(claim.key, (job or "-").encode(), claim.version, seconds=KEEP_SECONDS)

    def ran(self, tick: datetime, *, missed: bool = False) -> bool:
        """Whether it was run, or need not be; `missed`: whether it was told."""
        held = self._state.get(f"{self._prefix}{tick.isoformat()}{':missed' if missed else ''}")
        return held is not None and held.value != b""

    def wait(self, tick: datetime, job: JobId, now: datetime) -> None:
        """The tick is due and waits for the end of that job. One that waits already has waited since its own tick."""
        for _ in range(ROUNDS):
            held = self._state.get(self._waits)
            before = self._waiting(held, now)
            wait = Wait(tick if before is None else min(before.since, tick), job)
            if wait == before:
                return
            value = canonical({"since": wait.since.isoformat(), "job": wait.job})
            version = None if held is None else held.version
            if self._state.put_if(self._waits, value, version, seconds=KEEP_SECONDS) is not None:
                return

    def waiting(self, now: datetime) -> Wait | None:
        """What waits; None when nothing does, or it has been dealt with."""
        return self._waiting(self._state.get(self._waits), now)

    def _waiting(self, held: Held | None, now: datetime) -> Wait | None:
        if held is None:
            return None
        last = self.last()
        data = json.loads(held.value)
        wait = Wait(datetime.fromisoformat(data["since"]), JobId(data["job"]))
        over = last is not None and wait.since <= last <= now + AHEAD
        return None if over or wait.since > now + AHEAD else wait

    def job(self, tick: datetime) -> JobId | None:
        """The job that ran a tick; None when there is none."""
        held = self._state.get(f"{self._prefix}{tick.isoformat()}")
        return None if held is None or held.value in {b"", b"-"} else JobId(held.value.decode())

    def passed(self, tick: datetime, now: datetime) -> None:
        """Everything up to this tick was dealt with."""
        for _ in range(ROUNDS):
            held = self._state.get(self._last)
            if held is not None:
                last = datetime.fromisoformat(held.value.decode())
                if tick <= last <= now + AHEAD:
                    return
            version = None if held is None else held.version
            if self._state.put_if(self._last, tick.isoformat().encode(), version) is not None:
                return
