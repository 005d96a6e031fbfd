"""The control API: faults, disconnects, time, the log of calls. Loopback only."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable

from aiohttp import web

from sandbox.slack.clock import Clock
from sandbox.slack.delivery import Delivery
from sandbox.slack.errors import JSON, SlackError
from sandbox.slack.faults import Faults
from sandbox.slack.journal import Journal
from sandbox.slack.rates import Rates
from sandbox.slack.socket_mode import SocketMode
from sandbox.slack.ui import read_json


class Control:
    """Every address under `/control`."""

    def __init__(
        self,
        *,
        faults: Faults,
        rates: Rates,
        clock: Clock,
        journal: Journal,
        socket_mode: SocketMode,
        delivery: Delivery,
        reset: Callable[[], None],
    ) -> None:
        self._faults = faults
        self._rates = rates
        self._clock = clock
        self._journal = journal
        self._socket_mode = socket_mode
        self._deliver = delivery
        self._start_over = reset

    def routes(self) -> list[web.RouteDef]:
        """Every address, refused from anywhere but this machine."""
        return [
            web.post("/control/faults", _local(self._add_fault)),
            web.delete("/control/faults", _local(self._clear_faults)),
            web.post("/control/disconnect", _local(self._disconnect)),
            web.post("/control/speed", _local(self._speed)),
            web.post("/control/clock", _local(self._advance)),
            web.post("/control/delivery", _local(self._delivery)),
            web.get("/control/log", _local(self._log)),
            web.get("/control/connections", _local(self._connections)),
            web.post("/control/reset", _local(self._reset)),
        ]

    async def _add_fault(self, request: web.Request) -> JSON:
        self._faults.add_from(await read_json(request))
        return {}

    async def _clear_faults(self, request: web.Request) -> JSON:
        self._faults.clear()
        return {}

    async def _disconnect(self, request: web.Request) -> JSON:
        data = await read_json(request)
        place = data.get("connection")
        await self._socket_mode.disconnect(
            str(data.get("reason", "refresh_requested")), connection=None if place is None else int(place)
        )
        return {}

    async def _speed(self, request: web.Request) -> JSON:
        self._rates.set_speed(float((await read_json(request))["factor"]))
        return {}

    async def _advance(self, request: web.Request) -> JSON:
        self._clock.advance(float((await read_json(request))["seconds"]))
        return {"now": self._clock.now()}

    async def _delivery(self, request: web.Request) -> JSON:
        data = await read_json(request)
        if data.get("mode") == "http":
            self._deliver.use_http(data.get("url"))
        else:
            self._deliver.use_socket()
        return {}

    async def _log(self, request: web.Request) -> JSON:
        return {"calls": self._journal.entries()}

    async def _connections(self, request: web.Request) -> JSON:
        sockets = self._socket_mode
        return {"count": sockets.count, "delivered": sockets.delivered()}

    async def _reset(self, request: web.Request) -> JSON:
        self._start_over()
        return {}


def _local(
    handler: Callable[[web.Request], Awaitable[JSON]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        if not ipaddress.ip_address(request.remote or "0.0.0.0").is_loopback:
            return web.json_response({"ok": False, "error": "not_loopback"}, status=403)
        try:
            return web.json_response({"ok": True, **await handler(request)})
        except SlackError as refusal:
            return web.json_response(refusal.answer, status=400)
        except (KeyError, TypeError, ValueError) as error:
            return web.json_response({"ok": False, "error": "bad_request", "detail": str(error)}, status=400)

    return answer
