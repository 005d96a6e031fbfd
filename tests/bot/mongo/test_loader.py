"""The native loader beside mongorestore: the same data from the same archive, and nothing from a broken one."""

from __future__ import annotations

import io
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, get_args

import psutil
import pytest
import zstandard
from pymongo.database import Database

from bot.adapters.mongo import Engine, MongoDatabase
from bot.adapters.mongo.loader import Loader
from bot.adapters.mongo.packing import unpacked
from bot.adapters.mongo.runs import RUN_BYTES, RUN_DOCUMENTS, ArchiveReader
from handlers.core.formats.manifests import incomplete
from handlers.core.words.errors import Damage, OutsideError
from sandbox.parts import require
from sandbox.servers.mongod import Mongod
from tests import zoo
from tests.bot.mongo.stock import PREFIX, dumped, names_of, packed_archive
from tests.fake_database import EveryName


@contextmanager
def databases(mongod: Mongod, *engines: Engine, path: str) -> Iterator[list[MongoDatabase]]:
    """New ones on the server, one for each engine; dropped afterwards."""
    with ExitStack() as ending:
        made = []
        client = ending.enter_context(mongod.client())
        for engine in engines:
            name = f"test_{secrets.token_hex(6)}"
            ending.callback(client.drop_database, name)
            adapter = MongoDatabase(mongod.uri(name), path=path, stall_seconds=20, loader=engine)
            made.append(ending.enter_context(closing(adapter)))
        yield made


def hashes(mongod: Mongod, name: str) -> dict[str, str]:
    """MongoDB's own digest of every collection, buckets too."""
    with mongod.client() as client:
        found: dict[str, str] = client[name].command("dbHash")["collections"]
    return {collection: digest for collection, digest in found.items() if collection != "system.views"}


def test_both_engines_load_the_zoo_to_the_same_digests(
    mongod: Mongod, adapter: MongoDatabase, real: Database[dict[str, Any]], tools_path: str
) -> None:
    zoo.plant(real)
    packed, evidence = dumped(adapter)
    original = hashes(mongod, real.name)
    with databases(mongod, *get_args(Engine), path=tools_path) as loaders:
        for loader in loaders:
            loaded = loader.load(packed, PREFIX, names_of(evidence))
            assert (loaded.return_code, loaded.failed) == (0, 0)
        native, tool = [hashes(mongod, loader.name) for loader in loaders]
        pictures = [zoo.picture(real.client[loader.name]) for loader in loaders]
    assert native == tool
    assert len(native) == len(names_of(evidence)) > 35
    assert {_without_prefix(name): digest for name, digest in native.items()} == original
    assert pictures[0] == pictures[1]


def _without_prefix(name: str) -> str:
    return name.removeprefix(PREFIX) if name.startswith(PREFIX) else name.replace(zoo.BUCKETS + PREFIX, zoo.BUCKETS, 1)


def test_the_stock_tools_read_ours_and_we_read_theirs(
    mongod: Mongod, adapter: MongoDatabase, real: Database[dict[str, Any]], tools_path: str
) -> None:
    zoo.plant(real)
    packed, evidence = dumped(adapter)
    assert incomplete(evidence) is None
    with databases(mongod, "native", "native", path=tools_path) as (stock, ours):
        # As by hand: zstd -dc data.archive.zst | mongorestore --archive
        raw = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(b"".join(packed))).read()
        names = [f"--nsFrom={real.name}.*", f"--nsTo={stock.name}.*"]
        command = [str(require("mongorestore")), f"--uri={mongod.uri()}", "--archive", "--quiet", *names]
        subprocess.run(command, input=raw, check=True)
        # As by hand: mongodump --archive | zstd
        command = [str(require("mongodump")), f"--uri={mongod.uri(stock.name)}", "--archive", "--quiet"]
        theirs = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        loaded = ours.load([zstandard.ZstdCompressor().compress(theirs)], PREFIX, names_of(evidence))
        assert (loaded.return_code, loaded.failed) == (0, 0)
        original = hashes(mongod, real.name)
        assert hashes(mongod, stock.name) == original
        assert {_without_prefix(name): digest for name, digest in hashes(mongod, ours.name).items()} == original


def test_documents_that_are_not_the_dumped_ones_are_damage(adapter: MongoDatabase) -> None:
    documents = {"a": [{"_id": 1}], "b": [{"_id": 1}, {"_id": 2}]}
    assert adapter.load(packed_archive(documents), PREFIX, EveryName()).restored == 3
    with pytest.raises(Damage, match="not the ones that were dumped"):
        adapter.load(packed_archive(documents, wrong_checksum=True), "__rst_other_", EveryName())


def read_to_its_end(pieces: list[bytes]) -> int:
    """How many documents it holds."""
    reader = ArchiveReader(pieces)
    reader.open()
    return sum(len(run.documents) for run in reader.runs())


def test_an_archive_that_ends_anywhere_is_damage(adapter: MongoDatabase, real: Database[dict[str, Any]]) -> None:
    raw = b"".join(unpacked(packed_archive({"a": [{"_id": 1}], "b": [{"_id": 1}, {"_id": 2}]})))
    for length in range(len(raw)):
        with pytest.raises(Damage):
            read_to_its_end([raw[:length]])
    assert read_to_its_end([raw]) == 3
    with pytest.raises(Damage):
        adapter.load([zstandard.ZstdCompressor().compress(raw[: -len(raw) // 8])], PREFIX, EveryName())
    assert all(name.startswith(PREFIX) for name in real.list_collection_names())


@pytest.mark.parametrize("size", [1, 7, 100, 10**9])
def test_pieces_of_any_size_give_the_same_runs(size: int) -> None:
    holds: dict[str, list[dict[str, Any]]] = {
        "tiny": [{"_id": number} for number in range(2 * RUN_DOCUMENTS + 1)] if size > 7 else [{"_id": 1}],
        "none": [],
        "large": [{"_id": 1}, {"_id": 2, "x": b"x" * (RUN_BYTES + 9)}, {"_id": 3}] if size > 7 else [{"_id": 2}],
    }
    raw = b"".join(unpacked(packed_archive(holds)))
    reader = ArchiveReader(raw[at : at + size] for at in range(0, len(raw), size))
    reader.open()
    runs = list(reader.runs())
    for name, documents in holds.items():
        assert [document["_id"] for run in runs if run.name == name for document in run.documents] == [
            document["_id"] for document in documents
        ]
    for run in runs:
        assert run.size_bytes == sum(len(document.raw) for document in run.documents)
        assert len(run.documents) <= RUN_DOCUMENTS
        assert run.size_bytes <= RUN_BYTES or len(run.documents) == 1


def test_a_collection_that_vanishes_while_it_is_loaded_is_damage(
    adapter: MongoDatabase, real: Database[dict[str, Any]]
) -> None:
    blobs = ({"_id": number, "blob": os.urandom(10_000)} for number in range(500))
    packed = packed_archive({"empty": [], "big": blobs})

    def dropping() -> Iterator[bytes]:
        yield from packed[:-1]
        real.drop_collection(f"{PREFIX}empty")
        yield packed[-1]

    with pytest.raises(Damage, match="not what the backup holds"):
        adapter.load(dropping(), PREFIX, EveryName())


def test_a_load_without_a_prefix_is_only_possible_where_nothing_is(real: Database[dict[str, Any]]) -> None:
    real.live.insert_one({"_id": 1})
    with pytest.raises(ValueError, match="into the live data"):
        Loader(real, "").load([], {"live"})
    assert real.live.count_documents({}) == 1


def test_a_capped_collection_keeps_the_order_of_its_documents(
    loader: MongoDatabase, real: Database[dict[str, Any]]
) -> None:
    real.create_collection("log", capped=True, size=40_000_000)
    order = [(number * 7919) % 30_000 for number in range(30_000)]
    real.log.insert_many({"_id": number, "text": "x" * 400} for number in order)
    packed, _ = dumped(loader)
    assert loader.load(packed, PREFIX, EveryName()).restored == len(order)
    assert [document["_id"] for document in real[f"{PREFIX}log"].find()] == order


def test_a_server_that_freezes_while_it_is_loaded_is_an_error(tools_path: str) -> None:
    packed = packed_archive({"big": ({"_id": n, "blob": os.urandom(10_000)} for n in range(1500))})

    def freezing(server: Mongod) -> Iterator[bytes]:
        for number, piece in enumerate(packed):
            if number == len(packed) - 2:
                os.kill(server.pid, signal.SIGSTOP)
                while psutil.Process(server.pid).status() != psutil.STATUS_STOPPED:
                    time.sleep(0.01)
            yield piece

    with (
        Mongod() as server,
        closing(MongoDatabase(server.uri("shop"), path=tools_path, stall_seconds=1)) as adapter,
    ):
        begun = time.monotonic()
        with pytest.raises(OutsideError, match="MongoDB is silent") as caught:
            adapter.load(freezing(server), PREFIX, EveryName())
        assert time.monotonic() - begun < 15
        assert not caught.value.permanent
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("load")]
        os.kill(server.pid, signal.SIGCONT)
