"""What ran while the service was well: sets of versions, the newest twenty.

- A set is taken only when every look of one round agrees: the versions, health PASS, and the same versions again. It is
  known good after two such rounds, so that a moment between two versions is never one.
- `known-good:<target>` in the state holds the sets with their times, changed by compare-and-set; the state may be lost.
- `v1/<target>/known-good/<digest>.json` beside the backups holds each set once, from when it was first known good:
  from these the state is filled again.
- Back is always backwards: from a set that is known, to the one that was well last among those that began before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from handlers.core.ports import ArtifactStore, Clock, State
from handlers.core.runbooks.attempts import Result, StepState
from handlers.core.runbooks.deployments import Services, Version
from handlers.core.words.answers import TargetName
from handlers.core.words.digests import Json, canonical, digest
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text

MOST_SETS = 20
ROUNDS_NEEDED = 2
_CHANGES = 16


@dataclass(frozen=True, slots=True)
class GoodSet:
    """`first`, `last`: when it was first and last seen well; `rounds`: how often, counted up to what is needed."""

    versions: Mapping[str, Version]
    first: datetime
    last: datetime
    rounds: int = 1

    @property
    def name(self) -> str:
        """The same for the same versions."""
        return name_of(self.versions)

    def to_json(self) -> Json:
        """For what is stored."""
        versions: dict[str, Json] = {service: version.to_json() for service, version in self.versions.items()}
        return {"versions": versions, "first": self.first.isoformat(), "last": self.last.isoformat(),
                "rounds": self.rounds}  # fmt: skip


def name_of(versions: Mapping[str, Version]) -> str:
    """A set's name: by the ids alone, because a tag can move."""
    return digest("known-good", {service: version.id for service, version in versions.items()})[:32]


class KnownGood:
    """The sets of one target. Everything raises OutsideError."""

    def __init__(self, target: TargetName, state: State, store: ArtifactStore, clock: Clock) -> None:
        self._key = f"known-good:{target}"
        self._root = f"v1/{target}/known-good/"
        self._state = state
        self._store = store
        self._clock = clock

    def look(self, services: Services, well: Callable[[float], Result], seconds: float) -> bool:
        """One round of the looker; whether what runs was well."""
        before = services.look().running
        if not before or well(seconds).state is not StepState.PASSED:
            return False
        if name_of(services.look().running) != name_of(before):
            return False
        self.note(before)
        return True

    def note(self, versions: Mapping[str, Version]) -> None:
        """These were seen well, now."""
        for _ in range(_CHANGES):
            held = self._state.get(self._key)
            sets = self._stored() if held is None else _read(held.value)
            noted = _noted(sets, versions, self._clock.now())
            if noted.rounds >= ROUNDS_NEEDED:
                self._keep(noted)
            rest = [each for each in sets if each.name != noted.name]
            kept = sorted([noted, *rest], key=lambda each: each.last, reverse=True)[:MOST_SETS]
            value = canonical([each.to_json() for each in kept])
            if self._state.put_if(self._key, value, None if held is None else held.version) is not None:
                return
        raise OutsideError(Text("Too many changed what is known good at once."))

    def sets(self) -> tuple[GoodSet, ...]:
        """What is known good, newest first; found again beside the backups when the state was lost."""
        held = self._state.get(self._key)
        found = self._stored() if held is None else _read(held.value)
        good = [each for each in found if each.rounds >= ROUNDS_NEEDED]
        return tuple(sorted(good, key=lambda each: each.last, reverse=True))

    def before(self, now: Mapping[str, Version]) -> GoodSet | None:
        """Where back is from what runs now; None when nothing older was well."""
        sets = self.sets()
        mine = next((each for each in sets if each.name == name_of(now)), None)
        older = [each for each in sets if mine is None or each.first < mine.first]
        return older[0] if older else None

    def _keep(self, good: GoodSet) -> None:
        """Writes it beside the backups, once, and lets the oldest go."""
        key = f"{self._root}{good.name}.json"
        if not self._store.put_new(key, canonical(good.to_json())):
            return
        there = sorted(self._store.list(self._root), key=lambda each: each.modified)
        for old in there[:-MOST_SETS]:
            with suppress(OutsideError):  # locked by the bucket's own rule: it is passed over when sets are read
                self._store.delete(old.key)

    def _stored(self) -> list[GoodSet]:
        there = sorted(self._store.list(self._root), key=lambda each: each.modified)[-MOST_SETS:]
        return [_one(json.loads(data)) for each in there if (data := self._store.get(each.key)) is not None]


def _noted(sets: list[GoodSet], versions: Mapping[str, Version], now: datetime) -> GoodSet:
    known = next((each for each in sets if each.name == name_of(versions)), None)
    if known is None:
        return GoodSet(dict(versions), now, now)
    return replace(known, versions=dict(versions), last=now, rounds=min(known.rounds + 1, ROUNDS_NEEDED))


def _read(stored: bytes) -> list[GoodSet]:
    return [_one(each) for each in json.loads(stored)]


def _one(data: Mapping[str, Json]) -> GoodSet:
    match data:
        case {"versions": dict(versions), "first": str(first), "last": str(last), "rounds": int(rounds)}:
            read = {service: _version(each) for service, each in versions.items()}
            return GoodSet(read, datetime.fromisoformat(first), datetime.fromisoformat(last), rounds)
        case _:
            raise OutsideError(Text("What is stored as known good cannot be read."), permanent=True)


def _version(stored: Json) -> Version:
    match stored:
        case [str(name), str(tag), str(source)]:
            return Version(name, tag, source)
        case _:
            raise OutsideError(Text("What is stored as known good cannot be read."), permanent=True)
