"""A seal: the bot's signature under the audit record as it is at one moment.

- A seal is a record of the chain itself (`audit.sealed`). It signs how many records are before it, the hash of the last
  of them, the hash of the very first (which record this is), and when: so one seal vouches for everything before it.
- Ed25519 over canonical JSON with a purpose of its own in front: a seal is valid for nothing else.
- A seal by a key that nobody here knows is a problem: whoever rewrote the record could have made it.
- Another key takes over by a record of the chain that both have signed (handovers): who trusts one trusts the other.
  Ten minutes later a seal by the former one is a problem, by its own time and by those of the records before it:
  whoever stole a key that was replaced can sign any time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from handlers.core.sealing import handovers
from handlers.core.sealing.handovers import LATE, Handover, Signer
from handlers.core.words.audit import AuditEvent
from handlers.core.words.digests import Json, canonical

SEALED = "audit.sealed"
PURPOSE = b"negahban/seal/1\n"
_EARLIEST = datetime.min.replace(tzinfo=UTC)

Fits = Callable[[str, bytes, str], bool]
"""Whether a signature (hex) is the one of this key (hex) under this message."""


@dataclass(frozen=True, slots=True)
class Seal:
    """`size`: how many records it vouches for; `head`: the hash of the last of them; `chain`: of the first; `at`: when
    it was made, as ISO 8601."""

    chain: str
    size: int
    head: str
    at: str
    key: str
    signature: str = ""

    @property
    def message(self) -> bytes:
        """What is signed."""
        said: dict[str, Json] = {
            "chain": self.chain,
            "size": self.size,
            "head": self.head,
            "at": self.at,
            "key": self.key,
        }
        return PURPOSE + canonical(said)

    @property
    def event(self) -> AuditEvent:
        """Its record."""
        return AuditEvent(SEALED, "allow", None, facts=self.to_json())

    def to_json(self) -> dict[str, Json]:
        """For the record."""
        return {
            "chain": self.chain,
            "size": self.size,
            "head": self.head,
            "at": self.at,
            "key": self.key,
            "signature": self.signature,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Seal:
        """Raises KeyError, TypeError or ValueError for what is not one."""
        names = ("chain", "head", "at", "key", "signature")
        words = [data[name] for name in names]
        if set(data) != {*names, "size"} or not all(isinstance(word, str) for word in words):
            raise TypeError("not a seal")
        if type(data["size"]) is not int:
            raise TypeError("not a seal")
        chain, head, at, key, signature = words
        if datetime.fromisoformat(at).tzinfo is None:
            raise TypeError("not a moment")
        return Seal(chain, data["size"], head, at, key, signature)


def sealed(chain: str, size: int, head: str, at: str, signer: Signer) -> Seal:
    """A seal under a record of that size."""
    unsigned = Seal(chain, size, head, at, signer.public)
    return Seal(chain, size, head, at, signer.public, signer.sign(unsigned.message))


def read(entry: Mapping[str, Any]) -> Seal | None:
    """The seal that a record is; None for a record of another kind. Raises ValueError for one that cannot be read."""
    if entry.get("event") != SEALED:
        return None
    try:
        return Seal.from_json(entry["facts"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("a seal that cannot be read") from error


@dataclass(slots=True)
class Seals:
    """Looks at the seals of a record while it is read (handlers.core.audit.verify). `keys`: those that are known. What
    is to be said of keys is known when all of it was read: `stranger`, `covered`."""

    fits: Fits
    keys: frozenset[str]
    chain: str = ""
    _found: dict[str, tuple[int, int]] = field(default_factory=dict)
    _links: list[tuple[str, str]] = field(default_factory=list)
    _left: dict[str, datetime] = field(default_factory=dict)
    _times: dict[str, str] = field(default_factory=dict)
    _latest: datetime = _EARLIEST

    def __call__(self, number: int, entry: Mapping[str, Any]) -> str:
        """What is wrong with this record; empty: nothing."""
        if number == 0:
            self.chain = str(entry["hash"])
        try:
            self._latest = max(self._latest, datetime.fromisoformat(str(entry.get("ts"))))
        except (TypeError, ValueError):  # TypeError: without a zone
            return "has no time"
        try:
            handover, seal = handovers.read(entry), read(entry)
            if handover is not None:
                return self._handed_over(number, handover, str(entry["prev"]))
            return "" if seal is None else self._sealed(number, seal, str(entry["prev"]))
        except ValueError as error:
            return str(error)

    def _sealed(self, number: int, seal: Seal, previous: str) -> str:
        if (seal.chain, seal.size, seal.head) != (self.chain, number, previous):
            return "a seal of another record or another place"
        if not self.fits(seal.key, seal.message, seal.signature):
            return "a seal whose signature is wrong"
        at = max(datetime.fromisoformat(seal.at), self._latest)
        if seal.key in self._left and at - self._left[seal.key] > LATE:
            return f"sealed with a key that another one had taken over from ({seal.key[:16]}…)"
        self._found[seal.key] = (self._found.get(seal.key, (number, 0))[0], number)
        self._times[seal.key] = seal.at
        return ""

    def _handed_over(self, number: int, told: Handover, previous: str) -> str:
        if (told.chain, told.size, told.head) != (self.chain, number, previous):
            return "a change of the key in another record or another place"
        by = ((told.former, told.before), (told.key, told.after))
        if not all(self.fits(key, told.message, signature) for key, signature in by):
            return "a change of the key that one of both did not sign"
        self._links.append((told.former, told.key))
        self._left[told.former] = datetime.fromisoformat(told.at)
        self._left.pop(told.key, None)
        return ""

    @property
    def trusted(self) -> frozenset[str]:
        """The keys that are known, and those that took over from one of them or that one of them took over from."""
        known, before = set(self.keys), 0
        while len(known) != before:
            before = len(known)
            for pair in self._links:
                known |= set(pair) if known & set(pair) else set()
        return frozenset(known)

    @property
    def stranger(self) -> str:
        """The first seal of a key that nobody knows; empty: there is none."""
        trusted = self.trusted
        first = min(((numbers[0], key) for key, numbers in self._found.items() if key not in trusted), default=None)
        if first is None:
            return ""
        return f"record {first[0]}: sealed with a key that is not known here ({first[1][:16]}…)"

    @property
    def covered(self) -> int:
        """How many records the newest seal of a trusted key vouches for."""
        trusted = self.trusted
        return max((numbers[1] for key, numbers in self._found.items() if key in trusted), default=0)

    @property
    def sealed_at(self) -> str:
        """When the newest seal of a trusted key was made; empty: there is none."""
        trusted = self.trusted
        newest = max(((numbers[1], key) for key, numbers in self._found.items() if key in trusted), default=None)
        return "" if newest is None else self._times[newest[1]]
