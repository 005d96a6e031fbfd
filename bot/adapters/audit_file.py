"""The audit record as a file: one record a line, in a chain (handlers/core/words/audit.py).

- One writer at a time over all processes and threads: a lock on the file itself (flock), taken for one record.
- The chain goes on from the last line in the file; it is remembered while the file is the same and as long as before.
- A record is durable (fsync) when `write` returns. One that could not be written whole is taken back.
- A last line that is cut (a crash in the middle of a write) is moved to `<path>.torn-<n>`, and a record
  `audit.mended` says so. A last line that is whole but wrong is never mended: nothing is written until somebody looked.
- A seal (handlers/core/sealing/seals.py) is made under the same lock, so that it is about exactly the records before
  it; none is made when the last record is one. When another key sealed last, that one hands over first.
- The file is 0600, and never a symbolic link. Its folder is made (0700) when the one above is there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import mmap
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handlers.core.sealing.handovers import HANDED_OVER, Signer, handed_over
from handlers.core.sealing.seals import SEALED, Seal, sealed
from handlers.core.words.audit import GENESIS, AuditEvent, line, record
from handlers.core.words.digests import digest
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text

LOCK_SECONDS = 10.0
MAX_LINE_BYTES = 16 * 1024 * 1024
_LOCK_TURN_SECONDS = 0.02
_TAIL_BYTES = 64 * 1024
_MAX_TORN = 1000
_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _End:
    """Where the chain ends: the file and its size, the next number, the hash of the last record, and whether that is a
    seal."""

    device: int
    inode: int
    size_bytes: int
    sequence: int
    head: str
    sealed: bool = False


class AuditFile:
    """The Audit port over a file."""

    def __init__(
        self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC), *, lock_seconds: float = LOCK_SECONDS
    ) -> None:
        """`now` gives the aware UTC time of a record; `lock_seconds`: how long to wait for other writers."""
        self._path = path
        self._now = now
        self._lock_seconds = lock_seconds
        self._end: _End | None = None

    def write(self, event: AuditEvent) -> None:
        """Adds a record; durable when it returns. Raises OutsideError; then the caller must not act."""
        with self._writing() as file:
            end = self._found_end(file)
            self._end = None  # until the record is whole, what we know of the file is not sure
            self._end = self._append(file, end, event)

    def seal(self, signer: Signer, former: Sequence[Signer] = ()) -> Seal | None:
        """Adds a seal under all there is; None when there is nothing new to seal. `former`: who can hand over. Raises
        OutsideError."""
        with self._writing() as file:
            end = self._found_end(file)
            if end.sealed or not end.sequence:
                return None
            chain, now, last = _chain(file, self._path), self._now().isoformat(timespec="seconds"), _last_key(file)
            self._end = None
            before = next((each for each in former if each.public == last), None)
            if before is not None and last != signer.public:
                told = handed_over(chain, end.sequence, end.head, now, before, signer)
                end = self._append(file, end, told.event)
            seal = sealed(chain, end.sequence, end.head, now, signer)
            self._end = self._append(file, end, seal.event)
            return seal

    def lines(self, start_bytes: int = 0) -> Iterator[bytes]:
        """What was written after that place. Raises as `read_lines`."""
        return read_lines(self._path, start_bytes)

    @contextmanager
    def _writing(self) -> Iterator[int]:
        """The locked file; what the system refuses is said as words."""
        try:
            with self._locked() as file:
                yield file
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
        sequence, head, is_seal = _checked(last, self._path) if last else (-1, GENESIS, False)
        end = _End(facts.st_dev, facts.st_ino, whole, sequence + 1, head, is_seal)
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
        size = end.size_bytes + len(data)
        return _End(end.device, end.inode, size, end.sequence + 1, str(entry["hash"]), event.event == SEALED)


def _last_key(file: int) -> str:
    """The key that sealed last or was handed over to; empty when there is none."""
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as data:
        # Quotes inside of a value are escaped: these bytes are the event of a record and nothing else.
        at = max(data.rfind(f'"event":"{each}","facts":'.encode()) for each in (SEALED, HANDED_OVER))
        entry = json.loads(data[data.rfind(b"\n", 0, at) + 1 : data.find(b"\n", at)]) if at >= 0 else {}
    return str(entry.get("facts", {}).get("key", ""))


def read_lines(path: Path, start_bytes: int = 0) -> Iterator[bytes]:
    """The lines of a record from a place on, with their ends, as they were when the reading began. Raises Refusal when
    there is no file, or it is shorter; OutsideError when it cannot be read."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            rest = os.fstat(file.fileno()).st_size - start_bytes
            fcntl.flock(file, fcntl.LOCK_UN)
            if rest < 0:
                raise Refusal(Text("The audit record {path} has become shorter.", path=Code(str(path))))
            file.seek(start_bytes)
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


def _chain(file: int, path: Path) -> str:
    """The hash of the very first record. Raises OutsideError when it is not one."""
    length = _TAIL_BYTES
    while b"\n" not in (data := os.pread(file, length, 0)):
        if length >= MAX_LINE_BYTES:
            raise _broken(path)
        length *= 4
    return _checked(data.partition(b"\n")[0] + b"\n", path)[1]


def _checked(raw: bytes, path: Path) -> tuple[int, str, bool]:
    """The number and the hash of a record, and whether it is a seal. Raises OutsideError when it is not one."""
    try:
        entry: Any = json.loads(raw)
        body = {key: value for key, value in entry.items() if key != "hash"}
        sequence, head = entry["seq"], entry["hash"]
        fits = digest("audit", body) == head
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _broken(path) from error
    if not fits or not isinstance(sequence, int) or sequence < 0:
        raise _broken(path)
    return sequence, head, entry.get("event") == SEALED


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
