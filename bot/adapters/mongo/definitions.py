"""What the collections of a database are while its oplog is replayed: kinds, options, indexes and views.

- Indexes are only written down here; they are built when all documents are there.
- Views are documents of `system.views`; so is the outer side of a time-series, which counts only as its buckets.
- An index of a time-series is logged as one of its buckets; it is told as listIndexes would tell it
  (github.com/mongodb/mongo, src/mongo/db/timeseries/timeseries_index_schema_conversion_functions.cpp).
- Everything is spelled as in canonical.py, so that it compares with what the server lists.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.adapters.mongo.archive import index_name
from bot.adapters.mongo.canonical import definition, index_text, options_text
from bot.adapters.mongo.timeseries import BUCKETS
from handlers.core.formats.manifests import CollectionKind, CollectionSpec

_MINIMUM, _MAXIMUM = "control.min.", "control.max."
# listIndexes tells these as such numbers, however they were given and logged
# (github.com/mongodb/mongo, src/mongo/db/list_indexes.idl).
_WHOLE = frozenset({"expireAfterSeconds", "textIndexVersion", "2dsphereIndexVersion", "bits"})
_FLOATING = frozenset({"min", "max"})
_SWITCHES = frozenset({"unique", "sparse", "hidden", "prepareUnique"})
# Marks of an index that are there or not; `false` is not written down.
_MARKS = frozenset({"hidden", "prepareUnique", "unique"})


@dataclass
class Collection:
    """One that is staged."""

    kind: CollectionKind
    options: str
    indexes: dict[str, str] = field(default_factory=dict)

    capped: bool = field(init=False)
    """Whether the order of its documents is that of their insertion."""
    forgets: bool = field(init=False)
    """Whether the server removes documents by itself: the oldest of a capped one, the expired of others."""

    def __post_init__(self) -> None:
        options = definition(self.options)
        self.capped = bool(options.get("capped"))
        self.forgets = self.capped or "expireAfterSeconds" in options


class Definitions:
    """Begins with what was loaded; names are live names."""

    def __init__(self, specs: Sequence[CollectionSpec], names: Container[str]) -> None:
        self._names = names
        self.there: dict[str, Collection] = {}
        self._views: dict[str, str] = {}
        for spec in specs:
            if spec.kind is CollectionKind.VIEW:
                self._views[spec.name] = spec.options
            elif spec.name in names:
                indexes = {index_name(text): text for text in spec.indexes}
                self.there[spec.name] = Collection(spec.kind, spec.options, indexes)

    def specs(self) -> tuple[CollectionSpec, ...]:
        """As they are now, sorted by name; documents are not counted."""
        views = [
            CollectionSpec(name, CollectionKind.VIEW, options, (), 0)
            for name, options in self._views.items()
            if name in self._names and not str(definition(options).get("viewOn")).startswith(BUCKETS)
        ]
        solid = [
            CollectionSpec(name, each.kind, each.options, tuple(sorted(each.indexes.values(), key=index_name)), 0)
            for name, each in self.there.items()
        ]
        return tuple(sorted([*views, *solid], key=lambda spec: spec.name))

    def create(self, spec: CollectionSpec) -> None:
        """A new one, as the server lists it. What a time-series brings with it is logged by itself."""
        indexes = () if spec.kind is CollectionKind.TIMESERIES else spec.indexes
        self.there[spec.name] = Collection(spec.kind, spec.options, {index_name(text): text for text in indexes})

    def set_options(self, name: str, listed: str, changed: Container[str]) -> None:
        """The options as the server lists them now. A validator keeps its order unless it is what was changed: the
        order of a loaded one is not to be trusted (canonical.py)."""
        collection = self.there[name]
        options, before = definition(listed), definition(collection.options)
        if "validator" in before and "validator" not in changed:
            options["validator"] = before["validator"]
        self.there[name] = replace(collection, options=options_text(options))

    def set_index(self, name: str, index: Mapping[str, Any]) -> None:
        """An index as it is logged."""
        collection = self.there[name]
        if collection.kind is CollectionKind.TIMESERIES:
            index = _outer(index, definition(collection.options)["timeseries"])
        collection.indexes[str(index["name"])] = index_text(_listed(index))

    def drop_index(self, name: str, index: str) -> None:
        """Nothing happens when it is not there: what was loaded may be newer."""
        self.there[name].indexes.pop(index, None)

    def change_index(self, name: str, change: Mapping[str, Any]) -> bool:
        """As collMod does; False when there is no such index."""
        collection, index = self.there[name], str(change["name"])
        if index not in collection.indexes:
            return False
        fields = {**definition(collection.indexes[index]), **change}
        if fields.get("unique"):
            fields.pop("prepareUnique", None)
        fields = {key: value for key, value in fields.items() if key not in _MARKS or value}
        collection.indexes[index] = index_text(_listed(fields))
        return True

    def set_view(self, document: Mapping[str, Any]) -> None:
        """A document of system.views, whole."""
        fields = {key: value for key, value in document.items() if key != "_id"}
        self._views[_view_name(document)] = options_text(fields)

    def drop_view(self, document: Mapping[str, Any]) -> None:
        """By its `_id`."""
        self._views.pop(_view_name(document), None)

    def drop_views(self) -> None:
        """All of them: system.views itself was made or dropped."""
        self._views.clear()


def _view_name(document: Mapping[str, Any]) -> str:
    return str(document["_id"]).partition(".")[2]


def _listed(index: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(index)
    for names, make in ((_WHOLE, int), (_FLOATING, float), (_SWITCHES, bool)):
        for name in names & found.keys():
            found[name] = make(found[name])
    return found


def _outer(index: Mapping[str, Any], series: Mapping[str, Any]) -> Mapping[str, Any]:
    """An index of buckets as the index of the time-series that it is."""
    original = index.get("originalSpec")
    if original is not None:
        marks = {mark: index[mark] for mark in _MARKS if mark in index}
        return {**original, **marks}
    key: dict[str, Any] = {}
    for path, direction in index["key"].items():
        if path == "meta" or path.startswith("meta."):
            key[str(series["metaField"]) + path.removeprefix("meta")] = direction
        elif path.startswith((_MINIMUM, _MAXIMUM)):
            # Both bounds of a field stand for it, the one that is met first with its direction.
            key.setdefault(path.removeprefix(_MINIMUM).removeprefix(_MAXIMUM), direction)
        else:
            key[path.removeprefix("data.")] = "2dsphere" if direction == "2dsphere_bucket" else direction
    return {**index, "key": key}
