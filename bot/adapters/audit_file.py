"""The audit record as a file: one record a line, in a chain (handlers/core/audit.py).

- One writer at a time over all processes and threads: a lock on the file itself (flock), taken for one record.
- The chain goes on from the last line in the file; it is remembered while the file is the same and as long as before.
- A record is durable (fsync) when `write` returns. One that could not be written whole is taken back.
- A last line that is cut (a crash in the middle of a write) is moved to `<path>.torn-<n>`, and a record
  `audit.mended` says so. A last line that is whole but wrong is never mended: nothing is written until somebody looked.
- The file is 0600, and never a symbolic link. Its folder is made (0700) when the one above is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handlers.core.audit import GENESIS, AuditEvent, line, record
from handlers.core.digests import digest
from handlers.core.errors import OutsideError, Refusal
from handlers.core.text import Code, Text

LOCK_SECONDS = 10.0
MAX_LINE_BYTES = 16 * 1024 * 1024
_LOCK_TURN_SECONDS = 0.02
_TAIL_BYTES = 64 * 1024
_MAX_TORN = 1000
_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _End:
    """Where the chain ends: the file and its size, the next number, and the hash of the last record."""

    device: int
    inode: int
    size_bytes: int
    sequence: int
    head: str


class AuditFile:
    """The Audit port over a file."""

    def __init__(
        self,
        path: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        lock_seconds: float = LOCK_SECONDS,
    ) -> None:
        """`now` gives the aware UTC time of a record; `lock_seconds`: how long to wait for other writers."""
        self._path = path
        self._now = now
        self._lock_seconds = lock_seconds
        self._end: _End | None = None

    def write(self, event: AuditEvent) -> None:
        """Adds a record; durable when it returns. Raises OutsideError; then the caller must not act."""
        try:
            with self._locked() as file:
                end = self._found_end(file)
                self._end = None  # until the record is whole, what we know of the file is not sure
                self._end = self._append(file, end, event)
        except OSError as error:
            raise OutsideError(
                Text(
                    "The audit record {path} cannot be written ({reason}), so nothing is done.",
                    path=Code(str(self._path)),
                    reason=os.strerror(error.errno or 0),
                )
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, locked, and still the one at the path."""
        deadline = time.monotonic() + self._lock_seconds
        with contextlib.suppress(FileExistsError):
            self._path.parent.mkdir(mode=0o700)
        while time.monotonic() < deadline:
            file = os.open(self._path, _OPEN, 0o600)
            try:
                if _got_lock(file, deadline) and _is_at(file, self._path):
                    yield file
                    return
            finally:
                os.close(file)
        raise OutsideError(
            Text(
                "The audit record {path} is locked by another process, so nothing is done.", path=Code(str(self._path))
            )
        )

    def _found_end(self, file: int) -> _End:
        facts = os.fstat(file)
        known = self._end
        if known is not None and (known.device, known.inode, known.size_bytes) == (
            facts.st_dev,
            facts.st_ino,
            facts.st_size,
        ):
            return known
        if facts.st_size == 0:
            _sync_folder(self._path.parent)  # the file may be new
            return _End(facts.st_dev, facts.st_ino, 0, 0, GENESIS)
        last, torn = _tail(file, facts.st_size, self._path)
        whole = facts.st_size - len(torn)
        sequence, head = _checked(last, self._path) if last else (-1, GENESIS)
        end = _End(facts.st_dev, facts.st_ino, whole, sequence + 1, head)
        return self._mended(file, end, torn) if torn else end

    def _mended(self, file: int, end: _End, torn: bytes) -> _End:
        name = _keep_torn(self._path, torn)
        os.ftruncate(file, end.size_bytes)
        facts: dict[str, int | str] = {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest(), "kept_as": name}
        return self._append(file, end, AuditEvent("audit.mended", "allow", None, facts=facts))

    def _append(self, file: int, end: _End, event: AuditEvent) -> _End:
        entry = record(event, sequence=end.sequence, previous=end.head, moment=self._now())
        data = line(entry)
        try:
            written = os.write(file, data)
            while written < len(data):
                written += os.write(file, data[written:])
            os.fsync(file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(file, end.size_bytes)
            raise
        return _End(end.device, end.inode, end.size_bytes + len(data), end.sequence + 1, str(entry["hash"]))


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a record, with their ends, as they were when the reading began. Raises Refusal when there is no
    file, OutsideError when it cannot be read."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            rest = os.fstat(file.fileno()).st_size
            fcntl.flock(file, fcntl.LOCK_UN)
            while rest > 0 and (raw := file.readline(min(rest, MAX_LINE_BYTES))):
                rest -= len(raw)
                yield raw
    except FileNotFoundError as error:
        raise Refusal(Text("There is no audit record at {path}.", path=Code(str(path)))) from error
    except OSError as error:
        raise OutsideError(
            Text(
                "The audit record {path} cannot be read ({reason}).",
                path=Code(str(path)),
                reason=os.strerror(error.errno or 0),
            )
        ) from error


def _got_lock(file: int, deadline: float) -> bool:
    while time.monotonic() < deadline:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_TURN_SECONDS)
        else:
            return True
    return False


def _is_at(file: int, path: Path) -> bool:
    """Whether the path still names this file: it may have been moved away while we waited for the lock."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _tail(file: int, size_bytes: int, path: Path) -> tuple[bytes, bytes]:
    """The last whole line (empty when there is none), and what follows it. Raises OutsideError when neither is found
    in the last 16 MiB."""
    length = _TAIL_BYTES
    while True:
        start = max(0, size_bytes - length)
        data = os.pread(file, size_bytes - start, start)
        whole, newline, torn = data.rpartition(b"\n")
        _, newline_before, last = whole.rpartition(b"\n")
        if newline_before or start == 0:
            return (last + b"\n" if newline else b""), torn
        if length >= MAX_LINE_BYTES:
            raise _broken(path)
        length *= 4


def _checked(raw: bytes, path: Path) -> tuple[int, str]:
    """The number and the hash of a record. Raises OutsideError when it is not one."""
    try:
        entry: Any = json.loads(raw)
        body = {key: value for key, value in entry.items() if key != "hash"}
        sequence, head = entry["seq"], entry["hash"]
        fits = digest("audit", body) == head
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _broken(path) from error
    if not fits or not isinstance(sequence, int) or sequence < 0:
        raise _broken(path)
    return sequence, head


def _broken(path: Path) -> OutsideError:
    return OutsideError(
        Text(
            "The last entry of the audit record {path} was changed or is not one, so nothing is done. "
            "Run `negahban audit verify`, move the file to a safe place, and begin a new one.",
            path=Code(str(path)),
        ),
        permanent=True,
    )


def _keep_torn(path: Path, torn: bytes) -> str:
    """Stores the cut line durably beside the record; the name of the file."""
    for number in range(1, _MAX_TORN):
        kept = path.with_name(f"{path.name}.torn-{number}")
        try:
            file = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(file, "wb") as sidecar:
            sidecar.write(torn)
            sidecar.flush()
            os.fsync(sidecar.fileno())
        _sync_folder(path.parent)
        return kept.name
    raise OutsideError(Text("There are too many cut lines beside {path}; move them away.", path=Code(str(path))))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
