"""Buttons pass the same gate as commands: whoever is not heard when they type is not heard when they press."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from handlers.core.door.approval import Gate
from handlers.core.door.consent import Rejected
from handlers.core.door.desk import Desk, Outside, Said
from handlers.core.door.policy import Permission
from handlers.core.ports import Standing
from handlers.core.words.answers import Actor, Confirm, Draft, JobId, Press, Start, TargetName
from handlers.core.words.cards import Card
from handlers.core.words.errors import Refusal
from handlers.core.words.forms import Form
from handlers.core.words.jobs import JobState
from handlers.core.words.text import Text
from tests.fakes import someone
from tests.handlers.test_consent import SARA, Team

NOT_HEARD: list[Standing] = ["guest", "bot", "gone", "unknown"]


class Board:
    """Buttons of every level; one says a word, one begins a job and one offers it."""

    presses: Mapping[str, Permission] = {
        "board_look": Permission.READ,
        "board_add": Permission.OPERATE,
        "board_destroy": Permission.OPERATE,
    }
    asking = frozenset({"board_look"})

    def __init__(self) -> None:
        self.pressed: list[str] = []

    def press(self, press: Press) -> Card | Form | Start | Confirm | None:
        self.pressed.append(press.action)
        match press.action:
            case "board_add":
                return Start(Draft("do.add", TargetName("shop"), {"size": 1}))
            case "board_destroy":
                return Confirm(Draft("do.destroy", TargetName("shop"), {"size": 1}))
            case _:
                return Card(Text("seen"))


class Pressed(Team):
    """A team whose desk has buttons."""

    def new_desk(self) -> Desk:
        self.board = Board()
        gate = Gate(self.state, self.factors, self.clock, self.entropy)
        outside = Outside(self.state, self.queue, self.audit, self.people, self.clock, self.entropy, self.book)
        return Desk({"do": self.doing}, gate, outside, (self.board,))

    def press(self, action: str, actor: Actor = SARA) -> Card | Form | None:
        return self.desk.press(Press(action, "", actor, "C0OPS"))


@pytest.fixture
def team() -> Pressed:
    return Pressed()


Door = Callable[[Pressed, JobId, str], object]
DOORS: dict[str, Door] = {
    "a word": lambda team, job, challenge: team.ask("hello"),
    "a button that looks": lambda team, job, challenge: team.press("board_look"),
    "a button that adds": lambda team, job, challenge: team.press("board_add"),
    "a button that destroys": lambda team, job, challenge: team.press("board_destroy"),
    "confirm": lambda team, job, challenge: team.desk.challenge(job, SARA),
    "a right code": lambda team, job, challenge: team.desk.approve(challenge, SARA, team.code_of(SARA)),
    "never mind": lambda team, job, challenge: team.desk.cancel(job, SARA),
}


@pytest.mark.parametrize("standing", NOT_HEARD)
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_who_is_no_full_member_is_turned_away_at_every_door_and_changes_nothing(
    team: Pressed, door: Door, standing: Standing
) -> None:
    job = team.began("destroy")
    challenge = team.desk.challenge(job, SARA).id
    team.people.standings["U0SARA"] = standing
    before = team.state.writes
    try:
        answer = door(team, job, challenge)
    except Refusal as refusal:
        answer = Rejected(refusal.text, again=False)
    assert isinstance(answer, Said | Rejected), answer
    assert (team.state.writes, team.board.pressed, team.queue.jobs) == (before, [], [])
    assert team.loaded(job).state is JobState.OFFERED
    assert ("denied", "deny") in team.events()


@pytest.mark.parametrize("action", Board.presses)
def test_the_policy_judges_a_press_as_it_judges_a_word(team: Pressed, action: str) -> None:
    with pytest.raises(Refusal, match="does not name you"):
        team.press(action, someone("U0STRANGER"))
    assert team.board.pressed == []


def test_what_a_button_offers_needs_the_codes_that_the_same_words_need(team: Pressed) -> None:
    assert team.press("board_destroy") is None
    [job] = team.jobs.active()
    assert (job.state, job.needs, team.queue.jobs) == (JobState.OFFERED, 1, [])
    team.desk.work(job.id)
    assert team.doing.ran == []


def test_a_button_that_begins_something_is_queued_like_the_command(team: Pressed) -> None:
    assert team.press("board_add") is None
    [job] = team.jobs.active()
    assert team.queue.jobs == [job.id]
    assert [each.event for each in team.audit.events] == ["pressed", "job.queued"]
