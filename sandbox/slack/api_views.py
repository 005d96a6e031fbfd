"""The `views.*` methods. Source: docs.slack.dev/reference/methods."""

from __future__ import annotations

from sandbox.slack.calls import Call, Method
from sandbox.slack.errors import JSON, SlackError, missing_argument
from sandbox.slack.limits import check_view
from sandbox.slack.views import View


def _body(call: Call, kind: str) -> JSON:
    view = call.structure("view", "invalid_arguments")
    if view is None:
        raise missing_argument("view")
    return check_view(view, call.workspace.files.is_ready, kind)


def _answer(call: Call, view: View) -> JSON:
    kind = "home" if view.body["type"] == "home" else "view"
    call.workspace.hub.tell(kind, only_for=view.user, view_id=view.id)
    return {"view": call.workspace.views.to_json(view)}


def open_view(call: Call) -> JSON:
    """views.open: spends a trigger."""
    trigger_id = call.text("trigger_id")
    body = _body(call, "modal")
    trigger = call.workspace.views.exchange(trigger_id)
    return _answer(call, call.workspace.views.open(trigger, body))


def push_view(call: Call) -> JSON:
    """views.push: spends a trigger that an action in a modal gave; three views at most."""
    trigger_id = call.text("trigger_id")
    body = _body(call, "modal")
    views = call.workspace.views
    trigger = views.exchange(trigger_id)
    if trigger.from_view is None or not views.stack(trigger.user):
        raise SlackError("invalid_trigger_id")
    return _answer(call, views.push(trigger.user, body))


def update_view(call: Call) -> JSON:
    """views.update: an open view by id or external id; a `hash` that is not the newest is refused."""
    view_id, external_id = call.optional("view_id"), call.optional("external_id")
    if not view_id and not external_id:
        raise missing_argument("view_id")
    views = call.workspace.views
    view = views.find(view_id, external_id)
    body = _body(call, view.body["type"])
    given = call.optional("hash")
    if given and given != view.hash:
        raise SlackError("hash_conflict")
    views.update(view, body)
    return _answer(call, view)


def publish(call: Call) -> JSON:
    """views.publish: a person's Home tab."""
    workspace = call.workspace
    user_id = call.text("user_id")
    if not workspace.manifest.home_tab:
        raise SlackError("not_enabled")
    workspace.user(user_id)
    body = _body(call, "home")
    home, given = workspace.views.home(user_id), call.optional("hash")
    if given and home is not None and given != home.hash:
        raise SlackError("hash_conflict")
    return _answer(call, workspace.views.publish(user_id, body))


METHODS = {
    "views.open": Method(open_view, 4),
    "views.push": Method(push_view, 4),
    "views.update": Method(update_view, 4),
    "views.publish": Method(publish, 4),
}
