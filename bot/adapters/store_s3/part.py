"""A part of an upload, in memory of its own: filled, sent, and filled again.

- Its memory is mapped for it alone, not taken from the allocator, which keeps what lies between others' pieces: so an
  upload holds as much as its parts have room for, however long it takes. A page that is never filled takes nothing.
"""

from __future__ import annotations

import io
import mmap
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Part:
    """Room for one part. One thread fills it, then another reads it; never both at a time."""

    def __init__(self, room_bytes: int) -> None:
        self.room_bytes = room_bytes
        self.size_bytes = 0
        self._memory = memoryview(mmap.mmap(-1, room_bytes))

    @property
    def is_full(self) -> bool:
        """Whether nothing more goes in."""
        return self.size_bytes == self.room_bytes

    @property
    def data(self) -> memoryview:
        """What is in it; not a copy."""
        return self._memory[: self.size_bytes]

    def fill(self, data: memoryview) -> memoryview:
        """Appends what there is room for; gives back the rest."""
        taken = data[: self.room_bytes - self.size_bytes]
        self._memory[self.size_bytes : self.size_bytes + len(taken)] = taken
        self.size_bytes += len(taken)
        return data[len(taken) :]

    def emptied(self) -> Part:
        """Itself, to be filled anew."""
        self.size_bytes = 0
        return self

    def as_file(self) -> BinaryIO:
        """To read what is in it, from the start; not a copy."""
        return io.BufferedReader(_View(self.data), buffer_size=64 * 1024)


class _View(io.RawIOBase):
    """A file over memory that is not copied."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        into = memoryview(buffer).cast("B")
        piece = self._data[self._at : self._at + len(into)]
        into[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        self._at = max(0, start + offset)
        return self._at
