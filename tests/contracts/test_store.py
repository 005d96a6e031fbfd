"""Every artifact store keeps the contract of handlers.core.ports.ArtifactStore.

Another store joins by one name in STORES and a fixture of that name.
"""

from __future__ import annotations

import itertools
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3.session
import pytest

from bot.adapters.clock import SystemClock
from bot.adapters.store_directory import DirectoryStore
from bot.adapters.store_s3 import S3Store
from handlers.core.backups.catalogue import MANIFEST, Catalogue, Listing, folder
from handlers.core.formats.objects import Receipt
from handlers.core.ports import ArtifactStore
from handlers.core.words.errors import OutsideError
from sandbox.aws import Aws
from sandbox.servers.radosgw import Radosgw, User
from tests.fakes import MemoryStore
from tests.handlers.test_manifests import manifest

MIB = 1024 * 1024
ON_RADOSGW = pytest.param("radosgw_store", marks=pytest.mark.xdist_group("radosgw"))
LOCKING = ("locking_memory_store", "locking_s3_store", ON_RADOSGW)
"""Those with versions and locks."""
PLAIN = ("memory_store", "directory_store", "s3_store")
STORES = (*PLAIN, "locking_memory_store", ON_RADOSGW)
"""All of a kind; the strict local S3 with locks is held to what is about versions and locks."""
OUTLIVING = ("directory_store", "s3_store", ON_RADOSGW)
"""Those that outlive the process that writes."""
SHOP = manifest().target
DAYS = timedelta(days=1)
HOSTILE_KEYS = (
    "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", ".hidden", "a/.hidden", "a b", "a\n", "a\nb", "a\x00b",
    "a\\b", "ä", "１", "a*", "a?b", "%2e%2e", "a" * 300, "C:", "~", "a/b/../../../etc/passwd",
)  # fmt: skip

# Writes more than two parts, says so, and waits for its end.
_WRITER = """
import signal, sys
from pathlib import Path
from bot.adapters.store_directory import DirectoryStore
from bot.adapters.store_s3 import S3Store
where = sys.argv[1]
store = S3Store(where, first_part_bytes=5 * 2**20) if where.startswith("s3:") else DirectoryStore(Path(where))
store.open_write("v1/shop/data").write(bytes(11 * 2**20))
print("written", flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with Aws() as server:
        server.create_bucket("backups")
        server.create_bucket("locked", lock=True)
        yield server


@pytest.fixture(scope="session")
def bucket_owner(radosgw: Radosgw) -> User:
    user = radosgw.create_user("contract")
    session = boto3.session.Session(user.access_key, user.secret_key, region_name="us-east-1")
    client = session.client("s3", endpoint_url=radosgw.url)
    client.create_bucket(Bucket="contract", ObjectLockEnabledForBucket=True)
    client.close()
    return user


@pytest.fixture
def memory_store() -> MemoryStore:
    return MemoryStore(SystemClock())


@pytest.fixture
def directory_store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "backups")


@pytest.fixture
def s3_store(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    return S3Store(f"s3://backups/{secrets.token_hex(8)}", first_part_bytes=5 * MIB)


@pytest.fixture
def locking_memory_store() -> MemoryStore:
    return MemoryStore(SystemClock(), lock_mode="COMPLIANCE")


@pytest.fixture
def locking_s3_store(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    return S3Store(f"s3://locked/{secrets.token_hex(8)}", first_part_bytes=5 * MIB)


@pytest.fixture
def radosgw_store(radosgw: Radosgw, bucket_owner: User, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    for name, value in radosgw.environment(bucket_owner).items():
        monkeypatch.setenv(name, value)
    return S3Store(f"s3://contract/{secrets.token_hex(8)}", first_part_bytes=5 * MIB)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> ArtifactStore:
    found: ArtifactStore = request.getfixturevalue(request.param)
    return found


def _now() -> datetime:
    return datetime.now(UTC)


def _keys(store: ArtifactStore, prefix: str = "") -> list[str]:
    return [artifact.key for artifact in store.list(prefix)]


def _in_bucket(store: S3Store, key: str, operation: str, **more: Any) -> None:
    """Somebody else's request about an artifact."""
    bucket, _, prefix = store.describe().removeprefix("s3://").partition("/")
    client = boto3.session.Session().client("s3")
    getattr(client, operation)(Bucket=bucket, Key=f"{prefix}/{key}", **more)
    client.close()


def _hide(store: ArtifactStore, key: str) -> None:
    """Somebody deletes it, and names no version."""
    if isinstance(store, MemoryStore):
        store.hide(key)
    elif isinstance(store, S3Store):
        _in_bucket(store, key, "delete_object")


def _cover(store: ArtifactStore, key: str) -> None:
    """Somebody puts another version over it."""
    if isinstance(store, MemoryStore):
        store.hide(key)
    elif isinstance(store, S3Store):
        _in_bucket(store, key, "put_object", Body=b"not ours")


def _uploaded(store: ArtifactStore, key: str, data: bytes, lock_until: datetime | None = None) -> Receipt:
    upload = store.open_write(key, lock_until=lock_until)
    upload.write(data)
    return upload.commit()


def _begun(store: ArtifactStore, key: str) -> None:
    """An upload of more than a part, left alone."""
    store.open_write(key).write(bytes(5 * MIB + 1))


def test_what_was_put_is_read_back(store: ArtifactStore) -> None:
    assert store.put_new("v1/shop/a.json", b"hello")
    assert store.get("v1/shop/a.json") == b"hello"
    assert b"".join(store.read("v1/shop/a.json")) == b"hello"


def test_what_is_there_is_never_overwritten(store: ArtifactStore) -> None:
    assert store.put_new("a", b"first")
    assert not store.put_new("a", b"second")
    upload = store.open_write("a")
    upload.write(b"third")
    with pytest.raises(OutsideError) as caught:
        upload.commit()
    assert caught.value.permanent
    assert store.get("a") == b"first"


def test_a_large_upload_overwrites_nothing_either(store: ArtifactStore) -> None:
    upload = store.open_write("a")
    upload.write(bytes(6 * MIB))
    assert store.put_new("a", b"first")
    with pytest.raises(OutsideError, match="there already") as caught:
        upload.commit()
    assert caught.value.permanent
    assert store.get("a") == b"first"
    assert store.sweep(_now() + timedelta(minutes=1)) == 0


def test_of_many_who_put_at_once_exactly_one_wins(store: ArtifactStore) -> None:
    start = threading.Barrier(8)

    def put(number: int) -> bool:
        start.wait()
        return store.put_new(key, b"%d" % number)

    with ThreadPoolExecutor(8) as pool:
        for key in ("race/0", "race/1", "race/2", "race/3"):
            won = list(pool.map(put, range(8)))
            assert won.count(True) == 1
            assert store.get(key) == b"%d" % won.index(True)


@pytest.mark.parametrize("size", [0, 1, MIB, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 11 * MIB + 7, 20_000_000])
def test_an_upload_of_any_size_arrives_whole(store: ArtifactStore, size: int) -> None:
    data = os.urandom(size)
    upload = store.open_write("v1/data.zst")
    for at in range(0, size, 700_001):
        upload.write(data[at : at + 700_001])
    assert _keys(store) == []
    upload.commit()
    pieces = list(store.read("v1/data.zst"))
    assert b"".join(pieces) == data
    assert max(map(len, pieces), default=0) <= MIB
    assert [artifact.size_bytes for artifact in store.list("")] == [size]
    assert store.sweep(_now() + timedelta(minutes=1)) == 0


def test_an_upload_can_be_written_in_one_large_piece(store: ArtifactStore) -> None:
    data = os.urandom(11 * MIB)
    upload = store.open_write("a")
    upload.write(data)
    upload.commit()
    assert store.get("a") == data


def test_an_aborted_upload_leaves_nothing(store: ArtifactStore) -> None:
    upload = store.open_write("a")
    upload.write(bytes(11 * MIB))
    upload.abort()
    upload.abort()
    assert _keys(store) == []
    assert store.sweep(_now() + timedelta(minutes=1)) == 0
    with pytest.raises(OutsideError):
        upload.write(b"more")
    with pytest.raises(OutsideError):
        upload.commit()
    assert store.put_new("a", b"free")


def test_an_abort_after_the_commit_takes_nothing_back(store: ArtifactStore) -> None:
    upload = store.open_write("a")
    upload.write(bytes(6 * MIB))
    upload.commit()
    upload.abort()
    assert _keys(store) == ["a"]
    with pytest.raises(OutsideError):
        upload.write(b"more")


def test_what_is_missing_is_said(store: ArtifactStore) -> None:
    assert store.get("not/there") is None
    assert store.list("not/") == ()
    store.delete("not/there")
    with pytest.raises(OutsideError) as caught:
        list(store.read("not/there"))
    assert caught.value.permanent


def test_a_deleted_artifact_is_gone_and_its_key_is_free(store: ArtifactStore) -> None:
    store.put_new("a/b", b"1")
    store.delete("a/b")
    store.delete("a/b")
    assert store.get("a/b") is None
    assert _keys(store) == []
    assert store.put_new("a/b", b"2")


def test_a_list_is_sorted_by_key_and_filtered_by_its_beginning(store: ArtifactStore) -> None:
    for key in ("b", "a/b/c", "a/b-c", "a/bc", "a/c.json", "a0"):
        assert store.put_new(key, key.encode())
    assert _keys(store) == ["a/b-c", "a/b/c", "a/bc", "a/c.json", "a0", "b"]
    assert _keys(store, "a/") == ["a/b-c", "a/b/c", "a/bc", "a/c.json"]
    assert _keys(store, "a/b") == ["a/b-c", "a/b/c", "a/bc"]
    assert _keys(store, "a/b/") == ["a/b/c"]
    assert _keys(store, "c") == []
    assert _keys(store, "../") == []


def test_a_listed_artifact_says_its_size_and_its_time(store: ArtifactStore) -> None:
    store.put_new("a", b"12345")
    (artifact,) = store.list("a")
    assert artifact.size_bytes == 5
    assert artifact.modified.utcoffset() == timedelta(0)
    assert abs(artifact.modified - _now()) < timedelta(minutes=1)


def test_a_sweep_removes_the_leftovers_begun_before_under_its_prefix_only(store: ArtifactStore) -> None:
    _begun(store, "v1/shop/data")
    _begun(store, "v1/shop2/data")
    assert store.sweep(_now() - timedelta(minutes=1)) == 0
    assert store.sweep(_now() + timedelta(minutes=1), "v2/") == 0
    assert store.sweep(_now() + timedelta(minutes=1), "v1/shop/") == 1
    assert store.sweep(_now() + timedelta(minutes=1)) == 1
    assert store.sweep(_now() + timedelta(minutes=1)) == 0


@pytest.mark.parametrize("store", OUTLIVING, indirect=True)
def test_of_a_writer_that_was_killed_nothing_is_listed_and_a_sweep_finds_the_rest(store: ArtifactStore) -> None:
    with subprocess.Popen([sys.executable, "-c", _WRITER, store.describe()], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        said = writer.stdout.readline()
        writer.kill()
    assert (said, writer.returncode) == (b"written\n", -signal.SIGKILL)
    assert _keys(store) == []
    assert store.get("v1/shop/data") is None
    assert store.sweep(_now() + timedelta(minutes=1), "v1/shop/") == 1
    assert store.sweep(_now() + timedelta(minutes=1)) == 0
    assert store.put_new("v1/shop/data", b"free")


def test_a_swept_upload_cannot_be_committed(store: ArtifactStore) -> None:
    upload = store.open_write("a")
    upload.write(bytes(6 * MIB))
    store.sweep(_now() + timedelta(minutes=1))
    with pytest.raises(OutsideError):
        upload.commit()
    assert _keys(store) == []


def test_what_is_not_a_key_is_refused_everywhere(store: ArtifactStore) -> None:
    def put(key: str) -> bool:
        return store.put_new(key, b"")

    def read(key: str) -> list[bytes]:
        return list(store.read(key))

    def extend(key: str) -> object:
        return store.extend_lock(key, "", _now())

    touches: list[Callable[[str], object]] = [store.open_write, store.get, store.delete, store.receipt]
    touches += [put, read, extend]
    for touch, key in itertools.product(touches, HOSTILE_KEYS):
        with pytest.raises(OutsideError, match="is not a name") as caught:
            touch(key)
        assert caught.value.permanent


def test_a_receipt_names_the_version_that_was_written(store: ArtifactStore) -> None:
    receipt = _uploaded(store, "a", b"1")
    assert receipt == store.receipt("a") == store.receipt("a", receipt.version)
    assert receipt.locked_until is None
    assert store.get("a", version=receipt.version) == b"1"
    assert b"".join(store.read("a", version=receipt.version)) == b"1"
    assert [artifact.version for artifact in store.list("")] == [receipt.version]
    assert store.receipt("b") is None


@pytest.mark.parametrize("store", LOCKING, indirect=True)
def test_a_version_that_is_not_there_is_not_replaced_by_another(store: ArtifactStore) -> None:
    store.put_new("a", b"1")
    assert store.receipt("a", "some.other-version") is None
    assert store.get("a", version="some.other-version") is None
    with pytest.raises(OutsideError) as caught:
        list(store.read("a", version="some.other-version"))
    assert caught.value.permanent
    store.delete("a", version="some.other-version")
    assert store.get("a") == b"1"


def test_a_store_says_what_time_it_has(store: ArtifactStore) -> None:
    assert store.moment().utcoffset() == timedelta(0)
    assert abs(store.moment() - _now()) < timedelta(seconds=5)


@pytest.mark.parametrize("store", PLAIN, indirect=True)
def test_a_lock_that_cannot_be_had_fails_at_once_and_says_why(store: ArtifactStore) -> None:
    assert not store.locking().possible
    assert str(store.locking().why_not)
    store.put_new("there", b"1")
    touches: list[Callable[[], object]] = [
        lambda: store.open_write("a", lock_until=_now() + DAYS),
        lambda: store.put_new("a", b"1", lock_until=_now() + DAYS),
        lambda: store.extend_lock("there", "", _now() + DAYS),
    ]
    for touch in touches:
        with pytest.raises(OutsideError) as caught:
            touch()
        assert caught.value.permanent
    assert _keys(store) == ["there"]
    assert store.sweep(_now() + timedelta(minutes=1)) == 0


@pytest.mark.parametrize("size", [10, 11 * MIB], ids=["in one part", "in three parts"])
@pytest.mark.parametrize("store", LOCKING, indirect=True)
def test_what_is_locked_says_so_and_cannot_be_removed(store: ArtifactStore, size: int) -> None:
    assert store.locking().mode == "COMPLIANCE"
    data, until = os.urandom(size), _now() + DAYS
    receipt = _uploaded(store, "a", data, until)
    assert receipt.locked_until is not None
    assert until <= receipt.locked_until < until + timedelta(seconds=2)
    for version in ("", receipt.version):
        with pytest.raises(OutsideError, match="is locked until") as caught:
            store.delete("a", version=version)
        assert caught.value.permanent
    assert store.receipt("a", receipt.version) == receipt
    assert store.get("a") == data


@pytest.mark.parametrize("store", LOCKING, indirect=True)
def test_a_small_locked_artifact_is_put_once(store: ArtifactStore) -> None:
    until = _now() + DAYS
    assert store.put_new("a", b"1", lock_until=until)
    assert not store.put_new("a", b"2", lock_until=until)
    receipt = store.receipt("a")
    assert receipt is not None
    assert receipt.locked_until is not None
    assert receipt.locked_until >= until
    assert store.get("a") == b"1"
    assert [(artifact.version, artifact.hidden) for artifact in store.list("")] == [(receipt.version, False)]


@pytest.mark.parametrize("size", [10, 6 * MIB], ids=["in one part", "in two parts"])
@pytest.mark.parametrize("store", LOCKING, indirect=True)
def test_a_locked_upload_of_a_taken_key_leaves_nothing_that_could_not_be_removed(
    store: ArtifactStore, size: int
) -> None:
    upload = store.open_write("a", lock_until=_now() + DAYS)
    upload.write(bytes(size))
    assert store.put_new("a", b"first")
    with pytest.raises(OutsideError, match="there already"):
        upload.commit()
    assert [(artifact.size_bytes, artifact.hidden) for artifact in store.list("")] == [(5, False)]
    assert store.sweep(_now() + timedelta(minutes=1)) == 0


@pytest.mark.parametrize("store", LOCKING, indirect=True)
def test_a_lock_is_extended_and_never_shortened(store: ArtifactStore) -> None:
    now = _now().replace(microsecond=0)
    version = _uploaded(store, "a", b"1").version
    for asked, kept in ((2, 2), (5, 5), (3, 5)):
        receipt = store.extend_lock("a", version, now + asked * DAYS)
        assert receipt == Receipt(version, now + kept * DAYS) == store.receipt("a", version)


@pytest.mark.parametrize("over", [_hide, _cover], ids=["a delete marker", "another version"])
@pytest.mark.parametrize("store", LOCKING, indirect=True)
def test_what_somebody_hid_is_found_and_said_to_be_hidden(
    store: ArtifactStore, over: Callable[[ArtifactStore, str], None]
) -> None:
    receipt = _uploaded(store, "a/data", b"ours", _now() + DAYS)
    assert [artifact.hidden for artifact in store.list("")] == [False]
    over(store, "a/data")
    (found,) = store.list("a/")
    assert (found.key, found.size_bytes, found.version, found.hidden) == ("a/data", 4, receipt.version, True)
    assert store.get("a/data") == b"ours"
    assert b"".join(store.read("a/data")) == b"ours"
    assert b"".join(store.read("a/data", version=receipt.version)) == b"ours"
    assert store.receipt("a/data") == receipt
    assert not store.put_new("a/data", b"other")
    with pytest.raises(OutsideError, match="there already"):
        _uploaded(store, "a/data", b"other")
    assert store.get("a/data") == b"ours"


@pytest.mark.parametrize("store", LOCKING, indirect=True)
def test_what_is_deleted_leaves_no_version_behind(store: ArtifactStore) -> None:
    first = _uploaded(store, "a", b"1").version
    _cover(store, "a")
    _hide(store, "a")
    store.delete("a")
    assert store.receipt("a", first) is None
    assert store.list("") == ()
    second = _uploaded(store, "a", b"2").version
    store.delete("a", version=second)
    assert store.list("") == ()


def test_a_manifest_that_comes_after_its_data_went_makes_no_backup(store: ArtifactStore) -> None:
    catalogue, key = Catalogue(SHOP, store), f"{folder(SHOP, manifest().id)}/{MANIFEST}"
    assert store.put_new(manifest().data.key, b"half")
    catalogue.forget_data(manifest().id)
    assert _keys(store) == [key]
    assert not store.put_new(key, manifest().to_bytes())
    with pytest.raises(OutsideError, match="was given up"):
        catalogue.commit(manifest())
    assert Catalogue(SHOP, store).listing() == Listing((), ())


@pytest.mark.parametrize("store", LOCKING, indirect=True)
def test_a_locked_manifest_that_comes_after_its_backup_was_given_up_makes_none(store: ArtifactStore) -> None:
    catalogue, until = Catalogue(SHOP, store), store.moment() + timedelta(minutes=2)
    assert store.put_new(manifest().data.key, b"half", lock_until=until)
    catalogue.forget_data(manifest().id)  # its data is locked and stays
    with pytest.raises(OutsideError, match="was given up"):
        catalogue.commit(manifest(), lock_until=until)
    listing = Catalogue(SHOP, store).listing()
    assert (listing.manifests, listing.damaged, listing.absent, listing.hidden) == ((), (), frozenset(), ())
    assert [each.key for each in listing.leftovers] == [manifest().data.key]


@pytest.mark.parametrize("store", [each for each in LOCKING if each != "locking_memory_store"], indirect=True)
def test_a_manifest_that_lands_over_a_void_is_no_backup_and_hides_nothing(store: S3Store) -> None:
    """As in a store that heeds `If-None-Match` in no bucket with versions: whoever sent it has died since."""
    store.put_new(manifest().data.key, b"half")
    Catalogue(SHOP, store).forget_data(manifest().id)
    key = f"{folder(SHOP, manifest().id)}/{MANIFEST}"
    _in_bucket(store, key, "put_object", Body=manifest().to_bytes())
    assert Catalogue(SHOP, store).listing() == Listing((), ())
    assert not Catalogue(SHOP, store).exists(manifest().id)
