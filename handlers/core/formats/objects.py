"""The files of a backup in the store: which they are, how they are packed, and what locks them.

- `sha256` and `size_bytes` are of what is stored, packed and encrypted as it is.
- `version` is the store's own name for exactly these bytes: a delete without it only hides them. Empty where a store
  has no versions.
- `locked_until` is what the store said when it was asked after the write; never what was wished for.
- A slice is a part of the oplog: every entry after `start` up to and including `end`, of one database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from handlers.core.formats.optimes import OpTime
from handlers.core.words.digests import Json

PLAIN = ".zst"
ENCRYPTED = ".zst.age"
KeyNeeds = Mapping[str, tuple[str, ...] | None]
"""The ids of the keys that data is under, by the name of their secret; None: it could not be known."""


def counted(value: object) -> int:
    """A stored count. Raises ValueError for what counts nothing."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"not a count: {str(value)[:20]}")
    return value


def both(before: KeyNeeds, after: KeyNeeds) -> KeyNeeds:
    """What is needed by data that was read between two counts."""
    found: dict[str, tuple[str, ...] | None] = {}
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        found[name] = None if one is None or other is None else tuple(sorted({*one, *other}))
    return found


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a store says about what it keeps now."""

    version: str = ""
    locked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """One file of a backup."""

    key: str
    sha256: str
    size_bytes: int
    receipt: Receipt = Receipt()

    def to_json(self) -> dict[str, Json]:
        """For manifests."""
        locked = self.receipt.locked_until
        return {
            "key": self.key,
            "sha256": self.sha256,
            "bytes": self.size_bytes,
            "version": self.receipt.version,
            "locked_until": None if locked is None else locked.isoformat(),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Stored:
        """Raises KeyError, TypeError or ValueError."""
        locked = data["locked_until"]
        until = None if locked is None else datetime.fromisoformat(locked)
        if until is not None and until.utcoffset() is None:
            raise ValueError("its lock has no zone")
        receipt = Receipt(str(data["version"]), None if until is None else until.astimezone(UTC))
        return Stored(str(data["key"]), str(data["sha256"]), counted(data["bytes"]), receipt)


@dataclass(frozen=True, slots=True)
class Packing:
    """How the files are packed: Zstandard, then age for these recipients (their public keys); none: not encrypted."""

    level: int = 3
    recipients: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """What the name of a file packed so ends with."""
        return ENCRYPTED if self.recipients else PLAIN

    def to_json(self) -> dict[str, Json]:
        """For manifests."""
        return {"codec": "zstd", "level": self.level, "recipients": list(self.recipients)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Packing:
        """Raises KeyError, TypeError or ValueError."""
        if data["codec"] != "zstd":
            raise ValueError(f"packed with {data['codec']}")
        return Packing(counted(data["level"]), tuple(str(each) for each in data["recipients"]))


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the oplog, stored."""

    start: OpTime
    end: OpTime
    entries: int
    stored: Stored

    def to_json(self) -> dict[str, Json]:
        """For manifests."""
        return {
            "start": str(self.start),
            "end": str(self.end),
            "entries": self.entries,
            "stored": self.stored.to_json(),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Slice:
        """Raises KeyError, TypeError or ValueError, also for a slice that ends before it begins."""
        found = Slice(
            OpTime.parse(data["start"]),
            OpTime.parse(data["end"]),
            counted(data["entries"]),
            Stored.from_json(data["stored"]),
        )
        if found.end < found.start:
            raise ValueError("a slice that ends before it begins")
        return found
