"""Routes: from an alert's labels to the channel.

- A rule says the channel, and perhaps whom the card calls there.
- Rules are tried in order; the first that matches decides. What no rule matches goes to the default channel.
- A rule matches when each of its labels does (`patterns`): a word, or an anchored regular expression in `/…/`.
- The same file says how bad which labels are, and how that looks (`severities`).
- Rules are read from data with everything wrong said at once; examples in the same file are tried by `check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from handlers.core.alerts import severities
from handlers.core.alerts.notices import Labels
from handlers.core.alerts.severities import Severities
from handlers.core.words.patterns import Fitting, fit, fitting

MOST_RULES = 200
_CHANNEL = re.compile(r"[CGD][A-Z0-9]{2,}")
_ID = re.compile(r"[SUW][A-Z0-9]{2,}")
_PARTS = {"routes", "severities", "styles", "examples"}
_KEYS = {"match", "channel", "mention"}


@dataclass(frozen=True, slots=True)
class Route:
    """Where a group goes, and whom its card calls: ids of people and user groups."""

    channel: str
    mention: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """What must match, and where to."""

    match: Fitting
    route: Route


@dataclass(frozen=True, slots=True)
class Example:
    """Labels, the channel they must go to, and perhaps how bad they must be."""

    labels: Labels
    channel: str
    severity: str | None = None


@dataclass(frozen=True, slots=True)
class Routes:
    """See the module."""

    default: Route
    rules: tuple[Rule, ...] = ()
    examples: tuple[Example, ...] = ()
    severities: Severities = field(default_factory=Severities)

    def of(self, labels: Labels) -> Route:
        """The first rule that matches, or the default."""
        for rule in self.rules:
            if fit(rule.match, labels):
                return rule.route
        return self.default

    @property
    def mentioning(self) -> bool:
        """Whether any rule calls somebody."""
        return any(rule.route.mention for rule in self.rules)

    def wrong(self) -> tuple[str, ...]:
        """Examples that go elsewhere than they say, or are worse or better."""
        found = []
        for number, example in enumerate(self.examples, 1):
            channel, severity = self.of(example.labels).channel, self.severities.of(example.labels)
            if channel != example.channel:
                found.append(f"example {number}: goes to {channel}, not {example.channel}")
            if example.severity not in {None, severity}:
                found.append(f"example {number}: is {severity or 'of no severity'}, not {example.severity}")
        return tuple(found)


def read(data: object, default: Route) -> tuple[Routes, tuple[str, ...]]:
    """The rules in a file's data, and everything that is wrong with it. Wrong rules are left out."""
    problems: list[str] = []
    if not isinstance(data, Mapping) or set(data) - _PARTS:
        return Routes(default), ("expected a mapping with `routes` and perhaps `severities`, `styles` and `examples`",)
    rules: list[Rule] = []
    listed = _list(data.get("routes"), "routes", problems)
    if len(listed) > MOST_RULES:
        problems.append(f"routes: only the first {MOST_RULES} of {len(listed)} are read")
    for number, given in enumerate(listed[:MOST_RULES], 1):
        rule = _rule(given, f"route {number}", problems)
        if rule is not None:
            rules.append(rule)
    graded = severities.read(
        _list(data.get("severities", []), "severities", problems)[:MOST_RULES], data.get("styles", {}), problems
    )
    routes = Routes(default, tuple(rules), tuple(_examples(data, problems)), graded)
    return routes, (*problems, *routes.wrong())


def _examples(data: Mapping[str, Any], problems: list[str]) -> Iterator[Example]:
    for number, given in enumerate(_list(data.get("examples", []), "examples", problems), 1):
        found = given if isinstance(given, Mapping) else {}
        labels, channel, severity = found.get("labels"), found.get("channel"), found.get("severity")
        right = isinstance(channel, str) and isinstance(severity, str | None)
        if not right or not isinstance(labels, Mapping) or set(found) - {"labels", "channel", "severity"}:
            problems.append(f"example {number}: expected `labels` and `channel`, and perhaps `severity`")
        else:
            yield Example({str(name): str(value) for name, value in labels.items()}, str(channel), severity)


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
    wanted = fitting(given.get("match"), where, problems)
    channel = given.get("channel")
    if not isinstance(channel, str) or not _CHANNEL.fullmatch(channel):
        problems.append(f"{where}: channel is not a Slack channel id, like C0123456789")
        return None
    mention = given.get("mention", [])
    if not isinstance(mention, list) or not all(isinstance(each, str) and _ID.fullmatch(each) for each in mention):
        problems.append(f"{where}: mention is not a list of ids of people (U…) or user groups (S…)")
    return Rule(wanted, Route(channel, tuple(mention))) if len(problems) == before else None
