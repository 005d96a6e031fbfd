"""What the chat shows of a job, remembered in the state under `card:<job>`.

- Written before and after every message, so that after a crash nothing is said twice.
- Kept 30 days after the last change, like the job's record.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from handlers.core.errors import OutsideError
from handlers.core.jobs import Job
from handlers.core.ports import State
from handlers.core.text import Text

KEEP_SECONDS = 30 * 86_400
OLD = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the chat shows of a job. `intent`: when the message that may exist was begun; `adopted`: found without a
    record, so that its notes must be looked for too; `because`: why it is not where it was asked for."""

    channel: str
    ts: str = ""
    intent: str = ""
    digest: str = ""
    notes: int = 0
    message: int = 0
    adopted: bool = False
    because: str = ""


class Record:
    """`card:<job>`, changed by nobody else while this relay holds the lease."""

    def __init__(self, state: State, job: Job, now: datetime) -> None:
        self._state, self._key = state, f"card:{job.id}"
        held = state.get(self._key)
        self.fresh = held is None
        self._version = None if held is None else held.version
        if held is not None:
            self.shown = Shown(**json.loads(held.value))
        else:
            # An old job without a record: the state was lost, and its message may be there.
            intent = job.created.isoformat() if now - job.created > OLD else ""
            self.shown = Shown(job.plan.channel, intent=intent)

    def store(self, **changes: Any) -> None:
        """Raises OutsideError, also when somebody else changed it."""
        shown = replace(self.shown, **changes)
        value = json.dumps(asdict(shown)).encode()
        self._version = self._state.put_if(self._key, value, self._version, seconds=KEEP_SECONDS)
        if self._version is None:
            raise OutsideError(Text("Another relay changed the same card."))
        self.shown = shown
