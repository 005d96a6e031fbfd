"""What only a folder can do wrong, beyond the contract that every store keeps (tests/contracts/test_store.py)."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.adapters.store_directory import AHEAD_BYTES, DirectoryStore, problem
from handlers.core.words.errors import OutsideError

MIB = 1024 * 1024


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "backups")


def _now() -> datetime:
    return datetime.now(UTC)


def _keys(store: DirectoryStore) -> list[str]:
    return [artifact.key for artifact in store.list("")]


@contextlib.contextmanager
def _as_nobody() -> Iterator[None]:
    """Without root's rights: a test as root would be let in everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def _no_file_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_folders_and_files_are_for_their_owner_only(store: DirectoryStore) -> None:
    store.put_new("a/b/c", b"1")
    upload = store.open_write("a/d")
    root = Path(store.describe())
    modes = {path.relative_to(root).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}
    files = {name: mode for name, mode in modes.items() if (root / name).is_file()}
    upload.abort()
    assert set(files.values()) == {0o600}
    assert len(files) == 2
    assert {mode for name, mode in modes.items() if name not in files} == {0o700}


def test_a_symbolic_link_leads_nowhere(store: DirectoryStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    store.put_new("a", b"1")
    root = Path(store.describe())
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    for touch in (store.get, store.delete, lambda key: store.put_new(key, b"")):
        with pytest.raises(OutsideError, match="link"):
            touch("folder/secret")
    with pytest.raises(OutsideError, match="link"):
        store.get("file")
    assert _keys(store) == ["a"]
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]


def test_a_pipe_in_the_place_of_an_artifact_holds_nobody(store: DirectoryStore) -> None:
    store.put_new("a", b"1")
    os.mkfifo(Path(store.describe()) / "pipe")
    assert store.get("pipe") is None
    assert _keys(store) == ["a"]


@pytest.mark.parametrize(
    ("name", "reason"), [("file", "not a folder"), ("locked/in", "no permission"), ("not/there", "does not exist")]
)
def test_a_root_that_cannot_be_used_is_named(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "locked" / "in").mkdir(parents=True)
    (tmp_path / "locked").chmod(0)
    store = DirectoryStore(tmp_path / name)
    with _as_nobody() if name == "locked/in" else contextlib.nullcontext():
        for touch in (store.list, store.get, store.delete, store.open_write, lambda _: store.sweep(_now())):
            with pytest.raises(OutsideError, match=reason) as caught:
                touch("a")
            assert str(tmp_path / name) in str(caught.value)
            assert caught.value.permanent


def test_a_full_disk_leaves_nothing_and_says_so(store: DirectoryStore) -> None:
    upload = store.open_write("a")
    with _no_file_larger_than(MIB), pytest.raises(OutsideError) as caught:
        upload.write(bytes(2 * MIB))
    upload.abort()
    with _no_file_larger_than(MIB), pytest.raises(OutsideError):
        store.put_new("b", bytes(2 * MIB))
    assert caught.value.permanent
    assert _keys(store) == []
    assert list((Path(store.describe()) / ".uploads").iterdir()) == []
    assert "the disk is full" in str(problem(OSError(errno.ENOSPC, ""), "/b"))
    assert "read-only" in str(problem(OSError(errno.EROFS, ""), "/b"))
    assert not problem(OSError(errno.EIO, ""), "/b").permanent


_KILLED = """
import os, signal, sys
from pathlib import Path
from bot.adapters.store_directory import DirectoryStore
upload = DirectoryStore(Path(sys.argv[1])).open_write("v1/a")
upload.write(bytes(1000))
os.kill(os.getpid(), signal.SIGKILL)
"""
_RACING = """
import sys
from pathlib import Path
from bot.adapters.store_directory import DirectoryStore
store = DirectoryStore(Path(sys.argv[1]))
sys.stdin.read()
print(sum(store.put_new(f"race/{number}", b"x") for number in range(200)))
"""


def test_a_writer_that_was_killed_leaves_only_what_a_sweep_finds(store: DirectoryStore) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, store.describe()], check=False)
    assert done.returncode == -signal.SIGKILL
    assert _keys(store) == []
    assert store.sweep(_now(), "v1/") == 1
    assert list((Path(store.describe()) / ".uploads").iterdir()) == []


def test_over_processes_each_key_is_won_once(store: DirectoryStore) -> None:
    command = [sys.executable, "-c", _RACING, store.describe()]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)]
    won = [int(racer.communicate()[0]) for racer in racers]
    assert sum(won) == 200
    assert len(_keys(store)) == 200


def test_a_large_artifact_goes_to_the_disk_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def advise(_: int, start: int, length: int, advice: int) -> None:
        assert advice == os.POSIX_FADV_DONTNEED
        asked.append((start, start + length))
        raise OSError(errno.EINVAL, "not on this file system")  # it is a wish, and nothing hangs on it

    monkeypatch.setattr(os, "posix_fadvise", advise)
    store, data = DirectoryStore(tmp_path / "store"), random.Random(4).randbytes(3_000_000)
    upload = store.open_write("data")
    for _ in range(15):
        upload.write(data)
    upload.commit()
    assert [start for start, _ in asked] == [0, *(end for _, end in asked[:-1])]
    assert 15 * len(data) - asked[-1][1] < AHEAD_BYTES
    assert len(asked) == 2
    assert b"".join(store.read("data")) == 15 * data
