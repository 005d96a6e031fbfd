"""A staging: a backup loaded beside the live data, and proved equal to its manifest before anything is switched.

- mongorestore ends with 0 and no failed document, having restored exactly the manifest's count: its exit code alone
  proves little (it ends with 0 after a wrong pattern, and after 216 631 failures).
- The last piece of the archive is only fed when the SHA-256 of the whole fits.
- The collections that the archive names are those of the manifest.
- Then every collection is counted, and its options and indexes compared with the manifest.
- The live collections must be the same ones as before: a misread rename pair loads into live names with exit code 0.
- A time-series or clustered collection that expires may have lost old documents to the server meanwhile; all others
  must be equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from handlers.core.digests import digest
from handlers.core.errors import Damage, OutsideError
from handlers.core.jobs import Progress
from handlers.core.manifests import CollectionKind, CollectionSpec, Manifest, differences
from handlers.core.ports import Clock, LiveCollection, LoadEvidence, Target
from handlers.core.readings import reading
from handlers.core.switches import clear, comparable, expires, own, staging_prefix
from handlers.core.text import Code, Lines, Text
from handlers.core.work import Work


def stage(target: Target, manifest: Manifest, work: Work, clock: Clock) -> tuple[LiveCollection, ...]:
    """What was loaded, under its live names. Raises Cancelled, OutsideError or Damage; live data is untouched then."""
    database, prefix = target.database, staging_prefix(work.job.id)
    clear(database, work.job.id)
    solid = [spec for spec in manifest.collections if spec.kind is not CollectionKind.VIEW]
    pieces = _pieces(target, manifest, work, clock)
    evidence = database.load(pieces, prefix, {spec.name for spec in solid})
    if evidence.return_code != 0 or evidence.failed:
        raise OutsideError(
            Text(
                "mongorestore ended with {code}, {failed} documents failed. {lines}",
                code=evidence.return_code,
                failed=evidence.failed,
                lines=Lines(evidence.last_lines),
            )
        )
    _named_alike(manifest, evidence)
    if evidence.restored != sum(spec.documents for spec in solid):
        raise OutsideError(
            Text(
                "mongorestore loaded {had} documents; the backup holds {want}.",
                had=evidence.restored,
                want=sum(spec.documents for spec in solid),
            )
        )
    work.note(Text("{count} documents loaded beside the live data.", count=evidence.restored))
    for spec in solid:
        work.check()
        work.progress(Progress(Text("Building the indexes of {name}", name=Code(spec.name))))
        database.set_validator(prefix + spec.name, spec)
        database.create_indexes(prefix + spec.name, spec.indexes, expire=False)
    work.progress(Progress(Text("Checking what was loaded")))
    staged = tuple(_named_live(each, prefix) for each in database.collections(count=True, prefix=prefix))
    _equal(solid, staged)
    work.note(Text("Counts, options and indexes are those of the backup."))
    return staged


def _pieces(target: Target, manifest: Manifest, work: Work, clock: Clock) -> Iterator[bytes]:
    stage = Text("Loading {backup} beside the live data", backup=Code(manifest.id))
    begun = clock.monotonic()

    def watch(count: int) -> None:
        work.check()
        elapsed = max(clock.monotonic() - begun, 0.001)
        work.progress(Progress(stage, count, manifest.data.size_bytes, round(count / elapsed)))

    return reading(target.store, manifest.data, watch)


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


def _equal(wanted: Sequence[CollectionSpec], staged: Sequence[LiveCollection]) -> None:
    found = {each.spec.name: comparable(each.spec) for each in staged}
    expected = []
    for spec in map(comparable, wanted):
        there = found.get(spec.name)
        if there is not None and expires(spec):
            spec = replace(spec, documents=min(spec.documents, there.documents))
        expected.append(spec)
    problems = differences(expected, list(found.values()))
    if problems:
        raise OutsideError(Text("What was loaded is not what was saved: {first}.", first=problems[0]))


def _named_live(staged: LiveCollection, prefix: str) -> LiveCollection:
    return replace(staged, spec=replace(staged.spec, name=staged.spec.name.removeprefix(prefix)))
