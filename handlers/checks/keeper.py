"""The keeper of looks: every quarter of an hour a look of its own, so that there is something to compare with.

- Only at sections that cost little and that Prometheus does not remember: MongoDB, the edge, the backups.
- In every worker, once over all of them; the first a whole pause after the start. A section that somebody looked at
  meanwhile is not looked at again. No card, no record: what it finds is only remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from handlers.core.health.memory import LookBook
from handlers.core.health.vitals import Check, Examiner
from handlers.core.ports import Clock, State
from handlers.core.words.answers import TargetName

SECTIONS = ("mongo", "edge", "backups")
SECONDS = 4.0
"""For a look: the other rounds of the scheduler wait meanwhile."""


class LookKeeper:
    """See the module. `round` is called every few seconds; `pause_seconds` 0: never looks."""

    def __init__(
        self,
        state: State,
        checks: Mapping[str, Check],
        examiner: Examiner,
        clock: Clock,
        targets: Iterable[TargetName],
        pause_seconds: int,
    ) -> None:
        self._state, self._memory = state, LookBook(state)
        self._checks = {name: check for name, check in checks.items() if name in SECTIONS}
        self._examiner, self._clock = examiner, clock
        self._targets, self._pause_seconds = tuple(targets), pause_seconds
        self._looked = clock.monotonic()

    def round(self) -> None:
        """Looks when it is time. Raises OutsideError; the next pause goes on."""
        if not self._pause_seconds or self._clock.monotonic() - self._looked < self._pause_seconds:
            return
        self._looked = self._clock.monotonic()
        for target in self._targets:
            if self._state.put_if(f"looking:{target}", b"", None, seconds=max(1, self._pause_seconds - 60)):
                self._look(target)

    def _look(self, target: TargetName) -> None:
        now = self._clock.now()
        newest = {name: self._memory.newest(target, name) for name in self._checks}
        due = {
            name: check
            for name, check in self._checks.items()
            if (last := newest[name]) is None or (now - last).total_seconds() >= self._pause_seconds - 60
        }
        self._memory.note(target, self._examiner.examine(due, target, SECONDS), now)
