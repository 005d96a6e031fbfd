"""The audit record in a file: one writer at a time over all processes, durable when `write` returns.

- A file lock is held from reading the last record to the fsync after the new one, so that the chain never forks.
- A line that a crash cut off is moved to `<file>.torn-<n>`, and the record says so; nothing is thrown away.
- A last record that does not fit its own hash stops everything: nothing more is done without a record.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from handlers.core import audit
from handlers.core.audit import GENESIS, AuditEvent
from handlers.core.digests import digest
from handlers.core.errors import OutsideError, Refusal
from handlers.core.text import Text

TAIL_BYTES = 256 * 1024


class AuditFile:
    """Audit (see the port) in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, event: AuditEvent) -> None:
        """See the port."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "rb+", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._append(file, event)
        except OSError as error:
            raise OutsideError(
                Text("The audit record cannot be written ({reason}), so nothing was done.", reason=error.strerror or "")
            ) from error

    def _append(self, file: BinaryIO, event: AuditEvent) -> None:
        sequence, previous = self._tail(file)
        moment = datetime.now(UTC)
        written = audit.line(audit.record(event, sequence=sequence, previous=previous, moment=moment))
        file.seek(0, os.SEEK_END)
        if file.write(written) != len(written):
            raise OSError(28, "the disk is full")
        os.fsync(file.fileno())

    def _tail(self, file: BinaryIO) -> tuple[int, str]:
        """The next number and the hash to follow; mends a line that a crash cut off."""
        size = file.seek(0, os.SEEK_END)
        start = max(size - TAIL_BYTES, 0)
        file.seek(start)
        tail = file.read(size - start)
        whole, end, torn = tail.rpartition(b"\n")
        if torn:
            self._set_aside(torn)
            file.truncate(size - len(torn))
            os.fsync(file.fileno())
        if not end:
            if size > TAIL_BYTES:
                raise _broken()
            return 0, GENESIS
        return _last(whole.rpartition(b"\n")[2])

    def _set_aside(self, torn: bytes) -> None:
        for number in range(1, 1000):
            aside = self._path.with_name(f"{self._path.name}.torn-{number}")
            try:
                descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
            with os.fdopen(descriptor, "wb") as file:
                file.write(torn)
                file.flush()
                os.fsync(file.fileno())
            return
        raise _broken()


def _last(line: bytes) -> tuple[int, str]:
    try:
        entry = json.loads(line)
        body = {key: value for key, value in entry.items() if key != "hash"}
        if digest("audit", body) != entry["hash"]:
            raise ValueError("its hash does not fit")
        return int(entry["seq"]) + 1, str(entry["hash"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _broken() from error


def _broken() -> OutsideError:
    return OutsideError(
        Text(
            "The last audit record is not what was written. Look with `python -m bot audit verify`; nothing was done."
        ),
        permanent=True,
    )


def read_lines(path: Path) -> Iterator[bytes]:
    """Every line of an audit file, with its end. Raises Refusal when it cannot be read."""
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise Refusal(Text("{path} cannot be read: {reason}.", path=str(path), reason=error.strerror or "")) from error
