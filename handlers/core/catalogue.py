"""The catalogue: which backups a target has, and where each lives.

- Keys: `v1/<target>/full/<YYYY>/<MM>/<DD>/<id>/{data.archive.zst,manifest.json}`; nothing is ever overwritten.
- A backup exists when its manifest does. Data without a manifest is not a backup, and is never offered.
- A damaged manifest is listed as damaged, not skipped in silence; so is a manifest whose files are gone.
- A backup that somebody hid (by a delete marker, or another version over it) still exists, and is said to be hidden.
- An id is a UTC time and six random characters: sortable, and safe to read over a phone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from handlers.core.answers import BackupId, JobId, TargetName
from handlers.core.errors import Damage, Refusal
from handlers.core.manifests import BackupKind, Manifest
from handlers.core.ports import Artifact, ArtifactStore
from handlers.core.text import Code, Text

MANIFEST = "manifest.json"
DATA = "data.archive.zst"
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


class Catalogue:
    """The backups of one target. Manifests never change, so they are remembered."""

    def __init__(self, target: TargetName, store: ArtifactStore) -> None:
        self._target = target
        self._store = store
        self._read: dict[str, Manifest] = {}

    def listing(self) -> Listing:
        """Everything there is. Raises OutsideError."""
        manifests: list[Manifest] = []
        damaged: list[str] = []
        stored: dict[BackupId, datetime] = {}
        there = self._store.list(f"v1/{self._target}/full/")
        hidden = tuple(each.key for each in there if each.hidden)
        folders = {each.key.rpartition("/")[0] for each in there if each.key.endswith(f"/{MANIFEST}")}
        for artifact in there:
            if not artifact.key.endswith(f"/{MANIFEST}"):
                continue
            try:
                manifest = self._manifest(artifact.key, artifact.version)
            except Damage:
                damaged.append(artifact.key)
                continue
            if manifest is not None:
                manifests.append(manifest)
                stored[manifest.id] = artifact.modified
        manifests.sort(key=lambda each: each.id, reverse=True)
        keys = {each.key for each in there}
        absent = frozenset(each.id for each in manifests if not files(each) <= keys)
        leftovers = tuple(each for each in there if each.key.rpartition("/")[0] not in folders)
        return Listing(tuple(manifests), tuple(damaged), hidden, absent, leftovers, stored)

    def find(self, word: str) -> Manifest:
        """The backup of that id; `latest` is the newest that was not made by a restore to keep what it replaced.
        Raises Refusal, Damage or OutsideError."""
        if word == "latest":
            for manifest in self.listing().manifests:
                if manifest.kind is not BackupKind.PRE_RESTORE:
                    return manifest
            raise Refusal(Text("There is no backup yet. `/backup now` makes one."))
        key = f"{folder(self._target, BackupId(word))}/{MANIFEST}"
        self._read.pop(key, None)  # it may have been deleted since it was read
        found = self._manifest(key)
        if found is None:
            raise Refusal(unknown(word))
        return found

    def commit(self, manifest: Manifest) -> None:
        """Makes the backup exist. Raises Damage when its id is taken, OutsideError when it may not exist."""
        key = f"{folder(self._target, manifest.id)}/{MANIFEST}"
        if not self._store.put_new(key, manifest.to_bytes()):
            raise Damage(Text("There already is a backup {id}.", id=Code(manifest.id)))

    def exists(self, backup: BackupId) -> bool:
        """Whether its manifest is there. Raises OutsideError."""
        return self._store.get(f"{folder(self._target, backup)}/{MANIFEST}") is not None

    def forget_data(self, backup: BackupId) -> None:
        """Removes the data of a backup that never came to exist. Raises OutsideError."""
        if self.exists(backup):
            return
        self._store.delete(f"{folder(self._target, backup)}/{DATA}")

    def _manifest(self, key: str, version: str = "") -> Manifest | None:
        known = self._read.get(key)
        if known is not None:
            return known
        stored = self._store.get(key, version=version)
        if stored is None:
            return None
        manifest = Manifest.from_bytes(stored)
        if f"{folder(self._target, manifest.id)}/{MANIFEST}" != key:
            raise Damage(Text("The manifest at {key} belongs to another backup.", key=Code(key)))
        if len(self._read) >= CACHE_LIMIT:
            self._read.clear()
        self._read[key] = manifest
        return manifest


def files(manifest: Manifest) -> frozenset[str]:
    """The keys of a backup's files, without its manifest."""
    slices = () if manifest.slice is None else (manifest.slice.stored.key,)
    return frozenset({manifest.data.key, *slices})


Catalogues = Mapping[TargetName, Catalogue]
