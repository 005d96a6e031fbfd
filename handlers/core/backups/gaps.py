"""A gap in the saved oplog of a target, from when it is noticed until a backup begins the moments anew.

- Behind a gap no moment can be restored before there is a backup of after it. So one is made at once and not at the
  next tick; when it fails, another after an hour.
- A restore makes a gap too: what it put in place is in no entry of the oplog. Nobody needs to be told of that one, and
  the backup waits a quarter of an hour, so that it is not in the way of who wants the restore undone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from handlers.core.ports import State
from handlers.core.words.answers import TargetName
from handlers.core.words.digests import canonical

AGAIN = timedelta(hours=1)
SETTLED = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Gap:
    """`why`: in words, empty for the one of a restore; `told`: somebody was told, or need not be; `asked`: when a
    backup was last asked for."""

    at: datetime
    why: str
    told: bool
    asked: datetime | None = None
    version: str = ""

    def due(self, now: datetime) -> bool:
        """Whether a backup is to be asked for."""
        if self.asked is not None:
            return now - self.asked >= AGAIN
        return bool(self.why) or now - self.at >= SETTLED


class Gaps:
    """The newest gap of a target, in the state. Everything raises OutsideError."""

    def __init__(self, state: State, target: TargetName) -> None:
        self._state = state
        self._key = f"gap:{target}"

    def note(self, at: datetime, why: str) -> bool:
        """There is one; False when somebody else wrote just then, and it is not noted."""
        return self._put(Gap(at, why, told=not why, version=getattr(self.open(), "version", "")))

    def open(self) -> Gap | None:
        """The one behind which there is no backup yet."""
        held = self._state.get(self._key)
        if held is None:
            return None
        data = json.loads(held.value)
        asked = datetime.fromisoformat(data["asked"]) if data["asked"] else None
        return Gap(datetime.fromisoformat(data["at"]), str(data["why"]), bool(data["told"]), asked, held.version)

    def tell(self, gap: Gap) -> bool:
        """Whether it is this worker who tells of it."""
        return not gap.told and self._put(replace(gap, told=True))

    def ask(self, gap: Gap, now: datetime) -> bool:
        """Whether it is this worker who asks for a backup."""
        return gap.due(now) and self._put(replace(gap, asked=now))

    def close(self, gap: Gap) -> None:
        """There is a backup of after it."""
        self._state.delete_if(self._key, gap.version)

    def _put(self, gap: Gap) -> bool:
        asked = "" if gap.asked is None else gap.asked.isoformat()
        value = canonical({"at": gap.at.isoformat(), "why": gap.why, "told": gap.told, "asked": asked})
        return self._state.put_if(self._key, value, gap.version or None) is not None
