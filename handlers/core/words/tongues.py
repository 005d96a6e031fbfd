"""A tongue: a language in which what is about to be shown is said.

- A template of `Text` is English and the key of its translation; one that is not known stays English.
- `said` walks whatever is shown (cards, forms, postings, sentences inside sentences) and changes only templates,
  numbers and measures. Names, ids, commands, people, output and times stay as they are: they are compared with logs.
- In a tongue that is written from right to left every value, command and Latin word of a sentence stands in an isolate
  (U+2068 to U+2069, unicode.org/reports/tr9), and every sentence begins and ends from right to left, whatever comes
  first in it. These marks come from here only: in a value they are shown as `\N{REPLACEMENT CHARACTER}`, as ever.
- Output of programs has lines of its own and no isolate: a mark beside it would be a line more.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any, TypeVar, cast

from handlers.core.words.text import Bytes, Figure, Lines, Seconds, Text, measured, plain

T = TypeVar("T")

ISOLATE, END, MARK = "\u2068", "\u2069", "\u200f"
_VALUE = r"\{[a-z][a-z0-9_]*\}"
_FIELD = re.compile(_VALUE)
# A code span, a value, a run of Latin words with the values they name (`HTTP {status}`), an operator. Formatting (`*`)
# and punctuation stay outside.
_WORD = r"[A-Za-z][A-Za-z0-9_./:@=%*-]*(?<![./:@=%*-])"
_RUN = rf"[?&/%-]{{0,2}}{_WORD}(?:=\"[a-z]+\")?(?: {_WORD}| {_VALUE})*"
_DAYS = r"[0-9]{4}-[0-9-]+(?: [0-9]{4}-[0-9-]+)*"
_APART = re.compile(rf"`[^`]*`|{_VALUE} UTC|{_VALUE}|{_DAYS}|{_RUN}|[=!]~|!=")
_OWN_WORDS = re.compile(r"[^\W\d_]|[,;?→]")


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language. `digits`: its ten digits, its decimal mark and what stands between thousands; empty for ASCII.
    `leftward`: written from right to left."""

    code: str
    templates: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    digits: str = ""
    leftward: bool = False

    def said(self, thing: T) -> T:
        """The same thing, in this language."""
        return cast(T, self._said(thing)) if self.templates else thing

    def _said(self, thing: Any) -> Any:
        match thing:
            case Text():
                return self._text(thing)
            case tuple():
                return tuple(map(self._said, thing))
            case _ if is_dataclass(thing) and not isinstance(thing, type):
                told = {each.name: getattr(thing, each.name) for each in fields(thing) if each.init}
                changed = {name: said for name, was in told.items() if (said := self._said(was)) is not was}
                return replace(thing, **changed) if changed else thing
            case _:
                return thing

    def _text(self, text: Text) -> Text:
        template = self.templates.get(text.template)
        if template is None and not needs_words(text.template):
            template = right_to_left(text.template)
        if template is None:
            return text
        if _FIELD.fullmatch(template) and not any(isinstance(each, Text | Lines) for each in text.values.values()):
            template = f"{MARK}{ISOLATE}{template}{END}"  # a name below a Persian label leans like the label
        for name, value in text.values.items():
            if isinstance(value, Lines):
                template = template.replace(f"{ISOLATE}{{{name}}}{END}", f"{{{name}}}")
        return Text(template, **{name: self._value(value) for name, value in text.values.items()})

    def _value(self, value: Any) -> Any:
        match value:
            case Text():
                return self._text(value)
            case bool():
                return self._text(Text("yes") if value else Text("no"))
            case int() | Figure():
                return Figure(self._figure(plain(value)))
            case Bytes() | Seconds():
                return self._text(measured(value))
            case _:
                return value

    def _figure(self, spelled: str) -> str:
        return spelled.translate(str.maketrans("0123456789.,", self.digits)) if self.digits else spelled


ENGLISH = Tongue("en")


def persian(templates: Mapping[str, str]) -> Tongue:
    """Persian, by its translations."""
    dressed = {english: right_to_left(each) for english, each in templates.items()}
    return Tongue("fa", MappingProxyType(dressed), "۰۱۲۳۴۵۶۷۸۹٫٬", leftward=True)


def right_to_left(template: str) -> str:
    """A template whose values and Latin words cannot change the direction of its line."""
    if _FIELD.fullmatch(template) or not template:
        return template
    apart = _APART.sub(lambda match: f"{ISOLATE}{match.group()}{END}", template)
    begins = "" if _is_letter(template[0]) else MARK
    return f"{begins}{apart}{'' if _is_letter(template[-1]) else MARK}"


def needs_words(template: str) -> bool:
    """Whether it says anything of its own. A template of values and marks is the same in every language."""
    return _OWN_WORDS.search(_FIELD.sub("", template)) is not None


def _is_letter(character: str) -> bool:
    return unicodedata.bidirectional(character) in {"R", "AL"}
