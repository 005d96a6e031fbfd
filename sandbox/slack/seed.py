"""The people and channels a local Slack starts with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SeedUser:
    """A person, or the app's bot user."""

    id: str
    name: str
    real_name: str
    is_admin: bool = False
    is_bot: bool = False
    is_restricted: bool = False
    deleted: bool = False
    team_id: str = ""  # of another workspace's people
    tz: str = "Asia/Tehran"
    locale: str = "en-US"

    @property
    def email(self) -> str:
        """An address in the reserved `example` domain (RFC 2606)."""
        return f"{self.name}@shop.example"


@dataclass(frozen=True, slots=True)
class SeedChannel:
    """A channel and the ids of its members."""

    id: str
    name: str
    members: tuple[str, ...]
    is_private: bool = False
    is_archived: bool = False
    topic: str = ""


@dataclass(frozen=True, slots=True)
class SeedUsergroup:
    """A user group such as @on-call."""

    id: str
    handle: str
    name: str
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seed:
    """Everything a workspace starts with."""

    team_id: str
    team_name: str
    team_domain: str
    app_id: str
    bot_id: str
    bot_user_id: str
    users: tuple[SeedUser, ...]
    channels: tuple[SeedChannel, ...]
    usergroups: tuple[SeedUsergroup, ...]


_STAFF = ("U0SARA", "U0OMID", "U0LEILA")
_ALL = (*_STAFF, "U0GUEST")

DEFAULT_SEED = Seed(
    team_id="T0LOCAL",
    team_name="Shop",
    team_domain="shop",
    app_id="A0LOCAL",
    bot_id="B0BOT",
    bot_user_id="U0BOT",
    users=(
        SeedUser("U0SARA", "sara", "Sara", is_admin=True),
        SeedUser("U0OMID", "omid", "Omid"),
        SeedUser("U0LEILA", "leila", "لیلا", locale="fa-IR"),
        SeedUser("U0GUEST", "guest", "Guest", is_restricted=True),
        SeedUser("U0BOT", "negahban", "negahban", is_bot=True),
        SeedUser("USLACKBOT", "slackbot", "Slackbot"),
    ),
    channels=(
        SeedChannel("C0OPS", "ops", (*_ALL, "U0BOT"), topic="Operations"),
        SeedChannel("C0ALERTS", "alerts", (*_STAFF, "U0BOT"), topic="Alerts"),
        SeedChannel("C0AUDIT", "audit", ("U0SARA", "U0BOT"), topic="Audit"),
        SeedChannel("C0RANDOM", "random", _ALL),
    ),
    usergroups=(SeedUsergroup("S0ONCALL", "on-call", "On call", ("U0OMID", "U0LEILA")),),
)
