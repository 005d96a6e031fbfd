"""The policy file's data, read: rules, or everything that is wrong with it at once.

- Unknown keys, empty lists, names of roles nobody has, ids that two people share: all refused, by name or number.
- A rule whose approvals nobody could give is refused too, and whatever makes safety illusory (policy_lint).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from handlers.core.door import policy_lint as lint
from handlers.core.door.freezes import span
from handlers.core.door.policy import Permission
from handlers.core.door.rules import ARGUMENTS, COMMANDS, LEVELS, Breaking, Freeze, Human, Rule, Rules
from handlers.core.words.digests import Json, digest
from handlers.core.words.patterns import Fitting, of

MOST_APPROVALS = 5
MOST_MINUTES = 240
_SLACK_ID = re.compile(r"[UW][A-Z0-9]{2,}")
_GROUP = re.compile(r"S[A-Z0-9]{2,}")
_CHANNEL = re.compile(r"[CGD][A-Z0-9]{2,}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TARGET = re.compile(r"[^\s/$\"\\.]{1,64}")
_KEYS = {"people", "rules", "groups", "freezes", "break_glass"}
_RULE_KEYS = {"allow", "may", "commands", "targets", "channels", "approvals", "arguments"}
_FREEZE_KEYS = {"may", "commands", "targets", "override"}
_GLASS_KEYS = {"people", "minutes", "commands", "targets"}


def read(data: object) -> tuple[Rules, tuple[str, ...]]:
    """The rules in a file's data, and everything that is wrong with it. With a problem, the rules must not be used."""
    problems: list[str] = []
    if not isinstance(data, Mapping) or not {"people", "rules"} <= set(data) or set(data) - _KEYS:
        return Rules(), ("expected a mapping with `people` and `rules`, and perhaps groups, freezes, break_glass",)
    humans = _humans(data["people"], problems)
    groups = _groups(data["groups"], problems) if "groups" in data else {}
    given_roles = frozenset(role for roles in groups.values() for role in roles)
    roles = frozenset(role for each in humans.values() for role in each.roles) | given_roles
    given = data["rules"]
    if not isinstance(given, list) or not given:
        problems.append("rules: expected a list with at least one rule")
        given = []
    rules = [_rule(each, f"rule {number}", roles, problems) for number, each in enumerate(given, 1)]
    found = tuple(rule for rule in rules if rule is not None)
    for number, rule in enumerate(rules, 1):
        if rule is not None and not rule.approvers & given_roles:
            problems += _unreachable(rule, f"rule {number}", humans)
    freezes = _freezes(data["freezes"], roles, problems) if "freezes" in data else ()
    breaking = _breaking(data["break_glass"], humans, problems) if "break_glass" in data else None
    known = Rules(humans, found, "", groups, freezes, breaking)
    problems += lint.illusions(known)
    return replace(known, version=_version(known)), tuple(problems)


def _version(known: Rules) -> str:
    people = {name: [sorted(each.slack), sorted(each.roles)] for name, each in known.humans.items()}
    spelled = [
        [sorted(each.allow), each.may.value, sorted(each.commands), sorted(each.targets), sorted(each.channels),
         each.approvals, sorted(each.approvers), [[name, pattern.word] for name, pattern in each.arguments]]
        for each in known.rules
    ]  # fmt: skip
    frozen = [
        [each.name, each.span.begins, each.span.ends, each.span.period, str(each.span.zone), each.may.value,
         sorted(each.commands), sorted(each.targets), sorted(each.override)]
        for each in known.freezes
    ]  # fmt: skip
    glass = known.breaking
    broken: list[Json] = []
    if glass is not None:
        broken = [sorted(glass.people), glass.minutes, sorted(glass.commands), sorted(glass.targets)]
    groups = {name: sorted(roles) for name, roles in known.groups.items()}
    about: dict[str, Json] = {"people": people, "rules": spelled, "groups": groups, "freezes": frozen, "glass": broken}
    return digest("policy", about)[:16]


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
        problems.append(
            f"{where}: expected `allow` and `may`, and perhaps commands, targets, channels, approvals, arguments"
        )
        return None
    before = len(problems)
    allow = _roles(given["allow"], f"{where}, allow", roles, problems)
    may = {each.value: each for each in LEVELS}.get(given["may"]) if isinstance(given["may"], str) else None
    if may is None:
        problems.append(f"{where}: may is one of {', '.join(each.value for each in LEVELS)}")
    commands, targets = _scope(given, where, problems)
    channels = _maybe(given, "channels", _CHANNEL, where, problems)
    arguments = _arguments(given, commands, where, problems)
    approvals, approvers = _approvals(given, where, roles, problems)
    if approvals and may is not Permission.DESTROY:
        problems.append(f"{where}: approvals are for what destroys; set `may: destroy`")
    if may is None or len(problems) > before:
        return None
    return Rule(allow, may, commands, targets, channels, approvals, approvers, arguments)


def _arguments(given: Mapping[str, Any], commands: frozenset[str], where: str, problems: list[str]) -> Fitting:
    """A misspelled name would be a rule that never counts, so only names that all of its commands have are taken."""
    if "arguments" not in given:
        return ()
    asked, known = given["arguments"], [ARGUMENTS.get(command, frozenset()) for command in commands]
    names = sorted(frozenset.intersection(*known)) if known else []
    if not isinstance(asked, Mapping) or not asked or not set(asked) <= set(names):
        said = f"of these commands {', '.join(names)}" if names else "and name the commands they are of"
        problems.append(f"{where}, arguments: expected a mapping of arguments {said}")
        return ()
    found = []
    for name, value in sorted(asked.items()):
        pattern = of(value) if isinstance(value, str) and value else None
        if pattern is None:
            problems.append(f"{where}, arguments: {name} is neither a word nor a regular expression between slashes")
        elif all(pattern.fits(each) for each in ("x", "-1 Z")):
            problems.append(f"{where}, arguments: {name} fits anything, so it asks for nothing")
        else:
            found.append((name, pattern))
    return tuple(found)


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


def _groups(data: object, problems: list[str]) -> dict[str, frozenset[str]]:
    expected = "groups: expected a mapping of ids of Slack user groups, like S0123456789, to lists of roles"
    if not isinstance(data, Mapping) or not data:
        problems.append(expected)
        return {}
    found = {}
    for group, roles in data.items():
        if not isinstance(group, str) or not _GROUP.fullmatch(group):
            problems.append(expected)
            continue
        found[group] = _words(roles, _NAME, f"groups, {group}: expected names of roles", problems)
    return found


def _freezes(data: object, roles: frozenset[str], problems: list[str]) -> tuple[Freeze, ...]:
    if not isinstance(data, list) or not data:
        problems.append("freezes: expected a list with at least one freeze")
        return ()
    found = (_freeze(each, f"freeze {number}", roles, problems) for number, each in enumerate(data, 1))
    return tuple(each for each in found if each is not None)


def _freeze(given: Any, where: str, roles: frozenset[str], problems: list[str]) -> Freeze | None:
    needed = {"name", "from", "to", "zone"}
    if not isinstance(given, Mapping) or not needed <= set(given) or set(given) - needed - _FREEZE_KEYS:
        problems.append(f"{where}: expected name, from, to and zone, and perhaps may, commands, targets, override")
        return None
    before = len(problems)
    if not isinstance(given["name"], str) or not _NAME.fullmatch(given["name"]):
        problems.append(f"{where}: a name is lower-case letters, digits, dots, dashes")
    may = {each.value: each for each in (Permission.OPERATE, Permission.DESTROY)}.get(str(given.get("may", "destroy")))
    if may is None:
        problems.append(f"{where}: may is destroy, or operate for both")
    commands, targets = _scope(given, where, problems)
    override = _roles(given["override"], f"{where}, override", roles, problems) if "override" in given else frozenset()
    try:
        zone = ZoneInfo(given["zone"])
    except (ValueError, OSError, KeyError, TypeError, AttributeError):
        problems.append(f"{where}: zone is the name of a time zone, like Asia/Tehran")
        return None
    try:
        held = span(given["from"], given["to"], zone)
    except (ValueError, OverflowError) as error:
        problems.append(f"{where}: expected {error}")
        return None
    if may is None or len(problems) > before:
        return None
    return Freeze(given["name"], held, may, commands, targets, override)


def _breaking(given: object, humans: Mapping[str, Human], problems: list[str]) -> Breaking | None:
    if not isinstance(given, Mapping) or not {"people", "minutes"} <= set(given) or set(given) - _GLASS_KEYS:
        problems.append("break_glass: expected `people` and `minutes`, and perhaps commands, targets")
        return None
    before = len(problems)
    people = _words(given["people"], _NAME, "break_glass, people: expected names of people", problems)
    if people - set(humans):
        problems.append(f"break_glass: nobody is called {', '.join(sorted(people - set(humans)))}")
    minutes = given["minutes"]
    if not isinstance(minutes, int) or isinstance(minutes, bool) or not 5 <= minutes <= MOST_MINUTES:
        problems.append(f"break_glass: minutes is a whole number from 5 to {MOST_MINUTES}")
    commands, targets = _scope(given, "break_glass", problems)
    return None if len(problems) > before else Breaking(people, minutes, commands, targets)


def _scope(given: Mapping[str, Any], where: str, problems: list[str]) -> tuple[frozenset[str], frozenset[str]]:
    commands = _maybe(given, "commands", _NAME, where, problems)
    if commands - COMMANDS:
        problems.append(f"{where}: there is no command {', '.join(sorted(commands - COMMANDS))}")
    return commands, _maybe(given, "targets", _TARGET, where, problems)
