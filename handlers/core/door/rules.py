"""The rules: what a team's policy file says about who may do what, where, and how many must agree.

- Without a file every full member may do everything, and whatever destroys needs the asker's own code.
- With one, nothing is allowed that no rule allows, and nobody who is not named in it.
- Rules add up: one that allows is enough, and of those that match the one that asks for the most people counts; where
  several ask for as many, whom each of them takes. So no rule weakens another, in whatever order they stand.
- A rule may be for some arguments only (of a restore: which database). Where a plan does not say one, a rule that asks
  for other people counts and one that asks for nobody does not.
- People are human beings with all their Slack ids: two ids of one person are never two people. A Slack user group
  gives those of its members roles who are named in the file, and nobody else anything.
- While a freeze holds, only its overriders may; whoever may break the glass may be offered what destroys all the same.
- The glass: a person whom the file names may do alone, for minutes and with a reason, what they may do with others
  (handlers/core/door/glass.py). It gives nobody a permission they do not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from handlers.core.door.freezes import Span
from handlers.core.door.policy import Permission
from handlers.core.words.answers import PersonId
from handlers.core.words.digests import Json
from handlers.core.words.patterns import Fitting
from handlers.core.words.text import Code, Text

ARGUMENTS = {"restore": frozenset({"backup", "database", "source"}), "rotate": frozenset({"emergency"})}
"""What a rule may ask of a plan, by command: the arguments of its plans as they are confirmed."""
COMMANDS = frozenset({"backup", "restore", "health", "rotate", "runbook", "alerts", "audit", "access"})
LEVELS = (Permission.READ, Permission.OPERATE, Permission.DESTROY)
_KINDS = {"alert": "alerts", "step": "runbook", "run": "runbook"}


@dataclass(frozen=True, slots=True)
class Human:
    """Somebody, by the name the file gives them."""

    name: str
    slack: frozenset[str]
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Need:
    """What is needed beside the asker's own code: so many other people, out of these. `frozen`: why it may not be done
    now, but by the glass; None: it may. `alone`: for how many minutes the asker may break the glass; 0: never."""

    approvals: int = 0
    approvers: frozenset[str] = frozenset()
    frozen: Text | None = None
    alone: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """Roles, and what they may. An empty set of commands, targets, channels or arguments means any."""

    allow: frozenset[str]
    may: Permission
    commands: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    approvals: int = 0
    approvers: frozenset[str] = frozenset()
    arguments: Fitting = ()

    def matches(self, roles: frozenset[str], wish: Wish) -> bool:
        """Whether it allows somebody with these roles that."""
        return (
            bool(self.allow & roles)
            and LEVELS.index(wish.permission) <= LEVELS.index(self.may)
            and (not self.commands or wish.command in self.commands)
            and (not self.targets or not wish.target or wish.target in self.targets)
            and (not self.channels or not wish.channel or wish.channel in self.channels)
            and (wish.arguments is None or self._means(wish.arguments))
        )

    def _means(self, arguments: Mapping[str, Json]) -> bool:
        return all(
            pattern.fits(str(arguments[name]).lower() if isinstance(arguments[name], bool) else str(arguments[name]))
            if name in arguments
            else bool(self.approvals)
            for name, pattern in self.arguments
        )


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time when nobody may do at least `may`, but those with an overriding role. Second factors are let in and
    unlocked meanwhile, unless the command `access` is named."""

    name: str
    span: Span
    may: Permission = Permission.DESTROY
    commands: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    override: frozenset[str] = frozenset()

    def stops(self, roles: frozenset[str], wish: Wish) -> bool:
        """Whether it holds for somebody with these roles who wants that."""
        return (
            wish.at is not None
            and self.span.holds(wish.at)
            and LEVELS.index(wish.permission) >= LEVELS.index(self.may)
            and (wish.command in self.commands if self.commands else wish.command != "access")
            and (not self.targets or not wish.target or wish.target in self.targets)
            and not self.override & roles
        )


@dataclass(frozen=True, slots=True)
class Breaking:
    """Who may break the glass, for what, and for how many minutes. Never to let in a second factor."""

    people: frozenset[str]
    minutes: int
    commands: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()

    def allows(self, human: Human, wish: Wish) -> bool:
        """Whether this person may do this alone."""
        return (
            human.name in self.people
            and wish.permission is Permission.DESTROY
            and wish.command != "access"
            and (not self.commands or wish.command in self.commands)
            and (not self.targets or not wish.target or wish.target in self.targets)
        )


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants. An empty target or channel is not known yet, and asked again when it is; so are arguments
    that are None. `at`: when; None: at a time without freezes."""

    permission: Permission
    operation: str
    target: str = ""
    channel: str = ""
    at: datetime | None = None
    arguments: Mapping[str, Json] | None = None

    @property
    def command(self) -> str:
        """The command it belongs to: of `restore.run`, `restore`; of the button `alert_ack`, `alerts`."""
        word = re.split(r"[._]", self.operation, maxsplit=1)[0]
        return _KINDS.get(word, word)


@dataclass(frozen=True, slots=True)
class Rules:
    """See the module. `version` changes with every word that counts; empty: there is no file."""

    humans: Mapping[str, Human] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    version: str = ""
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    freezes: tuple[Freeze, ...] = ()
    breaking: Breaking | None = None

    def joined(self, members: Mapping[str, frozenset[str]]) -> Rules:
        """With the roles that Slack's user groups give to the people of the file. The version stays: who asked for or
        agreed to something is judged by these roles again when it runs."""
        if not self.groups:
            return self
        humans = {}
        for name, human in self.humans.items():
            given = (roles for group, roles in self.groups.items() if members.get(group, frozenset()) & human.slack)
            humans[name] = replace(human, roles=human.roles.union(*given))
        return replace(self, humans=humans)

    def human(self, person: PersonId) -> Human | None:
        """Who has this Slack id."""
        return next((each for each in self.humans.values() if person in each.slack), None)

    def need(self, person: PersonId, wish: Wish) -> Need | Text:
        """What it needs; a sentence when it is not allowed."""
        if not self.version:
            return Need()
        human = self.human(person)
        if human is None:
            return Text("The policy does not name you. Ask whoever keeps it.")
        return self._need(human, wish)

    def _need(self, human: Human, wish: Wish) -> Need | Text:
        found = [rule for rule in self.rules if rule.matches(human.roles, wish)]
        if not found:
            return self._denied(human, wish)
        count = max(rule.approvals for rule in found)
        stopped = self._stopped(human, wish)
        alone = 0 if self.breaking is None or not self.breaking.allows(human, wish) else self.breaking.minutes
        if stopped is not None and not alone:
            return stopped
        if wish.permission is not Permission.DESTROY or not count:
            return Need(frozen=stopped, alone=alone if stopped is not None else 0)
        asked = [rule.approvers for rule in found if rule.approvals == count]
        others = (each for each in self.humans.values() if each != human and all(each.roles & some for some in asked))
        return Need(count, frozenset(each.name for each in others), stopped, alone)

    def _stopped(self, human: Human, wish: Wish) -> Text | None:
        """Why it is frozen for this person now; of several freezes the one that ends last."""
        if wish.at is None:
            return None
        found = [(each.span.until(wish.at), each) for each in self.freezes if each.stops(human.roles, wish)]
        if not found:
            return None
        until, freeze = max(found, key=lambda pair: pair[0])
        may = sorted(each.name for each in self.humans.values() if each.roles & freeze.override)
        text = Text("This is frozen until {until} by {name} in the policy.", until=until, name=Code(freeze.name))
        return Text("{text} It does not stop {who}.", text=text, who=Code(", ".join(may[:5]))) if may else text

    def _denied(self, human: Human, wish: Wish) -> Text:
        elsewhere = replace(wish, channel="")
        if wish.channel and any(rule.matches(human.roles, elsewhere) for rule in self.rules):
            return Text("The policy allows this in another channel only.")
        who = sorted(name for name, _ in self.who_can(wish))
        if not who:
            return Text("The policy lets nobody do this.")
        shown = ", ".join(who[:5]) + (" and others" if len(who) > 5 else "")
        return Text("The policy does not let you do this. It lets {who}.", who=Code(shown))

    def who_can(self, wish: Wish) -> tuple[tuple[str, Need], ...]:
        """Everybody who may, with what it needs; by the same evaluation as the gate's."""
        found = ((human.name, self._allowed(human, wish)) for human in self.humans.values())
        return tuple((name, need) for name, need in found if need is not None)

    def _allowed(self, human: Human, wish: Wish) -> Need | None:
        if not any(rule.matches(human.roles, wish) for rule in self.rules):
            return None
        need = self._need(human, wish)
        return need if isinstance(need, Need) else None

    def frozen(self, wish: Wish) -> tuple[Freeze, ...]:
        """The freezes that hold for it at its time, whoever asks."""
        return tuple(each for each in self.freezes if each.stops(frozenset(), wish))

    def agreed(self, requester: PersonId, need: Need, persons: Iterable[PersonId]) -> int:
        """How many different people, who may and are not the asker, are among these."""
        asker = self.human(requester)
        humans = {human.name for each in persons if (human := self.human(each)) is not None}
        return len((humans & need.approvers) - ({asker.name} if asker is not None else set()))


class RuleBook(Protocol):
    """Where the rules are kept."""

    def current(self) -> Rules:
        """The rules that hold now: the last ones that could be read. Never raises."""


class NoRules:
    """The rule book of a team without a policy file."""

    def current(self) -> Rules:
        """None."""
        return Rules()


class JoinedRules:
    """A rule book with the members of Slack's user groups, as they are known now. `members` never asks anybody."""

    def __init__(self, book: RuleBook, members: Callable[[], Mapping[str, frozenset[str]]]) -> None:
        self._book = book
        self._members = members

    def current(self) -> Rules:
        """See RuleBook."""
        return self._book.current().joined(self._members())
