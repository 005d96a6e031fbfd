"""Exports prove themselves to a stranger, and evidence counts what the record says about each control."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bot.adapters.audit_file import AuditFile, read_lines
from bot.adapters.signing import fits as signature_fits
from handlers.core.sealing.controls import CONTROLS, evidence, fits, table
from handlers.core.sealing.examination import Examiner
from handlers.core.sealing.exports import Range, asked, exported
from handlers.core.words.answers import Invocation
from handlers.core.words.audit import AuditEvent, Verdict, line, verify
from handlers.core.words.cards import Tone
from handlers.core.words.digests import digest
from handlers.core.words.errors import Refusal
from handlers.trail import TrailHandler
from tests.audit_chains import SIGNER, STRANGER, sealed_record, segment_of
from tests.fakes import someone
from tests.handlers.test_audit import PLAIN, head_of
from tests.handlers.test_seals import archive_of

SCRIPT = Path(__file__).parents[2] / "docs" / "verify_audit.py"
RUNS = (3, 4, 2)  # records 0-2, seal 3, 4-7, seal 8, 9-10, seal 11


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return sealed_record(tmp_path_factory.mktemp("record") / "a", "event", RUNS)


def stranger(folder: Path, data: bytes, *words: str, key: str = SIGNER.public) -> tuple[int, str]:
    path = folder / "export.jsonl"
    path.write_bytes(data)
    command = [sys.executable, "-I", str(SCRIPT), str(path), "--key", key, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("wanted", "first", "last", "through"),
    [(Range(0, 2), 0, 2, 3), (Range(5, 6), 5, 6, 8), (Range(3, 3), 3, 3, 8), (Range(9, 99), 9, 11, 11)],
    ids=["the beginning", "the middle", "a seal", "the end"],
)
def test_an_export_goes_on_to_a_seal_and_proves_itself(
    lines: list[bytes], tmp_path: Path, wanted: Range, first: int, last: int, through: int
) -> None:
    made = exported(lines, wanted)
    assert (made.first, made.last, made.through) == (first, last, through)
    assert made.data.splitlines(keepends=True)[1:] == lines[first : through + 1]
    code, said = stranger(tmp_path, made.data)
    assert code == 0, said
    assert f"{through - first + 1} records from number {first} on" in said
    assert "which you trust" in said


def changed(data: bytes, how: Callable[[list[bytes]], list[bytes]]) -> bytes:
    return b"".join(how(data.splitlines(keepends=True)))


def renamed(lines: list[bytes], **words: object) -> list[bytes]:
    head = json.loads(lines[0])["export"] | words
    return [json.dumps({"export": head}, sort_keys=True, separators=(",", ":")).encode() + b"\n", *lines[1:]]


HARM: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "edited": lambda each: [each[0], each[1].replace(b"event", b"other"), *each[2:]],
    "the first left out": lambda each: [each[0], *each[2:]],
    "the first left out and said so": lambda each: renamed([each[0], *each[2:]], first=6, prev="0" * 64),
    "one in the middle left out": lambda each: [*each[:2], *each[3:]],
    "without its seal": lambda each: each[:-1],
    "without its end": lambda each: each[:2],
    "of another record": lambda each: renamed(each, chain="0" * 64),
}


@pytest.mark.parametrize("how", HARM.values(), ids=HARM)
def test_an_export_that_was_harmed_is_found(
    lines: list[bytes], tmp_path: Path, how: Callable[[list[bytes]], list[bytes]]
) -> None:
    code, said = stranger(tmp_path, changed(exported(lines, Range(5, 6)).data, how))
    assert code == 1, said


def test_a_record_that_was_cut_off_at_a_seal_is_not_passed_off_as_whole_by_calling_it_an_export(
    lines: list[bytes], tmp_path: Path
) -> None:
    made = exported(lines, Range(0, 2)).data
    code, said = stranger(tmp_path, made)
    assert (code, "this is an EXPORT; the record goes on\n" in said) == (0, True), said
    code, said = stranger(tmp_path, made, "--anchor", f"8:{head_of(lines[8])}")
    assert (code, "this is an EXPORT; the record goes on to 8 at least" in said) == (0, True), said
    code, said = stranger(tmp_path, b"".join(lines))
    assert (code, "EXPORT" in said) == (0, False), said


def test_an_export_by_another_key_is_found(lines: list[bytes], tmp_path: Path) -> None:
    code, said = stranger(tmp_path, exported(lines, Range(5, 6)).data, key=STRANGER.public)
    assert (code, "do not trust" in said) == (1, True)


def test_a_record_that_is_not_whole_is_not_exported(lines: list[bytes]) -> None:
    with pytest.raises(Refusal, match="not whole: record 2"):
        exported([*lines[:2], *lines[3:]], Range(0, 1000))
    with pytest.raises(Refusal, match="record 1 is cut"):
        exported([lines[0], lines[1][:-1]], Range(0, 1000))
    body = {key: value for key, value in json.loads(lines[1]).items() if key != "hash"} | {"ts": "soon"}
    with pytest.raises(Refusal, match="record 1 has no time"):
        exported(
            [lines[0], line({**body, "hash": digest("audit", body)})], Range(date(2026, 11, 1), date(2026, 11, 30))
        )


def test_what_no_seal_follows_or_nothing_is_in_is_not_exported() -> None:
    with pytest.raises(Refusal, match="No seal follows"):
        exported(PLAIN, Range(0, 2))
    with pytest.raises(Refusal, match="in that range"):
        exported(PLAIN, Range(100, 200))
    with pytest.raises(Refusal, match="in that range"):
        exported([], Range(0, 2))


def test_an_export_of_one_record_may_be_asked_for_and_one_that_is_too_large_may_not(lines: list[bytes]) -> None:
    assert asked(("5", "5")) == Range(5, 5)
    size = sum(map(len, lines[5:9]))
    assert exported(lines, Range(5, 6), most_bytes=size).through == 8
    with pytest.raises(Refusal, match="too much"):
        exported(lines, Range(5, 6), most_bytes=size - 1)


def test_days_belong_to_a_range_whole(tmp_path: Path) -> None:
    moments = iter(
        datetime(2026, 11, day, hour, 59, tzinfo=UTC)
        for day, hour in ((9, 23), (10, 0), (11, 23), (12, 0), (12, 1), (12, 2))
    )
    file = AuditFile(tmp_path / "a", lambda: next(moments))
    for number in range(4):
        file.write(AuditEvent(f"event {number}", "allow", None))
    file.seal(SIGNER)
    made = exported(read_lines(tmp_path / "a"), asked(("2026-11-10", "2026-11-11")))
    assert (made.first, made.last) == (1, 2)


@pytest.mark.parametrize(
    "words", [(), ("1",), ("1", "2", "3"), ("a", "b"), ("2026-13-01", "2026-12-01"), ("9", "1"), ("-1", "2")], ids=str
)
def test_what_is_no_range_is_explained(words: tuple[str, ...]) -> None:
    with pytest.raises(Refusal):
        asked(words)


def test_a_range_may_be_of_a_day_and_a_number() -> None:
    assert asked(("2026-11-01", "7")) == Range(date(2026, 11, 1), 7)
    assert asked(("#123456", "#234567")) == Range(123456, 234567)


def test_audit_export_seals_first_and_gives_the_asker_a_file(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "a")
    for _ in range(3):
        file.write(AuditEvent("event", "allow", someone()))
    handler = TrailHandler(lambda: read_lines(tmp_path / "a"), seal=lambda: file.seal(SIGNER))
    reply = handler.ask(Invocation("audit", ("export", "1", "2"), someone(), "C0OPS"))
    assert reply.file is not None
    chain = head_of(next(iter(read_lines(tmp_path / "a"))))
    assert reply.file.name == f"audit-{chain[:12]}-1-2.jsonl"
    assert stranger(tmp_path, reply.file.data)[0] == 0


def test_what_its_copies_contradict_is_neither_sealed_anew_nor_exported(lines: list[bytes], tmp_path: Path) -> None:
    """Cut off and gone on with, without the seals: chain and signature of such an export would be in order."""
    path, copies = tmp_path / "a", archive_of([segment_of(lines, 0, 9)], lines)
    path.write_bytes(b"".join(lines[:3]))
    file = AuditFile(path)
    for _ in range(8):
        file.write(AuditEvent("harmless", "allow", someone()))
    examine = Examiner(signature_fits, {SIGNER.public}, copies)
    handler = TrailHandler(lambda: read_lines(path), examine, lambda: file.seal(SIGNER))
    with pytest.raises(Refusal, match=r"tampered with: record 8: is not the one that was copied elsewhere"):
        handler.ask(Invocation("audit", ("export", "0", "99"), someone(), "C0OPS"))
    assert b"audit.sealed" not in path.read_bytes()
    path.write_bytes(b"".join(lines))
    assert handler.ask(Invocation("audit", ("export", "0", "99"), someone(), "C0OPS")).file is not None


def test_an_export_says_when_the_copies_could_not_be_asked(lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"".join(lines))

    def unasked(given: Iterable[bytes]) -> Verdict:
        return replace(verify(given), unasked="the store is away")

    handler = TrailHandler(lambda: read_lines(path), unasked)
    card = handler.ask(Invocation("audit", ("export", "0", "99"), someone(), "C0OPS")).card
    assert (card.tone, str(card.lines[-1])) == (Tone.WARNING, "The copies could not be asked: the store is away")


EVENTS = [
    AuditEvent("asked", "allow", someone(), operation="restore.ask"),
    AuditEvent("code.accepted", "allow", someone(), operation="restore.run"),
    AuditEvent("job.ended", "allow", someone(), operation="restore.run"),
    AuditEvent("job.ended", "allow", someone(), operation="backup.drill"),
    AuditEvent("policy.reloaded", "allow", None),
    AuditEvent("secret.read", "allow", None),
]


def test_evidence_counts_and_names_the_entries_of_each_control(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "a")
    for event in EVENTS:
        file.write(event)
    found = {each.control.id: each.records for each in evidence(read_lines(tmp_path / "a"), Range(0, 99))}
    assert found["SOC2 CC7.5"] == (2, 3)
    assert found["SOC2 CC8.1"] == (1, 2, 3)
    assert found["ISO27001 A.5.18"] == (4,)
    assert found["SOC2 CC7.2"] == ()
    assert list(found) == [each.id for each in CONTROLS]
    some = {each.control.id: each.records for each in evidence(read_lines(tmp_path / "a"), Range(3, 3))}
    assert some["SOC2 CC7.5"] == (3,)
    said = table(evidence(read_lines(tmp_path / "a"), Range(0, 99)), "Evidence")
    assert "| SOC2 CC7.5 | Recovery from incidents | Restores and drills | 2 | 2, 3 |" in said
    assert "| SOC2 CC7.2 | Anomalies are watched for | Alarms raised and over | 0 |  |" in said


def test_every_control_is_once_in_the_table_and_says_what_shows_it() -> None:
    ids = [each.id for each in CONTROLS]
    assert len(set(ids)) == len(ids)
    assert {each[:8] for each in ids if each.startswith("SOC2")} == {"SOC2 CC6", "SOC2 CC7", "SOC2 CC8"}
    assert {each[:13] for each in ids if each.startswith("ISO")} == {"ISO27001 A.5.", "ISO27001 A.8."}
    assert all(each.events and each.shown_by and each.title for each in CONTROLS)


@pytest.mark.parametrize(
    ("pattern", "event", "operation", "is_one"),
    [
        ("denied", "denied", "", True),
        ("denied", "denied.x", "", False),
        ("secret.", "secret.read", "rotate", True),
        ("job.ended restore.", "job.ended", "restore.run", True),
        ("job.ended restore.", "job.ended", "backup.now", False),
    ],
)
def test_a_pattern_names_an_event_whole_or_by_its_beginning(
    pattern: str, event: str, operation: str, is_one: bool
) -> None:
    assert fits({"event": event, "operation": operation}, pattern) is is_one
