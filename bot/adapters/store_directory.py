"""A folder as artifact store.

- An artifact is written under `.uploads/` first, made durable (fsync), then linked to its name: a link never replaces
  what is there, in one step over all processes. So nothing half-written is ever seen, and nothing is overwritten.
- A large artifact goes to the disk while it is written, so that fsync waits for its last pieces only, and what is
  stored does not drive a database's pages out of the memory of the host (posix_fadvise(2), DONTNEED).
- The name under `.uploads/` says the key and when the upload began, so that `sweep` can tell whose leftovers they are.
- Words of keys have no leading dot: `.uploads` and other hidden files are never artifacts.
- No symbolic link below the root is followed: a key cannot lead out of it. The root itself may be one.
- Folders are 0700, files 0600. The root is made at first use when its parent is there.
- A folder has no versions and no locks: whoever may write in it may remove all of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from handlers.core.formats.objects import Receipt
from handlers.core.ports import Artifact, Locking
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

PIECE_BYTES = 1024 * 1024
AHEAD_BYTES = 16 * 1024 * 1024
"""What is written before the disk is asked to take it."""
MAX_KEY_CHARACTERS = 200
"""A key is part of one file name in `.uploads/`, and those end at 255 bytes (NAME_MAX)."""
_UPLOADS = ".uploads"
_WORD = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_LEFTOVER = re.compile(r"([A-Za-z0-9._+-]+)~([0-9]+)~[0-9a-f]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Not blocking: a pipe that somebody put in the place of an artifact must not hold us.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LOCKS = Text("A folder cannot lock what it keeps; a bucket with Object Lock can.")
_REASONS = {
    errno.ENOSPC: "the disk is full; make room and try again",
    errno.EDQUOT: "the disk quota is used up; make room and try again",
    errno.EACCES: "the bot's user has no permission there",
    errno.EPERM: "the bot's user has no permission there, or the file system knows no hard links",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOENT: "it does not exist; create it, or mount it",
    errno.ENOTDIR: "a part of the path is not a folder, or is a symbolic link, and those are not followed",
    errno.ELOOP: "a symbolic link is in the way, and those are not followed",
    errno.EOPNOTSUPP: "the file system knows no hard links, which keep artifacts from being overwritten",
    errno.EFBIG: "the file is larger than the file system or the bot's limits allow",
}


class DirectoryStore:
    """The ArtifactStore port over a folder. All methods raise OutsideError."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def describe(self) -> str:
        """The folder."""
        return str(self._root)

    def open_write(self, key: str, *, lock_until: datetime | None = None) -> DirectoryUpload:
        """Begins an artifact of unknown length."""
        _must_not_lock(lock_until)
        return DirectoryUpload(self, key)

    def put_new(self, key: str, data: bytes, *, lock_until: datetime | None = None) -> bool:
        """Stores a small artifact if the key is free, atomically over all processes."""
        _must_not_lock(lock_until)
        upload = DirectoryUpload(self, key)
        try:
            upload.write(data)
            return upload.place()
        finally:
            upload.abort()

    def read(self, key: str, *, version: str = "") -> Iterator[bytes]:
        """The artifact in pieces of at most 1 MiB."""
        with self.translating():
            descriptor = self._open(key)
            if descriptor is None:
                raise OutsideError(
                    Text("There is no {key} in {where}.", key=Code(key), where=Code(self.describe())), permanent=True
                )
            with os.fdopen(descriptor, "rb", buffering=0) as file:
                while piece := file.read(PIECE_BYTES):
                    yield piece

    def get(self, key: str, *, version: str = "") -> bytes | None:
        """A small artifact; None when it is not there."""
        with self.translating():
            descriptor = self._open(key)
            if descriptor is None:
                return None
            with os.fdopen(descriptor, "rb") as file:
                return file.read()

    def list(self, prefix: str) -> tuple[Artifact, ...]:
        """Every artifact whose key begins so, sorted by key."""
        above, _, _ = prefix.rpartition("/")
        words = above.split("/") if above else []
        if not all(_WORD.fullmatch(word) for word in words):
            return ()
        found: list[Artifact] = []
        with self.translating(), contextlib.suppress(FileNotFoundError), self.folder(words) as descriptor:
            found += _artifacts(descriptor, f"{above}/" if above else "")
        return tuple(sorted((each for each in found if each.key.startswith(prefix)), key=lambda each: each.key))

    def receipt(self, key: str, version: str = "") -> Receipt | None:
        """An empty one when the artifact is there."""
        with self.translating():
            descriptor = self._open(key)
            if descriptor is None:
                return None
            os.close(descriptor)
            return Receipt()

    def extend_lock(self, key: str, version: str, until: datetime) -> Receipt:
        """Refused: a folder has no locks."""
        words_of(key)
        raise OutsideError(_NO_LOCKS, permanent=True)

    def locking(self) -> Locking:
        """Not possible."""
        return Locking(why_not=_NO_LOCKS)

    def moment(self) -> datetime:
        """The clock of this host."""
        return datetime.now(UTC)

    def delete(self, key: str, *, version: str = "") -> None:
        """Removes an artifact; nothing happens when it is not there."""
        *above, name = words_of(key)
        with self.translating(), contextlib.suppress(FileNotFoundError), self.folder(above) as descriptor:
            os.unlink(name, dir_fd=descriptor)
            os.fsync(descriptor)

    def sweep(self, before: datetime, under: str = "") -> int:
        """Removes what uploads begun before that time left behind; how many."""
        removed = 0
        with self.translating(), contextlib.suppress(FileNotFoundError), self.folder([_UPLOADS]) as descriptor:
            for name in _names(descriptor):
                if not _is_older(name, before, under):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=descriptor)
                    removed += 1
        return removed

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Every OSError inside becomes an OutsideError that says what to do."""
        try:
            yield
        except OSError as error:
            raise problem(error, self.describe()) from error

    @contextmanager
    def folder(self, words: Sequence[str], *, create: bool = False) -> Iterator[int]:
        """A descriptor of a folder below the root, reached without following a symbolic link. Raises OSError for what
        is below, OutsideError for the root itself: that it is missing never means that an artifact is not there."""
        with self.translating():
            with contextlib.suppress(FileExistsError):
                self._root.mkdir(mode=0o700)
            descriptor = os.open(self._root, _OPEN_FOLDER)
        try:
            for word in words:
                if create:
                    _make_folder(word, descriptor)
                inner = os.open(word, _OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def _open(self, key: str) -> int | None:
        *above, name = words_of(key)
        try:
            with self.folder(above) as folder:
                descriptor = os.open(name, _OPEN_FILE, dir_fd=folder)
        except FileNotFoundError:
            return None
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        return None


class DirectoryUpload:
    """The Upload port. The file is made at once, so that a store that cannot be written says so at once."""

    def __init__(self, store: DirectoryStore, key: str) -> None:
        self._store = store
        self._words = words_of(key)
        self._name = f"{'+'.join(self._words)}~{time.time_ns() // 1000}~{secrets.token_hex(8)}"
        self._there = False
        self._written = self._sent = 0
        with store.translating(), store.folder([_UPLOADS], create=True) as descriptor:
            self._file: int | None = os.open(self._name, _OPEN_NEW, 0o600, dir_fd=descriptor)
            self._there = True

    def write(self, data: bytes) -> None:
        """Appends."""
        file = self._open_file()
        rest = memoryview(data)
        with self._store.translating():
            while rest:
                count = os.write(file, rest)
                rest = rest[count:]
                self._written += count
        if self._written - self._sent >= AHEAD_BYTES:
            self._send(file)

    def _send(self, file: int) -> None:
        """Has the system write to the disk what it holds; waits for nothing, and nothing is promised by it."""
        if hasattr(os, "posix_fadvise"):  # not where it is only for developers
            with contextlib.suppress(OSError):
                os.posix_fadvise(file, self._sent, self._written - self._sent, os.POSIX_FADV_DONTNEED)
        self._sent = self._written

    def commit(self) -> Receipt:
        """Makes the whole artifact visible, durably and at once. After OutsideError nothing is visible."""
        try:
            if not self.place():
                raise OutsideError(
                    Text("{key} is there already, and nothing is ever overwritten.", key=Code("/".join(self._words))),
                    permanent=True,
                )
            return Receipt()
        finally:
            self.abort()

    def place(self) -> bool:
        """As commit, but False when the key is taken. The temporary name stays until `abort`."""
        file = self._open_file()
        *above, name = self._words
        with self._store.translating():
            os.fsync(file)
            with (
                self._store.folder([_UPLOADS]) as uploads,
                self._store.folder(above, create=True) as folder,
            ):
                try:
                    os.link(self._name, name, src_dir_fd=uploads, dst_dir_fd=folder, follow_symlinks=False)
                except FileExistsError:
                    return False
                except FileNotFoundError as error:
                    raise OutsideError(
                        Text("What was uploaded for {key} was removed meanwhile.", key=Code("/".join(self._words)))
                    ) from error
                try:
                    os.fsync(folder)
                except OSError:
                    os.unlink(name, dir_fd=folder)
                    raise
        return True

    def abort(self) -> None:
        """Leaves nothing behind; what cannot be removed, `sweep` will."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = None
        if self._there:
            with contextlib.suppress(OSError, OutsideError), self._store.folder([_UPLOADS]) as descriptor:
                os.unlink(self._name, dir_fd=descriptor)
            self._there = False

    def _open_file(self) -> int:
        if self._file is None:
            raise OutsideError(Text("The upload of {key} has ended.", key=Code("/".join(self._words))), permanent=True)
        return self._file


def words_of(key: str) -> list[str]:
    """The words of a key. Raises OutsideError for what is not one."""
    words = key.split("/")
    if len(key) > MAX_KEY_CHARACTERS or not all(_WORD.fullmatch(word) for word in words):
        raise OutsideError(Text("{key} is not a name that the store takes.", key=Code(key)), permanent=True)
    return words


def problem(error: OSError, where: str) -> OutsideError:
    """What an OSError means for the store. Trying again does not help against those it has a sentence for."""
    reason = _REASONS.get(error.errno or 0)
    said = reason or os.strerror(error.errno or 0)
    return OutsideError(
        Text("The folder {where} cannot be used: {reason}.", where=Code(where), reason=said),
        permanent=reason is not None,
    )


def _must_not_lock(until: datetime | None) -> None:
    if until is not None:
        raise OutsideError(_NO_LOCKS, permanent=True)


def _make_folder(name: str, parent: int) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return
    os.fsync(parent)


def _names(descriptor: int) -> list[str]:
    with os.scandir(descriptor) as entries:
        return [entry.name for entry in entries]


def _artifacts(descriptor: int, above: str) -> Iterator[Artifact]:
    """The artifacts in a folder and below. Raises OSError."""
    for name in _names(descriptor):
        if not _WORD.fullmatch(name):
            continue
        try:
            facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISREG(facts.st_mode):
                yield Artifact(above + name, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))
            elif stat.S_ISDIR(facts.st_mode):
                inner = os.open(name, _OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
                try:
                    yield from _artifacts(inner, f"{above}{name}/")
                finally:
                    os.close(inner)
        except FileNotFoundError:
            continue  # removed by somebody else while we looked


def _is_older(name: str, before: datetime, under: str) -> bool:
    match = _LEFTOVER.fullmatch(name)
    if match is None:
        return False
    key, begun = match[1].replace("+", "/"), _EPOCH + timedelta(microseconds=int(match[2]))
    return begun < before and key.startswith(under)
