"""What crosses the pipe between the bot and the child that draws.

- To the child: the order, as JSON. From it: the picture, or nothing when there is nothing to draw.
- The child's return code says what went wrong; a code that is not here means that the drawing itself failed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import IntEnum

from handlers.core.alerts.plots import Curve, Panel

PICTURE_BYTES = 200_000
"""What a picture may weigh."""


class Ending(IntEnum):
    """How the child ended, as its return code."""

    DRAWN = 0
    AWAY = 10
    """Prometheus cannot be reached, does not answer in time, or says that it cannot now."""
    DENIED = 11
    """Prometheus wants other credentials."""
    NOT_UNDERSTOOD = 12
    """Prometheus refuses this expression."""
    ELSEWHERE = 13
    """The address sends its visitors on to another one."""
    NOT_PROMETHEUS = 14
    """What answered is not what Prometheus answers."""


@dataclass(frozen=True, slots=True)
class SheetOrder:
    """A picture of several panels that is wanted. `until`: seconds since 1970."""

    address: str
    panels: tuple[Panel, ...]
    until: float

    def packed(self) -> bytes:
        """As bytes for the pipe."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class Order:
    """A picture that is wanted. `until`: seconds since 1970."""

    address: str
    expression: str
    title: str
    until: float
    threshold: float | None

    def packed(self) -> bytes:
        """As bytes for the pipe."""
        return json.dumps(asdict(self)).encode()


def unpacked(data: bytes) -> Order | SheetOrder:
    """The order in these bytes."""
    given = json.loads(data)
    if "panels" not in given:
        return Order(**given)
    panels = tuple(
        Panel(**{**each, "curves": tuple(Curve(**curve) for curve in each["curves"])}) for each in given["panels"]
    )
    return SheetOrder(given["address"], panels, given["until"])
