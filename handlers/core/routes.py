"""Routes: from an alert's labels to the channel.

- A rule says the channel, and perhaps whom the card calls there.
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
_ID = re.compile(r"[SUW][A-Z0-9]{2,}")
_KEYS = {"match", "channel", "mention"}


@dataclass(frozen=True, slots=True)
class Route:
    """Where a group goes, and whom its card calls: ids of people and user groups."""

    channel: str
    mention: tuple[str, ...] = ()


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

    @property
    def mentioning(self) -> bool:
        """Whether any rule calls somebody."""
        return any(rule.route.mention for rule in self.rules)

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
    listed = _list(data.get("routes"), "routes", problems)
    if len(listed) > MOST_RULES:
        problems.append(f"routes: only the first {MOST_RULES} of {len(listed)} are read")
    for number, given in enumerate(listed[:MOST_RULES], 1):
        rule = _rule(given, f"route {number}", problems)
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


def _rule(given: object, where: str, problems: list[str]) -> Rule | None:
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
    channel = given.get("channel")
    if not isinstance(channel, str) or not _CHANNEL.fullmatch(channel):
        problems.append(f"{where}: channel is not a Slack channel id, like C0123456789")
        return None
    mention = given.get("mention", [])
    if not isinstance(mention, list) or not all(isinstance(each, str) and _ID.fullmatch(each) for each in mention):
        problems.append(f"{where}: mention is not a list of ids of people (U…) or user groups (S…)")
    return Rule(tuple(patterns), Route(channel, tuple(mention))) if len(problems) == before else None


def _pattern(value: object) -> re.Pattern[str] | None:
    if not isinstance(value, str) or len(value) > MOST_PATTERN:
        return None
    if len(value) > 1 and value.startswith("/") and value.endswith("/"):
        try:
            return re.compile(value[1:-1])
        except (re.error, OverflowError, RecursionError):
            return None
    return re.compile(re.escape(value))
