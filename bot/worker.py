"""The worker: takes jobs from the queue, keeps their leases alive, and looks after jobs that nobody looks after.

- Jobs run in threads; a beat every two seconds renews what they hold; every five seconds it tends.
- A failure of one job never ends the worker: this is one of the three places with a broad except.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from handlers.core.door.desk import Desk
from handlers.core.words.answers import JobId
from handlers.core.words.errors import Problem

BEAT_SECONDS = 2.0
TEND_SECONDS = 5.0
FIND_ROUNDS = 6
THREADS = 8
STOP_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Consumer(Protocol):
    """A running consumer of the queue."""

    def start(self) -> None:
        """Begins to hand out jobs."""

    def stop(self, timeout: float) -> None:
        """Takes no new job and waits for the running ones, at most so many seconds."""


Consume = Callable[[Callable[[JobId], None], int], Consumer]


class Beat:
    """Renews the leases of this process's jobs while it is entered."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beat", daemon=True)

    def __enter__(self) -> Beat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                self._desk.beat()
            except Exception:  # noqa: BLE001 the worker's loop: a lease that is not renewed runs out, and that is safe
                _log.exception("the leases could not be renewed")


class Worker:
    """Runs until stopped."""

    def __init__(self, desk: Desk, consume: Consume, beside: AbstractContextManager[object]) -> None:
        """`beside`: what runs as long as the worker does."""
        self._desk = desk
        self._consume = consume
        self._beside = beside
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Asks it to end; may be called from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Works until `stop`. Running jobs then stop at their next check and clean up, or are handed on."""
        consumer = self._consume(self._work, THREADS)
        with Beat(self._desk), self._beside:
            consumer.start()
            _log.info("the worker is ready")
            rounds = 0
            try:
                while not self._stopping.is_set():
                    self._tend(find=rounds % FIND_ROUNDS == 0)
                    rounds += 1
                    self._stopping.wait(TEND_SECONDS)
            finally:
                ending = threading.Thread(target=consumer.stop, args=(STOP_SECONDS,), name="ending")
                ending.start()  # first: what is handed on is not to come to this process again
                self._desk.stop()
                ending.join()

    def _tend(self, *, find: bool) -> None:
        try:
            if find:
                self._desk.find_lost()
            self._desk.tend()
        except Exception:  # noqa: BLE001 the worker's loop: tending is tried again in a moment
            _log.exception("tending failed; it is tried again")

    def _work(self, job: JobId) -> None:
        try:
            self._desk.work(job)
        except Problem as problem:
            _log.error("job %s: %s", job, problem)
        except Exception:  # noqa: BLE001 the worker's loop: the job's lease is gone, so it will be looked after
            _log.exception("job %s ended unexpectedly", job)
