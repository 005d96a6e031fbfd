"""Permits: whether somebody may do something, asked of Slack's standing, the second factor and the team's rules.

- Every no is audited with its reason before it is told.
- The terminal and the schedule act on the host: its holder keeps the policy file too, so the rules are not asked there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from handlers.core.door.approval import Gate
from handlers.core.door.policy import Permission, refused
from handlers.core.door.rules import Need, RuleBook, Rules, Wish
from handlers.core.ports import Audit, Clock, People
from handlers.core.words.answers import Actor, Plan, Surface
from handlers.core.words.audit import AuditEvent
from handlers.core.words.digests import Json
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Person, Text


class Permits:
    """See the module."""

    def __init__(self, gate: Gate, people: People, rules: RuleBook, audit: Audit, clock: Clock) -> None:
        self._gate = gate
        self._people = people
        self._rules = rules
        self._audit = audit
        self._clock = clock

    @property
    def rules(self) -> Rules:
        """Those that hold now."""
        return self._rules.current()

    def allow(
        self,
        actor: Actor,
        permission: Permission | None,
        operation: str,
        *,
        target: str = "",
        channel: str = "",
        arguments: Mapping[str, Json] | None = None,
    ) -> Need:
        """What it needs. Raises Refusal when it is not allowed, OutsideError when that cannot be written down."""
        need = self.judged(actor, permission, operation, target=target, channel=channel, arguments=arguments)
        if isinstance(need, Text):
            facts: dict[str, Json] = {"reason": str(need)}
            self._audit.write(AuditEvent("denied", "deny", actor, target=target, operation=operation, facts=facts))
            raise Refusal(need)
        return need

    def judged(
        self,
        actor: Actor,
        permission: Permission | None,
        operation: str,
        *,
        target: str = "",
        channel: str = "",
        arguments: Mapping[str, Json] | None = None,
    ) -> Need | Text:
        """The same without a record: a sentence when it is not allowed."""
        reason = self.unheard(actor, permission)
        if reason is not None or permission is None:
            return reason or Text("Nobody may do that: the policy does not list it.")
        return self.ruled(actor, permission, operation, target=target, channel=channel, arguments=arguments)

    def unheard(self, actor: Actor, permission: Permission | None) -> Text | None:
        """Why somebody may not, whatever the rules say: a guest, a stranger, without a second factor."""
        destroys = permission is Permission.DESTROY
        enrolled = destroys and self._gate.enrolled(actor)
        reason = refused(actor, self._people.standing(actor), permission, enrolled=enrolled)
        return self._gate.cooling(actor) if reason is None and destroys else reason

    def gone(self, actor: Actor, permission: Permission) -> Text | None:
        """Why somebody who asked for or agreed to something does not count any more, asked when it is about to run.
        What destroys does not run when Slack did not answer; None: they count."""
        if actor.surface is not Surface.SLACK:
            return None
        standing = self._people.standing(actor)
        if standing == "member" or (standing == "unknown" and permission is not Permission.DESTROY):
            return None
        who = Person(actor.person)
        match standing:
            case "unknown":
                return Text("Slack did not say whether {who} is still a member. Nothing was done; ask again.", who=who)
            case "gone":
                return Text("{who}'s account was deactivated meanwhile. Nothing was done.", who=who)
            case "bot":
                return Text("{who} is a bot. Nothing was done.", who=who)
            case "guest":
                return Text("{who} is not a full member of this workspace any more. Nothing was done.", who=who)
            case _:
                assert_never(standing)

    def planned(self, plan: Plan, permission: Permission) -> Need | Text:
        """What the rules alone say of a plan."""
        return self.ruled(
            plan.actor,
            permission,
            plan.operation,
            target=plan.target,
            channel=plan.channel,
            arguments=plan.arguments,
        )

    def ruled(
        self,
        actor: Actor,
        permission: Permission,
        operation: str,
        *,
        target: str = "",
        channel: str = "",
        arguments: Mapping[str, Json] | None = None,
    ) -> Need | Text:
        """What the rules alone say."""
        if actor.surface is not Surface.SLACK:
            return Need()
        return self.rules.need(actor.person, Wish(permission, operation, target, channel, self._clock.now(), arguments))
