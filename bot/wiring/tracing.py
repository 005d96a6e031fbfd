"""What is traced, when OTEL_EXPORTER_OTLP_ENDPOINT says where to; else everything stays as it was given."""

from __future__ import annotations

from collections.abc import Container, Mapping
from contextlib import ExitStack
from importlib.metadata import version
from typing import Self

from bot.intake import Alerts
from bot.relay.ports import Board
from bot.settings import Settings
from bot.slack import listeners
from bot.spans import Traces
from bot.tracing import TracedBoard, TracedDesk, TracedJobs, TracedTaking
from handlers.core.door.desk import Desk
from handlers.core.ports import Clock

JOBS = ""


class Tracing:
    """See the module; what waits to be sent is sent when it is left."""

    def __init__(self, given: Settings, clock: Clock) -> None:
        self._clock, self._open = clock, ExitStack()
        self._traces: Traces | None = None
        if given.otel_exporter_otlp_endpoint:
            from bot.adapters.traces_otlp import OtlpTraces  # imported only where it is used: 90 ms

            otlp = OtlpTraces(given.otel_exporter_otlp_endpoint, given.otel_exporter_otlp_headers, version("negahban"))
            self._traces = self._open.enter_context(otlp)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def desk(self, desk: Desk) -> listeners.Desk:
        """For Slack's side."""
        return desk if self._traces is None else TracedDesk(desk, self._traces, self._clock)

    def taking(self, alerts: Alerts) -> Alerts:
        """For webhooks."""
        return alerts if self._traces is None else TracedTaking(alerts, self._traces, self._clock)

    def boards(self, boards: Mapping[str, Board], desk: Desk, targets: Container[str]) -> Mapping[str, Board]:
        """For the relay, by the kind of what they show. `targets`: see TracedJobs."""
        traces, clock = self._traces, self._clock
        if traces is None:
            return boards
        return {
            kind: TracedBoard(kind, board, traces, clock)
            if kind != JOBS
            else TracedJobs(desk, targets, board, traces, clock)
            for kind, board in boards.items()
        }
