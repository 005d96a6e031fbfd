"""Pictures that the chat does not take: the card is shown without, and with it a little later.

- A file that was just uploaded may be refused until the chat has processed it. Nobody waits for that: the card goes
  without its picture, which is tried again after 1, 2, 4, 8 and 16 s, and then given up.
- Three failures of another kind, one after the other, are taken for a refusal too: no card hangs on a picture.
- Remembered here only; another relay tries anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from bot.relay.ports import Snag
from handlers.core.ports import Clock
from handlers.core.words.cards import Card
from handlers.core.words.errors import OutsideError

WAIT_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)
STRIKES = 3


@dataclass(slots=True)
class _Trouble:
    """With one file: failures in a row, refusals, and when it may be tried again."""

    file: str
    strikes: int = 0
    refusals: int = 0
    again: float = 0.0


class Pictures:
    """What was refused, by the name of the card."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._troubles: dict[str, _Trouble] = {}

    def allowed(self, name: str, card: Card) -> Card:
        """The card, without a picture that may not be tried now."""
        trouble = self._trouble(name, card)
        late = trouble is not None and trouble.again > self._clock.monotonic()
        return replace(card, picture=None) if late else card

    def refused(self, name: str, card: Card, error: OutsideError) -> bool:
        """The card could not be sent; whether it should go without its picture now."""
        if card.picture is None or not _perhaps(error):
            return False
        trouble = self._trouble(name, card) or _Trouble(card.picture.file)
        self._troubles[name] = trouble
        trouble.strikes += 1
        if trouble.strikes < STRIKES and not (isinstance(error, Snag) and error.refused):
            return False
        given_up = trouble.refusals == len(WAIT_SECONDS)
        wait = math.inf if given_up else WAIT_SECONDS[trouble.refusals]
        trouble.strikes, trouble.again = 0, self._clock.monotonic() + wait
        trouble.refusals += not given_up
        return True

    def wait(self, name: str, card: Card) -> float:
        """In how many seconds the card's picture may be tried again; 0 when there is nothing to wait for."""
        trouble = self._trouble(name, card)
        if trouble is None or math.isinf(trouble.again):
            return 0.0
        return max(0.0, trouble.again - self._clock.monotonic())

    def forget(self, name: str) -> None:
        """The card is finished."""
        self._troubles.pop(name, None)

    def _trouble(self, name: str, card: Card) -> _Trouble | None:
        known = self._troubles.get(name)
        return known if known is not None and card.picture is not None and known.file == card.picture.file else None


def _perhaps(error: OutsideError) -> bool:
    """Whether a picture may be why: not when the message is gone, or the chat only asks to wait."""
    return not (isinstance(error, Snag) and (error.gone or error.retry_after_seconds is not None))
