"""A pruning: one run of retention over the copies of a target.

- First locks are lengthened, then leftovers go, then copies, one at a time; before each copy everything is read and
  decided anew, so that two prunings at once, or a pin in between, cost nothing.
- What is about to be done is in the audit record before it is done, and what was done after it.
- The manifest goes first: from then on the copy does not exist, and what is left of it is a leftover, which this
  pruning or the next one takes away. So nothing is listed that is not whole, and nothing stays that nobody finds.
- Slices of the oplog go when no moment that must be restorable needs them: those before the copy that such moments
  begin with.
- A leftover goes when it is a day old and not locked: a younger one may be a backup that is being finished.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from handlers.core.answers import BackupId
from handlers.core.digests import Json
from handlers.core.errors import OutsideError
from handlers.core.holdings import Holding, Holdings, paths
from handlers.core.jobs import Progress
from handlers.core.ports import ArtifactStore, Target
from handlers.core.retention import MOST_DELETED, Copy, Decision, Extension, Policy
from handlers.core.text import Code, Text
from handlers.core.timelines import links
from handlers.core.work import Work

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
        _clear(target.store, work, pruned)
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


def _clear(store: ArtifactStore, work: Work, pruned: Pruned) -> None:
    holding = pruned.holding
    for artifact in holding.listing.leftovers:
        receipt = store.receipt(artifact.key)
        if receipt is None or artifact.modified > holding.now - LEFTOVER_AGE or _locked(receipt.locked_until, holding):
            continue
        work.check()
        work.record("leftover.delete", key=artifact.key, version=receipt.version)
        store.delete(artifact.key, version=receipt.version)
        work.record("leftover.deleted", key=artifact.key)
        pruned.leftovers += 1


def _forget_slices(target: Target, policy: Policy, work: Work, pruned: Pruned) -> None:
    if policy.window is None:
        return
    begin = pruned.holding.now - policy.window
    bases = (copy.made for copy in pruned.holding.copies if copy.good and copy.made <= begin)
    needed = max(bases, default=begin)
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
