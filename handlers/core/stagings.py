"""A staging: a backup loaded beside the live data, and proved equal to its manifest before anything is switched.

- What a loading proves (handlers.core.loadings) is proved here under the staged names.
- The live collections must be the same ones as before: a misread rename pair loads into live names with exit code 0.
- A time-series or clustered collection that expires may have lost old documents to the server meanwhile; all others
  must be equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from handlers.core.digests import digest
from handlers.core.errors import Damage
from handlers.core.jobs import Progress
from handlers.core.loadings import comparable, compare, expires, load, shape, solid, told_pieces
from handlers.core.manifests import CollectionSpec, Manifest, differences
from handlers.core.ports import Clock, LiveCollection, Target
from handlers.core.switches import clear, own, staging_prefix
from handlers.core.text import Code, Text
from handlers.core.work import Work


def stage(target: Target, manifest: Manifest, work: Work, clock: Clock) -> tuple[LiveCollection, ...]:
    """What was loaded, under its live names. Raises Cancelled, OutsideError or Damage; live data is untouched then."""
    database, prefix = target.database, staging_prefix(work.job.id)
    clear(database, work.job.id)
    specs = solid(manifest)
    told = Text("Loading {backup} beside the live data", backup=Code(manifest.id))
    restored = load(database, told_pieces(target.store, manifest.data, told, work, clock), prefix, specs)
    work.note(Text("{count} documents loaded beside the live data.", count=restored))
    shape(database, prefix, specs, work, expire=False)
    work.progress(Progress(Text("Checking what was loaded")))
    staged = tuple(_named_live(each, prefix) for each in database.collections(count=True, prefix=prefix))
    _equal(specs, staged)
    work.note(Text("Counts, options and indexes are those of the backup."))
    return staged


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


def _equal(wanted: Sequence[CollectionSpec], staged: Sequence[LiveCollection]) -> None:
    found = {each.spec.name: comparable(each.spec) for each in staged}
    expected = []
    for spec in map(comparable, wanted):
        there = found.get(spec.name)
        if there is not None and expires(spec):
            spec = replace(spec, documents=min(spec.documents, there.documents))
        expected.append(spec)
    compare(expected, list(found.values()))


def _named_live(staged: LiveCollection, prefix: str) -> LiveCollection:
    return replace(staged, spec=replace(staged.spec, name=staged.spec.name.removeprefix(prefix)))
