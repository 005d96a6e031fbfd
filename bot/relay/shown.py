"""What the chat shows of one thing, remembered in the state under `card:<name>`.

- Written before and after every message, so that after a crash nothing is said twice.
- Kept 30 days after the last change, like the record of what it shows.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from handlers.core.ports import State
from handlers.core.words.errors import OutsideError
from handlers.core.words.postings import Posting
from handlers.core.words.text import Text

KEEP_SECONDS = 30 * 86_400
OLD = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the chat shows of one thing. `intent`: when the message that may exist was begun; `adopted`: found without a
    record, so that its notes must be looked for too; `because`: why it is not where it should be; `before`: where the
    message is that it follows; `anew`: one was there, and another is due. `serial`: see Posting. `late`: by how many
    seconds the first message came late."""

    channel: str
    ts: str = ""
    intent: str = ""
    digest: str = ""
    notes: int = 0
    message: int = 0
    adopted: bool = False
    because: str = ""
    before: str = ""
    anew: bool = False
    serial: int = 0
    late: int = 0


class Record:
    """`card:<name>`, changed by nobody else while this relay holds the lease."""

    def __init__(self, state: State, name: str) -> None:
        self._state, self._key = state, f"card:{name}"
        held = state.get(self._key)
        self.fresh = held is None
        self._version = None if held is None else held.version
        self.shown = Shown("") if held is None else Shown(**json.loads(held.value))

    @property
    def visible(self) -> bool:
        """Whether a message may be there, or was and is due again."""
        return bool(self.shown.ts or self.shown.intent or self.shown.anew)

    def aim(self, posting: Posting, now: datetime) -> None:
        """Where the posting goes, when nothing is known yet or it is another message than before."""
        if self.fresh and not self.shown.channel:
            # Old and without a record: the state was lost, and its message may be there.
            intent = posting.began.isoformat() if now - posting.began > OLD and not posting.tells_late else ""
            self.shown = Shown(posting.channel, intent=intent, serial=posting.serial)
        elif self.shown.serial != posting.serial:
            self.shown = Shown(posting.channel, message=self.shown.message + 1, serial=posting.serial)

    def store(self, **changes: Any) -> None:
        """Raises OutsideError, also when somebody else changed it."""
        shown = replace(self.shown, **changes)
        value = json.dumps(asdict(shown)).encode()
        self._version = self._state.put_if(self._key, value, self._version, seconds=KEEP_SECONDS)
        if self._version is None:
            raise OutsideError(Text("Another relay changed the same card."))
        self.shown = shown
