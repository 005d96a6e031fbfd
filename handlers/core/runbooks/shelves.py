"""Where runbooks come from, and where the last good version of each is kept: a bot that starts with a broken file still
has what was good before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from handlers.core.door.marks import mark
from handlers.core.ports import State
from handlers.core.words.errors import Problem

PREFIX = "runbook:"
KEEP_SECONDS = 400 * 86_400
ROUNDS = 20


class Shelf(Protocol):
    """Where the files are."""

    def look(self) -> Mapping[str, object | Problem]:
        """The data in each file by its name without the ending, or why it cannot be read: the same object as long as
        the file does not change. Raises Problem when the folder cannot be read."""


class Spares(Protocol):
    """Where the data of the last good files is kept. Everything raises OutsideError."""

    def keep(self, name: str, data: object) -> None:
        """This is good."""

    def find(self, name: str) -> object | None:
        """The last that was good."""

    def names(self) -> tuple[str, ...]:
        """All that are kept."""

    def drop(self, name: str) -> None:
        """The file is gone."""


class StoredSpares:
    """In the state: `runbook:<name>`, as it stood in the file. It is judged anew when it is used, because a new
    version of the bot may judge otherwise."""

    def __init__(self, state: State) -> None:
        self._state = state

    def keep(self, name: str, data: object) -> None:
        """See Spares."""
        mark(self._state, PREFIX + name, json.dumps(data).encode(), seconds=KEEP_SECONDS, rounds=ROUNDS)

    def find(self, name: str) -> object | None:
        """See Spares."""
        held = self._state.get(PREFIX + name)
        found: object = None if held is None else json.loads(held.value)
        return found

    def names(self) -> tuple[str, ...]:
        """See Spares."""
        return tuple(key.removeprefix(PREFIX) for key in self._state.keys(PREFIX))

    def drop(self, name: str) -> None:
        """See Spares."""
        held = self._state.get(PREFIX + name)
        if held is not None:
            self._state.delete_if(PREFIX + name, held.version)
