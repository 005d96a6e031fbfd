"""Routes: from an alert's labels to the channel, who is mentioned, and the runbook.

- Rules are tried in order; the first that matches decides. What no rule matches goes to the default channel.
- A rule matches when each of its labels does: a word is compared whole, `/…/` is an anchored regular expression.
- Rules are read from data with everything wrong said at once; examples in the same file are tried by `check`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handlers.core.notices import Labels

MOST_RULES, MOST_PATTERN = 200, 200
_CHANNEL = re.compile(r"[CGD][A-Z0-9]{2,}")
_MENTION = re.compile(r"[USW][A-Z0-9]{2,}")
_RUNBOOK = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_KEYS = {"match", "channel", "mention", "runbook", "escalate_minutes"}


@dataclass(frozen=True, slots=True)
class Route:
    """Where a group goes. `mention`: a person's or group's Slack id, told when a critical alert begins.
    `escalate_minutes`: an unacknowledged critical alert mentions them again after this long; 0: never."""

    channel: str
    mention: str = ""
    runbook: str = ""
    escalate_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """What must match, and where to."""

    match: tuple[tuple[str, re.Pattern[str]], ...]
    route: Route


@dataclass(frozen=True, slots=True)
class Routes:
    """See the module. `examples`: labels, and the channel they must go to."""

    default: Route
    rules: tuple[Rule, ...] = ()
    examples: tuple[tuple[Labels, str], ...] = ()

    def of(self, labels: Labels) -> Route:
        """The first rule that matches, or the default."""
        for rule in self.rules:
            if all(pattern.fullmatch(labels.get(name, "")) for name, pattern in rule.match):
                return rule.route
        return self.default

    def wrong(self) -> tuple[str, ...]:
        """Examples that go elsewhere than they say."""
        return tuple(
            f"example {number}: goes to {self.of(labels).channel}, not {channel}"
            for number, (labels, channel) in enumerate(self.examples, 1)
            if self.of(labels).channel != channel
        )


def read(data: object, default: Route) -> tuple[Routes, tuple[str, ...]]:
    """The rules in a file's data, and everything that is wrong with it. Wrong rules are left out."""
    problems: list[str] = []
    if not isinstance(data, Mapping) or set(data) - {"routes", "examples"}:
        return Routes(default), ("expected a mapping with `routes` and perhaps `examples`",)
    rules: list[Rule] = []
    for number, given in enumerate(_list(data.get("routes"), "routes", problems)[:MOST_RULES], 1):
        rule = _rule(given, default, f"route {number}", problems)
        if rule is not None:
            rules.append(rule)
    examples = []
    for number, given in enumerate(_list(data.get("examples", []), "examples", problems), 1):
        labels = given.get("labels") if isinstance(given, Mapping) else None
        channel = given.get("channel") if isinstance(given, Mapping) else None
        if not isinstance(labels, Mapping) or not isinstance(channel, str):
            problems.append(f"example {number}: expected `labels` and `channel`")
        else:
            examples.append(({str(name): str(value) for name, value in labels.items()}, channel))
    routes = Routes(default, tuple(rules), tuple(examples))
    return routes, (*problems, *routes.wrong())


def _list(value: object, name: str, problems: list[str]) -> list[Any]:
    if isinstance(value, list):
        return value
    problems.append(f"{name}: expected a list")
    return []


def _rule(given: object, default: Route, where: str, problems: list[str]) -> Rule | None:
    before = len(problems)
    if not isinstance(given, Mapping) or set(given) - _KEYS:
        problems.append(f"{where}: expected only {', '.join(sorted(_KEYS))}")
        return None
    match = given.get("match")
    patterns = []
    if not isinstance(match, Mapping) or not match:
        problems.append(f"{where}: `match` names at least one label")
    else:
        for name, value in match.items():
            pattern = _pattern(value)
            if pattern is None:
                problems.append(f"{where}: {name} is neither a word nor a regular expression between slashes")
            else:
                patterns.append((str(name), pattern))
    channel = _word(given, "channel", _CHANNEL, default.channel, where, problems)
    mention = _word(given, "mention", _MENTION, default.mention, where, problems)
    runbook = _word(given, "runbook", _RUNBOOK, default.runbook, where, problems)
    minutes = given.get("escalate_minutes", default.escalate_minutes)
    if not isinstance(minutes, int) or isinstance(minutes, bool) or not 0 <= minutes <= 1440:
        problems.append(f"{where}: escalate_minutes is a whole number from 0 to 1440")
        return None
    return Rule(tuple(patterns), Route(channel, mention, runbook, minutes)) if len(problems) == before else None


def _pattern(value: object) -> re.Pattern[str] | None:
    if not isinstance(value, str) or len(value) > MOST_PATTERN:
        return None
    if len(value) > 1 and value.startswith("/") and value.endswith("/"):
        try:
            return re.compile(value[1:-1])
        except re.error:
            return None
    return re.compile(re.escape(value))


def _word(
    given: Mapping[str, Any], name: str, shape: re.Pattern[str], default: str, where: str, problems: list[str]
) -> str:
    value = given.get(name, default)
    if isinstance(value, str) and (value == default or shape.fullmatch(value)):
        return value
    problems.append(f"{where}: {name} is not what it should be")
    return default
