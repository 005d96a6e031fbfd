"""What the relay shows, and what is done beside it."""

from __future__ import annotations

from collections.abc import Mapping

from bot.relay.ports import Board
from bot.settings import Settings
from bot.wiring.alerting import alertmanager_of, plotter_of, routes_of
from bot.wiring.house import House
from handlers.alerts import AlertBoard, StormBoard
from handlers.core.escalations import Step
from handlers.core.ledger import Ledger
from handlers.core.pictures import Pictures
from handlers.core.plots import Gallery
from handlers.core.watch import Watch
from handlers.runbooks import RunBoard


def boards(given: Settings, house: House) -> Mapping[str, Board]:
    """By the kind of what they show."""
    ledger, refuge = Ledger(house.state), given.ops_channel
    board = AlertBoard(
        house.alerts,
        ledger,
        routes_of(given),
        refuge,
        house.clock,
        threshold=given.alerts_storm,
        steps=tuple(Step(minutes, mention) for minutes, mention in given.alerts_escalation),
        silencing=bool(given.alertmanager_url),
        answered=lambda group: house.library.of(group) is not None,
    )
    return {
        "alert": board,
        "book": StormBoard(ledger, refuge),
        "run": RunBoard(house.performer, house.misprints, refuge),
    }


def watch_of(given: Settings, house: House) -> Watch | None:
    """None: there is no Alertmanager to look at."""
    alertmanager = alertmanager_of(given)
    return None if alertmanager is None else Watch(Ledger(house.state), alertmanager, house.clock)


def pictures_of(given: Settings, house: House, gallery: Gallery) -> Pictures | None:
    """None: there is nothing to draw from."""
    plotter = plotter_of(given)
    return None if plotter is None else Pictures(Ledger(house.state), house.state, plotter, gallery, house.clock)
