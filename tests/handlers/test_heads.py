"""Heads: what the audit channel is told, when, and in exactly which words; somebody compares them by hand one day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from handlers.core.ports import Held
from handlers.core.sealing.heads import HeadBoard, Heads, ShownHead
from handlers.core.sealing.seals import Seal
from tests.fakes import FakeClock, MemoryState

CHANNEL, HOUR = "C0AUDIT", timedelta(hours=1)
SEAL = Seal(chain="abcdef0123456789" * 4, size=40, head="0a" * 32, at="2026-11-24T03:00:00+00:00", key="4b" * 32,
            signature="5c" * 64)  # fmt: skip
NAME = "abcdef012345-20261124"


def bigger(size: int) -> Seal:
    return replace(SEAL, size=size, head=f"{size:064x}")


class Setting:
    """Heads, and the board that shows them."""

    def __init__(self) -> None:
        self.clock = FakeClock(datetime(2026, 11, 24, 3, tzinfo=UTC))
        self.state = MemoryState(self.clock)
        self.heads, self.board = Heads(self.state, self.clock, HOUR), HeadBoard(self.state, CHANNEL)


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_the_first_head_of_a_day_is_a_card_and_the_later_ones_are_in_its_thread(setting: Setting) -> None:
    assert setting.heads.tell(SEAL)
    alone = setting.board.posting(NAME, shown=False)
    assert alone is not None
    assert (alone.notes, alone.ended) == ((), datetime(2026, 11, 24, 3, tzinfo=UTC))
    for size in (41, 64):
        setting.clock.advance(3600)
        assert setting.heads.tell(bigger(size))
    posting = setting.board.posting(NAME, shown=True)
    assert posting is not None
    card = posting.card
    assert [str(each) for each in (card.title, *card.lines)] == [
        "The audit record has 40 entries",
        f"--anchor 39:{'0a' * 32}",
        f"Record abcdef012345, sealed with the key {'4b' * 32}.",
    ]
    assert str(card.footer) == "Sealed at 2026-11-24 03:00:00 UTC"
    assert [str(each) for each in posting.notes] == [f"--anchor 40:{41:064x}", f"--anchor 63:{64:064x}"]
    assert (posting.channel, posting.urgency, posting.tells_late) == (CHANNEL, 3, True)
    assert posting.ended == datetime(2026, 11, 24, 5, tzinfo=UTC)


def test_a_head_is_told_when_it_is_new_and_the_pause_is_over_to_the_second(setting: Setting) -> None:
    assert setting.heads.tell(SEAL)
    setting.clock.advance(3599)
    assert not setting.heads.tell(bigger(50))
    setting.clock.advance(1)
    assert not setting.heads.tell(SEAL)
    assert not setting.heads.tell(bigger(39))
    assert setting.heads.tell(bigger(41))
    setting.clock.advance(3599)
    assert not setting.heads.tell(bigger(60)), "the pause is counted from the last one, not from the first"
    setting.clock.advance(3601)
    assert not setting.heads.tell(bigger(41)), "the newest that was told counts, not the first"
    assert setting.heads.tell(bigger(60))


def test_every_day_and_every_record_has_its_own_message(setting: Setting) -> None:
    assert setting.heads.tell(SEAL)
    assert setting.heads.tell(replace(SEAL, chain="f" * 64))
    setting.clock.advance(21 * 3600)
    assert setting.heads.tell(SEAL)
    names = sorted(each.removeprefix("head:") for each in setting.state.keys("head:"))
    assert names == [NAME, "abcdef012345-20261125", "ffffffffffff-20261124"]
    assert setting.board.begin(names) == {}


def test_what_is_told_is_kept_for_three_days_so_that_slack_may_be_away_for_a_weekend(setting: Setting) -> None:
    setting.heads.tell(SEAL)
    setting.clock.advance(3 * 86_400 - 1)
    assert setting.board.posting(NAME, shown=False) is not None
    assert setting.state.get(f"dirty:head.{NAME}") is not None
    setting.clock.advance(1)
    assert setting.board.posting(NAME, shown=False) is None


def test_without_a_channel_nothing_is_shown(setting: Setting) -> None:
    setting.heads.tell(SEAL)
    assert HeadBoard(setting.state, "").posting(NAME, shown=False) is None
    assert setting.board.posting("nothing-20261124", shown=False) is None


class Losing(MemoryState):
    """Somebody else is always first."""

    tried = 0

    def put_if(
        self, key: str, value: bytes, version: str | None, *, seconds: int | None = None, touch: str = ""
    ) -> str | None:
        self.tried += 1
        return None

    def get(self, key: str) -> Held | None:
        return None


def test_whoever_always_comes_second_gives_up_after_ten_times_and_did_not_tell() -> None:
    clock = FakeClock()
    state = Losing(clock)
    assert not Heads(state, clock, HOUR).tell(SEAL)
    assert state.tried == 10


def test_what_the_channel_took_is_the_newest_however_late_an_older_message_comes(setting: Setting) -> None:
    other = HeadBoard(setting.state, CHANNEL)
    setting.heads.tell(SEAL)
    assert other.posting(NAME, shown=False) is not None
    setting.clock.advance(3600)
    setting.heads.tell(bigger(64))
    assert setting.board.posting(NAME, shown=True) is not None
    setting.board.placed(NAME, CHANNEL, "https://chat/2")
    newest = ShownHead(64, datetime(2026, 11, 24, 4, tzinfo=UTC), "https://chat/2")
    assert setting.board.newest(SEAL.chain) == newest
    other.placed(NAME, CHANNEL, "https://chat/1")
    assert setting.board.newest(SEAL.chain) == newest


def test_a_message_that_this_relay_did_not_write_says_nothing_of_what_the_channel_took(setting: Setting) -> None:
    setting.heads.tell(SEAL)
    setting.board.placed(NAME, CHANNEL, "https://chat/1")
    assert setting.board.newest(SEAL.chain) is None
