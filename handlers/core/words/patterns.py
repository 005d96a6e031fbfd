"""Patterns: what a label's value is compared with, as the team wrote it in a file.

- A word is compared whole. `/…/` is a regular expression that must match the whole value; an absent label is empty.
- The language is RE2, the one of Alertmanager's and Prometheus's own matchers: a match takes time in proportion to the
  value, whatever the expression and whoever chose the value. No look-around and no back-references.
- At most 200 characters, and a program of at most 1 MiB.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST, MOST_BYTES = 200, 1 << 20


@dataclass(frozen=True, slots=True)
class Pattern:
    """A word, or an expression."""

    word: str
    expression: Any = None

    def fits(self, value: str) -> bool:
        """Whether the whole value is meant."""
        if self.expression is None:
            return value == self.word
        return self.expression.fullmatch(value.encode("utf-8", "replace")) is not None


Fitting = tuple[tuple[str, Pattern], ...]
"""Labels by name, and what each must be."""


def fit(wanted: Fitting, labels: Mapping[str, str]) -> bool:
    """Whether all of them are so; a label that is not there is empty."""
    return all(pattern.fits(labels.get(name, "")) for name, pattern in wanted)


def fitting(match: object, where: str, problems: list[str]) -> Fitting:
    """What a file's `match` says; what is wrong with it is added to the problems."""
    if not isinstance(match, Mapping) or not match:
        problems.append(f"{where}: `match` names at least one label")
        return ()
    found = []
    for name, value in match.items():
        pattern = of(value) if isinstance(value, str) else None
        if pattern is None:
            problems.append(f"{where}: {name} is neither a word nor a regular expression between slashes")
        else:
            found.append((str(name), pattern))
    return tuple(found)


@functools.lru_cache(1000)
def of(written: str) -> Pattern | None:
    """None for what is neither a word nor an expression between slashes."""
    if len(written) > LONGEST:
        return None
    if len(written) < 2 or not (written.startswith("/") and written.endswith("/")):
        return Pattern(written)
    import re2  # megabytes that a team without an expression never needs

    options = re2.Options()
    options.log_errors = False
    options.max_mem = MOST_BYTES
    try:
        return Pattern(written, re2.compile(written[1:-1].encode("utf-8", "replace"), options))
    except re2.error:
        return None
