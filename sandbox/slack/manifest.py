"""The app manifest: which scopes, commands, events and addresses the app has.

Source: Slack's app manifest reference, docs.slack.dev/reference/app-manifest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.slack.errors import JSON

DEFAULT_SCOPES = (
    "channels:history",
    "channels:join",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "reactions:read",
    "reactions:write",
    "usergroups:read",
    "users:read",
    "users:read.email",
)


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command as the manifest declares it; `url` is used in HTTP mode only."""

    command: str
    description: str
    usage_hint: str = ""
    url: str = ""
    should_escape: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """What of an app manifest changes how Slack treats the app; `bot_events` None means all."""

    name: str = "negahban"
    bot_scopes: tuple[str, ...] = DEFAULT_SCOPES
    commands: tuple[Command, ...] = ()
    socket_mode: bool = True
    interactivity: bool = True
    interactivity_url: str = ""
    events_url: str = ""
    bot_events: tuple[str, ...] | None = None
    home_tab: bool = True


DEFAULT_MANIFEST = Manifest(
    commands=(
        Command("/backup", "Back up the database", "[now|list|show ID|status|help]"),
        Command("/restore", "Restore a backup", "[ID|latest] [target]"),
        Command("/health", "How the systems are", "[all|mongo|metrics|edge|secrets|backups|audit]"),
        Command("/rotate", "Rotate a secret", "[NAME|due|status]"),
        Command("/runbook", "Run a runbook", "[name]"),
        Command("/audit", "Who did what"),
    )
)


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest in YAML (JSON is YAML too). Raises ValueError if it is not a mapping."""
    data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict):
        raise ValueError(f"{path}: an app manifest is a mapping")
    settings, features = _part(data, "settings"), _part(data, "features")
    interactivity, events = _part(settings, "interactivity"), _part(settings, "event_subscriptions")
    return Manifest(
        name=str(_part(data, "display_information").get("name", "app")),
        bot_scopes=tuple(_part(_part(data, "oauth_config"), "scopes").get("bot") or ()),
        commands=tuple(_command(each) for each in features.get("slash_commands") or ()),
        socket_mode=bool(settings.get("socket_mode_enabled", False)),
        interactivity=bool(interactivity.get("is_enabled", False)),
        interactivity_url=str(interactivity.get("request_url", "")),
        events_url=str(events.get("request_url", "")),
        bot_events=tuple(events.get("bot_events") or ()),
        home_tab=bool(_part(features, "app_home").get("home_tab_enabled", False)),
    )


def _part(data: JSON, name: str) -> JSON:
    part = data.get(name) or {}
    if not isinstance(part, dict):
        raise ValueError(f"app manifest: {name} is a mapping")
    return part


def _command(data: JSON) -> Command:
    return Command(
        command=str(data["command"]),
        description=str(data.get("description", "")),
        usage_hint=str(data.get("usage_hint", "")),
        url=str(data.get("url", "")),
        should_escape=bool(data.get("should_escape", False)),
    )
