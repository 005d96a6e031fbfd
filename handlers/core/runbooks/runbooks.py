"""A runbook: what to look at and what to do, step by step, as the team wrote it down.

- Read from plain data; everything that is wrong is said at once, by the step's number and name.
- Its version is a hash of its content: a run keeps the whole of the version it started with.
- `answers` are label matchers, as in ALERTS_ROUTES: a word, or a regular expression between slashes; an annotation
  `runbook: NAME` of an alert goes before them.
- `when` names earlier steps and the verdicts they must have; a step whose `when` is not so is not needed.
- `begins` says when it is begun by itself; see handlers.core.openings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handlers.core.alerts import labels
from handlers.core.runbooks import arguments, openings
from handlers.core.runbooks.openings import Opening
from handlers.core.words.digests import Json, digest

MOST_STEPS = 20
MOST_SECONDS = 3600
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
VERDICTS = ("pass", "fail", "unknown", "done", "skipped")
_KEYS = frozenset({"title", "text", "answers", "begins", "steps"})
_STEP_KEYS = frozenset({"name", "kind", "title", "text", "with", "confirm", "when", "on_failure", "timeout"})


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a kind of step; see handlers.core.arguments. `default` empty: there is none."""

    type: str
    required: bool = False
    default: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a kind of step takes. `destroys`: a code is always asked for; `more`: the type of any further arguments;
    `looks`: it changes nothing."""

    arguments: Mapping[str, Argument] = field(default_factory=dict)
    seconds: int = 30
    destroys: bool = False
    more: str = ""
    looks: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `arguments` as written, with placeholders; `confirm`: it needs a code; `seconds`: how long it may take;
    `goes_on`: a failure of it holds up nothing."""

    name: str
    kind: str
    title: str
    text: str
    arguments: Mapping[str, str]
    confirm: bool
    when: Mapping[str, tuple[str, ...]]
    goes_on: bool
    seconds: int

    def to_json(self) -> dict[str, Json]:
        """For the stored run, and for the version."""
        return {
            "name": self.name,
            "kind": self.kind,
            "title": self.title,
            "text": self.text,
            "with": dict(self.arguments),
            "confirm": self.confirm,
            "when": {name: list(verdicts) for name, verdicts in self.when.items()},
            "goes_on": self.goes_on,
            "seconds": self.seconds,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Step:
        """What `to_json` made."""
        return Step(
            name=data["name"],
            kind=data["kind"],
            title=data["title"],
            text=data["text"],
            arguments=dict(data["with"]),
            confirm=data["confirm"],
            when={name: tuple(verdicts) for name, verdicts in data["when"].items()},
            goes_on=data["goes_on"],
            seconds=data["seconds"],
        )


@dataclass(frozen=True, slots=True)
class Runbook:
    """A whole one."""

    name: str
    title: str
    text: str
    answers: tuple[Mapping[str, str], ...]
    steps: tuple[Step, ...]
    opening: Opening | None = None

    def to_json(self) -> dict[str, Json]:
        """For the stored run, and for the version."""
        return {
            "name": self.name,
            "title": self.title,
            "text": self.text,
            "answers": [dict(each) for each in self.answers],
            "steps": [each.to_json() for each in self.steps],
            **({} if self.opening is None else {"begins": self.opening.to_json()}),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Runbook:
        """What `to_json` made."""
        whole = (data["name"], data["title"], data["text"], tuple(data["answers"]))
        opening = Opening.from_json(data["begins"]) if "begins" in data else None
        return Runbook(*whole, tuple(map(Step.from_json, data["steps"])), opening)

    @property
    def version(self) -> str:
        """Twelve hex digits: another content is another version."""
        return digest("runbook", self.to_json())[:12]

    def matches(self, given: Mapping[str, str]) -> bool:
        """Whether one of its matchers is right for an alert with these labels."""
        return any(labels.fits(each, given) for each in self.answers)


def read(name: str, data: object, shapes: Mapping[str, Shape]) -> tuple[Runbook | None, tuple[str, ...]]:
    """The runbook in a file's data, or everything that is wrong with it."""
    lint = _Lint(shapes)
    if NAME.fullmatch(name) is None:
        lint.say("the file's name: expected small letters, digits and `-`, at most 63")
    found = lint.runbook(name, data)
    return (None, tuple(lint.problems)) if lint.problems else (found, ())


class _Lint:
    """Collects what is wrong."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self._shapes = shapes
        self.problems: list[str] = []

    def say(self, problem: str) -> None:
        """One more."""
        self.problems.append(problem)

    def runbook(self, name: str, data: object) -> Runbook | None:
        """All of it."""
        if not isinstance(data, Mapping):
            self.say("expected a mapping with `title` and `steps`")
            return None
        self._keys("", data, _KEYS)
        title = self._words(data, "title", "", 120, needed=True)
        text = self._words(data, "text", "", 1500)
        answers = self._answers(data.get("answers", []))
        steps = self._steps(data.get("steps"))
        return Runbook(name, title, text, answers, steps, self._opening(data, steps))

    def _opening(self, data: Mapping[Any, Any], steps: tuple[Step, ...]) -> Opening | None:
        if "begins" not in data:
            return None
        looking = {kind for kind, shape in self._shapes.items() if shape.looks}
        known = [(each.name, each.kind in looking and not each.confirm) for each in steps]
        found, problems = openings.read(data["begins"], known)
        self.problems += problems
        return found

    def _keys(self, where: str, data: Mapping[Any, Any], known: frozenset[str]) -> None:
        for key in (str(each)[:40] for each in data if each not in known):
            self.say(f"{where}`{key}` is not known here; known are {', '.join(sorted(known))}")

    def _words(self, data: Mapping[Any, Any], key: str, where: str, most: int, *, needed: bool = False) -> str:
        value = data.get(key, "")
        if not isinstance(value, str) or len(value) > most or (needed and not value.strip()):
            self.say(f"{where}{key}: expected a text of at most {most} characters")
            return ""
        return value.strip()

    def _answers(self, given: object) -> tuple[Mapping[str, str], ...]:
        if not isinstance(given, list):
            self.say("answers: expected a list of label matchers")
            return ()
        found = []
        for number, each in enumerate(given, 1):
            problems = labels.wrong(f"answers {number}", each)
            self.problems += problems
            if not problems:
                found.append({str(label): value for label, value in each.items()})
        return tuple(found)

    def _steps(self, given: object) -> tuple[Step, ...]:
        if not isinstance(given, list) or not 1 <= len(given) <= MOST_STEPS:
            self.say(f"steps: expected a list of 1 to {MOST_STEPS}")
            return ()
        found: list[Step] = []
        for number, each in enumerate(given, 1):
            if not isinstance(each, Mapping):
                self.say(f"step {number}: expected a mapping")
                continue
            found.append(self._step(number, each, [step.name for step in found]))
        return tuple(found)

    def _step(self, number: int, data: Mapping[Any, Any], earlier: list[str]) -> Step:
        name = data.get("name")
        where = f"step {number} ({name}): " if isinstance(name, str) else f"step {number}: "
        self._keys(where, data, _STEP_KEYS)
        if not isinstance(name, str) or NAME.fullmatch(name) is None or name in earlier:
            self.say(f"{where}name: expected small letters, digits and `-`, no other step's")
        kind = data.get("kind")
        shape = self._shapes.get(kind) if isinstance(kind, str) else None
        if shape is None:
            self.say(f"{where}kind: expected one of {', '.join(self._shapes)}")
        on_failure = data.get("on_failure", "stop")
        if on_failure not in ("stop", "continue"):
            self.say(f"{where}on_failure: expected stop or continue")
        confirm = data.get("confirm", "totp" if shape is not None and shape.destroys else "")
        if confirm not in ("", "totp") or (shape is not None and shape.destroys and confirm != "totp"):
            self.say(f"{where}confirm: expected totp, or nothing where nothing is destroyed")
        if kind == "manual" and confirm:
            self.say(f"{where}confirm: a manual step is done by hand, so a code would guard nothing")
        return Step(
            name=str(name),
            kind=str(kind),
            title=self._words(data, "title", where, 120, needed=True),
            text=self._words(data, "text", where, 1000, needed=kind == "manual"),
            arguments={} if shape is None else self._arguments(where, data.get("with", {}), shape),
            confirm=confirm == "totp",
            when=self._when(where, data.get("when", {}), earlier),
            goes_on=on_failure == "continue",
            seconds=self._seconds(where, data.get("timeout", 30 if shape is None else shape.seconds)),
        )

    def _seconds(self, where: str, given: object) -> int:
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST_SECONDS:
            self.say(f"{where}timeout: expected seconds from 1 to {MOST_SECONDS}")
            return 1
        return given

    def _arguments(self, where: str, given: object, shape: Shape) -> dict[str, str]:
        if not isinstance(given, Mapping):
            self.say(f"{where}with: expected names and values")
            return {}
        found: dict[str, str] = {}
        for key, value in given.items():
            argument = shape.arguments.get(str(key)) or (Argument(shape.more) if shape.more else None)
            spelled = _spelled(value)
            if argument is None:
                known = ", ".join(shape.arguments) or "none"
                self.say(f"{where}with: `{str(key)[:40]}` is no argument of it; they are: {known}")
            elif spelled is None:
                self.say(f"{where}with {key}: expected {arguments.TYPES[argument.type].expected}")
            else:
                problem = arguments.wrong(argument.type, spelled)
                if problem:
                    self.say(f"{where}with {key}: {problem}")
                found[str(key)] = spelled
        for key, argument in shape.arguments.items():
            if argument.required and key not in found:
                self.say(f"{where}with: `{key}` is missing")
            elif argument.default and key not in found:
                found[key] = argument.default
        return found

    def _when(self, where: str, given: object, earlier: list[str]) -> dict[str, tuple[str, ...]]:
        if not isinstance(given, Mapping):
            self.say(f"{where}when: expected names of earlier steps with verdicts")
            return {}
        found = {}
        for name, verdicts in given.items():
            listed = [verdicts] if isinstance(verdicts, str) else verdicts
            if name not in earlier:
                self.say(f"{where}when: {str(name)[:40]} is no earlier step")
            elif not isinstance(listed, list) or not listed or not all(each in VERDICTS for each in listed):
                self.say(f"{where}when {name}: expected some of {', '.join(VERDICTS)}")
            else:
                found[str(name)] = tuple(listed)
        return found


def _spelled(value: object) -> str | None:
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return str(value)
        case str():
            return value.strip()
        case _:
            return None
