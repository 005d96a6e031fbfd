"""A turn: one job at work on one secret, step by step, each with its intent before and its observation after.

- What it may do and in which order: handlers/core/rotation/rotations.py.
- A step that the journal calls done is not looked at again; one that was only begun is looked at before it is done.
- Values stay here and in the adapters: the journal, the cards and the audit record get ids of versions.
- It rests before a step when somebody asked it to pause: anywhere while both values are accepted, else only until
  somebody could see the new one. An emergency never rests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from handlers.core.door.work import Work, beats
from handlers.core.rotation.data_keys import guards_data
from handlers.core.rotation.estates import Estate
from handlers.core.rotation.issuers import RESTS, Nobody
from handlers.core.rotation.itineraries import REENCRYPTING, accepting, keeping, promoting, proving, reading
from handlers.core.rotation.key_rings import KeyRing
from handlers.core.rotation.pauses import may_rest, resting
from handlers.core.rotation.recipes import BACK, Change, in_time, made, reported
from handlers.core.rotation.reencryptions import UNKNOWN, Rest, everywhere
from handlers.core.rotation.rotation_journals import PAUSED, RotationJournal
from handlers.core.rotation.rotation_plans import RETIRE, RotationPlan, version_id
from handlers.core.rotation.secret_stores import Sealed, taken
from handlers.core.rotation.secrets import Secret
from handlers.core.words.answers import JobId
from handlers.core.words.digests import Json
from handlers.core.words.errors import Damage, OutsideError
from handlers.core.words.jobs import Job, JobState, Outcome, Progress, text_json
from handlers.core.words.text import Code, Text

MARGIN = timedelta(minutes=5)


class _Rest(Exception):
    """Before that step, because somebody asked for it."""

    def __init__(self, step: Text) -> None:
        super().__init__(str(step))
        self.step = step


class Turn:
    """One job at work on one secret."""

    def __init__(self, estate: Estate, secret: Secret, plan: RotationPlan, job: Job, work: Work | None) -> None:
        self.secret, self.plan, self.job = secret, plan, job
        self.store = estate.store(secret)
        self.journal = RotationJournal(estate.artifacts, secret.name, JobId(job.id)).read()
        self.issuer = estate.issuer(secret)
        self._estate, self._clock, self._work = estate, estate.clock, work
        self.consumers = estate.consumers.get(secret.name, {})
        self._settled = False

    # -- forward -----------------------------------------------------------------------------------------------

    def forward(self) -> Outcome:
        """All phases, then what is removed; or as far as somebody lets it go. Raises as `Rotations.run`."""
        try:
            return self._to_the_end()
        except _Rest as rest:
            self.write(PAUSED, stage=text_json(rest.step))
            return resting(self.secret.name, self.secret.overlap, self.journal)

    def _to_the_end(self) -> Outcome:
        for phase in self.plan.phases:
            self._stage(phase)
            self._install(phase)
            self._promote(phase)
            self._roll_out(phase)
            self._prove(phase)
        if self.job.plan.operation == RETIRE or self.plan.emergency:
            return self._retired()
        until = self._clock.now() + self.secret.overlap + (MARGIN if self.secret.overlap > MARGIN else timedelta(0))
        kept = (*self.plan.removes, self.before(self.plan.phases[0]), *map(self.version, self.plan.phases[:-1]))
        text = Text(
            "{secret} has a new value, and every consumer works with it. The old one is still accepted until {until}; "
            "then retire it.",
            secret=Code(self.secret.name),
            until=until,
        )
        if guards_data(self.secret):
            self._begin(REENCRYPTING)
            text, facts = self._reencrypted(until)
            return self.soaking(JobState.DONE, "soaking", text, until, kept, **facts)
        return self.soaking(JobState.DONE, "soaking", text, until, kept)

    def reencrypted(self) -> Outcome:
        """Goes on with a re-encryption, in a job of its own."""
        text, facts = self._reencrypted(None)
        return self.end(JobState.DONE, "reencrypted", text, **facts)

    def _reencrypted(self, until: datetime | None) -> tuple[Text, dict[str, Json]]:
        """Brings all data under the newest key, if a worker is at it; what is so then. A program that cannot ends
        nothing: both keys are there."""
        ring = KeyRing.read(self.value(self.store.look(self.secret.place).current_id))
        rest = Rest(UNKNOWN, None, {})
        if self._work is not None:
            self.write("intent", "reencrypt")
            rest = everywhere(self.consumers, ring.active, self._clock, self._between, self._work.progress)
            self.write("done", "reencrypt", left=rest.left, keys=dict(rest.keys))
        old = sorted(ring.keys.keys() - {ring.active})
        return rest.told(self.secret.name, until), {"left": rest.left, "keys": dict(rest.keys), "old": old}

    def _stage(self, phase: str) -> None:
        version, step = self.version(phase), f"stage.{phase}"
        if self.journal.last("done", step) is not None:
            return
        self._begin(keeping(phase))
        shelf = self.store.look(self.secret.place)
        if version in {shelf.current_id, shelf.pending and shelf.pending.id}:
            self.write("done", step)
            return
        if self.journal.last("intent", step) is None:
            facts = self.issuer.before(self.value(shelf.current_id)) if shelf.current else {}
            self.write("intent", step, before=shelf.current_id, version=version, issuer=facts)
        before = self.before(phase)
        if shelf.current_id != before:
            raise taken(self.secret.place)
        value = self._made(phase, version, before)
        self._sure(lambda: self.store.stage(self.secret.place, version, value, before), lambda: self._waits(version))
        if self.store.value(self.secret.place, version) != value:
            raise Damage(Text("The store does not give back what it was given. Nothing was changed for anybody."))
        self.write("done", step)

    def _made(self, phase: str, version: str, before: str) -> Sealed:
        kept = (each for each in self.plan.removes if each != self.plan.current)
        value = self.issuer.made(version, (self.value(each) for each in kept))
        if value is not None:
            return value
        return made(self.secret, phase, version, self.value(before), self.job.id, self._estate.entropy)

    def _install(self, phase: str) -> None:
        """What accepts the value is told of it, and tried, before anybody gets it."""
        step = f"install.{phase}"
        if isinstance(self.issuer, Nobody) or self.journal.last("done", step) is not None:
            return
        self._begin(accepting(phase))
        self.write("intent", step)
        user = self.issuer.accept(self.value(self.version(phase)), self.value(self.before(phase)), self._check)
        self.write("done", step, user=user)

    def _promote(self, phase: str) -> None:
        version, step = self.version(phase), f"promote.{phase}"
        if self.journal.last("done", step) is not None:
            return
        self._begin(promoting(phase))
        if self._work is not None and not self._settled:
            self._work.settle()
            self._settled = True
        self.write("intent", step)
        self.put(version, self.before(phase))
        self.write("done", step)

    def _roll_out(self, phase: str) -> None:
        for name, consumer in self.consumers.items():
            step = f"roll-out.{phase}.{name}"
            if self.journal.last("done", step) is not None:
                continue
            self._begin(reading(name, phase))
            self.write("intent", step)
            consumer.roll_out(self.beat())
            self.write("done", step)

    def _prove(self, phase: str) -> None:
        step = f"prove.{phase}"
        if self.journal.last("done", step) is not None:
            return
        self._begin(proving(phase))
        before, after = self.before(phase), self.version(phase)
        change = Change(self.secret, phase, after, self.value(before), self.value(after))
        seen = self.proofs(change)
        self.write("done", step, evidence=[str(each) for each in seen])
        if self._work is not None:
            self._work.record("rotate.proved", secret=self.secret.name, phase=phase, evidence=[str(x) for x in seen])

    def proofs(self, change: Change) -> tuple[Text, ...]:
        """Waits until every consumer proves it. Raises OutsideError, permanent when the time is over."""
        seen: list[Text] = []
        for name, consumer in self.consumers.items():
            found = in_time(change, consumer, name, self._clock, self._check)
            seen += found
            if self._work is not None:
                for text in found:
                    self._work.note(text)
        return tuple(seen)

    def evident(self) -> None:
        """Every consumer works with the current value alone. Raises OutsideError."""
        value = self.value(self.plan.current)
        self.proofs(Change(self.secret, BACK, reported(self.secret, value, self.plan.current), value, value))

    def _retired(self) -> Outcome:
        """Destroys what is retired, or lets it rest."""
        removes = self.plan.removes or (self.before(self.plan.phases[0]),)
        if not self._locked(removes):
            until = self._clock.now() + RESTS
            text = Text(
                "The old value of {secret} is not accepted any more. It can be destroyed after {until}; until then "
                "going back makes it work again.",
                secret=Code(self.secret.name),
                until=until,
            )
            return self.soaking(JobState.DONE, "soaking", text, until, removes, of=self.plan.of, rests=True)
        for version in removes:
            step = f"remove.{version}"
            if self.journal.last("done", step) is None:
                self.write("intent", step)
                self.store.remove(self.secret.place, version)
                self.write("done", step)
        text = Text("The old value of {secret} is retired and destroyed.", secret=Code(self.secret.name))
        if self.plan.emergency:
            text = Text("{secret} has a new value; the old one is refused from now on.", secret=Code(self.secret.name))
        return self.end(JobState.DONE, "retired", text, of=self.plan.of, **self._dropped())

    def _dropped(self) -> dict[str, Json]:
        """Which keys of data are gone, by their ids, for whoever restores a backup of before."""
        begun = self.journal.last("intent", "lock")
        return {} if begun is None or "dropped" not in begun.facts else {"dropped": begun.facts["dropped"]}

    def _locked(self, removes: tuple[str, ...]) -> bool:
        """Nobody accepts it any more; whether that is for good."""
        done = self.journal.last("done", "lock")
        if done is not None:
            return bool(done.facts["ends"])
        dropped: dict[str, Json] = {}
        if guards_data(self.secret):
            ring = KeyRing.read(self.value(self.before(self.plan.phases[0])))
            dropped["dropped"] = sorted(ring.keys.keys() - {ring.active})
        self.write("intent", "lock", **dropped)
        current, old = self.value(self.store.look(self.secret.place).current_id), map(self.value, removes)
        ends = self.issuer.retire(current, old, ends=self.plan.emergency or self.plan.rested)
        self.write("done", "lock", ends=ends)
        return ends

    @property
    def finished(self) -> bool:
        """Whether every phase was proved, so that only removing is left."""
        return all(self.journal.last("done", f"prove.{phase}") is not None for phase in self.plan.phases)

    # -- small ---------------------------------------------------------------------------------------------------

    def version(self, phase: str) -> str:
        """The id of the version that a phase makes."""
        return version_id(self.job.id, phase)

    def write(self, what: str, step: str = "", **facts: Json) -> None:
        """Into the journal, and what is about to be done into the audit record before."""
        if self._work is not None and what != "end":
            self._work.record(f"rotate.{what}", secret=self.secret.name, step=step)
        self.journal.write(what, step, now=self._clock.now(), **facts)

    def now(self) -> datetime:
        """By the bot's clock."""
        return self._clock.now()

    def soaking(
        self, state: JobState, how: str, text: Text, until: datetime, kept: tuple[str, ...], **facts: Json
    ) -> Outcome:
        """The end, with former values that are kept for a while."""
        now = self.version(self.plan.phases[-1]) if self.plan.phases else self.plan.current
        told: dict[str, Json] = {"first": kept[0], "back": kept[-1], "made": now, "kept": list(kept)}
        return self.end(state, how, text, until=until.isoformat(), **told, **facts)

    def end(self, state: JobState, how: str, text: Text, **facts: Json) -> Outcome:
        """The last record, and what the card says."""
        told: dict[str, Json] = {"state": how, "text": str(text), **facts}
        self.journal.write("end", "", now=self._clock.now(), **told)
        self.journal.close()
        return Outcome(state, text, {**told, "secret": self.secret.name, "warning": how == "needs"})

    def promoted(self) -> tuple[str, ...]:
        """The phases whose promote was begun."""
        return tuple(phase for phase in self.plan.phases if self.journal.last("intent", f"promote.{phase}") is not None)

    def before(self, phase: str) -> str:
        """The version that was current before a phase."""
        found = self.journal.last("intent", f"stage.{phase}")
        return self.plan.current if found is None else str(found.facts["before"])

    def value(self, version: str) -> Sealed:
        """What the store keeps. Raises OutsideError."""
        return self.store.value(self.secret.place, version)

    def _waits(self, version: str) -> bool:
        shelf = self.store.look(self.secret.place)
        return shelf.pending is not None and shelf.pending.id == version

    def put(self, version: str, over: str) -> None:
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

    def beat(self) -> Iterable[None]:
        """For those who wait elsewhere."""
        return () if self._work is None else beats(self._work)

    def _begin(self, stage: Text) -> None:
        self._check()
        self._rest(stage)
        self.tell(stage)

    def tell(self, stage: Text) -> None:
        """What the card says of what is being done."""
        if self._work is not None:
            self._work.progress(Progress(stage))

    def _between(self) -> None:
        """Between two batches of a re-encryption."""
        self._check()
        self._rest(REENCRYPTING)

    def _rest(self, before: Text) -> None:
        if may_rest(self.secret, self.job, self.journal) and self.journal.pause_asked():
            raise _Rest(before)

    def _check(self) -> None:
        if self._work is not None:
            self._work.check()
