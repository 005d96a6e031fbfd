"""Upkeep: of many who acknowledge the month's round at once one does, and nobody is told so who did not."""

from __future__ import annotations

import pytest

from handlers.core.health.upkeep import ROUNDS, UpkeepBook
from handlers.core.ports import Held
from handlers.core.words.answers import PersonId, TargetName
from handlers.core.words.errors import OutsideError
from tests.fakes import FakeClock, MemoryState
from tests.handlers.test_contention import Losing

SHOP = TargetName("shop")
SARA, OMID = PersonId("U0SARA"), PersonId("U0OMID")


class Overtaken(MemoryState):
    """Somebody else acknowledges after what is there was read for the first time."""

    reads = 0

    def get(self, key: str) -> Held | None:
        held = super().get(key)
        self.reads += 1
        if self.reads == 1:
            UpkeepBook(self).acknowledge(SHOP, OMID, self._clock.now())
        return held


def test_who_is_overtaken_on_the_same_day_is_told_that_it_is_not_new() -> None:
    clock = FakeClock()
    book = UpkeepBook(Overtaken(clock))
    assert not book.acknowledge(SHOP, SARA, clock.now())
    assert [each.person for each in book.history(SHOP)] == [OMID]


def test_who_always_comes_second_is_asked_to_press_again_and_nothing_is_acknowledged() -> None:
    clock = FakeClock()
    state = Losing(clock)
    state.first_at = "upkeep:"
    book = UpkeepBook(state)
    with pytest.raises(OutsideError, match="Press again"):
        book.acknowledge(SHOP, SARA, clock.now())
    assert (book.history(SHOP), state.lets) == ((), -ROUNDS)
    state.first_at = "nothing"
    assert book.acknowledge(SHOP, SARA, clock.now())
