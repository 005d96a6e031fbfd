"""Packing: what comes out is one frame of Zstandard, encrypted for those who should read it; nothing else is taken."""

from __future__ import annotations

import gc
import hashlib
import itertools
import random
import threading
import weakref
from collections.abc import Iterator

import psutil
import pyrage
import pytest
import zstandard

from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.frames import blocks
from bot.adapters.mongo.packing import TABLES, Packer, unpacked
from bot.adapters.mongo.sealing import Keys, Sealer, keys
from handlers.core.formats.objects import Packing
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.text import Text

SECRET, OTHER = (str(pyrage.x25519.Identity.generate()) for _ in range(2))
PUBLIC, OTHER_PUBLIC = (str(pyrage.x25519.Identity.from_str(each).to_public()) for each in (SECRET, OTHER))
SEALED = Packing(3, (PUBLIC,))
MEBIBYTE = 1 << 20


def raw_pieces(seed: int, count: int, size: int = 50_000) -> list[bytes]:
    """Half text, half noise."""
    draw = random.Random(seed)
    return [draw.randbytes(size // 2) + b"all work and no play " * (size // 42) for _ in range(count)]


def packed_with(packing: Packing, raw: list[bytes], threads: int = 2) -> tuple[bytes, Packer]:
    packer = Packer(packing, threads=threads)
    return b"".join(itertools.chain(*map(packer.pack, raw), packer.finish())), packer


def fed(packer: Packer, piece: bytes) -> None:
    for _ in packer.pack(piece):
        pass


def cut(whole: bytes, size: int) -> list[bytes]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def age_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "age"]


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    yield
    gc.collect()
    assert age_threads() == []


@pytest.mark.parametrize("packing", [Packing(), SEALED, Packing(19, (PUBLIC, OTHER_PUBLIC))])
@pytest.mark.parametrize("size", [1, 7, 4096, MEBIBYTE])
def test_what_was_packed_comes_back_whatever_the_pieces(packing: Packing, size: int) -> None:
    raw = raw_pieces(1, 3, min(50_000, 2000 * size))
    stored, packer = packed_with(packing, raw)
    assert packer.sha256 == hashlib.sha256(stored).hexdigest()
    assert packer.stored_bytes == len(stored)
    assert b"".join(unpacked(cut(stored, size), keys([SECRET]))) == b"".join(raw)


@pytest.mark.parametrize("packing", [Packing(), SEALED])
def test_nothing_packed_is_nothing_unpacked(packing: Packing) -> None:
    stored, _ = packed_with(packing, [])
    assert list(unpacked([stored], keys([SECRET]))) == []


@pytest.mark.parametrize(("level", "threads"), [(3, 2), (1, 0), (19, 1)])
def test_without_recipients_it_is_plain_zstandard(level: int, threads: int) -> None:
    raw = raw_pieces(2, 5)
    stored, _ = packed_with(Packing(level), raw, threads)
    tables = TABLES.get(level, {})
    parameters = zstandard.ZstdCompressionParameters.from_level(level, threads=threads, write_checksum=1, **tables)
    plain = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    assert stored == b"".join([*map(plain.compress, raw), plain.flush()])


def test_each_of_several_keys_opens_it() -> None:
    stored, _ = packed_with(Packing(3, (PUBLIC, OTHER_PUBLIC)), [b"x"])
    for secret in (SECRET, OTHER):
        assert b"".join(unpacked([stored], keys([secret]))) == b"x"
    assert b"".join(unpacked([stored], keys([str(pyrage.x25519.Identity.generate()), OTHER]))) == b"x"


def test_without_a_key_the_sentence_says_what_to_set() -> None:
    stored, _ = packed_with(SEALED, [b"x"])
    with pytest.raises(Refusal, match=r"no key to open it\. Set BACKUP_AGE_IDENTITY"):
        list(unpacked([stored]))


def test_a_key_for_another_backup_is_refused_and_not_called_damage() -> None:
    stored, _ = packed_with(SEALED, raw_pieces(3, 20))
    with pytest.raises(Refusal, match="No key of this host opens this backup"):
        list(unpacked(cut(stored, 1000), keys([OTHER])))


@pytest.mark.parametrize("packing", [Packing(), SEALED])
def test_every_cut_of_a_small_file_is_damage(packing: Packing) -> None:
    stored, _ = packed_with(packing, [b"some bytes"])
    for length in range(len(stored)):
        with pytest.raises(Damage):
            list(unpacked([stored[:length]], keys([SECRET])))


def test_a_cut_between_two_chunks_of_age_is_damage() -> None:
    stored, _ = packed_with(SEALED, raw_pieces(4, 12))
    chunk, header = 64 * 1024 + 16, stored.index(b"\n", stored.index(b"\n---") + 1) + 1 + 16
    assert len(stored) > header + 3 * chunk
    for count in (0, 1, 2, 3):
        with pytest.raises(Damage, match="decrypted to its end"):
            list(unpacked([stored[: header + count * chunk]], keys([SECRET])))


@pytest.mark.parametrize("packing", [Packing(), SEALED])
@pytest.mark.parametrize("more", [b"\0", b"\n", b"(\xb5/\xfd", None])
def test_an_appended_byte_is_damage(packing: Packing, more: bytes | None) -> None:
    stored, _ = packed_with(packing, [b"some bytes"])
    for pieces in ([stored, more or stored], [stored + (more or stored)]):
        with pytest.raises(Damage):
            list(unpacked(pieces, keys([SECRET])))


@pytest.mark.parametrize("bomb", [bytes(256 * MEBIBYTE), None])
def test_a_bomb_never_takes_more_than_a_block_at_once(bomb: bytes | None) -> None:
    if bomb is None:  # a frame whose every block is four bytes for 128 KiB
        field = (128 * 1024 << 3) | 2
        block = field.to_bytes(3, "little") + b"x"
        stored = b"(\xb5/\xfd\x00\x58" + block * 4000 + (field | 1).to_bytes(3, "little") + b"x"
    else:
        stored = zstandard.compress(bomb)
    assert len(stored) < 64 * 1024
    del bomb
    before, most, total = psutil.Process().memory_info().rss, 0, 0
    for piece in unpacked([stored]):
        total, most = total + len(piece), max(most, len(piece))
    assert total >= 256 * MEBIBYTE
    assert most <= 128 * 1024
    assert psutil.Process().memory_info().rss - before < 64 * MEBIBYTE


def test_a_frame_that_wants_a_window_of_a_gigabyte_is_damage() -> None:
    stored = b"(\xb5/\xfd\x00" + bytes([(30 - 10) << 3]) + b"\x01\x00\x00"
    with pytest.raises(Damage):
        list(unpacked([stored]))


def test_blocks_are_the_frame_and_all_of_it() -> None:
    draw = random.Random(5)
    sizes, either = (0, 1, 300, 70_000, 500_000), (True, False)
    for size, level, known, check in itertools.product(sizes, (1, 3), either, either):
        raw = draw.randbytes(size // 2) + bytes(size - size // 2)
        made = zstandard.ZstdCompressor(level=level, write_checksum=check, write_content_size=known)
        stored = made.compress(raw) + draw.randbytes(draw.randrange(3))
        assert b"".join(blocks(cut(stored, draw.randrange(1, 5000)))) == stored


def test_what_is_given_stays_the_callers_error() -> None:
    stored, _ = packed_with(SEALED, raw_pieces(6, 4))

    def broken() -> Iterator[bytes]:
        yield stored[:70_000]
        raise OutsideError(Text("the store is away"))

    with pytest.raises(OutsideError, match="the store is away") as caught:
        list(unpacked(broken(), keys([SECRET])))
    assert caught.value.__traceback__ is not None
    assert age_threads() == []  # though the error is kept


def test_a_packer_that_is_let_go_ends_its_thread() -> None:
    packer = Packer(SEALED)
    assert list(packer.pack(b"x" * MEBIBYTE)) == []
    assert age_threads() == []  # nothing was sealed yet, so there is no thread
    packer = Packer(SEALED)
    for piece in raw_pieces(7, 40, MEBIBYTE):
        fed(packer, piece)
    assert len(age_threads()) == 1
    gone = weakref.ref(packer)
    del packer
    assert gone() is None
    assert age_threads() == []


def test_a_packer_in_a_circle_ends_its_thread_when_it_is_collected() -> None:
    packer = Packer(SEALED, threads=0)
    for piece in raw_pieces(8, 4, MEBIBYTE):
        fed(packer, piece)
    assert len(age_threads()) == 1
    packer.circle = packer  # type: ignore[attr-defined]
    del packer
    gc.collect()
    assert age_threads() == []


def test_a_closed_packer_never_makes_half_a_file_look_whole() -> None:
    packer = Packer(SEALED, threads=0)
    for piece in raw_pieces(9, 4, MEBIBYTE):
        fed(packer, piece)
    packer.close()
    packer.close()
    assert age_threads() == []
    with pytest.raises(OutsideError, match="could not be encrypted"):
        list(packer.finish())
    sealer = Sealer((PUBLIC,))
    sealer.seal(b"x" * MEBIBYTE)
    sealer.close()
    with pytest.raises(OutsideError, match="could not be encrypted"):
        sealer.finish()


def test_unpacking_that_is_let_go_ends_its_thread() -> None:
    stored, _ = packed_with(SEALED, raw_pieces(10, 40))
    for end in (lambda pieces: pieces.close(), lambda pieces: None):
        pieces = unpacked(cut(stored, 1000), keys([SECRET]))
        next(pieces)
        assert len(age_threads()) == 1
        end(pieces)
        del pieces
        assert age_threads() == []


def test_an_error_that_is_kept_keeps_no_thread() -> None:
    raw = zstandard.compress(b"".join(raw_pieces(11, 40)))
    sealed = pyrage.encrypt(raw[:100_000] + b"?" + raw[100_000:], [pyrage.x25519.Recipient.from_str(PUBLIC)])
    with pytest.raises(Damage, match="unpacked") as caught:
        list(unpacked(cut(sealed, 1000), keys([SECRET])))
    assert caught.value.__traceback__ is not None
    assert age_threads() == []


def test_memory_does_not_grow_with_what_is_encrypted() -> None:
    piece, process = random.Random(12).randbytes(MEBIBYTE), psutil.Process()
    packer, secret, count = Packer(Packing(1, (PUBLIC,)), threads=0), keys([SECRET]), 120

    def stored() -> Iterator[bytes]:
        for _ in range(count):
            yield from packer.pack(piece)
        yield from packer.finish()

    peaks, total = [], 0
    for number, plain in enumerate(unpacked(stored(), secret)):
        total += len(plain)
        if number % 80 == 0:
            peaks.append(process.memory_info().rss)
    assert total == count * MEBIBYTE
    assert packer.stored_bytes > 0
    half = len(peaks) // 2
    assert max(peaks[half:]) - max(peaks[:half]) < 16 * MEBIBYTE


@pytest.mark.parametrize(
    "word",
    [SECRET[:-1] + ("Q" if SECRET[-1] != "Q" else "P"), "AGE-SECRET-KEY-1QQQQ", PUBLIC],
    ids=["wrong checksum", "too short", "a public key"],
)
def test_what_is_no_secret_key_is_refused_without_repeating_it(word: str) -> None:
    with pytest.raises(Refusal, match="BACKUP_AGE_IDENTITY") as caught:
        MongoDatabase("mongodb://127.0.0.1/shop", identities=[SECRET, word])
    assert word not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "word",
    [PUBLIC[:-1] + ("q" if PUBLIC[-1] != "q" else "p"), "age1", "ssh-ed25519 AAAA"],
    ids=["wrong checksum", "too short", "another kind"],
)
def test_what_is_no_public_key_is_refused_at_start(word: str) -> None:
    with pytest.raises(Refusal, match="BACKUP_AGE_RECIPIENTS"):
        MongoDatabase("mongodb://127.0.0.1/shop", packing=Packing(3, (PUBLIC, word)))


def test_no_secret_key_is_in_a_representation() -> None:
    secret = keys([SECRET])
    assert SECRET not in f"{secret!r} {secret} {secret.identities!r}"
    assert Keys() == keys([])


def test_a_host_opens_what_one_of_its_keys_is_for() -> None:
    adapter = MongoDatabase("mongodb://127.0.0.1/shop", identities=[SECRET])
    assert adapter.opens(Packing())
    assert adapter.opens(Packing(3, (OTHER_PUBLIC, PUBLIC)))
    assert not adapter.opens(Packing(3, (OTHER_PUBLIC,)))
