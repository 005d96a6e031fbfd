"""Secrets in Kubernetes: `<name>`, which the team made and which says what is current, and an immutable Secret for each
version, `<name>-<digest of its id>`, which workloads use.

- `<name>` is the place, with `.` for `/`. Its `value` is the current one; an annotation holds the ids of what is
  current, pending, former and kept. Both change in one JSON patch that names the resourceVersion that was looked at, so
  that of two who change it one is told 409, and looks again. (Without one a write of a Secret is unconditional.)
- A version never changes: its Secret is `immutable`, and a name is never used for another value, since some kubelets go
  on with the bytes they know (kubernetes/kubernetes#131589).
- Staging claims first and is confirmed last; a claim that was left is cleared away by whoever comes next. So every
  Secret that was made stands in the annotation, and the bot needs no right to list the secrets of a namespace.
- A `value` that is not the one of the version that is said to be current was put there by hand: it is a version of its
  own, by the resourceVersion.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from kubernetes import client

from bot.adapters.kubernetes.asking import Conflict, Gone, Object, asked
from bot.adapters.kubernetes.notes import (
    ID,
    KEY,
    MADE_AS,
    MOST_BYTES,
    NOTES,
    Notes,
    name_of,
    one,
    secret_name,
    spelled,
    value_in,
)  # fmt: skip
from handlers.core.rotation.secret_stores import Sealed, Shelf, Version, absent, crowded, in_use, taken
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

ROUNDS = 12


@dataclass(frozen=True, slots=True)
class _Seen:
    """The place as it was read. `current`: the id of what its value is; `by_hand`: nobody has noted that one yet."""

    found: Object
    notes: Notes
    value: Sealed
    current: str
    by_hand: bool


class KubernetesSecrets:
    """The SecretStore port."""

    def __init__(self, connection: client.ApiClient, namespace: str) -> None:
        self._api = client.CoreV1Api(connection)
        self._namespace = namespace

    def describe(self) -> str:
        """See the port."""
        return f"Kubernetes secrets in {self._namespace}"

    def look(self, place: str) -> Shelf:
        """See the port."""
        seen = self._seen(place)
        if seen is None:
            return Shelf()
        notes = seen.notes
        previous = notes.current if seen.by_hand and notes.current else notes.previous
        return Shelf(
            Version(seen.current, self._made(place, seen)),
            Version(notes.pending) if notes.pending else None,
            Version(previous) if previous else None,
        )

    def value(self, place: str, version: str) -> Sealed:
        """See the port."""
        seen = self._seen(place)
        if seen is not None and seen.current == version:
            return seen.value
        if seen is None or version not in seen.notes.known:
            raise absent(place, version[:64])
        found = self._version(place, version)
        if found is None:
            raise absent(place, version)
        return value_in(found, place)

    def stage(self, place: str, version: str, value: Sealed, over: str) -> None:
        """See the port."""
        name_of(place)
        if not ID.fullmatch(version) or not 0 < len(value.reveal()) <= MOST_BYTES:
            raise OutsideError(Text("That cannot be a version of {place}.", place=Code(place)), permanent=True)
        if self._claimed(place, version, value, over):
            return
        self._make(place, version, value)
        if not self._changed(place, lambda seen: self._confirmed(place, seen, version)):
            self._delete(place, version)
            raise crowded(place)

    def promote(self, place: str, version: str, over: str) -> None:
        """See the port."""

        def promoted(seen: _Seen) -> tuple[Notes, Sealed] | None:
            if seen.current == version:
                return None
            if seen.current != over:
                raise taken(place)
            found = self._version(place, version) if version in seen.notes.known else None
            if found is None:
                raise absent(place, version[:64])
            if seen.by_hand:
                self._make(place, seen.current, seen.value)
            kept = tuple(dict.fromkeys((*seen.notes.kept, *one(seen.notes.current), over, version)))
            pending = "" if seen.notes.pending == version else seen.notes.pending
            return replace(seen.notes, current=version, previous=over, pending=pending, kept=kept), value_in(
                found, place
            )

        self._changed(place, promoted)

    def remove(self, place: str, version: str) -> None:
        """See the port."""

        def removed(seen: _Seen) -> tuple[Notes, Sealed] | None:
            notes = seen.notes
            if seen.current == version:
                raise in_use(place)
            if version not in {*notes.known, *notes.claims, notes.previous}:
                return None
            left = replace(
                notes,
                current="" if notes.current == version else notes.current,
                pending="" if notes.pending == version else notes.pending,
                previous="" if notes.previous == version else notes.previous,
                kept=tuple(each for each in notes.kept if each != version),
                claims=tuple(each for each in notes.claims if each != version),
            )
            return left, seen.value

        if self._seen(place) is not None:
            self._changed(place, removed)
            if ID.fullmatch(version):
                self._delete(place, version)

    def serving(self, place: str) -> str:
        """The name of the Secret that workloads must use now. Raises OutsideError."""
        seen = self._seen(place)
        if seen is None:
            raise absent(place, "")
        return name_of(place) if seen.by_hand else secret_name(place, seen.current)

    # -- staging -------------------------------------------------------------------------------------------------

    def _claimed(self, place: str, version: str, value: Sealed, over: str) -> bool:
        """Notes what is about to be made; True when it is there already."""
        there = False

        def claimed(seen: _Seen) -> tuple[Notes, Sealed] | None:
            nonlocal there
            there = False
            if version in {*seen.notes.known, seen.current}:
                if self.value(place, version) != value:
                    raise taken(place)
                there = True
                return None
            if seen.notes.pending:
                raise crowded(place)
            if seen.current != over:
                raise taken(place)
            if seen.value == value:
                raise OutsideError(Text("{place} has that value already.", place=Code(place)), permanent=True)
            notes = seen.notes
            if seen.by_hand:
                self._make(place, seen.current, seen.value)
                kept = tuple(dict.fromkeys((*notes.kept, *one(notes.current), seen.current)))
                notes = replace(notes, current=seen.current, previous=notes.current, kept=kept)
            claims = (*(each for each in notes.claims if each != version), version)
            return replace(notes, claims=claims), seen.value

        self._changed(place, claimed)
        return there

    def _confirmed(self, place: str, seen: _Seen, version: str) -> tuple[Notes, Sealed] | None:
        """Whoever claimed last; what others have left is cleared away. None: somebody else was later."""
        if seen.notes.pending == version:
            return seen.notes, seen.value
        if seen.notes.pending or seen.notes.claims[-1:] != (version,) or self._version(place, version) is None:
            return None
        for each in seen.notes.claims[:-1]:
            self._delete(place, each)
        return replace(seen.notes, pending=version, claims=()), seen.value

    # -- the objects ---------------------------------------------------------------------------------------------

    def _seen(self, place: str) -> _Seen | None:
        try:
            found = asked(self._api.read_namespaced_secret, name_of(place), self._namespace)
        except Gone:
            return None
        notes, value = Notes.read(found, place), value_in(found, place)
        noted = self._version(place, notes.current) if notes.current else None
        if noted is not None and value_in(noted, place) == value:
            return _Seen(found, notes, value, notes.current, by_hand=False)
        facts = found["metadata"]
        return _Seen(
            found, notes, value, f"found-{facts['uid'].replace('-', '')}-{facts['resourceVersion']}", by_hand=True
        )

    def _changed(self, place: str, change: Callable[[_Seen], tuple[Notes, Sealed] | None]) -> bool:
        """Changes the place to what `change` makes of it, with the resourceVersion that was looked at; looks again
        after a 409. False when it wants nothing changed."""
        for _ in range(ROUNDS):
            seen = self._seen(place)
            if seen is None:
                raise OutsideError(
                    Text("Kubernetes has no secret {name} in {namespace}. Make it, with a first `value`.",
                         name=Code(name_of(place)), namespace=Code(self._namespace)), permanent=True)  # fmt: skip
            wanted = change(seen)
            if wanted is None:
                return False
            if seen.found.get("immutable"):
                name = Code(name_of(place))
                text = Text("The secret {name} is immutable, so it cannot say what is current.", name=name)
                raise OutsideError(text, permanent=True)
            metadata = seen.found["metadata"]
            notes = {**(metadata.get("annotations") or {}), NOTES: wanted[0].written()}
            patch = [
                {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
                {"op": "add", "path": "/metadata/annotations", "value": notes},
                {"op": "add", "path": f"/data/{KEY}", "value": spelled(wanted[1])},
            ]
            try:
                asked(self._api.patch_namespaced_secret, name_of(place), self._namespace, body=patch)
            except Conflict:
                continue
            return True
        raise OutsideError(Text("{place} was written by others each time I tried.", place=Code(place)))

    def _version(self, place: str, version: str) -> Object | None:
        try:
            found = asked(self._api.read_namespaced_secret, secret_name(place, version), self._namespace)
        except Gone:
            return None
        return found if (found["metadata"].get("annotations") or {}).get(MADE_AS) == version else None

    def _make(self, place: str, version: str, value: Sealed) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret_name(place, version), "annotations": {MADE_AS: version}},
            "immutable": True,
            "data": {KEY: spelled(value)},
        }
        try:
            asked(self._api.create_namespaced_secret, self._namespace, body=body)
        except Conflict:
            there = self._version(place, version)
            if there is None or value_in(there, place) != value:
                raise taken(place) from None

    def _delete(self, place: str, version: str) -> None:
        with contextlib.suppress(Gone):
            asked(self._api.delete_namespaced_secret, secret_name(place, version), self._namespace)

    def _made(self, place: str, seen: _Seen) -> datetime:
        found = None if seen.by_hand else self._version(place, seen.current)
        return datetime.fromisoformat((found or seen.found)["metadata"]["creationTimestamp"])
