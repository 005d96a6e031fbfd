"""/restore: put a backup, or a moment, back in place of the live data, without ever destroying before it has proved.

- `/restore` lists and offers; `/restore ID|latest|TIME [target] [only NAMES] [into DATABASE] [to SERVER]` makes a
  plan: what will be replaced, what will be lost, what comes, how much room it takes. `/restore undo JOB` plans to put
  back what that restore replaced.
- A plan needs a code. It names the manifest by its digest and the live collections by theirs; if either is different
  when the work begins, nothing is done.
- How a restore works, and what is true when it was interrupted: handlers/core/restores/restorations.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from handlers.core.backups.catalogue import new_id
from handlers.core.backups.journals import Journal, journal, kept
from handlers.core.backups.targets import line_of, named, span
from handlers.core.backups.timelines import base, followed, links, reachable
from handlers.core.backups.wishes import Wish, wish
from handlers.core.door.policy import Permission
from handlers.core.door.work import Work
from handlers.core.formats.evidence import Check
from handlers.core.formats.manifests import Manifest
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import Database, DatabaseFacts, LiveCollection, Target
from handlers.core.restores.destinations import destination, fit, place_of
from handlers.core.restores.handles import holdable
from handlers.core.restores.restorations import TIDY, UNDO, Restorations, kept_collections, kept_decision
from handlers.core.restores.restore_plans import (
    UNKNOWN,
    RestorePlan,
    UndoPlan,
    offer_lines,
    place,
    plan_facts,
    undo_lines,
)
from handlers.core.restores.stagings import definitions_digest
from handlers.core.restores.switches import own, too_long
from handlers.core.words.answers import Confirm, Draft, Invocation, JobId, Reply, Start, TargetName
from handlers.core.words.cards import Button, Card, Tone
from handlers.core.words.digests import spoken
from handlers.core.words.errors import Refusal
from handlers.core.words.job_cards import Wording, job_card
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Bytes, Code, Text

OFFERED = 5
RUN = "restore.run"
ROOM = 1.3


class RestoreHandler:
    """See the module. `keep_hours`: how long what was replaced is kept beside the live data; 0: not at all.
    `blocks_writes`: whether nobody else may write during the switch."""

    permissions: Mapping[str, Permission] = {
        "read": Permission.READ,
        RUN: Permission.DESTROY,
        UNDO: Permission.DESTROY,
        TIDY: Permission.OPERATE,
    }

    def __init__(self, restorations: Restorations, *, keep_hours: int = 24, blocks_writes: bool = False) -> None:
        self._restorations = restorations
        self._targets = restorations.targets
        self._catalogues = restorations.catalogues
        self._clock = restorations.clock
        self._keep_hours = keep_hours
        self._blocks_writes = blocks_writes

    # -- words -------------------------------------------------------------------------------------------------

    def ask(self, invocation: Invocation) -> Reply | Start | Confirm:
        """See Handler."""
        match invocation.words:
            case ():
                return Reply(self._choices(next(iter(self._targets))))
            case ("help", *_):
                return Reply(self._help())
            case ("tidy", *rest):
                return self._tidying(named(self._targets, rest))
            case ("undo", *rest):
                return Confirm(self._undoing(rest))
            case (word,) if word in self._targets:
                return Reply(self._choices(TargetName(word)))
            case words:
                return Confirm(self._draft(wish(words)))

    def _draft(self, wanted: Wish) -> Draft:
        name = named(self._targets, [wanted.target] if wanted.target else [])
        target = destination(self._targets, self._restorations.servers, name, wanted.to)
        manifest, until = self._found(name, wanted)
        names = {spec.name for spec in manifest.collections}
        for missing in (each for each in wanted.only if each not in names):
            raise Refusal(
                Text(
                    "That backup has no collection {name}. `/backup show {id}` lists them.",
                    name=Code(missing),
                    id=manifest.id,
                )
            )
        database = target.database.sibling(wanted.into) if wanted.into else target.database
        live = own(database.collections())
        touched = {each.spec.name for each in live if not wanted.only or each.spec.name in wanted.only}
        long = too_long(database.name, names | touched)
        if long:
            raise Refusal(Text("These names are too long to be restored safely: {names}.", names=", ".join(long)))
        plan = self._plan(target, database, manifest, until, wanted, live)
        if target.name != name:
            fit(manifest, plan.server, target.name)
            plan = replace(plan, source=name, place=place_of(target))
        if UNKNOWN != plan.free_bytes < plan.needs_bytes:
            raise Refusal(
                Text(
                    "There is not enough room on the server's disk: it needs about {needs}, and {free} are free.",
                    needs=Bytes(plan.needs_bytes),
                    free=Bytes(plan.free_bytes),
                )
            )
        wanted_specs = [each for each in manifest.collections if not wanted.only or each.name in wanted.only]
        holdable(database.files(), (each.spec for each in live), wanted_specs)
        return Draft(RUN, target.name, plan.arguments())

    def _plan(
        self,
        target: Target,
        database: Database,
        manifest: Manifest,
        until: str,
        wanted: Wish,
        live: Sequence[LiveCollection],
    ) -> RestorePlan:
        source = manifest.target
        facts, there = database.facts(), {each.spec.name for each in live}
        free = facts.free_bytes if facts.free_bytes is not None else target.database.facts().free_bytes
        at = OpTime.parse(until).moment if until else manifest.moment
        touched = sorted(there & set(wanted.only) if wanted.only else there)
        newer = database.newer(at, touched) if live else {}
        unreadable = self._targets[source].data_keys.missing(manifest)
        return RestorePlan(
            backup=manifest.id,
            manifest=hashlib.sha256(manifest.to_bytes()).hexdigest(),
            made=manifest.created.isoformat(),
            moment=manifest.moment.isoformat(),
            torn=manifest.torn,
            at=at.isoformat() if until else "",
            until=until,
            stored_bytes=manifest.stored_bytes,
            raw_bytes=manifest.raw_bytes,
            documents=manifest.documents,
            collections=len(manifest.collections),
            database=database.name,
            from_database=manifest.database,
            live=definitions_digest(live),
            live_documents=facts.documents,
            live_collections=len(live),
            live_bytes=facts.data_bytes,
            only=wanted.only,
            gone=() if wanted.only else tuple(sorted(there - {spec.name for spec in manifest.collections})),
            newer={each: UNKNOWN if count is None else count for each, count in newer.items() if count != 0},
            needs_bytes=_needs(manifest, wanted, facts),
            free_bytes=UNKNOWN if free is None else free,
            from_server=manifest.server,
            server=facts.server,
            keep_hours=self._keep_hours,
            blocks_writes=self._blocks_writes,
            # The command knows the live database only.
            migrate="" if wanted.into else target.migrate.line,
            cautions=tuple(map(str, (*self._catalogues[source].cautions(wanted.backup, manifest), *unreadable))),
            expected_seconds=self._expected(source),
        )

    def _expected(self, target: TargetName) -> int:
        """How long the last drill that passed took; UNKNOWN when none did."""
        last = self._catalogues[target].dossier.history().last(Check.DRILL, good=True)
        return UNKNOWN if last is None else max(1, round(last.ready_seconds))

    def _found(self, name: TargetName, wanted: Wish) -> tuple[Manifest, str]:
        """The backup, and up to when changes are replayed over it (empty: its own moment)."""
        if wanted.at is None:
            return self._catalogues[name].find(wanted.backup), ""
        if wanted.at > self._clock.now():
            raise Refusal(Text("That time has not come yet."))
        until = OpTime.last_of(max(wanted.at, OpTime(0, 0).moment))
        sound, known = self._bases(name), links(self._targets[name].store, name)
        # One that failed a check is better than none: the plan says so.
        found = base(sound, known, until) or base(self._bases(name, sound=False), known, until)
        if found is None:
            there = Text("Nothing can be restored to a moment yet.")
            for each in reachable(sound, known)[-1:]:
                there = Text("The newest that can be restored: {span}.", span=span(*each))
            raise Refusal(Text("That moment is not saved. {there}", there=there))
        return found, str(until)

    def _bases(self, name: TargetName, *, sound: bool = True) -> tuple[Manifest, ...]:
        """The backups from which the saved oplog of a target leads on; not `sound`: quarantined ones too."""
        catalogue, database = self._catalogues[name], self._targets[name].database.name
        there = catalogue.sound() if sound else catalogue.listing().whole
        return tuple(each for each in there if followed(each, database))

    def _undoing(self, words: list[str]) -> Draft:
        match words:
            case [word]:
                of = JobId(word)
            case _:
                raise Refusal(Text("Which restore? Its card says its job: `/restore undo JOB`."))
        for name, target in self._targets.items():
            found = next((each for each in kept(target.store, name) if each.job == of), None)
            if found is None:
                continue
            there_target = replace(target, database=target.database.sibling(found.database))
            if found.until <= self._clock.now():
                raise Refusal(self._nothing_kept(of))
            before = Journal(target.store, name, of)
            back = kept_collections(there_target, of, kept_decision(before))
            live = own(there_target.database.collections())
            # What it put in place is older than its job. How long it was kept, the settings of today do not say.
            began = before.intent()
            since = found.until - timedelta(hours=self._keep_hours) if began is None else began.created
            newer = there_target.database.newer(since, sorted(each.spec.name for each in live))
            plan = UndoPlan(
                of=of,
                database=found.database,
                until=found.until.isoformat(),
                kept=len(back),
                live=definitions_digest(live),
                live_collections=len(live),
                keep_hours=self._keep_hours,
                newer={each: UNKNOWN if count is None else count for each, count in newer.items() if count != 0},
            )
            return Draft(UNDO, name, plan.arguments())
        raise Refusal(self._nothing_kept(of))

    def _nothing_kept(self, of: JobId) -> Text:
        """Why that restore, or undo, cannot be undone, and what can be done instead."""
        found = [journal(target.store, name, of) for name, target in self._targets.items()]
        before = next((each for each in found if each is not None), None)
        began = None if before is None else before.intent()
        if before is None or began is None:
            return Text("No restore {job} is known. Its card says its job: `/restore undo JOB`.", job=Code(of))
        was, back = before.once_kept(), self._way_back(began)
        if began.plan.arguments["keep_hours"] == 0:
            text = Text("Nothing was kept of what {job} replaced: RESTORE_UNDO_HOURS was 0.", job=Code(of))
        elif was is None:
            return Text("There is nothing of {job} to undo: it replaced nothing, or it has not ended.", job=Code(of))
        elif was.until <= self._clock.now():
            text = Text("The time for undoing {job} is over, since {time}.", job=Code(of), time=was.until)
        else:
            return Text("{job} was undone already.", job=Code(of))
        return Text("{text} {back}", text=text, back=back)

    def _way_back(self, began: Job) -> Text:
        backup = new_id(began.created, began.id)
        if self._catalogues[began.target].exists(backup):
            return Text("`/restore` of backup {id} brings back what was live before it.", id=Code(backup))
        if began.plan.operation == RUN:
            return Text("Its card names the backup to go back to.")
        return Text("`/restore` shows which backups there are.")

    def _tidying(self, name: TargetName) -> Reply | Start:
        now = self._clock.now()
        if any(each.until <= now for each in kept(self._targets[name].store, name)):
            return Start(Draft(TIDY, name))
        return Reply(Card(Text("There is nothing to remove for {target}.", target=Code(name))))

    def describe(self, job: Job) -> Card:
        """See Handler."""
        if job.plan.operation == TIDY:
            return job_card(job, Wording(Text("Removing what old restores of {target} kept", target=Code(job.target))))
        offered = job.state is JobState.OFFERED
        buttons = (Button("confirm", Text("Confirm with a code"), job.id, danger=True),) if offered else _undo(job)
        if job.plan.operation == UNDO:
            undo = UndoPlan.of_arguments(job.plan.arguments)
            subject = Text(
                "Undo of restore {job} in {place}", job=Code(undo.of), place=place(job.target, undo.database)
            )
            lines = undo_lines(undo, spoken(job.plan.digest)) if offered else ()
            return job_card(job, Wording(subject, (), lines, buttons))
        plan = RestorePlan.of(job.plan.arguments)
        subject = Text("Restore {backup} into {database}", backup=Code(plan.backup), database=Code(plan.database))
        if plan.at:
            subject = Text("Restore {database} as of {time}", database=Code(plan.database), time=plan.wanted_moment)
        if plan.source:
            subject = Text("{subject} on {server}", subject=subject, server=Code(job.target))
        age = (job.created - datetime.fromisoformat(plan.made)).total_seconds()
        facts = plan_facts(plan, job.target, age, over=job.state.final)
        lines = offer_lines(plan, spoken(job.plan.digest)) if offered else ()
        return job_card(job, Wording(subject, facts, lines, buttons))

    def _choices(self, target: TargetName) -> Card:
        listing, now = self._catalogues[target].listing(), self._clock.now()
        if not listing.manifests:
            return Card(
                title=Text("There is nothing to restore for {target}", target=Code(target)),
                tone=Tone.WARNING,
                lines=(Text("`/backup now` makes a backup."),),
            )
        shown = listing.manifests[:OFFERED]
        spans = reachable(self._bases(target), links(self._targets[target].store, target))
        return Card(
            title=Text("Which backup of {target}?", target=Code(target)),
            lines=(
                *(line_of(manifest, (now - manifest.created).total_seconds()) for manifest in shown),
                *(Text("Or any moment: {span}.", span=span(*each)) for each in spans[-1:] if each[0] < each[1]),
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
                Text("`/restore 2026-11-23T14:05:30+03:30` shows the plan for a moment that `/backup status` names."),
                Text("Add `only orders,users` for some collections, `into shop_copy` for another database."),
                *self._help_elsewhere(),
                Text("Nothing happens until you confirm the plan with a code from your authenticator."),
                Text("What is live is saved first, and kept for a while: a finished restore has an Undo button."),
            ),
        )

    def _help_elsewhere(self) -> tuple[Text, ...]:
        names = ", ".join(self._restorations.servers)
        return (Text("Add `to SERVER` for another server: {names}.", names=names),) if names else ()

    # -- work --------------------------------------------------------------------------------------------------

    def run(self, work: Work) -> Outcome:
        """See Handler."""
        restorations = self._restorations
        doing = {RUN: restorations.run, UNDO: restorations.undo, TIDY: restorations.tidy}
        return doing[work.job.plan.operation](work)

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """See Handler."""
        return self._restorations.recover(job, reason)

    def lost(self) -> tuple[Job, ...]:
        """See Handler."""
        return self._restorations.lost()


def _needs(manifest: Manifest, wanted: Wish, facts: DatabaseFacts) -> int:
    """Room for a second copy, packed and indexed as the live one is, and a third more."""
    specs = [spec for spec in manifest.collections if not wanted.only or spec.name in wanted.only]
    raw = sum(spec.size_bytes for spec in specs)
    share = facts.disk_bytes / facts.data_bytes if facts.data_bytes else 1.0
    return round(raw * min(share, 3.0) * ROOM)


def _undo(job: Job) -> tuple[Button, ...]:
    if job.outcome is None or "undo" not in job.outcome.facts:
        return ()
    return (Button("restore_pick", Text("Undo"), f"undo {job.id}"),)
