"""A key ring for signed tokens: several keys are accepted, one signs.

- Stored as JSON: `{"version": …, "active": KEY_ID, "keys": {KEY_ID: SECRET}}`; an application reads exactly this.
- No rotation forgets a key before its last token has ended: first every replica accepts both, then the new one signs.
- A probe's token is HS256 (RFC 7515, RFC 7519), lives two minutes, and names its key in `kid`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from handlers.core.rotation.secret_stores import Sealed
from handlers.core.words.errors import Damage
from handlers.core.words.text import Text

PROBE = "negahban-probe"
PROBE_LIFE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, repr=False)
class KeyRing:
    """See the module. `version`: what replicas report."""

    version: str
    active: str
    keys: dict[str, str]

    def __repr__(self) -> str:
        return f"KeyRing({self.version!r}, active={self.active!r}, {len(self.keys)} keys)"

    @staticmethod
    def read(value: Sealed) -> KeyRing:
        """Raises Damage for what is no key ring."""
        try:
            data: Any = json.loads(value.reveal())
            keys = {str(name): str(key) for name, key in data["keys"].items()}
            ring = KeyRing(str(data.get("version", "")), str(data["active"]), keys)
        except (ValueError, KeyError, TypeError, AttributeError):
            ring = None
        if ring is None or ring.active not in ring.keys:
            # Not chained: what cannot be read may be quoted by the exception.
            raise Damage(Text("The stored value is no key ring, so nothing was changed. docs/rotation.md shows one."))
        return ring

    def sealed(self) -> Sealed:
        """As stored."""
        data = {"version": self.version, "active": self.active, "keys": self.keys}
        return Sealed(json.dumps(data, sort_keys=True, separators=(",", ":")).encode())

    def accepting(self, version: str, name: str, key: str) -> KeyRing:
        """Also accepts a new key; the same one signs."""
        return KeyRing(version, self.active, {**self.keys, name: key})

    def signing(self, version: str, name: str) -> KeyRing:
        """A key that is accepted already signs now."""
        if name not in self.keys:
            raise Damage(Text("The new key is not in the key ring, so it cannot sign."))
        return KeyRing(version, name, self.keys)

    def alone(self, version: str) -> KeyRing:
        """Only the key that signs is accepted."""
        return KeyRing(version, self.active, {self.active: self.keys[self.active]})

    def token(self, name: str, now: datetime) -> Sealed:
        """A probe's token signed with that key."""
        header = {"alg": "HS256", "typ": "JWT", "kid": name}
        life = {"iat": int(now.timestamp()), "exp": int((now + PROBE_LIFE).timestamp())}
        signed = f"{_part(header)}.{_part({'sub': PROBE, **life})}"
        mac = hmac.new(self.keys[name].encode(), signed.encode(), hashlib.sha256).digest()
        return Sealed(f"{signed}.{_base64(mac)}".encode())


def key_name(job: str) -> str:
    """The id of the key that a rotation adds."""
    return f"k-{job[:12]}"


def signer(token: Sealed) -> str:
    """The key id a token names; empty when it names none."""
    head = token.reveal().partition(b".")[0]
    try:
        return str(json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4))).get("kid", ""))
    except (ValueError, AttributeError):
        return ""


def _part(data: dict[str, Any]) -> str:
    return _base64(json.dumps(data, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
