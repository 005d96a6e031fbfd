"""A shift: the jobs this process works on, and the lease that says it still may.

- `lease:<job>` lives 20 s and is renewed every 2 s. Who cannot renew it stops acting before it runs out; who finds
  none takes it and looks at what is true (a dead worker is found within 30 s).
- When the state was lost while the worker lives, the worker puts the record back.
- A shift that was told to stop begins nothing more.
- A final state is stored even when that takes a while: a card must not say "running" for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from handlers.core.door.records import Jobs
from handlers.core.ports import Audit, Clock, State
from handlers.core.words.answers import JobId
from handlers.core.words.audit import AuditEvent
from handlers.core.words.digests import Json
from handlers.core.words.errors import Cancelled, OutsideError, Problem
from handlers.core.words.jobs import Job, JobState, Outcome, Progress
from handlers.core.words.text import Person, Text

LEASE_SECONDS = 20
MARGIN_SECONDS = 5.0
PROGRESS_SECONDS = 1.0
RECOVER_ROUNDS = 90
RECOVER_PAUSE_SECONDS = 10.0
END_ROUNDS = 120
END_PAUSE_SECONDS = 5.0


@dataclass(slots=True)
class Grip:
    """What is known here of one running job. Changed by the beat, read by the work."""

    version: str
    valid_until: float
    lost: bool = False
    stopped: bool = False
    cancelled_by: str | None = None


class Shift:
    """The running jobs of this process."""

    def __init__(self, jobs: Jobs, state: State, audit: Audit, clock: Clock) -> None:
        self._jobs = jobs
        self._state = state
        self._audit = audit
        self._clock = clock
        self._grips: dict[JobId, Grip] = {}
        self.stopping = False
        """Whether this process is going down."""

    def begin(self, job_id: JobId) -> Job | None:
        """Takes a queued job; None when it is not there to be taken. Raises OutsideError."""
        if self.stopping:
            return None
        job = self._jobs.load(job_id)
        if job is None or job.state is not JobState.QUEUED or not self._take(job_id):
            return None
        taken: list[bool] = []

        def started(each: Job) -> Job:
            taken.clear()
            if each.state is not JobState.QUEUED:
                return each
            taken.append(True)
            return replace(each.moved(JobState.RUNNING), started=self._clock.now())

        try:
            after = self._jobs.change(job_id, started)
        except OutsideError:
            self._release(job_id)  # kept, it would be renewed for ever, and nobody could begin the job
            raise
        if not taken or after is None:
            self._release(job_id)
            return None
        return after

    def adopt(self, job_id: JobId) -> bool:
        """Takes a job whose worker is dead; False when somebody holds it. Raises OutsideError."""
        return job_id not in self._grips and self._take(job_id)

    def tended(self, job_id: JobId) -> bool:
        """Whether somebody is at work on it. Raises OutsideError."""
        return self._state.get(f"lease:{job_id}") is not None

    @contextmanager
    def holding(self, job_id: JobId) -> Iterator[None]:
        """Lets go in the end whatever happened: then somebody else can look at what is true."""
        try:
            yield
        finally:
            self._release(job_id)

    def work(self, job: Job) -> RunningWork:
        """What the handler is given."""
        return RunningWork(job, self._grips[job.id], self._jobs, self._audit, self._clock)

    def beat(self) -> None:
        """Renews every lease. What cannot be renewed runs out by itself."""
        for job_id, grip in list(self._grips.items()):
            try:
                self._renew(job_id, grip)
            except OutsideError:
                continue

    def stop(self) -> None:
        """Makes every running job here stop at its next check."""
        self.stopping = True
        for grip in list(self._grips.values()):
            grip.stopped = True

    def recovered(self, recover: Callable[[Job, Text | None], Outcome], job: Job, problem: Problem) -> Outcome:
        """Asks what is true after a failure, until that can be known or half an hour has gone."""
        outcome: Outcome | None = None
        for _ in range(RECOVER_ROUNDS):
            try:
                outcome = recover(job, problem.text)
                break
            except OutsideError:
                self._clock.sleep(RECOVER_PAUSE_SECONDS)
        if outcome is None:
            raise OutsideError(Text("What is true could not be found out yet: {reason}", reason=problem.text))
        if isinstance(problem, Cancelled) and outcome.state is JobState.FAILED:
            return replace(outcome, state=JobState.CANCELLED)
        return outcome

    def end(self, job: Job) -> None:
        """Stores a final state and lets go. Raises OutsideError when the state stayed away."""
        for _ in range(END_ROUNDS - 1):
            try:
                return self._store_end(job)
            except OutsideError:
                self._clock.sleep(END_PAUSE_SECONDS)
        return self._store_end(job)

    def _store_end(self, job: Job) -> None:
        self._jobs.restore(job)
        self._jobs.change(
            job.id, lambda each: each if each.state.final else replace(job, cancelled_by=each.cancelled_by)
        )

    def _take(self, job_id: JobId) -> bool:
        now = self._clock.monotonic()
        version = self._state.put_if(f"lease:{job_id}", b"", None, seconds=LEASE_SECONDS)
        if version is None:
            return False
        self._grips[job_id] = Grip(version, now + LEASE_SECONDS - MARGIN_SECONDS)
        return True

    def _renew(self, job_id: JobId, grip: Grip) -> None:
        now = self._clock.monotonic()
        version = self._state.put_if(f"lease:{job_id}", b"", grip.version, seconds=LEASE_SECONDS)
        if version is None:
            held = self._state.get(f"lease:{job_id}")
            # Gone with the state, or run out: it may be taken again by whoever is first.
            version = (
                None if held is not None else self._state.put_if(f"lease:{job_id}", b"", None, seconds=LEASE_SECONDS)
            )
        if version is None:
            grip.lost = True
            return
        grip.version, grip.valid_until = version, now + LEASE_SECONDS - MARGIN_SECONDS
        job = self._jobs.load(job_id)
        if job is not None and job.cancelled_by is not None:
            grip.cancelled_by = job.cancelled_by
        if job is not None and job.state.final:
            grip.lost = True

    def _release(self, job_id: JobId) -> None:
        grip = self._grips.pop(job_id, None)
        if grip is None:
            return
        try:
            self._state.delete_if(f"lease:{job_id}", grip.version)
        except OutsideError:
            return  # it runs out by itself


class RunningWork:
    """Work (see handlers.core.door.work) over a grip."""

    def __init__(self, job: Job, grip: Grip, jobs: Jobs, audit: Audit, clock: Clock) -> None:
        self._job = job
        self._grip = grip
        self._jobs = jobs
        self._audit = audit
        self._clock = clock
        self._stored_at = 0.0
        self._settled = False

    @property
    def job(self) -> Job:
        """The record as known here."""
        return self._job

    def check(self) -> None:
        """See Work."""
        if self._grip.stopped:
            raise OutsideError(Text("Its worker was stopped."))
        if self._grip.lost or self._clock.monotonic() > self._grip.valid_until:
            raise OutsideError(
                Text("This worker lost touch with the others and stopped, so that two never act at once.")
            )
        if self._grip.cancelled_by is not None and not self._settled:
            raise Cancelled(Text("Cancelled by {person}.", person=Person(self._grip.cancelled_by)))

    def progress(self, progress: Progress) -> None:
        """See Work."""
        changed = self._job.progress is None or progress.stage != self._job.progress.stage
        self._job = replace(self._job, progress=progress)
        if changed or self._clock.monotonic() - self._stored_at >= PROGRESS_SECONDS:
            self._store()

    def note(self, note: Text) -> None:
        """See Work."""
        self._job = self._job.noted(note)
        self._store()

    def record(self, event: str, **facts: Json) -> None:
        """See Work."""
        plan = self._job.plan
        self._audit.write(
            AuditEvent(
                event=event,
                decision="allow",
                actor=plan.actor,
                target=plan.target,
                operation=plan.operation,
                digest=plan.digest,
                facts={"job": self._job.id, **facts},
            )
        )

    def settle(self) -> None:
        """See Work."""
        self.check()
        refused: list[str] = []

        def settled(each: Job) -> Job:
            refused.clear()
            if each.cancelled_by is not None:
                refused.append(each.cancelled_by)
                return each
            return replace(self._job, settled=True)

        if self._jobs.change(self._job.id, settled) is None:
            raise OutsideError(Text("The record of this job is gone."))
        if refused:
            raise Cancelled(Text("Cancelled by {person}.", person=Person(refused[0])))
        self._job, self._settled = replace(self._job, settled=True), True

    def _store(self) -> None:
        self._stored_at = self._clock.monotonic()

        def stored(each: Job) -> Job:
            return each if each.state.final else replace(self._job, cancelled_by=each.cancelled_by)

        try:
            if self._jobs.change(self._job.id, stored) is None:
                self._jobs.restore(self._job)
        except OutsideError:
            return  # told again with the next progress, and at the end
