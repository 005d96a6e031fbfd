"""Label matchers as a team writes them in a runbook: each is a pattern for the whole value (see words/patterns)."""

from __future__ import annotations

from collections.abc import Mapping

from handlers.core.words import patterns


def fits(match: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether every one of the matchers is right for these labels."""
    return all(_fits(wanted, labels.get(name, "")) for name, wanted in match.items())


def wrong(where: str, given: object) -> tuple[str, ...]:
    """What is wrong with matchers in a file's data."""
    if not isinstance(given, Mapping) or not given:
        return (f"{where}: expected label names with words or /regular expressions/",)
    return tuple(
        f"{where}: {label} is neither a word nor a regular expression between slashes"
        for label, value in given.items()
        if not isinstance(value, str) or value in {"", "//"} or patterns.of(value) is None
    )


def _fits(wanted: str, value: str) -> bool:
    pattern = patterns.of(wanted)
    return pattern is not None and pattern.fits(value)
