"""Handles: whether a server can hold open what is there and, at once, what is loaded beside it.

- MongoDB has a file for each collection and one for each index, and keeps open what was used in the last ten minutes.
  When it may open no more, it ends itself: with the live data, in the middle of a restore.
- So what is known not to fit is refused before anything begins. What the server does not tell is not refused.
"""

from __future__ import annotations

from collections.abc import Iterable

from handlers.core.formats.manifests import CollectionKind, CollectionSpec
from handlers.core.ports import OpenFiles
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Text

SPARE = 100
"""Files that are open beside data and connections: the journal, logs, libraries."""

CLUSTERED = '"clustered":true'


def files_of(specs: Iterable[CollectionSpec]) -> int:
    """How many files the server has for these collections; a clustered index is its collection's own file."""
    return sum(
        1 + sum(CLUSTERED not in index for index in each.indexes)
        for each in specs
        if each.kind is not CollectionKind.VIEW
    )


def holdable(there: OpenFiles | None, live: Iterable[CollectionSpec], loaded: Iterable[CollectionSpec]) -> None:
    """Raises Refusal when the server may not open as many files as these need together."""
    if there is None:
        return
    needs = max(there.held, files_of(live)) + files_of(loaded) + there.connections + SPARE
    if needs > there.most:
        raise Refusal(
            Text(
                "MongoDB may hold {most} files open there, and this needs about {needs}: what is loaded is open beside "
                "what is live. It would end itself in the middle. Start mongod with a higher limit (`ulimit -n`, "
                "64000 or more), or restore fewer collections at a time.",
                most=there.most,
                needs=needs,
            )
        )
