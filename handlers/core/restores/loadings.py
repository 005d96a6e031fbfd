"""A loading: a backup put into a database, and proved equal to its manifest. What restores and drills have in common.

- mongorestore ends with 0 and no failed document, having restored exactly the manifest's count: its exit code alone
  proves little (it ends with 0 after a wrong pattern, and after 216 631 failures).
- The last piece of the archive is only fed when the SHA-256 of the whole fits.
- The collections that the archive names are those of the manifest.
- Then every collection is counted, and its options and indexes compared with the manifest.
- A load that did not come to its end is an OutsideError and proves nothing; one that ended and is not what was saved
  is Damage.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from handlers.core.door.work import Work
from handlers.core.formats.manifests import CollectionKind, CollectionSpec, Manifest, differences
from handlers.core.formats.objects import Stored
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import ArtifactStore, Clock, Database, LoadEvidence, ReplayEvidence, Target
from handlers.core.restores.readings import reading
from handlers.core.words.errors import Damage, OutsideError
from handlers.core.words.jobs import Progress
from handlers.core.words.text import Code, Lines, Text

TOLD = 200
"""How often people are told about collections, at most: each time is a write into the state."""


def solid(manifest: Manifest) -> tuple[CollectionSpec, ...]:
    """Its collections without the views, which hold nothing."""
    return tuple(spec for spec in manifest.collections if spec.kind is not CollectionKind.VIEW)


def told_pieces(store: ArtifactStore, stored: Stored, stage: Text, work: Work, clock: Clock) -> Iterator[bytes]:
    """A stored file as `reading` gives it, while people are told how far it is; raises what that and `check` do."""
    begun = clock.monotonic()

    def watch(count: int) -> None:
        work.check()
        elapsed = max(clock.monotonic() - begun, 0.001)
        work.progress(Progress(stage, count, stored.size_bytes, round(count / elapsed)))

    return reading(store, stored, watch)


def load(
    database: Database,
    pieces: Iterable[bytes],
    prefix: str,
    specs: Sequence[CollectionSpec],
    *,
    of: Manifest | None = None,
) -> int:
    """Loads these collections of an archive under a prefix, without indexes; how many documents. `of`: whose archive it
    is, to compare all the names in it. Raises OutsideError, Damage, and what `pieces` raises."""
    specs = [spec for spec in specs if spec.kind is not CollectionKind.VIEW]
    evidence = database.load(pieces, prefix, {spec.name for spec in specs})
    if evidence.return_code != 0 or evidence.failed:
        raise OutsideError(
            Text(
                "Loading ended with {code}, {failed} documents failed. {lines}",
                code=evidence.return_code,
                failed=evidence.failed,
                lines=Lines(evidence.last_lines),
            )
        )
    if of is not None:
        _named_alike(of, evidence)
    want = sum(spec.documents for spec in specs)
    if evidence.restored != want:
        raise Damage(Text("{had} documents were loaded; the backup holds {want}.", had=evidence.restored, want=want))
    return evidence.restored


def _named_alike(manifest: Manifest, evidence: LoadEvidence) -> None:
    """A manifest that leaves out a collection would have it go away, and every count would fit."""
    wanted = {(spec.name, spec.kind) for spec in manifest.collections}
    if evidence.announced is not None and evidence.announced != wanted:
        names = sorted({name for name, _ in evidence.announced ^ wanted})
        raise Damage(
            Text("The archive and the manifest do not name the same collections: {names}.", names=", ".join(names))
        )


def replay(
    target: Target,
    slices: Sequence[Stored],
    prefix: str,
    specs: Sequence[CollectionSpec],
    work: Work,
    *,
    names: Container[str],
    until: OpTime | None = None,
    into: Database | None = None,
) -> ReplayEvidence:
    """Replays slices over what was loaded (`into`: another database than the target's). Raises OutsideError or
    Damage."""
    total = sum(each.size_bytes for each in slices)

    def part(number: int) -> Iterator[bytes]:
        before = sum(each.size_bytes for each in slices[:number])
        stage = Text("Replaying changes, part {number} of {all}", number=number + 1, all=len(slices))

        def watch(count: int) -> None:
            work.check()
            work.progress(Progress(stage, before + count, total))

        return reading(target.store, slices[number], watch)

    parts = (part(number) for number in range(len(slices)))
    return (into or target.database).replay(parts, prefix, specs, names=names, until=until)


def shape(database: Database, prefix: str, specs: Sequence[CollectionSpec], work: Work, *, expire: bool) -> None:
    """Gives what was loaded its validators and indexes. Raises Cancelled or OutsideError."""
    database.together((partial(database.set_validator, prefix + spec.name, spec) for spec in specs), work.check)
    work.progress(Progress(Text("Building the indexes of {count} collections", count=len(specs))))
    wanted = {prefix + spec.name: spec.indexes for spec in specs}
    every = max(1, len(specs) // TOLD)
    for done, name in enumerate(database.build_indexes(wanted, expire=expire), start=1):
        work.check()
        if done % every:
            continue
        stage = Text("Building indexes: {done} of {all} collections", done=done, all=len(specs))
        work.progress(Progress(Text("{stage}, {name} just now", stage=stage, name=Code(name.removeprefix(prefix)))))


def counted(database: Database, manifest: Manifest) -> None:
    """Raises Damage unless everything that was dumped is there, counted, before something is replayed over it."""
    there = {each.spec.name: each.spec.documents for each in database.collections(count=True)}
    for spec in solid(manifest):
        if there.get(spec.name) != spec.documents:
            have, want = there.get(spec.name, 0), spec.documents
            raise Damage(Text("{name} holds {have} documents, not {want}", name=Code(spec.name), have=have, want=want))


def complete(database: Database, specs: Sequence[CollectionSpec], work: Work) -> None:
    """Validators, indexes, views. Raises Damage when the server will not have them over this data."""
    try:
        shape(database, "", [spec for spec in specs if spec.kind is not CollectionKind.VIEW], work, expire=True)
        for spec in specs:
            if spec.kind is CollectionKind.VIEW:
                database.create_view(spec)
    except OutsideError as error:
        if not error.permanent:
            raise
        raise Damage(Text("The backup loads, but cannot be completed. {why}", why=error.text)) from error


def compare(wanted: Sequence[CollectionSpec], found: Sequence[CollectionSpec]) -> None:
    """Raises Damage unless names, counts, options and indexes are equal."""
    problems = differences(wanted, found)
    if problems:
        raise Damage(Text("What was loaded is not what was saved: {first}.", first=problems[0]))


def comparable(spec: CollectionSpec) -> CollectionSpec:
    """With the ages of TTL indexes left out: while staged they are longer, so that nothing is deleted."""
    return replace(spec, indexes=tuple(_ageless(index) for index in spec.indexes), size_bytes=0)


def _ageless(index: str) -> str:
    data = json.loads(index)
    if "expireAfterSeconds" not in data:
        return index
    return json.dumps({**data, "expireAfterSeconds": "set"}, separators=(",", ":"))


def expires(spec: CollectionSpec) -> bool:
    """Whether the server deletes from it by itself."""
    return '"expireAfterSeconds"' in spec.options
