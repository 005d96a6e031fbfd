"""A moment, drilled: the backup once more and the saved oplog after it, as far as that leads, where nobody works.

- The newest moment that the slices lead to from this backup; without any, there is nothing to drill.
- The backup is loaded anew and counted, its own slice and the later ones are replayed in one go; then validators,
  indexes and views; every definition must be what the slices say it is by then. The last slice that holds changes must
  have been read: a replay that stopped early is a failure. What the team asks is asked of this moment too.
- Another drill of the same moment from the same backup, by the same version of MongoDB, must have the same hashes.
- It says nothing about the backup, which was proved before: a failure quarantines nothing, and fails the job.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from handlers.core.backups.timelines import Link, followed, links, path, windows
from handlers.core.door.work import Work
from handlers.core.formats.evidence import History, Moment, Verdict
from handlers.core.formats.manifests import Manifest
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import Clock, Database, ReplayEvidence, Scratch, Target
from handlers.core.restores.loadings import compare, complete, counted, load, replay, told_pieces
from handlers.core.restores.stagings import Wanted
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.jobs import Progress
from handlers.core.words.text import Code, Text

UNPACKED = 4
"""How many times its stored size a slice may need."""


@dataclass(frozen=True, slots=True)
class Way:
    """From a backup to the newest moment after it."""

    chain: tuple[Link, ...]
    until: OpTime


def way(target: Target, manifest: Manifest) -> Way | None:
    """None where no saved oplog leads on. Raises OutsideError."""
    if manifest.slice is None or not followed(manifest, target.database.name):
        return None
    begin, known = manifest.slice.end, links(target.store, target.name)
    until = max((end for start, end in windows(known) if start <= begin < end), default=begin)
    chain = path(known, begin, until)
    return Way(chain, until) if chain else None


@dataclass(frozen=True, slots=True)
class Trial:
    """One moment on trial. `past`: the receipts of this backup; `asked`: the verdict of the team's questions about a
    database, and its reason."""

    target: Target
    manifest: Manifest
    on: Way
    past: History
    clock: Clock
    asked: Callable[[Database], tuple[Verdict, str]]

    def run(self, scratch: Scratch, work: Work) -> Moment:
        """What was found, in another empty scratch database. Raises what `check` of the work raises."""
        found = Moment(str(self.on.until), len(self.on.chain), Verdict.UNKNOWN)
        need_bytes = self.manifest.raw_bytes + UNPACKED * sum(link.stored.size_bytes for link in self.on.chain)
        try:
            with scratch.open(need_bytes) as database:
                found = self._found(database, found, work)
                _same_as_before(self.past, found, database.facts().server)
                verdict, reason = self.asked(database)
            return replace(found, verdict=verdict, reason=reason)
        except Damage as damage:
            return replace(found, verdict=Verdict.FAIL, reason=str(damage.text))
        except (OutsideError, Refusal) as error:
            work.check()
            return replace(found, verdict=Verdict.UNKNOWN, reason=str(error.text))

    def _found(self, database: Database, found: Moment, work: Work) -> Moment:
        begun = self.clock.monotonic()
        evidence = self._replayed(database, work)
        work.progress(Progress(Text("Completing and comparing")))
        complete(database, evidence.specs, work)
        there = database.collections(count=True)
        compare(evidence.specs, [replace(each.spec, documents=0) for each in there])
        documents = sum(each.spec.documents for each in there)
        milliseconds = round((self.clock.monotonic() - begun) * 1000)
        work.progress(Progress(Text("Hashing every collection")))
        hashes = dict(database.hashes())
        return replace(found, changes=evidence.entries, documents=documents, milliseconds=milliseconds, hashes=hashes)

    def _replayed(self, database: Database, work: Work) -> ReplayEvidence:
        """The backup, counted, and everything after it up to the moment."""
        manifest, until = self.manifest, self.on.until
        told = Text("Loading {backup} once more, for {time}", backup=Code(manifest.id), time=until.moment)
        pieces = told_pieces(self.target.store, manifest.data, told, work, self.clock)
        load(database, pieces, "", manifest.collections, of=manifest)
        counted(database, manifest)
        own = () if manifest.slice is None else (manifest.slice.stored,)
        slices, names = [*own, *(link.stored for link in self.on.chain)], Wanted(manifest)
        evidence = replay(self.target, slices, "", manifest.collections, work, names=names, until=until, into=database)
        _read_to_its_end(self.on, evidence.last)
        return evidence


def _read_to_its_end(on: Way, last: OpTime | None) -> None:
    """Raises Damage unless an entry of the last slice that holds any was seen, and none that came after the moment."""
    begin = max((link.start for link in on.chain if link.entries), default=None)
    if begin is not None and (last is None or last <= begin):
        raise Damage(Text("The replay ended before the last changes that are saved."))
    if last is not None and last > on.until:
        raise Damage(Text("Changes from after {time} were replayed.", time=on.until.moment))


def _same_as_before(past: History, found: Moment, server: str) -> None:
    """Raises Damage when an earlier drill of the same moment saw other documents."""
    for each in past.evidence:
        before = each.moment
        if before is None or before.verdict is not Verdict.PASS or each.server != server:
            continue
        if before.until == found.until and dict(before.hashes) != dict(found.hashes):
            raise Damage(Text("The same moment gave other documents than in the drill of {time}.", time=each.made))
