"""A rollback: back to what ran when the service was well, exactly as it was confirmed, and back again when that does
not help.

1. The plan: what the platform remembers as the version before, or what was known good; everything in it can be had.
2. The worker plans anew; when that gives something else, nothing is done. Then `begin`, and a look for another open
   rollback of the target: one at a time, also when the state was lost.
3. `intent put`, the change, `done put`; health is waited for until the time is over.
4. No health: `intent return`, the way back, `done return`. Where the platform cannot be told that, it stays, and that
   is said.
5. `end`: the verdict, and what runs now as the platform says it.
A worker that died left a journal: whoever takes it over looks first, then brings it to an end in the direction that was
decided. Not more than a quarter of an hour later: then it only says what is true. A worker that was replaced does
nothing more and tells what the other one found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from handlers.core.door.step_journals import Replaced
from handlers.core.ports import ArtifactStore, Clock
from handlers.core.runbooks.attempts import Result, StepState
from handlers.core.runbooks.deployments import Change, Seen, Services, Version
from handlers.core.runbooks.known_good import KnownGood
from handlers.core.runbooks.rollback_journals import RollbackJournal, changes_of, left, open_rollbacks
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError, Problem, Refusal
from handlers.core.words.jobs import Job
from handlers.core.words.text import Code, Seconds, Text

MOST_CHANGES = 40
FETCH_SECONDS = 60.0
POLL_SECONDS = 2.0
LOOK_SECONDS = 5.0
RESUME_SECONDS = 900.0
WATCH_SECONDS = 1200.0
NOTHING = Text("Everything runs in the version that was well: there is nothing to roll back.")
Check = Callable[[], None]


class Stopped(Exception):
    """What a worker's own check raised: it may not go on, whatever the platform did."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Rollbacks:
    """Those of one target. `well`: health now, None where none is configured; `known`: None where the platform itself
    remembers what ran before."""

    target: TargetName
    services: Services
    store: ArtifactStore
    clock: Clock
    well: Callable[[float], Result] | None
    known: KnownGood | None = None

    def plan(self) -> tuple[Change, ...]:
        """What would be changed now. Raises Refusal, saying why nothing can be, or OutsideError."""
        self._alone()
        seen = self.services.look()
        changes = self._wanted(seen)
        if not changes:
            raise Refusal(NOTHING)
        if len(changes) > MOST_CHANGES:
            raise Refusal(Text("A rollback of {count} services is more than I show on a card.", count=len(changes)))
        self.services.fetch({each.service: each.after for each in changes}, FETCH_SECONDS)
        return changes

    def run(self, job: Job, seconds: float, check: Check) -> Result:
        """Does what was confirmed. Raises Refusal when nothing was done; what `check` raises; OutsideError."""
        changes = changes_of(job)
        if self.plan() != changes:
            raise Refusal(Text("What would be rolled back changed since it was confirmed. Nothing was done; plan it "
                               "anew."))  # fmt: skip
        check()
        journal = RollbackJournal(self.store, self.target, job.id)
        journal.begin(job, self.clock.now())
        try:
            self._alone(journal)
        except Refusal as refusal:
            journal.conclude(Result(StepState.UNKNOWN, refusal.text), self.clock.now())
            raise
        return self._followed(_Attempt(self, journal, changes, seconds, check), _Attempt.forward)

    def resume(self, job: Job, seconds: float) -> Result | None:
        """Brings what another worker began to its end; None when nothing was begun. Raises OutsideError or Damage."""
        journal = RollbackJournal(self.store, self.target, job.id).read()
        if not journal.entries:
            return None
        if journal.result is not None:
            journal.close()
            return journal.result
        journal.write("taken", now=self.clock.now())
        return self._followed(_Attempt(self, journal, changes_of(job), seconds, lambda: None), _Attempt.onward)

    def lost(self) -> tuple[Job, ...]:
        """Jobs whose rollback is not over, so that somebody looks after them when the state was lost."""
        found = (
            RollbackJournal(self.store, self.target, job).read() for job in open_rollbacks(self.store, self.target)
        )
        return tuple(job for journal in found if (job := journal.begun()) is not None)

    def _wanted(self, seen: Seen) -> tuple[Change, ...]:
        wanted = seen.previous
        if wanted is None:
            good = None if self.known is None else self.known.before(seen.running)
            if good is None:
                raise Refusal(Text("I know of no older version that ran while health was green, so there is nothing to "
                                   "go back to."))  # fmt: skip
            wanted = good.versions
        if not wanted:
            raise Refusal(Text("Nothing here has an earlier version to go back to."))
        for service in wanted:
            if service not in seen.running:
                raise Refusal(Text("{service} does not run in any version now: start it first, so that I know where to "
                                   "return to.", service=Code(service)))  # fmt: skip
        found = tuple(
            Change(service, seen.running[service], version)
            for service, version in wanted.items()
            if seen.running[service].id != version.id
        )
        if seen.previous is not None and self.services.takes_back:
            self._not_again(found)
        return found

    def _not_again(self, changes: Sequence[Change]) -> None:
        """What the last rollback left is not where the next one goes."""
        bad = {(each.service, each.before.id) for each in left(self.store, self.target)}
        for each in changes:
            if (each.service, each.after.id) in bad:
                raise Refusal(Text("The version of {service} before this one is {version}, which was rolled back from. "
                                   "I do not go there again.", service=Code(each.service),
                                   version=Code(str(each.after))))  # fmt: skip

    def _alone(self, mine: RollbackJournal | None = None) -> None:
        others = [each for each in open_rollbacks(self.store, self.target) if mine is None or each != mine.job]
        if others:
            raise Refusal(Text("Another rollback of {target} is not over yet (job {job}). Nothing was done.",
                               target=Code(self.target), job=Code(others[0])))  # fmt: skip

    def _followed(self, attempt: _Attempt, how: Callable[[_Attempt], Result]) -> Result:
        """The attempt's result, or what another worker found that replaced this one."""
        try:
            return how(attempt)
        except Stopped as stopped:
            raise stopped.problem from stopped
        except Replaced:
            return self._watched(attempt)

    def _watched(self, attempt: _Attempt) -> Result:
        until = self.clock.monotonic() + WATCH_SECONDS
        while self.clock.monotonic() < until:
            found = RollbackJournal(self.store, self.target, attempt.journal.job).read().result
            if found is not None:
                return found
            self.clock.sleep(POLL_SECONDS)
        raise OutsideError(Text("Another worker took this rollback over and has not ended it yet."))


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One worker at one rollback."""

    house: Rollbacks
    journal: RollbackJournal
    changes: tuple[Change, ...]
    seconds: float
    check: Check

    def forward(self) -> Result:
        """To what was well; back when it is not."""
        until = self.house.clock.monotonic() + self.seconds
        self._write("intent", "put")
        trouble, output = self._put(self.changes, self.seconds)
        if trouble is None:
            self._write("done", "put")
            found = self._health(until)
            if found is None:
                text = Text("{count} services went back, and there is no health address that could tell whether that "
                            "helped.", count=len(self.changes))  # fmt: skip
                return self._end(StepState.UNKNOWN, text, output)
            if found.state is StepState.PASSED:
                text = Text("{count} services went back. {health}", count=len(self.changes), health=found.text)
                return self._end(StepState.PASSED, text, output)
            trouble = found
        return self._gone_wrong(trouble, output)

    def onward(self) -> Result:
        """What another worker left, from where it is."""
        clock, journal = self.house.clock, self.journal
        why = Text("Its worker stopped, and another one looked.")
        if not journal.touched:
            return self._end(StepState.UNKNOWN, Text("{why} Nothing had been changed.", why=why), "")
        if not self.house.services.takes_back:
            return self._end(StepState.INTERRUPTED, Text("{why} What was done is not known. It can be run again.",
                                                         why=why), "")  # fmt: skip
        if clock.now() - journal.began > timedelta(seconds=RESUME_SECONDS):
            return self._told(why)
        if journal.returning:
            return self._back(Result(StepState.FAILED, Text("{why} It was on its way back.", why=why)), "")
        return self.forward()

    def _told(self, why: Text) -> Result:
        """Only what is true, and nothing is changed."""
        well = self._health(self.house.clock.monotonic())
        there = self._where() == {each.service: each.after.id for each in self.changes}
        if there and well is not None and well.state is StepState.PASSED:
            return self._end(StepState.PASSED, Text("{why} {health}", why=why, health=well.text), "")
        text = Text("{why} It is not done again by itself; press Run to plan it anew.", why=why)
        return self._end(StepState.UNKNOWN, text, "")

    def _gone_wrong(self, trouble: Result, output: str) -> Result:
        if not self.house.services.takes_back:
            text = Text("The rollback did not help, and was not taken back: {trouble}", trouble=trouble.text)
            return self._end(trouble.state, text, output)
        return self._back(trouble, output)

    def _back(self, trouble: Result, output: str) -> Result:
        self._write("intent", "return")
        again, more = self._put(self._returns(), self.seconds)
        output = f"{output}\n{more}".strip()
        if again is not None:
            text = Text("{trouble} Then I could not return to where it was: {again} Somebody must look now.",
                        trouble=trouble.text, again=again.text)  # fmt: skip
            return self._end(StepState.FAILED, text, output)
        self._write("done", "return")
        text = Text("{trouble} I returned to where it was.", trouble=trouble.text)
        return self._end(trouble.state, text, output)

    def _returns(self) -> tuple[Change, ...]:
        """The way back, for all but what somebody else changed meanwhile."""
        now = self._where() or {}
        return tuple(
            each.back
            for each in self.changes
            if now.get(each.service, each.after.id) in {each.before.id, each.after.id}
        )

    def _put(self, changes: Sequence[Change], seconds: float) -> tuple[Result | None, str]:
        """None when it is done, else what went wrong; and the output."""
        try:
            ended = self.house.services.put(changes, seconds, self._beats())
        except Problem as problem:
            return Result(StepState.FAILED, problem.text), ""
        if ended.code is None:
            return Result(StepState.UNKNOWN, Text("It was not done in {time}.", time=Seconds(seconds))), ended.output
        if ended.code:
            return Result(StepState.FAILED, Text("It ended with {code}.", code=ended.code)), ended.output
        return None, ended.output

    def _health(self, until: float) -> Result | None:
        """The last word of the health address: asked until it is well or the time is over. None: there is none."""
        if self.house.well is None:
            return None
        while True:
            rest = until - self.house.clock.monotonic()
            found = self.house.well(max(1.0, min(LOOK_SECONDS, rest)))
            if found.state is StepState.PASSED or rest <= POLL_SECONDS:
                return found
            self._checked()
            self.house.clock.sleep(POLL_SECONDS)

    def _where(self) -> dict[str, str] | None:
        """What runs now, of the services that were changed; None when that is not known."""
        try:
            running = self.house.services.look().running
        except Problem:
            return None
        return {each.service: running[each.service].id for each in self.changes if each.service in running}

    def _end(self, state: StepState, text: Text, output: str) -> Result:
        facts = tuple((each.service, f"{each.before} → {each.after}") for each in self.changes)
        if self.house.services.takes_back:
            where = self._where()
            known = {each.service: {v.id: v for v in (each.before, each.after)} for each in self.changes}
            now = {name: _said(known[name], version) for name, version in (where or {}).items()}
            text = Text("{text} Now {where}.", text=text, where=_sentence(now))
        result = Result(state, text, facts, output)
        self.journal.conclude(result, self.house.clock.now())
        return result

    def _write(self, what: str, step: str) -> None:
        self._checked()
        self.journal.write(what, step, now=self.house.clock.now())

    def _checked(self) -> None:
        try:
            self.check()
        except Problem as problem:
            raise Stopped(problem) from problem

    def _beats(self) -> Iterator[None]:
        while True:
            self._checked()
            yield


def _said(known: dict[str, Version], version: str) -> str:
    return str(known.get(version, Version(version)))


def _sentence(now: dict[str, str]) -> Text:
    if not now:
        return Text("it is not known what runs")
    return Text("{what}", what=", ".join(f"{service} runs {version}" for service, version in sorted(now.items())))
