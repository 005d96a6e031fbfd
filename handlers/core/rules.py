"""The rules: what a team's policy file says about who may do what, where, and how many must agree.

- Without a file every full member may do everything, and whatever destroys needs the asker's own code.
- With one, nothing is allowed that no rule allows, and nobody who is not named in it.
- Rules add up: one that allows is enough, and of those that match the one that asks for the most people counts. So
  no rule weakens another.
- People are human beings with all their Slack ids: two ids of one person are never two people.
- A rule whose approvals nobody could give is refused when the file is read, with everything else that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from handlers.core.answers import PersonId
from handlers.core.digests import digest
from handlers.core.policy import Permission
from handlers.core.text import Code, Text

COMMANDS = frozenset({"backup", "restore", "health", "rotate", "runbook", "alerts", "audit"})
MOST_APPROVALS = 5
LEVELS = (Permission.READ, Permission.OPERATE, Permission.DESTROY)
_SLACK_ID = re.compile(r"[UW][A-Z0-9]{2,}")
_CHANNEL = re.compile(r"[CGD][A-Z0-9]{2,}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_KINDS = {"alert": "alerts", "step": "runbook", "run": "runbook"}
_RULE_KEYS = {"allow", "may", "commands", "targets", "channels", "approvals"}


@dataclass(frozen=True, slots=True)
class Human:
    """Somebody, by the name the file gives them."""

    name: str
    slack: frozenset[str]
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Need:
    """What is needed beside the asker's own code: so many other people, out of these."""

    approvals: int = 0
    approvers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """Roles, and what they may. An empty set of commands, targets or channels means any."""

    allow: frozenset[str]
    may: Permission
    commands: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    approvals: int = 0
    approvers: frozenset[str] = frozenset()

    def matches(self, roles: frozenset[str], wish: Wish) -> bool:
        """Whether it allows somebody with these roles that."""
        return (
            bool(self.allow & roles)
            and LEVELS.index(wish.permission) <= LEVELS.index(self.may)
            and (not self.commands or wish.command in self.commands)
            and (not self.targets or not wish.target or wish.target in self.targets)
            and (not self.channels or not wish.channel or wish.channel in self.channels)
        )


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants. An empty target or channel is not known yet, and asked again when it is."""

    permission: Permission
    operation: str
    target: str = ""
    channel: str = ""

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
        strictest = max(found, key=lambda rule: rule.approvals)
        if wish.permission is not Permission.DESTROY or not strictest.approvals:
            return Need()
        others = (each for each in self.humans.values() if each.roles & strictest.approvers and each != human)
        return Need(strictest.approvals, frozenset(each.name for each in others))

    def _denied(self, human: Human, wish: Wish) -> Text:
        elsewhere = Wish(wish.permission, wish.operation, wish.target)
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


def read(data: object) -> tuple[Rules, tuple[str, ...]]:
    """The rules in a file's data, and everything that is wrong with it. With a problem, the rules must not be used."""
    problems: list[str] = []
    if not isinstance(data, Mapping) or set(data) != {"people", "rules"}:
        return Rules(), ("expected a mapping with `people` and `rules`",)
    humans = _humans(data["people"], problems)
    roles = frozenset(role for each in humans.values() for role in each.roles)
    given = data["rules"]
    if not isinstance(given, list) or not given:
        problems.append("rules: expected a list with at least one rule")
        given = []
    rules = [_rule(each, f"rule {number}", roles, problems) for number, each in enumerate(given, 1)]
    found = tuple(rule for rule in rules if rule is not None)
    for number, rule in enumerate(rules, 1):
        if rule is not None:
            problems += _unreachable(rule, f"rule {number}", humans)
    return Rules(humans, found, _version(humans, found)), tuple(problems)


def _version(humans: Mapping[str, Human], rules: tuple[Rule, ...]) -> str:
    people = {name: [sorted(each.slack), sorted(each.roles)] for name, each in humans.items()}
    spelled = [
        [sorted(each.allow), each.may.value, sorted(each.commands), sorted(each.targets), sorted(each.channels),
         each.approvals, sorted(each.approvers)]
        for each in rules
    ]  # fmt: skip
    return digest("policy", {"people": people, "rules": spelled})[:16]


def _humans(data: object, problems: list[str]) -> dict[str, Human]:
    if not isinstance(data, Mapping) or not data:
        problems.append("people: expected a mapping with at least one person")
        return {}
    found: dict[str, Human] = {}
    taken: dict[str, str] = {}
    for name, given in data.items():
        where = f"people, {name}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            problems.append(f"{where}: a name is lower-case letters, digits, dots, dashes")
            continue
        if not isinstance(given, Mapping) or set(given) != {"slack", "roles"}:
            problems.append(f"{where}: expected `slack` and `roles`")
            continue
        ids = _words(given["slack"], _SLACK_ID, f"{where}, slack: expected Slack ids like U0123456789", problems)
        roles = _words(given["roles"], _NAME, f"{where}, roles: expected names of roles", problems)
        for each in ids:
            if each in taken:
                problems.append(f"{where}: {each} is already {taken[each]}")
            taken[each] = name
        found[name] = Human(name, ids, roles)
    return found


def _words(value: object, shape: re.Pattern[str], expected: str, problems: list[str]) -> frozenset[str]:
    right = isinstance(value, list) and value and all(isinstance(each, str) and shape.fullmatch(each) for each in value)
    if not right or not isinstance(value, list):
        problems.append(expected)
        return frozenset()
    return frozenset(value)


def _rule(given: Any, where: str, roles: frozenset[str], problems: list[str]) -> Rule | None:
    if not isinstance(given, Mapping) or set(given) - _RULE_KEYS or not {"allow", "may"} <= set(given):
        problems.append(f"{where}: expected `allow` and `may`, and perhaps commands, targets, channels, approvals")
        return None
    before = len(problems)
    allow = _roles(given["allow"], f"{where}, allow", roles, problems)
    may = {each.value: each for each in LEVELS}.get(given["may"]) if isinstance(given["may"], str) else None
    if may is None:
        problems.append(f"{where}: may is one of {', '.join(each.value for each in LEVELS)}")
    commands = _maybe(given, "commands", _NAME, where, problems)
    if commands - COMMANDS:
        problems.append(f"{where}: there is no command {', '.join(sorted(commands - COMMANDS))}")
    targets = _maybe(given, "targets", re.compile(r"[^\s/$\"\\.]{1,64}"), where, problems)
    channels = _maybe(given, "channels", _CHANNEL, where, problems)
    approvals, approvers = _approvals(given, where, roles, problems)
    if approvals and may is not Permission.DESTROY:
        problems.append(f"{where}: approvals are for what destroys; set `may: destroy`")
    if may is None or len(problems) > before:
        return None
    return Rule(allow, may, commands, targets, channels, approvals, approvers)


def _maybe(
    given: Mapping[str, Any], name: str, shape: re.Pattern[str], where: str, problems: list[str]
) -> frozenset[str]:
    """Absent means any; an empty list means a mistake."""
    if name not in given:
        return frozenset()
    return _words(given[name], shape, f"{where}, {name}: expected a list that is not empty", problems)


def _roles(value: object, where: str, known: frozenset[str], problems: list[str]) -> frozenset[str]:
    found = _words(value, _NAME, f"{where}: expected names of roles", problems)
    if found - known:
        problems.append(f"{where}: nobody has the role {', '.join(sorted(found - known))}")
    return found


def _approvals(
    given: Mapping[str, Any], where: str, roles: frozenset[str], problems: list[str]
) -> tuple[int, frozenset[str]]:
    if "approvals" not in given:
        return 0, frozenset()
    asked = given["approvals"]
    if not isinstance(asked, Mapping) or set(asked) != {"count", "from"}:
        problems.append(f"{where}, approvals: expected `count` and `from`")
        return 0, frozenset()
    count = asked["count"]
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_APPROVALS:
        problems.append(f"{where}, approvals: count is a whole number from 1 to {MOST_APPROVALS}")
        return 0, frozenset()
    return count, _roles(asked["from"], f"{where}, approvals, from", roles, problems)


def _unreachable(rule: Rule, where: str, humans: Mapping[str, Human]) -> Iterable[str]:
    """For whom nobody could give the approvals."""
    for human in humans.values():
        if human.roles & rule.allow:
            others = sum(1 for each in humans.values() if each.roles & rule.approvers and each != human)
            if others < rule.approvals:
                yield f"{where}: {human.name} would need {rule.approvals} others to agree, and there are {others}"
