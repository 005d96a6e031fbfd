"""What the relay shows, and what is done beside it."""

from __future__ import annotations

from collections.abc import Mapping

from bot.relay.ports import Board
from bot.settings import Settings
from bot.wiring.alerting import alertmanager_of, plotter_of, routes_of, said_of
from bot.wiring.backups import backup_schedule
from bot.wiring.health import questions_of
from bot.wiring.house import House
from handlers.alerts import AlertBoard, StormBoard
from handlers.checks.metrics import panels
from handlers.core.alerts.escalations import Step
from handlers.core.alerts.ledger import Ledger
from handlers.core.alerts.pictures import Pictures
from handlers.core.alerts.plots import Gallery
from handlers.core.alerts.sheets import Sheets
from handlers.core.alerts.watch import Watch
from handlers.core.ports import People
from handlers.core.sealing.heads import HeadBoard
from handlers.home import Home
from handlers.runbooks import RunBoard
from handlers.sketches import Sketches


def boards(given: Settings, house: House) -> Mapping[str, Board]:
    """By the kind of what they show."""
    ledger, refuge = Ledger(house.ground.state), given.ops_channel
    board = AlertBoard(
        house.alerts,
        ledger,
        routes_of(given),
        refuge,
        house.ground.clock,
        threshold=given.alerts_storm,
        steps=tuple(Step(minutes, mention) for minutes, mention in given.alerts_escalation),
        silencing=bool(given.alertmanager_url),
        answered=lambda group: house.runs.library.of(group) is not None,
    )
    return {
        "alert": board,
        "book": StormBoard(ledger, refuge),
        "head": HeadBoard(house.ground.state, given.audit_channel),
        "run": RunBoard(house.runs.performer, ledger, house.misprints, refuge),
    }


def home_of(given: Settings, house: House, people: People) -> Home:
    """What the Home tab shows."""
    return Home(
        house.ground.state,
        people,
        house.entrance.factors,
        house.ground.clock,
        tuple(house.copies.targets),
        backup_schedule(given),
    )


def watch_of(given: Settings, house: House) -> Watch | None:
    """None: there is no Alertmanager to look at."""
    alertmanager = alertmanager_of(given)
    if alertmanager is None:
        return None
    return Watch(Ledger(house.ground.state), alertmanager, house.ground.clock, said=said_of(given))


def pictures_of(given: Settings, house: House, gallery: Gallery) -> Pictures | None:
    """None: there is nothing to draw from."""
    plotter = plotter_of(given)
    if plotter is None:
        return None
    return Pictures(Ledger(house.ground.state), house.ground.state, plotter, gallery, house.ground.clock)


def sketches_of(given: Settings, house: House, gallery: Gallery) -> Sketches | None:
    """The same, of steps."""
    plotter, records = plotter_of(given), house.runs.performer.records
    return None if plotter is None else Sketches(records, house.ground.state, plotter, gallery, house.ground.clock)


def sheets_of(given: Settings, house: House, gallery: Gallery) -> Sheets | None:
    """The same, of looks at the metrics."""
    painter = plotter_of(given)
    if painter is None:
        return None
    return Sheets(house.ground.state, painter, gallery, house.ground.clock, panels(questions_of(given)))
