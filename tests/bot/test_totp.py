"""Codes are those of RFC 6238, and nothing that merely looks like one."""

from __future__ import annotations

import base64
import hmac
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.totp import Totp

RFC_SEED = base64.b32encode(b"12345678901234567890").decode()
STEPS = st.integers(min_value=10, max_value=253_402_300_000 // 30 - 10)


def _code(seed: str, step: int) -> str:
    """RFC 6238, written anew, so that the adapter is not tested against itself."""
    digest = hmac.digest(base64.b32decode(seed), struct.pack(">Q", step), "sha1")
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"


@pytest.mark.parametrize(
    ("moment", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_the_codes_are_those_of_the_standard(moment: int, code: str) -> None:
    # RFC 6238 appendix B, the last six of its eight digits.
    assert Totp().matching_step(RFC_SEED, code, (moment // 30,)) == moment // 30
    assert Totp().matching_step(RFC_SEED, code, (moment // 30 + 1,)) is None


@given(seed=st.binary(min_size=20, max_size=20), now=STEPS, away=st.integers(min_value=-5, max_value=5))
def test_a_code_matches_the_steps_that_were_asked_for_and_no_other(seed: bytes, now: int, away: int) -> None:
    spelled = base64.b32encode(seed).decode()
    code, asked = _code(spelled, now + away), (now - 1, now)
    fitting = [step for step in asked if _code(spelled, step) == code]
    assert Totp().matching_step(spelled, code, asked) == (fitting[-1] if fitting else None)
    assert away not in (-1, 0) or fitting


@given(st.text())
def test_no_other_text_is_a_code(typed: str) -> None:
    steps = range(1_990_000, 1_990_010)
    codes = {_code(RFC_SEED, step) for step in steps}
    assert (Totp().matching_step(RFC_SEED, typed, steps) is not None) == (typed in codes)


@pytest.mark.parametrize("zero", ["０", "٠", "۰", "०", "𝟎"])
def test_digits_of_other_scripts_are_no_code(zero: str) -> None:
    same = "287082".translate({ord("0") + digit: chr(ord(zero) + digit) for digit in range(10)})
    assert int(same) == 287082
    assert Totp().matching_step(RFC_SEED, same, (1,)) is None


@pytest.mark.parametrize("typed", ["287082 ", " 287082", "287082\n", "0287082", "28708", "\ud800", "287 082", ""])
def test_what_is_more_or_less_than_the_code_is_no_code(typed: str) -> None:
    assert Totp().matching_step(RFC_SEED, "287082", (1,)) == 1
    assert Totp().matching_step(RFC_SEED, typed, (1,)) is None


def test_without_steps_nothing_matches() -> None:
    assert Totp().matching_step(RFC_SEED, "287082", ()) is None


def test_a_seed_has_160_bits_and_its_address_names_the_bot() -> None:
    totp = Totp()
    seed = totp.new_seed()
    assert len(base64.b32decode(seed)) == 20
    assert totp.uri(seed, "U1") == f"otpauth://totp/Negahban:U1?secret={seed}&issuer=Negahban"
    assert len({totp.new_seed() for _ in range(100)}) == 100
