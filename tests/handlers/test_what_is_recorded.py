"""What is in the audit record: every wish, click, denial, schedule, secret and change, before its effect. Each test
drives one and reads the record."""

from __future__ import annotations

from typing import ClassVar

import pytest

from handlers.core.door.desk import Said
from handlers.core.door.policy import Permission
from handlers.core.door.typed import without_codes
from handlers.core.rotation.recorded_secrets import RecordedSecrets
from handlers.core.rotation.secret_stores import Sealed
from handlers.core.words.answers import Press, Surface
from handlers.core.words.errors import OutsideError, Refusal
from tests.fake_secrets import MemorySecrets
from tests.fakes import FakeClock, Faults, MemoryAudit, someone
from tests.handlers.test_desk import SARA
from tests.handlers.test_desk import House as Desks
from tests.handlers.test_rotations import House as Rotating

ID = "a" * 32


def test_a_command_is_recorded_with_its_words_before_the_handler_looks() -> None:
    house = Desks()
    house.ask("look", "around")
    [asked] = house.audit.events[:1]
    assert (asked.event, asked.operation, asked.actor) == ("asked", "do.ask", SARA)
    assert asked.facts == {"words": "look around", "channel": "C0OPS"}


def test_without_a_record_no_handler_is_asked() -> None:
    house = Desks()
    house.audit.away = True
    with pytest.raises(OutsideError):
        house.ask("words")


def test_what_the_schedule_asks_for_is_recorded_as_its_own() -> None:
    house = Desks()
    house.ask("add", actor=someone("schedule", Surface.SCHEDULE))
    actors = [(each.event, each.actor and each.actor.surface) for each in house.audit.events]
    assert actors == [("asked", Surface.SCHEDULE), ("job.queued", Surface.SCHEDULE)]


def test_a_denial_is_recorded_with_its_reason() -> None:
    house = Desks()
    house.people.standings["U0GUEST"] = "guest"
    house.ask("add", actor=someone("U0GUEST"))
    [denied] = house.audit.events
    assert (denied.event, denied.decision) == ("denied", "deny")
    assert "Guests" in str(denied.facts["reason"])


@pytest.mark.parametrize(
    "typed", ["123456", "123 456", "123-456", "１２３４５６", "latest 123456", "code:123456", "(123 456)"], ids=str
)
def test_what_could_be_a_code_is_never_recorded(typed: str) -> None:
    said = without_codes(typed)
    assert not any(digits in said for digits in ("123", "456", "１２３"))


@pytest.mark.parametrize("typed", ["123456", "123-456", "１２３４５６"], ids=str)
def test_a_code_among_the_words_reaches_no_handler_and_is_not_said_back(typed: str) -> None:
    house = Desks()
    house.doing.ask = lambda invocation: pytest.fail("asked")  # type: ignore[method-assign]
    answer = house.ask("look", typed)
    assert isinstance(answer, Said)
    assert "looks like a code" in str(answer.card.title)
    assert typed not in repr(answer)


class Notes:
    """Takes a note from a form."""

    presses: ClassVar[dict[str, Permission]] = {"step_done": Permission.OPERATE}
    asking: frozenset[str] = frozenset()

    def press(self, press: Press) -> None:
        pytest.fail("a token reached a handler")


@pytest.mark.parametrize("typed", ["xoxb-1234-abcd", "see xoxp-1-2-3", "(xapp-1-A0-9)", "xoxe.xoxb-1-a"], ids=str)
def test_what_looks_like_a_token_of_slack_is_refused_in_words_and_notes_and_never_recorded(typed: str) -> None:
    house = Desks()
    house.doing.ask = lambda invocation: pytest.fail("asked")  # type: ignore[method-assign]
    answer = house.ask("slack-tokens", *typed.split())
    assert isinstance(answer, Said)
    assert "looks like a token of Slack" in str(answer.card.title)
    house.pressables = (Notes(),)
    with pytest.raises(Refusal, match="looks like a token of Slack"):
        house.new_desk().press(Press("step_done", "x", SARA, "C0OPS", {"note": typed}))
    assert [each.event for each in house.audit.events] == ["asked", "pressed"]
    assert "xox" not in repr(house.audit.events)
    assert "xapp" not in repr(house.audit.events)


@pytest.mark.parametrize(
    "typed", ["123456", "123 456", "123-456", "the code: 123456.", "(123 456)", "１２３４５６", "x\n123456"], ids=str
)
def test_a_code_in_a_form_reaches_no_handler_because_a_card_or_the_record_would_repeat_it(typed: str) -> None:
    house = Desks()
    house.pressables = (Notes(),)
    with pytest.raises(Refusal, match="looks like a code"):
        house.new_desk().press(Press("step_done", "x", SARA, "C0OPS", {"note": typed}))
    assert not any(digits in repr(house.audit.events) for digits in ("123", "456", "１２３"))


@pytest.mark.parametrize("typed", ["#123456", 'id="123456"', "id=123456", "1234567", "20261124t030000z", "until 08:30"])
def test_what_is_no_code_may_be_written_into_a_form(typed: str) -> None:
    house, given = Desks(), list[str]()
    notes = Notes()
    notes.press = lambda press: given.append(press.fields["note"])  # type: ignore[method-assign]
    house.pressables = (notes,)
    house.new_desk().press(Press("step_done", "x", SARA, "C0OPS", {"note": typed}))
    assert given == [typed]


@pytest.mark.parametrize(
    "typed", ["20261124t030000z-abcdef", "2026-11-23T14:05:30+03:30", "U0123456789", "40", "1234567"], ids=str
)
def test_what_is_no_code_is_recorded_as_it_was_typed(typed: str) -> None:
    assert without_codes(typed) == typed


def test_a_button_nobody_stands_behind_does_nothing() -> None:
    house = Desks()
    with pytest.raises(Refusal):
        house.desk.press(Press("gone", "x", SARA, "C0OPS"))
    assert house.audit.events == []


def test_every_value_of_a_secret_is_read_and_changed_with_a_record_before() -> None:
    """A whole rotation and its retirement, seen at the store: each touch of a value follows its record."""
    house = Rotating()
    house.done("jwt")
    house.clock.advance(40 * 86_400)
    house.done("jwt", "retire")
    recorded: list[tuple[str, str]] = []
    for event in house.audit.events:
        if event.event.startswith("secret."):
            facts = event.facts
            assert set(facts) == {"store", "place", "version"}
            recorded.append((event.event, str(facts["version"])))
    kinds = {event for event, _ in recorded}
    assert {"secret.read", "secret.stage", "secret.stage.done", "secret.promote", "secret.remove"} <= kinds
    steps = [each.facts["step"] for each in house.audit.events if each.event == "rotate.intent"]
    assert any(str(step).startswith("roll-out") for step in steps)


def test_a_secret_that_cannot_be_recorded_is_neither_read_nor_changed() -> None:
    faults, audit = Faults(), MemoryAudit()
    inner = MemorySecrets(FakeClock(), faults)
    inner.put("jwt", b"value")
    store = RecordedSecrets(inner, audit)
    current = store.look("jwt").current_id
    audit.away = True
    faults.calls.clear()
    with pytest.raises(OutsideError):
        store.value("jwt", current)
    with pytest.raises(OutsideError):
        store.stage("jwt", ID, Sealed(b"new"), current)
    with pytest.raises(OutsideError):
        store.promote("jwt", ID, current)
    with pytest.raises(OutsideError):
        store.remove("jwt", ID)
    assert faults.calls == []


def test_a_change_of_a_secret_that_failed_is_recorded_so() -> None:
    faults, audit = Faults(), MemoryAudit()
    inner = MemorySecrets(FakeClock(), faults)
    inner.put("jwt", b"value")
    store = RecordedSecrets(inner, audit)
    faults.fail("secrets.stage")
    with pytest.raises(OutsideError):
        store.stage("jwt", ID, Sealed(b"new"), store.look("jwt").current_id)
    assert [(each.event, each.decision) for each in audit.events] == [
        ("secret.stage", "allow"),
        ("secret.stage.failed", "error"),
    ]
    assert all(each.facts == {"store": inner.describe(), "place": "jwt", "version": ID} for each in audit.events)
    assert "new" not in repr(audit.events)
