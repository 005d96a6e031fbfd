"""A frame of Zstandard, cut into its blocks (RFC 8878 §3.1.1): each unpacks to at most 128 KiB.

Four bytes can be a block that repeats one byte 131 072 times, so that 16 KiB could unpack to 512 MiB at once. Given to
the decompressor block by block, no stored file takes more memory than its window and one block.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable

_RLE = 1
_DICTIONARY_BYTES = (0, 1, 2, 4)
_CONTENT_BYTES = (0, 2, 4, 8)
_SHORTEST_BYTES = 5
_CHECKSUM_BYTES = 4


def blocks(pieces: Iterable[bytes]) -> Generator[bytes]:
    """The frame's header, its blocks, its checksum; what comes after it, or is no frame, in pieces of any size. It
    judges nothing: the decompressor does. Raises what `pieces` raises."""
    stream = _Stream(pieces)
    head = stream.take(_SHORTEST_BYTES)
    descriptor = head[-1] if len(head) == _SHORTEST_BYTES else 0
    single = descriptor >> 5 & 1
    content = _CONTENT_BYTES[descriptor >> 6] or single
    yield head + stream.take(1 - single + _DICTIONARY_BYTES[descriptor & 3] + content)
    last = False
    while not last:
        header = stream.take(3)
        if len(header) < 3:
            yield header
            return
        field = int.from_bytes(header, "little")
        last, kind, size = bool(field & 1), field >> 1 & 3, field >> 3
        yield header + stream.take(1 if kind == _RLE else size)
    if descriptor >> 2 & 1:
        yield stream.take(_CHECKSUM_BYTES)
    yield from stream.rest()


class _Stream:
    """Pieces, taken by counts."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = memoryview(b"")

    def take(self, count: int) -> bytes:
        """So many bytes; fewer at the end."""
        if count <= len(self._held):
            taken, self._held = bytes(self._held[:count]), self._held[count:]
            return taken
        parts, wanted = [bytes(self._held)], count - len(self._held)
        self._held = memoryview(b"")
        while wanted and (piece := next(self._pieces, None)) is not None:
            parts.append(piece[:wanted])
            self._held = memoryview(piece)[len(parts[-1]) :]
            wanted -= len(parts[-1])
        return b"".join(parts)

    def rest(self) -> Generator[bytes]:
        """Everything else."""
        yield bytes(self._held)
        yield from self._pieces
