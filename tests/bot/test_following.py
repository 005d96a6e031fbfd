"""Following the oplog: who follows, what is noted, and what is not forgotten while the state is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bot import following
from bot.following import Following
from handlers.core.backups.gaps import Gaps
from handlers.core.backups.timelines import Followed, Follower
from handlers.core.formats.optimes import OpTime
from handlers.core.ports import Held
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text
from tests.fakes import FakeClock, Faults, MemoryState

SHOP = TargetName("shop")
REACHED = OpTime(1_795_000_000, 7)
GAP = Followed(None, gap=Text("The oplog no longer reaches back."))
RESTORED = Followed(REACHED, gap=Text("The data was replaced."), restored=True)
SECONDS = 20.0


class Scripted(Follower):
    """One whose steps give what is written here, and after it nothing new."""

    def __init__(self, steps: Sequence[Followed]) -> None:
        self._steps = list(steps)
        self.before: Callable[[], None] = lambda: None
        self.rounds, self.done = 0, threading.Event()

    def step(self, going: Callable[[], bool], *, seconds: float = 0) -> Followed:
        """See Follower."""
        self.before()
        self.rounds += 1
        if not self._steps:
            self.done.set()
            threading.Event().wait(0.01)
        return self._steps.pop(0) if self._steps else Followed(REACHED)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AGAIN_SECONDS", "OTHERS_SECONDS"):
        monkeypatch.setattr(following, name, 0.01)


def followed(state: MemoryState, *steps: Followed, before: Callable[[], None] | None = None) -> Scripted:
    """Follows until all the steps were made, and one more."""
    follower = Scripted(steps)
    follower.before = before or follower.before
    with Following({SHOP: follower}, state, FakeClock()):
        assert follower.done.wait(SECONDS)
    return follower


def test_how_far_it_came_and_a_gap_are_noted_and_the_target_is_let_go_at_the_end() -> None:
    state = MemoryState(FakeClock())
    followed(state, GAP)
    gap, reached = Gaps(state, SHOP).open(), state.get("followed:shop")
    assert gap is not None
    assert reached is not None
    assert (gap.why, gap.told) == ("The oplog no longer reaches back.", False)
    assert OpTime.parse(reached.value.decode()) == REACHED
    assert state.get("follow:shop") is None


def test_a_gap_that_a_restore_made_is_noted_without_a_reason_to_tell() -> None:
    state = MemoryState(FakeClock())
    followed(state, RESTORED)
    gap = Gaps(state, SHOP).open()
    assert gap is not None
    assert (gap.why, gap.told) == ("", True)


@pytest.mark.parametrize("gap", [GAP, RESTORED])
@pytest.mark.parametrize("calls", [1, 3])
def test_a_gap_that_is_seen_while_the_state_is_away_is_noted_when_it_is_back(gap: Followed, calls: int) -> None:
    faults = Faults()
    state, away = MemoryState(FakeClock(), faults), [calls]

    def broken(*_: Any) -> None:
        if away:
            for number in range(1, away.pop() + 1):
                for call in ("state.get", "state.put_if"):
                    faults.fail(call, number, error=OutsideError(Text("Redis does not answer.")))

    followed(state, gap, before=broken)
    assert Gaps(state, SHOP).open() is not None


class Contended(MemoryState):
    """One in which somebody else writes of the gap right after it was read, once."""

    other: Callable[[], None] | None = None

    def get(self, key: str) -> Held | None:
        """See State."""
        found, other = super().get(key), self.other
        if key == "gap:shop" and other is not None:
            self.other = None
            other()
        return found


def test_a_gap_is_noted_though_somebody_else_writes_of_one_before_at_the_same_time() -> None:
    state = Contended(FakeClock())
    gaps = Gaps(state, SHOP)
    gaps.note(FakeClock().now(), "An older one.")
    older = gaps.open()
    assert older is not None
    state.other = lambda: assert_told(gaps.tell(older))
    followed(state, GAP)
    noted = gaps.open()
    assert noted is not None
    assert noted.why == "The oplog no longer reaches back."


def assert_told(told: bool) -> None:
    assert told


def test_of_two_only_one_follows_and_the_other_takes_over() -> None:
    state, clock = MemoryState(FakeClock()), FakeClock()
    first, second = Scripted([]), Scripted([])
    with Following({SHOP: first}, state, clock):
        assert first.done.wait(SECONDS)
        with Following({SHOP: second}, state, clock):
            assert not second.done.wait(0.3)
    assert second.rounds == 0
    with Following({SHOP: second}, state, clock):
        assert second.done.wait(SECONDS)
