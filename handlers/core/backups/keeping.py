"""Keeping: what `/backup` says and does about which copies stay.

- `prune` lets retention run now; it deletes nothing that retention does not let go, so it needs no code.
- `pin` keeps a copy whatever retention says; `unpin` leaves it to retention again.
- `list` says of every copy why it is kept and until when, or why it is still there; `status`, when the next one is
  made and how the last one ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce

from handlers.core.backups.catalogue import Catalogue, Listing
from handlers.core.backups.holdings import Holdings
from handlers.core.backups.pins import Pins
from handlers.core.backups.prunings import Pruned, prune
from handlers.core.backups.retention import Decision, Policy
from handlers.core.backups.schedules import Schedule, Ticks
from handlers.core.backups.targets import line_of
from handlers.core.door.records import Jobs
from handlers.core.door.work import Work
from handlers.core.formats.manifests import BackupKind
from handlers.core.ports import Clock, State, Target
from handlers.core.words.answers import BackupId, TargetName
from handlers.core.words.cards import Card, Tone
from handlers.core.words.digests import Json
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Code, Lines, Text, spelled_time

NAMED = 10


@dataclass(frozen=True, slots=True)
class Keeping:
    """See the module. `schedule`: None when none is configured."""

    holdings: Holdings
    state: State
    clock: Clock
    policy: Policy = field(default_factory=Policy)
    schedule: Schedule | None = None

    def offset(self) -> timedelta:
        """How far local time is ahead of UTC now, by the schedule's zone."""
        if self.schedule is None:
            return timedelta(0)
        return self.clock.now().astimezone(self.schedule.zone).utcoffset() or timedelta(0)

    def lock_until(self, target: TargetName, kind: BackupKind) -> datetime | None:
        """Until when a copy that is made now is to be locked; None where nothing locks. Raises OutsideError."""
        return self.holdings.lock_until(target, kind, self.offset(), self.policy)

    def prune(self, target: Target, work: Work) -> Outcome:
        """One run of retention. Raises Cancelled, OutsideError or Damage."""
        pruned = prune(target, self.holdings, self.policy, work)
        work.note(Text("{rows}", rows=Lines(_rows(pruned.decision))))
        for text in (*pruned.troubles, *pruned.decision.alarms):
            work.note(text)
        return _outcome(pruned)

    def pin(self, target: Target, catalogue: Catalogue, work: Work) -> Outcome:
        """Pins a copy, or leaves it to retention again. Raises Refusal or OutsideError."""
        pinned = work.job.plan.operation == "backup.pin"
        manifest = catalogue.find(str(work.job.plan.arguments["backup"]))
        by, now = work.job.plan.actor.person, self.clock.now()
        changed = Pins(target.name, target.store).set(manifest.id, by, now, pinned=pinned)
        text = _pinned(Code(manifest.id)) if pinned else _unpinned(Code(manifest.id))
        text = text if changed else Text("It was so already: {said}", said=text)
        return Outcome(JobState.DONE, text, {})

    def listed(self, target: TargetName, most: int) -> Card:
        """Every copy, why it is kept and until when."""
        holding = self.holdings.read(target)
        listing, decision, now = holding.listing, holding.decision(self.policy), self.clock.now()
        if not listing.manifests and not listing.damaged and not listing.hidden:
            return Card(
                title=Text("No backups of {target} yet", target=Code(target)), lines=(Text("`/backup now` makes one."),)
            )
        lines = [
            Text("{line} · {why}", line=line_of(each, (now - each.created).total_seconds()), why=why(decision, each.id))
            for each in listing.manifests[:most]
        ]
        if len(listing.manifests) > most:
            lines.append(Text("… and {more} older ones.", more=len(listing.manifests) - most))
        lines += (*warnings(listing), *decision.alarms)
        wrong = listing.damaged or listing.absent or decision.alarms
        tone = Tone.BAD if wrong else Tone.WARNING if listing.hidden else Tone.PLAIN
        return Card(title=Text("Backups of {target}", target=Code(target)), tone=tone, lines=tuple(lines))

    def status(self, target: TargetName) -> tuple[Text, ...]:
        """When the next one is made, and how the last one of the schedule ended. Raises OutsideError."""
        if self.schedule is None:
            return (Text("No backups are made by themselves: BACKUP_SCHEDULE is off."),)
        now = self.clock.now()
        following = self.schedule.following(now)
        lines = [Text("The next one is made at {time}.", time=following)]
        ticks = Ticks(self.state, self.schedule, target)
        wait, last = ticks.waiting(now), ticks.last()
        if wait is not None:
            lines.append(Text("The one of {time} is due and waits for job {job}.", time=wait.since, job=Code(wait.job)))
        job_id = None if last is None else ticks.job(last)
        job = None if job_id is None else Jobs(self.state).load(job_id)
        if job is not None:
            lines.append(Text("The last one, of {time}: {how}", time=job.created, how=_how(job)))
        return tuple(lines)


def warnings(listing: Listing) -> list[Text]:
    """What of a target's copies somebody must look at."""
    damaged = [Text("Damaged, do not rely on it: {key}", key=Code(key)) for key in listing.damaged]
    absent = [Text("Its data is gone, do not rely on it: {id}", id=Code(each)) for each in sorted(listing.absent)]
    hidden = [
        Text("Still there, but somebody hid it by a delete marker or a later version: {key}", key=Code(key))
        for key in listing.hidden[:NAMED]
    ]
    if len(listing.hidden) > NAMED:
        hidden.append(Text("… and {more} more were hidden.", more=len(listing.hidden) - NAMED))
    return damaged + absent + hidden


def alarm_card(job: Job) -> Card:
    """What an alarm's card says."""
    assert job.outcome is not None  # noqa: S101 an alarm is made with one
    target, over = Code(job.target), "over" in job.outcome.facts
    if over:
        title, tone = Text("Backups of {target} are good again", target=target), Tone.GOOD
    elif job.plan.operation == "backup.stale":
        title, tone = Text("No good backup of {target} for too long", target=target), Tone.BAD
    elif job.plan.operation == "backup.gap":
        title, tone = Text("The saved oplog of {target} has a gap", target=target), Tone.BAD
    elif "command" in job.outcome.facts:
        command = Code(str(job.outcome.facts["command"]))
        title, tone = Text("{command} for {target} did not happen", command=command, target=target), Tone.BAD
    else:
        title, tone = Text("A backup of {target} did not happen", target=target), Tone.BAD
    footer = Text("Noticed at {time}", time=job.created)
    return Card(title=title, tone=tone, lines=(job.outcome.text,), footer=footer)


def why(decision: Decision, backup: BackupId) -> Text:
    """Why a copy is there, in words."""
    reasons = decision.kept.get(backup, ())
    if not reasons:
        return decision.waiting.get(backup, Text("nothing needs it; it goes with the next run"))
    joined = _joined([reason.text for reason in reasons])
    until = [reason.until for reason in reasons if reason.until is not None]
    if len(until) < len(reasons):
        return joined
    return Text("{why}, until {time}", why=joined, time=spelled_time(max(until))[:16])


def _joined(texts: Sequence[Text]) -> Text:
    return reduce(lambda first, second: Text("{first}, {second}", first=first, second=second), texts)


def _pinned(backup: Code) -> Text:
    return Text("{id} is pinned: nothing deletes it.", id=backup)


def _unpinned(backup: Code) -> Text:
    return Text("{id} is not pinned: retention decides about it.", id=backup)


def _how(job: Job) -> Text:
    if not job.state.final:
        return Text("it is at work.") if job.state is JobState.RUNNING else Text("it waits.")
    return Text("no word about it.") if job.outcome is None else job.outcome.text


def _rows(decision: Decision) -> str:
    kept = [f"{backup}  {why(decision, backup)}" for backup in sorted(decision.kept, reverse=True)]
    return "\n".join([*kept, *(f"{backup}  {text}" for backup, text in sorted(decision.waiting.items()))])


def _outcome(pruned: Pruned) -> Outcome:
    decision = pruned.decision
    text = Text("Kept {kept} copies, deleted {deleted}.", kept=len(decision.kept), deleted=len(pruned.deleted))
    if pruned.deleted:
        text = Text("{text} Gone: {ids}.", text=text, ids=", ".join(pruned.deleted))
    if pruned.lengthened:
        text = Text("{text} Locks of {count} were lengthened.", text=text, count=len(pruned.lengthened))
    if pruned.leftovers:
        text = Text("{text} {count} leftovers went too.", text=text, count=pruned.leftovers)
    if pruned.slices:
        text = Text("{text} {count} old slices of the oplog went.", text=text, count=pruned.slices)
    if decision.held:
        text = Text("{text} Nothing may go while {why}.", text=text, why=_joined(decision.held))
    if pruned.troubles:
        text = Text("{text} {count} locks were not lengthened: see the thread.", text=text, count=len(pruned.troubles))
    facts: dict[str, Json] = {
        "kept": {backup: str(why(decision, backup)) for backup in decision.kept},
        "deleted": list(pruned.deleted),
        "lengthened": list(pruned.lengthened),
        "leftovers": pruned.leftovers,
        "slices": pruned.slices,
        "warning": bool(decision.alarms or decision.held),
    }
    return Outcome(JobState.FAILED if pruned.troubles else JobState.DONE, text, facts)
