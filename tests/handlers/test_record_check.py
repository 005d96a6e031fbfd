"""The section `audit` of /health: how far the chain is verified, and what vouches for it, by real seals and copies."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.adapters.signing import fits
from handlers.checks.record import Anchored, RecordCheck
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding
from handlers.core.sealing.examination import Examiner
from handlers.core.sealing.segments import Archive
from handlers.core.words.answers import TargetName
from handlers.core.words.audit import GENESIS, AuditEvent, line
from handlers.core.words.digests import Json, digest
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text
from tests.audit_chains import SIGNER, START, sealed_record, segment_of
from tests.fakes import FakeClock, Faults, MemoryStore
from tests.handlers.test_audit import chain

SHOP = TargetName("shop")
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


class House:
    """A record of six entries and their seal, its store, and a channel that says what a test wants."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.faults = FakeClock(), Faults()
        self.lines = sealed_record(folder / "audit", "event", (6,))
        self.archive = Archive(MemoryStore(self.clock, self.faults))
        self.told: Anchored | OutsideError | None = None

    def channel(self, chain_: str) -> Anchored | None:
        if isinstance(self.told, OutsideError):
            raise self.told
        return self.told

    def copies(self, chain_: str) -> Anchored | None:
        newest = self.archive.newest(chain_)
        return None if newest is None else Anchored(newest[0].size, newest[1], "the store")

    def found(self, lines: list[bytes] | None = None) -> dict[str, Finding]:
        kept = self.lines if lines is None else lines
        examine = Examiner(fits, {SIGNER.public}, self.archive)
        check = RecordCheck(lambda: kept, examine, self.clock, self.copies, self.channel, timedelta(hours=1))
        return {each.name: each for each in check(SHOP, 5)}

    def verdicts(self, lines: list[bytes] | None = None) -> dict[str, Verdict]:
        return {name: each.verdict for name, each in self.found(lines).items()}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def copied(house: House) -> None:
    house.archive.put(segment_of(house.lines, 0, 7), house.lines)


def test_how_far_it_is_verified_and_what_vouches_for_it_since_when_is_said(house: House) -> None:
    copied(house)
    house.told = Anchored(7, house.clock.now(), "https://slack.example/p1")
    found = house.found()
    assert {name: each.verdict for name, each in found.items()} == dict.fromkeys(
        ("chain", "anchor seal", "anchor copy", "anchor channel"), PASS
    )
    assert "7 entries are verified, from the first to" in str(found["chain"].text)
    assert "7 of 7 entries have a seal, made at 2026-11-24 03:00" in str(found["anchor seal"].text)
    assert "have a copy elsewhere, made at 2026-11-24 03:00:00 UTC (the store)" in str(found["anchor copy"].text)
    assert "(https://slack.example/p1)" in str(found["anchor channel"].text)


def test_what_is_not_there_yet_is_not_known(house: House) -> None:
    assert house.verdicts() == {"chain": PASS, "anchor seal": PASS, "anchor copy": UNKNOWN, "anchor channel": UNKNOWN}


@pytest.mark.parametrize(
    ("hours", "seal", "copy", "channel"),
    [(0.1, UNKNOWN, UNKNOWN, UNKNOWN), (0.5, FAIL, UNKNOWN, UNKNOWN), (2.1, FAIL, FAIL, FAIL)],
)
def test_entries_that_nothing_vouches_for_fail_after_a_while(
    house: House, hours: float, seal: Verdict, copy: Verdict, channel: Verdict
) -> None:
    bare = chain([AuditEvent(f"event {number}", "allow", None) for number in range(5)])
    house.clock.moment = START + timedelta(hours=hours)
    assert house.verdicts(bare) == {"chain": PASS, "anchor seal": seal, "anchor copy": copy, "anchor channel": channel}


def test_what_was_written_since_may_wait_and_what_waits_too_long_is_told_with_its_age(
    house: House, tmp_path: Path
) -> None:
    copied(house)
    more = sealed_record(tmp_path / "audit", "later", (3,))
    house.told = Anchored(7, house.clock.now(), "there")
    assert set(house.verdicts(more).values()) == {PASS}
    house.clock.advance(3 * 3600)
    found = house.found(more)
    assert found["anchor seal"].verdict is PASS, "all of it is sealed"
    assert found["anchor copy"].verdict is FAIL
    assert "4 entries wait for a copy elsewhere, the oldest for 2 h 59 min" in str(found["anchor copy"].text)
    assert found["anchor channel"].verdict is FAIL


def test_an_anchor_that_cannot_be_asked_is_not_known_and_hides_no_other(house: House) -> None:
    copied(house)
    house.told = OutsideError(Text("Redis does not answer."))
    assert house.verdicts() == {"chain": PASS, "anchor seal": PASS, "anchor copy": PASS, "anchor channel": UNKNOWN}
    for number in range(1, 5):
        house.faults.fail("store.list", number)
    assert house.verdicts()["anchor copy"] is UNKNOWN
    assert house.verdicts()["chain"] is UNKNOWN, "an end that is missing would not be seen"


def test_a_record_whose_end_is_missing_has_no_anchors_to_speak_of(house: House) -> None:
    copied(house)
    found = house.found(house.lines[:4])
    assert [(name, each.verdict) for name, each in found.items()] == [("chain", FAIL)]
    assert "the end is missing" in str(found["chain"].text)


def test_an_empty_record_is_not_known_to_be_anchored(house: House) -> None:
    assert house.verdicts([]) == {
        "chain": PASS,
        "anchor seal": UNKNOWN,
        "anchor copy": UNKNOWN,
        "anchor channel": UNKNOWN,
    }


@pytest.mark.parametrize(
    "times", [{}, {"ts": "yesterday"}, {"ts": "2026-11-24T03:00:00"}], ids=["no time", "a word", "no zone"]
)
def test_an_entry_without_a_time_is_tampered_with(house: House, times: dict[str, Json]) -> None:
    body: dict[str, Json] = {"v": 1, "seq": 0, "event": "forged", "prev": GENESIS, **times}
    found = house.found([line({**body, "hash": digest("audit", body)})])
    assert found["chain"].verdict is FAIL
    assert "record 0: has no time" in str(found["chain"].text)


def test_a_record_that_is_cut_while_it_is_looked_at_cannot_be_asked(house: House) -> None:
    bare = chain([AuditEvent(f"event {number}", "allow", None) for number in range(5)])
    reads = iter([bare])
    examine = Examiner(fits, {SIGNER.public}, house.archive)
    check = RecordCheck(lambda: next(reads, []), examine, house.clock, house.copies, house.channel, timedelta(hours=1))
    with pytest.raises(OutsideError, match="has no time"):
        check(SHOP, 5)
