"""Secrets in files, as Compose mounts them: `<folder>/<place>` is what a program reads.

- Versions stand in `<folder>/.versions/<place>/` as `next.<id>` and `kept.<id>`, mode 0600. The one whose bytes are in
  the program's file is the current one, whatever its name says; a file that somebody edited has an id of its own.
- A change is one rename of a whole, synced file over the program's, which keeps its mode, owner and group. A lock in
  the folder orders all processes of a host.
- Nothing is followed through a symbolic link.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from handlers.core.rotation.secret_stores import Sealed, Shelf, Version, absent, crowded, in_use, taken
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

MOST_BYTES = 64 * 1024
_PLACE = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*")
_ID = re.compile(r"[A-Za-z0-9-]{32,64}")
_FOUND = re.compile(r"found-[0-9a-f]{26,58}")


class FileSecrets:
    """The SecretStore port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self) -> str:
        """See the port."""
        return f"files in {self._folder}"

    def look(self, place: str) -> Shelf:
        """See the port."""
        with self._locked(place):
            return self._shelf(place)

    def value(self, place: str, version: str) -> Sealed:
        """See the port."""
        with self._locked(place):
            current, content = self._current(place)
            if current is not None and current.id == version:
                return Sealed(content)
            for path in self._paths(place, version):
                if path.is_file():
                    return Sealed(_read(path))
        raise absent(place, version)

    def stage(self, place: str, version: str, value: Sealed, over: str) -> None:
        """See the port."""
        if not _ID.fullmatch(version) or not 0 < len(value.reveal()) <= MOST_BYTES:
            raise OutsideError(Text("That cannot be a version of {place}.", place=Code(place)), permanent=True)
        with self._locked(place):
            shelf = self._shelf(place)
            for path in self._paths(place, version):
                if path.is_file():
                    if Sealed(_read(path)) == value:
                        return
                    raise taken(place)
            if shelf.pending is not None:
                raise crowded(place)
            if shelf.current_id != over:
                raise taken(place)
            if shelf.current is not None and Sealed(self._current(place)[1]) == value:
                raise OutsideError(Text("{place} has that value already.", place=Code(place)), permanent=True)
            self._write(self._versions(place) / f"next.{version}", value.reveal())

    def promote(self, place: str, version: str, over: str) -> None:
        """See the port."""
        with self._locked(place):
            current, content = self._current(place)
            waiting, kept = self._paths(place, version)
            if current is None or current.id != version:
                if (current.id if current else "") != over:
                    raise taken(place)
                source = waiting if waiting.is_file() else kept
                if not source.is_file():
                    raise absent(place, version)
                if current is not None and not self._paths(place, current.id)[1].is_file():
                    self._write(self._paths(place, current.id)[1], content)
                self._write(self._folder / place, _read(source))
            if waiting.is_file():
                waiting.rename(kept)
            if kept.is_file():
                os.utime(kept)
            _sync(kept.parent)

    def remove(self, place: str, version: str) -> None:
        """See the port."""
        with self._locked(place):
            current, _ = self._current(place)
            if current is not None and current.id == version:
                raise in_use(place)
            for path in self._paths(place, version):
                path.unlink(missing_ok=True)
            if self._versions(place).is_dir():
                _sync(self._versions(place))

    # -- what stands there ---------------------------------------------------------------------------------------

    def _shelf(self, place: str) -> Shelf:
        current, _ = self._current(place)
        known = current.id if current else ""
        waiting = [each for each in self._named(place, "next.") if each.id != known]
        kept = [each for each in self._named(place, "kept.") if each.id != known]
        return Shelf(current, waiting[-1] if waiting else None, kept[-1] if kept else None)

    def _current(self, place: str) -> tuple[Version | None, bytes]:
        path = self._folder / place
        if path.is_symlink():
            raise OutsideError(Text("{place} is a symbolic link.", place=Code(place)), permanent=True)
        if not path.is_file():
            return None, b""
        content, facts = _read(path), path.stat()
        made = datetime.fromtimestamp(facts.st_mtime, UTC)
        for beginning in ("kept.", "next."):
            for each in self._named(place, beginning):
                if _read(self._versions(place) / f"{beginning}{each.id}") == content:
                    return Version(each.id, made), content
        return Version(f"found-{facts.st_mtime_ns:x}0{facts.st_ino:x}".ljust(32, "0"), made), content

    def _named(self, place: str, beginning: str) -> list[Version]:
        """Versions whose file begins so, oldest first."""
        folder = self._versions(place)
        if not folder.is_dir():
            return []
        found = [
            (path.stat().st_mtime_ns, path.name.removeprefix(beginning))
            for path in folder.iterdir()
            if path.name.startswith(beginning) and path.is_file() and not path.is_symlink()
        ]
        return [Version(name, datetime.fromtimestamp(at / 1e9, UTC)) for at, name in sorted(found)]

    def _versions(self, place: str) -> Path:
        return self._folder / ".versions" / place.replace("/", "+")

    def _paths(self, place: str, version: str) -> tuple[Path, Path]:
        if not _ID.fullmatch(version) and not _FOUND.fullmatch(version):
            raise absent(place, version[:64])
        return self._versions(place) / f"next.{version}", self._versions(place) / f"kept.{version}"

    # -- changing ------------------------------------------------------------------------------------------------

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        """A whole file, or none. One that was there keeps its mode, and its owner where we may give it."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.fresh")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                if path.is_file():
                    facts = path.stat()
                    with contextlib.suppress(PermissionError):
                        os.fchown(file.fileno(), facts.st_uid, facts.st_gid)
                    os.fchmod(file.fileno(), facts.st_mode & 0o777)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        _sync(path.parent)

    @contextmanager
    def _locked(self, place: str) -> Iterator[None]:
        if not _PLACE.fullmatch(place) or len(place) > 100:
            raise OutsideError(Text("{place} is no place for a secret.", place=Code(place)), permanent=True)
        try:
            (self._folder / ".versions").mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(
                self._folder / ".versions" / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise OutsideError(
                Text("The secrets in {folder} cannot be reached: {why}.", folder=Code(str(self._folder)), why=why)
            ) from error


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MOST_BYTES + 1)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
