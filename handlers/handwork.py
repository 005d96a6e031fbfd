"""What people do with a run by their own hands: a step is done or left out, the run is ended or handed over.

- Each asks first, by a form: a note (which must be there for what is left out or ended), or the person.
- The form carries what its asker saw (the attempt, or who looked after the run): who comes second is told so.
- A run is handed over only to somebody whom the policy lets run it; they are called once, in the run's thread.
"""

from __future__ import annotations

from collections.abc import Mapping

from handlers.core.door.permits import Permits
from handlers.core.door.policy import Permission
from handlers.core.runbooks.run_acts import by_hand, closed, handed_over
from handlers.core.runbooks.runs import Run, still_open
from handlers.core.words.answers import Actor, PersonId, Press, Surface
from handlers.core.words.cards import Card
from handlers.core.words.forms import Form, Someone, Words
from handlers.core.words.text import Person, Text
from handlers.performing import OPERATIONS, Performer, parsed

MOST_NOTE = 300
NO_WHY = Text("Say why, for whoever reads this tomorrow.")
_SAID = {"step_done": "step_done_note", "step_skip": "step_skip_note", "run_abort": "run_abort_why",
         "run_hand_over": "run_hand_over_to"}  # fmt: skip


class Handwork:
    """See the module."""

    asking: frozenset[str] = frozenset(_SAID)
    presses: Mapping[str, Permission] = dict.fromkeys((*_SAID, *_SAID.values()), Permission.OPERATE)

    def __init__(self, performer: Performer, permits: Permits) -> None:
        self._performer = performer
        self._permits = permits

    def press(self, press: Press) -> Card | Form | None:
        """See Pressable."""
        match press.action:
            case "step_done" | "step_skip" | "step_done_note" | "step_skip_note":
                return self._by_hand(press)
            case "run_abort" | "run_abort_why":
                return self._ended(press)
            case _:
                return self._handed_over(press)

    def _by_hand(self, press: Press) -> Form | None:
        run_id, name, attempt = parsed(press.value)
        now, who, skip = self._performer.clock.now(), press.actor.person, press.action.startswith("step_skip")
        note = _words(press.fields.get("note", ""))
        run = self._performer.known(run_id)
        self._performer.free(run)
        by_hand(run, name, attempt, who, now, skip=skip, note=note)  # refused at once, before anything is typed
        if press.action in _SAID:
            return _note_form(press, run, name, skip=skip)
        if skip and not note:
            return _note_form(press, run, name, skip=skip, told=NO_WHY)
        self._performer.changed(run_id, lambda run: by_hand(run, name, attempt, who, now, skip=skip, note=note))
        return None

    def _ended(self, press: Press) -> Form | None:
        why, now = _words(press.fields.get("note", "")), self._performer.clock.now()
        closed(self._performer.known(press.value), press.actor.person, now, why)
        if press.action in _SAID:
            return _end_form(press.value, Text("Its buttons go; what was found stays."))
        if not why:
            return _end_form(press.value, NO_WHY)
        self._performer.changed(press.value, lambda run: closed(run, press.actor.person, now, why))
        return None

    def _handed_over(self, press: Press) -> Form | None:
        run_id, _, before = press.value.partition("/")
        run, asker = self._performer.known(run_id), press.actor.person
        if press.action in _SAID:
            still_open(run)
            return _person_form(
                run, asker, Text("Choose yourself to take it over. Whom you choose is called in its thread.")
            )
        to, now = PersonId(press.fields.get("person", "")), self._performer.clock.now()
        if not self._may(run, Actor(to, press.actor.team, Surface.SLACK)):
            return _person_form(
                run, asker, Text("{person} may not run this here. Choose somebody else.", person=Person(to))
            )
        self._performer.changed(run_id, lambda each: handed_over(each, to, asker, PersonId(before), now))
        return None

    def _may(self, run: Run, actor: Actor) -> bool:
        permission = Permission.OPERATE
        found = self._permits.judged(actor, permission, OPERATIONS[permission], target=run.target, channel=run.channel)
        return not isinstance(found, Text)


def _words(typed: str) -> str:
    return " ".join(typed.split())[:MOST_NOTE]


def _note_form(press: Press, run: Run, name: str, *, skip: bool, told: Text | None = None) -> Form:
    step = run.step(name)
    action = "step_skip_note" if skip else "step_done_note"
    label = Text("Why it is left out") if skip else Text("What you saw or did")
    return Form(
        action=action,
        value=press.value,
        title=Text("Skip a step") if skip else Text("A step is done"),
        lines=(
            Text("{number}. {title}", number=run.number(name), title=step.title),
            *(() if told is None else (told,)),
        ),
        fields=(Words("note", label, lines=True, most=MOST_NOTE, optional=not skip),),
        submit=Text("Skip") if skip else Text("Done"),
    )


def _end_form(run_id: str, told: Text) -> Form:
    why = Words("note", Text("Why it ends"), lines=True, most=MOST_NOTE)
    return Form("run_abort_why", run_id, Text("End this run"), (told,), (why,), Text("End run"))


def _person_form(run: Run, asker: PersonId, told: Text) -> Form:
    whom = Someone("person", Text("Who looks after it from now on"), asker)
    value = f"{run.id}/{run.lead}"
    return Form("run_hand_over_to", value, Text("Hand this run over"), (told,), (whom,), Text("Hand over"))
