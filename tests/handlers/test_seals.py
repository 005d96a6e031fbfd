"""Seals and copies elsewhere: what the chain alone cannot show, by the bot's own examination and by the stranger's."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.audit_file import AuditFile, read_lines
from bot.adapters.signing import Ed25519Signer, derived, fits
from handlers.core.sealing.examination import Examiner
from handlers.core.sealing.handovers import Handover, handed_over
from handlers.core.sealing.seals import Seal, sealed
from handlers.core.sealing.segments import CHAIN_CHARACTERS, Archive, Segment
from handlers.core.words.audit import AuditEvent, Verdict, line, record
from handlers.core.words.digests import digest
from tests.audit_chains import SIGNER, START, STRANGER, Ticking, sealed_record, segment_of
from tests.fakes import FakeClock, Faults, MemoryStore, someone
from tests.handlers.test_audit import head_of

SCRIPT = Path(__file__).parents[2] / "docs" / "verify_audit.py"
RUNS = (6, 4, 3)  # records 0-5, seal 6, 7-10, seal 11, 12-14, seal 15


@dataclass(frozen=True)
class Copies:
    """A record, another one that was written instead of it, and what stands elsewhere: its first two stretches."""

    lines: list[bytes]
    other: list[bytes]
    stranger: list[bytes]
    segments: tuple[Segment, ...]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Copies:
    folder = tmp_path_factory.mktemp("records")
    lines = sealed_record(folder / "a", "event", RUNS)
    other = sealed_record(folder / "b", "other", RUNS)
    stranger = sealed_record(folder / "c", "event", RUNS, STRANGER)
    return Copies(lines, other, stranger, (segment_of(lines, 0, 7), segment_of(lines, 7, 12)))


def archive_of(segments: Sequence[Segment], lines: Sequence[bytes], faults: Faults | None = None) -> Archive:
    archive = Archive(MemoryStore(FakeClock(), faults))
    for each in segments:
        archive.put(each, lines[each.first : each.size])
    return archive


def examined(lines: Sequence[bytes], archive: Archive | None = None, key: str = SIGNER.public) -> Verdict:
    return Examiner(fits, {key}, archive)(lines)


def stranger(folder: Path, lines: Sequence[bytes], segments: Sequence[Segment], key: str) -> tuple[int, str]:
    """What the stand-alone script says."""
    (folder / "audit.jsonl").write_bytes(b"".join(lines))
    (folder / "copies").mkdir()
    for each in segments:
        (folder / "copies" / Path(each.key).name).touch()
    command = [sys.executable, "-I", str(SCRIPT), str(folder / "audit.jsonl"), "--copies", str(folder / "copies")]
    done = subprocess.run([*command, "--key", key], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def rebuilt(lines: Sequence[bytes], change: Callable[[dict[str, object]], None]) -> list[bytes]:
    """Every record changed and the whole chain hashed anew, as whoever may write the file can, without the key."""
    made: list[bytes] = []
    head, chain = "0" * 64, ""
    for raw in lines:
        entry = json.loads(raw)
        change(entry)
        facts = entry["facts"]
        if entry["event"] == "audit.sealed":
            facts.update(chain=chain, head=head)
        body = {**{key: value for key, value in entry.items() if key != "hash"}, "prev": head}
        head = digest("audit", body)
        chain = chain or head
        made.append(line({**body, "hash": head}))
    return made


def without_seals(lines: Sequence[bytes]) -> list[bytes]:
    """The same events, none of them a seal, in a chain of their own."""
    made: list[bytes] = []
    head = "0" * 64
    for raw in (raw for raw in lines if b"audit.sealed" not in raw):
        entry = record(AuditEvent("event", "allow", someone()), sequence=len(made), previous=head, moment=START)
        head = str(entry["hash"])
        made.append(line({**entry}))
        del raw
    return made


def blamed(entry: dict[str, object]) -> None:
    entry["actor"] = {"person": "U0OMID", "surface": "slack", "team": "T0LOCAL"} if entry["actor"] else None


Tampering = Callable[[Copies], list[bytes]]
TAMPERINGS: dict[str, tuple[Tampering, str]] = {
    "edited": (lambda c: [*c.lines[:3], c.lines[3].replace(b"event 3", b"event X"), *c.lines[4:]], "changed|edited"),
    "deleted": (lambda c: [*c.lines[:3], *c.lines[4:]], "missing"),
    "inserted": (lambda c: [*c.lines[:3], c.other[3], *c.lines[3:]], "follow|forked"),
    "reordered": (lambda c: [*c.lines[:3], c.lines[4], c.lines[3], *c.lines[5:]], "missing"),
    "repeated": (lambda c: [*c.lines[:4], c.lines[3], *c.lines[4:]], "moved|repeated"),
    "the beginning cut off": (lambda c: c.lines[2:], "missing"),
    "the tail cut off before the anchor": (lambda c: c.lines[:9], "end is missing|truncated"),
    "the tail cut off at a seal": (lambda c: c.lines[:7], "end is missing|truncated"),
    "forked after a seal": (lambda c: [*c.lines[:7], *c.other[7:]], "follow|forked"),
    "all of it replaced by a sealed one of a stranger": (lambda c: c.stranger, "not known|rewritten"),
    "all of it hashed anew": (lambda c: rebuilt(c.lines, blamed), "signature|rewritten"),
    "a seal's signature changed": (
        lambda c: rebuilt(c.lines, _broken), "signature|rewritten|copied elsewhere",
    ),
    "a seal moved to another record": (lambda c: _moved_seal(c.lines), "another place"),
    "replaced after the anchor": (lambda c: _forged_end(c.lines), "not known|do not trust"),
}  # fmt: skip


def _broken(entry: dict[str, object]) -> None:
    facts = entry["facts"]
    if entry["event"] == "audit.sealed" and entry["seq"] == 6 and isinstance(facts, dict):
        facts["signature"] = "00" + str(facts["signature"])[2:]


def _moved_seal(lines: Sequence[bytes]) -> list[bytes]:
    seal = json.loads(lines[6])["facts"]
    entry = record(
        AuditEvent("audit.sealed", "allow", None, facts=seal), sequence=3, previous=head_of(lines[2]), moment=START
    )
    return [*lines[:3], line(entry)]


def _forged_end(lines: Sequence[bytes]) -> list[bytes]:
    """After the last anchor, another end, sealed with another key."""
    head = head_of(lines[11])
    event = record(AuditEvent("harmless", "allow", someone()), sequence=12, previous=head, moment=START)
    seal = sealed(head_of(lines[0]), 13, str(event["hash"]), START.isoformat(), STRANGER)
    entry = record(seal.event, sequence=13, previous=str(event["hash"]), moment=START)
    return [*lines[:12], line(event), line(entry)]


@pytest.mark.parametrize(("how", "why"), TAMPERINGS.values(), ids=TAMPERINGS)
def test_tampering_is_found_by_the_bot_and_by_a_stranger(
    copies: Copies, tmp_path: Path, how: Tampering, why: str
) -> None:
    lines = how(copies)
    found = examined(lines, archive_of(copies.segments, copies.lines))
    assert any(word in found.problem for word in why.split("|")), found
    code, said = stranger(tmp_path, lines, copies.segments, SIGNER.public)
    assert (code, any(word in said for word in why.split("|"))) == (1, True), said


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (lambda c: c.stranger, "not known|do not trust"),
        (lambda c: rebuilt(c.lines, blamed), "signature"),
        (lambda c: rebuilt(c.lines, _broken), "signature"),
    ],
    ids=["another key", "hashed anew", "another signature"],
)
def test_seals_alone_show_who_wrote(copies: Copies, tmp_path: Path, how: Tampering, why: str) -> None:
    lines = how(copies)
    assert any(word in examined(lines).problem for word in why.split("|"))
    code, said = stranger(tmp_path, lines, (), SIGNER.public)
    assert (code, any(word in said for word in why.split("|"))) == (1, True), said


def test_a_clean_record_is_vouched_for_by_seals_and_copies(copies: Copies, tmp_path: Path) -> None:
    found = examined(copies.lines, archive_of(copies.segments, copies.lines))
    sealed_at = str(json.loads(copies.lines[-1])["facts"]["at"])
    assert found == Verdict(16, head_of(copies.lines[-1]), sealed=15, anchored=12, sealed_at=sealed_at)
    code, said = stranger(tmp_path, copies.lines, copies.segments, SIGNER.public)
    assert code == 0, said
    assert "12 of them are covered by anchors; 4 are not" in said
    assert f"sealed through number 14 with {SIGNER.public}, which you trust" in said


def test_a_record_hashed_anew_without_its_seals_is_found_by_its_copies_and_remarked_without_them(
    copies: Copies,
) -> None:
    """Whoever leaves out the seals forges no signature; then the copies and the missing seals speak."""
    bare = without_seals(copies.lines)
    assert examined(bare).problem == ""
    assert examined(bare).remarks == ("nothing of it is sealed with the bot's key yet",)
    other = (
        f"the store holds another record too, {head_of(copies.lines[0])[:12]}… with 12 entries: "
        "another host's, or the one that this one was put in place of"
    )
    archive = archive_of(copies.segments, copies.lines)
    assert examined(bare, archive).remarks == ("nothing of it is sealed with the bot's key yet", other)
    assert examined([], archive).remarks == (other,), "an empty record in the place of a full one"
    assert examined([]).remarks == ()


def test_a_record_is_compared_with_its_own_copies_and_not_with_those_of_another(copies: Copies) -> None:
    """Two hosts with one store; whichever name sorts first."""
    archive = archive_of(copies.segments, copies.lines)
    archive.put(segment_of(copies.other, 0, 9), copies.other[:9])
    for lines, anchored, other, size in ((copies.lines, 12, copies.other, 9), (copies.other, 9, copies.lines, 12)):
        found = examined(lines, archive)
        assert (found.problem, found.anchored) == ("", anchored)
        [remark] = found.remarks
        assert f"{head_of(other[0])[:12]}… with {size} entries" in remark


def test_copies_are_not_locked_unless_that_is_asked_for(copies: Copies) -> None:
    store = MemoryStore(FakeClock(), lock_mode="COMPLIANCE")
    for days, locked in ((None, False), (0, False), (1, True)):
        archive = Archive(store) if days is None else Archive(store, days)
        segment = replace(copies.segments[0], first=days or 0, chain=f"{len(store.artifacts):032d}")
        archive.put(segment, copies.lines[:7])
        receipt = store.receipt(segment.key)
        assert receipt is not None
        assert (receipt.locked_until is not None) is locked


def test_copies_that_contradict_each_other_are_a_fork(copies: Copies, tmp_path: Path) -> None:
    forked = (*copies.segments, replace(copies.segments[1], head=head_of(copies.other[11])))
    assert "contradict each other" in examined(copies.lines, archive_of(forked, copies.lines)).problem
    code, said = stranger(tmp_path, copies.lines, forked, SIGNER.public)
    assert (code, "forked" in said) == (1, True)


def test_a_missing_end_is_counted(copies: Copies) -> None:
    found = examined(copies.lines[:9], archive_of(copies.segments, copies.lines))
    assert found.problem == "the end is missing: a copy elsewhere has 12 records, and there are 9"


def test_copies_that_cannot_be_asked_are_said_and_vouch_for_nothing(copies: Copies) -> None:
    faults = Faults()
    archive = archive_of(copies.segments, copies.lines, faults)
    faults.fail("store.list")
    found = examined(copies.lines[:9], archive)
    assert (found.problem, found.anchored) == ("", 0)
    assert "store.list failed" in found.unasked


def test_the_copies_alone_are_the_record_again_also_when_they_overlap(copies: Copies) -> None:
    segments = (*copies.segments, segment_of(copies.lines, 0, 10), segment_of(copies.lines, 7, 16))
    archive = archive_of(segments, copies.lines)
    assert list(archive.lines(head_of(copies.lines[0]))) == copies.lines


def test_a_key_that_was_changed_is_known_by_being_named(copies: Copies) -> None:
    assert "key that is not known" in examined(copies.lines, key=STRANGER.public).problem
    assert Examiner(fits, {STRANGER.public, SIGNER.public}, None)(copies.lines).sealed == 15


def test_a_stranger_without_a_key_is_told_that_nobody_vouches_for_the_key(copies: Copies, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(copies.lines))
    said = subprocess.run([sys.executable, "-I", SCRIPT, path], capture_output=True, text=True, check=False).stdout
    assert "nobody said (--key) whether that is the bot's" in said


@pytest.mark.parametrize("name", ["chain", "size", "head", "at", "key", "signature"])
def test_a_seal_says_each_of_its_words_under_its_signature(name: str) -> None:
    seal = sealed("a" * 64, 7, "b" * 64, START.isoformat(), SIGNER)
    assert fits(seal.key, seal.message, seal.signature)
    changed = {**seal.to_json(), name: 8 if name == "size" else str(seal.to_json()[name])[:-1] + "0"}
    if changed[name] == seal.to_json()[name]:
        changed[name] = str(changed[name])[:-1] + "1"
    other = Seal.from_json(changed)
    assert not fits(other.key, other.message, other.signature)


@pytest.mark.parametrize("facts", [{}, {"size": True}, {"chain": 1}], ids=["empty", "a yes for a size", "a number"])
def test_what_is_no_seal_is_not_read_as_one(facts: dict[str, object]) -> None:
    whole = sealed("a" * 64, 7, "b" * 64, START.isoformat(), SIGNER).to_json()
    with pytest.raises((KeyError, TypeError)):
        Seal.from_json({} if not facts else {**whole, **facts})


def test_the_key_made_from_the_master_key_is_always_the_same_and_not_it() -> None:
    assert derived(b"m" * 32) == derived(b"m" * 32)
    assert derived(b"m" * 32) not in {b"m" * 32, derived(b"n" * 32)}


def test_a_name_of_another_chain_or_of_no_copy_is_no_anchor(copies: Copies) -> None:
    store = MemoryStore(FakeClock())
    store.put_new(f"audit/{'0' * CHAIN_CHARACTERS}/notes.txt", b"")
    store.put_new("audit/readme", b"")
    assert Archive(store).segments() == ()


NEXT = Ed25519Signer(b"n" * 32)


def handed_over_record(path: Path, minutes: int = 0) -> list[bytes]:
    """A record that another key took over after four entries; the former one seals once more, so many minutes later."""
    clock = Ticking()
    file = AuditFile(path, clock)
    for signer, former in (
        (SIGNER, ()),
        (NEXT, (STRANGER, SIGNER)),
        (NEXT, (SIGNER,)),
        *([(SIGNER, ())] * bool(minutes)),
    ):
        for number in range(4):
            file.write(AuditEvent(f"event {number}", "allow", someone()))
        if len(former) == 0:
            clock.moment += timedelta(minutes=minutes)
        file.seal(signer, former)
    return list(read_lines(path))


@pytest.mark.parametrize("key", [SIGNER.public, NEXT.public], ids=["the former", "the new one"])
def test_trusting_one_key_is_enough_when_another_one_took_over(tmp_path: Path, key: str) -> None:
    lines = handed_over_record(tmp_path / "record")
    assert [json.loads(each)["event"] for each in lines].count("audit.key") == 1
    verdict = examined(lines, key=key)
    assert (verdict.problem, verdict.sealed) == ("", len(lines) - 1)
    code, said = stranger(tmp_path, lines, (), key)
    assert code == 0, said
    assert f"sealed through number {len(lines) - 2}" in said


def test_trusting_neither_is_not_enough(tmp_path: Path) -> None:
    lines = handed_over_record(tmp_path / "record")
    assert "not known here" in examined(lines, key=STRANGER.public).problem
    code, said = stranger(tmp_path, lines, (), STRANGER.public)
    assert (code, "do not trust" in said) == (1, True)


@pytest.mark.parametrize(("minutes", "problem"), [(9, ""), (11, "had taken over from")])
def test_the_former_key_seals_nothing_any_more_ten_minutes_later(tmp_path: Path, minutes: int, problem: str) -> None:
    lines = handed_over_record(tmp_path / "record", minutes)
    found = examined(lines).problem
    code, said = stranger(tmp_path, lines, (), NEXT.public)
    assert (problem in found, bool(found)) == (True, bool(problem))
    assert (code, problem in said) == (1 if problem else 0, True)


def test_a_former_key_that_was_stolen_seals_no_later_history_whatever_time_it_signs(tmp_path: Path) -> None:
    """Whoever holds it goes on after the handover, and dates the seal back to that."""
    lines = handed_over_record(tmp_path / "record")
    lines = lines[: next(at for at, raw in enumerate(lines) if b"audit.key" in raw) + 1]
    at = str(json.loads(lines[-1])["facts"]["at"])
    for later, problem in ((timedelta(minutes=9), ""), (timedelta(minutes=11), "had taken over from")):
        event = record(
            AuditEvent("invented", "allow", someone()),
            sequence=len(lines),
            previous=head_of(lines[-1]),
            moment=START + later,
        )
        told = [*lines, line(event)]
        seal = sealed(head_of(told[0]), len(told), head_of(told[-1]), at, SIGNER)
        told = _added(told, "audit.sealed", seal.to_json())
        found = examined(told, key=NEXT.public).problem
        assert (problem in found, bool(found)) == (True, bool(problem))
        folder = tmp_path / str(later.seconds)
        folder.mkdir()
        code, said = stranger(folder, told, (), NEXT.public)
        assert (code, problem in said) == (1 if problem else 0, True), said


def _resigned(lines: Sequence[bytes], former: Ed25519Signer, key: Ed25519Signer) -> list[bytes]:
    """All of it hashed anew, with a handover that says so of both keys and is signed by other hands."""
    seals: list[str] = []

    def change(entry: dict[str, object]) -> None:
        seals.append(str(entry["event"]))

    made = rebuilt(lines[: next(at for at, raw in enumerate(lines) if b"audit.key" in raw)], change)
    facts = Handover(head_of(made[0]), len(made), head_of(made[-1]), START.isoformat(), SIGNER.public, key.public)
    told = replace(facts, before=former.sign(facts.message), after=key.sign(facts.message))
    entry = record(told.event, sequence=len(made), previous=head_of(made[-1]), moment=START)
    made.append(line({**entry}))
    seal = sealed(head_of(made[0]), len(made), head_of(made[-1]), START.isoformat(), key)
    made.append(line({**record(seal.event, sequence=len(made), previous=head_of(made[-1]), moment=START)}))
    return made


def test_whoever_lacks_the_former_key_hands_nothing_over(tmp_path: Path) -> None:
    lines = handed_over_record(tmp_path / "record")
    forged = _resigned(lines, STRANGER, STRANGER)
    assert "one of both did not sign" in examined(forged).problem
    code, said = stranger(tmp_path, forged, (), SIGNER.public)
    assert (code, "one of both did not sign" in said) == (1, True)


def test_a_key_that_was_changed_by_hand_is_still_a_stranger(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "record", Ticking())
    for signer in (SIGNER, NEXT):
        file.write(AuditEvent("event", "allow", someone()))
        file.seal(signer)
    lines = list(read_lines(tmp_path / "record"))
    assert "not known here" in examined(lines).problem
    assert Examiner(fits, {SIGNER.public, NEXT.public}, None)(lines).problem == ""


def test_going_back_to_the_former_key_is_a_handover_too(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "record", Ticking())
    for signer, former in ((SIGNER, NEXT), (NEXT, SIGNER), (SIGNER, NEXT)):
        file.write(AuditEvent("event", "allow", someone()))
        file.seal(signer, (former,))
    lines = list(read_lines(tmp_path / "record"))
    assert [json.loads(each)["event"] for each in lines].count("audit.key") == 2
    assert examined(lines, key=NEXT.public).problem == ""


def _added(lines: Sequence[bytes], event: str, facts: Mapping[str, Any]) -> list[bytes]:
    """One more record, in the chain as it must be."""
    told = AuditEvent(event, "allow", None, facts=facts)
    entry = record(told, sequence=len(lines), previous=head_of(lines[-1]), moment=START)
    return [*lines, line(entry)]


def _told(lines: Sequence[bytes], **changed: object) -> dict[str, Any]:
    """The facts of a handover at the end of these lines, signed by both, then changed."""
    whole = handed_over(head_of(lines[0]), len(lines), head_of(lines[-1]), START.isoformat(), SIGNER, NEXT).to_json()
    return {name: value for name, value in {**whole, **changed}.items() if value is not None}


@pytest.mark.parametrize(
    "changed",
    [
        {"signature": None},
        {"size": True},
        {"chain": 1},
        {"at": "soon"},
        {"at": "2026-11-24T03:00:00"},
        {"more": "words"},
    ],
    ids=["no signature", "a yes for a size", "a number for a word", "no moment", "no time zone", "a word too many"],
)
def test_a_seal_that_cannot_be_read_is_a_problem(copies: Copies, changed: dict[str, Any]) -> None:
    whole = sealed(head_of(copies.lines[0]), 16, head_of(copies.lines[-1]), START.isoformat(), SIGNER).to_json()
    facts = {name: value for name, value in {**whole, **changed}.items() if value is not None}
    lines = _added(copies.lines, "audit.sealed", facts)
    assert examined(lines).problem == "record 16: a seal that cannot be read"


@pytest.mark.parametrize(
    "changed",
    [
        {"after": None},
        {"more": "words"},
        {"size": "16"},
        {"key": 7},
        {"at": "soon"},
        {"at": "2026-11-24T03:00:00"},
    ],
    ids=["a word too few", "a word too many", "a size in words", "a number for a key", "no moment", "no time zone"],
)
def test_a_change_of_the_key_that_cannot_be_read_is_a_problem(copies: Copies, changed: dict[str, Any]) -> None:
    lines = _added(copies.lines, "audit.key", _told(copies.lines, **changed))
    assert examined(lines).problem == "record 16: a change of the key that cannot be read"


@pytest.mark.parametrize(
    ("handed", "sealed_at"),
    [("2026-11-24T03:00:00", START.isoformat()), (START.isoformat(), "2026-11-24T03:00:00")],
    ids=["a change of the key", "a seal"],
)
def test_a_signed_moment_without_a_time_zone_is_a_problem_and_ends_no_examination(
    copies: Copies, handed: str, sealed_at: str
) -> None:
    lines = copies.lines[:7]
    told = handed_over(head_of(lines[0]), 7, head_of(lines[6]), handed, STRANGER, NEXT)
    lines = _added(lines, "audit.key", told.to_json())
    seal = sealed(head_of(lines[0]), 8, head_of(lines[7]), sealed_at, STRANGER)
    assert "cannot be read" in examined(_added(lines, "audit.sealed", seal.to_json())).problem


@pytest.mark.parametrize("changed", [{"chain": "0" * 64}, {"size": 15}, {"head": "0" * 64}], ids=str)
def test_a_change_of_the_key_that_was_made_for_another_place_is_a_problem(
    copies: Copies, changed: dict[str, Any]
) -> None:
    assert examined(_added(copies.lines, "audit.key", _told(copies.lines))).problem == ""
    lines = _added(copies.lines, "audit.key", _told(copies.lines, **changed))
    assert examined(lines).problem == "record 16: a change of the key in another record or another place"


@pytest.mark.parametrize("at", ["soon", "2026-11-24T03:00:00", None], ids=["no time", "without a zone", "none at all"])
def test_a_record_without_a_time_is_a_problem_for_the_bot_as_for_a_stranger(
    copies: Copies, tmp_path: Path, at: str | None
) -> None:
    body = {key: value for key, value in json.loads(_added(copies.lines, "event", {})[-1]).items() if key != "hash"}
    body = {**body, "ts": at} if at else {key: value for key, value in body.items() if key != "ts"}
    lines = [*copies.lines, line({**body, "hash": digest("audit", body)})]
    assert examined(lines).problem == "record 16: has no time"
    code, said = stranger(tmp_path, lines, (), SIGNER.public)
    assert (code, "record 16: has no time" in said) == (1, True)


@pytest.mark.parametrize("written", ["1.5", "1e3", "NaN", "-Infinity"])
def test_a_number_that_is_not_whole_is_in_no_record_for_the_bot_as_for_a_stranger(
    copies: Copies, tmp_path: Path, written: str
) -> None:
    spelled = json.dumps(json.loads(written))
    body = _added(copies.lines, "event", {"n": 7})[-1].decode().rstrip("\n").replace('"n":7', f'"n":{spelled}')
    said = str(json.loads(body)["hash"])
    own = hashlib.sha256(b"negahban/audit/1\n" + body.replace(f',"hash":"{said}"', "").encode()).hexdigest()
    lines = [*copies.lines, body.replace(said, own).encode() + b"\n"]
    assert "record 16: not a record" in examined(lines).problem
    code, told = stranger(tmp_path, lines, (), SIGNER.public)
    assert (code, "record 16: not JSON" in told) == (1, True), told


def test_the_copies_say_where_they_are() -> None:
    assert Archive(MemoryStore(FakeClock())).describe() == "memory"
