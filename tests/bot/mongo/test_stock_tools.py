"""The stored archive and the stock tools read each other: mongodump, zstd, age, mongorestore, as anybody has them."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pyrage
import pytest
from pymongo.database import Database

from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.archive import ArchiveWalker, index_name
from bot.adapters.mongo.packing import unpacked
from bot.adapters.mongo.sealing import keys
from handlers.core.formats.manifests import CollectionSpec, incomplete
from handlers.core.formats.objects import Packing
from handlers.core.words.errors import Refusal
from sandbox.servers.mongod import Mongod
from tests.bot.mongo.stock import PREFIX, children, drained, dumped, fill, live, names_of
from tests.conftest import needs

SECRET = str(pyrage.x25519.Identity.generate())
PUBLIC = str(pyrage.x25519.Identity.from_str(SECRET).to_public())


@pytest.fixture
def sealing(mongod: Mongod, database: str, tools_path: str) -> Iterator[MongoDatabase]:
    """The adapter with encryption."""
    uri, packing = mongod.uri(database), Packing(3, (PUBLIC,))
    with closing(MongoDatabase(uri, path=tools_path, packing=packing, identities=[SECRET])) as adapter:
        yield adapter


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """As age-keygen writes it."""
    file = tmp_path / "key.txt"
    file.write_text(f"# public key: {PUBLIC}\n{SECRET}\n")
    return file


def known(spec: CollectionSpec) -> tuple[object, ...]:
    """What mongodump keeps: all but the order of fields inside definitions (see canonical)."""
    return spec.name, spec.kind, spec.documents, [index_name(index) for index in spec.indexes]


def shell(line: str, path: str, folder: Path, uri: str) -> None:
    """A line of shell, as a person types it. `$URI` is the server."""
    environment = {"PATH": path, "HOME": str(folder), "URI": uri}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_an_encrypted_dump_is_loaded_as_it_was(sealing: MongoDatabase, real: Database[dict[str, Any]]) -> None:
    fill(real)
    packed, evidence = dumped(sealing)
    assert incomplete(evidence) is None
    assert evidence.packing == Packing(3, (PUBLIC,))
    stored = b"".join(packed)
    assert stored.startswith(b"age-encryption.org/v1\n")
    assert (evidence.sha256, evidence.stored_bytes) == (hashlib.sha256(stored).hexdigest(), len(stored))
    loaded = sealing.load(packed, PREFIX, names_of(evidence))
    assert (loaded.return_code, loaded.failed) == (0, 0)
    assert loaded.restored == sum(spec.documents for spec in evidence.announced)


def test_without_the_key_nothing_is_loaded_and_no_tool_is_started(
    sealing: MongoDatabase, adapter: MongoDatabase, real: Database[dict[str, Any]]
) -> None:
    real.plain.insert_one({"_id": 1})
    packed, evidence = dumped(sealing)
    with pytest.raises(Refusal, match="no key to open it"):
        adapter.load(packed, PREFIX, names_of(evidence))
    assert children() == []
    assert real.list_collection_names() == ["plain"]


@pytest.mark.parametrize("encrypted", [False, True])
def test_the_stock_tools_restore_what_we_stored(
    mongod: Mongod,
    adapter: MongoDatabase,
    sealing: MongoDatabase,
    real: Database[dict[str, Any]],
    tools_path: str,
    tmp_path: Path,
    key_file: Path,
    *,
    encrypted: bool,
) -> None:
    needs("zstd")
    fill(real)
    packed, evidence = dumped(sealing if encrypted else adapter)
    (tmp_path / "stored").write_bytes(b"".join(packed))
    before, documents = live(adapter), list(real.plain.find().sort("_id"))
    real.client.drop_database(real.name)
    start = f"{needs('age')} -d -i {key_file.name} stored" if encrypted else "cat stored"
    shell(f"{start} | zstd -dc | mongorestore --archive --uri=$URI", tools_path, tmp_path, mongod.uri(""))
    assert list(real.plain.find().sort("_id")) == documents
    assert [known(spec) for spec in live(adapter)] == [known(spec) for spec in before]
    assert [known(spec) for spec in evidence.announced] == [known(spec) for spec in before]


@pytest.mark.parametrize("encrypted", [False, True])
def test_we_load_what_the_stock_tools_stored(
    mongod: Mongod,
    sealing: MongoDatabase,
    real: Database[dict[str, Any]],
    tools_path: str,
    tmp_path: Path,
    *,
    encrypted: bool,
) -> None:
    needs("zstd")
    fill(real)
    end = f"| {needs('age')} -r {PUBLIC} >stored" if encrypted else ">stored"
    shell(f"mongodump --uri=$URI --archive | zstd -3 -T2 {end}", tools_path, tmp_path, mongod.uri(real.name))
    stored = (tmp_path / "stored").read_bytes()
    pieces = [stored[start : start + 10_000] for start in range(0, len(stored), 10_000)]
    walker = ArchiveWalker()
    for piece in unpacked(pieces, keys([SECRET])):
        walker.feed(piece)
    assert walker.at_a_boundary
    names = {spec.name for spec in walker.announced if spec.kind.value != "view"}
    loaded = sealing.load(pieces, PREFIX, names)
    assert (loaded.return_code, loaded.failed) == (0, 0)
    assert loaded.restored == sum(spec.documents for spec in walker.announced)
    assert list(real[f"{PREFIX}plain"].find().sort("_id")) == list(real.plain.find().sort("_id"))


def test_no_key_can_be_seen_from_outside(sealing: MongoDatabase, real: Database[dict[str, Any]]) -> None:
    real.plain.insert_many([{"_id": number, "noise": os.urandom(20_000)} for number in range(800)])
    seen: list[str] = []

    def look() -> None:
        seen.extend(" ".join([*child.cmdline(), *child.environ().values()]) for child in children())

    with sealing.dump() as dump:
        look()  # before anything is read: until then it waits at its full pipe
        packed = drained(dump)

    def watched() -> Iterator[bytes]:
        yield from packed[:-1]
        look()
        yield packed[-1]

    sealing.load(watched(), PREFIX, {"plain"})
    # mongodump; what loads is the bot itself.
    assert len(seen) == 1
    assert not any(SECRET in text or "AGE-SECRET" in text for text in seen)
    assert SECRET not in " ".join(psutil.Process().cmdline())
    assert SECRET not in repr(vars(sealing))
