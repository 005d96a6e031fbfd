"""A finding: what one check of the health established, as it is shown and kept.

- PASS and FAIL were established; UNKNOWN could not be, and is never green.
- The number, its limit and where it comes from stand beside the sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from handlers.core.formats.evidence import Verdict
from handlers.core.words.digests import Json
from handlers.core.words.jobs import text_from_json, text_json
from handlers.core.words.text import Text


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `name` is stable, so that two looks can be compared; `source`: whose word it is."""

    name: str
    verdict: Verdict
    text: Text
    value: str = ""
    limit: str = ""
    source: str = ""

    def to_json(self) -> Json:
        """For stored records."""
        return {
            "name": self.name,
            "verdict": self.verdict.value,
            "text": text_json(self.text),
            "value": self.value,
            "limit": self.limit,
            "source": self.source,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Finding:
        """Raises KeyError, TypeError or ValueError for what is not a stored finding."""
        words = {name: str(data[name]) for name in ("value", "limit", "source")}
        return Finding(str(data["name"]), Verdict(data["verdict"]), text_from_json(data["text"]), **words)


def passed(name: str, text: Text, *, value: str = "", limit: str = "", source: str = "") -> Finding:
    """It is as it should be."""
    return Finding(name, Verdict.PASS, text, value, limit, source)


def failed(name: str, text: Text, *, value: str = "", limit: str = "", source: str = "") -> Finding:
    """It is not."""
    return Finding(name, Verdict.FAIL, text, value, limit, source)


def unknown(name: str, text: Text, *, source: str = "") -> Finding:
    """Nobody could tell."""
    return Finding(name, Verdict.UNKNOWN, text, source=source)


def worst(findings: Iterable[Finding]) -> Verdict:
    """FAIL before UNKNOWN before PASS; nothing at all is UNKNOWN."""
    found = {each.verdict for each in findings}
    if Verdict.FAIL in found:
        return Verdict.FAIL
    return Verdict.PASS if found == {Verdict.PASS} else Verdict.UNKNOWN
