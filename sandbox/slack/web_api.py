"""The Web API's front: token, faults, rates and scopes, then the method; and a log of every call."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.slack import api_chat, api_conversations, api_files, api_people, api_reactions, api_views
from sandbox.slack.calls import Call, Method, need_scope
from sandbox.slack.errors import JSON, SlackError
from sandbox.slack.faults import Fault, Faults
from sandbox.slack.journal import Journal
from sandbox.slack.rates import UNLIMITED, Rates
from sandbox.slack.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the app authenticates with, as Slack issues them."""

    bot: str
    app: str
    signing_secret: str

    @classmethod
    def fresh(cls) -> Tokens:
        """Random ones of Slack's shape."""
        return cls(
            bot=f"xoxb-local-{secrets.token_hex(12)}",
            app=f"xapp-1-A0LOCAL-{secrets.token_hex(24)}",
            signing_secret=secrets.token_hex(16),
        )

    def kind(self, token: str) -> str | None:
        """ "bot", "app", or None for a token that is neither."""
        for kind, own in (("bot", self.bot), ("app", self.app)):
            if hmac.compare_digest(token.encode(), own.encode()):
                return kind
        return None


def auth_test(call: Call) -> JSON:
    """auth.test."""
    seed = call.workspace.seed
    return {
        "url": f"{call.workspace.url}/",
        "team": seed.team_name,
        "user": call.workspace.users[seed.bot_user_id].name,
        "team_id": seed.team_id,
        "user_id": seed.bot_user_id,
        "bot_id": seed.bot_id,
        "is_enterprise_install": False,
    }


def api_test(call: Call) -> JSON:
    """api.test: answers what it was sent; `error` makes it fail with that code."""
    if error := call.optional("error"):
        raise SlackError(error, extra={"args": call.args})
    return {"args": call.args}


class WebApi:
    """Answers `/api/<method>`. `extra` adds methods that need more than the workspace."""

    def __init__(self, workspace: Workspace, tokens: Tokens, rates: Rates, faults: Faults, journal: Journal) -> None:
        self.workspace = workspace
        self._tokens = tokens
        self._rates = rates
        self._faults = faults
        self._journal = journal
        self.methods: dict[str, Method] = {
            "auth.test": Method(auth_test, UNLIMITED),
            "api.test": Method(api_test, 4, token="none"),
            **api_chat.METHODS,
            **api_conversations.METHODS,
            **api_people.METHODS,
            **api_views.METHODS,
            **api_files.METHODS,
            **api_reactions.METHODS,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One call over HTTP, GET or POST."""
        name = request.match_info["method"]
        token, args, broken = await read_arguments(request)
        known = self.methods.get(name)
        if known is not None and known.form_only and request.content_type == "application/json":
            args, broken = dict(request.query), None
        fault = self._faults.take(name)
        if fault is not None and fault.kind in ("delay", "timeout"):
            await asyncio.sleep(fault.seconds)
        headers: dict[str, str] = {"x-slack-req-id": secrets.token_hex(16)}
        try:
            if broken is not None:
                raise SlackError(broken)
            answer: JSON = {"ok": True, **self._run(name, token, args, fault, headers)}
            status = 200
            if fault is not None and fault.kind == "duplicate_delivery":
                with contextlib.suppress(SlackError):
                    self._run(name, token, args, None, headers)
        except SlackError as refusal:
            answer, status = refusal.answer, refusal.status
            if status == 429:
                headers["Retry-After"] = str(answer.pop("retry_after"))
        self._journal.write(name, args, answer, status, fault.kind if fault else None)
        if fault is not None and fault.kind == "lost_answer" and request.transport is not None:
            request.transport.abort()
        return web.json_response(answer, status=status, headers=headers)

    def _run(self, name: str, token: str, args: JSON, fault: Fault | None, headers: dict[str, str]) -> JSON:
        method = self.methods.get(name)
        if method is None:
            raise SlackError("unknown_method", extra={"req_method": name})
        self._authenticate(method, token)
        if fault is not None:
            _fail(fault)
        wait = self._rates.take(name, method.tier, self._channel(args))
        if wait is not None:
            raise SlackError("ratelimited", status=429, extra={"retry_after": wait})
        scopes = self.workspace.manifest.bot_scopes if method.token != "app" else ("connections:write",)
        headers["x-oauth-scopes"] = ",".join(scopes)
        headers["x-accepted-oauth-scopes"] = ",".join(method.scopes)
        need_scope(scopes, method.scopes)
        return method.run(Call(self.workspace, args))

    def _authenticate(self, method: Method, token: str) -> None:
        if method.token == "none":
            return
        if not token:
            raise SlackError("not_authed")
        kind = self._tokens.kind(token)
        if kind is None:
            raise SlackError("invalid_auth")
        if kind != method.token:
            raise SlackError("not_allowed_token_type")

    def _channel(self, args: JSON) -> str:
        reference = str(args.get("channel", ""))
        try:
            return self.workspace.channel_by_reference(reference).id
        except SlackError:
            return reference


def _fail(fault: Fault) -> None:
    if fault.kind == "429":
        raise SlackError("ratelimited", status=429, extra={"retry_after": fault.retry_after})
    if fault.kind.startswith("5"):
        raise SlackError("internal_error", status=int(fault.kind))
    if fault.kind.startswith("error:"):
        raise SlackError(fault.kind.removeprefix("error:"))


async def read_arguments(request: web.Request) -> tuple[str, JSON, str | None]:
    """Token, arguments, and the error code if the body cannot be read.

    A JSON body needs its token in the Authorization header; a form may carry it as `token`.
    """
    args: JSON = dict(request.query)
    header = request.headers.get("Authorization", "")
    token = header.removeprefix("Bearer ").strip() if header.startswith("Bearer ") else ""
    if request.method == "POST" and request.content_type == "application/json":
        try:
            body: Any = json.loads(await request.text() or "{}")
        except ValueError:
            return token, args, "invalid_json"
        if not isinstance(body, dict):
            return token, args, "json_not_object"
        body.pop("token", None)
        return token, {**args, **body}, None
    if request.method == "POST":
        form = await request.post()
        args |= {name: value for name, value in form.items() if isinstance(value, str)}
    given = args.pop("token", "")
    return token or str(given), args, None
