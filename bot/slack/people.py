"""What Slack says about people, for the policy.

- A full member is an account of the bot's own workspace that is neither deactivated, a guest nor a bot.
- Asked at most every five minutes a person; what could not be asked is `unknown` and is not remembered.
- A person of another workspace (Slack Connect) is a guest here, whatever they are at home.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from bot.slack.chat import Chat
from handlers.core.answers import Actor
from handlers.core.errors import Problem
from handlers.core.ports import Clock, Standing

KEEP_SECONDS = 300.0
MOST_KEPT = 10_000
_GUEST = ("is_restricted", "is_ultra_restricted", "is_stranger")
_BOT = ("is_bot", "is_workflow_bot", "is_connector_bot")


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What Slack knows. `team`: the workspace of the account."""

    id: str
    restricted: bool
    bot: bool
    deleted: bool
    team: str


class SlackPeople:
    """Implements the port `People`."""

    def __init__(self, chat: Chat, clock: Clock) -> None:
        self._chat = chat
        self._clock = clock
        self._kept: dict[str, tuple[float, PersonFacts]] = {}
        self._lock = threading.Lock()

    def person(self, user_id: str) -> PersonFacts:
        """At most five minutes old. Raises Refusal or OutsideError."""
        now = self._clock.monotonic()
        with self._lock:
            kept = self._kept.get(user_id)
        if kept is not None and now - kept[0] < KEEP_SECONDS:
            return kept[1]
        user = self._chat.user(user_id)
        facts = PersonFacts(
            id=str(user.get("id", "")),
            restricted=any(user.get(name) is True for name in _GUEST),
            bot=user_id == "USLACKBOT" or any(user.get(name) is True for name in _BOT),
            deleted=user.get("deleted") is True,
            team=str(user.get("team_id", "")),
        )
        with self._lock:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[user_id] = (now, facts)
        return facts

    def standing(self, actor: Actor) -> Standing:
        """See the port: never raises."""
        try:
            facts, home = self.person(actor.person), self._chat.team()
        except Problem:
            return "unknown"
        if facts.id != actor.person:
            return "unknown"
        if facts.deleted:
            return "gone"
        if facts.bot:
            return "bot"
        if facts.restricted or facts.team != home or actor.team != home:
            return "guest"
        return "member"
