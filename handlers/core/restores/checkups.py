"""A check-up of a backup: what scrubs and drills have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from handlers.core.door.work import Work
from handlers.core.formats.evidence import Check, Evidence, Verdict
from handlers.core.formats.manifests import Manifest
from handlers.core.formats.objects import Stored
from handlers.core.ports import ArtifactStore, Clock
from handlers.core.words.errors import Damage
from handlers.core.words.text import Code, Text


@dataclass(slots=True)
class Reached:
    """The level a check-up is at, and whether it was the stored bytes that were wrong."""

    level: int = 0
    misread: bool = False


class Laps:
    """Measures stages that follow each other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ended: list[tuple[str, int]] = []
        self._running: tuple[str, float] | None = None

    def begin(self, name: str) -> None:
        """Ends the stage that runs, and begins another."""
        self.stop()
        self._running = (name, self._clock.monotonic())

    def stop(self) -> tuple[tuple[str, int], ...]:
        """Ends the stage that runs; all of them, in milliseconds."""
        if self._running is not None:
            name, begun = self._running
            self._ended.append((name, round((self._clock.monotonic() - begun) * 1000)))
            self._running = None
        return tuple(self._ended)


def present(store: ArtifactStore, stored: Stored) -> None:
    """Raises Damage unless the file is there with its length; OutsideError."""
    found = next((each for each in store.list(stored.key) if each.key == stored.key), None)
    if found is None:
        raise Damage(Text("Its file {key} is not there any more.", key=Code(stored.key)))
    if found.size_bytes != stored.size_bytes:
        have, want = found.size_bytes, stored.size_bytes
        raise Damage(Text("{key} holds {have} bytes, not {want}.", key=Code(stored.key), have=have, want=want))


def noting(pieces: Iterator[bytes], reached: Reached) -> Iterator[bytes]:
    """The pieces; notes when they are not the ones that were written: that is found at level 1."""
    try:
        yield from pieces
    except Damage:
        reached.level, reached.misread = 1, True
        raise


@dataclass(frozen=True, slots=True)
class Ending:
    """How a check-up that came to its end ended. `reason` is empty for a PASS."""

    check: Check
    level: int
    verdict: Verdict
    reason: str
    stages: tuple[tuple[str, int], ...]


def receipt(manifest: Manifest, work: Work, clock: Clock, ending: Ending) -> Evidence:
    """The evidence of it."""
    actor = work.job.plan.actor
    return Evidence(
        backup=manifest.id,
        target=manifest.target,
        check=ending.check,
        level=ending.level,
        verdict=ending.verdict,
        reason=ending.reason,
        made=clock.now(),
        by=actor.person,
        surface=actor.surface.value,
        job=work.job.id,
        manifest=hashlib.sha256(manifest.to_bytes()).hexdigest(),
        stages=ending.stages,
        collections=len(manifest.collections),
        documents=manifest.documents,
        stored_bytes=manifest.stored_bytes,
        data_bytes=manifest.raw_bytes,
    )
