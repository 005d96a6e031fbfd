"""What people do with a run by hand: asked first, shown afterwards, and handed only to somebody who may."""

from __future__ import annotations

import pytest

from handlers.core.runbooks.attempts import StepState
from handlers.core.runbooks.run_cards import run_card
from handlers.core.runbooks.run_records import decoded, encoded
from handlers.core.runbooks.run_reports import report
from handlers.core.words.answers import Press
from handlers.core.words.errors import Refusal
from handlers.core.words.forms import Form, Someone
from tests.fakes import someone
from tests.handlers.run_house import House

SARA, OMID, LEILA = someone("U0SARA"), someone("U0OMID"), someone("U0LEILA")
STEPS = [
    {"name": "hand", "kind": "manual", "title": "By hand", "text": "Do it."},
    {"name": "back", "kind": "rollback", "title": "Back"},
]


@pytest.fixture
def house() -> House:
    house = House({"it": {"title": "It", "steps": STEPS}})
    house.start("it")
    return house


def asked(house: House, action: str, value: str, **fields: str) -> Form:
    whole = f"{house.run_id}/{value}" if value else house.run_id
    said = house.desk.press(Press(action, whole, SARA, "C0OPS", fields))
    assert isinstance(said, Form)
    return said


def answer(house: House, form: Form, **fields: str) -> object:
    return house.desk.press(Press(form.action, form.value, SARA, "C0OPS", fields))


def test_nothing_is_done_before_the_form_is_answered_and_a_note_may_be_left_out_of_what_is_done(house: House) -> None:
    before = house.run
    form = asked(house, "step_done", "hand/1")
    assert house.desk.asks("step_done")
    assert house.run == before
    assert answer(house, form, note=" ") is None
    assert str(house.run.tries("hand")[-1].text) == "Done by hand."


def test_a_note_is_on_the_card_in_the_thread_and_in_the_report(house: House) -> None:
    answer(house, asked(house, "step_done", "hand/1"), note="cache  was\nfull | <!channel>")
    run = house.run
    shown = "Done by hand: cache was full | <!channel>"
    assert shown in "\n".join(map(str, run_card(run, None).lines))
    assert shown in "\n".join(str(each.text) for each in run.said)
    assert r"Done by hand: cache was full \| \<\!channel\>" in report(run, None)
    assert decoded(encoded(run)) == run


def test_what_is_skipped_and_what_is_ended_needs_a_reason(house: House) -> None:
    answer(house, asked(house, "step_done", "hand/1"))
    before = house.run
    for action, value in (("step_skip", "back/1"), ("run_abort", "")):
        form = answer(house, asked(house, action, value), note=" \n ")
        assert isinstance(form, Form)
        assert "Say why" in " ".join(map(str, form.lines))
    assert house.run == before
    answer(house, asked(house, "step_skip", "back/1"), note="no deploy today")
    assert house.run.tries("back")[-1].state is StepState.SKIPPED
    answer(house, asked(house, "run_abort", ""), note="a false alarm")
    assert "ended it" in str(run_card(house.run, None).lines[-1])
    assert "a false alarm" in str(run_card(house.run, None).lines[-1])
    assert "ended the run: a false alarm" in report(house.run, None)


def test_who_comes_second_is_told_when_the_form_opens_and_when_it_is_answered(house: House) -> None:
    form = asked(house, "step_done", "hand/1")
    house.press("step_skip", "hand/1", OMID)
    with pytest.raises(Refusal, match="U0OMID was first"):
        answer(house, form, note="mine")
    with pytest.raises(Refusal, match="U0OMID was first"):
        asked(house, "step_done", "hand/1")


def test_a_run_is_handed_to_a_person_who_is_called_once_in_its_thread(house: House) -> None:
    form = asked(house, "run_hand_over", "")
    (field,) = form.fields
    assert isinstance(field, Someone)
    assert field.initial == "U0SARA"
    assert answer(house, form, person="U0LEILA") is None
    run = house.run
    assert run.lead == "U0LEILA"
    assert [str(each.text) for each in run.said] == ["U0LEILA, U0SARA hands this run over to you."]
    with pytest.raises(Refusal, match="U0LEILA looks after this run already"):
        answer(house, form, person="U0LEILA")
    with pytest.raises(Refusal, match="U0LEILA looks after this run since"):
        answer(house, form, person="U0OMID")
    assert len(house.run.said) == 1


@pytest.mark.parametrize("standing", ["guest", "bot", "gone", "unknown"])
def test_a_run_is_not_handed_to_somebody_who_may_not_run_it(house: House, standing: str) -> None:
    house.people.standings["U0LEILA"] = standing  # type: ignore[assignment]
    form = answer(house, asked(house, "run_hand_over", ""), person="U0LEILA")
    assert isinstance(form, Form)
    assert "U0LEILA may not run this here" in str(form.lines[0])
    assert house.run.lead == "U0SARA"
    assert house.run.said == ()


def test_the_teams_rules_decide_to_whom_it_may_be_handed() -> None:
    rules = {
        "people": {"sara": {"slack": ["U0SARA"], "roles": ["ops"]}, "omid": {"slack": ["U0OMID"], "roles": ["ops"]},
                   "leila": {"slack": ["U0LEILA"], "roles": ["readers"]}},
        "rules": [{"allow": ["ops"], "may": "operate"}, {"allow": ["readers"], "may": "read"}],
    }  # fmt: skip
    house = House({"it": {"title": "It", "steps": STEPS}}, rules=rules)
    house.start("it")
    form = asked(house, "run_hand_over", "")
    again = answer(house, form, person="U0LEILA")
    assert isinstance(again, Form)
    assert "may not run this here" in str(again.lines[0])
    assert answer(house, again, person="U0OMID") is None
    assert house.run.lead == "U0OMID"
