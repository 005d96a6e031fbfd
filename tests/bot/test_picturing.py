"""The thread that makes pictures: nothing that goes wrong ends it, and it says so once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

import pytest

from bot.picturing import Picturing
from bot.slack.snags import Snag
from handlers.core.words.errors import OutsideError, Problem, Refusal
from handlers.core.words.text import Text

MADE, NOTHING = True, False


class Told:
    """Rounds that end as they are told, and then find nothing to do."""

    def __init__(self, endings: Iterable[bool | Exception]) -> None:
        self._endings: Iterator[bool | Exception] = iter(endings)
        self.rounds = 0
        self.done = threading.Event()

    def round(self) -> bool:
        self.rounds += 1
        ending = next(self._endings, None)
        if ending is None:
            self.done.set()
            return False
        if isinstance(ending, Exception):
            raise ending
        return ending


def lived(*endings: bool | Exception) -> Told:
    told = Told(endings)
    with Picturing(told, round_seconds=0.01, away_seconds=0.01, most_away_seconds=0.02):
        assert told.done.wait(10)
    return told


def test_it_goes_on_whatever_goes_wrong() -> None:
    assert (
        lived(MADE, OutsideError(Text("Away.")), Refusal(Text("No.")), KeyError("a fault"), NOTHING, MADE).rounds >= 7
    )


def test_the_same_trouble_is_said_once_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    away = OutsideError(Text("Away."))
    lived(away, away, NOTHING, away, MADE, away, OutsideError(Text("Another.")))
    assert [each.getMessage().rpartition(": ")[2] for each in caplog.records] == ["Away.", "Away.", "Another."]


@pytest.mark.parametrize(
    ("problems", "seconds"),
    [
        ([OutsideError(Text("Away."))], 30),
        ([OutsideError(Text("Away."))] * 3, 120),
        ([OutsideError(Text("Away."))] * 30, 600),
        ([Snag(Text("Wait."), retry_after_seconds=3)], 30),
        ([Snag(Text("Wait."), retry_after_seconds=3000)], 3000),
    ],
    ids=["at first", "third", "at most", "asked for less", "asked for more"],
)
def test_it_holds_back_ever_longer_and_as_long_as_it_is_asked(problems: list[Problem], seconds: float) -> None:
    picturing = Picturing(None)
    assert [picturing.held_back(problem) for problem in problems][-1] == seconds


def test_without_a_prometheus_there_is_no_thread() -> None:
    before = threading.active_count()
    with Picturing(None):
        assert threading.active_count() == before
