"""Receipts of checks, and what they say together about a backup."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.backups.dossiers import CACHE_LIMIT, Dossier, history, key_of
from handlers.core.formats.evidence import Answered, Check, Evidence, History, Standing, Verdict, judged
from handlers.core.words.answers import BackupId, JobId, TargetName
from handlers.core.words.digests import canonical, digest
from handlers.core.words.errors import Damage, OutsideError
from tests.fakes import FakeClock, Faults, MemoryStore

SHOP, BACKUP = TargetName("shop"), BackupId("20261124t030000z-abcdef")
FIRST = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


def seen(verdict: Verdict, level: int = 2, *, after: float = 0, check: Check | None = None) -> Evidence:
    return Evidence(
        backup=BACKUP,
        target=SHOP,
        check=check or (Check.DRILL if level == 3 else Check.SCRUB),
        level=level,
        verdict=verdict,
        reason="" if verdict is Verdict.PASS else "it is so",
        made=FIRST + timedelta(seconds=after),
        by="U0SARA",
        surface="slack",
        job=JobId("abcdefghijkl"),
        manifest="0" * 64,
        stages=(("start", 1500), ("load", 2000), ("hash", 250)),
        collections=3,
        documents=22,
        stored_bytes=100,
        data_bytes=200,
        server="6.0.5",
        hashes={"سفارش": "d41d8cd98f00b204e9800998ecf8427e"},
        answers=(Answered("orders", Verdict.UNKNOWN, "MongoDB is silent"),),
    )


def standing(*evidence: Evidence) -> Standing:
    return judged(History(evidence)).standing


def test_a_receipt_is_read_back_as_it_was() -> None:
    evidence = seen(Verdict.FAIL, 3)
    assert Evidence.from_bytes(evidence.to_bytes()) == evidence


def test_what_a_drill_took_until_the_data_could_be_used_leaves_out_what_comes_after() -> None:
    evidence = seen(Verdict.PASS, 3)
    assert (evidence.seconds, evidence.ready_seconds) == (3.75, 3.5)


def test_every_changed_character_of_a_receipt_is_found() -> None:
    stored = seen(Verdict.PASS).to_bytes()
    for position in range(len(stored)):
        with pytest.raises(Damage):
            Evidence.from_bytes(stored[:position] + bytes([stored[position] ^ 1]) + stored[position + 1 :])


@pytest.mark.parametrize("stored", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_receipt_is_damage(stored: bytes) -> None:
    with pytest.raises(Damage):
        Evidence.from_bytes(stored)


def test_a_receipt_of_a_newer_schema_is_not_guessed_at() -> None:
    data = json.loads(seen(Verdict.PASS).to_bytes())
    with pytest.raises(Damage, match="schema 2"):
        Evidence.from_bytes(json.dumps({**data, "schema": 2}).encode())


def test_nothing_checked_is_unproved() -> None:
    assert standing() is Standing.UNPROVED
    assert standing(seen(Verdict.UNKNOWN, 3)) is Standing.UNPROVED


def test_a_check_that_passed_makes_it_good_and_one_that_failed_quarantines_it() -> None:
    assert standing(seen(Verdict.PASS)) is Standing.GOOD
    assert standing(seen(Verdict.PASS, 3), seen(Verdict.FAIL, 1)) is Standing.QUARANTINED


def test_a_failed_drill_is_not_cleared_by_a_checksum() -> None:
    assert standing(seen(Verdict.FAIL, 3), seen(Verdict.PASS, 2)) is Standing.QUARANTINED
    assert standing(seen(Verdict.FAIL, 3), seen(Verdict.PASS, 3)) is Standing.GOOD
    assert standing(seen(Verdict.FAIL, 1), seen(Verdict.PASS, 2)) is Standing.GOOD


def test_a_lesser_failure_after_a_greater_one_hides_it_not() -> None:
    assert standing(seen(Verdict.FAIL, 3), seen(Verdict.FAIL, 1), seen(Verdict.PASS, 2)) is Standing.QUARANTINED


@given(st.lists(st.tuples(st.sampled_from(Verdict), st.integers(0, 3)), max_size=8))
def test_it_is_quarantined_exactly_while_a_failure_has_no_later_pass_at_its_level(
    told: list[tuple[Verdict, int]],
) -> None:
    evidence = [seen(verdict, level, after=number) for number, (verdict, level) in enumerate(told)]
    open_failures = [
        each
        for number, each in enumerate(evidence)
        if each.verdict is Verdict.FAIL
        and not any(later.verdict is Verdict.PASS and later.level >= each.level for later in evidence[number + 1 :])
    ]
    assert (standing(*evidence) is Standing.QUARANTINED) is bool(open_failures)


def test_a_damaged_receipt_keeps_a_backup_from_being_good() -> None:
    judgement = judged(History((seen(Verdict.PASS),), ("v1/shop/evidence/x.json",)))
    assert judgement.standing is Standing.UNPROVED
    assert "v1/shop/evidence/x.json" in str(judgement.reason)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FakeClock())


def test_receipts_are_kept_beside_the_backup_and_read_by_another_process(store: MemoryStore) -> None:
    first, second = seen(Verdict.PASS), seen(Verdict.FAIL, 3, after=60)
    Dossier(SHOP, store).add(second)
    Dossier(SHOP, store).add(first)
    assert [each.key for each in store.list("")] == [
        "v1/shop/evidence/20261124t030000z-abcdef/20261124t040000z-scrub.json",
        "v1/shop/evidence/20261124t030000z-abcdef/20261124t040100z-drill.json",
    ]
    assert history(store, SHOP).evidence == (first, second)
    assert Dossier(SHOP, store).last_checked() == {BACKUP: second.made}
    assert Dossier(SHOP, store).history(BackupId("other")).evidence == ()


def test_a_receipt_is_never_overwritten(store: MemoryStore) -> None:
    dossier, evidence = Dossier(SHOP, store), seen(Verdict.PASS)
    dossier.add(evidence)
    dossier.add(evidence)
    with pytest.raises(OutsideError, match="same second"):
        dossier.add(replace(evidence, documents=1))
    assert Dossier(SHOP, store).history().evidence == (evidence,)


def test_a_receipt_that_lies_where_it_does_not_belong_is_told(store: MemoryStore) -> None:
    elsewhere = key_of(seen(Verdict.PASS, after=5))
    store.put_new(elsewhere, seen(Verdict.PASS).to_bytes())
    assert history(store, SHOP).damaged == (elsewhere,)


def test_a_history_gives_the_newest_of_a_kind() -> None:
    passed, failed = seen(Verdict.PASS, 3), seen(Verdict.FAIL, 3, after=9)
    past = History((passed, failed))
    assert past.last(Check.DRILL) == failed
    assert past.last(Check.DRILL, good=True) == passed
    assert past.last(Check.SCRUB) is None
    assert past.of(BACKUP) == past
    assert past.of(BackupId("other")) == History(())


def test_a_sealed_receipt_whose_time_has_no_zone_is_damage() -> None:
    body = {**json.loads(seen(Verdict.PASS).to_bytes()), "made": "2026-11-24T04:00:00"}
    del body["digest"]
    with pytest.raises(Damage, match="its time has no zone"):
        Evidence.from_bytes(canonical({**body, "digest": digest("evidence", body)}))


def test_a_receipt_that_went_while_they_were_listed_says_nothing() -> None:
    store, kept = MemoryStore(FakeClock(), Faults()), seen(Verdict.PASS, after=5)
    dossier = Dossier(SHOP, store)
    for each in (seen(Verdict.FAIL), kept):
        dossier.add(each)
    store.faults.meanwhile("store.list", 1, lambda: store.delete(key_of(seen(Verdict.FAIL))))
    assert dossier.history() == History((kept,))


def test_what_is_no_receipt_by_its_name_tells_not_when_a_backup_was_last_checked(store: MemoryStore) -> None:
    dossier = Dossier(SHOP, store)
    dossier.add(seen(Verdict.PASS))
    store.put_new(f"v1/shop/evidence/{BACKUP}/20270101t000000z-glance.json", b"{}")
    store.put_new("v1/shop/evidence/notes.txt", b"by hand")
    assert dossier.last_checked() == {BACKUP: FIRST}


def test_more_receipts_than_are_remembered_are_all_read(store: MemoryStore) -> None:
    wanted = tuple(seen(Verdict.PASS, after=number) for number in range(CACHE_LIMIT + 1))
    dossier = Dossier(SHOP, store)
    for each in wanted:
        dossier.add(each)
    assert dossier.history().evidence == wanted
    assert dossier.history().evidence == wanted
