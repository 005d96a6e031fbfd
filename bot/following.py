"""Follows the oplog of every target, so that any moment can be restored: one process at a time per target.

- Who holds `follow:<target>` follows; another takes over within two minutes after it died. Two at once would only
  save the same twice.
- A server without an oplog is asked again every ten minutes; a failure is tried again after a few seconds.
- A gap is logged as an error, and noted for the rota: from there on a new timeline begins, moments inside the gap
  cannot be restored, and later ones only from a backup of after it. It is seen once only, so it is remembered until it
  was noted, also while the state is away.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import datetime

from handlers.core.backups.gaps import Gaps
from handlers.core.backups.timelines import Followed, Follower
from handlers.core.ports import Clock, State
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import Problem, Refusal

LEASE_SECONDS = 120
OTHERS_SECONDS = 30.0
AGAIN_SECONDS = 5.0
NO_OPLOG_SECONDS = 600.0
STOP_SECONDS = 20.0

_log = logging.getLogger(__name__)


class Following:
    """A thread for each target, until stopped."""

    def __init__(self, followers: Mapping[TargetName, Follower], state: State, clock: Clock) -> None:
        self._followers = followers
        self._clock = clock
        self._state = state
        self._unnoted: dict[TargetName, tuple[datetime, str]] = {}
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Following:
        for target, follower in self._followers.items():
            thread = threading.Thread(target=self._run, args=(target, follower), name=f"follow-{target}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """What was read so far is saved first."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _run(self, target: TargetName, follower: Follower) -> None:
        while not self._stopping.is_set():
            try:
                pause = self._turn(target, follower)
            except Refusal as refusal:
                _log.warning("the oplog of %s is not saved: %s", target, refusal)
                pause = NO_OPLOG_SECONDS
            except Problem as problem:
                _log.warning("the oplog of %s could not be saved just now: %s", target, problem)
                pause = AGAIN_SECONDS
            except Exception:  # noqa: BLE001 the follower's loop: a thread that ended would leave a gap nobody is told of
                _log.exception("following %s failed; it is tried again", target)
                pause = NO_OPLOG_SECONDS / 10
            self._stopping.wait(pause)

    def _turn(self, target: TargetName, follower: Follower) -> float:
        """Follows as long as this process holds the target; how long to wait then."""
        self._note_gap(target)
        key = f"follow:{target}"
        version = self._state.put_if(key, b"", None, seconds=LEASE_SECONDS)
        if version is None:
            return OTHERS_SECONDS
        try:
            while version is not None and not self._stopping.is_set():
                followed = follower.step(lambda: not self._stopping.is_set())
                if followed.gap is not None:
                    _log.error("a new timeline of %s begins: %s", target, followed.gap)
                    self._unnoted[target] = self._clock.now(), "" if followed.restored else str(followed.gap)
                self._note_gap(target)
                self._note(target, followed)
                version = self._state.put_if(key, b"", version, seconds=LEASE_SECONDS)
        finally:
            if version is not None:
                self._state.delete_if(key, version)
        return AGAIN_SECONDS

    def _note_gap(self, target: TargetName) -> None:
        """What was seen and not noted yet, because the state was away or somebody else was writing there."""
        gap = self._unnoted.get(target)
        if gap is not None and Gaps(self._state, target).note(*gap):
            del self._unnoted[target]

    def _note(self, target: TargetName, followed: Followed) -> None:
        """How far it came, for whoever measures it."""
        if followed.reached is not None:
            held = self._state.get(f"followed:{target}")
            version = None if held is None else held.version
            self._state.put_if(f"followed:{target}", str(followed.reached).encode(), version)
