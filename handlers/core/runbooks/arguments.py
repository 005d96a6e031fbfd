"""An argument of a runbook's step: its type, and how values of an alert's labels get into it.

- The only way in is a named placeholder, `${label}`. Labels are somebody else's words: a filled argument must fit its
  type as a whole, else the step is refused with the reason. Nothing is ever given to a shell.
- In an address on the web a placeholder is one segment of the path or one value of the query, never the host.
- In PromQL a placeholder is a whole label value behind `="` or `!="`; it is spelled as a string literal there.
- Where a label would choose who is told or what is run (a channel, a program) there are no placeholders.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from handlers.core.words.errors import Refusal
from handlers.core.words.text import Code, Text

PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
MOST_CHARACTERS = 2000
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = rf"({_LABEL}(\.{_LABEL})*\.?|\[[0-9a-fA-F:.]{{2,45}}\])"
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_SEGMENT = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,99}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class ArgumentType:
    """What a value must be: `expected` in words, `pattern` as a whole. `open`: placeholders may stand in it."""

    expected: str
    pattern: re.Pattern[str]
    open: bool = True


TYPES: Mapping[str, ArgumentType] = {
    "word": ArgumentType("letters, digits, `.`, `_`, `-`, no `-` first", re.compile(r"[A-Za-z0-9_][\w.-]{0,99}", re.A)),
    "host": ArgumentType("the name or address of a host", re.compile(rf"(?=.{{1,255}}\Z){_HOST}")),
    "address": ArgumentType("a host, or host:port", re.compile(rf"(?=.{{1,261}}\Z){_HOST}(:{_PORT})?")),
    "port": ArgumentType("a port from 1 to 65535", re.compile(_PORT)),
    "number": ArgumentType("a number", re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")),
    "whole": ArgumentType("a whole number", re.compile(r"[0-9]{1,9}")),
    "url": ArgumentType("an address that begins with http:// or https://", re.compile(r"https?://[^\s\\@<>\"]{1,1900}")),
    "promql": ArgumentType("a PromQL expression", re.compile(r"[^\x00-\x08\x0b-\x1f]{1,2000}")),
    "text": ArgumentType("one line of text", re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,500}")),
    "yes-or-no": ArgumentType("yes or no", re.compile(r"yes|no"), open=False),
    "channel": ArgumentType("a Slack channel id, like C0123456789", re.compile(r"[CG][A-Z0-9]{2,20}"), open=False),
    "name": ArgumentType("a name", re.compile(r"[a-z0-9][a-z0-9_-]{0,63}"), open=False),
}  # fmt: skip


def wrong(kind: str, given: str) -> str:
    """What is wrong with an argument as written in a runbook; empty when nothing is."""
    shape = TYPES[kind]
    if len(given) > MOST_CHARACTERS:
        return f"longer than {MOST_CHARACTERS} characters"
    if "${" in PLACEHOLDER.sub("", given):
        return "`${` that is no placeholder like ${instance}"
    names = placeholders(given)
    if not names:
        return "" if _fits(kind, given) else f"expected {shape.expected}"
    if not shape.open:
        return "no placeholder may stand here"
    if kind == "promql":
        return _wrong_in_promql(given)
    if kind == "url":
        return _wrong_in_url(given)
    return ""


def placeholders(given: str) -> tuple[str, ...]:
    """The labels that an argument needs."""
    return tuple(dict.fromkeys(PLACEHOLDER.findall(given)))


def filled(name: str, kind: str, given: str, labels: Mapping[str, str]) -> str:
    """The argument with its values. Raises Refusal for a label that is not there or does not fit."""
    missing = [label for label in placeholders(given) if label not in labels]
    if missing:
        raise Refusal(
            Text(
                "{argument} needs the label {label}, which this run has not: no alert with it started it.",
                argument=Code(name),
                label=Code(missing[0]),
            )
        )
    value = PLACEHOLDER.sub(lambda match: _spelled(name, kind, match.group(1), labels[match.group(1)]), given)
    if not _fits(kind, value):
        raise _unfit(name, kind, value)
    return value


def _spelled(name: str, kind: str, label: str, value: str) -> str:
    match kind:
        case "url":
            if _SEGMENT.fullmatch(value) is None:
                raise _unfit(f"{name}, label {label}", "word", value)
            return value
        case "promql":
            if _CONTROL.search(value) or len(value) > 200:
                raise _unfit(f"{name}, label {label}", "text", value)
            return value.replace("\\", "\\\\").replace('"', '\\"')
        case _:
            return value


def _fits(kind: str, value: str) -> bool:
    if TYPES[kind].pattern.fullmatch(value) is None:
        return False
    return kind != "url" or _is_url(value)


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        right = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return right and bool(parts.hostname) and re.fullmatch(rf"{_HOST}(:{_PORT})?", parts.netloc) is not None


def _wrong_in_promql(given: str) -> str:
    for match in PLACEHOLDER.finditer(given):
        before, after = given[: match.start()], given[match.end() :]
        if not before.endswith('="') or not after.startswith('"'):
            return 'a placeholder in PromQL is a whole label value, like {job="${job}"}'
    return ""


def _wrong_in_url(given: str) -> str:
    head = re.match(r"https?://[^/?#]*", given)
    if head is None or PLACEHOLDER.search(head.group()) or not _is_url(PLACEHOLDER.sub("x", given)):
        return "a placeholder in an address stands in its path or query, never in the host"
    for match in PLACEHOLDER.finditer(given):
        if given[match.start() - 1] not in "/=" or given[match.end() : match.end() + 1] not in {"", "/", "&", "?"}:
            return "a placeholder in an address is a whole segment of the path, or a whole value of the query"
    return ""


def _unfit(name: str, kind: str, value: str) -> Refusal:
    return Refusal(
        Text(
            "{argument} was not used: expected {expected}, and {value} is not.",
            argument=Code(name),
            expected=TYPES[kind].expected,
            value=Code(value[:100]),
        )
    )
