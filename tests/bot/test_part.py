"""A part of an upload: filled, read as a file, filled again."""

from __future__ import annotations

import io
import random

from bot.adapters.store_s3.part import Part

ROOM = 300_000


def filled(part: Part, data: bytes) -> bytes:
    """What did not fit."""
    return bytes(part.fill(memoryview(data)))


def test_what_does_not_fit_is_given_back() -> None:
    part, data = Part(ROOM), random.Random(1).randbytes(ROOM + 7)
    assert filled(part, data[:100]) == b""
    assert part.size_bytes == 100
    assert filled(part, data[100:]) == data[-7:]
    assert part.is_full
    assert bytes(part.data) == data[:-7]
    assert filled(part, b"more") == b"more"


def test_it_is_read_as_often_as_it_must_be_sent() -> None:
    part, data = Part(ROOM), random.Random(2).randbytes(ROOM - 5)
    filled(part, data)
    file = part.as_file()
    assert file.seek(0, io.SEEK_END) == len(data)
    for _ in range(3):
        assert file.seek(0) == 0
        assert b"".join(iter(lambda: file.read(16_384), b"")) == data
        assert file.tell() == len(data)
    file.seek(1000)
    assert file.read(10) == data[1000:1010]
    assert file.seek(-10, io.SEEK_CUR) == 1000
    assert file.seek(-10, io.SEEK_END) == len(data) - 10
    assert file.read() == data[-10:]


def test_nothing_of_what_it_held_is_sent_again() -> None:
    part = Part(ROOM)
    filled(part, b"old" * 1000)
    assert part.emptied().size_bytes == 0
    filled(part, b"new")
    assert part.as_file().read() == bytes(part.data) == b"new"
