"""A book of data keys: what backups and restores of one target ask about the keys that its programs encrypt with.

- The programs are asked for their counters; the stored key ring for the ids of its keys. No key leaves this module.
- What cannot be asked is not known, and said so; it stops neither a backup nor a plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from handlers.core.formats.manifests import Manifest
from handlers.core.formats.objects import KeyNeeds
from handlers.core.rotation.data_keys import guards_data
from handlers.core.rotation.estates import Estate
from handlers.core.rotation.key_rings import KeyRing
from handlers.core.rotation.rotation_journals import journals
from handlers.core.rotation.secrets import Secret
from handlers.core.words.errors import OutsideError, Problem
from handlers.core.words.text import Code, Text


@dataclass(frozen=True, slots=True)
class DataKeyBook:
    """The DataKeys port, of one target."""

    estate: Estate
    target: str

    def used(self) -> KeyNeeds:
        """See DataKeys."""
        return {secret.name: self._used(secret) for secret in self._secrets()}

    def missing(self, manifest: Manifest) -> tuple[Text, ...]:
        """See DataKeys."""
        known = {secret.name: secret for secret in self._secrets()}
        strange = (
            Text(
                "A part of it is encrypted with {secret}, which is not managed any more: its keys may be gone.",
                secret=Code(name),
            )
            for name in manifest.keys
            if name not in known
        )
        return (*strange, *(text for secret in known.values() for text in self._missing(secret, manifest)))

    def _secrets(self) -> Iterator[Secret]:
        return (each for each in self.estate.managed.secrets.values() if guards_data(each, self.target))

    def _used(self, secret: Secret) -> tuple[str, ...] | None:
        found: set[str] = set()
        try:
            for consumer in self.estate.consumers.get(secret.name, {}).values():
                counts = consumer.encrypted()
                found |= set() if counts is None else counts.used
        except OutsideError:
            return None
        return tuple(sorted(found))

    def _missing(self, secret: Secret, manifest: Manifest) -> Iterator[Text]:
        try:
            gone = self._gone(secret, manifest)
        except Problem:
            yield Text("Whether the keys of {secret} that its data needs are still there could not be looked up.",
                       secret=Code(secret.name))  # fmt: skip
            return
        if gone:
            yield Text(
                "The key {keys} of {secret} is gone: what this backup holds under it comes back, and nobody can read "
                "it.",
                keys=", ".join(gone),
                secret=Code(secret.name),
            )

    def _gone(self, secret: Secret, manifest: Manifest) -> tuple[str, ...]:
        ids = manifest.keys.get(secret.name)
        store = self.estate.store(secret)
        if ids is not None:
            ring = KeyRing.read(store.value(secret.place, store.look(secret.place).current_id)) if ids else None
            return () if ring is None else tuple(each for each in ids if each not in ring.keys)
        gone: list[str] = []
        for journal in journals(self.estate.artifacts, secret.name):
            end = journal.end
            if end is not None and datetime.fromisoformat(end.at) > manifest.created:
                gone += map(str, end.facts.get("dropped", ()))
        return tuple(gone)
