"""The endpoints people act through: for the page, for `Person`, for the demo."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox.slack.api_conversations import show_channel
from sandbox.slack.calls import Call
from sandbox.slack.errors import JSON, SlackError
from sandbox.slack.interactions import Interactions
from sandbox.slack.messages import Message
from sandbox.slack.modals import Modals
from sandbox.slack.workspace import Channel, Workspace

KEEP_ALIVE_SECONDS = 15.0
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Ui:
    """`as` is the person who looks or acts; the page, before it knows anybody, looks as the first of them."""

    def __init__(self, workspace: Workspace, interactions: Interactions, modals: Modals) -> None:
        self._workspace = workspace
        self._interactions = interactions
        self._modals = modals

    def routes(self) -> list[web.RouteDef]:
        """Every address of the page."""
        return [
            web.get("/ui/state", _answered(self._state)),
            web.get("/ui/channels/{id}", _answered(self._channel)),
            web.get("/ui/threads/{channel}/{ts}", _answered(self._thread)),
            web.get("/ui/views", _answered(self._views)),
            web.get("/ui/home", _answered(self._home)),
            web.get("/ui/events", self._events),
            web.post("/ui/message", _answered(self._message)),
            web.post("/ui/command", _answered(self._command)),
            web.post("/ui/action", _answered(self._action)),
            web.post("/ui/view/submit", _answered(self._submit)),
            web.post("/ui/view/close", _answered(self._close)),
            web.post("/ui/home/open", _answered(self._open_home)),
        ]

    def _reader(self, request: web.Request) -> str:
        people = (user.id for user in self._workspace.users.values() if not user.is_bot)
        return self._workspace.user(request.query.get("as") or next(people, "")).id

    def _actor(self, data: JSON) -> str:
        return self._workspace.user(str(data.get("as", ""))).id

    def _show_channel(self, channel: Channel, reader: str) -> JSON:
        shown = show_channel(Call(self._workspace, {}), channel)
        return {"name": channel.name, **shown, "is_member": reader in channel.members}

    async def _state(self, request: web.Request) -> JSON:
        workspace, reader = self._workspace, self._reader(request)
        seed = workspace.seed
        users = [
            {
                "id": user.id,
                "name": user.name,
                "real_name": user.real_name,
                "is_bot": user.is_bot,
                "is_admin": user.is_admin,
                "is_restricted": user.is_restricted,
            }
            for user in workspace.users.values()
        ]
        channels = [
            self._show_channel(channel, reader)
            for channel in workspace.channels.values()
            if workspace.sees(reader, channel)
        ]
        commands = [
            {"command": each.command, "description": each.description, "usage_hint": each.usage_hint}
            for each in workspace.manifest.commands
        ]
        return {
            "team": {"id": seed.team_id, "name": seed.team_name, "domain": seed.team_domain},
            "me": reader,
            "users": users,
            "channels": channels,
            "commands": commands,
        }

    async def _channel(self, request: web.Request) -> JSON:
        workspace, reader = self._workspace, self._reader(request)
        channel = workspace.visible_channel(request.match_info["id"], reader)
        messages = workspace.messages.top(channel.id, reader=reader)
        return {"channel": self._show_channel(channel, reader), "messages": self._show(messages)}

    async def _thread(self, request: web.Request) -> JSON:
        workspace, reader = self._workspace, self._reader(request)
        channel = workspace.visible_channel(request.match_info["channel"], reader)
        root = workspace.messages.root(channel.id, request.match_info["ts"])
        replies = workspace.messages.replies(channel.id, root.ts, reader=reader)
        return {"messages": self._show([root, *replies])}

    def _show(self, messages: list[Message]) -> list[JSON]:
        return [self._workspace.messages.show(message) for message in messages]

    async def _views(self, request: web.Request) -> JSON:
        views = self._workspace.views
        return {
            "stack": [
                views.to_json(view) | ({"errors": view.errors} if view.errors else {})
                for view in views.stack(self._reader(request))
            ]
        }

    async def _home(self, request: web.Request) -> JSON:
        home = self._workspace.views.home(self._reader(request))
        return {"view": None if home is None else self._workspace.views.to_json(home)}

    async def _events(self, request: web.Request) -> web.StreamResponse:
        try:
            reader = self._reader(request)
        except SlackError as refusal:
            return web.json_response(refusal.answer, status=400)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await answer.prepare(request)
        await answer.write(b": hello\n\n")
        hub = self._workspace.hub
        queue = hub.listen(reader)
        try:
            while True:
                try:
                    hint = await asyncio.wait_for(queue.get(), KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    await answer.write(b": still here\n\n")
                    continue
                if hint is None:
                    return answer
                await answer.write(f"data: {json.dumps(hint)}\n\n".encode())
        except ConnectionError:
            return answer
        finally:
            hub.forget(queue)

    async def _message(self, request: web.Request) -> JSON:
        data = await read_json(request)
        return self._interactions.type_message(
            self._actor(data), str(data.get("channel")), str(data.get("text", "")), data.get("thread_ts")
        )

    async def _command(self, request: web.Request) -> JSON:
        data = await read_json(request)
        line = str(data.get("text", ""))
        return await self._interactions.command(self._actor(data), str(data.get("channel")), line)

    async def _action(self, request: web.Request) -> JSON:
        data = await read_json(request)
        return await self._interactions.click(self._actor(data), data)

    async def _submit(self, request: web.Request) -> JSON:
        data = await read_json(request)
        values = data.get("values", {})
        return await self._modals.submit(self._actor(data), str(data.get("view_id")), values)

    async def _close(self, request: web.Request) -> JSON:
        data = await read_json(request)
        everything = bool(data.get("all"))
        return await self._modals.close(self._actor(data), str(data.get("view_id")), everything=everything)

    async def _open_home(self, request: web.Request) -> JSON:
        return self._interactions.open_home(self._actor(await read_json(request)))


async def read_json(request: web.Request) -> JSON:
    """The JSON object of a request. Raises `invalid_json`."""
    try:
        data: Any = json.loads(await request.text() or "{}")
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(data, dict):
        raise SlackError("invalid_json")
    return data


def _answered(handler: Callable[[web.Request], Awaitable[JSON]]) -> _Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return web.json_response(await handler(request))
        except SlackError as refusal:
            return web.json_response(refusal.answer, status=404 if "not_found" in refusal.code else 400)

    return answer
