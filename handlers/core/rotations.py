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
  report the new version. In an emergency it goes at once.
"""

from __future__ import annotations

from handlers.core.errors import Damage, OutsideError, Refusal
from handlers.core.estates import Estate
from handlers.core.jobs import Job, JobState, Outcome
from handlers.core.rotation_journals import RotationJournal, unclosed
from handlers.core.rotation_plans import RotationPlan, entry, past
from handlers.core.text import Code, Text
from handlers.core.turns import RETIRE, ROLLBACK, Turn
from handlers.core.work import Work


class Rotations:
    """See the module."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate

    def run(self, work: Work) -> Outcome:
        """Does what the plan says. Raises Cancelled, Refusal, OutsideError or Damage; `recover` says what is so."""
        job = work.job
        turn = self._turn(job, work)
        if turn.store.look(turn.secret.place).current_id != turn.plan.current:
            raise Refusal(
                Text("{secret} was changed since you confirmed. Nothing was done.", secret=Code(turn.secret.name))
            )
        self._still(turn)
        turn.journal.begin(job, self.estate.clock.now())
        if job.plan.operation == ROLLBACK:
            work.settle()
            return turn.back()
        return turn.forward()

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """See Handler."""
        why = Text("Its worker stopped.") if reason is None else reason
        state = JobState.INTERRUPTED if reason is None else JobState.FAILED
        plan = RotationPlan.of_arguments(job.plan.arguments)
        journal = RotationJournal(self.estate.artifacts, plan.secret, job.id).read()
        if not journal.entries:
            return Outcome(state, Text("{why} Nothing was begun: the secret is as it was.", why=why), {})
        turn = self._turn(job, None)
        if turn.journal.end is not None:
            return _ended(turn, state, why)
        turn.write("taken")
        if job.plan.operation == ROLLBACK:
            return turn.back(state, why)
        if turn.finished or (reason is None and turn.promoting):
            try:
                return turn.forward()
            except OutsideError as error:
                if not error.permanent:
                    raise
                why = error.text
            except (Damage, Refusal) as problem:
                why = problem.text
        return turn.undo(state, why)

    def lost(self) -> tuple[Job, ...]:
        """Jobs whose work was begun and never closed."""
        jobs = (journal.begun() for journal in unclosed(self.estate.artifacts))
        return tuple(job for job in jobs if job is not None)

    def _still(self, turn: Turn) -> None:
        """What is retired or rolled back is still there to be, and retiring waits for its time and evidence."""
        if not turn.plan.of:
            return
        soaking = past(self.estate.artifacts, turn.secret.name).soaking
        if soaking is None or soaking.of != turn.plan.of:
            raise Refusal(Text("That rotation is not waiting any more. Nothing was done."))
        if turn.job.plan.operation == RETIRE:
            if self.estate.clock.now() < soaking.until:
                raise Refusal(Text("The old value is still needed until {until}.", until=soaking.until))
            turn.evident()

    def _turn(self, job: Job, work: Work | None) -> Turn:
        plan = RotationPlan.of_arguments(job.plan.arguments)
        secret = self.estate.secret(plan.secret)
        if entry(secret) != plan.entry:
            raise Refusal(
                Text(
                    "The entry of {secret} in SECRETS_CONFIG is not the one that was confirmed.",
                    secret=Code(secret.name),
                )
            )
        return Turn(self.estate, secret, plan, job, work)


def _ended(turn: Turn, state: JobState, why: Text) -> Outcome:
    """What the journal says of how it ended, when the worker could not say it any more."""
    end = turn.journal.end
    turn.journal.close()
    facts = {} if end is None else dict(end.facts)
    done = facts.get("state") in {"soaking", "retired"} or (facts.get("state") == "rolled_back" and turn.plan.of)
    text = Text("{why} Its work had ended before: {said}", why=why, said=str(facts.get("text", "")))
    return Outcome(JobState.DONE if done else state, text, {**facts, "secret": turn.secret.name})
