"""/restore: put a backup back in place of the live data, without ever destroying before it has proved.

- `/restore` lists and offers; `/restore ID|latest` makes a plan: what will be replaced, what will go away, what comes.
- A plan needs a code. It names the manifest by its digest and the live collections by theirs; if either is different
  when the work begins, nothing is done.
- Steps: safety backup → load into staging → verify checksum, counts, definitions, and that nothing live was touched
  → build indexes → verify again → decide (one compare-and-set) → switch by renames → migration command → clean up.
- Interrupted before the switch is concluded: back to the old. After: forward to the new. `recover` does either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

from handlers.core.answers import Confirm, Draft, Invocation, Reply, Start, TargetName
from handlers.core.captures import capture
from handlers.core.cards import Button, Card, Fact, Tone
from handlers.core.catalogue import Catalogues, folder, new_id
from handlers.core.digests import Json, spoken
from handlers.core.errors import Damage, OutsideError, Refusal
from handlers.core.job_cards import Wording, job_card
from handlers.core.jobs import Job, JobState, Outcome, Progress
from handlers.core.journals import Decision, Journal, unclosed
from handlers.core.manifests import BackupKind, CollectionKind, Manifest
from handlers.core.policy import Permission
from handlers.core.ports import Clock, LiveCollection, Target
from handlers.core.stagings import definitions_digest, different, stage, untouched
from handlers.core.switches import Switch, clear, own, too_long
from handlers.core.targets import line_of, named
from handlers.core.text import Bytes, Code, Lines, Seconds, Text
from handlers.core.work import Work, beats

OFFERED = 5


class RestoreHandler:
    """See the module."""

    permissions: Mapping[str, Permission] = {"read": Permission.READ, "restore.run": Permission.DESTROY}

    def __init__(self, targets: Mapping[TargetName, Target], catalogues: Catalogues, clock: Clock) -> None:
        self._targets = targets
        self._catalogues = catalogues
        self._clock = clock

    # -- words -------------------------------------------------------------------------------------------------

    def ask(self, invocation: Invocation) -> Reply | Start | Confirm:
        """See Handler."""
        match invocation.words:
            case ():
                return Reply(self._choices(next(iter(self._targets))))
            case ("help", *_):
                return Reply(self._help())
            case (word,) if word in self._targets:
                return Reply(self._choices(TargetName(word)))
            case (word, *rest):
                target = named(self._targets, rest)
                manifest = self._catalogues[target].find(word)
                cautions = self._catalogues[target].cautions(word, manifest)
                return Confirm(self._draft(self._targets[target], manifest, cautions))
            case _:
                raise AssertionError("words are a sequence")

    def _draft(self, target: Target, manifest: Manifest, cautions: tuple[Text, ...]) -> Draft:
        facts = target.database.facts()
        live = own(target.database.collections())
        coming = {spec.name for spec in manifest.collections}
        long = too_long(target.database.name, coming | {each.spec.name for each in live})
        if long:
            raise Refusal(Text("These names are too long to be restored safely: {names}.", names=", ".join(long)))
        gone = sorted({each.spec.name for each in live} - coming)
        arguments: dict[str, Json] = {
            "backup": manifest.id,
            "manifest": hashlib.sha256(manifest.to_bytes()).hexdigest(),
            "made": manifest.created.isoformat(),
            "stored_bytes": manifest.stored_bytes,
            "raw_bytes": manifest.raw_bytes,
            "documents": manifest.documents,
            "collections": len(manifest.collections),
            "database": target.database.name,
            "from_database": manifest.database,
            "live": definitions_digest(live),
            "live_documents": facts.documents,
            "live_collections": len(live),
            "live_bytes": facts.data_bytes,
            "gone": gone,
            "migrate": target.migrate.line,
            "cautions": [str(each) for each in cautions],
        }
        return Draft("restore.run", target.name, arguments)

    def describe(self, job: Job) -> Card:
        """See Handler."""
        arguments = job.plan.arguments
        backup, database = Code(str(arguments["backup"])), Code(str(arguments["database"]))
        subject = Text("Restore {backup} into {database}", backup=backup, database=database)
        if job.state is not JobState.OFFERED:
            return job_card(job, Wording(subject, _plan_facts(job)))
        lines = [
            Text(
                "Everything in {database} now will be replaced by the backup. What is there is saved first; the new "
                "data is loaded beside it, checked, and only then switched in.",
                database=database,
            )
        ]
        cautions = arguments.get("cautions")
        lines += [Text("{caution}", caution=str(each)) for each in cautions] if isinstance(cautions, list) else []
        gone = arguments["gone"]
        if isinstance(gone, list) and gone:
            names = ", ".join(str(name) for name in gone[:10]) + (
                f" and {len(gone) - 10} more" if len(gone) > 10 else ""
            )
            lines.append(Text("Not in the backup, so they will go away: {names}.", names=names))
        if arguments["from_database"] != arguments["database"]:
            lines.append(
                Text("The backup was made of another database: {name}.", name=Code(str(arguments["from_database"])))
            )
        if arguments["migrate"]:
            lines.append(Text("Then runs: {line}", line=Code(str(arguments["migrate"]))))
        lines.append(Text("Compare the words: {words}", words=Code(spoken(job.plan.digest))))
        confirm = Button("confirm", Text("Confirm with a code"), job.id, danger=True)
        return job_card(job, Wording(subject, _plan_facts(job), tuple(lines), (confirm,)))

    def _choices(self, target: TargetName) -> Card:
        listing, now = self._catalogues[target].listing(), self._clock.now()
        if not listing.manifests:
            return Card(
                title=Text("There is nothing to restore for {target}", target=Code(target)),
                tone=Tone.WARNING,
                lines=(Text("`/backup now` makes a backup."),),
            )
        shown = listing.manifests[:OFFERED]
        return Card(
            title=Text("Which backup of {target}?", target=Code(target)),
            lines=(
                *(line_of(manifest, (now - manifest.created).total_seconds()) for manifest in shown),
                Text("A button shows the plan; nothing happens before a code."),
            ),
            buttons=tuple(
                Button("restore_pick", Text("{id}", id=Code(manifest.id)), f"{manifest.id} {target}")
                for manifest in shown
            ),
        )

    def _help(self) -> Card:
        return Card(
            title=Text("/restore"),
            lines=(
                Text("`/restore` shows the newest backups; `/restore latest` or `/restore ID` shows the plan for one."),
                Text("Nothing happens until you confirm the plan with a code from your authenticator."),
                Text("What is live is saved first. The card says which backup takes you back."),
            ),
        )

    # -- work --------------------------------------------------------------------------------------------------

    def run(self, work: Work) -> Outcome:
        """See Handler."""
        job = work.job
        target, catalogue = self._targets[job.target], self._catalogues[job.target]
        manifest = catalogue.find(str(job.plan.arguments["backup"]))
        if hashlib.sha256(manifest.to_bytes()).hexdigest() != job.plan.arguments["manifest"]:
            raise Damage(Text("The backup is not the one that was confirmed. Nothing was done."))
        live = own(target.database.collections())
        if definitions_digest(live) != job.plan.arguments["live"]:
            raise Refusal(
                Text("The collections of the live database changed since you confirmed. Nothing was done; ask again.")
            )
        journal = Journal(target.store, target.name, job.id)
        journal.intend(job)
        if live:
            safety = capture(target, catalogue, BackupKind.PRE_RESTORE, work, self._clock)
            work.note(Text("What is live now is kept as backup {id}.", id=Code(safety.id)))
        staged = stage(target, manifest, work, self._clock)
        untouched(target, live)
        switch = self._decide(target, journal, manifest, staged, work)
        work.progress(Progress(Text("Switching")))
        switch.forward(work.check)
        if not journal.conclude(switched=True):
            raise Damage(Text("Somebody else put the old data back while this worker was switching."))
        return self._after(target, journal, switch, work)

    def _decide(
        self, target: Target, journal: Journal, manifest: Manifest, staged: tuple[LiveCollection, ...], work: Work
    ) -> Switch:
        views = [LiveCollection(spec, "") for spec in manifest.collections if spec.kind is CollectionKind.VIEW]
        specs = {spec.name: spec for spec in manifest.collections}
        new = (*(LiveCollection(specs[each.spec.name], each.uuid) for each in staged), *views)
        old = own(target.database.collections())
        work.settle()
        decided = journal.decide(Decision(go=True, old=old, new=new))
        if not decided.go:
            raise OutsideError(Text("Somebody else took this restore for dead and cleaned up."))
        return Switch(target.database, work.job.id, decided.old, decided.new)

    def _after(self, target: Target, journal: Journal, switch: Switch, work: Work) -> Outcome:
        warnings: list[Text] = []
        if target.migrate.line:
            work.progress(Progress(Text("Running {line}", line=Code(target.migrate.line))))
            warnings += self._migrated(target, work)
        work.progress(Progress(Text("Cleaning up")))
        switch.finish()
        if not target.migrate.line:
            warnings += different(switch.new, own(target.database.collections()))
        journal.close()
        return self._outcome(work.job, JobState.DONE, Text("The live data is the backup's."), warnings, switched=True)

    def _migrated(self, target: Target, work: Work) -> list[Text]:
        try:
            result = target.migrate.run(beats(work))
        except OutsideError as error:
            work.note(error.text)
            return [Text("The migration command did not run: {why}", why=error.text)]
        work.note(
            Text(
                "{line} ended with {code}. {lines}",
                line=Code(target.migrate.line),
                code="no answer in time" if result.return_code is None else str(result.return_code),
                lines=Lines(result.last_lines),
            )
        )
        if result.return_code == 0:
            return []
        return [Text("The migration command failed; its last lines are in the thread.")]

    # -- after something went wrong ----------------------------------------------------------------------------

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """See Handler. The journal and the UUIDs say how far it came."""
        target = self._targets[job.target]
        journal = Journal(target.store, target.name, job.id)
        why = Text("Its worker stopped.") if reason is None else reason
        state = JobState.INTERRUPTED if reason is None else JobState.FAILED
        if journal.intent() is None:
            return Outcome(state, Text("{why} Nothing was begun: the live data is as it was.", why=why), {})
        self._forget_half_a_safety_backup(target, job)
        decided = journal.decide(Decision(go=False))
        switch = Switch(target.database, job.id, decided.old, decided.new)
        if not decided.go:
            clear(target.database, job.id)
            journal.close()
            return self._outcome(
                job, state, Text("{why} The live data is the old data, untouched.", why=why), [], switched=False
            )
        if journal.conclude(switched=False):
            switch.finish()
            journal.close()
            lines = [Text("Whether {line} ran is not known: run it.", line=Code(target.migrate.line))]
            text = Text("{why} The live data is the backup's, complete.", why=why)
            return self._outcome(job, state, text, lines if target.migrate.line else [], switched=True)
        switch.backward()
        clear(target.database, job.id)
        journal.close()
        text = Text("{why} The live data is the old data again, complete.", why=why)
        return self._outcome(job, state, text, [], switched=False)

    def lost(self) -> tuple[Job, ...]:
        """See Handler."""
        found = []
        for target in self._targets.values():
            for job_id in unclosed(target.store, target.name):
                intent = Journal(target.store, target.name, job_id).intent()
                if intent is not None:
                    found.append(intent)
        return tuple(found)

    def _forget_half_a_safety_backup(self, target: Target, job: Job) -> None:
        backup = new_id(job.created, job.id)
        self._catalogues[target.name].forget_data(backup)
        target.store.sweep(self._clock.now() + timedelta(minutes=1), folder(target.name, backup))

    def _outcome(self, job: Job, state: JobState, text: Text, warnings: list[Text], *, switched: bool) -> Outcome:
        catalogue = self._catalogues[job.target]
        safety = new_id(job.created, job.id)
        facts: dict[str, Json] = {"warning": bool(warnings)}
        if catalogue.exists(safety):
            facts["safety"] = safety
        if switched and "safety" in facts:
            text = Text("{text} To go back: `/restore {safety}`.", text=text, safety=safety)
        for warning in warnings:
            text = Text("{text} {warning}", text=text, warning=warning)
        return Outcome(state, text, facts)


def _plan_facts(job: Job) -> tuple[Fact, ...]:
    arguments = job.plan.arguments
    number = {name: value for name, value in arguments.items() if isinstance(value, int)}
    age = Seconds((job.created - datetime.fromisoformat(str(arguments["made"]))).total_seconds())
    return (
        Fact(Text("Backup"), Text("{id}, {age} old", id=Code(str(arguments["backup"])), age=age)),
        Fact(
            Text("It holds"),
            Text(
                "{documents} documents in {collections} collections, {size}",
                documents=number["documents"],
                collections=number["collections"],
                size=Bytes(number["raw_bytes"]),
            ),
        ),
        Fact(
            Text("Live when asked" if job.state.final else "Live now"),
            Text(
                "about {documents} documents in {collections} collections, {size}",
                documents=number["live_documents"],
                collections=number["live_collections"],
                size=Bytes(number["live_bytes"]),
            ),
        ),
        Fact(
            Text("Target"),
            _place(job.target, str(arguments["database"])),
        ),
    )


def _place(target: str, database: str) -> Text:
    if target == database:
        return Text("{target}", target=Code(target))
    return Text("{target}, its database {database}", target=Code(target), database=Code(database))
