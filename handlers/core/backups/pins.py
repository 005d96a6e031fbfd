"""Pins: copies that a person wants to keep, whatever retention says.

- `v1/<target>/pins/<backup>/<number>.json`, each written once: an odd number pins, an even one lets go. Who and when
  stands in it. Of two who change the same pin at once, the second finds the number taken and looks again.
"""

from __future__ import annotations

from datetime import datetime

from handlers.core.ports import ArtifactStore
from handlers.core.words.answers import BackupId, PersonId, TargetName
from handlers.core.words.digests import canonical
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text

ROUNDS = 8


class Pins:
    """The pins of one target. Everything raises OutsideError."""

    def __init__(self, target: TargetName, store: ArtifactStore) -> None:
        self._root = f"v1/{target}/pins/"
        self._store = store

    def pinned(self) -> frozenset[BackupId]:
        """Every copy that is pinned now."""
        return frozenset(backup for backup, number in self._numbers("").items() if number % 2)

    def set(self, backup: BackupId, by: PersonId, at: datetime, *, pinned: bool) -> bool:
        """Pins it or lets it go; False when it was so already."""
        for _ in range(ROUNDS):
            number = self._numbers(backup).get(backup, 0)
            if bool(number % 2) == pinned:
                return False
            data = canonical({"pinned": pinned, "by": by, "at": at.isoformat()})
            if self._store.put_new(f"{self._root}{backup}/{number + 1:04d}.json", data):
                return True
        raise OutsideError(Text("Too many changed the same pin at once."))

    def _numbers(self, backup: str) -> dict[BackupId, int]:
        """The highest number of each backup."""
        found: dict[BackupId, int] = {}
        for artifact in self._store.list(f"{self._root}{backup}"):
            name, _, number = artifact.key.removeprefix(self._root).partition("/")
            if number.removesuffix(".json").isdigit():
                found[BackupId(name)] = max(found.get(BackupId(name), 0), int(number.removesuffix(".json")))
        return found
