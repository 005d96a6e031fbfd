"""/backup: make a copy now, see what there is, see what is going on.

- `now` starts a job at once; it adds and removes nothing, so it needs no code.
- `list` shows the newest ten with age and size; `show ID` what is in one; `status` the last good one and what runs.
- `verify` and `drill` prove that a copy can be relied on (handlers.core.proofs).
- A word that means nothing gets a short sentence and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from handlers.core.answers import Confirm, Draft, Invocation, Reply, Start, TargetName
from handlers.core.captures import capture
from handlers.core.cards import Card, Fact, Tone
from handlers.core.catalogue import Catalogues, Listing, folder, new_id
from handlers.core.digests import Json
from handlers.core.drills import Laboratory
from handlers.core.errors import OutsideError, Refusal
from handlers.core.job_cards import Wording, job_card
from handlers.core.jobs import Job, JobState, Outcome
from handlers.core.manifests import BackupKind, CollectionKind, Manifest
from handlers.core.policy import Permission
from handlers.core.ports import Clock, Target
from handlers.core.proofs import OPERATIONS, Proofs
from handlers.core.records import Jobs
from handlers.core.targets import KINDS, line_of, named
from handlers.core.text import Bytes, Code, Lines, Person, Seconds, Text
from handlers.core.work import Work

LISTED = 10


class BackupHandler:
    """See the module. `targets` in their order; the first is meant when none is named."""

    permissions: Mapping[str, Permission] = {
        "read": Permission.READ,
        "backup.now": Permission.OPERATE,
        "backup.verify": Permission.OPERATE,
        "backup.drill": Permission.OPERATE,
    }

    def __init__(
        self,
        targets: Mapping[TargetName, Target],
        catalogues: Catalogues,
        jobs: Jobs,
        clock: Clock,
        laboratory: Laboratory,
    ) -> None:
        self._proofs = Proofs(targets, catalogues, laboratory, clock)
        self._targets = targets
        self._catalogues = catalogues
        self._jobs = jobs
        self._clock = clock

    def ask(self, invocation: Invocation) -> Reply | Start | Confirm:
        """See Handler."""
        match invocation.words:
            case () | ("help",):
                return Reply(self._help())
            case ("now", *rest):
                return Start(Draft("backup.now", named(self._targets, rest)))
            case ("list", *rest):
                return Reply(self._list(named(self._targets, rest)))
            case ("status", *rest):
                return Reply(self._status(named(self._targets, rest)))
            case ("show", word, *rest):
                return Reply(self._show(named(self._targets, rest), word))
            case ("verify", *rest):
                return self._proofs.verify(rest)
            case ("drill", *rest):
                return self._proofs.drill(rest)
            case ("show",):
                raise Refusal(Text("Which backup? `/backup list` shows the ids."))
            case (word, *_):
                raise Refusal(
                    Text("/backup does not know {word}. `/backup help` shows what it knows.", word=Code(word))
                )
            case _:
                raise AssertionError("words are a sequence")

    def describe(self, job: Job) -> Card:
        """See Handler."""
        if job.plan.operation in OPERATIONS:
            return self._proofs.describe(job)
        facts: tuple[Fact, ...] = ()
        subject = Text("Backup of {target}", target=Code(job.target))
        if job.outcome is not None and "backup" in job.outcome.facts:
            facts = _outcome_facts(job.outcome.facts)
        return job_card(job, Wording(subject, facts))

    def run(self, work: Work) -> Outcome:
        """See Handler."""
        if work.job.plan.operation in OPERATIONS:
            return self._proofs.run(work)
        target = self._targets[work.job.target]
        manifest = capture(target, self._catalogues[target.name], BackupKind.MANUAL, work, self._clock)
        for note in _notes(manifest):
            work.note(note)
        return self._made(manifest)

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """A backup exists or it does not: look, and take away what is half made."""
        if job.plan.operation in OPERATIONS:
            return self._proofs.recover(job, reason)
        why = Text("Its worker stopped.") if reason is None else reason
        target, catalogue = self._targets[job.target], self._catalogues[job.target]
        backup = new_id(job.created, job.id)
        if catalogue.exists(backup):
            return self._made(catalogue.find(backup))
        catalogue.forget_data(backup)
        target.store.sweep(self._clock.now() + timedelta(minutes=1), folder(target.name, backup))
        return Outcome(_ended_state(reason), Text("{why} No backup was kept.", why=why), {})

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
        facts: dict[str, Json] = {
            "backup": manifest.id,
            "stored_bytes": manifest.stored_bytes,
            "raw_bytes": manifest.raw_bytes,
            "sha256": manifest.data.sha256,
        }
        return Outcome(JobState.DONE, text, facts)

    def _list(self, target: TargetName) -> Card:
        listing = self._catalogues[target].listing()
        if not listing.manifests and not listing.damaged and not listing.hidden:
            return Card(
                title=Text("No backups of {target} yet", target=Code(target)), lines=(Text("`/backup now` makes one."),)
            )
        now = self._clock.now()
        lines = [line_of(manifest, (now - manifest.created).total_seconds()) for manifest in listing.manifests[:LISTED]]
        if len(listing.manifests) > LISTED:
            lines.append(Text("… and {more} older ones.", more=len(listing.manifests) - LISTED))
        lines += _warnings(listing)
        tone = Tone.BAD if listing.damaged else Tone.WARNING if listing.hidden else Tone.PLAIN
        return Card(title=Text("Backups of {target}", target=Code(target)), tone=tone, lines=tuple(lines))

    def _show(self, target: TargetName, word: str) -> Card:
        catalogue = self._catalogues[target]
        manifest = catalogue.find(word)
        shown = sorted(manifest.collections, key=lambda spec: -spec.size_bytes)[:25]
        lines = [
            Text(
                "{name}: {documents} {unit}, {indexes} indexes",
                name=Code(spec.name),
                documents=spec.documents,
                unit="buckets" if spec.kind is CollectionKind.TIMESERIES else "documents",
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
        if holder is not None:
            lines.append(
                Text(
                    "Running now: {operation}, begun by {person}.",
                    operation=Code(holder.plan.operation),
                    person=Person(holder.plan.actor.person),
                )
            )
        lines += _warnings(listing)
        lines += [
            Text("{id} is quarantined: {reason}.", id=Code(backup), reason=reason)
            for backup, reason in suspects.items()
        ]
        good = [
            manifest
            for manifest in listing.manifests
            if manifest.kind is not BackupKind.PRE_RESTORE and manifest.id not in suspects
        ]
        if not good:
            title, tone = Text("No backup of {target} exists", target=Code(target)), Tone.BAD
        else:
            age = Seconds((now - good[0].created).total_seconds())
            title = Text("The newest backup of {target} is {age} old", target=Code(target), age=age)
            worry = listing.hidden or age.count > 36 * 3600
            tone = Tone.BAD if listing.damaged or suspects else Tone.WARNING if worry else Tone.GOOD
            lines.insert(0, Text("{id}, {size} stored.", id=Code(good[0].id), size=Bytes(good[0].stored_bytes)))
        return Card(title=title, tone=tone, lines=tuple(lines))

    def _help(self) -> Card:
        lines = [
            Text("`/backup now` makes a copy of the database; it changes nothing in it."),
            Text("`/backup list` shows the copies, `/backup show ID` what is in one."),
            Text("`/backup verify ID` reads a copy from end to end: its checksum, and what is in it."),
            Text("`/backup drill ID` restores a copy where nobody works, and says how long that takes."),
            Text("`/backup status` says how old the newest copy is, and what runs."),
        ]
        if len(self._targets) > 1:
            names = ", ".join(self._targets)
            lines.append(Text("Add a target's name at the end: {names}.", names=names))
        return Card(title=Text("/backup"), lines=tuple(lines))


def _warnings(listing: Listing) -> list[Text]:
    damaged = [Text("Damaged, do not rely on it: {key}", key=Code(key)) for key in listing.damaged]
    hidden = [
        Text("Still there, but somebody hid it by a delete marker or a later version: {key}", key=Code(key))
        for key in listing.hidden[:LISTED]
    ]
    if len(listing.hidden) > LISTED:
        hidden.append(Text("… and {more} more were hidden.", more=len(listing.hidden) - LISTED))
    return damaged + hidden


def _ended_state(reason: Text | None) -> JobState:
    return JobState.INTERRUPTED if reason is None else JobState.FAILED


def _outcome_facts(facts: Mapping[str, object]) -> tuple[Fact, ...]:
    stored, raw = facts["stored_bytes"], facts["raw_bytes"]
    if not isinstance(stored, int) or not isinstance(raw, int):
        raise OutsideError(Text("A job's record has no sizes."), permanent=True)
    return (
        Fact(Text("Stored"), Text("{size}", size=Bytes(stored))),
        Fact(Text("Data"), Text("{size}", size=Bytes(raw))),
        Fact(Text("SHA-256"), Text("{sha}", sha=Code(f"{str(facts['sha256'])[:16]}…"))),
    )


def _notes(manifest: Manifest) -> tuple[Text, ...]:
    largest = sorted(manifest.collections, key=lambda spec: -spec.size_bytes)[:15]
    rows = "\n".join(f"{spec.name:<32.32} {spec.documents:>14,} {spec.kind.value}" for spec in largest)
    from_server = Text("MongoDB {server}, {tool}.", server=manifest.server, tool=manifest.tool)
    return (Text("{rows}", rows=Lines(rows)), from_server)
