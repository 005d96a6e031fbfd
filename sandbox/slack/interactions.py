"""What people do in channels and on the Home tab, and what Slack makes of the app's ack."""

from __future__ import annotations

from sandbox.slack.delivery import Delivery
from sandbox.slack.errors import JSON, TROUBLE, SlackError
from sandbox.slack.form import fill, filled, find_element, initial_state, value_key
from sandbox.slack.messages import Message
from sandbox.slack.payloads import interaction
from sandbox.slack.response_urls import ResponseUrl
from sandbox.slack.responses import respond
from sandbox.slack.workspace import Channel, Workspace


def escaped(text: str) -> str:
    """What a person typed, as Slack stores it: `&`, `<` and `>` as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Interactions:
    """Every method is one thing a person can do; it answers the JSON of the page's endpoint."""

    def __init__(self, workspace: Workspace, delivery: Delivery, token: str) -> None:
        self._workspace = workspace
        self._delivery = delivery
        self._token = token

    def type_message(self, user: str, channel_id: str, text: str, thread_ts: str | None) -> JSON:
        """Posts what a person typed."""
        workspace = self._workspace
        channel = workspace.visible_channel(channel_id, user)
        if user not in channel.members:
            raise SlackError("not_in_channel")
        if channel.is_archived:
            raise SlackError("is_archived")
        if not text.strip():
            raise SlackError("no_text")
        ts = workspace.clock.ts()
        workspace.post(Message(channel.id, ts, user, escaped(text), thread_ts=thread_ts or None))
        return {"ok": True, "ts": ts}

    async def command(self, user: str, channel_id: str, line: str) -> JSON:
        """Runs a slash command; what fails is shown to the person as Slack shows it."""
        workspace = self._workspace
        channel = workspace.visible_channel(channel_id, user)
        name, _, rest = line.strip().partition(" ")
        known = name in {each.command for each in workspace.manifest.commands}
        if not known or "commands" not in workspace.manifest.bot_scopes:
            workspace.notice(user, channel.id, f"`{name}` is not a valid command.")
            return {"ok": False, "error": "unknown_command"}
        url = workspace.response_urls.new("commands", channel.id, user)
        ack = await self._delivery.command(self._command_payload(user, channel, name, rest.strip(), url))
        error = ack.error
        if error is None and ack.payload:
            try:
                respond(workspace, ResponseUrl(channel.id, user, workspace.clock.now()), ack.payload)
            except SlackError as refusal:
                error = refusal.code
        if error is None:
            return {"ok": True}
        workspace.notice(user, channel.id, f'{name} failed with the error "{error}"')
        return {"ok": False, "error": error}

    def _command_payload(self, user: str, channel: Channel, name: str, text: str, url: str) -> JSON:
        seed = self._workspace.seed
        return {
            "token": self._token,
            "team_id": seed.team_id,
            "team_domain": seed.team_domain,
            "channel_id": channel.id,
            "channel_name": channel.name,
            "user_id": user,
            "user_name": self._workspace.user(user).name,
            "command": name,
            "text": escaped(text),
            "api_app_id": seed.app_id,
            "is_enterprise_install": "false",
            "response_url": url,
            "trigger_id": self._workspace.views.new_trigger(user),
        }

    async def click(self, user: str, data: JSON) -> JSON:
        """Acts on an element of a message or of a view."""
        self._workspace.user(user)
        action_id, block_id = str(data.get("action_id", "")), data.get("block_id")
        if data.get("view_id"):
            return await self._click_in_view(user, str(data["view_id"]), block_id, action_id, data)
        return await self._click_in_message(user, block_id, action_id, data)

    async def _click_in_message(self, user: str, block_id: str | None, action_id: str, data: JSON) -> JSON:
        workspace = self._workspace
        channel = workspace.visible_channel(str(data.get("channel")), user)
        message = workspace.messages.seen(channel.id, str(data.get("message_ts")), user)
        block, element = find_element(message.blocks, block_id, action_id)
        values = initial_state(message.blocks, message.state)
        action = self._action(block, element, data, values)
        message.state = values
        ephemeral = message.only_for is not None
        container: JSON = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": ephemeral,
        }
        if message.thread_ts is not None:
            container["thread_ts"] = message.thread_ts
        thread_ts = message.thread_ts if message.thread_ts != message.ts else None
        payload: JSON = {
            **interaction(workspace, self._token, "block_actions", user),
            "container": container,
            "trigger_id": workspace.views.new_trigger(user),
            "channel": {"id": channel.id, "name": channel.name},
            "state": {"values": values},
            "response_url": workspace.response_urls.new("actions", channel.id, user, message.ts, thread_ts),
            "actions": [action],
        }
        if not ephemeral:
            payload["message"] = workspace.messages.show(message, include_metadata=True)
        return await self._deliver_click(user, payload)

    async def _click_in_view(self, user: str, view_id: str, block_id: str | None, action_id: str, data: JSON) -> JSON:
        workspace = self._workspace
        view = workspace.views.of_person(user, view_id)
        block, element = find_element(view.body["blocks"], block_id, action_id)
        view.values = initial_state(view.body["blocks"], view.values)
        if "values" in data:
            fill(view.body["blocks"], view.values, data["values"])
        action = self._action(block, element, data, view.values)
        in_modal = view.id if view.body["type"] == "modal" else None
        payload: JSON = {
            **interaction(workspace, self._token, "block_actions", user),
            "container": {"type": "view", "view_id": view.id},
            "trigger_id": workspace.views.new_trigger(user, in_modal),
            "view": workspace.views.to_json(view),
            "actions": [action],
        }
        return await self._deliver_click(user, payload)

    async def _deliver_click(self, user: str, payload: JSON) -> JSON:
        ack = await self._delivery.interactive(payload)
        if ack.error is None:
            return {"ok": True}
        action = payload["actions"][0]["action_id"]
        self._workspace.hub.tell("failure", only_for=user, text=TROUBLE, action_id=action, error=ack.error)
        return {"ok": False, "error": ack.error}

    def _action(self, block: JSON, element: JSON, data: JSON, values: dict[str, JSON]) -> JSON:
        """The action object; an element that keeps a value also keeps it in `values`."""
        kind, key = str(element["type"]), value_key(str(element["type"]))
        action: JSON = {
            "type": kind,
            "action_id": element["action_id"],
            "block_id": block["block_id"],
            "action_ts": self._workspace.clock.ts(),
        }
        if kind == "button":
            kept = {name: element[name] for name in ("text", "value", "style", "url") if name in element}
            return action | kept
        entry = filled(element, data.get(key, data.get("value")))
        if kind != "overflow":
            values.setdefault(str(block["block_id"]), {})[str(element["action_id"])] = entry
        return action | entry

    def open_home(self, user: str) -> JSON:
        """Opens the Home tab: the app hears `app_home_opened`."""
        workspace = self._workspace
        seed, now = workspace.seed, workspace.clock.now()
        home = workspace.views.home(user)
        event: JSON = {
            "type": "app_home_opened",
            "user": user,
            "channel": workspace.direct_message(user).id,
            "tab": "home",
            "event_ts": f"{now:.6f}",
        }
        if home is not None:
            event["view"] = workspace.views.to_json(home)
        authorization: JSON = {
            "enterprise_id": None,
            "team_id": seed.team_id,
            "user_id": seed.bot_user_id,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        self._delivery.event(
            {
                "token": self._token,
                "team_id": seed.team_id,
                "api_app_id": seed.app_id,
                "event": event,
                "type": "event_callback",
                "event_id": workspace.new_id("Ev"),
                "event_time": int(now),
                "authorizations": [authorization],
                "is_ext_shared_channel": False,
            }
        )
        return {"ok": True}
