"""A drill: a backup restored where nobody works, to see that it can be, and how long it takes.

- Steps: a scrub, so that a drill is all that a scrub is; an empty database on a scratch server; load the archive, its
  last piece only when the SHA-256 fits; replay the slice; validators, indexes and views; count every collection and
  compare its definition with the manifest; hash every collection; ask what the team wants to know.
- Nothing is lenient: a scratch server expires nothing, so every count and definition must be the manifest's.
- The hashes must be those of the first drill of this backup that passed on the same version of MongoDB. (dbHash
  covers documents, also of capped collections; a view has none, its definition is compared.)
- Then the newest moment that the saved oplog leads to from it, in another such place (moments.py). What is found there
  is not held against the backup.
- A scratch server of another series may spell definitions otherwise: what differs there is not held against the backup.
- What could not be brought to its end proves nothing and is an OutsideError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from handlers.core.door.work import Work
from handlers.core.formats.evidence import Answered, Check, Evidence, History, Moment, Verdict
from handlers.core.formats.manifests import CollectionSpec, Manifest
from handlers.core.ports import Clock, Database, Scratch, Target
from handlers.core.restores.checkups import Ending, Laps, Reached, noting, receipt
from handlers.core.restores.handles import holdable
from handlers.core.restores.loadings import compare, complete, counted, load, replay, told_pieces
from handlers.core.restores.moments import Trial, way
from handlers.core.restores.readings import need_key
from handlers.core.restores.scrubs import read
from handlers.core.restores.stagings import Wanted
from handlers.core.words.errors import Damage, OutsideError
from handlers.core.words.jobs import Progress
from handlers.core.words.questions import Question
from handlers.core.words.text import Code, Text

QUESTION_SECONDS = 60.0
LEVEL = 3


@dataclass(frozen=True, slots=True)
class Laboratory:
    """What a drill needs besides a backup."""

    scratch: Scratch
    questions: tuple[Question, ...] = ()


@dataclass(slots=True)
class Findings:
    """What was seen so far."""

    server: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict)
    answers: tuple[Answered, ...] = ()
    moment: Moment | None = None


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill. `past`: the receipts of this backup."""

    laboratory: Laboratory
    target: Target
    manifest: Manifest
    past: History
    clock: Clock

    def run(self, work: Work) -> Evidence:
        """What was found. Raises Refusal, OutsideError or Damage; then nothing is known, and nothing is left."""
        need_key(self.target.database, self.manifest.packing)
        laps, reached, seen = Laps(self.clock), Reached(), Findings()
        try:
            self._drill(work, laps, reached, seen)
            verdict, reason = _verdict(seen.answers)
        except Damage as damage:
            elsewhere = reached.level == LEVEL and _series(seen.server) != _series(self.manifest.server)
            verdict, reason = Verdict.UNKNOWN if elsewhere else Verdict.FAIL, str(damage.text)
        ending = Ending(Check.DRILL, reached.level, verdict, reason, laps.stop())
        evidence = receipt(self.manifest, work, self.clock, ending)
        return replace(evidence, server=seen.server, hashes=seen.hashes, answers=seen.answers, moment=seen.moment)

    def _drill(self, work: Work, laps: Laps, reached: Reached, seen: Findings) -> None:
        laps.begin("read")
        read(self.target, self.manifest, work, self.clock, reached)
        laps.begin("start")
        work.progress(Progress(Text("Starting a scratch server")))
        with self.laboratory.scratch.open(self.manifest.raw_bytes) as database:
            seen.server, reached.level = database.facts().server, LEVEL
            holdable(database.files(), (), self.manifest.collections)
            laps.begin("load")
            told = Text("Loading {backup} into a scratch server", backup=Code(self.manifest.id))
            pieces = told_pieces(self.target.store, self.manifest.data, told, work, self.clock)
            load(database, noting(pieces, reached), "", self.manifest.collections, of=self.manifest)
            laps.begin("replay")
            expected = replayed(self.target, database, self.manifest, work)
            laps.begin("indexes")
            complete(database, expected, work)
            laps.begin("compare")
            work.progress(Progress(Text("Counting and comparing with the manifest")))
            # After a replay neither side is counted: what was dumped was counted before it.
            there = database.collections(count=self.manifest.slice is None)
            compare(expected, [each.spec for each in there])
            laps.begin("hash")
            work.check()
            work.progress(Progress(Text("Hashing every collection")))
            seen.hashes = dict(database.hashes())
            _same_as_before(self.past, self.manifest, seen)
            laps.begin("questions")
            seen.answers = tuple(_answered(database, question, work) for question in self.laboratory.questions)
            laps.begin("end")
            work.progress(Progress(Text("Clearing up")))
        laps.begin("moment")
        seen.moment = self._moment(work)

    def _moment(self, work: Work) -> Moment | None:
        on = way(self.target, self.manifest)

        def asked(database: Database) -> tuple[Verdict, str]:
            return _verdict([_answered(database, question, work) for question in self.laboratory.questions])

        if on is None:
            return None
        trial = Trial(self.target, self.manifest, on, self.past, self.clock, asked)
        return trial.run(self.laboratory.scratch, work)


def replayed(target: Target, database: Database, manifest: Manifest, work: Work) -> tuple[CollectionSpec, ...]:
    """Brings what was loaded to the moment of the backup; what must be there then. What was dumped is counted before
    its slice is replayed over it; after it there is nothing to count by, so documents are 0. Raises Damage."""
    if manifest.slice is None:
        return manifest.collections
    counted(database, manifest)
    slices, names = [manifest.slice.stored], Wanted(manifest)
    return replay(target, slices, "", manifest.collections, work, names=names, into=database).specs


def _same_as_before(past: History, manifest: Manifest, seen: Findings) -> None:
    """Raises Damage when the first drill that passed saw other documents."""
    first = next(
        (
            each
            for each in past.evidence
            if each.check is Check.DRILL and each.verdict is Verdict.PASS and each.server == seen.server
        ),
        None,
    )
    if first is None:
        return
    names = sorted(first.hashes.keys() | seen.hashes.keys())
    other = [name for name in names if first.hashes.get(name) != seen.hashes.get(name)]
    if other:
        raise Damage(
            Text(
                "The same backup gave other documents in {name} than in the drill of {time}. Loading is not reliable.",
                name=Code(other[0]),
                time=first.made,
            )
        )


def _answered(database: Database, question: Question, work: Work) -> Answered:
    work.check()
    work.progress(Progress(Text("Asking about {name}", name=Code(question.collection))))
    try:
        if database.holds(question.collection, question.pipeline, question.at_least, QUESTION_SECONDS):
            return Answered(question.collection, Verdict.PASS)
    except OutsideError as error:
        return Answered(question.collection, Verdict.UNKNOWN, str(error.text))
    few = Text("fewer than {count} documents answer it", count=question.at_least)
    return Answered(question.collection, Verdict.FAIL, str(few))


def _verdict(answers: Sequence[Answered]) -> tuple[Verdict, str]:
    for verdict in (Verdict.FAIL, Verdict.UNKNOWN):
        for each in answers:
            if each.verdict is verdict:
                text = Text("The question about {name}: {why}.", name=Code(each.collection), why=each.reason)
                return verdict, str(text)
    return Verdict.PASS, ""


def _series(version: str) -> str:
    return ".".join(version.split(".")[:2])
