"""The part that every interaction payload begins with (docs.slack.dev/reference/interaction-payloads)."""

from __future__ import annotations

from sandbox.slack.errors import JSON
from sandbox.slack.workspace import Workspace


def interaction(workspace: Workspace, token: str, kind: str, user: str) -> JSON:
    """Who did it, where, and to which app; `token` is Slack's legacy verification token."""
    seed, person = workspace.seed, workspace.user(user)
    return {
        "type": kind,
        "user": {"id": user, "username": person.name, "name": person.name, "team_id": seed.team_id},
        "api_app_id": seed.app_id,
        "token": token,
        "team": {"id": seed.team_id, "domain": seed.team_domain},
        "enterprise": None,
        "is_enterprise_install": False,
    }
