"""A misprint: a runbook's file that cannot be used, told in the team's channel until it is right again.

- One card for each file, however many bots look; the same card says when it is over.
- What is wrong is in the card, so that whoever changed the file need not ask.
"""

from __future__ import annotations

from handlers.core.door.alarms import Alarm, Alarms
from handlers.core.ports import Clock
from handlers.core.runbooks.library import Library
from handlers.core.words.answers import Actor, TargetName
from handlers.core.words.cards import Card, Tone
from handlers.core.words.jobs import Job
from handlers.core.words.text import Code, Text

OPERATION = "runbook.misprint"
LOOK_SECONDS = 10.0
MOST = 8


class Misprints:
    """Looks at the library now and then. `channel` empty: nobody is told."""

    def __init__(self, library: Library, alarms: Alarms, clock: Clock, actor: Actor, channel: str) -> None:
        self._library = library
        self._alarms = alarms
        self._clock = clock
        self._actor = actor
        self._channel = channel
        self._looked: float | None = None
        self._wrong: frozenset[str] = frozenset()

    def look(self) -> None:
        """Tells what is new and what is over. Raises OutsideError."""
        now = self._clock.monotonic()
        if not self._channel or (self._looked is not None and now - self._looked < LOOK_SECONDS):
            return
        problems, good = self._library.problems(), self._library.runbooks()
        for name, said in problems.items():
            old = Text(" Its last good version is used until then.") if name in good else Text("")
            why = "; ".join(said[:MOST])
            text = Text("{name}: {why}.{old}", name=Code(name), why=why[:250], old=old)
            self._alarms.lasts(Alarm(OPERATION, OPERATION, TargetName(name), text, {}), self._actor, self._channel)
        for name in good.keys() - problems.keys() | self._wrong - problems.keys():
            text = Text("The runbook {name} can be used again.", name=Code(name))
            self._alarms.over(OPERATION, TargetName(name), text, self._actor)
        self._looked, self._wrong = now, frozenset(problems)


def misprint_card(job: Job) -> Card:
    """What its card says."""
    outcome = job.outcome
    over = outcome is not None and "over" in outcome.facts
    title = Text("A runbook is right again") if over else Text("A runbook cannot be used as it is written")
    footer = Text("Noticed at {time}", time=job.created)
    lines = () if outcome is None else (outcome.text,)
    return Card(title, Tone.GOOD if over else Tone.WARNING, lines, footer=footer)
