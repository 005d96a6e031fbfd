"""Brings commands, interactions and events to the app, by Socket Mode or HTTP, within Slack's three seconds.

Commands and interactions are brought once. An event that was not acknowledged is brought again: almost at
once, after a minute, after five (docs.slack.dev/apis/events-api).
"""

from __future__ import annotations

import asyncio
import json
import secrets

from sandbox.slack.clock import Clock
from sandbox.slack.errors import JSON
from sandbox.slack.faults import Fault, Faults
from sandbox.slack.http_delivery import HttpDelivery
from sandbox.slack.journal import Journal
from sandbox.slack.manifest import Manifest
from sandbox.slack.socket_mode import Ack, SocketMode

ACK_SECONDS = 3.0
RETRY_AFTER = (0.0, 60.0, 300.0)
_REASONS = {"operation_timeout": "http_timeout", "dispatch_failed": "connection_failed"}


class Delivery:
    """One way to the app at a time; `request_url` set stands for every address of the manifest."""

    def __init__(
        self,
        manifest: Manifest,
        socket_mode: SocketMode,
        http: HttpDelivery,
        faults: Faults,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._manifest = manifest
        self._socket_mode = socket_mode
        self._http = http
        self._faults = faults
        self._journal = journal
        self._clock = clock
        self.by_socket = manifest.socket_mode
        self.request_url: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def use_socket(self) -> None:
        """From now on by Socket Mode."""
        self.by_socket, self.request_url = True, None

    def use_http(self, request_url: str | None) -> None:
        """From now on by HTTP, to this address or, if None, to those of the manifest."""
        self.by_socket, self.request_url = False, request_url

    async def command(self, payload: JSON) -> Ack:
        """A slash command."""
        url = next((each.url for each in self._manifest.commands if each.command == payload["command"]), "")
        return await self._once("commands", "slash_commands", payload, url, payload)

    async def interactive(self, payload: JSON) -> Ack:
        """A click, or what a person did with a modal; nothing if the manifest has no interactivity."""
        if not self._manifest.interactivity:
            return Ack("app_missing_action_url")
        fields: JSON = {"payload": json.dumps(payload)}
        return await self._once("interactive", "interactive", payload, self._manifest.interactivity_url, fields)

    async def _once(self, fault_name: str, kind: str, payload: JSON, url: str, fields: JSON) -> Ack:
        fault = self._faults.take(fault_name)
        await _delay(fault)
        copies = 2 if fault is not None and fault.kind == "duplicate_delivery" else 1
        if self.by_socket:
            ack = await self._socket_mode.send(kind, payload, timeout=ACK_SECONDS, copies=copies)
        else:
            address = self.request_url or url
            acks = await asyncio.gather(*(self._http.form(address, fields, ACK_SECONDS) for _ in range(copies)))
            ack = acks[0]
        if fault is not None and fault.kind == "lost_answer":
            ack = Ack("operation_timeout")
        self._journal.write("ack", {"of": kind, "payload": ack.payload}, {"error": ack.error}, 200)
        return ack

    def event(self, payload: JSON) -> None:
        """An event, in the background, if the app subscribed to its type."""
        wanted = self._manifest.bot_events
        if wanted is not None and payload["event"]["type"] not in wanted:
            return
        task = asyncio.create_task(self._event(payload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _event(self, payload: JSON) -> None:
        fault = self._faults.take("events")
        await _delay(fault)
        copies = 2 if fault is not None and fault.kind == "duplicate_delivery" else 1
        reason, envelope_id = "", secrets.token_hex(16)
        for attempt in range(len(RETRY_AFTER) + 1):
            if attempt:
                await self._clock.sleep(RETRY_AFTER[attempt - 1])
            again = True
            if self.by_socket:
                ack = await self._socket_mode.send(
                    "events_api",
                    payload,
                    timeout=ACK_SECONDS,
                    envelope_id=envelope_id,
                    attempt=attempt,
                    reason="timeout" if attempt else "",
                    copies=copies,
                )
            else:
                url = self.request_url or self._manifest.events_url
                ack, again = await self._http.event(url, payload, attempt, reason, ACK_SECONDS)
                for _ in range(copies - 1):
                    await self._http.event(url, payload, attempt, reason, ACK_SECONDS)
            copies = 1
            if ack.error is None or not again:
                return
            reason = _REASONS.get(ack.error, "http_error")

    async def close(self) -> None:
        """Ends what is still on its way."""
        for task in list(self._tasks):
            task.cancel()
        await self._http.close()


async def _delay(fault: Fault | None) -> None:
    if fault is not None and fault.kind in ("delay", "timeout"):
        await asyncio.sleep(fault.seconds)
