"""The monthly task: security updates are made, and somebody says so with a button.

- 28 days after the last time, or at once when nobody ever did, one card for each target reminds, over all workers; it
  lasts until somebody presses, and then says who.
- A press is audited, counts once a day, and changes nothing but the record of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from handlers.checks.updates import REMIND
from handlers.core.door.alarms import Alarm, Alarms
from handlers.core.door.policy import Permission
from handlers.core.health.upkeep import UpkeepBook
from handlers.core.ports import Clock
from handlers.core.words.answers import Actor, Press, TargetName
from handlers.core.words.cards import Button, Card, Tone
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job
from handlers.core.words.text import Code, Person, Seconds, Text

DONE, KIND, TASK = "task_done", "upkeep", "health.upkeep"
LOOK_SECONDS = 600.0


class Updates:
    """See the module. A Pressable; `round` is called every few seconds in every worker."""

    presses: Mapping[str, Permission] = {DONE: Permission.OPERATE}
    asking: frozenset[str] = frozenset()

    def __init__(
        self, book: UpkeepBook, alarms: Alarms, clock: Clock, targets: Iterable[TargetName], actor: Actor, channel: str
    ) -> None:
        self._book, self._alarms, self._clock = book, alarms, clock
        self._targets, self._actor, self._channel = tuple(targets), actor, channel
        self._looked: float | None = None

    def press(self, press: Press) -> Card:
        """Somebody says that they are made. Raises Refusal for no target of ours."""
        target = TargetName(press.value)
        if target not in self._targets:
            raise Refusal(Text("There is no target {name}.", name=Code(press.value[:40])))
        if not self._book.acknowledge(target, press.actor.person, self._clock.now()):
            return Card(Text("Somebody said so today already."), Tone.PLAIN)
        text = Text("{person} made the security updates of {target}.", person=Person(press.actor.person),
                    target=Code(target))  # fmt: skip
        self._alarms.over(KIND, target, text, press.actor)
        return Card(Text("Thank you: it is on record."), Tone.GOOD)

    def round(self) -> None:
        """Reminds. Raises OutsideError; the next round goes on."""
        now = self._clock.monotonic()
        if not self._channel or (self._looked is not None and now - self._looked < LOOK_SECONDS):
            return
        self._looked = now
        for target in self._targets:
            self._remind(target)

    def _remind(self, target: TargetName) -> None:
        history = self._book.history(target)
        if history and self._clock.now() - history[-1].at < REMIND:
            return
        text = Text("Nobody has said yet that the security updates of {target} are made.", target=Code(target))
        if history:
            age = Seconds((self._clock.now() - history[-1].at).total_seconds())
            text = Text("The security updates of {target} were made {age} ago, by {person}.", target=Code(target),
                        age=age, person=Person(history[-1].person))  # fmt: skip
        self._alarms.lasts(Alarm(KIND, TASK, target, text, {}), self._actor, self._channel)


def task_card(job: Job) -> Card:
    """What the reminder says."""
    facts = {} if job.outcome is None else job.outcome.facts
    lines = () if job.outcome is None else (job.outcome.text,)
    if "over" in facts:
        return Card(
            Text("The month's security updates of {target} are made", target=Code(job.target)), Tone.GOOD, lines
        )
    how = Text("Update the system, Node and Electron; `/health updates` says what is pending. Then press the button.")
    title = Text("Security updates of {target} are due", target=Code(job.target))
    buttons = (Button(DONE, Text("They are made"), job.target), Button("health_updates", Text("Look"), job.target))
    return Card(title, Tone.WARNING, (*lines, how), buttons=buttons)
