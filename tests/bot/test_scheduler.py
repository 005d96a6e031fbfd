"""The scheduler's thread, and what Prometheus reads of the copies."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.measuring import Kept
from bot.scheduler import Scheduler
from bot.web import application
from handlers.core.backups.rota import Freshness, note
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text
from tests.fakes import FakeClock, MemoryState

SHOP, BLOG = TargetName("shop"), TargetName("blog")
NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


class Rounds:
    """Counts rounds; the first ones fail in both ways."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.enough = threading.Event()

    def round(self, target: TargetName) -> None:
        self.seen.append(target)
        if len(self.seen) > 6:
            self.enough.set()
        if len(self.seen) == 1:
            raise OutsideError(Text("Redis does not answer."))
        if len(self.seen) == 3:
            raise RuntimeError("a fault")


def test_a_failing_round_ends_neither_the_others_nor_the_next(caplog: pytest.LogCaptureFixture) -> None:
    rounds: Any = Rounds()
    with caplog.at_level(logging.WARNING), Scheduler(rounds, [SHOP, BLOG], round_seconds=0.01):
        assert rounds.enough.wait(10)
    assert rounds.seen[:4] == [SHOP, BLOG, SHOP, BLOG]
    assert "Redis does not answer" in caplog.text
    assert "a fault" in caplog.text


def test_a_scheduler_that_is_left_does_nothing_more() -> None:
    rounds: Any = Rounds()
    with Scheduler(rounds, [SHOP], round_seconds=0.01):
        assert rounds.enough.wait(10)
    count = len(rounds.seen)
    assert not any(thread.name == "scheduler" for thread in threading.enumerate())
    assert len(rounds.seen) == count


def metrics(seen: dict[TargetName, Freshness] | None) -> str:
    clock = FakeClock(NOW)
    state = MemoryState(clock)
    for target, fresh in (seen or {}).items():
        note(state, target, fresh)
    state.away = seen is None
    app = application({}, None, Kept(state, [SHOP, BLOG], clock))
    started: list[str] = []
    body = app({"PATH_INFO": "/metrics", "REQUEST_METHOD": "GET"}, lambda status, _: started.append(status))
    assert started == ["200 OK"]
    return b"".join(body).decode()


def test_metrics_say_how_old_the_newest_good_copy_is_and_how_many_there_are() -> None:
    text = metrics({SHOP: Freshness(NOW - timedelta(hours=2), 11), BLOG: Freshness(None, 0)})
    assert 'negahban_backup_age_seconds{target="shop"} 7200.0' in text
    assert 'negahban_backup_good_copies{target="shop"} 11.0' in text
    assert 'negahban_backup_good_copies{target="blog"} 0.0' in text
    assert 'negahban_backup_age_seconds{target="blog"}' not in text


def test_metrics_that_are_not_known_are_left_out() -> None:
    text = metrics(None)
    assert "negahban_backup" not in text
    assert "python_info" in text
