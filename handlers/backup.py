"""/backup: make a copy now, see what there is, see what is going on.

- `now` starts a job at once; it adds and removes nothing, so it needs no code.
- `list` shows the newest twenty with age, size and why each is kept; `show ID` what is in one; `status` the last good
  one, what runs, what comes next, and which moments can be restored.
- `verify` and `drill` prove that a copy can be relied on (handlers.core.restores.proofs).
- `prune`, `pin ID` and `unpin ID` are about what stays (handlers.core.backups.keeping).
- A word that means nothing gets a short sentence and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from handlers.core.backups.captures import capture
from handlers.core.backups.catalogue import Catalogues, folder, new_id
from handlers.core.backups.keeping import Keeping, alarm_card, warnings
from handlers.core.backups.targets import KINDS, named, span
from handlers.core.backups.timelines import Link, followed, links, reachable
from handlers.core.door.policy import Permission
from handlers.core.door.records import Jobs
from handlers.core.door.work import Work
from handlers.core.formats.manifests import BackupKind, CollectionKind, Manifest
from handlers.core.ports import Clock, Target
from handlers.core.restores.drills import Laboratory
from handlers.core.restores.proofs import OPERATIONS, Proofs
from handlers.core.words.answers import Confirm, Draft, Invocation, Reply, Start, Surface, TargetName
from handlers.core.words.cards import Card, Fact, Tone
from handlers.core.words.digests import Json
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.job_cards import Wording, job_card
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Bytes, Code, Lines, Person, Seconds, Text

LISTED = 20
AWAY_ROUNDS, AWAY_PAUSE_SECONDS = 4, 5.0
"""How often, and how soon again, a store that is away is asked to take away what is half made."""
WATCHED = frozenset({"backup.stale", "backup.missed", "backup.gap"})


class BackupHandler:
    """See the module. `targets` in their order; the first is meant when none is named."""

    permissions: Mapping[str, Permission] = {
        "read": Permission.READ,
        "backup.now": Permission.OPERATE,
        "backup.verify": Permission.OPERATE,
        "backup.drill": Permission.OPERATE,
        # It deletes, but only what the rules of retention let go, which nobody's words can change (docs/adr/0011).
        "backup.prune": Permission.OPERATE,
        "backup.pin": Permission.OPERATE,
        "backup.unpin": Permission.OPERATE,
    }

    def __init__(
        self,
        targets: Mapping[TargetName, Target],
        catalogues: Catalogues,
        jobs: Jobs,
        clock: Clock,
        keeping: Keeping,
        laboratory: Laboratory,
    ) -> None:
        self._proofs = Proofs(targets, catalogues, laboratory, clock)
        self._targets = targets
        self._catalogues = catalogues
        self._jobs = jobs
        self._clock = clock
        self._keeping = keeping

    def ask(self, invocation: Invocation) -> Reply | Start | Confirm:
        """See Handler."""
        match invocation.words:
            case () | ("help",):
                return Reply(self._help())
            case ("now", *rest):
                return Start(self._now(invocation.actor.surface, named(self._targets, rest)))
            case ("prune", *rest):
                return Start(Draft("backup.prune", named(self._targets, rest)))
            case ("pin" | "unpin" as verb, word, *rest):
                target = named(self._targets, rest)
                backup = self._catalogues[target].find(word).id
                return Start(Draft(f"backup.{verb}", target, {"backup": backup}))
            case ("list", *rest):
                return Reply(self._keeping.listed(named(self._targets, rest), LISTED))
            case ("status", *rest):
                return Reply(self._status(named(self._targets, rest)))
            case ("show", word, *rest):
                return Reply(self._show(named(self._targets, rest), word))
            case ("verify", *rest):
                return self._proofs.verify(rest)
            case ("drill", *rest):
                return self._proofs.drill(rest)
            case ("show" | "pin" | "unpin",):
                raise Refusal(Text("Which backup? `/backup list` shows the ids."))
            case words:
                raise Refusal(
                    Text("/backup does not know {word}. `/backup help` shows what it knows.", word=Code(words[0]))
                )

    def _now(self, surface: Surface, target: TargetName) -> Draft:
        kind = BackupKind.SCHEDULED if surface is Surface.SCHEDULE else BackupKind.MANUAL
        offset = round(self._keeping.offset().total_seconds())
        return Draft("backup.now", target, {"kind": kind.value, "offset_seconds": offset})

    def describe(self, job: Job) -> Card:
        """See Handler."""
        if job.plan.operation in OPERATIONS:
            return self._proofs.describe(job)
        if job.plan.operation in WATCHED:
            return alarm_card(job)
        facts: tuple[Fact, ...] = ()
        subject = _subject(job)
        if job.outcome is not None and "backup" in job.outcome.facts:
            facts = _outcome_facts(job.outcome.facts)
        return job_card(job, Wording(subject, facts))

    def run(self, work: Work) -> Outcome:
        """See Handler."""
        if work.job.plan.operation in OPERATIONS:
            return self._proofs.run(work)
        target = self._targets[work.job.target]
        if work.job.plan.operation == "backup.prune":
            return self._keeping.prune(target, work)
        if work.job.plan.operation in {"backup.pin", "backup.unpin"}:
            return self._keeping.pin(target, self._catalogues[target.name], work)
        kind = BackupKind(str(work.job.plan.arguments["kind"]))
        lock = self._keeping.lock_until(target.name, kind)
        manifest = capture(target, self._catalogues[target.name], kind, work, self._clock, lock_until=lock)
        for note in _notes(manifest):
            work.note(note)
        return self._made(manifest)

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """A backup exists or it does not: look, and take away what is half made."""
        if job.plan.operation in OPERATIONS:
            return self._proofs.recover(job, reason)
        why = Text("Its worker stopped.") if reason is None else reason
        if job.plan.operation == "backup.prune":
            return Outcome(_ended_state(reason), Text("{why} What was not done, the next run does.", why=why), {})
        if job.plan.operation in {"backup.pin", "backup.unpin"}:
            text = Text("{why} Whether the copy is pinned now, `/backup list` says.", why=why)
            return Outcome(_ended_state(reason), text, {})
        # While the manifest was not asked for, there is no backup, whatever the store would say.
        sure = reason is not None and not self._catalogues[job.target].tried(new_id(job.created, job.id))
        for _ in range(AWAY_ROUNDS if sure else 1):
            try:
                return self._looked(job, why, _ended_state(reason))
            except OutsideError:
                if not sure:
                    raise
                self._clock.sleep(AWAY_PAUSE_SECONDS)
        text = Text("{why} No backup was kept. What was uploaded of it goes with a later pruning.", why=why)
        return Outcome(JobState.FAILED, text, {})

    def _looked(self, job: Job, why: Text, state: JobState) -> Outcome:
        target, catalogue = self._targets[job.target], self._catalogues[job.target]
        backup = new_id(job.created, job.id)
        if catalogue.exists(backup):
            return self._made(catalogue.find(backup))
        catalogue.forget_data(backup)
        target.store.sweep(self._clock.now() + timedelta(minutes=1), folder(target.name, backup))
        return Outcome(state, Text("{why} No backup was kept.", why=why), {}, again=True)

    def lost(self) -> tuple[Job, ...]:
        """A backup that lost its record left nothing that anybody would believe: its data has no manifest."""
        return ()

    def _made(self, manifest: Manifest) -> Outcome:
        text = Text(
            "Backup {id} is kept: {documents} documents in {collections} collections.",
            id=Code(manifest.id),
            documents=manifest.documents,
            collections=len(manifest.collections),
        )
        if manifest.torn:
            text = Text("{text} It is not a copy of one moment: {why}", text=text, why=manifest.torn)
        facts: dict[str, Json] = {
            "backup": manifest.id,
            "stored_bytes": manifest.stored_bytes,
            "raw_bytes": manifest.raw_bytes,
            "sha256": manifest.data.sha256,
        }
        return Outcome(JobState.DONE, text, facts)

    def _show(self, target: TargetName, word: str) -> Card:
        catalogue = self._catalogues[target]
        manifest = catalogue.find(word)
        shown = sorted(manifest.collections, key=lambda spec: -spec.size_bytes)[:25]
        lines = [
            Text(
                "{name}: {documents} {unit}, {indexes} indexes",
                name=Code(spec.name),
                documents=spec.documents,
                unit=Text("buckets") if spec.kind is CollectionKind.TIMESERIES else Text("documents"),
                indexes=len(spec.indexes),
            )
            if spec.kind is not CollectionKind.VIEW
            else Text("{name}: a view", name=Code(spec.name))
            for spec in shown
        ]
        if len(manifest.collections) > len(shown):
            lines.append(Text("… and {more} smaller ones.", more=len(manifest.collections) - len(shown)))
        return Card(
            title=Text("Backup {id}", id=Code(manifest.id)),
            lines=(*catalogue.cautions(word, manifest), *lines),
            facts=(
                Fact(Text("Made"), Text("{time}, {kind}", time=manifest.created, kind=KINDS[manifest.kind])),
                Fact(Text("By"), Text("{person}", person=Person(manifest.created_by))),
                Fact(Text("Database"), Text("{name}", name=Code(manifest.database))),
                Fact(Text("Consistent"), _consistency(manifest)),
                Fact(Text("Took"), Text("{took}", took=Seconds(manifest.seconds))),
                Fact(Text("Stored"), Text("{size}", size=Bytes(manifest.stored_bytes))),
                Fact(Text("Data"), Text("{size}", size=Bytes(manifest.raw_bytes))),
                Fact(Text("SHA-256"), Text("{sha}", sha=Code(manifest.data.sha256))),
                *self._proofs.facts(target, manifest),
            ),
        )

    def _status(self, target: TargetName) -> Card:
        listing, now = self._catalogues[target].listing(), self._clock.now()
        suspects = self._catalogues[target].suspects()
        holder = self._jobs.holder(target)
        lines = [Text("Kept in {where}.", where=Code(self._targets[target].store.describe()))]
        lines += self._keeping.status(target)
        if holder is not None:
            lines.append(
                Text(
                    "Running now: {operation}, begun by {person}.",
                    operation=Code(holder.plan.operation),
                    person=Person(holder.plan.actor.person),
                )
            )
        lines += warnings(listing)
        lines += [
            Text("{id} is quarantined: {reason}.", id=Code(backup), reason=reason)
            for backup, reason in suspects.items()
        ]
        sound = [each for each in listing.whole if each.id not in suspects]
        database = self._targets[target].database.name
        bases = [each for each in sound if followed(each, database)]
        lines += _moments(bases, links(self._targets[target].store, target))
        good = [manifest for manifest in sound if manifest.kind is not BackupKind.PRE_RESTORE]
        if not good:
            title, tone = Text("No backup of {target} exists", target=Code(target)), Tone.BAD
        else:
            age = Seconds((now - good[0].created).total_seconds())
            title = Text("The newest backup of {target} is {age} old", target=Code(target), age=age)
            worry = listing.hidden or age.count > 36 * 3600
            bad = listing.damaged or listing.absent or suspects
            tone = Tone.BAD if bad else Tone.WARNING if worry else Tone.GOOD
            lines.insert(0, Text("{id}, {size} stored.", id=Code(good[0].id), size=Bytes(good[0].stored_bytes)))
        return Card(title=title, tone=tone, lines=tuple(lines))

    def _help(self) -> Card:
        lines = [
            Text("`/backup now` makes a copy of the database; it changes nothing in it."),
            Text("`/backup list` shows the copies, `/backup show ID` what is in one."),
            Text("`/backup verify ID` reads a copy from end to end: its checksum, and what is in it."),
            Text("`/backup drill ID` restores a copy where nobody works, and says how long that takes."),
            Text("`/backup pin ID` keeps a copy whatever the rules say; `/backup unpin ID` leaves it to them again."),
            Text("`/backup prune` deletes what the rules let go, as every night; `/backup list` says what they keep."),
            Text("`/backup status` says how old the newest copy is, what runs, and which moments can be restored."),
        ]
        if len(self._targets) > 1:
            names = ", ".join(self._targets)
            lines.append(Text("Add a target's name at the end: {names}.", names=names))
        return Card(title=Text("/backup"), lines=tuple(lines))


def _subject(job: Job) -> Text:
    target, backup = Code(job.target), Code(str(job.plan.arguments.get("backup", "")))
    match job.plan.operation:
        case "backup.prune":
            return Text("Old backups of {target}", target=target)
        case "backup.pin":
            return Text("Pin of backup {id}", id=backup)
        case "backup.unpin":
            return Text("End of the pin of backup {id}", id=backup)
        case _:
            return Text("Backup of {target}", target=target)


def _consistency(manifest: Manifest) -> Text:
    if manifest.slice is None:
        return Text("no: {why}", why=manifest.torn)
    return Text("as of {time}, with {count} changes", time=manifest.moment, count=manifest.slice.entries)


def _moments(bases: Sequence[Manifest], known: Sequence[Link]) -> list[Text]:
    """Which moments can be restored, the newest spans last."""
    spans = [each for each in reachable(bases, known) if each[0] < each[1]]
    lines = [Text("Any moment can be restored: {span}.", span=span(*each)) for each in spans[-3:]]
    if len(spans) > 3:
        lines.insert(0, Text("{count} earlier spans of moments can be restored too.", count=len(spans) - 3))
    return lines


def _ended_state(reason: Text | None) -> JobState:
    return JobState.INTERRUPTED if reason is None else JobState.FAILED


def _outcome_facts(facts: Mapping[str, object]) -> tuple[Fact, ...]:
    match facts:
        case {"stored_bytes": int(stored), "raw_bytes": int(raw), "sha256": str(sha)}:
            return (
                Fact(Text("Stored"), Text("{size}", size=Bytes(stored))),
                Fact(Text("Data"), Text("{size}", size=Bytes(raw))),
                Fact(Text("SHA-256"), Text("{sha}", sha=Code(f"{sha[:16]}…"))),
            )
        case _:
            raise OutsideError(Text("A job's record has no sizes."), permanent=True)


def _notes(manifest: Manifest) -> tuple[Text, ...]:
    largest = sorted(manifest.collections, key=lambda spec: -spec.size_bytes)[:15]
    rows = "\n".join(f"{spec.name:<32.32} {spec.documents:>14,} {spec.kind.value}" for spec in largest)
    from_server = Text("MongoDB {server}, {tool}.", server=manifest.server, tool=manifest.tool)
    return (Text("{rows}", rows=Lines(rows)), from_server)
