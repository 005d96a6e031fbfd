"""The catalogue: which backups a target has, and where each lives.

- Keys: `v1/<target>/full/<YYYY>/<MM>/<DD>/<id>/` with `data.archive.zst[.age]`, `oplog.bson.zst[.age]` and
  `manifest.json`; nothing is ever overwritten.
- A backup exists when its manifest does. Data without a manifest is not a backup, and is never offered.
- Before the data of an unfinished backup goes, a *void* takes the manifest's key and stays: a manifest whose request
  arrives after that finds the key taken, so that a backup without its data never comes to exist.
- A damaged manifest is listed as damaged, not skipped in silence; so is a manifest whose files are gone.
- A backup that somebody hid (by a delete marker, or another version over it) still exists, and is said to be hidden.
- A backup whose check failed is quarantined: it stays, and `latest` is never it, nor one whose files are gone. Neither
  is chosen for a moment while a sound one leads there.
- An id is a UTC time and six random characters: sortable, and safe to read over a phone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from handlers.core.backups.dossiers import Dossier
from handlers.core.formats.evidence import Judgement, Standing, judged
from handlers.core.formats.manifests import BackupKind, Manifest
from handlers.core.formats.objects import Packing
from handlers.core.ports import Artifact, ArtifactStore
from handlers.core.words.answers import BackupId, JobId, TargetName
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.text import Code, Text

MANIFEST = "manifest.json"
ARCHIVE = "data.archive"
OPLOG = "oplog.bson"
VOID = b'{"void":"negahban/void/1"}\n'
"""What stands in the place of the manifest of a backup that will never exist."""
CACHE_LIMIT = 2000
_ID = re.compile(r"(\d{4})(\d{2})(\d{2})t\d{6}z-[a-z2-7]{6}")


def new_id(created: datetime, job: JobId) -> BackupId:
    """The id of the backup that this job makes; the same for the same job, so that a crashed one can be found."""
    return BackupId(f"{created:%Y%m%dt%H%M%Sz}-{job[:6]}")


def folder(target: TargetName, backup: BackupId) -> str:
    """Where a backup lives. Raises Refusal for what is not an id."""
    match = _ID.fullmatch(backup)
    if match is None:
        raise Refusal(unknown(backup))
    year, month, day = match.groups()
    return f"v1/{target}/full/{year}/{month}/{day}/{backup}"


def data_key(target: TargetName, backup: BackupId, packing: Packing) -> str:
    """Where the archive of a backup that is packed so is kept. Raises Refusal for what is not an id."""
    return f"{folder(target, backup)}/{ARCHIVE}{packing.suffix}"


def slice_key(target: TargetName, backup: BackupId, packing: Packing) -> str:
    """Where its slice of the oplog is kept. Raises Refusal for what is not an id."""
    return f"{folder(target, backup)}/{OPLOG}{packing.suffix}"


def unknown(word: str) -> Text:
    """For an id that names nothing."""
    return Text(
        "There is no backup {word}. `/backup list` shows what there is.",
        word=Code(word if len(word) < 60 else word[:60]),
    )


@dataclass(frozen=True, slots=True)
class Listing:
    """All backups, newest first, the keys of manifests that cannot be read, and the keys of what was hidden. `absent`:
    backups of which a file is gone; `leftovers`: files without a manifest, of which nothing came or which are half
    deleted; `stored`: when the store got each manifest, by its own clock."""

    manifests: tuple[Manifest, ...]
    damaged: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    absent: frozenset[BackupId] = frozenset()
    leftovers: tuple[Artifact, ...] = ()
    stored: Mapping[BackupId, datetime] = field(default_factory=dict)

    @property
    def whole(self) -> tuple[Manifest, ...]:
        """Those whose files are there."""
        return tuple(each for each in self.manifests if each.id not in self.absent)


class Catalogue:
    """The backups of one target. Manifests never change, so they are remembered."""

    def __init__(self, target: TargetName, store: ArtifactStore) -> None:
        self._target = target
        self._store = store
        self._read: dict[str, Manifest] = {}
        self._void: set[str] = set()
        self._tried: set[BackupId] = set()
        self.dossier = Dossier(target, store)

    def listing(self) -> Listing:
        """Everything there is. Raises OutsideError."""
        manifests: list[Manifest] = []
        damaged: list[str] = []
        stored: dict[BackupId, datetime] = {}
        there = self._store.list(f"v1/{self._target}/full/")
        folders: set[str] = set()
        void: set[str] = set()
        for artifact in there:
            if not artifact.key.endswith(f"/{MANIFEST}"):
                continue
            folders.add(artifact.key.rpartition("/")[0])
            try:
                manifest = self._manifest(artifact.key, artifact.version)
            except Damage:
                damaged.append(artifact.key)
                continue
            if manifest is not None:
                manifests.append(manifest)
                stored[manifest.id] = artifact.modified
            elif artifact.key in self._void:
                void.add(artifact.key)
        folders -= {key.rpartition("/")[0] for key in void}
        hidden = tuple(each.key for each in there if each.hidden and each.key not in void)
        manifests.sort(key=lambda each: each.id, reverse=True)
        keys = {each.key for each in there}
        absent = frozenset(each.id for each in manifests if not {file.key for file in each.files} <= keys)
        leftovers = tuple(each for each in there if each.key.rpartition("/")[0] not in folders and each.key not in void)
        return Listing(tuple(manifests), tuple(damaged), hidden, absent, leftovers, stored)

    def find(self, word: str) -> Manifest:
        """The backup of that id; `latest` is the newest that was not made by a restore to keep what it replaced, and
        is not quarantined. Raises Refusal, Damage or OutsideError."""
        if word == "latest":
            return self._latest()
        key = f"{folder(self._target, BackupId(word))}/{MANIFEST}"
        self._read.pop(key, None)  # it may have been deleted since it was read
        found = self._manifest(key)
        if found is None:
            raise Refusal(unknown(word))
        return found

    def _latest(self) -> Manifest:
        passed_over: list[tuple[Manifest, Judgement]] = []
        listing = self.listing()
        for manifest in _made_for_themselves(listing):
            if manifest.id in listing.absent:
                continue
            judgement = self.dossier.standing(manifest.id)
            if judgement.standing is not Standing.QUARANTINED:
                return manifest
            passed_over.append((manifest, judgement))
        if not passed_over and listing.absent:
            raise Refusal(Text("The data of every backup is gone. `/backup now` makes another."))
        if not passed_over:
            raise Refusal(Text("There is no backup yet. `/backup now` makes one."))
        newest, judgement = passed_over[0]
        raise Refusal(
            Text(
                "Every backup is quarantined. The newest is {id}: {reason}. `/backup now` makes another.",
                id=Code(newest.id),
                reason=judgement.reason,
            )
        )

    def cautions(self, word: str, manifest: Manifest) -> tuple[Text, ...]:
        """What must be said to whoever asked for a backup by this word: that it is quarantined or its data is gone, and
        which newer ones `latest` passed over, and why. Raises OutsideError."""
        told = []
        own = self.dossier.standing(manifest.id)
        if own.standing is Standing.QUARANTINED:
            told.append(
                Text("{id} is quarantined, do not rely on it: {reason}.", id=Code(manifest.id), reason=own.reason)
            )
        listing = self.listing()
        if manifest.id in listing.absent:
            told.append(Text("The data of {id} is gone: it cannot be restored.", id=Code(manifest.id)))
        if word == "latest":
            for newer in _made_for_themselves(listing):
                if newer.id <= manifest.id:
                    break
                if newer.id in listing.absent:
                    told.append(Text("{id} is newer, but its data is gone.", id=Code(newer.id)))
                    continue
                found = self.dossier.standing(newer.id)
                if found.standing is Standing.QUARANTINED:  # another may have come since
                    text = Text("{id} is newer, but quarantined: {reason}.", id=Code(newer.id), reason=found.reason)
                    told.append(text)
        return tuple(told)

    def suspects(self) -> Mapping[BackupId, Text]:
        """Every quarantined backup, newest first, and why. Raises OutsideError."""
        return self._suspects(self.listing())

    def sound(self) -> tuple[Manifest, ...]:
        """Those that can be relied on, newest first: their files are there, and none is quarantined. Raises
        OutsideError."""
        listing = self.listing()
        bad = self._suspects(listing)
        return tuple(each for each in listing.whole if each.id not in bad)

    def _suspects(self, listing: Listing) -> Mapping[BackupId, Text]:
        history = self.dossier.history()
        judgements = {each.id: judged(history.of(each.id)) for each in listing.manifests}
        return {
            backup: judgement.reason
            for backup, judgement in judgements.items()
            if judgement.standing is Standing.QUARANTINED
        }

    def commit(self, manifest: Manifest, *, lock_until: datetime | None = None) -> None:
        """Makes the backup exist, its manifest locked until then. Raises Damage when its id is taken, OutsideError when
        it may not exist, or was given up meanwhile."""
        key = f"{folder(self._target, manifest.id)}/{MANIFEST}"
        self._tried.add(manifest.id)
        if self._store.put_new(key, manifest.to_bytes(), lock_until=lock_until):
            return
        if self._store.get(key) == VOID:
            raise OutsideError(
                Text("The backup {id} was given up by another worker before it was finished.", id=Code(manifest.id)),
                permanent=True,
            )
        raise Damage(Text("There already is a backup {id}.", id=Code(manifest.id)))

    def tried(self, backup: BackupId) -> bool:
        """Whether this process asked the store for its manifest, so that only the store knows whether it exists."""
        return backup in self._tried

    def exists(self, backup: BackupId) -> bool:
        """Whether its manifest is there. Raises OutsideError."""
        return self._store.get(f"{folder(self._target, backup)}/{MANIFEST}") not in {None, VOID}

    def void(self, place: str) -> bool:
        """Sees to it that no backup in this folder comes to exist, so that its data may go; False when one does exist.
        Raises OutsideError: then nobody knows, and nothing may go."""
        key = f"{place}/{MANIFEST}"
        return self._store.put_new(key, VOID) or self._store.get(key) == VOID

    def forget_data(self, backup: BackupId) -> None:
        """Removes the data of a backup that never came to exist. Raises OutsideError."""
        place = folder(self._target, backup)
        there = {each.key for each in self._store.list(f"{place}/")}
        # Without data there is nothing to take away, and whoever still works on it makes it whole or not at all.
        found = [key for key in sorted(there) if key != f"{place}/{MANIFEST}"]
        if not found or not self.void(place):
            return
        for key in found:
            try:
                self._store.delete(key)
            except OutsideError as error:
                if not error.permanent:
                    raise
                # It is locked: without a manifest it is a leftover, and goes when its lock has ended.

    def _manifest(self, key: str, version: str = "") -> Manifest | None:
        known = self._read.get(key)
        if known is not None or key in self._void:
            return known
        stored = self._store.get(key, version=version)
        if stored is None:
            return None
        if stored == VOID:
            self._void.add(key)
            return None
        manifest = Manifest.from_bytes(stored)
        if not self._at_home(manifest, key):
            raise Damage(Text("The manifest at {key} belongs to another backup.", key=Code(key)))
        if len(self._read) >= CACHE_LIMIT:
            self._read.clear()
        self._read[key] = manifest
        return manifest

    def _at_home(self, manifest: Manifest, key: str) -> bool:
        """Whether it is of this target and lies where its id says, and its files beside it."""
        if manifest.target != self._target or _ID.fullmatch(manifest.id) is None:
            return False
        place = folder(self._target, manifest.id)
        return key == f"{place}/{MANIFEST}" and all(file.key.startswith(f"{place}/") for file in manifest.files)


def _made_for_themselves(listing: Listing) -> tuple[Manifest, ...]:
    """Newest first, without what restores kept of what they replaced."""
    return tuple(each for each in listing.manifests if each.kind is not BackupKind.PRE_RESTORE)


Catalogues = Mapping[TargetName, Catalogue]
