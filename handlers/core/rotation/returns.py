"""The way back of a turn: after a failure, after a crash, or because a person asked.

- Back is to before the last phase that was begun to be seen; further back would end what it let in.
- What is neither the new version nor the one before was put there by somebody else: nothing is touched.
- There is no way back in an emergency but a person's: somebody has seen the former value.
"""

from __future__ import annotations

from handlers.core.rotation.itineraries import returning
from handlers.core.rotation.recipes import BACK, Change, reported
from handlers.core.rotation.rotation_journals import BACK_STEP
from handlers.core.rotation.rotation_plans import RETIRE
from handlers.core.rotation.turns import Turn
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import JobState, Outcome
from handlers.core.words.text import Code, Text


class Return:
    """Of one turn."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._secret, self._plan, self._store = turn.secret, turn.plan, turn.store

    def undo(self, state: JobState, why: Text) -> Outcome:
        """After a failure. Raises OutsideError while it cannot be known what is so."""
        turn, shelf = self._turn, self._store.look(self._secret.place)
        ours = {turn.version(phase) for phase in self._plan.phases}
        waits = shelf.pending is not None and shelf.pending.id in ours
        if waits or not turn.promoted():
            try:
                self._withdraw_staged()
            except OutsideError as error:
                if not error.permanent:
                    raise
                return self._needs(Text("{why} What was made for it is left: {more}", why=why, more=error.text))
        if shelf.pending is not None and waits:
            self._store.remove(self._secret.place, shelf.pending.id)
        if turn.finished and self._plan.phases and not turn.journal.returning:
            return self._needs(
                Text("{why} The new value is in use and proved, but not everything old could be removed.", why=why)
            )
        if not turn.promoted():
            text = Text("{why} The secret is as it was: nobody saw the new value.", why=why)
            return turn.end(state, "aborted", text)
        if self._plan.emergency:
            return self._stays(why)
        phase = turn.promoted()[-1]
        return self._go_back(phase, turn.version(phase), turn.before(phase), state, why)

    def back(self, state: JobState = JobState.DONE, why: Text | None = None) -> Outcome:
        """A rollback that a person asked for."""
        return self._go_back(BACK, self._plan.current, self._plan.to, state, why or Text("As asked."))

    def _stays(self, why: Text) -> Outcome:
        """An emergency whose proof failed."""
        turn = self._turn
        text = Text(
            "{why} The new value of {secret} is in the store and stays there: somebody else has seen the former one, "
            "so I do not go back to it by myself. Somebody must look now. When every consumer works, `/rotate {secret} "
            "retire` destroys the former one; `/rotate {secret} rollback` puts it in use again.",
            why=why,
            secret=self._secret.name,
        )
        kept = (*(each for each in self._plan.removes if each != self._plan.current), turn.before(self._plan.phases[0]))
        return turn.soaking(JobState.FAILED, "needs", text, turn.now(), kept)

    def _go_back(self, phase: str, new: str, old: str, state: JobState, why: Text) -> Outcome:
        turn, current = self._turn, self._store.look(self._secret.place).current_id
        if current not in {new, old}:
            return self._needs(
                Text(
                    "{why} Somebody else changed {secret} meanwhile, so nothing more was touched. Look at it by hand.",
                    why=why,
                    secret=Code(self._secret.name),
                )
            )
        if current == new:
            turn.write("intent", BACK_STEP, to=old, over=new)
            turn.issuer.again(turn.value(old))
            turn.put(old, new)
        try:
            self._return_consumers(old, new)
        except OutsideError as error:
            if not error.permanent:
                raise
            return self._needs(
                Text(
                    "{why} The former value is stored again, but a consumer does not work with it: {second} Somebody "
                    "must look now.",
                    why=why,
                    second=error.text,
                )
            )
        self._withdraw(new)
        ours = (new, *self._plan.removes) if phase == BACK else (new, self._plan.current, *self._plan.removes)
        for version in ours if turn.job.plan.operation != RETIRE else (new,):
            if version != old:
                self._store.remove(self._secret.place, version)
        text = Text("{why} The former value is in use again, and every consumer works with it.", why=why)
        # A retirement that was undone leaves the rotation as it was before.
        how = "aborted" if turn.job.plan.operation == RETIRE else "rolled_back"
        return turn.end(state, how, text, of=self._plan.of)

    def _return_consumers(self, old: str, new: str) -> None:
        turn, shelf = self._turn, self._store.look(self._secret.place)
        value = turn.value(old)
        known = {each.id for each in (shelf.pending, shelf.previous) if each is not None}
        for name, consumer in turn.consumers.items():
            turn.tell(returning(name))
            consumer.roll_out(turn.beat())
        left = turn.value(new) if new in known else value
        turn.proofs(Change(self._secret, BACK, reported(self._secret, value, old), left, value))

    def _withdraw(self, new: str) -> None:
        """What accepts the new value is told to forget it; what is removed already was told before."""
        shelf = self._store.look(self._secret.place)
        if new in {each.id for each in (shelf.pending, shelf.previous) if each is not None}:
            self._turn.issuer.withdraw(self._turn.value(new), {}, "")

    def _withdraw_staged(self) -> None:
        for phase in self._plan.phases:
            begun = self._turn.journal.last("intent", f"stage.{phase}")
            if begun is None:
                continue
            pending, version = self._store.look(self._secret.place).pending, self._turn.version(phase)
            value = self._turn.value(version) if pending is not None and pending.id == version else None
            self._turn.issuer.withdraw(value, dict(begun.facts.get("issuer", {})), begun.at)

    def _needs(self, text: Text) -> Outcome:
        return self._turn.end(JobState.FAILED, "needs", text)
