"""A program that steps of runbooks may run: written down in the bot's configuration, not in a runbook.

- `run` is a list of words; a word `${name}` stands for an argument, which has a type and must fit it. There is no
  shell, and no value begins with `-` where a word is expected.
- `destroys: yes`: only steps with `confirm: totp` may run it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from handlers.core.runbooks import arguments
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Code, Text

_KEYS = frozenset({"run", "arguments", "destroys"})
_OPEN_TYPES = frozenset({"word", "host", "address", "port", "whole"})


@dataclass(frozen=True, slots=True)
class Allowed:
    """One program. `arguments`: names and types."""

    words: tuple[str, ...]
    arguments: Mapping[str, str]
    destroys: bool

    def filled(self, given: Mapping[str, str], labels: Mapping[str, str]) -> tuple[str, ...]:
        """What is run. Raises Refusal for an argument that is missing, unknown or does not fit."""
        for name in given:
            if name not in self.arguments:
                raise Refusal(Text("The program takes no {name}.", name=Code(name)))
        values = {}
        for name, kind in self.arguments.items():
            if name not in given:
                raise Refusal(Text("The program needs {name}, which the step does not give.", name=Code(name)))
            values[name] = arguments.filled(name, kind, given[name], labels)
        return tuple(values[word[2:-1]] if arguments.PLACEHOLDER.fullmatch(word) else word for word in self.words)


def read(data: object) -> tuple[Mapping[str, Allowed], tuple[str, ...]]:
    """The programs in a file's data, and everything that is wrong with it."""
    if not isinstance(data, Mapping):
        return {}, ("expected names of programs with `run`",)
    found, problems = {}, []
    for name, each in data.items():
        said = _wrong(str(name), each)
        problems += said
        if not said:
            given = {str(key): str(value) for key, value in each.get("arguments", {}).items()}
            found[str(name)] = Allowed(tuple(each["run"]), given, bool(each.get("destroys", False)))
    return found, tuple(problems)


def unfit(allowed: Mapping[str, Allowed], given: Mapping[str, str], *, confirmed: bool) -> str:
    """Why a step with these arguments could not run its program; empty when it could. For the lint: placeholders are
    looked at as written."""
    name = given.get("program", "")
    program = allowed.get(name)
    if program is None:
        return f"the program {name} is not in RUNBOOK_PROGRAMS"
    if program.destroys and not confirmed:
        return f"{name} destroys, so it needs `confirm: totp`"
    values = {key: value for key, value in given.items() if key != "program"}
    if values.keys() != program.arguments.keys():
        return f"{name} takes {', '.join(sorted(program.arguments)) or 'no argument'}"
    wrong = ((key, arguments.wrong(kind, values[key])) for key, kind in program.arguments.items())
    return next((f"with {key}: {why}" for key, why in wrong if why), "")


def _wrong(name: str, given: object) -> list[str]:
    if arguments.wrong("name", name):
        return [f"{name[:40]}: expected small letters, digits, `-` and `_`"]
    if not isinstance(given, Mapping) or set(given) - _KEYS:
        return [f"{name}: expected only {', '.join(sorted(_KEYS))}"]
    words, kinds = given.get("run"), given.get("arguments", {})
    if not isinstance(words, list) or not words or not all(isinstance(each, str) and each for each in words):
        return [f"{name}: run is a list of words"]
    if not isinstance(kinds, Mapping) or not all(kind in _OPEN_TYPES for kind in kinds.values()):
        return [f"{name}: arguments are names with one of {', '.join(sorted(_OPEN_TYPES))}"]
    used = {match.group(1) for word in words if (match := arguments.PLACEHOLDER.fullmatch(word))}
    problems = [f"{name}: {word} is neither a word nor one placeholder" for word in words
                if "${" in word and not arguments.PLACEHOLDER.fullmatch(word)]  # fmt: skip
    if arguments.PLACEHOLDER.search(words[0]):
        problems.append(f"{name}: the program itself is no placeholder")
    if used != set(kinds):
        problems.append(f"{name}: run and arguments name different things")
    if not isinstance(given.get("destroys", False), bool):
        problems.append(f"{name}: destroys is yes or no")
    return problems
