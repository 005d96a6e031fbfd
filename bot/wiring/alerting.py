"""What stands behind alerts: Alertmanager, routes, the watch, and the plots in cards."""

from __future__ import annotations

from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.state_redis import RedisState
from bot.settings import Settings
from bot.wiring.files import read_file
from handlers.alerts import Alerts
from handlers.core import routes
from handlers.core.alertmanagers import Alertmanager
from handlers.core.ledger import Ledger
from handlers.core.plots import Plotter
from handlers.core.routes import Route, Routes


def alerts_of(given: Settings, state: RedisState) -> Alerts:
    """Takes alerts in, over this state."""
    return Alerts(Ledger(state), SystemClock(), SystemEntropy(), alertmanager_of(given))


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


def plotter_of(given: Settings) -> Plotter | None:
    """None: there is no Prometheus to draw from."""
    if not given.prometheus_url:
        return None
    from bot.adapters.plots import Plots  # imported only where it is used

    return Plots(given.prometheus_url)
