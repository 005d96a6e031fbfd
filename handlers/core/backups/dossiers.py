"""A dossier: all receipts about the backups of one target, in the store beside them.

- `v1/<target>/evidence/<backup>/<UTC time>-<scrub|drill>.json`; nothing is ever overwritten.
- A damaged receipt, or one that lies where it does not belong, is named, not skipped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from handlers.core.formats.evidence import Evidence, History, Judgement, judged
from handlers.core.ports import ArtifactStore
from handlers.core.words.answers import BackupId, TargetName
from handlers.core.words.errors import Damage, OutsideError
from handlers.core.words.text import Code, Text

CACHE_LIMIT = 5000
_KEY = re.compile(r"([a-z0-9-]+)/(\d{8}t\d{6}z)-(scrub|drill)\.json")
_SPELLED = "%Y%m%dt%H%M%Sz"


def folder(target: TargetName, backup: BackupId | None = None) -> str:
    """What the keys of the receipts of a target, or of one backup, begin with."""
    return f"v1/{target}/evidence/" + ("" if backup is None else f"{backup}/")


def key_of(evidence: Evidence) -> str:
    """Where a receipt is kept."""
    return f"{folder(evidence.target, evidence.backup)}{evidence.made.strftime(_SPELLED)}-{evidence.check.value}.json"


class Dossier:
    """All receipts of one target. They never change, so they are remembered."""

    def __init__(self, target: TargetName, store: ArtifactStore) -> None:
        self._target = target
        self._store = store
        self._read: dict[str, Evidence] = {}

    def add(self, evidence: Evidence) -> None:
        """Keeps a receipt. Raises OutsideError when it may not be kept."""
        stored = evidence.to_bytes()
        if not self._store.put_new(key_of(evidence), stored) and self._store.get(key_of(evidence)) != stored:
            raise OutsideError(Text("Another check of this backup ended in the same second. Ask again."))

    def history(self, backup: BackupId | None = None) -> History:
        """The receipts of one backup, or of all. Raises OutsideError."""
        evidence, damaged = [], []
        for artifact in self._store.list(folder(self._target, backup)):
            try:
                found = self._evidence(artifact.key)
            except Damage:
                damaged.append(artifact.key)
                continue
            if found is not None:
                evidence.append(found)
        evidence.sort(key=lambda each: (each.made, key_of(each)))
        return History(tuple(evidence), tuple(damaged))

    def standing(self, backup: BackupId) -> Judgement:
        """Whether a backup may be relied upon, and why. Raises OutsideError."""
        return judged(self.history(backup))

    def last_checked(self) -> Mapping[BackupId, datetime]:
        """When each backup was last looked at, by the names of its receipts. Raises OutsideError."""
        found: dict[BackupId, datetime] = {}
        for artifact in self._store.list(folder(self._target)):
            match = _KEY.fullmatch(artifact.key.removeprefix(folder(self._target)))
            if match is not None:
                moment = datetime.strptime(match[2], _SPELLED).replace(tzinfo=UTC)
                backup = BackupId(match[1])
                found[backup] = max(moment, found.get(backup, moment))
        return found

    def _evidence(self, key: str) -> Evidence | None:
        known = self._read.get(key)
        if known is not None:
            return known
        stored = self._store.get(key)
        if stored is None:
            return None
        evidence = Evidence.from_bytes(stored)
        if key_of(evidence) != key:
            raise Damage(Text("The receipt at {key} belongs elsewhere.", key=Code(key)))
        if len(self._read) >= CACHE_LIMIT:
            self._read.clear()
        self._read[key] = evidence
        return evidence


def history(store: ArtifactStore, target: TargetName) -> History:
    """Every receipt of a target. Raises OutsideError."""
    return Dossier(target, store).history()
