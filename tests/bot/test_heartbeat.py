"""The heartbeat: heard while all is well, silent when anything is not or is not known; it never tells its address."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest

from bot.adapters.web_probe import WebProbe
from bot.attendance import SEEN_SECONDS, Attendance
from bot.heartbeat import UNSENT_SECONDS, Heartbeat, alive
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text
from sandbox.servers.ports import free_port
from tests.fakes import FakeClock, MemoryState
from tests.outside import Outside


class House:
    """A bot that is well, and its heartbeat."""

    def __init__(self, outside: Outside) -> None:
        self.outside, self.clock = outside, FakeClock()
        self.state = MemoryState(self.clock)
        self.attendance = Attendance(self.state)
        self.attendance.note()
        self.redis, self.waits = "", 0.0
        checks = alive({"redis": lambda: self.redis}, self.attendance, lambda: self.waits)
        self.checks = dict(checks)
        self.heartbeat = Heartbeat(outside.url, WebProbe(), self.checks, self.clock, 60)

    def heard(self) -> bool:
        before = len(self.outside.asked)
        assert self.heartbeat.turn() == 60
        return len(self.outside.asked) > before

    @property
    def ages(self) -> list[float]:
        return [each.value for each in self.heartbeat.measures()]


@pytest.fixture
def house() -> Iterator[House]:
    with Outside() as outside:
        yield House(outside)


def test_while_all_is_well_it_is_heard_and_its_age_is_measured(house: House) -> None:
    assert house.ages == []
    assert house.heard()
    house.clock.advance(7)
    assert house.ages == [7.0]


def test_what_is_not_well_is_not_told_and_said_in_the_log_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    house.redis = "Redis does not answer"
    assert [house.heard(), house.heard()] == [False, False]
    house.redis = ""
    assert house.heard()
    assert [each.message for each in caplog.records if each.name == "bot.heartbeat"] == [
        "no heartbeat: redis: Redis does not answer",
        "the heartbeat is back",
    ]


def test_a_card_that_waits_is_not_well_and_said_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.waits = UNSENT_SECONDS
    assert house.heard()
    for seconds in (1, 61, 121):
        house.waits = UNSENT_SECONDS + seconds
        assert not house.heard()
    assert caplog.text.count("no heartbeat: relay: a card has waited") == 1


def test_without_a_worker_there_is_none_until_one_is_back(house: House) -> None:
    house.clock.advance(SEEN_SECONDS + 1)
    assert not house.heard()
    house.attendance.note()
    house.clock.advance(SEEN_SECONDS - 1)
    assert house.heard()
    house.attendance.note()
    house.clock.advance(SEEN_SECONDS - 1)
    assert house.heard(), "each note counts anew"


def test_what_is_not_known_is_not_well(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(key: str) -> None:
        raise OutsideError(Text("Redis is away."))

    monkeypatch.setattr(house.state, "get", away)
    assert not house.heard()


def test_a_check_that_breaks_is_no_heartbeat_and_ends_no_later_one(house: House) -> None:
    def broken() -> str:
        raise RuntimeError("a fault")

    house.checks["broken"] = broken
    assert not house.heard()
    del house.checks["broken"]
    assert house.heard()


@pytest.mark.parametrize("status", [500, 404, 302])
def test_an_answer_that_is_no_yes_does_not_count(house: House, status: int, caplog: pytest.LogCaptureFixture) -> None:
    house.outside.status = status
    assert house.heard()
    assert house.outside.asked == ["/s3cret-key"], "a redirect is not followed"
    assert house.ages == []
    assert f"HEARTBEAT_URL: it answered {status}" in caplog.text
    assert "s3cret" not in caplog.text


def test_an_address_that_is_away_stops_nothing_and_is_never_told(caplog: pytest.LogCaptureFixture) -> None:
    for url in (f"http://127.0.0.1:{free_port()}/s3cret", "http://nobody.invalid/s3cret"):
        beat = Heartbeat(url, WebProbe(), {}, FakeClock(), 60)
        assert beat.turn() == 60
        assert list(beat.measures()) == []
    assert caplog.text.count("no heartbeat: ") == 2
    assert "s3cret" not in caplog.text


def test_it_beats_by_itself_and_ends_with_the_bot(house: House) -> None:
    with Heartbeat(house.outside.url, WebProbe(), house.checks, house.clock, 0.01):
        deadline = time.monotonic() + 20
        while len(house.outside.asked) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    heard = len(house.outside.asked)
    assert heard >= 3
    time.sleep(0.1)
    assert len(house.outside.asked) == heard


def test_without_an_address_there_is_none(house: House) -> None:
    with Heartbeat("", WebProbe(), house.checks, house.clock, 0.01) as none:
        assert not none._thread.is_alive()
