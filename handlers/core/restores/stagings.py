"""A staging: a backup loaded beside the live data, and proved equal to its manifest before anything is switched.

- What a loading proves (handlers.core.restores.loadings) is proved here under the staged names.
- What the oplog says happened since is replayed after the counting; definitions are then compared with what the replay
  says they must be.
- The live collections must be the same ones as before: a misread rename pair loads into live names with exit code 0.
- A time-series or clustered collection that expires may have lost old documents to the server meanwhile; all others
  must be equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from handlers.core.door.work import Work
from handlers.core.formats.manifests import CollectionKind, CollectionSpec, Manifest, differences
from handlers.core.formats.objects import Stored
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import Clock, LiveCollection, Target
from handlers.core.restores.loadings import comparable, compare, expires, load, replay, shape, told_pieces
from handlers.core.restores.switches import clear, own, staging_prefix
from handlers.core.words.digests import digest
from handlers.core.words.errors import Damage
from handlers.core.words.jobs import Progress
from handlers.core.words.text import Code, Text


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be staged. `only`: names of collections; empty: all. `slices` are replayed over it in their order, up
    to and including `until` (None: to their end)."""

    manifest: Manifest
    only: tuple[str, ...] = ()
    slices: tuple[Stored, ...] = ()
    until: OpTime | None = None

    def __contains__(self, name: object) -> bool:
        return not self.only or name in self.only

    @property
    def specs(self) -> tuple[CollectionSpec, ...]:
        """The definitions of the wanted collections, as the manifest has them."""
        return tuple(spec for spec in self.manifest.collections if spec.name in self)


@dataclass(frozen=True, slots=True)
class Staged:
    """What stands beside the live data, under its live names; the definitions it must have; the views with it."""

    collections: tuple[LiveCollection, ...]
    specs: tuple[CollectionSpec, ...]
    views: tuple[CollectionSpec, ...]


def stage(target: Target, wanted: Wanted, work: Work, clock: Clock) -> Staged:
    """Loads, replays, builds indexes, compares. Raises Cancelled, OutsideError or Damage; live data is not touched."""
    database, manifest, prefix = target.database, wanted.manifest, staging_prefix(work.job.id)
    clear(database, prefix)
    told = Text("Loading {backup} beside the live data", backup=Code(manifest.id))
    pieces = told_pieces(target.store, manifest.data, told, work, clock)
    restored = load(database, pieces, prefix, wanted.specs, of=manifest)
    work.note(Text("{count} documents loaded beside the live data.", count=restored))
    specs = wanted.specs
    if wanted.slices:
        _counted(database.collections(count=True, prefix=prefix), wanted.specs, prefix)
        replayed = replay(target, wanted.slices, prefix, specs, work, names=wanted, until=wanted.until)
        specs = replayed.specs
        work.note(Text("{count} changes replayed over it.", count=replayed.entries))
    solid = tuple(spec for spec in specs if spec.kind is not CollectionKind.VIEW)
    shape(database, prefix, solid, work, expire=False)
    work.progress(Progress(Text("Checking what was loaded")))
    # After a replay there are no counts to compare with: what was dumped was counted before it.
    counts = not wanted.slices
    staged = tuple(_named_live(each, prefix) for each in database.collections(count=counts, prefix=prefix))
    _equal(solid, staged, counts=counts)
    whole, shaped = (
        Text("Counts, options and indexes are as they must be."),
        Text("Options and indexes are as they must be."),
    )
    work.note(shaped if wanted.slices else whole)
    return Staged(staged, solid, tuple(spec for spec in specs if spec.kind is CollectionKind.VIEW))


def _counted(found: Sequence[LiveCollection], specs: Sequence[CollectionSpec], prefix: str) -> None:
    """Raises Damage unless what was dumped is there, counted; indexes are not built yet."""
    _equal(specs, [_named_live(each, prefix) for each in found], counts=True, definitions=False)


def untouched(target: Target, before: Sequence[LiveCollection]) -> None:
    """Raises Damage unless the live collections are the ones they were."""
    after = own(target.database.collections(indexes=False))
    if {(each.spec.name, each.uuid) for each in after} != {(each.spec.name, each.uuid) for each in before}:
        raise Damage(
            Text("The live collections changed while the backup was loaded beside them. Nothing was switched.")
        )


def different(wanted: Sequence[LiveCollection], found: Sequence[LiveCollection]) -> list[Text]:
    """What of the definitions is not as it should be, after a switch."""
    return list(
        differences(
            [replace(each.spec, documents=0, size_bytes=0) for each in wanted],
            [replace(each.spec, documents=0, size_bytes=0) for each in found],
        )
    )


def definitions_digest(live: Sequence[LiveCollection]) -> str:
    """Covers which collections there are and their definitions; not their documents, which change all the time."""
    return digest("live", [[each.spec.name, each.uuid, each.spec.fingerprint] for each in live])


def _equal(
    wanted: Sequence[CollectionSpec], staged: Sequence[LiveCollection], *, counts: bool, definitions: bool = True
) -> None:
    found = {each.spec.name: comparable(each.spec) for each in staged}
    expected = []
    for spec in map(comparable, wanted):
        if spec.kind is CollectionKind.VIEW:
            continue
        there = found.get(spec.name)
        if there is not None and (not counts or expires(spec)):
            lost = min(spec.documents, there.documents) if counts else there.documents
            spec = replace(spec, documents=lost)
        if there is not None and not definitions:
            spec = replace(there, documents=spec.documents)
        expected.append(spec)
    compare(expected, list(found.values()))


def _named_live(staged: LiveCollection, prefix: str) -> LiveCollection:
    return replace(staged, spec=replace(staged.spec, name=staged.spec.name.removeprefix(prefix)))
