"""Recorded secrets: a store of secrets whose every read and write of a value is in the audit record.

- By the secret's place and the version's id, never by anything of the value. A job's versions begin with its id.
- A read is recorded before the value is given out; a change before it is made, and after it with what came of it.
- What cannot be recorded is not read and not changed.
"""

from __future__ import annotations

from collections.abc import Callable

from handlers.core.ports import Audit
from handlers.core.rotation.secret_stores import Sealed, SecretStore, Shelf
from handlers.core.words.audit import AuditEvent
from handlers.core.words.errors import Problem


class RecordedSecrets:
    """A SecretStore over another."""

    def __init__(self, store: SecretStore, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    def look(self, place: str) -> Shelf:
        """See SecretStore: which versions there are is no secret."""
        return self._store.look(place)

    def value(self, place: str, version: str) -> Sealed:
        """See SecretStore."""
        self._write("secret.read", "allow", place, version)
        return self._store.value(place, version)

    def stage(self, place: str, version: str, value: Sealed, over: str) -> None:
        """See SecretStore."""
        self._changed("stage", place, version, lambda: self._store.stage(place, version, value, over))

    def promote(self, place: str, version: str, over: str) -> None:
        """See SecretStore."""
        self._changed("promote", place, version, lambda: self._store.promote(place, version, over))

    def remove(self, place: str, version: str) -> None:
        """See SecretStore."""
        self._changed("remove", place, version, lambda: self._store.remove(place, version))

    def describe(self) -> str:
        """See SecretStore."""
        return self._store.describe()

    def _changed(self, how: str, place: str, version: str, change: Callable[[], None]) -> None:
        self._write(f"secret.{how}", "allow", place, version)
        try:
            change()
        except Problem:
            self._write(f"secret.{how}.failed", "error", place, version)
            raise
        self._write(f"secret.{how}.done", "allow", place, version)

    def _write(self, event: str, decision: str, place: str, version: str) -> None:
        facts = {"store": self._store.describe(), "place": place, "version": version}
        self._audit.write(AuditEvent(event, decision, None, operation="rotate", facts=facts))
