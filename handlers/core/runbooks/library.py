"""The library: the runbooks of the team, as their files say now.

- A file that is wrong changes nothing: the last good version of it serves, also after a restart, and what is wrong is
  told. A file that is gone is gone.
- An alert's annotation `runbook: NAME` chooses first, then the label matchers of the runbooks, in order of name.
"""

from __future__ import annotations

from collections.abc import Mapping

from handlers.core.alerts.groups import Group
from handlers.core.runbooks.runbooks import Runbook, Shape, read
from handlers.core.runbooks.shelves import Shelf, Spares
from handlers.core.words.errors import OutsideError, Problem, Refusal
from handlers.core.words.text import Code, Text

Judged = tuple[object, Runbook | None, tuple[str, ...]]
"""A file's data, what it is, and what is wrong with it."""


class Library:
    """See the module. `spares` None: what was good is known as long as this process lives."""

    def __init__(self, shelf: Shelf, shapes: Mapping[str, Shape], spares: Spares | None = None) -> None:
        self._shelf = shelf
        self._spares = spares
        self._kept: dict[str, object] = {}
        self._searched: dict[str, object] = {}
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
            self._good = self._good or self._stored()
            return
        good, wrong = {}, {}
        self._known = {name: self._judged(name, data) for name, data in files.items()}
        for name, (data, runbook, problems) in self._known.items():
            if runbook is not None:
                self._keep(name, data)
            kept = runbook or self._good.get(name) or self._spare(name, data)
            if kept is not None:
                good[name] = kept
            if problems:
                wrong[name] = problems
        for name in (self._kept.keys() | self._good.keys()) - files.keys():
            self._drop(name)
        self._good, self._wrong = good, wrong

    def _keep(self, name: str, data: object) -> None:
        if self._spares is None or self._kept.get(name) is data:
            return
        try:
            self._spares.keep(name, data)
        except OutsideError:
            return  # the next look tries again
        self._kept[name] = data

    def _drop(self, name: str) -> None:
        if self._spares is not None:
            try:
                self._spares.drop(name)
            except OutsideError:
                return  # the next look tries again
        self._kept.pop(name, None)

    def _spare(self, name: str, data: object) -> Runbook | None:
        """What was good before this process began."""
        if self._spares is None or self._searched.get(name) is data:
            return None
        try:
            found = self._spares.find(name)
        except OutsideError:
            return None
        self._searched[name] = data
        return None if found is None else read(name, found, self._shapes)[0]

    def _stored(self) -> dict[str, Runbook]:
        try:
            names = () if self._spares is None else self._spares.names()
        except OutsideError:
            return {}
        found = {name: self._spare(name, object()) for name in names}
        return {name: runbook for name, runbook in found.items() if runbook is not None}

    def _judged(self, name: str, data: object | Problem) -> Judged:
        known = self._known.get(name)
        if known is not None and known[0] is data:
            return known  # the shelf gives the same object for a file that did not change
        if isinstance(data, Problem):
            return data, None, (str(data),)
        return data, *read(name, data, self._shapes)
