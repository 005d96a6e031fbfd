"""The records of jobs in the state.

- `job:<id>` the record, `active:<id>` while it has not ended, `dirty:<id>` whenever its card may have changed
  (`dirty:<name>` of the card that shows it, when that is another's),
  `busy:<target>` which job works on a target (`busy:<target>:<lane>` for a lane beside it), `approved:<id>` the
  digests that codes confirmed, whose, and in which life of the state: after a restart or a failover an older record
  may have come back, so that what was confirmed before it does not count.
- Every change is a compare-and-set over all processes; a final state is never left.
- Records are kept 30 days after they were last changed.
"""

from __future__ import annotations

from collections.abc import Callable

from handlers.core.door.marks import mark
from handlers.core.ports import State
from handlers.core.words.answers import JobId, PersonId, TargetName
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.job_cards import busy
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text

KEEP_SECONDS = 30 * 86_400
ROUNDS = 32


class Busy(Refusal):
    """The lane is taken. `holder`: by whom."""

    def __init__(self, holder: Job) -> None:
        super().__init__(busy(holder))
        self.holder = holder


class Jobs:
    """Reads and changes job records. Everything raises OutsideError when the state cannot be reached."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, job: Job) -> None:
        """A new record. Raises OutsideError when the id is taken."""
        self._put_plain(f"active:{job.id}", b"")
        if self._state.put_if(f"job:{job.id}", job.to_bytes(), None, seconds=KEEP_SECONDS) is None:
            raise OutsideError(Text("Two jobs got the same id. Try again."))
        self._mark(job)

    def load(self, job_id: JobId) -> Job | None:
        """None when there is no such record."""
        held = self._state.get(f"job:{job_id}")
        return None if held is None else Job.from_bytes(held.value)

    def offered(self, job_id: JobId) -> Job:
        """One that waits for codes. Raises Refusal when it does not."""
        job = self.load(job_id)
        if job is None or job.state is not JobState.OFFERED:
            raise Refusal(Text("This was already decided, or its time is over."))
        return job

    def change(self, job_id: JobId, how: Callable[[Job], Job]) -> Job | None:
        """Applies `how` to the newest record until it could be stored; None when there is none."""
        for _ in range(ROUNDS):
            held = self._state.get(f"job:{job_id}")
            if held is None:
                return None
            before = Job.from_bytes(held.value)
            after = how(before)
            if after == before:
                return before
            if self._state.put_if(f"job:{job_id}", after.to_bytes(), held.version, seconds=KEEP_SECONDS) is not None:
                self._settled(after)
                return after
        raise OutsideError(Text("Too many changed the same job at once."))

    def restore(self, job: Job) -> None:
        """Puts a record back that was lost with the state; one that is there stays."""
        if self._state.put_if(f"job:{job.id}", job.to_bytes(), None, seconds=KEEP_SECONDS) is not None:
            self._put_plain(f"active:{job.id}", b"")
            self.claim(job)
            self._settled(job)

    def active(self) -> tuple[Job, ...]:
        """Every job that has not ended."""
        found = (self.standing(each) for each in self.begun())
        return tuple(job for job in found if job is not None)

    def begun(self) -> tuple[JobId, ...]:
        """Every job that may not have ended."""
        return tuple(JobId(key.removeprefix("active:")) for key in self._state.keys("active:"))

    def standing(self, job_id: JobId) -> Job | None:
        """The job; None when it has ended, and then it is no more among those that began."""
        job = self.load(job_id)
        if job is not None and not job.state.final:
            return job
        self._drop(f"active:{job_id}")
        return None

    def touch(self, job_id: JobId) -> None:
        """The card may have to change."""
        self._touch(job_id)

    def _mark(self, job: Job) -> None:
        self._touch(job.plan.shown or job.id)

    def _touch(self, name: str) -> None:
        mark(self._state, f"dirty:{name}", b"", seconds=KEEP_SECONDS, rounds=ROUNDS)

    def claim(self, job: Job) -> Job | None:
        """Makes this job the one that works in its lane of its target; the other job when there is one."""
        key = _busy(job.target, job.plan.lane)
        for _ in range(ROUNDS):
            held = self._state.get(key)
            if held is not None:
                holder = self.load(JobId(held.value.decode()))
                if holder is not None and not holder.state.final and holder.id != job.id:
                    return holder
            version = None if held is None else held.version
            if self._state.put_if(key, job.id.encode(), version) is not None:
                return None
        raise OutsideError(Text("Too many asked for the same target at once."))

    def holder(self, target: TargetName, lane: str = "") -> Job | None:
        """The job that works in that lane of a target now."""
        held = self._state.get(_busy(target, lane))
        job = None if held is None else self.load(JobId(held.value.decode()))
        return None if job is None or job.state.final or job.state is JobState.OFFERED else job

    def confirm(self, job_id: JobId, digest: str, person: PersonId) -> tuple[PersonId, ...]:
        """Stores that a person's code confirmed this digest; who has by now. Raises Refusal when they had already."""
        for _ in range(ROUNDS):
            held = self._state.get(f"approved:{job_id}")
            lines = [] if held is None else held.value.decode().splitlines()
            line = f"{digest} {person} {self._state.incarnation()}"
            if line in lines:
                raise Refusal(Text("You confirmed this already."))
            value = "\n".join([*lines, line]).encode()
            version = None if held is None else held.version
            if self._state.put_if(f"approved:{job_id}", value, version, seconds=KEEP_SECONDS) is not None:
                return self.confirmed(job_id, digest)
        raise OutsideError(Text("Too many confirmed the same job at once."))

    def confirmed(self, job_id: JobId, digest: str, *, ever: bool = False) -> tuple[PersonId, ...]:
        """Whose codes confirmed exactly this digest since the state began to live; `ever`: or before that."""
        held = self._state.get(f"approved:{job_id}")
        life = self._state.incarnation()  # asked after the lines were read, so that a failover in between is seen
        lines = [] if held is None else held.value.decode().splitlines()
        parts = (line.split(" ", 2) for line in lines)
        found = (PersonId(each[1]) for each in parts if each[0] == digest and (ever or each[2:] == [life]))
        return tuple(dict.fromkeys(found))

    def _settled(self, job: Job) -> None:
        self._mark(job)
        if job.state.final:
            self._drop(f"active:{job.id}")

    def _put_plain(self, key: str, value: bytes) -> None:
        held = self._state.get(key)
        self._state.put_if(key, value, None if held is None else held.version)

    def _drop(self, key: str) -> None:
        held = self._state.get(key)
        if held is not None:
            self._state.delete_if(key, held.version)


def _busy(target: TargetName, lane: str) -> str:
    return f"busy:{target}:{lane}" if lane else f"busy:{target}"
