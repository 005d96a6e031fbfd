"""A staging: a backup loaded beside the live data, and proved equal to its manifest before anything is switched.

- mongorestore ends with 0 and no failed document, having restored exactly the manifest's count: its exit code alone
  proves little (it ends with 0 after a wrong pattern, and after 216 631 failures).
- The last piece of the archive is only fed when the SHA-256 of the whole fits.
- The collections that the archive names are those of the manifest.
- Then every collection is counted, and its options and indexes compared with the manifest. What the oplog says
  happened since is replayed after the counting; definitions are compared with what the replay says they must be.
- The live collections must be the same ones as before: a misread rename pair loads into live names with exit code 0.
- A time-series or clustered collection that expires may have lost old documents to the server meanwhile; all others
  must be equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from handlers.core.digests import digest
from handlers.core.errors import Damage, OutsideError
from handlers.core.jobs import Progress
from handlers.core.manifests import CollectionKind, CollectionSpec, Manifest, differences
from handlers.core.objects import Stored
from handlers.core.optimes import OpTime
from handlers.core.ports import Clock, LiveCollection, LoadEvidence, Target
from handlers.core.readings import reading
from handlers.core.switches import clear, comparable, expires, own, staging_prefix
from handlers.core.text import Code, Lines, Text
from handlers.core.work import Work


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
    database, prefix = target.database, staging_prefix(work.job.id)
    clear(database, prefix)
    load(target, wanted, prefix, work, clock)
    specs = wanted.specs
    if wanted.slices:
        specs = _replayed(target, wanted, prefix, work)
    solid = [spec for spec in specs if spec.kind is not CollectionKind.VIEW]
    for spec in solid:
        work.check()
        work.progress(Progress(Text("Building the indexes of {name}", name=Code(spec.name))))
        database.set_validator(prefix + spec.name, spec)
        database.create_indexes(prefix + spec.name, spec.indexes, expire=False)
    work.progress(Progress(Text("Checking what was loaded")))
    staged = tuple(_named_live(each, prefix) for each in database.collections(count=True, prefix=prefix))
    # After a replay there are no counts to compare with: what was dumped was counted before it.
    _equal(solid, staged, counts=not wanted.slices)
    proved = "Options and indexes are" if wanted.slices else "Counts, options and indexes are"
    work.note(Text("{proved} as they must be.", proved=proved))
    return Staged(staged, tuple(solid), tuple(spec for spec in specs if spec.kind is CollectionKind.VIEW))


def load(target: Target, wanted: Wanted, prefix: str, work: Work, clock: Clock) -> None:
    """Loads the archive under the prefix, and proves that exactly what the manifest counts arrived."""
    solid = [spec for spec in wanted.specs if spec.kind is not CollectionKind.VIEW]
    pieces = _pieces(target, wanted.manifest, work, clock)
    evidence = target.database.load(pieces, prefix, {spec.name for spec in solid})
    if evidence.return_code != 0 or evidence.failed:
        raise OutsideError(
            Text(
                "Loading ended with {code}, {failed} documents failed. {lines}",
                code=evidence.return_code,
                failed=evidence.failed,
                lines=Lines(evidence.last_lines),
            )
        )
    _named_alike(wanted.manifest, evidence)
    want = sum(spec.documents for spec in solid)
    if evidence.restored != want:
        raise OutsideError(
            Text("{had} documents were loaded; the backup holds {want}.", had=evidence.restored, want=want)
        )
    work.note(Text("{count} documents loaded beside the live data.", count=evidence.restored))


def _replayed(target: Target, wanted: Wanted, prefix: str, work: Work) -> tuple[CollectionSpec, ...]:
    """Replays the slices over what was loaded: what the definitions must be then."""
    found = target.database.collections(count=True, prefix=prefix)
    _equal(wanted.specs, [_named_live(each, prefix) for each in found], counts=True, definitions=False)
    parts = (_part(target, wanted, number, work) for number in range(len(wanted.slices)))
    evidence = target.database.replay(parts, prefix, wanted.specs, names=wanted, until=wanted.until)
    work.note(Text("{count} changes replayed over it.", count=evidence.entries))
    return evidence.specs


def _pieces(target: Target, manifest: Manifest, work: Work, clock: Clock) -> Iterator[bytes]:
    stage = Text("Loading {backup} beside the live data", backup=Code(manifest.id))
    begun = clock.monotonic()

    def watch(count: int) -> None:
        work.check()
        elapsed = max(clock.monotonic() - begun, 0.001)
        work.progress(Progress(stage, count, manifest.data.size_bytes, round(count / elapsed)))

    return reading(target.store, manifest.data, watch)


def _part(target: Target, wanted: Wanted, number: int, work: Work) -> Iterator[bytes]:
    before, total = (sum(each.size_bytes for each in some) for some in (wanted.slices[:number], wanted.slices))
    stage = Text("Replaying changes, part {number} of {all}", number=number + 1, all=len(wanted.slices))

    def watch(count: int) -> None:
        work.check()
        work.progress(Progress(stage, before + count, total))

    return reading(target.store, wanted.slices[number], watch)


def untouched(target: Target, before: Sequence[LiveCollection]) -> None:
    """Raises Damage unless the live collections are the ones they were."""
    after = own(target.database.collections())
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


def _named_alike(manifest: Manifest, evidence: LoadEvidence) -> None:
    """A manifest that leaves out a collection would have it go away, and every count would fit."""
    wanted = {(spec.name, spec.kind) for spec in manifest.collections}
    if evidence.announced is not None and evidence.announced != wanted:
        names = sorted({name for name, _ in evidence.announced ^ wanted})
        raise Damage(
            Text("The archive and the manifest do not name the same collections: {names}.", names=", ".join(names))
        )


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
    problems = differences(expected, list(found.values()))
    if problems:
        raise OutsideError(Text("What was loaded is not what was saved: {first}.", first=problems[0]))


def _named_live(staged: LiveCollection, prefix: str) -> LiveCollection:
    return replace(staged, spec=replace(staged.spec, name=staged.spec.name.removeprefix(prefix)))
