"""A pruning: one run of retention over the copies of a target.

- First locks are lengthened, then leftovers go, then copies, one at a time; before each copy everything is read and
  decided anew, so that two prunings at once, or a pin in between, cost nothing.
- What is about to be done is in the audit record before it is done, and what was done after it.
- The manifest goes first: from then on the copy does not exist, and what is left of it is a leftover, which this
  pruning or the next one takes away. So nothing is listed that is not whole, and nothing stays that nobody finds.
- Slices of the oplog go when no moment that must be restorable needs them: those before the copy that such moments
  begin with.
- A leftover goes when it is a day old and not locked: a younger one may be a backup that is being finished. Before it
  goes, a void forbids that it ever becomes one (handlers.core.backups.catalogue).
- What was uploaded and never finished goes too: a bucket keeps it, and bills it, without listing it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from handlers.core.backups.holdings import Holding, Holdings, paths
from handlers.core.backups.retention import MOST_DELETED, Copy, Decision, Extension, Policy, base
from handlers.core.backups.timelines import links
from handlers.core.door.work import Work
from handlers.core.ports import Target
from handlers.core.words.answers import BackupId
from handlers.core.words.digests import Json
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Progress
from handlers.core.words.text import Code, Text

LEFTOVER_AGE = timedelta(days=1)
MOST_SLICES = 6000
"""Two days of them: what has piled up goes over a few nights."""


@dataclass(slots=True)
class Pruned:
    """What a pruning did. `decision`: what holds for what is there now; `troubles`: what did not work."""

    holding: Holding
    decision: Decision
    deleted: list[BackupId] = field(default_factory=list)
    lengthened: list[BackupId] = field(default_factory=list)
    leftovers: int = 0
    slices: int = 0
    troubles: list[Text] = field(default_factory=list)


def prune(target: Target, holdings: Holdings, policy: Policy, work: Work) -> Pruned:
    """Raises Cancelled, OutsideError or Damage; what is not done then, the next pruning does."""
    work.progress(Progress(Text("Looking at what there is")))
    holding = holdings.read(target.name)
    pruned = Pruned(holding, holding.decision(policy))
    for extension in pruned.decision.extend:
        _lengthen(target, extension, work, pruned)
    if not pruned.decision.held:
        _clear(target, holdings, work, pruned)
        _sweep(target, work, pruned)
        _forget_slices(target, policy, work, pruned)
    while len(pruned.deleted) < MOST_DELETED:
        _look(target, holdings, policy, pruned)
        if not pruned.decision.delete:
            return pruned
        _delete(target, pruned.decision.delete[0], work, pruned)
    _look(target, holdings, policy, pruned)
    return pruned


def _look(target: Target, holdings: Holdings, policy: Policy, pruned: Pruned) -> None:
    pruned.holding = holdings.read(target.name)
    pruned.decision = pruned.holding.decision(policy)


def _lengthen(target: Target, extension: Extension, work: Work, pruned: Pruned) -> None:
    work.check()
    backup, until = extension.copy.id, extension.until
    work.record("lock.lengthen", backup=backup, until=until.isoformat())
    try:
        for key, version in paths(target.name, pruned.holding.manifest(backup)):
            target.store.extend_lock(key, version, until)
    except OutsideError as error:
        # One lock that cannot be lengthened must not keep the others from it; the job says so in the end.
        work.record("lock.failed", backup=backup, reason=str(error.text))
        pruned.troubles.append(Text("The lock of {id} was not lengthened: {why}", id=Code(backup), why=error.text))
        return
    work.record("lock.lengthened", backup=backup, until=until.isoformat())
    pruned.lengthened.append(backup)


def _clear(target: Target, holdings: Holdings, work: Work, pruned: Pruned) -> None:
    holding, store = pruned.holding, target.store
    for artifact in holding.listing.leftovers:
        receipt = store.receipt(artifact.key)
        if receipt is None or artifact.modified > holding.now - LEFTOVER_AGE or _locked(receipt.locked_until, holding):
            continue
        work.check()
        if not holdings.void(target.name, artifact.key.rpartition("/")[0]):
            continue  # its manifest arrived just now
        work.record("leftover.delete", key=artifact.key, version=receipt.version)
        store.delete(artifact.key, version=receipt.version)
        work.record("leftover.deleted", key=artifact.key)
        pruned.leftovers += 1


def _sweep(target: Target, work: Work, pruned: Pruned) -> None:
    """Uploads that nobody can finish any more: their worker died, and the bot's memory of them with it."""
    work.check()
    swept = target.store.sweep(pruned.holding.now - LEFTOVER_AGE, f"v1/{target.name}/")
    if swept:
        work.record("uploads.swept", count=swept)
        pruned.leftovers += swept


def _forget_slices(target: Target, policy: Policy, work: Work, pruned: Pruned) -> None:
    if policy.window is None:
        return
    begin = pruned.holding.now - policy.window
    first = base(pruned.holding.copies, policy, pruned.holding.now)
    needed = begin if first is None or first.moment is None else min(first.moment, begin)
    old = [link for link in links(target.store, target.name) if link.end.moment < needed][:MOST_SLICES]
    if not old:
        return
    work.record("slices.delete", first=old[0].stored.key, last=old[-1].stored.key, count=len(old))
    for link in old:
        work.check()
        receipt = target.store.receipt(link.stored.key)
        if receipt is None or _locked(receipt.locked_until, pruned.holding):
            continue
        target.store.delete(link.stored.key, version=receipt.version)
        pruned.slices += 1
    work.record("slices.deleted", count=pruned.slices)


def _locked(until: datetime | None, holding: Holding) -> bool:
    return until is not None and until > holding.now


def _delete(target: Target, copy: Copy, work: Work, pruned: Pruned) -> None:
    work.check()
    work.progress(Progress(Text("Deleting {id}", id=Code(copy.id))))
    found = paths(target.name, pruned.holding.manifest(copy.id))
    keys: list[Json] = [key for key, _ in found]
    survivors: dict[str, Json] = {
        kept: [str(reason.text) for reason in reasons] for kept, reasons in pruned.decision.kept.items()
    }
    work.record("backup.delete", backup=copy.id, made=copy.made.isoformat(), files=keys, kept=survivors)
    for key, version in found:
        receipt = target.store.receipt(key, version)
        if receipt is not None:
            target.store.delete(key, version=receipt.version)
    work.record("backup.deleted", backup=copy.id)
    pruned.deleted.append(copy.id)
