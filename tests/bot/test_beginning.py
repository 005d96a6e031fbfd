"""The thread that begins runbooks: nothing that goes wrong ends it, and it ends when it is told."""

from __future__ import annotations

import logging
import threading

import pytest

from bot.beginning import Beginning
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text


def test_the_next_round_comes_after_a_failure_and_after_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    endings: list[Exception | None] = [OutsideError(Text("Redis does not answer.")), KeyError("a fault"), None]
    done = threading.Event()

    def round_of() -> None:
        if not endings:
            done.set()
            return
        ending = endings.pop(0)
        if ending is not None:
            raise ending

    with caplog.at_level(logging.WARNING), Beginning(round_of, round_seconds=0.01, away_seconds=0.01):
        assert done.wait(10)
    assert "Redis does not answer." in caplog.text
    assert "a fault; the next round tries again" in caplog.text
    assert "beginning" not in {each.name for each in threading.enumerate()}
