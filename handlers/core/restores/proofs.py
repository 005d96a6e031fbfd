"""The proofs of backups: `verify` scrubs one, `drill` restores one where nobody works. What is found is kept beside it.

- Without an id, `verify` takes the backup that was looked at longest ago, `drill` the newest.
- Both only read what is stored: they hold a lane of their own, so that backups and restores go on beside them.
- A check that fails ends its job as failed, and quarantines the backup; one that could not be brought to its end says
  so, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from handlers.core.backups.catalogue import Catalogue, Catalogues
from handlers.core.backups.targets import named
from handlers.core.door.work import Work
from handlers.core.formats.evidence import Check, Evidence, Moment, Standing, Verdict
from handlers.core.formats.manifests import Manifest
from handlers.core.ports import Clock, Target
from handlers.core.restores.drills import Drill, Laboratory
from handlers.core.restores.scrubs import scrub
from handlers.core.words.answers import Draft, Start, TargetName
from handlers.core.words.cards import Card, Fact
from handlers.core.words.digests import Json
from handlers.core.words.errors import Refusal
from handlers.core.words.job_cards import Wording, job_card
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Bytes, Code, Lines, Seconds, Text

VERIFY, DRILL = "backup.verify", "backup.drill"
OPERATIONS = frozenset({VERIFY, DRILL})
LANE = "proof"
_NEVER = datetime.min.replace(tzinfo=UTC)
_RESULTS = {
    Verdict.PASS: Text("passed"),
    Verdict.FAIL: Text("failed"),
    Verdict.UNKNOWN: Text("could not tell"),
}


@dataclass(frozen=True, slots=True)
class Proofs:
    """See the module."""

    targets: Mapping[TargetName, Target]
    catalogues: Catalogues
    laboratory: Laboratory
    clock: Clock

    def verify(self, words: Sequence[str]) -> Start:
        """What `/backup verify …` begins. Raises Refusal, OutsideError or Damage."""
        word, target = self._meant(words)
        catalogue = self.catalogues[target]
        manifest = self._longest_ago(catalogue) if word is None else catalogue.find(word)
        return Start(Draft(VERIFY, target, {"backup": manifest.id}, LANE))

    def drill(self, words: Sequence[str]) -> Start:
        """What `/backup drill …` begins. Raises Refusal, OutsideError or Damage."""
        word, target = self._meant(words)
        manifest = self.catalogues[target].find(word or "latest")
        return Start(Draft(DRILL, target, {"backup": manifest.id}, LANE))

    def _meant(self, words: Sequence[str]) -> tuple[str | None, TargetName]:
        match list(words):
            case []:
                return None, named(self.targets, [])
            case [word] if word in self.targets:
                return None, TargetName(word)
            case given:
                return given[0], named(self.targets, given[1:])

    def _longest_ago(self, catalogue: Catalogue) -> Manifest:
        """Never counts as longest; of those, the newest backup."""
        manifests = catalogue.listing().manifests
        if not manifests:
            raise Refusal(Text("There is no backup yet. `/backup now` makes one."))
        checked = catalogue.dossier.last_checked()
        return min(manifests, key=lambda each: checked.get(each.id, _NEVER))

    def describe(self, job: Job) -> Card:
        """The card of one of these jobs."""
        backup = Code(str(job.plan.arguments["backup"]))
        drill = job.plan.operation == DRILL
        subject = Text("Drill of backup {id}", id=backup) if drill else Text("Check of backup {id}", id=backup)
        facts = () if job.outcome is None else _outcome_facts(job.outcome.facts)
        return job_card(job, Wording(subject, facts))

    def run(self, work: Work) -> Outcome:
        """Checks, keeps the receipt, and says what was found. Raises Refusal, OutsideError or Damage."""
        target = self.targets[work.job.target]
        catalogue = self.catalogues[target.name]
        manifest = catalogue.find(str(work.job.plan.arguments["backup"]))
        if work.job.plan.operation == VERIFY:
            evidence = scrub(target, manifest, work, self.clock)
        else:
            past = catalogue.dossier.history(manifest.id)
            evidence = Drill(self.laboratory, target, manifest, past, self.clock).run(work)
        catalogue.dossier.add(evidence)
        for note in _notes(evidence):
            work.note(note)
        return _outcome(manifest, evidence)

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """After a failure or a dead worker: nothing was changed, and nothing is known."""
        why = Text("Its worker stopped.") if reason is None else reason
        state = JobState.INTERRUPTED if reason is None else JobState.FAILED
        said = Text("{why} The check did not come to its end, so it says nothing about the backup.", why=why)
        return Outcome(state, said, {}, again=True)

    def facts(self, target: TargetName, manifest: Manifest) -> tuple[Fact, ...]:
        """What a backup's card says about its checks. Raises OutsideError."""
        history = self.catalogues[target].dossier.history(manifest.id)
        judgement = self.catalogues[target].dossier.standing(manifest.id)
        standing = Text("{word}: {reason}", word=_STANDINGS[judgement.standing], reason=judgement.reason)
        return (
            Fact(Text("Standing"), standing),
            Fact(Text("Last check"), _line(history.last(Check.SCRUB))),
            Fact(Text("Last drill"), _line(history.last(Check.DRILL))),
            *_drilled_moment(history.last(Check.DRILL)),
        )


_STANDINGS = {
    Standing.GOOD: Text("good"),
    Standing.QUARANTINED: Text("quarantined"),
    Standing.UNPROVED: Text("not proved yet"),
}


def _drilled_moment(drill: Evidence | None) -> tuple[Fact, ...]:
    if drill is None or drill.moment is None:
        return ()
    told = Text("{time}: {result}", time=drill.moment.time, result=_RESULTS[drill.moment.verdict])
    return (Fact(Text("Moment it reached"), told),)


def _line(evidence: Evidence | None) -> Text:
    if evidence is None:
        return Text("never")
    words = {"time": evidence.made, "result": _RESULTS[evidence.verdict], "level": evidence.level}
    if evidence.check is Check.DRILL and evidence.verdict is Verdict.PASS:
        return Text("{time}: {result}, data ready after {ready}", ready=Seconds(evidence.ready_seconds), **words)
    return Text("{time}: {result}, level {level}", **words)


def _outcome(manifest: Manifest, evidence: Evidence) -> Outcome:
    facts: dict[str, Json] = {
        "level": evidence.level,
        "milliseconds": round(evidence.seconds * 1000),
        "stored_bytes": evidence.stored_bytes,
        "data_bytes": evidence.data_bytes,
    }
    if evidence.check is Check.DRILL:
        facts["ready_milliseconds"] = round(evidence.ready_seconds * 1000)
    if evidence.moment is not None:
        facts |= _moment_facts(evidence.moment)
    match evidence.verdict:
        case Verdict.PASS if evidence.moment is not None and evidence.moment.verdict is not Verdict.PASS:
            return Outcome(JobState.FAILED, _no_moment(evidence.moment), facts)
        case Verdict.PASS:
            return Outcome(JobState.DONE, _passed(manifest, evidence), facts)
        case Verdict.FAIL:
            text = Text("{reason} The backup is quarantined: `latest` passes it over.", reason=evidence.reason)
            return Outcome(JobState.FAILED, text, facts)
        case Verdict.UNKNOWN:
            text = Text("{reason} Nothing is held against the backup, but it is not proved.", reason=evidence.reason)
            return Outcome(JobState.FAILED, text, facts)
        case _:
            assert_never(evidence.verdict)


def _passed(manifest: Manifest, evidence: Evidence) -> Text:
    if evidence.check is Check.SCRUB:
        return Text(
            "Every byte is as it was written: {size}, SHA-256 fits. It unpacks, and holds the {documents} documents in "
            "{collections} collections that its manifest names.",
            size=Bytes(manifest.stored_bytes),
            documents=evidence.documents,
            collections=evidence.collections,
        )
    whole = Text(
        "It can be restored: after {ready} all {documents} documents in {collections} collections were there, with "
        "their options and indexes.",
        ready=Seconds(evidence.ready_seconds),
        documents=evidence.documents,
        collections=evidence.collections,
    )
    if evidence.moment is None:
        return whole
    return Text(
        "{whole} So can {time}: {changes} changes of {slices} slices of the oplog were replayed, and all was there "
        "after {ready}.",
        whole=whole,
        time=evidence.moment.time,
        changes=evidence.moment.changes,
        slices=evidence.moment.slices,
        ready=Seconds(evidence.moment.ready_seconds),
    )


def _no_moment(moment: Moment) -> Text:
    if moment.verdict is Verdict.FAIL:
        return Text(
            "The backup can be restored, but {time} cannot: {reason} Do not rely on moments after this backup; "
            "`/backup now` makes a new one.",
            time=moment.time,
            reason=moment.reason,
        )
    return Text(
        "The backup can be restored. Whether {time} can be is not known: {reason}",
        time=moment.time,
        reason=moment.reason,
    )


def _moment_facts(moment: Moment) -> dict[str, Json]:
    return {
        "moment": moment.time.isoformat(),
        "moment_verdict": moment.verdict.value,
        "moment_changes": moment.changes,
        "moment_milliseconds": moment.milliseconds,
    }


def _notes(evidence: Evidence) -> tuple[Text, ...]:
    notes = []
    if evidence.check is Check.DRILL:
        rows = "\n".join(f"{name:<10} {milliseconds / 1000:>9.1f} s" for name, milliseconds in evidence.stages)
        notes.append(Text("{rows}", rows=Lines(rows)))
    notes += [
        Text(
            "Question about {name}: {result}. {reason}",
            name=Code(each.collection),
            result=_RESULTS[each.verdict],
            reason=each.reason,
        )
        for each in evidence.answers
    ]
    return tuple(notes)


def _outcome_facts(facts: Mapping[str, Json]) -> tuple[Fact, ...]:
    number = {name: value for name, value in facts.items() if isinstance(value, int)}
    if "level" not in number:
        return ()
    found = [
        Fact(Text("Level"), Text("{level}", level=number["level"])),
        Fact(Text("Stored"), Text("{size}", size=Bytes(number["stored_bytes"]))),
        Fact(Text("Data"), Text("{size}", size=Bytes(number["data_bytes"]))),
    ]
    if "ready_milliseconds" in number:
        found.append(Fact(Text("Data ready after"), Text("{time}", time=Seconds(number["ready_milliseconds"] / 1000))))
    if "moment_milliseconds" in number:
        words = {
            "time": datetime.fromisoformat(str(facts["moment"])),
            "result": _RESULTS[Verdict(str(facts["moment_verdict"]))],
            "ready": Seconds(number["moment_milliseconds"] / 1000),
        }
        found.append(Fact(Text("Newest moment"), Text("{time}: {result}, ready after {ready}", **words)))
    return tuple(found)
