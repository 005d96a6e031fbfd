"""How archives and slices are packed for the store, and unpacked again.

- One frame of Zstandard with a checksum; around it age's encryption when there are recipients.
- What is measured (SHA-256, length) is what is stored.
- What comes out is handed on in pieces of one size: several MiB at a time would stay with the allocator, in holes.
- Stock tools read it: `zstd -dc`, with `age -d` before it (docs/backup-format.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain

import zstandard

from bot.adapters.mongo.frames import blocks
from bot.adapters.mongo.sealing import HEADER, Keys, Sealer, opened
from handlers.core.formats.objects import Packing
from handlers.core.words.errors import Damage
from handlers.core.words.text import Text

ZSTD_THREADS = 2
JOB_BYTES = 3 * 1024 * 1024
"""What one thread is given at once: less takes longer, and each MiB more takes 3 to 10 of memory."""
OUT_BYTES = 256 * 1024
"""What comes out in one piece, before encryption."""
TABLES = {3: {"window_log": 19, "chain_log": 14}}
"""By level: a quarter as large, they stay in a processor's cache: 6 to 13 % less work for at most 2 % more bytes."""
# What level 19 looks back at; a frame that wants more memory is not ours.
WINDOW_BYTES = 8 * 1024 * 1024


class Packer:
    """Packs one stream, piece by piece, and measures what comes out. `threads`: of Zstandard. Raises Refusal for a
    recipient that is not a public key of age."""

    def __init__(self, packing: Packing, *, threads: int = ZSTD_THREADS) -> None:
        self.packing = packing
        parameters = zstandard.ZstdCompressionParameters.from_level(
            packing.level,
            threads=threads,
            job_size=JOB_BYTES if threads else 0,
            write_checksum=1,
            **TABLES.get(packing.level, {}),
        )
        self._chunker = zstandard.ZstdCompressor(compression_params=parameters).chunker(chunk_size=OUT_BYTES)
        self._sealer = Sealer(packing.recipients) if packing.recipients else None
        self._sha = hashlib.sha256()
        self.stored_bytes = 0

    @property
    def sha256(self) -> str:
        """Of everything that came out so far, in hexadecimal."""
        return self._sha.hexdigest()

    def pack(self, raw: bytes | memoryview) -> Iterator[bytes]:
        """What comes out for the next piece, often nothing yet; it is to be read to its end. Raises OutsideError when
        it cannot be encrypted."""
        yield from map(self._measured, self._sealed(self._chunker.compress(raw)))

    def finish(self) -> Iterator[bytes]:
        """What comes out at the end. Raises OutsideError when it cannot be encrypted."""
        packed: Iterable[bytes] = self._chunker.finish()  # type: ignore[no-untyped-call]  # its hints are bare
        yield from map(self._measured, self._sealed(packed))
        if self._sealer is not None:
            yield self._measured(self._sealer.finish())

    def close(self) -> None:
        """Ends it wherever it is; what is not finished is worth nothing. May be called twice."""
        if self._sealer is not None:
            self._sealer.close()

    def _sealed(self, packed: Iterable[bytes]) -> Iterable[bytes]:
        return packed if self._sealer is None else filter(None, map(self._sealer.seal, packed))

    def _measured(self, packed: bytes) -> bytes:
        self._sha.update(packed)
        self.stored_bytes += len(packed)
        return packed


def unpacked(packed: Iterable[bytes], secret: Keys = Keys()) -> Iterator[bytes]:  # noqa: B008 frozen
    """What was packed into the stored pieces, at most 128 KiB at once; `secret` opens encrypted ones. Raises Damage
    unless they are one whole frame of Zstandard, or one whole stream of age around it; Refusal when no key here opens
    it."""
    pieces, head = iter(packed), b""
    while len(head) < len(HEADER) and (piece := next(pieces, None)) is not None:
        head += piece
    whole = chain([head], pieces)
    if not head.startswith(HEADER):
        yield from _decompressed(whole)
        return
    plain = opened(whole, secret)
    try:
        yield from _decompressed(plain)
    finally:
        # Not left to the collector: an error's traceback would keep it, and its thread.
        plain.close()


def _decompressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    unpacker = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES).decompressobj()
    for block in filter(None, blocks(pieces)):
        if unpacker.eof:
            raise _damaged()
        try:
            raw = unpacker.decompress(block)
        except zstandard.ZstdError as error:
            raise _damaged() from error
        if raw:
            yield raw
    if not unpacker.eof or unpacker.unused_data:
        raise _damaged()


def _damaged() -> Damage:
    return Damage(Text("The stored backup is damaged: it cannot be unpacked."))
