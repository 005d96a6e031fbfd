"""Tools that are killed, silent, missing or fed with damage: never a backup, never a touch of live data."""

from __future__ import annotations

import os
import signal
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import bson
import psutil
import pytest
import zstandard
from pymongo.database import Database

from bot.adapters.mongo import Engine, MongoDatabase
from bot.adapters.mongo.archive import MAGIC
from handlers.core.formats.manifests import incomplete
from handlers.core.words.errors import Damage, OutsideError
from sandbox.servers.mongod import Mongod
from tests.bot.mongo.stock import PREFIX, children, drained, dumped, packed_archive
from tests.fake_database import EveryName


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_dump_is_incomplete(
    adapter: MongoDatabase, real: Database[dict[str, Any]], number: signal.Signals
) -> None:
    real.big.insert_many([{"_id": n, "blob": os.urandom(20_000)} for n in range(2000)])
    with adapter.dump() as dump:
        assert dump.read()
        (tool,) = children()
        tool.send_signal(number)
        drained(dump)
        evidence = dump.evidence()
    assert evidence.return_code != 0
    assert "ended with" in str(incomplete(evidence))
    assert incomplete(replace(evidence, return_code=0)) is not None
    assert children() == []


def test_leaving_in_the_middle_ends_the_tool(adapter: MongoDatabase, real: Database[dict[str, Any]]) -> None:
    real.big.insert_many([{"_id": n, "blob": os.urandom(20_000)} for n in range(1000)])
    started = time.monotonic()
    with adapter.dump() as dump:
        dump.read()
        (tool,) = children()
    assert not tool.is_running()
    assert time.monotonic() - started < 5  # a tool that waits for its pipe does not hear SIGTERM


@pytest.mark.parametrize("fault", ["cut", "flipped", "not an archive", "nothing"])
def test_a_damaged_backup_is_damage_and_touches_nothing_live(
    loader: MongoDatabase, real: Database[dict[str, Any]], fault: str
) -> None:
    real.big.insert_many([{"_id": n, "blob": os.urandom(3000)} for n in range(1000)])
    whole = b"".join(dumped(loader)[0])
    before = loader.collections(count=True)
    packer = zstandard.ZstdCompressor()
    middle = len(whole) // 2
    faulty = {
        "cut": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "not an archive": packer.compress(b"something else"),
        "nothing": packer.compress(b""),
    }[fault]
    with pytest.raises(Damage):
        loader.load([faulty], PREFIX, EveryName())
    assert tuple(found for found in loader.collections(count=True) if not found.spec.name.startswith(PREFIX)) == before
    assert children() == []


def test_a_load_that_the_server_refuses_says_so(loader: MongoDatabase, real: Database[dict[str, Any]]) -> None:
    packed = packed_archive({"first": [{"_id": n} for n in range(10)], "twice": [{"_id": 1}, {"_id": 2}, {"_id": 1}]})
    loaded = loader.load(packed, PREFIX, EveryName())
    assert loaded.return_code != 0
    assert loaded.failed == 1
    assert "duplicate key" in loaded.last_lines
    assert all(name.startswith(PREFIX) for name in real.list_collection_names())


def test_a_load_over_something_staged_is_refused(loader: MongoDatabase, real: Database[dict[str, Any]]) -> None:
    real.plain.insert_many([{"_id": n} for n in range(10)])
    packed, _ = dumped(loader)
    real[f"{PREFIX}plain"].insert_one({"_id": 5})
    loaded = loader.load(packed, PREFIX, EveryName())
    assert loaded.return_code != 0
    assert loaded.last_lines


def test_what_the_pieces_raise_goes_through_and_ends_the_tool(
    loader: MongoDatabase, engine: Engine, real: Database[dict[str, Any]]
) -> None:
    real.big.insert_many([{"_id": n, "blob": os.urandom(20_000)} for n in range(300)])
    packed, _ = dumped(loader)
    seen: list[psutil.Process] = []

    def failing() -> Iterator[bytes]:
        yield packed[0]
        seen.extend(children())
        raise LookupError("the store")

    with pytest.raises(LookupError, match="the store"):
        loader.load(failing(), PREFIX, EveryName())
    assert len(seen) == (1 if engine == "mongorestore" else 0)
    assert not any(each.is_running() for each in seen)
    assert not any(thread.name.startswith("load") for thread in threading.enumerate())


@contextmanager
def stand_in(mongod: Mongod, database: str, folder: Path, name: str, body: str) -> Iterator[MongoDatabase]:
    """An adapter that finds this script as its tool."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    with closing(MongoDatabase(mongod.uri(database), path=path, stall_seconds=0.5, loader="mongorestore")) as adapter:
        yield adapter


def test_a_silent_mongodump_is_ended_with_its_children(mongod: Mongod, database: str, tmp_path: Path) -> None:
    body = f"(trap '' TERM; exec sleep 300) & echo $! > {tmp_path}/child; wait"
    started = time.monotonic()
    with stand_in(mongod, database, tmp_path, "mongodump", body) as adapter:
        with pytest.raises(OutsideError, match="mongodump moved no byte") as caught:
            dumped(adapter)
        assert not caught.value.permanent
    assert time.monotonic() - started < 20
    assert _ended(int((tmp_path / "child").read_text()))


def _ended(process: int) -> bool:
    """Whether it is gone, or will be when the kernel has come round to it."""
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        try:
            if psutil.Process(process).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_a_mongorestore_that_takes_nothing_is_ended(mongod: Mongod, database: str, tmp_path: Path) -> None:
    announced = bson.encode({"db": "a", "collection": "b", "metadata": "{}", "type": ""})
    documents = bson.encode({"db": "a", "collection": "b", "EOF": False}) + bson.encode({"x": os.urandom(5_000_000)})
    packed = zstandard.ZstdCompressor().compress(struct.pack("<I", MAGIC) + announced + b"\xff" * 4 + documents)
    with (
        stand_in(mongod, database, tmp_path, "mongorestore", "exec sleep 300") as adapter,
        pytest.raises(OutsideError, match="mongorestore moved no byte"),
    ):
        adapter.load([packed], PREFIX, EveryName())


def test_a_stream_that_ends_early_with_code_0_is_incomplete(mongod: Mongod, database: str, tmp_path: Path) -> None:
    with stand_in(mongod, database, tmp_path, "mongodump", r"printf '\155\342\231\201'") as adapter:
        evidence = dumped(adapter)[1]
    assert (evidence.return_code, evidence.raw_bytes) == (1, 4)


def test_what_is_not_an_archive_is_refused_at_once(mongod: Mongod, database: str, tmp_path: Path) -> None:
    with (
        stand_in(mongod, database, tmp_path, "mongodump", "echo hello; exec sleep 300") as adapter,
        pytest.raises(OutsideError, match="not an archive"),
    ):
        dumped(adapter)


def test_newer_tools_quote_the_names(mongod: Mongod, database: str, tmp_path: Path) -> None:
    names = ("a", "t`", "u (1 document)")
    said = "\n".join(f"2026\tdone dumping `{database}.{name}` (3 documents)" for name in names)
    with stand_in(mongod, database, tmp_path, "mongodump", f"cat >&2 <<'END'\n{said}\nEND") as adapter:
        assert dumped(adapter)[1].reported == dict.fromkeys(names, 3)


def test_a_missing_tool_is_named(mongod: Mongod, database: str, tmp_path: Path) -> None:
    with (
        closing(MongoDatabase(mongod.uri(database), path=str(tmp_path))) as adapter,
        pytest.raises(OutsideError, match="mongodump is not on PATH") as caught,
    ):
        dumped(adapter)
    assert caught.value.permanent
