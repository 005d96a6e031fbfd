"""Permits: whether somebody may do something, asked of Slack's standing, the second factor and the team's rules.

- Every no is audited with its reason before it is told.
- The terminal and the schedule act on the host: its holder keeps the policy file too, so the rules are not asked there.
"""

from __future__ import annotations

from handlers.core.answers import Actor, Surface
from handlers.core.approval import Gate
from handlers.core.audit import AuditEvent
from handlers.core.digests import Json
from handlers.core.errors import Refusal
from handlers.core.policy import Permission, refused
from handlers.core.ports import Audit, People
from handlers.core.rules import Need, RuleBook, Rules, Wish
from handlers.core.text import Text


class Permits:
    """See the module."""

    def __init__(self, gate: Gate, people: People, rules: RuleBook, audit: Audit) -> None:
        self._gate = gate
        self._people = people
        self._rules = rules
        self._audit = audit

    @property
    def rules(self) -> Rules:
        """Those that hold now."""
        return self._rules.current()

    def allow(
        self, actor: Actor, permission: Permission | None, operation: str, *, target: str = "", channel: str = ""
    ) -> Need:
        """What it needs. Raises Refusal when it is not allowed, OutsideError when that cannot be written down."""
        need = self.judged(actor, permission, operation, target=target, channel=channel)
        if isinstance(need, Text):
            facts: dict[str, Json] = {"reason": str(need)}
            self._audit.write(AuditEvent("denied", "deny", actor, target=target, operation=operation, facts=facts))
            raise Refusal(need)
        return need

    def judged(
        self, actor: Actor, permission: Permission | None, operation: str, *, target: str = "", channel: str = ""
    ) -> Need | Text:
        """The same without a record: a sentence when it is not allowed."""
        reason = self.unheard(actor, permission)
        if reason is not None or permission is None:
            return reason or Text("Nobody may do that: the policy does not list it.")
        return self.ruled(actor, permission, operation, target=target, channel=channel)

    def unheard(self, actor: Actor, permission: Permission | None) -> Text | None:
        """Why somebody may not, whatever the rules say: a guest, a stranger, without a second factor."""
        enrolled = permission is Permission.DESTROY and self._gate.enrolled(actor)
        return refused(actor, self._people.standing(actor), permission, enrolled=enrolled)

    def ruled(
        self, actor: Actor, permission: Permission, operation: str, *, target: str = "", channel: str = ""
    ) -> Need | Text:
        """What the rules alone say."""
        if actor.surface is not Surface.SLACK:
            return Need()
        return self.rules.need(actor.person, Wish(permission, operation, target, channel))
