"""A turn: one job at work on one secret, step by step, each with its intent before and its observation after.

- What it may do and in which order: handlers/core/rotations.py.
- A step that the journal calls done is not looked at again; one that was only begun is looked at before it is done.
- Values stay here and in the adapters: the journal, the cards and the audit record get ids of versions.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from handlers.core.accounts import Credentials
from handlers.core.answers import JobId
from handlers.core.digests import Json
from handlers.core.errors import Damage, OutsideError
from handlers.core.estates import Estate
from handlers.core.jobs import Job, JobState, Outcome, Progress
from handlers.core.recipes import BACK, Change, in_time, made, reported
from handlers.core.rotation_journals import RotationJournal
from handlers.core.rotation_plans import RotationPlan, version_id
from handlers.core.secret_stores import Sealed, taken
from handlers.core.secrets import Secret
from handlers.core.text import Code, Text
from handlers.core.work import Work, beats

ROTATE, RETIRE, ROLLBACK = "rotate.rotate", "rotate.retire", "rotate.rollback"
UNKNOWN_CHARACTERS = 52
MARGIN = timedelta(minutes=5)


class Turn:
    """One job at work on one secret."""

    def __init__(self, estate: Estate, secret: Secret, plan: RotationPlan, job: Job, work: Work | None) -> None:
        self.secret, self.plan, self.job = secret, plan, job
        self.store = estate.store(secret)
        self.journal = RotationJournal(estate.artifacts, secret.name, JobId(job.id)).read()
        self._estate, self._clock, self._work = estate, estate.clock, work
        self._consumers = estate.consumers.get(secret.name, {})
        self._settled = False

    # -- forward -----------------------------------------------------------------------------------------------

    def forward(self) -> Outcome:
        """All phases, then what is removed. Raises as `Rotations.run`."""
        for phase in self.plan.phases:
            self._stage(phase)
            self._install(phase)
            self._promote(phase)
            self._roll_out(phase)
            self._prove(phase)
        if self.job.plan.operation == RETIRE or self.plan.emergency:
            return self._retired()
        until = self._clock.now() + self.secret.overlap + (MARGIN if self.secret.overlap > MARGIN else timedelta(0))
        kept = (self._before(self.plan.phases[0]), *map(self.version, self.plan.phases[:-1]))
        facts = {"first": kept[0], "back": kept[-1], "made": self.version(self.plan.phases[-1]), "kept": list(kept)}
        text = Text(
            "{secret} has a new value, and every consumer works with it. The old one is still accepted until {until}; "
            "then retire it.",
            secret=Code(self.secret.name),
            until=until,
        )
        return self._end(JobState.DONE, "soaking", text, until=until.isoformat(), **facts)

    def _stage(self, phase: str) -> None:
        version, step = self.version(phase), f"stage.{phase}"
        if self.journal.last("done", step) is not None:
            return
        self._begin(Text("Keeping the new value beside the current one ({phase})", phase=phase))
        shelf = self.store.look(self.secret.place)
        if version in {shelf.current_id, shelf.pending and shelf.pending.id}:
            self.write("done", step)
            return
        if self.journal.last("intent", step) is None:
            self.write("intent", step, before=shelf.current_id, version=version)
        before = self._before(phase)
        if shelf.current_id != before:
            raise taken(self.secret.place)
        value = made(self.secret, phase, version, self._value(before), self.job.id, self._estate.entropy)
        self._sure(lambda: self.store.stage(self.secret.place, version, value, before), lambda: self._waits(version))
        if self.store.value(self.secret.place, version) != value:
            raise Damage(Text("The store does not give back what it was given. Nothing was changed for anybody."))
        self.write("done", step)

    def _install(self, phase: str) -> None:
        """What accepts the value is told of it, and tried, before anybody gets it."""
        accounts, step = self._estate.accounts.get(self.secret.name), f"install.{phase}"
        if accounts is None or self.journal.last("done", step) is not None:
            return
        self._begin(Text("Preparing the other user and trying it ({phase})", phase=phase))
        new = Credentials.read(self._value(self.version(phase)))
        self.write("intent", step)
        accounts.prepare(new, Credentials.read(self._value(self._before(phase))).username)
        accounts.works(new)
        self.write("done", step, user=new.username)

    def _promote(self, phase: str) -> None:
        version, step = self.version(phase), f"promote.{phase}"
        if self.journal.last("done", step) is not None:
            return
        self._begin(Text("Making it the current one ({phase})", phase=phase))
        if self._work is not None and not self._settled:
            self._work.settle()
            self._settled = True
        self.write("intent", step)
        self._put(version, self._before(phase))
        self.write("done", step)

    def _roll_out(self, phase: str) -> None:
        for name, consumer in self._consumers.items():
            step = f"roll-out.{phase}.{name}"
            if self.journal.last("done", step) is not None:
                continue
            self._begin(Text("{name} reads it anew ({phase})", name=Code(name), phase=phase))
            self.write("intent", step)
            consumer.roll_out(() if self._work is None else beats(self._work))
            self.write("done", step)

    def _prove(self, phase: str) -> None:
        step = f"prove.{phase}"
        if self.journal.last("done", step) is not None:
            return
        self._begin(Text("Proving it from the user's side ({phase})", phase=phase))
        before, after = self._before(phase), self.version(phase)
        change = Change(self.secret, phase, after, self._value(before), self._value(after))
        seen = self._proofs(change)
        self.write("done", step, evidence=[str(each) for each in seen])
        if self._work is not None:
            self._work.record("rotate.proved", secret=self.secret.name, phase=phase, evidence=[str(x) for x in seen])

    def _proofs(self, change: Change) -> tuple[Text, ...]:
        """Waits until every consumer proves it. Raises OutsideError, permanent when the time is over."""
        seen: list[Text] = []
        for name, consumer in self._consumers.items():
            found = in_time(change, consumer, name, self._clock, self._check)
            seen += found
            if self._work is not None:
                for text in found:
                    self._work.note(text)
        return tuple(seen)

    def evident(self) -> None:
        """Every consumer works with the current value alone. Raises OutsideError."""
        value = self._value(self.plan.current)
        self._proofs(Change(self.secret, BACK, reported(self.secret, value, self.plan.current), value, value))

    def _retired(self) -> Outcome:
        """Destroys what is retired."""
        removes = self.plan.removes or (self._before(self.plan.phases[0]),)
        self._lock()
        for version in removes:
            step = f"remove.{version}"
            if self.journal.last("done", step) is None:
                self.write("intent", step)
                self.store.remove(self.secret.place, version)
                self.write("done", step)
        text = Text("The old value of {secret} is retired and destroyed.", secret=Code(self.secret.name))
        if self.plan.emergency:
            text = Text("{secret} has a new value; the old one is refused from now on.", secret=Code(self.secret.name))
        return self._end(JobState.DONE, "retired", text, of=self.plan.of)

    def _lock(self) -> None:
        """The user that is retired gets a password nobody knows."""
        accounts = self._estate.accounts.get(self.secret.name)
        if accounts is None or self.journal.last("done", "lock") is not None:
            return
        now = self.store.look(self.secret.place).current_id
        user = Credentials.read(self._value(now)).username
        for idle in (each for each in self.secret.users if each != user):
            self.write("intent", "lock", user=idle)
            accounts.lock(idle, Sealed(self._estate.entropy.token(UNKNOWN_CHARACTERS).encode()))
            self.write("done", "lock", user=idle)

    # -- back --------------------------------------------------------------------------------------------------

    @property
    def promoting(self) -> bool:
        """Whether a promote was begun."""
        return bool(self._promoted())

    @property
    def finished(self) -> bool:
        """Whether every phase was proved, so that only removing is left."""
        return all(self.journal.last("done", f"prove.{phase}") is not None for phase in self.plan.phases)

    def undo(self, state: JobState, why: Text) -> Outcome:
        """Back to before the last phase that was begun to be seen; further back would end what it let in."""
        shelf = self.store.look(self.secret.place)
        ours = {self.version(phase) for phase in self.plan.phases}
        if shelf.pending is not None and shelf.pending.id in ours:
            self.store.remove(self.secret.place, shelf.pending.id)
        if self.finished and self.plan.phases:
            text = Text("{why} The new value is in use and proved, but not everything old could be removed.", why=why)
            return self._end(JobState.FAILED, "needs", text)
        if not self.promoting:
            return self._end(
                state, "aborted", Text("{why} The secret is as it was: nobody saw the new value.", why=why)
            )
        phase = self._promoted()[-1]
        return self._go_back(phase, self.version(phase), self._before(phase), state, why)

    def back(self, state: JobState = JobState.DONE, why: Text | None = None) -> Outcome:
        """A rollback that a person asked for."""
        return self._go_back(BACK, self.plan.current, self.plan.to, state, why or Text("As asked."))

    def _go_back(self, phase: str, new: str, old: str, state: JobState, why: Text) -> Outcome:
        current = self.store.look(self.secret.place).current_id
        if current not in {new, old}:
            text = Text(
                "{why} Somebody else changed {secret} meanwhile, so nothing more was touched. Look at it by hand.",
                why=why,
                secret=Code(self.secret.name),
            )
            return self._end(JobState.FAILED, "needs", text)
        if current == new:
            self.write("intent", "back", to=old, over=new)
            self._put(old, new)
        try:
            self._return_consumers(old, new)
        except OutsideError as error:
            if not error.permanent:
                raise
            text = Text(
                "{why} The former value is stored again, but a consumer does not work with it: {second} Somebody must "
                "look now.",
                why=why,
                second=error.text,
            )
            return self._end(JobState.FAILED, "needs", text)
        ours = (new, *self.plan.removes) if phase == BACK else (new, self.plan.current)
        for version in ours if self.job.plan.operation != RETIRE else (new,):
            if version != old:
                self.store.remove(self.secret.place, version)
        text = Text("{why} The former value is in use again, and every consumer works with it.", why=why)
        # A retirement that was undone leaves the rotation as it was before.
        how = "aborted" if self.job.plan.operation == RETIRE else "rolled_back"
        return self._end(state, how, text, of=self.plan.of)

    def _return_consumers(self, old: str, new: str) -> None:
        value, shelf = self._value(old), self.store.look(self.secret.place)
        known = {each.id for each in (shelf.pending, shelf.previous) if each is not None}
        for consumer in self._consumers.values():
            consumer.roll_out(() if self._work is None else beats(self._work))
        left = self._value(new) if new in known else value
        self._proofs(Change(self.secret, BACK, reported(self.secret, value, old), left, value))

    # -- small ---------------------------------------------------------------------------------------------------

    def version(self, phase: str) -> str:
        """The id of the version that a phase makes."""
        return version_id(self.job.id, phase)

    def write(self, what: str, step: str = "", **facts: Json) -> None:
        """Into the journal."""
        self.journal.write(what, step, now=self._clock.now(), **facts)

    def _end(self, state: JobState, how: str, text: Text, **facts: Json) -> Outcome:
        told: dict[str, Json] = {"state": how, "text": str(text), **facts}
        self.journal.write("end", "", now=self._clock.now(), **told)
        self.journal.close()
        return Outcome(state, text, {**told, "secret": self.secret.name, "warning": how == "needs"})

    def _promoted(self) -> tuple[str, ...]:
        return tuple(phase for phase in self.plan.phases if self.journal.last("intent", f"promote.{phase}") is not None)

    def _before(self, phase: str) -> str:
        found = self.journal.last("intent", f"stage.{phase}")
        return self.plan.current if found is None else str(found.facts["before"])

    def _value(self, version: str) -> Sealed:
        return self.store.value(self.secret.place, version)

    def _waits(self, version: str) -> bool:
        shelf = self.store.look(self.secret.place)
        return shelf.pending is not None and shelf.pending.id == version

    def _put(self, version: str, over: str) -> None:
        """Promotes, and is sure of it."""
        self._sure(
            lambda: self.store.promote(self.secret.place, version, over),
            lambda: self.store.look(self.secret.place).current_id == version,
        )

    def _sure(self, act: Callable[[], None], there: Callable[[], bool]) -> None:
        """An answer that was lost is looked after."""
        try:
            act()
        except OutsideError as error:
            if error.permanent or not there():
                raise

    def _begin(self, stage: Text) -> None:
        self._check()
        if self._work is not None:
            self._work.progress(Progress(stage))

    def _check(self) -> None:
        if self._work is not None:
            self._work.check()
