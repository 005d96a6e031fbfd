"""The `users.*` and `usergroups.*` methods. Source: docs.slack.dev/reference/methods."""

from __future__ import annotations

from sandbox.slack.api_conversations import page
from sandbox.slack.calls import Call, Method
from sandbox.slack.errors import JSON, SlackError
from sandbox.slack.seed import SeedUser, SeedUsergroup

_OF_THE_LIVING = frozenset(
    {"tz", "tz_label", "tz_offset", "is_admin", "is_owner", "is_primary_owner", "is_restricted", "is_ultra_restricted"}
)


def show_user(call: Call, user: SeedUser) -> JSON:
    """The user object as Slack sends it; the address only with `users:read.email`."""
    workspace = call.workspace
    team = user.team_id or workspace.seed.team_id
    profile: JSON = {
        "real_name": user.real_name,
        "real_name_normalized": user.real_name,
        "display_name": user.name,
        "display_name_normalized": user.name,
        "team": team,
    }
    if "users:read.email" in workspace.manifest.bot_scopes and not user.is_bot:
        profile["email"] = user.email
    shown: JSON = {
        "id": user.id,
        "team_id": team,
        "name": user.name,
        "deleted": user.deleted,
        "real_name": user.real_name,
        "tz": user.tz,
        "tz_label": user.tz,
        "tz_offset": 12600,
        "profile": profile,
        "is_admin": user.is_admin,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": user.is_restricted,
        "is_ultra_restricted": False,
        "is_bot": user.is_bot,
        "is_app_user": False,
        "updated": workspace.created,
    }
    if user.team_id:
        shown["is_stranger"] = True  # of another workspace, in a channel both share
    if user.deleted:  # Slack says less about them: what they were allowed is left out
        shown = {name: value for name, value in shown.items() if name not in _OF_THE_LIVING}
    return shown | ({"locale": user.locale} if call.flag("include_locale") else {})


def user_info(call: Call) -> JSON:
    """users.info."""
    return {"user": show_user(call, call.workspace.user(call.text("user")))}


def user_list(call: Call) -> JSON:
    """users.list."""
    users = [show_user(call, user) for user in call.workspace.users.values()]
    some, cursor = page(users, call, default=1000, most=1000)
    answer = {"members": some, "cache_ts": call.workspace.created}
    return {**answer, "response_metadata": {"next_cursor": cursor}}


def lookup_by_email(call: Call) -> JSON:
    """users.lookupByEmail. Raises `users_not_found`."""
    email = call.text("email").lower()
    for user in call.workspace.users.values():
        if user.email == email and not user.is_bot and not user.deleted:
            return {"user": show_user(call, user)}
    raise SlackError("users_not_found")


def _show_group(call: Call, group: SeedUsergroup) -> JSON:
    shown: JSON = {
        "id": group.id,
        "team_id": call.workspace.seed.team_id,
        "is_usergroup": True,
        "name": group.name,
        "handle": group.handle,
        "description": "",
        "date_delete": 0,
    }
    return shown | ({"users": list(group.users)} if call.flag("include_users") else {})


def group_list(call: Call) -> JSON:
    """usergroups.list."""
    return {"usergroups": [_show_group(call, group) for group in call.workspace.usergroups.values()]}


def group_users(call: Call) -> JSON:
    """usergroups.users.list. Raises `no_such_subteam`."""
    group = call.workspace.usergroups.get(call.text("usergroup"))
    if group is None:
        raise SlackError("no_such_subteam")
    return {"users": list(group.users)}


METHODS = {
    "users.info": Method(user_info, 4, ("users:read",), form_only=True),
    "users.list": Method(user_list, 2, ("users:read",)),
    "users.lookupByEmail": Method(lookup_by_email, 3, ("users:read.email",)),
    "usergroups.list": Method(group_list, 2, ("usergroups:read",)),
    "usergroups.users.list": Method(group_users, 2, ("usergroups:read",), form_only=True),
}
