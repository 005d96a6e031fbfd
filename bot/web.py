"""The web side: what the platform asks, what Prometheus reads, and what Slack sends when SLACK_MODE is http.

- Of every target: `negahban_backup_age_seconds`, of its newest good copy, and `negahban_backup_good_copies`. What is
  not known is left out, never zero.
- `/livez` says the process answers; `/readyz` asks what it needs (200 or 503, a line each); `/metrics` Prometheus text.
- Everything else is 404; a body over 1 MiB is refused before it is read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import prometheus_client
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from waitress.server import BaseWSGIServer, create_server

from handlers.core.answers import TargetName
from handlers.core.errors import Problem
from handlers.core.rota import Freshness

THREADS = 8
BODY_LIMIT_BYTES = 1024 * 1024

Start = Callable[..., Any]
Application = Callable[[dict[str, Any], Start], Iterable[bytes]]
Checks = Mapping[str, Callable[[], str]]
Measure = Callable[[], tuple[datetime, Mapping[TargetName, Freshness]]]


class Backups(Collector):
    """What was seen of the copies of every target, asked for anew at each scrape."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Nothing while it cannot be asked."""
        try:
            now, seen = self._measure()
        except Problem:
            return
        age = GaugeMetricFamily("negahban_backup_age_seconds", "Age of the newest good backup", labels=["target"])
        good = GaugeMetricFamily("negahban_backup_good_copies", "Good backups that are kept", labels=["target"])
        for target, fresh in seen.items():
            good.add_metric([target], fresh.good)
            if fresh.newest is not None:
                age.add_metric([target], (now - fresh.newest).total_seconds())
        yield age
        yield good


def application(checks: Checks, slack: Application | None, measure: Measure | None = None) -> Application:
    """The WSGI application. `checks`: each says "" or what is wrong, and never raises; `measure`: the time, and what
    was seen of the copies; it may raise a Problem."""
    backups = prometheus_client.CollectorRegistry()
    if measure is not None:
        backups.register(Backups(measure))

    def answer(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD", "")
        match method, path:
            case "GET", "/livez":
                return _plain(start, "200 OK", "alive\n")
            case "GET", "/readyz":
                wrong = {name: problem for name, check in checks.items() if (problem := check())}
                body = "".join(f"{name}: {wrong.get(name, 'ok')}\n" for name in checks)
                return _plain(start, "503 Service Unavailable" if wrong else "200 OK", body)
            case "GET", "/metrics":
                start("200 OK", [("Content-Type", prometheus_client.CONTENT_TYPE_LATEST)])
                return [prometheus_client.generate_latest(), prometheus_client.generate_latest(backups)]
            case "POST", "/slack/events" if slack is not None:
                return slack(environ, start)
            case _:
                return _plain(start, "404 Not Found", "not found\n")

    return answer


def _plain(start: Start, status: str, body: str) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")])
    return [body.encode()]


class WebServer:
    """Serves an application from its own thread until closed. `port` 0: a free one."""

    def __init__(self, app: Application, host: str, port: int) -> None:
        self._server: BaseWSGIServer = create_server(
            app,
            host=host,
            port=port,
            threads=THREADS,
            max_request_body_size=BODY_LIMIT_BYTES,
            ident="negahban",
        )
        self._thread = threading.Thread(target=self._server.run, name="web", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.effective_port)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stops answering."""
        self._server.close()
        self._thread.join(5)
