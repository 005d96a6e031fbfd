"""The web side: what the platform asks, what Prometheus reads, and what Slack sends when SLACK_MODE is http.

- Of every target: `negahban_backup_age_seconds`, of its newest good copy, and `negahban_backup_good_copies`. What is
  not known is left out, never zero.
- `/livez` says the process answers; `/readyz` asks what it needs (200 or 503, a line each); `/metrics` Prometheus text.
- `/enrol/…` is the page of second factors (bot/enrolling.py).
- Everything else is 404; a webhook's path that is not posted to 405. A body over 10 MiB is refused before it is read,
  and whoever counts is told.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import prometheus_client
from prometheus_client.metrics_core import HistogramMetricFamily
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask

THREADS = 8
BODY_LIMIT_BYTES = 10 * 1024 * 1024

Start = Callable[..., Any]
Application = Callable[[dict[str, Any], Start], Iterable[bytes]]
Checks = Mapping[str, Callable[[], str]]
NO_WEBHOOKS: Mapping[str, Application] = {}


@dataclass(frozen=True, slots=True)
class Measure:
    """A gauge that is looked up when it is asked for: its name, what it means, its labels, its value."""

    name: str
    meaning: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Spread:
    """A histogram: `counts` below each of `bounds` and above all, and the sum of what was measured."""

    name: str
    meaning: str
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """As prometheus_client asks its collectors."""
        running = [sum(self.counts[: at + 1]) for at in range(len(self.counts))]
        names = [*(str(bound) for bound in self.bounds), "+Inf"]
        yield HistogramMetricFamily(self.name, self.meaning, list(zip(names, running, strict=True)), self.total)


def no_measures() -> Iterable[Measure]:
    """Nothing to look up."""
    return ()


def application(
    checks: Checks,
    slack: Application | None,
    measures: Callable[[], Iterable[Measure | Spread]] = no_measures,
    webhooks: Mapping[str, Application] = NO_WEBHOOKS,
    pages: Application | None = None,
) -> Application:
    """The WSGI application. `checks`: each says "" or what is wrong, and never raises; nor does `measures`.
    `webhooks`: who answers a POST to which path; `pages`: who answers under `/enrol/`."""

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
                return [prometheus_client.generate_latest() + _spelled(measures())]
            case "POST", "/slack/events" if slack is not None:
                return slack(environ, start)
            case _ if pages is not None and path.startswith("/enrol/"):
                return pages(environ, start)
            case "POST", _ if path in webhooks:
                return webhooks[path](environ, start)
            case _ if path in webhooks:
                return _plain(start, "405 Method Not Allowed", "only POST\n", ("Allow", "POST"))
            case _:
                return _plain(start, "404 Not Found", "not found\n")

    return answer


def _spelled(measures: Iterable[Measure | Spread]) -> bytes:
    registry, gauges = prometheus_client.CollectorRegistry(), dict[str, prometheus_client.Gauge]()
    for each in measures:
        if isinstance(each, Spread):
            registry.register(each)
            continue
        if each.name not in gauges:
            gauges[each.name] = prometheus_client.Gauge(each.name, each.meaning, list(each.labels), registry=registry)
        gauge = gauges[each.name]
        (gauge.labels(**each.labels) if each.labels else gauge).set(each.value)
    return prometheus_client.generate_latest(registry)


def _plain(start: Start, status: str, body: str, *more: tuple[str, str]) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store"), *more])
    return [body.encode()]


class _Refusal(ErrorTask):
    """What the server answers before the application is asked: a body that is too large, a request that is none."""

    def execute(self) -> None:
        """Tells who counts, and answers."""
        self.channel.server.refused(str(getattr(self.request, "path", "")), int(self.request.error.code))
        super().execute()  # type: ignore[no-untyped-call]


class _Channel(HTTPChannel):
    error_task_class = _Refusal


class WebServer:
    """Serves an application from its own thread until closed. `port` 0: a free one."""

    def __init__(
        self, app: Application, host: str, port: int, refused: Callable[[str, int], None] = lambda path, code: None
    ) -> None:
        """`refused`: told of what was refused unread, by path and status."""
        self._server: BaseWSGIServer = create_server(
            app,
            host=host,
            port=port,
            threads=THREADS,
            max_request_body_size=BODY_LIMIT_BYTES,
            ident="negahban",
        )
        self._server.channel_class = _Channel
        self._server.refused = refused
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.effective_port)

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stops answering."""
        self._closing.set()
        self._server.close()
        self._thread.join(5)

    def _run(self) -> None:
        try:
            self._server.run()
        except OSError:  # it may be waiting for the very sockets that `close` takes away
            if not self._closing.is_set():
                raise
