"""Tellings: what happened to somebody's second factor, told to them and to the channel of the audit.

- Every change is told, whoever made it: who did not do it themselves learns of it at once.
- Told by the relay, as an alarm that is over when it is said; the record of it is audited first.
- Never a code, a seed or a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from handlers.core.door.alarms import Alarm, Alarms
from handlers.core.words.answers import Actor, PersonId, TargetName
from handlers.core.words.digests import Json
from handlers.core.words.text import Person, Text

TOLD = "access.told"


@dataclass(frozen=True, slots=True)
class Told:
    """`kind`: what sort of thing; `person`: whose factor; `to_them`, `to_all`: the words. `asks`: what the card in the
    channel offers to press (an action and its value); empty for nothing."""

    kind: str
    person: PersonId
    to_them: Text
    to_all: Text
    asks: Mapping[str, str] = field(default_factory=dict)


class Telling(Protocol):
    """Who tells."""

    def tell(self, told: Told) -> None:
        """To the person, and to everybody who looks after it. Raises OutsideError."""


class Silent:
    """Tells nobody: where there is no Slack to tell it in."""

    def tell(self, told: Told) -> None:
        """Nothing."""


class Tellings:
    """See the module. `channel`: of the audit; empty: only the person is told."""

    def __init__(self, alarms: Alarms, actor: Actor, channel: str) -> None:
        self._alarms = alarms
        self._actor = actor
        self._channel = channel

    def tell(self, told: Told) -> None:
        """See Telling."""
        kind, target = f"access-{told.kind}", TargetName(told.person)
        self._alarms.tell(Alarm(kind, TOLD, target, told.to_them, {}), self._actor, told.person)
        if self._channel:
            facts: dict[str, Json] = dict(told.asks)
            self._alarms.tell(Alarm(kind, TOLD, target, told.to_all, facts), self._actor, self._channel)


def hard_locked(person: PersonId) -> Told:
    """What is said when ten codes in a row were wrong."""
    return Told(
        "locked",
        person,
        Text("Ten wrong codes in a row were typed in your name. Your second factor is locked until it is unlocked."),
        Text("{person}'s second factor is locked: ten wrong codes in a row.", person=Person(person)),
        {"action": "access_unlock", "value": person},
    )


def replayed(person: PersonId) -> Told:
    """What is said when a code came twice."""
    return Told(
        "replayed",
        person,
        Text(
            "A code of yours that had been used already was typed again. If it was not you, somebody can see your "
            "codes: tell an administrator. The operation is locked."
        ),
        Text("A code of {person} was used twice. The operation is locked.", person=Person(person)),
    )


def enrolled_at_host(person: PersonId) -> Told:
    """What is said when somebody was enrolled at the host's terminal."""
    return Told(
        "enrolled",
        person,
        Text("A second factor was set up for you on the bot's host. Was it not you? Tell an administrator."),
        Text("{person} was given a second factor on the bot's host.", person=Person(person)),
    )
