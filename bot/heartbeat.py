"""The heartbeat: an address outside is asked again and again while the bot works; when that ends, it raises the alarm.

- It is asked only while all that `/readyz` asks is well, no card has waited for five minutes, and a worker was seen in
  the last two. What is not known is not well, and then it is not asked: silence is the signal.
- Any `serve` that is well asks it; whether each replica is well, Prometheus sees.
- Nothing waits for it. Why there was no heartbeat is said in the log, once; the address, which may hold a key, never.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime

from bot.attendance import Attendance
from bot.rounds import Rounds
from bot.web import Checks, Measure
from handlers.core.ports import Clock
from handlers.core.runbooks.probes import Web
from handlers.core.words.errors import Problem

UNSENT_SECONDS = 300.0
ANSWER_SECONDS = 10.0
STOP_SECONDS = 1.0

_log = logging.getLogger(__name__)


def alive(ready: Checks, attendance: Attendance, oldest_unsent_seconds: Callable[[], float]) -> Checks:
    """What must hold for the heartbeat."""

    def relayed() -> str:
        return f"a card has waited for over {UNSENT_SECONDS:.0f} s" if oldest_unsent_seconds() > UNSENT_SECONDS else ""

    return {**ready, "relay": relayed, "workers": attendance.missing}


class Heartbeat(Rounds):
    """See the module. Without `url` there is none."""

    def __init__(self, url: str, web: Web, checks: Checks, clock: Clock, seconds: float) -> None:
        super().__init__("heartbeat", STOP_SECONDS, needed=bool(url))
        self._url, self._web, self._checks, self._clock, self._seconds = url, web, checks, clock, seconds
        self._wrong = ""
        self._answered: datetime | None = None

    def turn(self) -> float:
        """See Rounds."""
        try:
            wrong = self._beat()
        except Exception:  # noqa: BLE001 the loop's edge: the next beat tries again
            _log.exception("the heartbeat: a fault; the next one tries again")
            return self._seconds
        if wrong and wrong != self._wrong:
            _log.warning("no heartbeat: %s", wrong)
        elif self._wrong and not wrong:
            _log.info("the heartbeat is back")
        self._wrong = wrong
        return self._seconds

    def measures(self) -> Iterator[Measure]:
        """How long ago it answered; nothing while it never did."""
        if self._answered is not None:
            age = (self._clock.now() - self._answered).total_seconds()
            yield Measure("negahban_heartbeat_age_seconds", "How long ago HEARTBEAT_URL answered", {}, age)

    def _beat(self) -> str:
        """What was wrong, "" when it answered."""
        for name, check in self._checks.items():
            if problem := check():
                return f"{name}: {problem}"
        try:
            answer = self._web.get(self._url, ANSWER_SECONDS)
        except Problem as problem:
            return str(problem)
        if not 200 <= answer.status < 300:
            return f"HEARTBEAT_URL: {answer.why or f'it answered {answer.status}'}"
        self._answered = self._clock.now()
        return ""
