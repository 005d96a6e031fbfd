"""A holding: the copies of one target as retention sees them, gathered from what stands in the store.

- Manifests say what there is; pins what people want kept; receipts of checks what failed and what was drilled; open
  restores what is needed; the store which locks there are now and what time it is.
- A copy of which a file is gone is not good. A manifest that cannot be read is no copy: it is not counted and not
  deleted, and it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers.core.backups.catalogue import MANIFEST, Catalogues, Listing, folder, new_id
from handlers.core.backups.journals import Journal, unclosed
from handlers.core.backups.pins import Pins
from handlers.core.backups.retention import Copy, Decision, Policy, decide, lock_until_at_write
from handlers.core.formats.manifests import BackupKind, Manifest
from handlers.core.ports import ArtifactStore, Clock, Target
from handlers.core.words.answers import BackupId, TargetName
from handlers.core.words.text import Code, Text


@dataclass(frozen=True, slots=True)
class Checked:
    """What checks found: copies whose last word is a failure, and copies that a drill restored."""

    failed: frozenset[BackupId] = frozenset()
    drilled: frozenset[BackupId] = frozenset()


Checks = Callable[[TargetName], Checked]
Needs = Mapping[BackupId, tuple[Text, ...]]


def unchecked(target: TargetName) -> Checked:
    """Nothing was checked."""
    return Checked()


@dataclass(frozen=True, slots=True)
class Holding:
    """What there is. `now`: the store's clock; `skew`: how far ours is ahead of it; `locking`: the store locks, and the
    locks were asked for; `visited`: a server that is only restored to."""

    copies: tuple[Copy, ...]
    listing: Listing
    now: datetime
    skew: timedelta
    locking: bool = False
    visited: bool = False

    def decision(self, policy: Policy) -> Decision:
        """What retention says about it."""
        return decide(self.copies, policy, self.now, self.skew, locking=self.locking, visited=self.visited)

    def manifest(self, backup: BackupId) -> Manifest:
        """The manifest of one of the copies. Raises StopIteration for another."""
        return next(each for each in self.listing.manifests if each.id == backup)


class Holdings:
    """Reads holdings. `servers`: those of the targets that are only restored to. Everything raises OutsideError."""

    def __init__(
        self,
        targets: Mapping[TargetName, Target],
        catalogues: Catalogues,
        clock: Clock,
        checks: Checks = unchecked,
        *,
        servers: Container[TargetName] = frozenset(),
    ) -> None:
        self._servers = servers
        self._targets = targets
        self._catalogues = catalogues
        self._clock = clock
        self._checks = checks

    def read(self, target: TargetName, *, locks: bool = True) -> Holding:
        """Everything there is. `locks=False` asks for no locks, which takes a request for each file."""
        store = self._targets[target].store
        listing, checked = self._catalogues[target].listing(), self._checks(target)
        pinned, needs = Pins(target, store).pinned(), self._needs(target)
        now, locking = store.moment(), locks and store.locking().possible
        copies = tuple(
            Copy(
                id=each.id,
                made=each.created,
                kind=each.kind,
                offset=timedelta(seconds=each.offset_seconds),
                good=each.id not in checked.failed and each.id not in listing.absent,
                drilled=each.id in checked.drilled,
                pinned=each.id in pinned,
                locks=_locks(store, target, each) if locking else (),
                needed_by=needs.get(each.id, ()),
                stored=listing.stored.get(each.id),
                moment=None if each.slice is None else each.moment,
            )
            for each in listing.manifests
        )
        return Holding(copies, listing, now, self._clock.now() - now, locking, target in self._servers)

    def _needs(self, target: TargetName) -> Needs:
        """What open restores need: the copy they put back, which may be another target's, and the one that takes them
        back."""
        found: dict[BackupId, tuple[Text, ...]] = {}
        for where, each in self._targets.items():
            for job_id in unclosed(each.store, where):
                job = Journal(each.store, where, job_id).intent()
                if job is None:
                    continue
                reason = (Text("restore {job} is not finished", job=Code(job.id)),)
                source = str(job.plan.arguments.get("source") or where)
                if source == target and "backup" in job.plan.arguments:  # an undo needs none
                    found[BackupId(str(job.plan.arguments["backup"]))] = reason
                if where == target:
                    found[new_id(job.created, job.id)] = reason
        return found

    def any(self, target: TargetName) -> bool:
        """Whether there is anything about which retention could say something."""
        listing = self._catalogues[target].listing()
        return bool(listing.manifests or listing.leftovers)

    def void(self, target: TargetName, place: str) -> bool:
        """Sees to it that no backup in this folder comes to exist; False when one does."""
        return self._catalogues[target].void(place)

    def lock_until(self, target: TargetName, kind: BackupKind, offset: timedelta, policy: Policy) -> datetime | None:
        """Until when a copy that is made now is to be locked, by the store's clock; None where nothing locks."""
        store = self._targets[target].store
        if not store.locking().possible:
            return None
        holding = self.read(target, locks=False)
        return lock_until_at_write(kind, holding.now, offset, holding.copies, policy)


def paths(target: TargetName, manifest: Manifest) -> tuple[tuple[str, str], ...]:
    """The key and the version of each file of a backup, in the order in which they are deleted: the manifest first, so
    that nothing is ever listed that is not whole. The manifest's version does not stand in it: empty."""
    own = f"{folder(target, manifest.id)}/{MANIFEST}"
    return ((own, ""), *((each.key, each.receipt.version) for each in manifest.files))


def _locks(store: ArtifactStore, target: TargetName, manifest: Manifest) -> tuple[datetime | None, ...]:
    receipts = (store.receipt(key, version) for key, version in paths(target, manifest))
    return tuple(None if receipt is None else receipt.locked_until for receipt in receipts)
