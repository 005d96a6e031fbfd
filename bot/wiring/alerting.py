"""What stands behind alerts: Alertmanager, routes, the watch, and the plots in cards."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.state_redis import RedisState
from bot.settings import Settings
from bot.wiring.files import read_file
from handlers.alerts import Alerts
from handlers.core.alerts import routes
from handlers.core.alerts.alert_cards import history
from handlers.core.alerts.alertmanagers import Alertmanager
from handlers.core.alerts.ledger import Ledger, Said
from handlers.core.alerts.notices import Labels
from handlers.core.alerts.plots import Painter
from handlers.core.alerts.routes import Route, Routes
from handlers.core.alerts.severities import own_word


def alerts_of(given: Settings, state: RedisState, graded: Callable[[Labels], str] = own_word) -> Alerts:
    """Takes alerts in, over this state. `graded`: how bad they are; only who takes them in has to know."""
    alertmanager, said = alertmanager_of(given), said_of(given)
    return Alerts(Ledger(state), SystemClock(), SystemEntropy(), alertmanager, said=said, graded=graded)


def said_of(given: Settings) -> Said:
    """What is told in the thread of an alert's card."""
    return partial(history, ends=given.alerts_resolve_reply)


def alertmanager_of(given: Settings) -> Alertmanager | None:
    """None: there is none to ask."""
    if not given.alertmanager_url:
        return None
    from bot.adapters.alertmanager import HttpAlertmanager  # imported only where it is used

    return HttpAlertmanager(given.alertmanager_url)


def routes_of(given: Settings) -> Routes:
    """Raises Refusal, with everything that is wrong with the file."""
    default = Route(given.alerts_channel)
    if not given.alerts_routes:
        return Routes(default)
    return read_file("ALERTS_ROUTES", given.alerts_routes, lambda data: routes.read(data, default))


def plotter_of(given: Settings) -> Painter | None:
    """None: there is no Prometheus to draw from."""
    if not given.prometheus_url:
        return None
    from bot.adapters.plots import Plots  # imported only where it is used

    return Plots(given.prometheus_url)
