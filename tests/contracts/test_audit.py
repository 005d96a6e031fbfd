"""The audit record on disk: one chain over threads, processes, crashes and full disks, or nothing is done."""

from __future__ import annotations

import contextlib
import fcntl
import json
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.adapters.audit_file import AuditFile, read_lines
from handlers.core.ports import Audit
from handlers.core.words.answers import Actor, PersonId, Surface
from handlers.core.words.audit import AuditEvent, verify
from handlers.core.words.errors import OutsideError, Refusal

MOMENT = datetime(2026, 11, 24, 3, 12, 7, 123456, tzinfo=UTC)
EVENT = AuditEvent(
    "restore.start",
    "allow",
    Actor(PersonId("U1"), "T1", Surface.SLACK),
    target="shop",
    facts={"bytes": 12, "note": "a\nb\x00\u202e\N{PILE OF POO}"},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def _written(path: Path, count: int) -> AuditFile:
    audit = AuditFile(path)
    for _ in range(count):
        audit.write(EVENT)
    return audit


def _events(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in read_lines(path)]


def _is_whole(path: Path, records: int) -> bool:
    verdict = verify(read_lines(path))
    return (verdict.records, verdict.problem, verdict.torn) == (records, "", False)


def test_a_record_says_who_did_what_and_when(path: Path) -> None:
    audit: Audit = AuditFile(path, lambda: MOMENT)
    audit.write(EVENT)
    (line,) = read_lines(path)
    record = json.loads(line)
    assert record["event"] == "restore.start"
    assert record["actor"] == {"person": "U1", "team": "T1", "surface": "slack"}
    assert record["ts"] == "2026-11-24T03:12:07.123+00:00"
    assert record["facts"] == EVENT.facts
    assert record["seq"] == 0


def test_every_record_follows_the_one_before(path: Path) -> None:
    audit = _written(path, 3)
    AuditFile(path).write(EVENT)
    audit.write(EVENT)
    assert _is_whole(path, 5)


def test_threads_write_one_chain(path: Path) -> None:
    audits = [AuditFile(path) for _ in range(3)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: audits[number % 3].write(EVENT), range(120)))
    assert _is_whole(path, 120)


_WRITER = """
import sys
from pathlib import Path
from bot.adapters.audit_file import AuditFile
from handlers.core.words.audit import AuditEvent
audit = AuditFile(Path(sys.argv[1]))
sys.stdin.read()
for number in range(60):
    audit.write(AuditEvent("x", "allow", None, facts={"number": number}))
"""


def test_processes_write_one_chain(path: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(path)]
    writers = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(3)]
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert _is_whole(path, 180)


def test_killed_writers_leave_a_chain_that_goes_on(path: Path) -> None:
    script = _WRITER.replace("range(60)", "range(10**9)")
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE)
        assert writer.stdin is not None
        size = path.stat().st_size if path.exists() else 0
        writer.stdin.close()
        while writer.poll() is None and (path.stat().st_size if path.exists() else 0) < size + 20_000:
            pass
        writer.kill()
        writer.wait()
    AuditFile(path).write(EVENT)
    verdict = verify(read_lines(path))
    assert (verdict.problem, verdict.torn) == ("", False)
    assert verdict.records > 100


def test_a_cut_last_line_is_kept_aside_and_its_mending_recorded(path: Path) -> None:
    audit = _written(path, 3)
    whole = path.read_bytes()
    last_begins = whole.rindex(b"\n", 0, -1) + 1
    for number, cut in enumerate((last_begins + 1, last_begins + 40, len(whole) - 1), start=1):
        path.write_bytes(whole[:cut])
        (audit if number % 2 else AuditFile(path)).write(EVENT)
        kept = path.with_name(f"audit.jsonl.torn-{number}")
        assert kept.read_bytes() == whole[last_begins:cut]
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert _events(path) == ["restore.start"] * 2 + ["audit.mended", "restore.start"]
        assert _is_whole(path, 4)
        mended = json.loads(list(read_lines(path))[2])
        assert mended["facts"]["kept_as"] == kept.name
        assert mended["facts"]["bytes"] == cut - last_begins


def test_a_first_line_that_is_cut_begins_a_new_chain(path: Path) -> None:
    path.write_bytes(b'{"v":1,"seq":0')
    AuditFile(path).write(EVENT)
    assert _events(path) == ["audit.mended", "restore.start"]
    assert _is_whole(path, 2)


@pytest.mark.parametrize(
    "last",
    [
        b"\n", b"{}\n", b"[]\n", b"null\n", b"not json\n", b"\xff\xfe\n", b"[" * 9000 + b"\n",
        b'{"seq":1.5,"hash":"0"}\n', b'{"seq":3,"hash":"00"}\n',
    ],
    ids=lambda last: repr(last[:20]),
)  # fmt: skip
def test_a_whole_last_line_that_is_no_record_stops_everything(path: Path, last: bytes) -> None:
    audit = _written(path, 2)
    before = path.read_bytes() + last
    path.write_bytes(before)
    for writer in (audit, AuditFile(path)):
        with pytest.raises(OutsideError, match="audit verify") as caught:
            writer.write(EVENT)
        assert caught.value.permanent
    assert path.read_bytes() == before


def test_a_changed_last_record_stops_everything(path: Path) -> None:
    _written(path, 2)
    before = path.read_bytes()
    at = before.rindex(b"restore.start")
    path.write_bytes(before[:at] + b"backup.start!" + before[at + 13 :])
    with pytest.raises(OutsideError, match="changed"):
        AuditFile(path).write(EVENT)


def test_a_last_record_of_any_length_is_found(path: Path) -> None:
    AuditFile(path).write(AuditEvent("x", "allow", None, facts={"long": "x" * 3_000_000}))
    AuditFile(path).write(EVENT)
    AuditFile(path).write(EVENT)
    assert _is_whole(path, 3)


def test_a_file_without_lines_is_not_read_for_ever(path: Path) -> None:
    path.write_bytes(b"x" * 17_000_000)
    with pytest.raises(OutsideError, match="audit verify"):
        AuditFile(path).write(EVENT)
    assert path.stat().st_size == 17_000_000


def test_a_file_that_was_moved_away_is_followed_by_a_new_one(path: Path) -> None:
    audit = _written(path, 2)
    path.rename(path.with_name("old"))
    audit.write(EVENT)
    assert _is_whole(path, 1)
    assert _is_whole(path.with_name("old"), 2)


def test_a_file_that_is_moved_away_while_its_lock_is_awaited_gets_no_record(path: Path) -> None:
    audit = _written(path, 2)
    with path.open("rb") as other, ThreadPoolExecutor(1) as pool:
        fcntl.flock(other, fcntl.LOCK_EX)
        writing = pool.submit(audit.write, EVENT)
        time.sleep(0.2)
        path.rename(path.with_name("old"))
        fcntl.flock(other, fcntl.LOCK_UN)
        writing.result()
    assert _is_whole(path, 1)
    assert _is_whole(path.with_name("old"), 2)


def test_the_file_is_for_its_owner_only_and_never_a_link(path: Path) -> None:
    _written(path, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(OutsideError):
        AuditFile(link).write(EVENT)
    assert _is_whole(path, 1)


def test_a_folder_that_is_missing_is_made_and_one_that_cannot_be_is_said(tmp_path: Path) -> None:
    AuditFile(tmp_path / "backups" / "audit.jsonl").write(EVENT)
    assert stat.S_IMODE((tmp_path / "backups").stat().st_mode) == 0o700
    assert _is_whole(tmp_path / "backups" / "audit.jsonl", 1)
    with pytest.raises(OutsideError, match="so nothing is done"):
        AuditFile(tmp_path / "not" / "there" / "audit.jsonl").write(EVENT)


@contextlib.contextmanager
def _no_file_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_in_the_middle_of_a_record_takes_it_back(path: Path) -> None:
    audit = _written(path, 2)
    before = path.read_bytes()
    with _no_file_larger_than(len(before) + 50), pytest.raises(OutsideError):
        audit.write(EVENT)
    assert path.read_bytes() == before
    audit.write(EVENT)
    assert _is_whole(path, 3)


def test_a_lock_that_nobody_gives_back_is_waited_for_only_so_long(path: Path) -> None:
    audit = AuditFile(path, lock_seconds=0.2)
    audit.write(EVENT)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OutsideError, match="locked by another process"):
            audit.write(EVENT)
    audit.write(EVENT)
    assert _is_whole(path, 2)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no audit record at"):
        list(read_lines(tmp_path / "none"))
    with pytest.raises(OutsideError, match="cannot be read"):
        list(read_lines(tmp_path))


def test_reading_ends_where_the_record_ended_when_it_began(path: Path) -> None:
    audit = _written(path, 2)
    lines = read_lines(path)
    first = next(lines)
    audit.write(EVENT)
    assert verify([first, *lines]).records == 2
