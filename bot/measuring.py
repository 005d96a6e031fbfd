"""Measuring: what Prometheus is told about the proofs of backups.

- `negahban_last_good_check_age_seconds{target, check}`: how long ago a scrub or drill passed last. There is no such
  line while none ever did, or while the store cannot be reached: alert on its absence too.
- `negahban_quarantined_backups{target}`: how many backups a failed check keeps from being `latest`.
- The store is listed at most once a minute, however often Prometheus asks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from bot.web import Measure
from handlers.core.answers import TargetName
from handlers.core.catalogue import Catalogue, Catalogues
from handlers.core.errors import Problem
from handlers.core.evidence import Check
from handlers.core.ports import Clock

FRESH_SECONDS = 60.0
_AGE = "negahban_last_good_check_age_seconds"
_AGE_MEANS = "Seconds since a check of this kind passed last"
_QUARANTINED = "negahban_quarantined_backups"
_QUARANTINED_MEANS = "Backups that a failed check keeps from being latest"


class Proved:
    """The measures. Never raises."""

    def __init__(self, catalogues: Catalogues, clock: Clock) -> None:
        self._catalogues = catalogues
        self._clock = clock
        self._looked: float | None = None
        self._measures: tuple[Measure, ...] = ()
        self._lock = threading.Lock()

    def __call__(self) -> tuple[Measure, ...]:
        """What is true, or was less than a minute ago."""
        with self._lock:
            now = self._clock.monotonic()
            if self._looked is None or now - self._looked >= FRESH_SECONDS:
                self._looked = now
                self._measures = tuple(
                    each for target, catalogue in self._catalogues.items() for each in self._of(target, catalogue)
                )
            return self._measures

    def _of(self, target: TargetName, catalogue: Catalogue) -> Iterator[Measure]:
        try:
            history = catalogue.dossier.history()
            suspects = catalogue.suspects()
        except Problem:
            return
        for check in Check:
            last = history.last(check, good=True)
            if last is not None:
                age = (self._clock.now() - last.made).total_seconds()
                yield Measure(_AGE, _AGE_MEANS, {"target": target, "check": check.value}, age)
        yield Measure(_QUARANTINED, _QUARANTINED_MEANS, {"target": target}, len(suspects))
