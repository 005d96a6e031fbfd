"""A moment in the life of a replica set: the timestamp of an entry of its oplog.

- Seconds since 1970 and a counter inside the second, as MongoDB's `Timestamp`; written `1764037205.3`.
- It is the server's clock, never ours: what is compared with it was read from the server too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_SPELLED = re.compile(r"([0-9]{1,10})\.([0-9]{1,10})")
_LIMIT = 2**32


@dataclass(frozen=True, slots=True, order=True)
class OpTime:
    """Ordered as the oplog is."""

    seconds: int
    increment: int

    def __str__(self) -> str:
        return f"{self.seconds}.{self.increment}"

    @property
    def moment(self) -> datetime:
        """The second it is in, aware UTC."""
        return datetime.fromtimestamp(self.seconds, UTC)

    @staticmethod
    def parse(spelled: str) -> OpTime:
        """Raises ValueError for what `str` did not write."""
        match = _SPELLED.fullmatch(spelled)
        if match is None or int(match[1]) >= _LIMIT or int(match[2]) >= _LIMIT:
            raise ValueError(f"not a time of an oplog: {spelled[:40]}")
        return OpTime(int(match[1]), int(match[2]))

    @staticmethod
    def last_of(moment: datetime) -> OpTime:
        """The last one that belongs to the second of this moment. Raises ValueError outside 1970 to 2106."""
        seconds = int(moment.timestamp())
        if not 0 <= seconds < _LIMIT:
            raise ValueError("an oplog knows the years 1970 to 2106")
        return OpTime(seconds, _LIMIT - 1)
