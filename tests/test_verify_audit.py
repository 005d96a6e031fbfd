"""The stand-alone verifier: a stranger with Python alone finds every kind of tampering."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from handlers.access import AccessHandler
from handlers.backup import BackupHandler
from handlers.core.door.policy import Permission
from handlers.core.words import audit
from handlers.core.words.audit import GENESIS, AuditEvent, line, record
from handlers.core.words.digests import digest
from handlers.health import HealthHandler
from handlers.performing import OPERATIONS
from handlers.restore import RestoreHandler
from handlers.rotate import RotateHandler
from tests.fakes import someone
from tests.handlers.test_audit import START, chain, head_of

SCRIPT = Path(__file__).parents[1] / "docs" / "verify_audit.py"
LINES = chain([AuditEvent(f"event {number}", "allow", someone()) for number in range(8)])
OTHER = chain([AuditEvent(f"other {number}", "allow", someone()) for number in range(8)])


def asked(path: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-I", SCRIPT, path, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def stored(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def edited(lines: list[bytes]) -> list[bytes]:
    return [each.replace(b"event 3", b"event X") for each in lines]


def rehashed(lines: list[bytes]) -> list[bytes]:
    """Edited, with its own hash made right again: then the next one does not follow it."""
    entry = json.loads(lines[3])
    entry["event"] = "event X"
    body = {key: value for key, value in entry.items() if key != "hash"}
    fresh = {**body, "hash": digest("audit", body)}
    return [*lines[:3], line(fresh), *lines[4:]]


def retimed(at: str) -> Callable[[list[bytes]], list[bytes]]:
    """The last one at another time, hashed anew."""

    def how(lines: list[bytes]) -> list[bytes]:
        body = {key: value for key, value in json.loads(lines[-1]).items() if key != "hash"} | {"ts": at}
        return [*lines[:-1], line({**body, "hash": digest("audit", body)})]

    return how


def spaced(lines: list[bytes]) -> list[bytes]:
    return [*lines[:3], lines[3].replace(b'":', b'": ', 1), *lines[4:]]


def twice(lines: list[bytes]) -> list[bytes]:
    return [*lines[:3], lines[3].replace(b'{"', b'{"event":"x","', 1), *lines[4:]]


TAMPERINGS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "edited": (edited, "record 3: edited"),
    "edited and hashed anew": (rehashed, "record 4: forked"),
    "deleted": (lambda lines: [*lines[:3], *lines[4:]], "record 3: missing: 1 records"),
    "several deleted": (lambda lines: [*lines[:2], *lines[6:]], "record 2: missing: 4 records"),
    "reordered": (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], "record 3: missing"),
    "repeated": (lambda lines: [*lines[:4], lines[3], *lines[4:]], "record 4: repeated"),
    "spelled otherwise": (spaced, "record 3: not spelled"),
    "a key given twice": (twice, "record 3: not spelled"),
    "not JSON": (lambda lines: [*lines[:3], b"hello\n", *lines[3:]], "record 3: not JSON"),
    "the beginning cut off": (lambda lines: lines[2:], "record 0: missing: 2 records"),
    "a time without a zone": (retimed("2026-11-24T05:00:00"), "record 7: has no time"),
    "no time at all": (retimed("soon"), "record 7: has no time"),
    "forked": (lambda lines: [*lines[:4], *OTHER[4:]], "record 4: forked"),
}


@pytest.mark.parametrize(("how", "why"), TAMPERINGS.values(), ids=TAMPERINGS)
def test_tampering_is_named(tmp_path: Path, how: Callable[[list[bytes]], list[bytes]], why: str) -> None:
    code, said = asked(stored(tmp_path / "audit.jsonl", how(LINES)))
    assert (code, why in said) == (1, True), said


ANCHOR = f"5:{head_of(LINES[5])}"


def test_an_anchor_shows_what_was_cut_off_and_what_was_rewritten(tmp_path: Path) -> None:
    code, said = asked(stored(tmp_path / "cut.jsonl", LINES[:4]), "--anchor", ANCHOR)
    assert (code, "truncated" in said) == (1, True)
    code, said = asked(stored(tmp_path / "new.jsonl", OTHER), "--anchor", ANCHOR)
    assert (code, "rewritten" in said) == (1, True)
    code, said = asked(stored(tmp_path / "whole.jsonl", LINES), "--anchor", ANCHOR)
    assert code == 0
    assert "6 of them are covered by anchors; 2 are not" in said


def test_a_clean_record_and_a_cut_line_agree_with_the_bots_own_verification(tmp_path: Path) -> None:
    code, said = asked(stored(tmp_path / "audit.jsonl", LINES), "--json")
    own = audit.verify(LINES)
    assert code == 0
    assert (json.loads(said)["records"], json.loads(said)["head"]) == (own.records, own.head)
    code, _ = asked(stored(tmp_path / "torn.jsonl", [*LINES[:5], LINES[5][:-4]]))
    assert code == 2
    code, _ = asked(tmp_path / "absent.jsonl")
    assert code == 3


def test_what_destroyed_without_a_code_and_what_has_no_result_is_told(tmp_path: Path) -> None:
    def event(name: str, job: str, digest: str = "d1") -> AuditEvent:
        return AuditEvent(name, "allow", someone(), "shop", "restore.run", digest, {"job": job})

    events = [
        event("code.accepted", "j1"),
        event("job.started", "j1"),
        event("job.ended", "j1"),
        event("job.started", "j2"),
        event("code.accepted", "j3", "d1"),
        event("job.started", "j3", "d2"),
    ]
    code, said = asked(stored(tmp_path / "audit.jsonl", chain(events)))
    assert code == 0
    assert "record 3: restore.run began without a code" in said
    assert "record 5: restore.run began without a code" in said
    assert "record 3 began something that has no result" in said
    assert "record 1" not in said


@pytest.mark.parametrize(
    ("operation", "permission"),
    [
        (operation, permission)
        for handler in (AccessHandler, BackupHandler, HealthHandler, RestoreHandler, RotateHandler)
        for operation, permission in handler.permissions.items()
        if operation != "read"
    ]
    + [(operation, permission) for permission, operation in OPERATIONS.items()],
)
def test_what_needs_a_code_is_what_the_script_misses_one_of(
    tmp_path: Path, operation: str, permission: Permission
) -> None:
    began = chain([AuditEvent("job.started", "allow", someone(), "shop", operation, "d1", {"job": "j1"})])
    _, said = asked(stored(tmp_path / "audit.jsonl", began))
    assert ("began without a code" in said) is (permission is Permission.DESTROY), said


def test_a_clock_that_went_back_is_told(tmp_path: Path) -> None:
    lines, head = [], GENESIS
    for sequence, moment in enumerate((START, START + timedelta(hours=1), START)):
        entry = record(AuditEvent("event", "allow", None), sequence=sequence, previous=head, moment=moment)
        head = str(entry["hash"])
        lines.append(line(entry))
    code, said = asked(stored(tmp_path / "audit.jsonl", lines))
    assert (code, "clock went back by 3600 s" in said) == (0, True)


def test_the_script_is_short_and_needs_nothing_else() -> None:
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 300
    imported = {
        each.split()[1].partition(".")[0] for each in text.splitlines() if each.startswith(("import ", "from "))
    }
    assert imported <= set(sys.stdlib_module_names)
