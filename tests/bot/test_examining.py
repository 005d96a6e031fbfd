"""Checks side by side: one that hangs or breaks delays nobody, and is never green."""

from __future__ import annotations

import threading
import time

from bot.examining import Threads
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding, passed
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text

SHOP = TargetName("shop")


def well(target: TargetName, seconds: float) -> tuple[Finding, ...]:
    return (passed("well", Text("It is well.")),)


def away(target: TargetName, seconds: float) -> tuple[Finding, ...]:
    raise OutsideError(Text("It does not answer."))


def broken(target: TargetName, seconds: float) -> tuple[Finding, ...]:
    raise KeyError("a fault")


def silent(target: TargetName, seconds: float) -> tuple[Finding, ...]:
    return ()


def test_one_that_hangs_is_not_known_and_delays_nobody_beyond_its_time() -> None:
    hold = threading.Event()

    def hangs(target: TargetName, seconds: float) -> tuple[Finding, ...]:
        hold.wait(30)
        return well(target, seconds)

    began = time.monotonic()
    try:
        found = Threads().examine({"a": hangs, "b": well, "c": hangs}, SHOP, 0.5)
    finally:
        hold.set()
    assert time.monotonic() - began < 5
    assert [found[name][0].verdict for name in "abc"] == [Verdict.UNKNOWN, Verdict.PASS, Verdict.UNKNOWN]
    assert "did not answer within 0.5 s" in str(found["a"][0].text)


def test_one_that_breaks_or_says_nothing_is_not_known() -> None:
    found = Threads().examine({"away": away, "broken": broken, "silent": silent, "well": well}, SHOP, 5)
    assert {name: each[0].verdict for name, each in found.items()} == {
        "away": Verdict.UNKNOWN,
        "broken": Verdict.UNKNOWN,
        "silent": Verdict.UNKNOWN,
        "well": Verdict.PASS,
    }
    assert "a fault" not in str(found["broken"][0].text)
