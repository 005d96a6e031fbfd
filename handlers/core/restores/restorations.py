"""A restoration: one restore or undo at work, and what is true when it was interrupted.

- A restore: check the plan again → intent → safety backup → stage → nothing live was touched → decide (one
  compare-and-set) → switch by renames → conclude → migration command → what was replaced is kept for a while.
- An undo is the same switch the other way: what a restore moved away comes back, and what is live now is kept in its
  place, so that an undo can be undone.
- Interrupted before it is concluded: back to the old data. After: forward to the new. `recover` does either.
- While writes are blocked for the switch, whoever ends it, worker or rescuer, opens them again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from handlers.core.backups.captures import capture, unchanged_since
from handlers.core.backups.catalogue import Catalogue, Catalogues, folder, new_id
from handlers.core.backups.journals import Decision, Journal, kept, unclosed
from handlers.core.backups.timelines import links, path
from handlers.core.door.work import Work, beats
from handlers.core.formats.manifests import BackupKind, CollectionKind, Manifest
from handlers.core.formats.objects import Stored
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import Clock, LiveCollection, Target
from handlers.core.restores.destinations import confirmed_place
from handlers.core.restores.readings import need_key
from handlers.core.restores.restore_plans import RestorePlan, UndoPlan
from handlers.core.restores.stagings import Staged, Wanted, definitions_digest, different, stage, untouched
from handlers.core.restores.switches import Switch, clear, old_prefix, own, staging_prefix
from handlers.core.words.answers import JobId, TargetName
from handlers.core.words.digests import Json
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.jobs import Job, JobState, Outcome, Progress
from handlers.core.words.text import Code, Lines, Text

UNDO = "restore.undo"
TIDY = "restore.tidy"
REUSE_SECONDS = 900


def unlocked(target: TargetName, kind: BackupKind) -> datetime | None:
    """Nothing is locked."""
    return None


@dataclass(frozen=True, slots=True)
class Restorations:
    """All that restores need; `targets` in their order. `lock_until`: until when a backup made now is locked.
    `servers`: those of the targets to which backups of others may be restored."""

    targets: Mapping[TargetName, Target]
    catalogues: Catalogues
    clock: Clock
    lock_until: Callable[[TargetName, BackupKind], datetime | None] = unlocked
    servers: Mapping[TargetName, Target] = field(default_factory=dict)

    # -- at work -----------------------------------------------------------------------------------------------

    def run(self, work: Work) -> Outcome:
        """Puts a backup in place. Raises Cancelled, Refusal, OutsideError or Damage; `recover` then says what is so."""
        job, plan = work.job, RestorePlan.of(work.job.plan.arguments)
        target, catalogue = self._place(job, plan.database), self.catalogues[job.target]
        confirmed_place(target, plan)
        source = TargetName(plan.source or job.target)
        manifest = self.catalogues[source].find(plan.backup)
        if hashlib.sha256(manifest.to_bytes()).hexdigest() != plan.manifest:
            raise Damage(Text("The backup is not the one that was confirmed. Nothing was done."))
        need_key(target.database, manifest.packing)
        live = _as_confirmed(target, plan.live)
        journal = Journal(target.store, target.name, job.id)
        journal.intend(job)
        safety = self._saved(target, catalogue, work) if live else None
        wanted = self._wanted(self.targets[source], manifest, plan)
        staged = stage(target, wanted, work, self.clock)
        untouched(target, live)
        old = tuple(each for each in own(target.database.collections()) if each.spec.name in wanted)
        decision = Decision(
            go=True,
            old=old,
            new=_new(wanted, staged),
            staged=staging_prefix(job.id),
            blocked=plan.blocks_writes,
        )
        switch = _decided(target, journal, decision, work)
        self._switch(target, journal, switch, work, block=plan.blocks_writes)
        return self._after(target, journal, switch, work, plan, safety)

    def undo(self, work: Work) -> Outcome:
        """Puts back what a restore replaced. Raises as `run`."""
        job, plan = work.job, UndoPlan.of_arguments(work.job.plan.arguments)
        target = self._place(job, plan.database)
        live = _as_confirmed(target, plan.live)
        before = Journal(target.store, target.name, JobId(plan.of))
        began = kept_decision(before)
        back = kept_collections(target, before.job, began)
        journal = Journal(target.store, target.name, job.id)
        journal.intend(job)
        touched = {each.spec.name for each in (*began.old, *began.new)}
        now = tuple(each for each in live if each.spec.name in touched)
        decision = Decision(go=True, old=now, new=back, staged=old_prefix(JobId(plan.of)))
        switch = _decided(target, journal, decision, work)
        self._switch(target, journal, switch, work, block=False)
        work.progress(Progress(Text("Cleaning up")))
        self._keep(target, journal, switch, plan.keep_hours)
        before.gone()
        journal.close()
        text = Text("The live data is what it was before the restore.")
        return self._outcome(job, JobState.DONE, text, [], undo=plan.keep_hours > 0)

    def tidy(self, work: Work) -> Outcome:
        """Removes what was kept for an undo and whose time is over. May be repeated."""
        target, count = self.targets[work.job.target], 0
        for each in kept(target.store, target.name):
            if each.until > self.clock.now():
                continue
            work.check()
            clear(target.database.sibling(each.database), old_prefix(each.job))
            Journal(target.store, target.name, each.job).gone()
            count += 1
        text = Text("What {count} restores replaced was kept long enough and is gone.", count=count)
        return Outcome(JobState.DONE, text, {})

    def _place(self, job: Job, database: str) -> Target:
        target = self.targets.get(job.target)
        if target is None:
            raise OutsideError(Text("There is no {target} in the configuration any more.", target=Code(job.target)))
        return replace(target, database=target.database.sibling(database))

    def _saved(self, target: Target, catalogue: Catalogue, work: Work) -> str:
        """A backup of what is live: a new one, or one that is minutes old when nothing was written since."""
        now = self.clock.now()
        for manifest in catalogue.sound()[:1]:
            fresh = now - manifest.created < timedelta(seconds=REUSE_SECONDS)
            if fresh and manifest.database == target.database.name and unchanged_since(target, manifest):
                work.note(
                    Text("Nothing was written since backup {id}, so it keeps what is live now.", id=Code(manifest.id))
                )
                return manifest.id
        lock = self.lock_until(target.name, BackupKind.PRE_RESTORE)
        made = capture(target, catalogue, BackupKind.PRE_RESTORE, work, self.clock, lock_until=lock)
        work.note(Text("What is live now is kept as backup {id}.", id=Code(made.id)))
        return made.id

    def _wanted(self, target: Target, manifest: Manifest, plan: RestorePlan) -> Wanted:
        slices: list[Stored] = [] if manifest.slice is None else [manifest.slice.stored]
        until = OpTime.parse(plan.until) if plan.until else None
        if until is not None:
            if manifest.slice is None:
                raise Damage(Text("This backup is not of one moment, so nothing can be replayed over it."))
            chain = path(links(target.store, target.name), manifest.slice.end, until)
            if chain is None:
                raise Refusal(Text("The changes up to that time are not saved any more. Nothing was done; ask again."))
            slices += [link.stored for link in chain]
        return Wanted(manifest, plan.only, tuple(slices), until)

    def _switch(self, target: Target, journal: Journal, switch: Switch, work: Work, *, block: bool) -> None:
        work.progress(Progress(Text("Switching")))
        if block:
            target.database.block_writes(block=True)
        switch.forward(work.check)
        if not journal.conclude(switched=True):
            raise Damage(Text("Somebody else put the old data back while this worker was switching."))
        if block:
            target.database.block_writes(block=False)

    def _after(
        self, target: Target, journal: Journal, switch: Switch, work: Work, plan: RestorePlan, safety: str | None
    ) -> Outcome:
        warnings: list[Text] = []
        if plan.migrate:
            work.progress(Progress(Text("Running {line}", line=Code(plan.migrate))))
            warnings += _migrated(target, work)
        work.progress(Progress(Text("Cleaning up")))
        self._keep(target, journal, switch, plan.keep_hours)
        if not plan.migrate:
            names = {each.spec.name for each in switch.new}
            found = own(target.database.collections())
            warnings += different(switch.new, [each for each in found if not plan.only or each.spec.name in names])
        journal.close()
        text = Text("The live data is the backup's.")
        if plan.at:
            text = Text("The live data is as it was at {time}.", time=plan.wanted_moment)
        undo = plan.keep_hours > 0 and bool(switch.old)
        return self._outcome(work.job, JobState.DONE, text, warnings, switched=True, safety=safety, undo=undo)

    def _keep(self, target: Target, journal: Journal, switch: Switch, hours: int) -> None:
        """What was replaced stays for the undo, or goes."""
        keep = hours > 0 and bool(switch.old)
        if keep:
            journal.keep(target.database.name, self.clock.now() + timedelta(hours=hours))
        switch.finish(keep=keep)

    # -- after something went wrong ----------------------------------------------------------------------------

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """See Handler. The journal and the UUIDs say how far it came."""
        why = Text("Its worker stopped.") if reason is None else reason
        state = JobState.INTERRUPTED if reason is None else JobState.FAILED
        if job.plan.operation == TIDY:
            return Outcome(state, Text("{why} What was to be removed is removed the next time.", why=why), {})
        target = self._place(job, str(job.plan.arguments["database"]))
        journal = Journal(target.store, target.name, job.id)
        if journal.intent() is None:
            return Outcome(state, Text("{why} Nothing was begun: the live data is as it was.", why=why), {})
        self._forget_half_a_safety_backup(target, job)
        decided = journal.decide(Decision(go=False))
        if not decided.go:
            if job.plan.operation != UNDO:
                clear(target.database, staging_prefix(job.id))
            journal.close()
            return self._outcome(job, state, Text("{why} The live data is the old data, untouched.", why=why), [])
        switch = Switch(target.database, decided.staged, old_prefix(job.id), decided.old, decided.new)
        if journal.conclude(switched=False):
            return self._forward(target, journal, switch, job, state, why, decided)
        if not journal.is_back:
            switch.backward()
            journal.put_back()
        if decided.blocked:
            target.database.block_writes(block=False)
        if job.plan.operation != UNDO:
            clear(target.database, staging_prefix(job.id))
        clear(target.database, old_prefix(job.id))
        journal.close()
        return self._outcome(job, state, Text("{why} The live data is the old data again, complete.", why=why), [])

    def _forward(
        self, target: Target, journal: Journal, switch: Switch, job: Job, state: JobState, why: Text, decided: Decision
    ) -> Outcome:
        if decided.blocked:
            target.database.block_writes(block=False)
        hours = int(str(job.plan.arguments["keep_hours"]))
        self._keep(target, journal, switch, hours)
        if job.plan.operation == UNDO:
            Journal(target.store, target.name, JobId(str(job.plan.arguments["of"]))).gone()
            journal.close()
            text = Text("{why} The live data is what it was before the restore, complete.", why=why)
            return self._outcome(job, state, text, [], undo=hours > 0)
        journal.close()
        line = str(job.plan.arguments["migrate"])
        lines = [Text("Whether {line} ran is not known: run it.", line=Code(line))] if line else []
        text = Text("{why} The live data is the backup's, complete.", why=why)
        return self._outcome(job, state, text, lines, switched=True, undo=hours > 0 and bool(switch.old))

    def lost(self) -> tuple[Job, ...]:
        """See Handler."""
        intents = (
            Journal(target.store, target.name, job).intent()
            for target in self.targets.values()
            for job in unclosed(target.store, target.name)
        )
        return tuple(intent for intent in intents if intent is not None)

    def _forget_half_a_safety_backup(self, target: Target, job: Job) -> None:
        backup = new_id(job.created, job.id)
        self.catalogues[target.name].forget_data(backup)
        target.store.sweep(self.clock.now() + timedelta(minutes=1), folder(target.name, backup))

    def _outcome(
        self,
        job: Job,
        state: JobState,
        text: Text,
        warnings: list[Text],
        *,
        switched: bool = False,
        safety: str | None = None,
        undo: bool = False,
    ) -> Outcome:
        facts: dict[str, Json] = {"warning": bool(warnings)}
        own_backup = new_id(job.created, job.id)
        if safety is None and self.catalogues[job.target].exists(own_backup):
            safety = own_backup
        if safety is not None:
            facts["safety"] = safety
        if undo:
            facts["undo"] = job.id
        if switched and safety is not None:
            text = Text("{text} What it replaced is also kept as backup {safety}.", text=text, safety=Code(safety))
        for warning in warnings:
            text = Text("{text} {warning}", text=text, warning=warning)
        return Outcome(state, text, facts)


def kept_decision(before: Journal) -> Decision:
    """What a restore decided, as long as what it replaced is kept. Raises Refusal when that is there no more."""
    decision = before.decision()
    if before.kept() is None or decision is None:
        raise Refusal(Text("What that restore replaced is not kept any more."))
    return decision


def kept_collections(target: Target, of: JobId, decision: Decision) -> tuple[LiveCollection, ...]:
    """What a restore replaced, where it is kept, under its live names. Raises Damage when a part of it is missing."""
    prefix = old_prefix(of)
    there = {each.spec.name.removeprefix(prefix): each for each in target.database.collections(prefix=prefix)}
    found = []
    for each in decision.old:
        if each.spec.kind is CollectionKind.VIEW:
            found.append(each)
            continue
        held = there.get(each.spec.name)
        same = held is not None and (each.spec.kind is CollectionKind.TIMESERIES or held.uuid == each.uuid)
        if held is None or not same:
            raise Damage(Text("The kept {name} is not there. Nothing was done.", name=Code(each.spec.name)))
        found.append(LiveCollection(each.spec, held.uuid))
    return tuple(found)


def _as_confirmed(target: Target, digest: str) -> tuple[LiveCollection, ...]:
    live = own(target.database.collections())
    if definitions_digest(live) != digest:
        raise Refusal(
            Text("The collections of the live database changed since you confirmed. Nothing was done; ask again.")
        )
    return live


def _new(wanted: Wanted, staged: Staged) -> tuple[LiveCollection, ...]:
    """What comes in, with the definitions it must have: what stands staged has longer TTL ages."""
    specs = {spec.name: spec for spec in staged.specs}
    views = tuple(LiveCollection(spec, "") for spec in staged.views if spec.name in wanted)
    return (*(LiveCollection(specs[each.spec.name], each.uuid) for each in staged.collections), *views)


def _decided(target: Target, journal: Journal, decision: Decision, work: Work) -> Switch:
    work.settle()
    decided = journal.decide(decision)
    if not decided.go:
        raise OutsideError(Text("Somebody else took this restore for dead and cleaned up."))
    return Switch(target.database, decided.staged, old_prefix(work.job.id), decided.old, decided.new)


def _migrated(target: Target, work: Work) -> list[Text]:
    try:
        result = target.migrate.run(beats(work))
    except OutsideError as error:
        work.note(error.text)
        return [Text("The migration command did not run: {why}", why=error.text)]
    work.note(
        Text(
            "{line} ended with {code}. {lines}",
            line=Code(target.migrate.line),
            code=Text("no answer in time") if result.return_code is None else str(result.return_code),
            lines=Lines(result.last_lines),
        )
    )
    if result.return_code == 0:
        return []
    return [Text("The migration command failed; its last lines are in the thread.")]
