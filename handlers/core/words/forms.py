"""A form: what a person is asked before something is done, without Slack.

- A form names the action that its answer presses; the answer comes back as a press with fields.
- `value` is opaque and travels with the form; what was typed travels in the fields only.
"""

from __future__ import annotations

from dataclasses import dataclass

from handlers.core.words.text import Text


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few answers: pairs of a value and its words. `initial` is one of the values."""

    name: str
    label: Text
    options: tuple[tuple[str, Text], ...]
    initial: str


@dataclass(frozen=True, slots=True)
class Words:
    """Something to type, at most `most` characters. `lines`: several lines; `optional`: it may stay empty."""

    name: str
    label: Text
    initial: str = ""
    lines: bool = False
    most: int = 500
    hint: Text | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Someone:
    """A person of the workspace. `initial`: who is chosen at first."""

    name: str
    label: Text
    initial: str


@dataclass(frozen=True, slots=True)
class Form:
    """`lines` stand above the fields. `submit`: the word on the button, at most 24 characters."""

    action: str
    value: str
    title: Text
    lines: tuple[Text, ...]
    fields: tuple[Choice | Words | Someone, ...]
    submit: Text
