"""Alarms: one card for as long as something lasts, recorded before it is shown, however many bots see it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handlers.core.door.alarms import Alarm, Alarms
from handlers.core.door.records import Jobs
from handlers.core.words.answers import JobId, TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Job
from handlers.core.words.text import Text
from tests.fakes import FakeClock, FakeEntropy, MemoryAudit, MemoryState, someone

BOT, OPS, TARGET = someone("negahban"), "C0OPS", TargetName("shop")


class Setting:
    """A state, a record, and two bots that look at the same thing."""

    def __init__(self) -> None:
        self.clock, self.audit = FakeClock(), MemoryAudit()
        self.state = MemoryState(self.clock)
        self.one, self.other = (Alarms(self.state, self.audit, self.clock, FakeEntropy(seed)) for seed in (1, 2))

    def cards(self) -> list[Job]:
        """Every card there is."""
        found = (Jobs(self.state).load(JobId(each.removeprefix("job:"))) for each in self.state.keys("job:"))
        return [each for each in found if each is not None]


def alarm(*, recorded: bool = True) -> Alarm:
    return Alarm("full", "health.alarm", TARGET, Text("The disk is full."), {"left": 0}, recorded=recorded)


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_of_two_bots_that_see_it_in_the_same_moment_one_shows_it(setting: Setting) -> None:
    setting.audit.faults.meanwhile("audit.write", 1, lambda: setting.other.lasts(alarm(), BOT, OPS))
    setting.one.lasts(alarm(), BOT, OPS)
    [card] = setting.cards()
    held = setting.state.get("alarm:full:shop")
    assert held is not None
    assert held.value.decode() == card.id
    setting.one.lasts(alarm(), BOT, OPS)
    assert len(setting.cards()) == 1


TELLINGS: dict[str, Callable[[Setting, Alarm], None]] = {
    "that lasts": lambda setting, each: setting.one.lasts(each, BOT, OPS),
    "that is over": lambda setting, each: setting.one.tell(each, BOT, OPS),
}


@pytest.mark.parametrize("telling", TELLINGS.values(), ids=TELLINGS)
def test_an_alarm_that_cannot_be_recorded_is_not_shown_unless_that_is_what_is_wrong(
    setting: Setting, telling: Callable[[Setting, Alarm], None]
) -> None:
    setting.audit.away = True
    with pytest.raises(OutsideError):
        telling(setting, alarm())
    assert (setting.cards(), setting.one.raised("full", TARGET)) == ([], False)
    telling(setting, alarm(recorded=False))
    assert len(setting.cards()) == 1
