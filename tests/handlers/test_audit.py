"""The audit chain: whatever is changed, taken out, added or moved shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.words.audit import GENESIS, AuditEvent, Verdict, line, record, verify
from handlers.core.words.digests import Json, canonical, digest
from tests.fakes import someone
from tests.handlers.test_digests import VALUES

START = datetime(2026, 11, 24, 3, tzinfo=UTC)
EVENTS = st.builds(
    AuditEvent,
    event=st.text(max_size=10),
    decision=st.sampled_from(["allow", "deny", "error", "unknown"]),
    actor=st.sampled_from([None, someone(), someone("U0OMID")]),
    target=st.text(max_size=5),
    operation=st.text(max_size=5),
    digest=st.text(max_size=5),
    facts=st.dictionaries(st.text(max_size=5), VALUES, max_size=2),
)


def chain(events: list[AuditEvent]) -> list[bytes]:
    """The file of these events."""
    lines, head = [], GENESIS
    for sequence, event in enumerate(events):
        moment = START + timedelta(seconds=sequence)
        entry = record(event, sequence=sequence, previous=head, moment=moment)
        head = str(entry["hash"])
        lines.append(line(entry))
    return lines


def head_of(raw: bytes) -> str:
    return str(json.loads(raw)["hash"])


PLAIN = chain([AuditEvent(f"event {number}", "allow", someone()) for number in range(6)])


def test_no_record_is_a_clean_chain() -> None:
    assert verify([]) == Verdict(0, GENESIS)


@given(st.lists(EVENTS, max_size=6))
def test_every_chain_is_clean_and_its_head_is_its_last_hash(events: list[AuditEvent]) -> None:
    lines = chain(events)
    assert verify(lines) == Verdict(len(lines), head_of(lines[-1]) if lines else GENESIS)
    assert all(raw.count(b"\n") == 1 and raw.endswith(b"\n") for raw in lines)


def test_a_record_says_what_happened_when_and_who() -> None:
    event = AuditEvent("code.accepted", "allow", someone(), "shop", "restore.run", "d1", {"job": "j1"})
    entry = record(event, sequence=7, previous="p", moment=START)
    assert entry == {
        "v": 1, "seq": 7, "ts": "2026-11-24T03:00:00.000+00:00", "event": "code.accepted", "decision": "allow",
        "actor": {"person": "U0SARA", "team": "T0LOCAL", "surface": "slack"}, "target": "shop",
        "operation": "restore.run", "digest": "d1", "facts": {"job": "j1"}, "prev": "p", "hash": entry["hash"],
    }  # fmt: skip


@given(st.integers(0, 5), st.integers(0, 10_000), st.integers(0, 255))
def test_one_changed_byte_is_found_in_its_record(number: int, position: int, byte: int) -> None:
    raw = bytearray(PLAIN[number])
    position %= len(raw) - 1
    if raw[position] == byte:
        return
    raw[position] = byte
    verdict = verify([*PLAIN[:number], bytes(raw), *PLAIN[number + 1 :]])
    assert verdict.problem.startswith(f"record {number}: ")
    assert verdict.records == number
    assert verdict.head == (head_of(PLAIN[number - 1]) if number else GENESIS)


@given(st.integers(0, 4))
def test_a_record_taken_out_is_found(number: int) -> None:
    verdict = verify([*PLAIN[:number], *PLAIN[number + 1 :]])
    assert (verdict.records, "missing" in verdict.problem) == (number, True)


@given(st.permutations(range(6)))
def test_records_in_another_order_are_found(order: list[int]) -> None:
    verdict = verify([PLAIN[number] for number in order])
    assert bool(verdict.problem) == (order != list(range(6)))


@given(st.integers(0, 5), st.integers(0, 5))
def test_a_record_put_in_twice_is_found(number: int, place: int) -> None:
    assert verify([*PLAIN[:place], PLAIN[number], *PLAIN[place:]]).problem


@given(st.integers(0, 5), EVENTS)
def test_a_record_written_anew_with_a_hash_that_fits_breaks_the_one_after(number: int, event: AuditEvent) -> None:
    previous = head_of(PLAIN[number - 1]) if number else GENESIS
    forged = record(event, sequence=number, previous=previous, moment=START)
    verdict = verify([*PLAIN[:number], line(forged), *PLAIN[number + 1 :]])
    if number == 5:
        assert verdict == Verdict(6, str(forged["hash"]))
    else:
        assert verdict.problem == f"record {number + 1}: does not follow the record before it"


@given(st.integers(0, 5))
def test_a_chain_that_was_cut_off_is_clean_and_says_how_far_it_got(kept: int) -> None:
    assert verify(PLAIN[:kept]) == Verdict(kept, head_of(PLAIN[kept - 1]) if kept else GENESIS)


@given(st.integers(1, 10_000))
def test_a_last_line_that_was_cut_is_torn_and_not_a_problem(cut: int) -> None:
    torn = PLAIN[5][: -(cut % (len(PLAIN[5]) - 1) + 1)]
    assert verify([*PLAIN[:5], torn]) == Verdict(5, head_of(PLAIN[4]), torn=True)


@pytest.mark.parametrize(
    "raw", [b"\n", b"null\n", b"[]\n", b"{}\n", b"5\n", b'"x"\n', b"\xff\xfe\n", b'{"seq":6.0}\n', b'{"seq":NaN}\n']
)
def test_what_is_not_a_record_is_found(raw: bytes) -> None:
    assert verify([*PLAIN, raw]).problem.startswith("record 6: ")


def test_a_float_that_was_smuggled_in_is_found() -> None:
    entry = {**json.loads(PLAIN[0]), "facts": {"x": 0.5}}
    raw = json.dumps(entry, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert verify([raw]).problem == "record 0: not a record"


def test_a_key_given_twice_or_an_added_space_is_found() -> None:
    first = PLAIN[0]
    twice = b'{"decision":"deny",' + first[1:]
    spaced = first.replace(b":", b": ", 1)
    nested = b"[" * 100_000 + b"\n"
    assert verify([first]).problem == ""
    assert verify([twice]).problem == "record 0: not a record as it was written"
    assert verify([spaced]).problem == "record 0: not a record as it was written"
    assert verify([nested]).problem == "record 0: not a record"


def test_the_hash_is_over_the_canonical_record_without_it() -> None:
    entry: dict[str, Json] = json.loads(PLAIN[0])
    body = {key: value for key, value in entry.items() if key != "hash"}
    assert entry["hash"] == digest("audit", body)
    assert canonical(entry) + b"\n" == PLAIN[0]
