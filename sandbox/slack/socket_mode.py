"""Socket Mode: the app's WebSocket connections, and envelopes each sent to exactly one of them.

Source: docs.slack.dev/apis/events-api/using-socket-mode.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from sandbox.slack.calls import Call, Method
from sandbox.slack.errors import JSON

CONNECTIONS = 10
TICKET_SECONDS = 30.0
WARNING_SECONDS = 10.0
REASONS = ("warning", "refresh_requested", "link_disabled", "drop")


@dataclass(frozen=True, slots=True)
class Ack:
    """What became of a delivery: None as `error` means acknowledged in time."""

    error: str | None
    payload: JSON | None = None


class SocketMode:
    """The open connections of the app."""

    def __init__(self, app_id: str) -> None:
        self._app_id = app_id
        self.url = ""
        self._tickets: set[str] = set()
        self._connections: list[web.WebSocketResponse] = []
        self._leaving: set[web.WebSocketResponse] = set()
        self._waiting: dict[str, asyncio.Future[JSON | None]] = {}
        self._sent: dict[web.WebSocketResponse, int] = {}
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def methods(self) -> dict[str, Method]:
        """apps.connections.open, for the app-level token."""
        return {"apps.connections.open": Method(self._open, 1, ("connections:write",), token="app")}

    def _open(self, call: Call) -> JSON:
        ticket = secrets.token_urlsafe(24)
        self._tickets.add(ticket)
        asyncio.get_running_loop().call_later(TICKET_SECONDS, self._tickets.discard, ticket)
        return {"url": f"{self.url}/link/?ticket={ticket}&app_id={self._app_id}"}

    @property
    def count(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def delivered(self) -> list[int]:
        """How many envelopes each open connection was sent, oldest connection first."""
        return [self._sent.get(each, 0) for each in self._connections]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """A connection, from hello to close. Its address works once."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.json_response({"ok": False, "error": "invalid_ticket"}, status=401)
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse(heartbeat=10.0)
        await socket.prepare(request)
        if len(self._connections) >= CONNECTIONS:
            await socket.send_json(self._disconnect_frame("too_many_websockets"))
            await socket.close()
            return socket
        self._connections.append(socket)
        await socket.send_json(
            {
                "type": "hello",
                "num_connections": len(self._connections),
                "debug_info": self._debug_info(),
                "connection_info": {"app_id": self._app_id},
            }
        )
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._receive(message.data)
        finally:
            self._forget(socket)
        return socket

    def _receive(self, text: str) -> None:
        try:
            data: Any = json.loads(text)
        except ValueError:
            return
        if not isinstance(data, dict):
            return
        waiting = self._waiting.get(str(data.get("envelope_id")))
        if waiting is not None and not waiting.done():
            payload = data.get("payload")
            waiting.set_result(payload if isinstance(payload, dict) else None)

    async def send(
        self,
        kind: str,
        payload: JSON,
        *,
        timeout: float,
        envelope_id: str | None = None,
        attempt: int = 0,
        reason: str = "",
        copies: int = 1,
    ) -> Ack:
        """Sends an envelope to one connection and waits for its ack; `copies` repeats it (a fault)."""
        envelope_id = envelope_id or secrets.token_hex(16)
        envelope: JSON = {
            "envelope_id": envelope_id,
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": reason}
        waiting: asyncio.Future[JSON | None] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = waiting
        try:
            for _ in range(copies):
                if not await self._send_to_one(envelope):
                    return Ack("dispatch_failed")
            return Ack(None, await asyncio.wait_for(waiting, timeout))
        except TimeoutError:
            return Ack("operation_timeout")
        finally:
            del self._waiting[envelope_id]

    async def _send_to_one(self, envelope: JSON) -> bool:
        """Sends to the next connection in turn; a dead one is skipped. False: there is none."""
        for _ in range(len(self._connections)):
            usable = [each for each in self._connections if each not in self._leaving]
            if not usable:
                return False
            self._turn += 1
            socket = usable[self._turn % len(usable)]
            try:
                await socket.send_json(envelope)
            except ConnectionError:
                self._forget(socket)
                continue
            self._sent[socket] = self._sent.get(socket, 0) + 1
            return True
        return False

    async def disconnect(self, reason: str, *, connection: int | None = None) -> None:
        """Asks connections (all, or one by its place) to reconnect, as Slack does about hourly.

        `warning` closes ten seconds later, the others at once; `drop` breaks off without a word.
        """
        if reason not in REASONS:
            raise ValueError(f"unknown reason to disconnect: {reason}")
        chosen = self._connections if connection is None else self._connections[connection : connection + 1]
        for socket in list(chosen):
            if reason == "drop":
                self._forget(socket)
                await socket.close()
                continue
            with contextlib.suppress(ConnectionError):
                await socket.send_json(self._disconnect_frame(reason))
            if reason != "warning":
                self._leaving.add(socket)
            task = asyncio.create_task(self._close_later(socket, reason))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _close_later(self, socket: web.WebSocketResponse, reason: str) -> None:
        await asyncio.sleep(WARNING_SECONDS if reason == "warning" else 1.0)
        self._forget(socket)
        await socket.close()

    async def close(self) -> None:
        """Closes every connection."""
        for task in list(self._tasks):
            task.cancel()
        for socket in list(self._connections):
            await socket.close()

    def _forget(self, socket: web.WebSocketResponse) -> None:
        self._leaving.discard(socket)
        self._sent.pop(socket, None)
        if socket in self._connections:
            self._connections.remove(socket)

    def _disconnect_frame(self, reason: str) -> JSON:
        return {"type": "disconnect", "reason": reason, "debug_info": self._debug_info()}

    def _debug_info(self) -> JSON:
        return {"host": "applink-local", "build_number": 1, "approximate_connection_time": 18060}
