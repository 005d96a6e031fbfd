"""Audit records with seals, for tests: written by the real AuditFile with a real key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.adapters.audit_file import AuditFile, read_lines
from bot.adapters.signing import Ed25519Signer
from handlers.core.sealing.segments import CHAIN_CHARACTERS, Segment
from handlers.core.words.audit import AuditEvent
from tests.fakes import someone
from tests.handlers.test_audit import head_of

SIGNER, STRANGER = Ed25519Signer(b"k" * 32), Ed25519Signer(b"x" * 32)
START = datetime(2026, 11, 24, 3, tzinfo=UTC)


class Ticking:
    """A clock that goes on by a second with each record."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


def sealed_record(path: Path, word: str, runs: tuple[int, ...], signer: Ed25519Signer = SIGNER) -> list[bytes]:
    """A file with so many records before each of its seals."""
    file = AuditFile(path, Ticking())
    for run in runs:
        for number in range(run):
            file.write(AuditEvent(f"{word} {number}", "allow", someone()))
        file.seal(signer)
    return list(read_lines(path))


def segment_of(lines: list[bytes], first: int, size: int) -> Segment:
    """As the notary would name this stretch."""
    return Segment(head_of(lines[0])[:CHAIN_CHARACTERS], first, size, head_of(lines[size - 1]))
