"""How archives and slices are packed for the store, and unpacked again: one frame of Zstandard with a checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import zstandard

from handlers.core.errors import Damage
from handlers.core.objects import Packing
from handlers.core.text import Text

ZSTD_THREADS = 2
# What is unpacked at once: little, for little can unpack to very much.
PACKED_BYTES = 16 * 1024


class Packer:
    """Packs one stream, piece by piece, and measures what comes out."""

    def __init__(self, packing: Packing, *, threads: int = ZSTD_THREADS) -> None:
        self._compressor = zstandard.ZstdCompressor(
            level=packing.level, threads=threads, write_checksum=True
        ).compressobj()
        self._sha = hashlib.sha256()
        self.stored_bytes = 0

    @property
    def sha256(self) -> str:
        """Of everything that came out so far, in hexadecimal."""
        return self._sha.hexdigest()

    def pack(self, raw: bytes) -> bytes:
        """What comes out for the next piece; often nothing yet."""
        return self._measured(self._compressor.compress(raw))

    def finish(self) -> bytes:
        """What comes out at the end."""
        return self._measured(self._compressor.flush())

    def _measured(self, packed: bytes) -> bytes:
        self._sha.update(packed)
        self.stored_bytes += len(packed)
        return packed


def unpacked(packed: Iterable[bytes]) -> Iterator[bytes]:
    """What was packed into the stored pieces. Raises Damage when they are not one whole frame of Zstandard."""
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    for piece in packed:
        for start in range(0, len(piece), PACKED_BYTES):
            try:
                raw = unpacker.decompress(piece[start : start + PACKED_BYTES])
            except zstandard.ZstdError as error:
                raise _damaged() from error
            if raw:
                yield raw
    if not unpacker.eof or unpacker.unused_data:
        raise _damaged()


def _damaged() -> Damage:
    return Damage(Text("The stored backup is damaged: it cannot be unpacked."))
