"""What people do with modals, and what Slack makes of the app's ack."""

from __future__ import annotations

from sandbox.slack.delivery import Delivery
from sandbox.slack.errors import JSON, TROUBLE, SlackError
from sandbox.slack.form import client_errors, fill, initial_state
from sandbox.slack.limits import check_view
from sandbox.slack.payloads import interaction
from sandbox.slack.views import View
from sandbox.slack.workspace import Workspace


class Modals:
    """Submitting and closing; each answers the JSON of the page's endpoint."""

    def __init__(self, workspace: Workspace, delivery: Delivery, token: str) -> None:
        self._workspace = workspace
        self._delivery = delivery
        self._token = token

    async def submit(self, user: str, view_id: str, values: object) -> JSON:
        """Submits the top modal; errors of the client or of the app stay on it."""
        workspace = self._workspace
        view = self._workspace.views.of_person(user, view_id)
        stack = workspace.views.stack(user)
        if not stack or stack[-1] is not view:
            raise SlackError("view_is_not_on_top")
        view.values = initial_state(view.body["blocks"], view.values)
        fill(view.body["blocks"], view.values, values)
        view.errors = client_errors(view.body["blocks"], view.values)
        if view.errors:
            workspace.hub.tell("view", only_for=user, view_id=view.id)
            return {"ok": False, "errors": view.errors}
        ack = await self._delivery.interactive(
            {
                **interaction(workspace, self._token, "view_submission", user),
                "trigger_id": workspace.views.new_trigger(user, view.id),
                "view": workspace.views.to_json(view),
                "response_urls": [],
            }
        )
        if ack.error is not None:
            return self._view_failure(user, view, ack.error)
        try:
            return self._follow(user, view, ack.payload or {})
        except SlackError as refusal:
            return self._view_failure(user, view, refusal.code)
        finally:
            workspace.hub.tell("view", only_for=user, view_id=view.id)

    def _view_failure(self, user: str, view: View, error: str) -> JSON:
        self._workspace.hub.tell("failure", only_for=user, text=TROUBLE, view_id=view.id, error=error)
        return {"ok": False, "error": error, "text": TROUBLE}

    def _follow(self, user: str, view: View, payload: JSON) -> JSON:
        """Does what the ack of a submission asks: errors, update, push, clear, or simply close."""
        workspace = self._workspace
        views, wanted = workspace.views, payload.get("response_action")
        match wanted:
            case None:
                if view in views.stack(user):
                    views.stack(user).remove(view)
            case "errors":
                view.errors = _app_errors(view, payload.get("errors"))
                return {"ok": False, "response_action": "errors", "errors": view.errors}
            case "update":
                views.update(view, check_view(payload.get("view"), workspace.files.is_ready, "modal"))
            case "push":
                views.push(user, check_view(payload.get("view"), workspace.files.is_ready, "modal"))
            case "clear":
                views.stack(user).clear()
            case _:
                raise SlackError("invalid_response_action")
        return {"ok": True, **({"response_action": wanted} if wanted else {})}

    async def close(self, user: str, view_id: str, *, everything: bool = False) -> JSON:
        """Closes the top modal, or the whole stack; the app hears of it if it asked to."""
        view = self._workspace.views.of_person(user, view_id)
        stack = self._workspace.views.stack(user)
        if view not in stack:
            raise SlackError("not_found")
        everything = everything or bool(view.body.get("clear_on_close"))
        closing = list(reversed(stack)) if everything else [view]
        for each in closing:
            stack.remove(each)
        self._workspace.hub.tell("view", only_for=user, view_id=view.id)
        for each in closing:
            if each.body.get("notify_on_close"):
                shown = self._workspace.views.to_json(each)
                closed = interaction(self._workspace, self._token, "view_closed", user)
                await self._delivery.interactive({**closed, "view": shown, "is_cleared": everything})
        return {"ok": True}


def _app_errors(view: View, errors: object) -> dict[str, str]:
    """The app's errors; each names an input block that exists. Raises `invalid_view_errors`."""
    inputs = {block["block_id"] for block in view.body["blocks"] if block["type"] == "input"}
    fine = (
        isinstance(errors, dict)
        and errors
        and all(key in inputs and isinstance(value, str) and value for key, value in errors.items())
    )
    if not fine or not isinstance(errors, dict):
        raise SlackError("invalid_view_errors")
    return dict(errors)
