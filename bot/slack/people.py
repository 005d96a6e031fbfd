"""What Slack says about people, for the policy.

- A full member is an account of the bot's own workspace that is neither deactivated, a guest nor a bot.
- Asked at most every five minutes a person (a worker, about whoever stands behind a job: every minute); what could
  not be asked is `unknown` and is not remembered.
- Their locale comes with it. Who waits for an ack hears what was known last, however old.
- A person of another workspace (Slack Connect) is a guest here, whatever they are at home.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from bot.slack.chat import Chat
from handlers.core.ports import Clock, Standing
from handlers.core.words.answers import Actor
from handlers.core.words.errors import Problem

log = logging.getLogger(__name__)

KEEP_SECONDS = 300.0
MOST_KEPT = 10_000
_GUEST = ("is_restricted", "is_ultra_restricted", "is_stranger")
_BOT = ("is_bot", "is_workflow_bot", "is_connector_bot")


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """What Slack knows. `team`: the workspace of the account. `locale`: like fa-IR; empty when Slack does not say."""

    id: str
    restricted: bool
    bot: bool
    deleted: bool
    team: str
    locale: str = ""


class SlackPeople:
    """Implements the port `People`."""

    def __init__(self, chat: Chat, clock: Clock, keep_seconds: float = KEEP_SECONDS) -> None:
        self._chat = chat
        self._clock = clock
        self._keep_seconds = keep_seconds
        self._kept: dict[str, tuple[float, PersonFacts]] = {}
        self._lock = threading.Lock()

    def person(self, user_id: str) -> PersonFacts:
        """At most five minutes old. Raises Refusal or OutsideError."""
        now = self._clock.monotonic()
        with self._lock:
            kept = self._kept.get(user_id)
        if kept is not None and now - kept[0] < self._keep_seconds:
            return kept[1]
        user = self._chat.user(user_id)
        facts = PersonFacts(
            id=str(user.get("id", "")),
            restricted=any(user.get(name) is True for name in _GUEST),
            bot=user_id == "USLACKBOT" or any(user.get(name) is True for name in _BOT),
            deleted=user.get("deleted") is True,
            team=str(user.get("team_id", "")),
            locale=str(user.get("locale") or ""),
        )
        with self._lock:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[user_id] = (now, facts)
        return facts

    def locale(self, user_id: str, *, ask: bool = True) -> str:
        """Their locale; empty when it is not known. Slack is asked at most every five minutes, and only if `ask`."""
        with self._lock:
            kept = self._kept.get(user_id)
        if ask:
            try:
                return self.person(user_id).locale
            except Problem as problem:
                log.info("the locale of a person could not be asked: %s", problem)
        return kept[1].locale if kept is not None else ""

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
