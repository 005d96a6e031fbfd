"""A scrub: one stored backup read from its first byte to its last, without loading it anywhere.

- Level 0: its files are there, as long as written down. Level 1: the SHA-256 of each is the one written down.
- Level 2: the data unpacks to an archive that ends where it may end, in which every collection was closed, and which
  holds exactly the collections, counts and definitions of the manifest. Of the slice, level 1 is all; of a backup that
  no key here opens too.
- mongodump 100.7 shuffles the fields of options in the archive (TOOLS-3411), so their order is not compared here; the
  manifest has it, under its own digest.
- What could not be read is an OutsideError, and says nothing about the backup.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from handlers.core.door.work import Work
from handlers.core.formats.evidence import Check, Evidence, Verdict
from handlers.core.formats.manifests import CollectionSpec, Manifest, differences, reported_name
from handlers.core.formats.objects import Stored
from handlers.core.ports import ArchiveEvidence, Clock, Target
from handlers.core.restores.checkups import Ending, Laps, Reached, noting, present, receipt
from handlers.core.restores.loadings import solid, told_pieces
from handlers.core.words.errors import Damage
from handlers.core.words.text import Code, Text

LEVEL = 2


def scrub(target: Target, manifest: Manifest, work: Work, clock: Clock) -> Evidence:
    """What was found. Raises Cancelled or OutsideError; then nothing is known."""
    laps, reached = Laps(clock), Reached()
    verdict, reason = Verdict.PASS, ""
    laps.begin("read")
    try:
        read(target, manifest, work, clock, reached)
    except Damage as damage:
        verdict, reason = Verdict.FAIL, str(damage.text)
    return receipt(manifest, work, clock, Ending(Check.SCRUB, reached.level, verdict, reason, laps.stop()))


def read(target: Target, manifest: Manifest, work: Work, clock: Clock, reached: Reached) -> None:
    """Takes a backup through the levels of a scrub. Raises Damage at the level reached; Cancelled or OutsideError."""
    for stored in manifest.files:
        present(target.store, stored)
    reached.level = 1
    if not target.database.opens(manifest.packing):
        _read_through(target, manifest.files, work, clock)
        return
    seen = _walked(target, manifest, work, clock, reached)
    _read_through(target, manifest.files[1:], work, clock)
    reached.level = LEVEL
    _judge(manifest, seen)


def _read_through(target: Target, files: Sequence[Stored], work: Work, clock: Clock) -> None:
    for stored in files:
        for _ in told_pieces(target.store, stored, Text("Reading {key}", key=Code(stored.key)), work, clock):
            continue


def _walked(target: Target, manifest: Manifest, work: Work, clock: Clock, reached: Reached) -> ArchiveEvidence:
    told = Text("Reading the stored copy")
    pieces = noting(told_pieces(target.store, manifest.data, told, work, clock), reached)
    try:
        return target.database.examine(pieces)
    except Damage:
        if not reached.misread:
            # Which of two: bytes that changed since they were written (this raises then), or a backup made wrong.
            for _ in pieces:
                continue
            reached.level = LEVEL
        raise


def _judge(manifest: Manifest, seen: ArchiveEvidence) -> None:
    """Raises Damage unless the archive is whole and the manifest's."""
    if not seen.whole:
        raise Damage(Text("The archive ends in the middle of something."))
    wanted, found = map(_orderless, manifest.collections), map(_orderless, seen.announced)
    problems = differences(tuple(wanted), tuple(found))
    if problems:
        raise Damage(Text("The archive is not the manifest's: {first}.", first=problems[0]))
    for spec in solid(manifest):
        if reported_name(spec) not in seen.closed:
            raise Damage(Text("The archive ends inside {name}.", name=Code(spec.name)))


def _orderless(spec: CollectionSpec) -> CollectionSpec:
    options = json.dumps(json.loads(spec.options), sort_keys=True, separators=(",", ":"))
    return replace(spec, options=options)
