"""A capture: one run from mongodump to a backup that exists.

- Steps: look at the database; stream dump → compression → store; judge the evidence; commit the data; commit the
  manifest. Whatever goes wrong before the last step, nothing exists and nothing is left behind.
- Memory is constant: one piece of about 1 MiB at a time.
"""

from __future__ import annotations

from handlers.core.catalogue import DATA, Catalogue, folder, new_id
from handlers.core.errors import OutsideError, Problem, Refusal
from handlers.core.jobs import Progress
from handlers.core.manifests import BackupKind, DumpEvidence, Manifest, incomplete
from handlers.core.objects import Stored
from handlers.core.ports import Clock, DatabaseFacts, Target, Upload
from handlers.core.text import Bytes, Code, Text
from handlers.core.work import Work


def capture(target: Target, catalogue: Catalogue, kind: BackupKind, work: Work, clock: Clock) -> Manifest:
    """Makes one backup. Raises Refusal (nothing to save, or cancelled), OutsideError or Damage; then there is none."""
    job, begun = work.job, clock.monotonic()
    facts = target.database.facts()
    if facts.collections == 0:
        raise Refusal(
            Text(
                "The database {database} is empty or its name is wrong: nothing to save.", database=Code(facts.database)
            )
        )
    backup = new_id(job.created, job.id)
    data_key = f"{folder(target.name, backup)}/{DATA}"
    upload = target.store.open_write(data_key)
    try:
        evidence = _stream(target, upload, facts, work, clock)
        problem = incomplete(evidence)
        if problem is not None:
            raise OutsideError(
                Text("{problem}. No backup was kept. {lines}", problem=problem, lines=evidence.last_lines)
            )
        work.check()
        receipt = upload.commit()
    except BaseException:
        upload.abort()
        raise
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
        data=Stored(data_key, evidence.sha256, evidence.stored_bytes, receipt),
        packing=evidence.packing,
        slice=None,
        torn="the oplog is not saved yet",
        raw_bytes=evidence.raw_bytes,
        tool=evidence.tool,
        server=evidence.server,
        collections=evidence.announced,
    )
    try:
        catalogue.commit(manifest)
    except Problem:
        catalogue.forget_data(backup)
        raise
    return manifest


def _stream(target: Target, upload: Upload, facts: DatabaseFacts, work: Work, clock: Clock) -> DumpEvidence:
    begun = clock.monotonic()
    stage = Text("Saving {size} of {database}", size=Bytes(facts.data_bytes), database=Code(facts.database))
    with target.database.dump() as dump:
        while piece := dump.read():
            work.check()
            upload.write(piece)
            elapsed = max(clock.monotonic() - begun, 0.001)
            work.progress(Progress(stage, dump.raw_bytes, facts.data_bytes, round(dump.raw_bytes / elapsed)))
        return dump.evidence()
