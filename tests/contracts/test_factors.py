"""People's second factors as kept beside the backups: enrolment, codes, marks, and records that cannot be forged."""

from __future__ import annotations

import base64
import hmac
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.adapters.factors import StoredFactors
from bot.adapters.store_directory import DirectoryStore
from bot.adapters.totp import Totp
from handlers.core.ports import Factor, Factors
from handlers.core.words.answers import PersonId
from handlers.core.words.errors import Refusal

MOMENT = datetime(2026, 11, 24, 3, 12, 7, tzinfo=UTC)
ANA, BEN = PersonId("UANA"), PersonId("UBEN")
TEAM = "workspace"
KEY = bytes(range(32))
RFC_SEED = base64.b32encode(b"12345678901234567890").decode()


def _step(moment: datetime) -> int:
    return int(moment.timestamp()) // 30


def _code(seed: str, step: int) -> str:
    """RFC 6238, written anew, so that the adapter is not tested against itself."""
    digest = hmac.digest(base64.b32decode(seed), struct.pack(">Q", step), "sha1")
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path)


@pytest.fixture
def factors(store: DirectoryStore) -> StoredFactors:
    return StoredFactors(store, KEY, Totp())


def _enrolled(factors: StoredFactors, person: PersonId = ANA) -> tuple[Factor, str]:
    seed, _ = factors.begin(person, TEAM)
    step = _step(MOMENT)
    return factors.enroll(person, TEAM, seed, _code(seed, step - 1), _code(seed, step), MOMENT), seed


def _stored(store: DirectoryStore) -> list[str]:
    return [artifact.key for artifact in store.list("")]


def test_nobody_is_enrolled_at_first(factors: StoredFactors) -> None:
    port: Factors = factors
    assert port.get(ANA, TEAM) is None


def test_a_beginning_stores_nothing_and_gives_a_new_seed_each_time(
    factors: StoredFactors, store: DirectoryStore
) -> None:
    seed, uri = factors.begin(ANA, TEAM)
    other, _ = factors.begin(ANA, TEAM)
    assert len(base64.b32decode(seed)) == 20
    assert seed != other
    assert uri == f"otpauth://totp/Negahban:UANA?secret={seed}&issuer=Negahban"
    assert _stored(store) == []


def test_two_codes_in_a_row_enrol_and_are_spent(factors: StoredFactors) -> None:
    factor, _ = _enrolled(factors)
    assert factor == Factor(ANA, floor_step=_step(MOMENT), used=False, locked=False, version=1)
    assert factors.get(ANA, TEAM) == factor
    assert factors.get(BEN, TEAM) is None
    assert factors.get(ANA, "other") is None


def test_codes_are_taken_as_people_type_them(factors: StoredFactors) -> None:
    seed, _ = factors.begin(ANA, TEAM)
    first, second = _code(seed, _step(MOMENT) - 1), _code(seed, _step(MOMENT))
    factors.enroll(ANA, TEAM, seed, f" {first[:3]} {first[3:]}", f"{second[:3]}-{second[3:]} ", MOMENT)
    assert factors.get(ANA, TEAM) is not None


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (0, 0, "same code twice"),
        (-2, 0, "in a row"),
        (0, -1, "in a row"),
        (-3, -2, "clocks .* 1 min"),
        (0, 1, "clocks .* 30 s"),
        (9, 10, "clocks .* 5 min"),
        (-500, -499, "not right"),
        (500, 0, "not right"),
    ],
)
def test_other_codes_are_refused_with_what_is_wrong(
    factors: StoredFactors, store: DirectoryStore, first: int, second: int, reason: str
) -> None:
    step = _step(MOMENT)
    with pytest.raises(Refusal, match=reason):
        factors.enroll(ANA, TEAM, RFC_SEED, _code(RFC_SEED, step + first), _code(RFC_SEED, step + second), MOMENT)
    assert _stored(store) == []


def test_the_second_code_may_be_typed_one_step_late(factors: StoredFactors) -> None:
    step = _step(MOMENT)
    factor = factors.enroll(ANA, TEAM, RFC_SEED, _code(RFC_SEED, step - 2), _code(RFC_SEED, step - 1), MOMENT)
    assert factor.floor_step == step - 1


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "１２３４５６", "٠١٢٣٤٥", "12345a", "123456\n", "0x1E24", "-12345x", "²²²²²²"]
)
def test_what_is_not_six_digits_is_no_code(factors: StoredFactors, code: str) -> None:
    with pytest.raises(Refusal, match="six digits"):
        factors.enroll(ANA, TEAM, RFC_SEED, code, "123456", MOMENT)
    factor, _ = _enrolled(factors)
    assert factors.matching_step(factor, TEAM, code, MOMENT) is None


def test_digits_of_other_scripts_are_not_the_code(factors: StoredFactors) -> None:
    factor, seed = _enrolled(factors)
    right = _code(seed, _step(MOMENT))
    wide = right.translate({ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)})
    assert factors.matching_step(factor, TEAM, right, MOMENT) == _step(MOMENT)
    assert factors.matching_step(factor, TEAM, wide, MOMENT) is None
    assert factors.matching_step(factor, TEAM, f"{right} ", MOMENT) is None


@pytest.mark.parametrize("microseconds", [0, 1, 999_999])
@pytest.mark.parametrize(("second", "away"), [(0, 0), (29, 0), (30, 1), (31, 1), (59, 1), (60, 2), (-1, -1)])
def test_a_code_is_good_for_its_step_and_the_next(
    factors: StoredFactors, second: int, away: int, microseconds: int
) -> None:
    factor, seed = _enrolled(factors)
    step = _step(MOMENT) + 100
    moment = datetime.fromtimestamp(step * 30, UTC) + timedelta(seconds=second, microseconds=microseconds)
    found = factors.matching_step(factor, TEAM, _code(seed, step), moment)
    assert found == (step if away in (0, 1) else None)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_the_hour_that_happens_twice_changes_no_code(factors: StoredFactors) -> None:
    factor, seed = _enrolled(factors)
    for minutes in range(0, 150, 7):
        moment = datetime(2026, 10, 25, 0, 0, tzinfo=UTC) + timedelta(minutes=minutes)
        assert factors.matching_step(factor, TEAM, _code(seed, _step(moment)), moment) == _step(moment)


def test_a_mark_is_kept_and_the_code_still_fits(factors: StoredFactors, store: DirectoryStore) -> None:
    factor, seed = _enrolled(factors)
    marked = factors.mark(factor, TEAM, used=True, locked=True)
    assert marked == Factor(ANA, factor.floor_step, used=True, locked=True, version=2)
    again = StoredFactors(store, KEY, Totp())
    assert again.get(ANA, TEAM) == marked
    assert again.matching_step(marked, TEAM, _code(seed, _step(MOMENT)), MOMENT) == _step(MOMENT)


def test_a_mark_on_an_older_version_is_too_late(factors: StoredFactors) -> None:
    factor, _ = _enrolled(factors)
    assert factors.mark(factor, TEAM, used=True, locked=False) is not None
    assert factors.mark(factor, TEAM, used=False, locked=True) is None
    kept = factors.get(ANA, TEAM)
    assert kept is not None
    assert (kept.used, kept.locked) == (True, False)


def test_of_many_marks_at_once_exactly_one_is_made(factors: StoredFactors) -> None:
    factor, _ = _enrolled(factors)
    start = threading.Barrier(8)

    def mark(number: int) -> Factor | None:
        start.wait()
        return factors.mark(factor, TEAM, used=True, locked=bool(number % 2))

    with ThreadPoolExecutor(8) as pool:
        marked = [each for each in pool.map(mark, range(8)) if each is not None]
    assert marked == [factors.get(ANA, TEAM)]


def test_to_enrol_again_ends_the_old_seed_and_its_lock(factors: StoredFactors) -> None:
    factor, old_seed = _enrolled(factors)
    factors.mark(factor, TEAM, used=True, locked=True)
    later = MOMENT + timedelta(hours=1)
    seed, _ = factors.begin(ANA, TEAM)
    renewed = factors.enroll(ANA, TEAM, seed, _code(seed, _step(later) - 1), _code(seed, _step(later)), later)
    assert renewed == Factor(ANA, _step(later), used=False, locked=False, version=3)
    assert factors.get(ANA, TEAM) == renewed
    assert factors.matching_step(renewed, TEAM, _code(old_seed, _step(later)), later) is None


def test_files_of_others_beside_the_records_are_ignored(factors: StoredFactors, store: DirectoryStore) -> None:
    factor, _ = _enrolled(factors)
    for name in ("notes.txt", "999.json", "x000009.json", "000009.json.bak", "old/000009.json"):
        store.put_new(f"factors/workspace.UANA/{name}", b"")
    assert factors.get(ANA, TEAM) == factor


@pytest.mark.parametrize("person", ["", ".", "..", "U1.T", "U/1", "../U1", "U 1", "U1\n", "Ü", "<@U1>", "U" * 65])
def test_what_is_not_an_id_is_refused(factors: StoredFactors, store: DirectoryStore, person: str) -> None:
    for touch in (
        lambda: factors.get(PersonId(person), TEAM),
        lambda: factors.get(ANA, person),
        lambda: factors.begin(PersonId(person), TEAM),
        lambda: factors.enroll(PersonId(person), TEAM, RFC_SEED, "123456", "123457", MOMENT),
    ):
        with pytest.raises(Refusal, match="not an id"):
            touch()
    assert _stored(store) == []


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), bytes(16)])
def test_a_key_that_is_not_32_bytes_is_refused(store: DirectoryStore, key: bytes) -> None:
    with pytest.raises(Refusal, match="32 bytes"):
        StoredFactors(store, key, Totp())


def test_a_seed_that_is_not_one_is_refused(factors: StoredFactors) -> None:
    for seed in ("", "short", "1" * 32, "A" * 31, "a" * 32):
        with pytest.raises(Refusal, match="not a seed"):
            factors.enroll(ANA, TEAM, seed, "123456", "123457", MOMENT)
