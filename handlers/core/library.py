"""The library: the runbooks of the team, as their files say now.

- A file that is wrong changes nothing: the last good version of it serves as long as this process lives, and what is
  wrong is told. A file that is gone is gone.
- An alert's annotation `runbook: NAME` chooses first, then the label matchers of the runbooks, in order of name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from handlers.core.errors import Problem, Refusal
from handlers.core.groups import Group
from handlers.core.runbooks import Runbook, Shape, read
from handlers.core.text import Code, Text


class Shelf(Protocol):
    """Where the files are."""

    def look(self) -> Mapping[str, object | Problem]:
        """The data in each file by its name without the ending, or why it cannot be read: the same object as long as
        the file does not change. Raises Problem when the folder cannot be read."""


Judged = tuple[object, Runbook | None, tuple[str, ...]]
"""A file's data, what it is, and what is wrong with it."""


class Library:
    """See the module."""

    def __init__(self, shelf: Shelf, shapes: Mapping[str, Shape]) -> None:
        self._shelf = shelf
        self._shapes = shapes
        self._good: dict[str, Runbook] = {}
        self._wrong: dict[str, tuple[str, ...]] = {}
        self._known: dict[str, Judged] = {}

    def runbooks(self) -> Mapping[str, Runbook]:
        """Every runbook that can be used now."""
        self._refresh()
        return dict(sorted(self._good.items()))

    def problems(self) -> Mapping[str, tuple[str, ...]]:
        """What is wrong, by file."""
        self._refresh()
        return dict(sorted(self._wrong.items()))

    def find(self, name: str) -> Runbook:
        """Raises Refusal when there is none."""
        found = self.runbooks().get(name)
        if found is not None:
            return found
        if name in self._wrong:
            raise Refusal(
                Text("The runbook {name} cannot be used: {why}", name=Code(name), why="; ".join(self._wrong[name][:5]))
            )
        raise Refusal(Text("There is no runbook {name}. `/runbook` lists them.", name=Code(name[:60])))

    def of(self, group: Group) -> Runbook | None:
        """The runbook that answers what fires in a group."""
        known = self.runbooks()
        for alert in group.firing.values():
            named = known.get(alert.words.get("runbook", ""))
            if named is not None:
                return named
        for alert in group.firing.values():
            for runbook in known.values():
                if runbook.matches(alert.labels):
                    return runbook
        return None

    def _refresh(self) -> None:
        try:
            files = self._shelf.look()
        except Problem as problem:
            self._wrong = {"folder": (str(problem),)}
            return
        good, wrong = {}, {}
        self._known = {name: self._judged(name, data) for name, data in files.items()}
        for name, (_, runbook, problems) in self._known.items():
            kept = runbook or self._good.get(name)
            if kept is not None:
                good[name] = kept
            if problems:
                wrong[name] = problems
        self._good, self._wrong = good, wrong

    def _judged(self, name: str, data: object | Problem) -> Judged:
        known = self._known.get(name)
        if known is not None and known[0] is data:
            return known  # the shelf gives the same object for a file that did not change
        if isinstance(data, Problem):
            return data, None, (str(data),)
        return data, *read(name, data, self._shapes)
