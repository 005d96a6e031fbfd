"""The clock and the randomness of the machine keep their ports' contracts."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from bot.adapters.clock import SystemClock, SystemEntropy
from handlers.core.ports import Clock, Entropy


def test_the_time_of_day_is_utc_and_now() -> None:
    clock: Clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_durations_are_seconds_and_only_grow() -> None:
    clock: Clock = SystemClock()
    before, began = clock.monotonic(), time.monotonic()
    clock.sleep(0.05)
    assert 0.05 <= clock.monotonic() - before <= time.monotonic() - began


def test_to_sleep_for_less_than_nothing_is_not_to_sleep() -> None:
    began = time.monotonic()
    SystemClock().sleep(-3)
    assert time.monotonic() - began < 1


def test_a_token_is_base32_of_the_length_asked_for_and_never_the_same() -> None:
    entropy: Entropy = SystemEntropy()
    tokens = [entropy.token(20) for _ in range(2000)]
    assert {len(token) for token in tokens} == {20}
    assert set("".join(tokens)) == set("abcdefghijklmnopqrstuvwxyz234567")
    assert len(set(tokens)) == 2000
    assert entropy.token(0) == ""
