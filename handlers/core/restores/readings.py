"""A reading: a stored file from its first byte to its last, compared with what was written down about it.

- The last piece is only given when the SHA-256 and the length of the whole fit: a wrong copy never comes to its end.
- It is read by the version that was written, so that nothing that was put over it since is read in its place. A store
  that does not know that version (a bucket that was copied has others) is asked for the key alone; the SHA-256 decides.
- Reading needs no key; who unpacks asks `need_key` before anything else is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from handlers.core.formats.objects import Packing, Stored
from handlers.core.ports import ArtifactStore, Database
from handlers.core.words.errors import Damage, Refusal
from handlers.core.words.text import Code, Text


def need_key(database: Database, packing: Packing) -> None:
    """Raises Refusal when what is packed so cannot be opened here."""
    if not database.opens(packing):
        raise Refusal(
            Text(
                "This backup is encrypted for {recipients}, and this host has no key that opens it. Set "
                "BACKUP_AGE_IDENTITY where the worker runs.",
                recipients=Code(", ".join(packing.recipients)),
            )
        )


def reading(store: ArtifactStore, stored: Stored, watch: Callable[[int], None]) -> Iterator[bytes]:
    """The pieces. `watch` is told how many bytes were read so far, before each piece is given, and may raise. Raises
    Damage for a copy that is not what was written; OutsideError."""
    digest, count, held = hashlib.sha256(), 0, b""
    version = stored.receipt.version
    if version and store.receipt(stored.key, version) is None:
        version = ""
    for piece in store.read(stored.key, version=version):
        digest.update(piece)
        count += len(piece)
        watch(count)
        if held:
            yield held
        held = piece
    if digest.hexdigest() != stored.sha256 or count != stored.size_bytes:
        raise Damage(
            Text(
                "The stored copy is damaged: the SHA-256 of {key} is not the one written down. Do not rely on it.",
                key=Code(stored.key),
            )
        )
    yield held
