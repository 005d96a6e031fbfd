"""How a secret stands: how old it is, and what somebody should do about it; and the reminders of that.

- `soon` seven days before its greatest age, `due` from that day on, `retire` when an old value has waited long enough.
- A reminder is an alarm: one card for each secret and stage, however many bots look; when it is done, the same card
  says so. It has a button that shows the plan; nothing is rotated without a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers.core.alarms import Alarm, Alarms
from handlers.core.answers import Actor, TargetName
from handlers.core.cards import Button, Card, Tone
from handlers.core.errors import Problem
from handlers.core.estates import Estate
from handlers.core.jobs import Job
from handlers.core.rotation_plans import Past, past
from handlers.core.secrets import Secret
from handlers.core.text import Code, Seconds, Text

SOON = timedelta(days=7)
REMIND = "rotate.remind"
LOOK_SECONDS = 600.0
REMINDED = ("soon", "due", "retire", "needs")


@dataclass(frozen=True, slots=True)
class Standing:
    """One secret's. `stage`: soon, due, retire, needs, unknown; empty when nobody has to look."""

    secret: str
    text: Text
    stage: str = ""
    tone: Tone = Tone.GOOD


def standing(estate: Estate, secret: Secret) -> Standing:
    """How it stands now. Never raises a Problem: what cannot be known is `unknown`."""
    try:
        return _standing(estate, secret, estate.clock.now())
    except Problem as problem:
        text = Text("{name}: {why}", name=Code(secret.name), why=problem.text)
        return Standing(secret.name, text, "unknown", Tone.UNKNOWN)


def _standing(estate: Estate, secret: Secret, now: datetime) -> Standing:
    history, name = past(estate.artifacts, secret.name), Code(secret.name)
    made = estate.store(secret).look(secret.place).current
    if made is None:
        return Standing(secret.name, Text("{name}: no value yet", name=name), "unknown", Tone.UNKNOWN)
    said = _waiting(secret, history, now)
    if said is not None:
        return said
    since = history.turned or made.made
    if since is None:
        return Standing(secret.name, Text("{name}: its age is not known", name=name), "unknown", Tone.UNKNOWN)
    left, age = since + secret.max_age - now, Seconds((now - since).total_seconds())
    if left <= timedelta(0):
        return Standing(secret.name, Text("{name}: {age} old, due", name=name, age=age), "due", Tone.BAD)
    text = Text("{name}: {age} old, due in {left}", name=name, age=age, left=Seconds(left.total_seconds()))
    return Standing(secret.name, text, "soon", Tone.WARNING) if left <= SOON else Standing(secret.name, text)


def _waiting(secret: Secret, history: Past, now: datetime) -> Standing | None:
    name = Code(secret.name)
    if history.needs:
        text = Text("{name}: job {job} ended in need of a person", name=name, job=Code(history.needs))
        return Standing(secret.name, text, "needs", Tone.BAD)
    if history.unfinished:
        text = Text("{name}: job {job} is at work", name=name, job=Code(history.unfinished))
        return Standing(secret.name, text, "", Tone.WORKING)
    if history.soaking is None:
        return None
    if history.soaking.until <= now:
        text = Text("{name}: the old value waits to be retired, `/rotate {name} retire`", name=name)
        return Standing(secret.name, text, "retire", Tone.WARNING)
    text = Text("{name}: rotated, the old value is accepted until {until}", name=name, until=history.soaking.until)
    return Standing(secret.name, text, "", Tone.WARNING)


class Reminders:
    """Looks every ten minutes, in every worker. `actor`, `channel`: who says it, and where."""

    def __init__(self, estate: Estate, alarms: Alarms, actor: Actor, channel: str) -> None:
        self._estate = estate
        self._alarms = alarms
        self._actor = actor
        self._channel = channel
        self._looked: float | None = None

    def round(self) -> None:
        """Raises and closes reminders. Raises OutsideError; the next round goes on."""
        now = self._estate.clock.monotonic()
        if self._looked is not None and now - self._looked < LOOK_SECONDS:
            return
        for secret in self._estate.managed.secrets.values():
            self._remind(secret)
        self._looked = now

    def _remind(self, secret: Secret) -> None:
        found, target = standing(self._estate, secret), TargetName(secret.name)
        if found.stage == "unknown":
            return  # neither begins nor ends anything
        for stage in REMINDED:
            kind = f"rotate-{stage}"
            if stage == found.stage:
                alarm = Alarm(kind, REMIND, target, found.text, {"stage": stage})
                self._alarms.lasts(alarm, self._actor, self._channel)
            elif self._alarms.raised(kind, target):
                self._alarms.over(kind, target, found.text, self._actor)


def reminder_card(job: Job) -> Card:
    """What a reminder says."""
    facts = {} if job.outcome is None else job.outcome.facts
    lines = () if job.outcome is None else (job.outcome.text,)
    stage, name = str(facts.get("stage", "")), Code(job.target)
    if "over" in facts:
        return Card(Text("{name} was looked after", name=name), Tone.GOOD, lines)
    title = {
        "soon": "{name} should be rotated within a week",
        "due": "{name} must be rotated: it is too old",
        "retire": "The old {name} waits to be retired",
    }.get(stage, "{name} needs a person")
    words = f"{job.target} retire" if stage == "retire" else str(job.target)
    buttons = (Button("rotate_pick", Text("Show the plan"), words),) if stage in {"soon", "due", "retire"} else ()
    return Card(Text(title, name=name), Tone.WARNING if stage == "soon" else Tone.BAD, lines, buttons=buttons)
