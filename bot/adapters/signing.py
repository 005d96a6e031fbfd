"""Ed25519 signatures, by which the bot seals its audit record.

- Where the key is rotated it is made from the stored value in the same way (HKDF), and so is the one of second factors.
- The key is AUDIT_KEY, or is made from MASTER_KEY (HKDF-SHA256 with a purpose of its own), so that none need be kept
  besides it. Neither can be found from the other's use.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PURPOSE = b"negahban/audit-key/1"
FACTORS = b"negahban/factor-key/1"
KEY_BYTES = 32


class Ed25519Signer:
    """The Signer port."""

    def __init__(self, key: bytes) -> None:
        """`key`: 32 secret bytes."""
        self._key = Ed25519PrivateKey.from_private_bytes(key)

    @property
    def public(self) -> str:
        """The public key, in hex."""
        return self._key.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> str:
        """The signature, in hex."""
        return self._key.sign(message).hex()


def derived(material: bytes, purpose: bytes = PURPOSE) -> bytes:
    """A key for one purpose made from secret bytes: of an audit record whose bot was given none, from MASTER_KEY."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose).derive(material)


def fits(public: str, message: bytes, signature: str) -> bool:
    """Whether the signature is the one of this key under this message."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), message)
    except (ValueError, InvalidSignature):
        return False
    return True
