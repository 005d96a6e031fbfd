"""A switch: exchanging staged collections for the live ones, and back.

- Names: `__rst_<job>_<name>` staged, `__old_<job>_<name>` moved away and kept for an undo. An undo is a switch too:
  what is staged then is what another restore moved away. Each rename is atomic; MongoDB has none over
  several collections, so a reader may see a mixture for the milliseconds in between. What remains never is one:
  until the switch is concluded every interruption goes back, afterwards every interruption goes forward.
- What is where is told by UUIDs, which renames keep; never by a name alone, never by what was meant to happen.
- Views are definitions: dropped first, made again last. A time-series cannot be renamed: its buckets are copied, the
  old ones away before it is dropped, so that there always is one whole copy.
- Every step may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from handlers.core.door.work import short
from handlers.core.formats.manifests import CollectionKind
from handlers.core.ports import Database, LiveCollection
from handlers.core.words.answers import JobId
from handlers.core.words.errors import Damage
from handlers.core.words.text import Code, Text

RESERVED = ("__rst_", "__old_")
NAMESPACE_LIMIT_BYTES = 255  # mongodb.com/docs/manual/reference/limits, "Namespace Length", read 2026-11
_LONGEST = "system.buckets."


def staging_prefix(job: JobId) -> str:
    """What staged names begin with."""
    return f"__rst_{short(job)}_"


def old_prefix(job: JobId) -> str:
    """What moved-away names begin with."""
    return f"__old_{short(job)}_"


def too_long(database: str, names: Iterable[str], job_name: str = "x" * 8) -> tuple[str, ...]:
    """Names that would have no room for a prefix."""
    room = NAMESPACE_LIMIT_BYTES - len(f"{database}.{_LONGEST}{staging_prefix(JobId(job_name))}".encode())
    return tuple(name for name in names if len(name.encode()) > room)


def own(collections: Sequence[LiveCollection]) -> tuple[LiveCollection, ...]:
    """Without what restores keep for themselves."""
    return tuple(each for each in collections if not each.spec.name.startswith(RESERVED))


def _go_on() -> None:
    """Nothing holds."""


@dataclass(frozen=True, slots=True)
class Switch:
    """From `old` to `new` in one database; specs carry live names. `new` UUIDs are those of the staged collections.
    `staged` and `away`: what the names of the staged ones, and of those moved away, begin with."""

    database: Database
    staged: str
    away: str
    old: tuple[LiveCollection, ...]
    new: tuple[LiveCollection, ...]

    def forward(self, hold: Callable[[], None]) -> None:
        """Puts the new in place. `hold` is asked before every step and may raise. Raises OutsideError."""
        staged, away = self.staged, self.away
        for each in _of(self.old, CollectionKind.TIMESERIES):
            hold()
            self.database.copy_timeseries(each.spec, each.spec.name, away + each.spec.name)
        for each in (*_of(self.old, CollectionKind.VIEW), *_of(self.old, CollectionKind.TIMESERIES)):
            hold()
            self.database.drop(each.spec.name)
        old, new = (_names(each, CollectionKind.COLLECTION) for each in (self.old, self.new))
        self._rename(((name, away + name) for name in old), hold)
        self._rename(((staged + name, name) for name in new), hold)
        for each in _of(self.new, CollectionKind.TIMESERIES):
            hold()
            self.database.copy_timeseries(each.spec, staged + each.spec.name, each.spec.name)
        for each in _of(self.new, CollectionKind.VIEW):
            hold()
            self.database.create_view(each.spec)

    def backward(self) -> None:
        """Puts the old back, from wherever a switch stopped. Raises OutsideError; Damage when old data is nowhere."""
        there = {each.spec.name: each for each in self.database.collections(indexes=False)}
        self._clear(there)
        away, back = self.away, []
        for each in _of(self.old, CollectionKind.COLLECTION):
            name = each.spec.name
            if _same(there.get(name), each):
                continue
            if not _same(there.get(away + name), each):
                raise Damage(
                    Text("The old {name} is neither in its place nor moved away. Somebody must look.", name=Code(name))
                )
            back.append(name)
        self.database.together((partial(self.database.drop, name) for name in back if name in there), _go_on)
        self._rename((away + name, name) for name in back)
        for each in _of(self.old, CollectionKind.TIMESERIES):
            name = each.spec.name
            if _same(there.get(name), each):
                continue
            if away + name not in there:
                raise Damage(
                    Text("The old {name} is neither in its place nor copied. Somebody must look.", name=Code(name))
                )
            self.database.copy_timeseries(each.spec, away + name, name)
        for each in _of(self.old, CollectionKind.VIEW):
            self.database.create_view(each.spec)

    def _clear(self, there: dict[str, LiveCollection]) -> None:
        before = {each.spec.name for each in self.old}
        ours = before | {each.spec.name for each in self.new}
        staged = {each.uuid for each in self.new if each.uuid}
        back = []
        for name, found in list(there.items()):
            if name not in ours:
                continue
            match found.spec.kind:
                case CollectionKind.VIEW:
                    made_here = True  # views are definitions: the old ones are made again at the end
                case CollectionKind.TIMESERIES:
                    made_here = name not in before
                case CollectionKind.COLLECTION:
                    made_here = found.uuid in staged
                case _:
                    assert_never(found.spec.kind)
            if made_here and found.spec.kind is CollectionKind.COLLECTION:
                # Back to where it was staged: `system.js` can be renamed, but not dropped.
                back.append(name)
                del there[name]
            elif made_here:
                self.database.drop(name)
                del there[name]
        self._rename((name, self.staged + name) for name in back)

    def _rename(self, pairs: Iterable[tuple[str, str]], hold: Callable[[], None] = _go_on) -> None:
        self.database.together((partial(self.database.rename, name, to) for name, to in pairs), hold)

    def finish(self, *, keep: bool) -> None:
        """After the new is in place: TTL ages, then what is left of the staging goes away; the old too, unless it is
        to be kept. Raises OutsideError."""
        aging = [each.spec for each in self.new if any('"expireAfterSeconds"' in index for index in each.spec.indexes)]
        self.database.together((partial(self.database.set_expiry, spec.name, spec.indexes) for spec in aging), _go_on)
        clear(self.database, self.staged)
        if not keep:
            clear(self.database, self.away)


def clear(database: Database, *prefixes: str) -> None:
    """Removes every collection whose name begins so. Raises OutsideError."""
    for prefix in prefixes:
        found = database.collections(prefix=prefix, indexes=False)
        database.together((partial(database.drop, each.spec.name) for each in found), _go_on)


def _names(collections: Sequence[LiveCollection], kind: CollectionKind) -> list[str]:
    return [each.spec.name for each in _of(collections, kind)]


def _of(collections: Sequence[LiveCollection], kind: CollectionKind) -> tuple[LiveCollection, ...]:
    return tuple(each for each in collections if each.spec.kind is kind)


def _same(found: LiveCollection | None, wanted: LiveCollection) -> bool:
    return found is not None and found.uuid == wanted.uuid != ""
