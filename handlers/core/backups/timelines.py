"""A timeline: the oplog of a target, saved in slices one after the other, so that any moment can be restored.

- A slice is one artifact, and its key says everything about it:
  `v1/<target>/pitr/<YYYYMMDD>/<start>_<end>_<entries>_<sha256>.bson.zst[.age]`. It is put once, whole, under a free
  key.
- Slices are one timeline as long as each begins where one before it ends. A gap is never bridged: where the oplog of
  the server was shorter than our absence, or a restore replaced the data, a new timeline begins.
- A moment can be restored when a consistent backup lies before it, and slices lead from that backup to it. What a
  restore into another database kept of that one is no such backup: the oplog that is saved is not of it.
- An empty slice says that nothing happened; it is only written now and then, so that the reach is told truly.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from handlers.core.formats.manifests import BackupKind, Manifest
from handlers.core.formats.objects import Stored
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import Artifact, ArtifactStore, Clock, Database, Tail
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import Damage
from handlers.core.words.text import Text

SLICE_SECONDS = 30.0
SLICE_BYTES = 8 * 1024 * 1024
QUIET_SECONDS = 60.0
LOCK_TIME = timedelta(days=9)
"""As the shortest lock of a backup (handlers.core.backups.retention)."""
POLL_SECONDS = 1.0
_NAME = re.compile(
    r"(?P<start>[0-9]+\.[0-9]+)_(?P<end>[0-9]+\.[0-9]+)_(?P<entries>[0-9]+)_(?P<sha>[0-9a-f]{64})\.bson\.zst(?:\.age)?"
)


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """One saved slice."""

    start: OpTime
    end: OpTime
    entries: int
    stored: Stored


def links(store: ArtifactStore, target: TargetName) -> tuple[Link, ...]:
    """Every slice of a target, the oldest first. Raises OutsideError."""
    found = (_link(artifact) for artifact in store.list(f"v1/{target}/pitr/"))
    return tuple(sorted((each for each in found if each is not None), key=lambda each: (each.start, each.end)))


def _link(artifact: Artifact) -> Link | None:
    match = _NAME.fullmatch(artifact.key.rpartition("/")[2])
    if match is None:
        return None
    try:
        start, end = OpTime.parse(match["start"]), OpTime.parse(match["end"])
    except ValueError:
        return None
    if end < start:
        return None
    return Link(start, end, int(match["entries"]), Stored(artifact.key, match["sha"], artifact.size_bytes))


def path(known: Sequence[Link], after: OpTime, until: OpTime) -> tuple[Link, ...] | None:
    """The fewest slices that hold everything after the one time up to the other; None when there is a gap."""
    chosen: list[Link] = []
    reached = after
    while reached < until:
        leading = (each for each in known if each.start <= reached < each.end)
        best = max(leading, key=lambda each: each.end, default=None)
        if best is None:
            return None
        chosen.append(best)
        reached = best.end
    return tuple(chosen)


def windows(known: Iterable[Link]) -> tuple[tuple[OpTime, OpTime], ...]:
    """From when to when the slices lead without a gap, the oldest first."""
    found: list[tuple[OpTime, OpTime]] = []
    for each in sorted(known, key=lambda link: (link.start, link.end)):
        if found and each.start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], each.end))
        else:
            found.append((each.start, each.end))
    return tuple(found)


def followed(manifest: Manifest, database: str) -> bool:
    """Whether the saved oplog leads on from this backup; `database`: the one whose oplog is saved."""
    own = manifest.kind is not BackupKind.PRE_RESTORE or manifest.database == database
    return manifest.slice is not None and own


def reachable(manifests: Iterable[Manifest], known: Sequence[Link]) -> tuple[tuple[OpTime, OpTime], ...]:
    """The moments that can be restored, as spans that do not touch, the oldest first: each begins with a backup."""
    spans = []
    there = windows(known)
    for manifest in manifests:
        if manifest.slice is None:
            continue
        moment = manifest.slice.end
        spans.append((moment, max((end for start, end in there if start <= moment <= end), default=moment)))
    merged: list[tuple[OpTime, OpTime]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)


def base(manifests: Iterable[Manifest], known: Sequence[Link], until: OpTime) -> Manifest | None:
    """The backup to begin with for that moment: the newest from which slices lead to it."""
    good = [each for each in manifests if each.slice is not None and each.slice.end <= until]
    for manifest in sorted(good, key=lambda each: each.moment, reverse=True):
        if manifest.slice is not None and path(known, manifest.slice.end, until) is not None:
            return manifest
    return None


@dataclass(frozen=True, slots=True)
class Followed:
    """What one step of a follower did. `gap`: why a new timeline begins; `restored`: because of a restore; `reached`:
    everything up to then is saved."""

    reached: OpTime | None
    entries: int = 0
    waiting: bool = False
    gap: Text | None = None
    restored: bool = False


class Follower:
    """Saves the oplog of one target, step by step. One at a time per target: whoever calls it holds a lease."""

    def __init__(self, target: TargetName, database: Database, store: ArtifactStore, clock: Clock) -> None:
        self._target = target
        self._database = database
        self._store = store
        self._clock = clock
        self._reached: OpTime | None = None
        self._known = False
        self._written_at = clock.monotonic() - QUIET_SECONDS

    def step(self, going: Callable[[], bool], *, seconds: float = SLICE_SECONDS) -> Followed:
        """Takes one slice: what comes within `seconds`, or until it is large enough, or while `going()`. Raises Refusal
        (no oplog here), OutsideError. After a gap the next step begins a new timeline."""
        if not self._known:
            known = links(self._store, self._target)
            self._reached = max((each.end for each in known), default=None)
            self._known = True
        try:
            with self._database.tail(self._reached) as tail:
                # What cannot be stored now is read again the next time, also when it is the first of a timeline.
                self._reached = tail.start
                return self._taken(tail, going, seconds)
        except Damage as damage:
            self._reached = None
            return Followed(None, gap=damage.text)

    def _taken(self, tail: Tail, going: Callable[[], bool], seconds: float) -> Followed:
        packed, end = bytearray(tail.read()), self._clock.monotonic() + seconds
        while going() and tail.broken is None and len(packed) < SLICE_BYTES and self._clock.monotonic() < end:
            if not tail.waiting:
                self._clock.sleep(POLL_SECONDS)
            packed += tail.read()
        waiting = tail.waiting
        # A slice that is large enough ends where it is; otherwise it holds all there is.
        packed += tail.finish(through=tail.last if waiting or tail.broken is not None else None)
        evidence = tail.evidence()
        quiet = self._clock.monotonic() - self._written_at < QUIET_SECONDS
        if evidence.end > evidence.start and (evidence.entries or not quiet):
            day = f"{evidence.end.moment:%Y%m%d}"
            sha, suffix = hashlib.sha256(packed).hexdigest(), self._database.packing.suffix
            name = f"{evidence.start}_{evidence.end}_{evidence.entries}_{sha}.bson{suffix}"
            lock = self._store.moment() + LOCK_TIME if self._store.locking().possible else None
            self._store.put_new(f"v1/{self._target}/pitr/{day}/{name}", bytes(packed), lock_until=lock)
            self._reached, self._written_at = evidence.end, self._clock.monotonic()
        if tail.broken is None:
            return Followed(evidence.end, evidence.entries, waiting)
        self._reached = tail.broken
        why = Text("The data was replaced by a restore.")
        return Followed(tail.broken, evidence.entries, waiting, why, restored=True)
