"""Itineraries: the steps of a rotation in their order, as the work names them and as its card lists them.

- The card ticks what is done, points at what is being done, and shows what is still to come.
- A step that the list does not know (the way back, a re-encryption with its counters) is told alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from handlers.core.rotation.rotation_plans import ACCEPT, DROP, REPLACE, SIGN, WRITE
from handlers.core.words.text import Code, Text

REENCRYPTING = Text("Bringing all data under the newest key")
_ROUNDS = {
    ACCEPT: Text("both keys accepted"),
    SIGN: Text("the new key signs"),
    WRITE: Text("the new key writes"),
    DROP: Text("the old key dropped"),
    REPLACE: Text("one new value"),
}


def keeping(phase: str) -> Text:
    """The value is stored where nobody reads it yet."""
    return Text("Keeping the new value beside the current one ({phase})", phase=_ROUNDS[phase])


def accepting(phase: str) -> Text:
    """What accepts the value is told of it."""
    return Text("Making sure that the new value is accepted ({phase})", phase=_ROUNDS[phase])


def promoting(phase: str) -> Text:
    """The value becomes what programs read."""
    return Text("Making it the current one ({phase})", phase=_ROUNDS[phase])


def reading(consumer: str, phase: str) -> Text:
    """A program is made to read it."""
    return Text("{name} reads it anew ({phase})", name=Code(consumer), phase=_ROUNDS[phase])


def proving(phase: str) -> Text:
    """Seen from where its users are."""
    return Text("Proving it from the user's side ({phase})", phase=_ROUNDS[phase])


def returning(consumer: str) -> Text:
    """A program is made to read the former value."""
    return Text("Going back: {name} reads the former value", name=Code(consumer))


def itinerary(phases: Iterable[str], consumers: Sequence[str], *, issued: bool, data: bool) -> tuple[Text, ...]:
    """`issued`: somebody must be told of a value before it is accepted; `data`: all data is re-encrypted in the end."""
    found: list[Text] = []
    for phase in phases:
        found += [keeping(phase), *((accepting(phase),) if issued else ()), promoting(phase)]
        found += [*(reading(name, phase) for name in consumers), proving(phase)]
    return (*found, REENCRYPTING) if data else tuple(found)


def listed(steps: Sequence[Text], now: Text) -> tuple[Text, ...]:
    """The lines of a card whose work is at `now`; none where that is not one of several steps."""
    if now not in steps or len(steps) == 1:
        return ()
    at = steps.index(now)
    return (
        *(Text("✓ {step}", step=each) for each in steps[:at]),
        Text("▶ {step}", step=now),
        *(Text("○ {step}", step=each) for each in steps[at + 1 :]),
    )
