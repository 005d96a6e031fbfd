"""The local Slack as one web application: every part made and joined here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from sandbox.slack.clock import Clock
from sandbox.slack.control import Control
from sandbox.slack.delivery import Delivery
from sandbox.slack.errors import SlackError
from sandbox.slack.faults import Faults
from sandbox.slack.http_delivery import HttpDelivery
from sandbox.slack.hub import Hub
from sandbox.slack.interactions import Interactions
from sandbox.slack.journal import Journal
from sandbox.slack.manifest import Manifest
from sandbox.slack.modals import Modals
from sandbox.slack.rates import Rates
from sandbox.slack.responses import respond
from sandbox.slack.seed import Seed
from sandbox.slack.socket_mode import SocketMode
from sandbox.slack.ui import Ui
from sandbox.slack.web_api import Tokens, WebApi
from sandbox.slack.workspace import Workspace

PAGE = Path(__file__).parent / "page"
UPLOAD_BYTES = 64 * 1024 * 1024
LOGGED_BYTES = 100_000


class Site:
    """All parts of one local Slack; it lives inside one event loop."""

    def __init__(self, seed: Seed, manifest: Manifest, tokens: Tokens, *, rate_limits: bool, file_delay: float) -> None:
        self.clock, self.hub, self.faults = Clock(), Hub(), Faults()
        self.rates, self.journal = Rates(enabled=rate_limits), Journal(self.clock)
        self.workspace = Workspace(seed, manifest, self.clock, self.hub, file_delay)
        self.socket_mode = SocketMode(seed.app_id)
        self.delivery = Delivery(
            manifest,
            self.socket_mode,
            HttpDelivery(tokens.signing_secret),
            self.faults,
            self.journal,
            self.clock,
        )
        self._web_api = WebApi(self.workspace, tokens, self.rates, self.faults, self.journal)
        self._web_api.methods |= self.socket_mode.methods()
        verification = "local-verification-token"
        self._interactions = Interactions(self.workspace, self.delivery, verification)
        self._modals = Modals(self.workspace, self.delivery, verification)

    def application(self) -> web.Application:
        """Everything that is served."""
        app = web.Application(client_max_size=UPLOAD_BYTES)
        app.add_routes(
            [
                web.route("*", "/api/{method}", self._web_api.handle),
                web.get("/link/", self.socket_mode.handle),
                web.post("/upload/v1/{ticket}", self._upload),
                web.get("/files/{id}", self._file),
                web.post("/commands/{key}", self._respond),
                web.post("/actions/{key}", self._respond),
                web.get("/", self._page),
                web.get("/page/{name}", self._page),
                web.get("/archives/{channel}/{message}", self._permalink),
                *Ui(self.workspace, self._interactions, self._modals).routes(),
                *self._control().routes(),
            ]
        )
        app.on_shutdown.append(self._shut_down)
        return app

    def _control(self) -> Control:
        return Control(
            faults=self.faults,
            rates=self.rates,
            clock=self.clock,
            journal=self.journal,
            socket_mode=self.socket_mode,
            delivery=self.delivery,
            reset=self.reset,
        )

    def at(self, url: str) -> None:
        """Tells every part where it is served."""
        self.workspace.at(url)
        self.socket_mode.url = url.replace("http", "ws", 1)

    def reset(self) -> None:
        """The seed again: no messages, views, files, faults or calls; connections stay."""
        self.workspace.reset()
        self.faults.clear()
        self.rates.clear()
        self.journal.clear()
        self.hub.tell("message")

    async def _shut_down(self, _: web.Application) -> None:
        self.hub.close()
        await self.socket_mode.close()
        await self.delivery.close()

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        if request.content_type.startswith("multipart/"):
            form = await request.post()
            parts = [part for part in form.values() if isinstance(part, web.FileField)]
            content = parts[0].file.read() if parts else b""
        else:
            content = await request.read()
        fault = self.faults.take("upload")
        if fault is not None and fault.kind.startswith("5"):
            return web.Response(status=int(fault.kind))
        try:
            file = self.workspace.files.receive(request.match_info["ticket"], content)
        except SlackError as refusal:
            return web.Response(status=400, text=refusal.code)
        shown = content[:LOGGED_BYTES].decode("utf-8", "replace")
        self.journal.write("upload", {"file": file.id, "size": len(content), "content": shown}, "OK", 200)
        return web.Response(text=f"OK - {len(content)}")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        try:
            file = self.workspace.files.find(request.match_info["id"])
        except SlackError:
            return web.Response(status=404)
        return web.Response(body=file.content, content_type=file.mimetype)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        try:
            payload: Any = json.loads(await request.text())
        except ValueError:
            payload = None
        status, text = self._respond_with(request.match_info["key"], payload)
        args = payload if isinstance(payload, dict) else {}
        self.journal.write("response_url", args, text, status)
        kind = "application/json" if text.startswith("{") else "text/html"
        return web.Response(status=status, text=text, content_type=kind)

    def _respond_with(self, key: str, payload: object) -> tuple[int, str]:
        """Status and body. A bad URL answers JSON, a bad payload a bare word, as Slack does."""
        fault = self.faults.take("response_url")
        if fault is not None and (fault.kind == "429" or fault.kind.startswith("5")):
            return int(fault.kind), "rate_limited" if fault.kind == "429" else "internal_error"
        try:
            url = self.workspace.response_urls.use(key)
        except SlackError as refusal:
            return refusal.status, json.dumps(refusal.answer)
        if not isinstance(payload, dict):
            return 400, "invalid_payload"
        try:
            respond(self.workspace, url, payload)
        except SlackError as refusal:
            return 400, refusal.code
        return 200, "ok"

    async def _permalink(self, request: web.Request) -> web.StreamResponse:
        """Where `chat.getPermalink` leads: the page, told which message to show."""
        digits = request.match_info["message"].removeprefix("p")
        place = {"channel": request.match_info["channel"], "message": f"{digits[:-6]}.{digits[-6:]}"}
        if thread_ts := request.query.get("thread_ts"):
            place["thread_ts"] = thread_ts
        raise web.HTTPFound(f"/?{urlencode(place)}")

    async def _page(self, request: web.Request) -> web.StreamResponse:
        path = PAGE / Path(request.match_info.get("name", "index.html")).name
        if not path.is_file():
            return web.Response(status=404, text="no such page")
        return web.FileResponse(path, headers={"Cache-Control": "no-store"})
