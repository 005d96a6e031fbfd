"""Modals, Home tabs, and the triggers that open them.

A trigger is spent once and lives three seconds; a stack holds three views
(docs.slack.dev/interactivity/handling-user-interaction, docs.slack.dev/surfaces/modals).
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from sandbox.slack.clock import Clock
from sandbox.slack.errors import JSON, SlackError

TRIGGER_SECONDS = 3.0
STACK_VIEWS = 3


@dataclass(slots=True)
class Trigger:
    """What a person's action allows the app for three seconds."""

    user: str
    at: float
    from_view: str | None
    spent: bool = False


@dataclass(slots=True)
class View:
    """An open modal or a Home tab."""

    id: str
    user: str
    body: JSON
    hash: str
    root_id: str
    previous_id: str | None = None
    values: dict[str, JSON] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


class Views:
    """Every open view, by person."""

    def __init__(self, clock: Clock, owner: JSON) -> None:
        self._clock = clock
        self._owner = owner
        self._triggers: dict[str, Trigger] = {}
        self._stacks: dict[str, list[View]] = {}
        self._homes: dict[str, View] = {}

    def new_trigger(self, user: str, from_view: str | None = None) -> str:
        """A trigger for an action of this person, made in a view or elsewhere."""
        trigger_id = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        self._triggers[trigger_id] = Trigger(user, self._clock.now(), from_view)
        return trigger_id

    def exchange(self, trigger_id: str) -> Trigger:
        """Spends a trigger. Raises `invalid_trigger_id`, `exchanged_trigger_id`, `expired_trigger_id`."""
        trigger = self._triggers.get(trigger_id)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.spent:
            raise SlackError("exchanged_trigger_id")
        if self._clock.now() - trigger.at > TRIGGER_SECONDS:
            raise SlackError("expired_trigger_id")
        trigger.spent = True
        return trigger

    def open(self, trigger: Trigger, body: JSON) -> View:
        """Opens a modal. From inside a modal it goes on top of it, otherwise it starts a new stack."""
        if trigger.from_view is not None and self.stack(trigger.user):
            return self.push(trigger.user, body)
        self._stacks[trigger.user] = []
        return self.push(trigger.user, body)

    def push(self, user: str, body: JSON) -> View:
        """Puts a modal on top. Raises `push_limit_reached` on the fourth, `duplicate_external_id`."""
        stack = self._stacks.setdefault(user, [])
        if len(stack) >= STACK_VIEWS:
            raise SlackError("push_limit_reached")
        self._check_external_id(body, None)
        view_id = f"V0{secrets.token_hex(5).upper()}"
        view = View(
            id=view_id,
            user=user,
            body=body,
            hash=_new_hash(),
            root_id=stack[0].id if stack else view_id,
            previous_id=stack[-1].id if stack else None,
        )
        stack.append(view)
        return view

    def update(self, view: View, body: JSON) -> None:
        """Replaces what a view shows; values of inputs that stay are kept."""
        self._check_external_id(body, view.id)
        view.body, view.hash, view.errors = body, _new_hash(), {}
        kept = {block.get("block_id") for block in body["blocks"]}
        view.values = {block: values for block, values in view.values.items() if block in kept}

    def publish(self, user: str, body: JSON) -> View:
        """Shows a Home tab."""
        if user in self._homes:
            self.update(self._homes[user], body)
        else:
            view_id = f"V0{secrets.token_hex(5).upper()}"
            self._homes[user] = View(view_id, user, body, _new_hash(), view_id)
        return self._homes[user]

    def stack(self, user: str) -> list[View]:
        """The open modals of a person, the lowest first."""
        return self._stacks.setdefault(user, [])

    def home(self, user: str) -> View | None:
        """The Home tab of a person, if the app has published one."""
        return self._homes.get(user)

    def find(self, view_id: str | None, external_id: str | None = None) -> View:
        """An open view. Raises `not_found`."""
        for view in self._all():
            external = view.body.get("external_id")
            if view.id == view_id or (external_id and external == external_id):
                return view
        raise SlackError("not_found")

    def of_person(self, user: str, view_id: str) -> View:
        """An open view of this person. Raises `not_found`."""
        view = self.find(view_id)
        if view.user != user:
            raise SlackError("not_found")
        return view

    def _all(self) -> list[View]:
        return [view for stack in self._stacks.values() for view in stack] + list(self._homes.values())

    def _check_external_id(self, body: JSON, own: str | None) -> None:
        external_id = body.get("external_id")
        if external_id and any(view.body.get("external_id") == external_id and view.id != own for view in self._all()):
            raise SlackError("duplicate_external_id")

    def to_json(self, view: View) -> JSON:
        """The view object as Slack sends it."""
        body = view.body
        return {
            "id": view.id,
            **self._owner,
            "type": body["type"],
            "blocks": body["blocks"],
            "private_metadata": body.get("private_metadata", ""),
            "callback_id": body.get("callback_id", ""),
            "state": {"values": view.values},
            "hash": view.hash,
            "title": body.get("title"),
            "submit": body.get("submit"),
            "close": body.get("close"),
            "clear_on_close": body.get("clear_on_close", False),
            "notify_on_close": body.get("notify_on_close", False),
            "submit_disabled": body.get("submit_disabled", False),
            "previous_view_id": view.previous_id,
            "root_view_id": view.root_id,
            "external_id": body.get("external_id", ""),
        }


def _new_hash() -> str:
    return f"{int(time.time())}.{secrets.token_hex(4)}"
