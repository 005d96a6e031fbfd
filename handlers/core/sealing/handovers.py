"""A handover: another key seals the audit record from here on, announced in the record and signed by both.

- A record of the chain (`audit.key`): how many records are before it, the hash of the last of them and of the very
  first, when, the former key and the new one. The former signs it, so that who trusts it trusts the new one; the new
  one signs it, so that who knows only the new one knows what came before.
- Ed25519 over canonical JSON with a purpose of its own in front: nothing else that either key signs is a handover.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from handlers.core.words.audit import AuditEvent
from handlers.core.words.digests import Json, canonical

HANDED_OVER = "audit.key"
PURPOSE = b"negahban/audit-key/1\n"
LATE = timedelta(minutes=10)
"""How long who had not heard of it may still seal with the former key."""


class Signer(Protocol):
    """Holds a key."""

    @property
    def public(self) -> str:
        """The public key: 64 hex digits."""

    def sign(self, message: bytes) -> str:
        """The signature: 128 hex digits."""


@dataclass(frozen=True, slots=True)
class Handover:
    """See the module. `before`, `after`: the signatures of the former key and of the new one."""

    chain: str
    size: int
    head: str
    at: str
    former: str
    key: str
    before: str = ""
    after: str = ""

    @property
    def message(self) -> bytes:
        """What both sign."""
        said = {name: value for name, value in self.to_json().items() if name not in {"before", "after"}}
        return PURPOSE + canonical(said)

    @property
    def event(self) -> AuditEvent:
        """Its record."""
        return AuditEvent(HANDED_OVER, "allow", None, facts=self.to_json())

    def to_json(self) -> dict[str, Json]:
        """For the record."""
        return {
            "chain": self.chain,
            "size": self.size,
            "head": self.head,
            "at": self.at,
            "former": self.former,
            "key": self.key,
            "before": self.before,
            "after": self.after,
        }


def handed_over(chain: str, size: int, head: str, at: str, former: Signer, signer: Signer) -> Handover:
    """At that place of the record."""
    unsigned = Handover(chain, size, head, at, former.public, signer.public)
    return replace(unsigned, before=former.sign(unsigned.message), after=signer.sign(unsigned.message))


def read(entry: Mapping[str, Any]) -> Handover | None:
    """The handover that a record is; None for a record of another kind. Raises ValueError for one that cannot be
    read."""
    if entry.get("event") != HANDED_OVER:
        return None
    try:
        facts = entry["facts"]
        names = ("chain", "head", "at", "former", "key", "before", "after")
        words = {name: facts[name] for name in names}
        zone = datetime.fromisoformat(words["at"]).tzinfo
        if zone is None or set(facts) != {*names, "size"} or type(facts["size"]) is not int or not _spelled(words):
            raise TypeError("not a handover")
        return Handover(size=facts["size"], **words)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("a change of the key that cannot be read") from error


def _spelled(words: Mapping[str, Any]) -> bool:
    return all(isinstance(word, str) for word in words.values())
