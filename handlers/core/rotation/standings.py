"""How a secret stands: how old it is, and what somebody should do about it; and the reminders of that.

- `soon` seven days before its greatest age, `due` from that day on, `retire` when an old value has waited long enough.
- `paused` while a rotation rests; after a day, or when the secret is too old meanwhile, it is as bad as `due`.
- A reminder is an alarm: one card for each secret and stage, however many bots look; when it is done, the same card
  says so. It has a button that shows the plan; nothing is rotated without a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers.core.door.alarms import Alarm, Alarms
from handlers.core.rotation.data_keys import guards_data
from handlers.core.rotation.estates import Estate
from handlers.core.rotation.rotation_plans import Past, past
from handlers.core.rotation.secrets import Secret
from handlers.core.words.answers import Actor, TargetName
from handlers.core.words.cards import Button, Card, Tone
from handlers.core.words.errors import Problem
from handlers.core.words.jobs import Job
from handlers.core.words.text import Code, Seconds, Text

SOON = timedelta(days=7)
REMIND = "rotate.remind"
LOOK_SECONDS = 600.0
_WORDS = {"retire": " retire", "paused": " continue"}
_SHOWN = ("soon", "due", "retire", "paused")
REMINDED = ("soon", "due", "retire", "needs", "paused")
RESTS_LONG = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """One secret's. `stage`: soon, due, retire, needs, paused, unknown; empty when nobody has to look."""

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
    if history.paused:
        old = now - (history.turned or made.made or now) >= secret.max_age
        return _paused(secret, history, now, old=old)
    said = _waiting(secret, history, now)
    held = _held(estate, secret, history) if said is not None and said.stage == "retire" else None
    if said is not None and held is None:
        return said
    since = history.turned or made.made
    if since is None:
        return Standing(secret.name, Text("{name}: its age is not known", name=name), "unknown", Tone.UNKNOWN)
    left, age = since + secret.max_age - now, Seconds((now - since).total_seconds())
    if left <= timedelta(0):
        return Standing(secret.name, Text("{name}: {age} old, due", name=name, age=age), "due", Tone.BAD)
    text = Text("{name}: {age} old, due in {left}", name=name, age=age, left=Seconds(left.total_seconds()))
    if left <= SOON:
        return Standing(secret.name, text, "soon", Tone.WARNING)
    return held or Standing(secret.name, text)


def _held(estate: Estate, secret: Secret, history: Past) -> Standing | None:
    """An old key that only backups need: nobody has to look until they are gone."""
    if not guards_data(secret) or estate.holds is None or history.soaking is None:
        return None
    holders = estate.holds.holders(secret, history.soaking.keys)
    text = Text("{name}: rotated, {count} backups need the old key", name=Code(secret.name), count=len(holders))
    return Standing(secret.name, text) if holders else None


def _paused(secret: Secret, history: Past, now: datetime, *, old: bool) -> Standing:
    rests = now - (history.since or now)
    text = Text(
        "{name}: its rotation has been paused for {time}; `/rotate {name} continue` or `/rotate {name} rollback`",
        name=secret.name,
        time=Seconds(rests.total_seconds()),
    )
    return Standing(secret.name, text, "paused", Tone.BAD if old or rests >= RESTS_LONG else Tone.WARNING)


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
        "soon": Text("{name} should be rotated within a week", name=name),
        "due": Text("{name} must be rotated: it is too old", name=name),
        "retire": Text("The old {name} waits to be retired", name=name),
        "paused": Text("The rotation of {name} is paused", name=name),
    }.get(stage, Text("{name} needs a person", name=name))
    words = f"{job.target}{_WORDS.get(stage, '')}"
    buttons = (Button("rotate_pick", Text("Show the plan"), words),) if stage in _SHOWN else ()
    return Card(title, Tone.WARNING if stage in {"soon", "paused"} else Tone.BAD, lines, buttons=buttons)
