"""Rotations: a secret gets a new value without locking anybody out.

For each phase (a key ring has two: accept both, sign with the new one; other kinds have one):

    stage     the new value is kept beside the current one and read back      undone by removing it
    promote   it becomes the current one, in one step, over what it was       undone by promoting the former one
    roll out  every consumer reads it anew                                    undone by the same after a promote back
    prove     from the user's side: what must work works                      a failure undoes the phase

- Intent before each step, observation after it. Whoever goes on after a crash looks first, and repeats nothing that is
  there: an unknown answer is looked after, never answered with another value.
- A worker that died after a promote is followed forward; one that failed is followed back. What is neither the new
  version nor the one before it was put there by somebody else: then nothing is touched and a person is asked.
- The old value goes only in a job of its own (`rotate.retire`), when the longest token has ended and all replicas
  report the new version. In an emergency it goes at once; when that cannot be proved, nothing goes back by itself: the
  work goes forward once more, and then a person is asked.
- A rotation may pause on the way; another job takes it up, in its journal (handlers/core/rotation/pauses.py).
"""

from __future__ import annotations

import json
from datetime import timedelta

from handlers.core.door.work import Work
from handlers.core.rotation import pauses
from handlers.core.rotation.estates import Estate
from handlers.core.rotation.returns import Return
from handlers.core.rotation.rotation_journals import CONTINUED, RETURNING, RotationJournal, unclosed
from handlers.core.rotation.rotation_plans import PAUSE, REENCRYPT, RETIRE, ROLLBACK, RotationPlan, entry, past
from handlers.core.rotation.turns import Turn
from handlers.core.words.answers import JobId
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Code, Text


class Rotations:
    """See the module."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate

    def run(self, work: Work) -> Outcome:
        """Does what the plan says. Raises Cancelled, Refusal, OutsideError or Damage; `recover` says what is so."""
        job, plan = work.job, RotationPlan.of_arguments(work.job.plan.arguments)
        if job.plan.operation == PAUSE:
            return pauses.ask(work, self.estate.artifacts, self.estate.secret(plan.secret), self.estate.clock)
        turn = self._turn(job, work)
        if turn.store.look(turn.secret.place).current_id != plan.current:
            raise Refusal(
                Text("{secret} was changed since you confirmed. Nothing was done.", secret=Code(turn.secret.name))
            )
        if plan.resumes:
            return self._take_up(turn, work)
        self._still(turn)
        turn.journal.begin(job, self.estate.clock.now())
        if job.plan.operation == ROLLBACK:
            work.settle()
            return Return(turn).back()
        return turn.reencrypted() if job.plan.operation == REENCRYPT else turn.forward()

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """See Handler."""
        why = Text("Its worker stopped.") if reason is None else reason
        state = JobState.INTERRUPTED if reason is None else JobState.FAILED
        plan = RotationPlan.of_arguments(job.plan.arguments)
        journal = RotationJournal(self.estate.artifacts, plan.secret, _begun_by(job, plan)).read()
        at_work = journal.at_work()
        if job.plan.operation == PAUSE:
            return pauses.asked(journal, state, why)
        if at_work is None:
            return Outcome(state, Text("{why} Nothing was begun: the secret is as it was.", why=why), {})
        if at_work.id != job.id:
            return _not_begun(journal, at_work, state, why) if plan.resumes else _taken_up(journal, at_work)
        if journal.paused is not None:
            named = self.estate.managed.secrets.get(plan.secret)
            return pauses.resting(plan.secret, timedelta(0) if named is None else named.overlap, journal)
        try:
            turn = self._turn(job, None)
        except Refusal as refusal:
            # The file can be put back; until then it is not known what is so.
            raise OutsideError(refusal.text) from refusal
        if turn.journal.end is not None:
            return _ended(turn, state, why)
        turn.write("taken")
        if turn.journal.turned_back and turn.job.plan.operation != ROLLBACK:
            return Return(turn).undo(state, why)
        if job.plan.operation == REENCRYPT:
            text = Text("{why} What was re-encrypted stays so; `/rotate {secret} reencrypt` goes on.", why=why,
                        secret=plan.secret)  # fmt: skip
            return turn.end(state, "stopped", text)
        if job.plan.operation == ROLLBACK:
            return Return(turn).back(state, why)
        if turn.finished or (turn.promoted() and (reason is None or plan.emergency)):
            return _on(turn, state, why)
        return Return(turn).undo(state, why)

    def lost(self) -> tuple[Job, ...]:
        """Jobs whose work was begun and never closed."""
        jobs = (journal.at_work() for journal in unclosed(self.estate.artifacts))
        return tuple(job for job in jobs if job is not None)

    def _take_up(self, turn: Turn, work: Work) -> Outcome:
        """A paused rotation: the rest of it, or the way back."""
        if turn.journal.paused is None:
            raise Refusal(Text("That rotation is not paused any more. Nothing was done."))
        back = work.job.plan.operation == ROLLBACK
        if back or turn.promoted():
            work.settle()
        turn.write(RETURNING if back else CONTINUED, job=json.loads(work.job.to_bytes()))
        return Return(turn).undo(JobState.DONE, Text("As asked.")) if back else turn.forward()

    def _still(self, turn: Turn) -> None:
        """No rotation rests on the way. What is retired or rolled back is still there to be, and retiring waits for its
        time and evidence."""
        history = past(self.estate.artifacts, turn.secret.name)
        if history.paused:
            raise Refusal(pauses.is_paused(turn.secret))
        if not turn.plan.of:
            return
        soaking = history.soaking
        if soaking is None or soaking.of != turn.plan.of:
            raise Refusal(Text("That rotation is not waiting any more. Nothing was done."))
        if turn.job.plan.operation == RETIRE:
            if self.estate.clock.now() < soaking.until:
                raise Refusal(Text("The old value is still needed until {until}.", until=soaking.until))
            turn.evident()
            turn.issuer.unused(map(turn.value, soaking.kept), rested=soaking.rests)

    def _turn(self, job: Job, work: Work | None) -> Turn:
        """What is at work on which plan: a job that takes up another's goes on with that one's."""
        plan = RotationPlan.of_arguments(job.plan.arguments)
        if plan.resumes:
            begun = RotationJournal(self.estate.artifacts, plan.secret, JobId(plan.of)).read().begun()
            if begun is None:
                raise Refusal(Text("That rotation is not paused any more. Nothing was done."))
            job, plan = begun, RotationPlan.of_arguments(begun.plan.arguments)
        secret = self.estate.secret(plan.secret)
        if entry(secret) != plan.entry:
            raise Refusal(
                Text(
                    "The entry of {secret} in SECRETS_CONFIG is not the one that was confirmed.",
                    secret=Code(secret.name),
                )
            )
        return Turn(self.estate, secret, plan, job, work)


def _on(turn: Turn, state: JobState, why: Text) -> Outcome:
    """Forward once more; back, where that is not possible. Raises OutsideError while nobody knows."""
    try:
        return turn.forward()
    except OutsideError as error:
        if not error.permanent:
            raise
        why = error.text
    except (Damage, Refusal) as problem:
        why = problem.text
    return Return(turn).undo(state, why)


def _begun_by(job: Job, plan: RotationPlan) -> JobId:
    """Whose journal it is."""
    return JobId(plan.of) if plan.resumes or job.plan.operation == PAUSE else job.id


def _not_begun(journal: RotationJournal, by: Job, state: JobState, why: Text) -> Outcome:
    """A job that was to take it up and has done nothing."""
    if journal.paused is None:
        return Outcome(state, Text("{why} {more}", why=why, more=_passed_on(by)), {})
    return Outcome(state, Text("{why} Nothing was begun: the rotation rests where it did.", why=why), {})


def _taken_up(journal: RotationJournal, by: Job) -> Outcome:
    return Outcome(JobState.PAUSED, _passed_on(by), {"of": journal.job})


def _passed_on(by: Job) -> Text:
    return Text("It was paused, and taken up by job {job}; the card of that one says more.", job=Code(by.id))


def _ended(turn: Turn, state: JobState, why: Text) -> Outcome:
    """What the journal says of how it ended, when the worker could not say it any more."""
    end = turn.journal.end
    turn.journal.close()
    facts = {} if end is None else dict(end.facts)
    done = facts.get("state") in {"soaking", "retired", "reencrypted"} or (
        facts.get("state") == "rolled_back" and turn.plan.of
    )
    text = Text("{why} Its work had ended before: {said}", why=why, said=str(facts.get("text", "")))
    return Outcome(JobState.DONE if done else state, text, {**facts, "secret": turn.secret.name})
