"""A turn: the tick of a schedule, brought to the desk once, however many workers look.

- What is in the way is waited for: somebody at work on the target or in the lane that is wanted, and a backup before
  its pruning. The desk says who; nobody needs to know the lanes. Whoever waits asks the desk no more before that job
  has ended, and nobody is told.
- Ticks that came while one waited are run with it, as one. When the oldest has waited longer than the limit, that is
  told once, with the job that was in the way; the newest goes on waiting.
- A job that a worker asked for before it died is the one of the tick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers.core.backups.schedules import Schedule, Ticks, Wait, due
from handlers.core.door.alarms import Alarm, Alarms
from handlers.core.door.desk import Began, Desk
from handlers.core.ports import Clock, State
from handlers.core.words.answers import Invocation, Surface, TargetName
from handlers.core.words.digests import Json
from handlers.core.words.jobs import Job
from handlers.core.words.text import Code, Person, Text


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked for at the ticks of a schedule, for one target.

    `began`: from when on ticks count where nothing is remembered; None: from now on. `done`: whether a tick need not be
    run. `after`: what must have been run at the same tick before. `tells_missed`: also what was missed without anybody
    being in the way is told; `tells_refused`: what the desk refused."""

    schedule: Schedule
    target: TargetName
    wish: Invocation
    limit: timedelta
    began: Callable[[], datetime | None]
    done: Callable[[datetime], bool] = lambda tick: False
    after: Ticks | None = None
    tells_missed: bool = False
    tells_refused: bool = False

    @property
    def operation(self) -> str:
        """Of its job."""
        return f"{self.wish.command}.{self.wish.words[0]}"

    def began_by(self, job: Job, tick: datetime) -> bool:
        """Whether this job is the one of the tick."""
        asked = job.plan.actor.surface is Surface.SCHEDULE and job.plan.operation == self.operation
        return asked and job.target == self.target and job.created >= tick


class Turns:
    """Takes turns. Everything raises OutsideError or Damage; the next round goes on."""

    def __init__(self, desk: Desk, alarms: Alarms, state: State, clock: Clock) -> None:
        self._desk = desk
        self._alarms = alarms
        self._state = state
        self._clock = clock

    def take(self, turn: Turn) -> None:
        """Does what is due now."""
        ticks, now = Ticks(self._state, turn.schedule, turn.target), self._clock.now()
        last = ticks.last()
        if last is None:
            last = turn.began() or now
            ticks.passed(last, now)
        found = due(turn.schedule, last, now, turn.limit)
        if found.missed:
            self._miss(turn, ticks, found.missed, final=found.run is None)
        if found.run is not None:
            self._run(turn, ticks, found.run)

    def _run(self, turn: Turn, ticks: Ticks, tick: datetime) -> None:
        now = self._clock.now()
        if ticks.ran(tick):
            return ticks.passed(tick, now)
        if turn.after is not None and not turn.after.ran(tick):
            return None
        holder = self._in_the_way(turn, ticks)
        if holder is not None and not turn.began_by(holder, tick):
            return ticks.wait(tick, holder.id, now)
        claim = ticks.claim(tick)
        if claim is None:
            return None
        if holder is not None:
            ticks.record(claim, holder.id)
        elif turn.done(tick):
            ticks.record(claim, None)
        else:
            answer = self._desk.ask(turn.wish)
            if isinstance(answer, Began):
                ticks.record(claim, answer.job)
            elif answer.busy is None:
                self._tell_refused(turn, answer.card.title)
                ticks.record(claim, None)
            else:  # perhaps for the tick's own, which a worker that died did not note: the next round knows it
                ticks.wait(tick, answer.busy.id, now)
                return ticks.release(claim)
        return ticks.passed(tick, now)

    def _in_the_way(self, turn: Turn, ticks: Ticks) -> Job | None:
        """The job whose end must be waited for, as far as that is known without asking."""
        wait = ticks.waiting(self._clock.now())
        job = None if wait is None else self._desk.load(wait.job)
        return job if job is not None and not job.state.final else self._desk.holder(turn.target)

    # -- what is told ------------------------------------------------------------------------------------------

    def _miss(self, turn: Turn, ticks: Ticks, missed: tuple[datetime, ...], *, final: bool) -> None:
        """Ticks that are not run. `final`: and none is run in their place."""
        now = self._clock.now()
        wait = ticks.waiting(now)
        if wait is not None and not final and missed[0] >= wait.since and now - missed[0] <= turn.limit:
            return
        waited = wait if wait is not None and wait.since <= missed[-1] else None
        tells = turn.tells_missed or (waited is not None and final)
        if not tells or self._tell_missed(turn, ticks, missed, waited):
            ticks.passed(missed[-1], now)

    def _tell_missed(self, turn: Turn, ticks: Ticks, missed: tuple[datetime, ...], waited: Wait | None) -> bool:
        """Whether it is told now; False while somebody else does it."""
        claim = ticks.claim(missed[-1], missed=True)
        if claim is None:
            return ticks.ran(missed[-1], missed=True)
        missed = tuple(tick for tick in missed if not ticks.ran(tick))
        if not missed:  # the clock went back
            ticks.record(claim, None)
            return True
        facts: dict[str, Json] = {"missed": len(missed), "last": missed[-1].isoformat()}
        text = Text(
            "{count} times a backup of {target} was due and none was begun, the last time at {time}: the bot did not "
            "run, could not reach Redis, or something else was at work on {target} all the time.",
            count=len(missed),
            target=Code(turn.target),
            time=missed[-1],
        )
        if waited is not None:
            facts["job"] = waited.job
            text = Text(
                "{count} times {command} was due for {target} and not begun, the last time at {time}. {why}",
                count=len(missed),
                command=_command(turn),
                target=Code(turn.target),
                time=missed[-1],
                why=self._why(waited),
            )
        self._tell("missed", turn, text, facts)
        ticks.record(claim, None)
        return True

    def _why(self, waited: Wait) -> Text:
        job = self._desk.load(waited.job)
        if job is None:
            return Text("It waited for job {job}, of which nothing is known any more.", job=Code(waited.job))
        known = {
            "operation": Code(job.plan.operation.replace(".", " ")),
            "job": Code(job.id),
            "person": Person(job.plan.actor.person),
            "time": job.created,
        }
        if job.ended is None:
            return Text("It waits for {operation} of {person}, job {job}, begun at {time} and not over yet.", **known)
        return Text(
            "It waited for {operation} of {person}, job {job}, begun at {time} and over at {ended}.",
            ended=job.ended,
            **known,
        )

    def _tell_refused(self, turn: Turn, why: Text) -> None:
        if turn.tells_refused:
            text = Text("What the schedule asked for was refused: {why}", why=why)
            self._tell("refused", turn, text, {"reason": str(why)})

    def _tell(self, kind: str, turn: Turn, text: Text, facts: dict[str, Json]) -> None:
        facts = facts if turn.operation == "backup.now" else {**facts, "command": _command(turn).word}
        self._alarms.tell(Alarm(kind, "backup.missed", turn.target, text, facts), turn.wish.actor, turn.wish.channel)


def _command(turn: Turn) -> Code:
    return Code(f"/{turn.wish.command} {turn.wish.words[0]}")
