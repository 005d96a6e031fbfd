"""Who is in Slack's user groups, for the policy: asked in the background, never while somebody waits.

- Every minute each group of the policy is asked about; between that the last answer counts.
- What could not be asked keeps its last answer for fifteen minutes, then nobody is in it: roles end, they never linger.
- A group that Slack does not know, or does not let us see, is empty.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping

from bot.slack.chat import Chat
from handlers.core.ports import Clock
from handlers.core.words.errors import OutsideError

ROUND_SECONDS = 60.0
KEEP_SECONDS = 900.0
STOP_SECONDS = 10.0

_log = logging.getLogger(__name__)


class Roster:
    """Asks from its own thread, while it is entered. `wanted`: the groups' ids, as the policy of now names them."""

    def __init__(self, chat: Chat, wanted: Callable[[], Iterable[str]], clock: Clock) -> None:
        self._chat = chat
        self._wanted = wanted
        self._clock = clock
        self._kept: dict[str, tuple[float, frozenset[str]]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="user-groups", daemon=True)

    def members(self) -> Mapping[str, frozenset[str]]:
        """As known now. Asks nobody."""
        oldest = self._clock.monotonic() - KEEP_SECONDS
        with self._lock:
            return {group: members for group, (asked, members) in self._kept.items() if asked > oldest}

    def refresh(self) -> None:
        """Asks about every group once. Never raises."""
        for group in self._wanted():
            now = self._clock.monotonic()
            try:
                members = frozenset(self._chat.group(group))
            except OutsideError as error:
                if not error.permanent:
                    _log.warning("the user group %s could not be asked about: %s", group, error)
                    continue
                _log.error("the user group %s of the policy has nobody: %s", group, error)
                members = frozenset()
            with self._lock:
                self._kept[group] = (now, members)

    def __enter__(self) -> Roster:
        """The first answers are there when it returns, or are known to be missing."""
        self.refresh()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(ROUND_SECONDS):
            self.refresh()
