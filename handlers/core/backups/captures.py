"""A capture: one run from mongodump to a backup that exists.

- Steps: look at the database; follow its oplog from before the dump to after it; stream dump → compression → store;
  judge the evidence; commit the data, then the slice of the oplog, then the manifest. Whatever goes wrong before the
  last step, nothing exists and nothing is left behind.
- With the slice, the backup is one moment: the slice's end. A server without an oplog, or a user who may not read it,
  gives a backup that says it is not.
- Which keys programs had parts of the data under, they are asked before and after: no key that a backup needs is
  retired. A program that does not answer stops no backup; then it is not known.
- Memory is constant: one piece of about 1 MiB at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime

from handlers.core.backups.catalogue import Catalogue, data_key, new_id, slice_key
from handlers.core.door.work import Work
from handlers.core.formats.manifests import BackupKind, DumpEvidence, Manifest, incomplete
from handlers.core.formats.objects import Slice, Stored, both
from handlers.core.ports import ArtifactStore, Clock, Database, DatabaseFacts, Tail, Target, Upload
from handlers.core.words.answers import BackupId
from handlers.core.words.errors import Damage, OutsideError, Problem, Refusal
from handlers.core.words.jobs import Progress
from handlers.core.words.text import Bytes, Code, Text

TAIL_SECONDS = 1.0


def capture(
    target: Target,
    catalogue: Catalogue,
    kind: BackupKind,
    work: Work,
    clock: Clock,
    *,
    lock_until: datetime | None = None,
) -> Manifest:
    """Makes one backup, locked until then. Raises Refusal (nothing to save, or cancelled), OutsideError or Damage; then
    there is none."""
    job, begun, began = work.job, clock.monotonic(), clock.now()
    facts = target.database.facts()
    if facts.collections == 0:
        raise Refusal(
            Text(
                "The database {database} is empty or its name is wrong: nothing to save.", database=Code(facts.database)
            )
        )
    backup, keys = new_id(job.created, job.id), target.data_keys.used()
    try:
        evidence, data, part, torn = _stored(target, backup, facts, work, clock, lock_until)
        manifest = Manifest(
            id=backup,
            target=target.name,
            database=facts.database,
            deployment=facts.deployment,
            kind=kind,
            created=job.created,
            offset_seconds=int(str(job.plan.arguments.get("offset_seconds", 0))),
            seconds=round(clock.monotonic() - begun),
            created_by=job.plan.actor.person,
            surface=job.plan.actor.surface.value,
            job=job.id,
            data=data,
            raw_bytes=evidence.raw_bytes,
            packing=evidence.packing,
            slice=part,
            torn=torn,
            tool=evidence.tool,
            server=evidence.server,
            collections=evidence.announced,
            keys=both(keys, target.data_keys.used()),
            began=began,
        )
        catalogue.commit(manifest, lock_until=lock_until)
    except Problem:
        # What cannot be removed now (it is locked, or the store is away) is a leftover that a pruning finds.
        with suppress(OutsideError):
            catalogue.forget_data(backup)
        raise
    return manifest


def unchanged_since(target: Target, manifest: Manifest) -> bool:
    """Whether nothing was written to the database since that backup, nor exchanged by a restore, which is in no slice;
    False also when that cannot be known."""
    if manifest.slice is None:
        return False
    try:
        with target.database.tail(manifest.slice.end) as tail:
            tail.finish()
            seen = tail.evidence()
            return seen.entries == 0 and seen.problem is None
    except (Refusal, Damage):
        return False


def _stored(
    target: Target,
    backup: BackupId,
    facts: DatabaseFacts,
    work: Work,
    clock: Clock,
    lock_until: datetime | None,
) -> tuple[DumpEvidence, Stored, Slice | None, str]:
    """Dumps and commits the files; nothing points to them yet."""
    packing = target.database.packing
    archive, part = data_key(target.name, backup, packing), slice_key(target.name, backup, packing)
    with ExitStack() as ending:
        tail, torn = _opened(ending, target.database)
        data = ending.enter_context(_uploading(target.store, archive, lock_until))
        changes = None if tail is None else ending.enter_context(_uploading(target.store, part, lock_until))
        evidence = _stream(target, data, facts, work, clock, tail, changes)
        problem = incomplete(evidence)
        if problem is not None:
            raise OutsideError(
                Text("{problem}. No backup was kept. {lines}", problem=problem, lines=evidence.last_lines)
            )
        if tail is not None and changes is not None:
            work.progress(Progress(Text("Saving what changed meanwhile")))
            _write(changes, tail.finish(through=target.database.now()))
        work.check()
        stored = Stored(archive, evidence.sha256, evidence.stored_bytes, data.commit())
        closed = None if tail is None or changes is None else _closed(tail, changes, part)
        return evidence, stored, closed, torn


def _opened(ending: ExitStack, database: Database) -> tuple[Tail | None, str]:
    try:
        return ending.enter_context(database.tail(None)), ""
    except Refusal as refusal:
        return None, str(refusal)


def _closed(tail: Tail, changes: Upload, key: str) -> Slice:
    seen = tail.evidence()
    if seen.problem is not None:
        raise OutsideError(Text("{problem}. No backup was kept; try again.", problem=seen.problem))
    return Slice(seen.start, seen.end, seen.entries, Stored(key, seen.sha256, seen.stored_bytes, changes.commit()))


@contextmanager
def _uploading(store: ArtifactStore, key: str, lock_until: datetime | None) -> Iterator[Upload]:
    """An upload of which nothing is left unless it was committed."""
    upload = store.open_write(key, lock_until=lock_until)
    try:
        yield upload
    finally:
        upload.abort()


def _stream(
    target: Target,
    data: Upload,
    facts: DatabaseFacts,
    work: Work,
    clock: Clock,
    tail: Tail | None,
    changes: Upload | None,
) -> DumpEvidence:
    begun = looked = clock.monotonic()
    stage = Text("Saving {size} of {database}", size=Bytes(facts.data_bytes), database=Code(facts.database))
    with target.database.dump() as dump:
        while piece := dump.read():
            work.check()
            data.write(piece)
            now = clock.monotonic()
            elapsed = max(now - begun, 0.001)
            work.progress(Progress(stage, dump.raw_bytes, facts.data_bytes, round(dump.raw_bytes / elapsed)))
            if tail is not None and changes is not None and now - looked >= TAIL_SECONDS:
                _write(changes, tail.read())
                looked = now
        return dump.evidence()


def _write(upload: Upload, packed: bytes) -> None:
    if packed:
        upload.write(packed)
