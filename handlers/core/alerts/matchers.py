"""Matchers: which alerts a silence covers, in Alertmanager's own spelling.

- One a line: `name="value"`, `!=`, `=~` (an anchored regular expression), `!~`; a plain word needs no quotes.
- At least one must not match an empty value: Alertmanager refuses a silence of everything (silence/silence.go).
- A regular expression is never run here: Alertmanager is asked what matches.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from handlers.core.words.errors import Refusal
from handlers.core.words.text import Code, Text

MOST, LONGEST = 64, 2000
_LINE = re.compile(
    r"""\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*|"(?:[^"\\]|\\.)+")\s*(?P<how>=~|!~|!=|=)\s*(?P<value>.*?)\s*,?\s*"""
)
_PLAIN = re.compile(r"""[^\s"'`{},=~!]*""")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition. `regex`: the value is an anchored regular expression; `equal` False: it must not match."""

    name: str
    value: str
    regex: bool = False
    equal: bool = True

    @property
    def spelled(self) -> str:
        """As a line that `read` reads back."""
        plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.name)
        name = self.name if plain else json.dumps(self.name, ensure_ascii=False)
        how = ("=" if self.equal else "!") + ("~" if self.regex else "" if self.equal else "=")
        return f"{name}{how}{json.dumps(self.value, ensure_ascii=False)}"


def of(labels: Mapping[str, str]) -> tuple[Matcher, ...]:
    """Exactly these labels."""
    return tuple(Matcher(name, value) for name, value in sorted(labels.items()))


def common(all_labels: Iterable[Mapping[str, str]]) -> tuple[Matcher, ...]:
    """The labels that all of them have."""
    found = [dict(each) for each in all_labels]
    first = found[0] if found else {}
    return of({name: value for name, value in first.items() if all(each.get(name) == value for each in found)})


def spelled(matchers: Iterable[Matcher]) -> str:
    """One a line."""
    return "\n".join(each.spelled for each in matchers)


def read(typed: str) -> tuple[Matcher, ...]:
    """Raises Refusal, naming the line, for what is no matcher or would silence everything."""
    lines = [(number, line) for number, line in enumerate(typed[: MOST * LONGEST].split("\n"), 1) if line.strip()]
    if len(lines) > MOST:
        raise Refusal(Text("At most {count} matchers are possible.", count=MOST))
    found = tuple(_one(number, line) for number, line in lines)
    if not any(_narrows(each) for each in found):
        raise Refusal(Text("This would silence everything. Give at least one label and its value."))
    return found


def _narrows(matcher: Matcher) -> bool:
    """Whether it surely does not match an alert without that label."""
    if matcher.regex:
        return matcher.equal and not re.search(r"[*?|]|\{0|\{,", matcher.value) and bool(matcher.value)
    return matcher.equal and bool(matcher.value)


def _one(number: int, line: str) -> Matcher:
    match = _LINE.fullmatch(line) if len(line) <= LONGEST else None
    if match is None:
        raise _refused(number, line)
    name, how, given = match["name"], match["how"], match["value"]
    try:
        name = str(json.loads(name)) if name.startswith('"') else name
        value = json.loads(given) if given.startswith('"') else given
    except ValueError:
        raise _refused(number, line) from None
    if not isinstance(value, str) or (value is given and _PLAIN.fullmatch(given) is None):
        raise _refused(number, line)
    return Matcher(name, value, regex=how.endswith("~"), equal=how.startswith("="))


def _refused(number: int, line: str) -> Refusal:
    return Refusal(
        Text('Line {number} is no matcher: {line}. Write it like job="shop".', number=number, line=Code(line[:60]))
    )
