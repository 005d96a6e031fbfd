"""Examining: checks side by side, each in a thread of its own that is left behind when it hangs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from handlers.core.health.findings import Finding, unknown
from handlers.core.health.vitals import Check
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import Problem
from handlers.core.words.text import Seconds, Text

GRACE_SECONDS = 0.5
_log = logging.getLogger(__name__)


class Threads:
    """The Examiner port."""

    def examine(
        self, checks: Mapping[str, Check], target: TargetName, seconds: float
    ) -> Mapping[str, tuple[Finding, ...]]:
        """See the port."""
        found: dict[str, tuple[Finding, ...]] = {}

        def run(name: str, check: Check) -> None:
            try:
                found[name] = check(target, seconds) or (_nothing(name),)
            except Problem as problem:
                found[name] = (unknown(name, problem.text),)
            except Exception:  # noqa: BLE001 a fault in one check must not stop the others, and is never green
                _log.exception("the check %s: a fault", name)
                found[name] = (unknown(name, Text("The check {name} is at fault; see the log.", name=name)),)

        threads = [
            threading.Thread(target=run, args=each, name=f"check-{each[0]}", daemon=True) for each in checks.items()
        ]
        end = time.monotonic() + seconds + GRACE_SECONDS
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        done = dict(found)
        late = {name: (_late(name, seconds),) for name in checks if name not in done}
        return {name: (done | late)[name] for name in checks}


def _nothing(name: str) -> Finding:
    return unknown(name, Text("{name}: nothing was established.", name=name))


def _late(name: str, seconds: float) -> Finding:
    return unknown(name, Text("{name} did not answer within {limit}.", name=name, limit=Seconds(seconds)))
