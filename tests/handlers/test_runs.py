"""A run: whose turn it is, who did what, what its card offers, and how it reads afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from handlers.core import notices
from handlers.core.alert_cards import group_card
from handlers.core.answers import Press, Surface
from handlers.core.attempts import Result, StepState
from handlers.core.cards import Card, Tone
from handlers.core.desk import Said
from handlers.core.errors import Refusal
from handlers.core.groups import Acknowledged
from handlers.core.jobs import JobState
from handlers.core.ledger import Ledger
from handlers.core.probes import Page
from handlers.core.run_cards import run_card
from handlers.core.run_records import decoded, encoded
from handlers.core.runs import Run, begun, finished
from handlers.core.text import Text
from handlers.runbooks import RunBoard
from tests.fakes import someone
from tests.handlers.run_house import House

SARA, OMID = someone("U0SARA"), someone("U0OMID")
STEPS: list[dict[str, Any]] = [
    {"name": "health", "kind": "http", "title": "Health", "on_failure": "continue"},
    {"name": "hand", "kind": "manual", "title": "By hand", "text": "Do it.", "when": {"health": "fail"}},
    {"name": "back", "kind": "rollback", "title": "Back", "when": {"health": ["fail", "unknown"]}},
    {"name": "again", "kind": "http", "title": "Health again", "when": {"back": ["pass", "fail"]}},
]
ALERT = {"alertname": "Slow", "severity": "critical", "job": "shop"}


@pytest.fixture
def house() -> House:
    return House({"it": {"title": "It", "answers": [{"alertname": "Slow"}], "steps": STEPS}})


def offered(run: Run) -> set[str]:
    return {f"{each.action} {each.value.partition('/')[2]}".strip() for each in run_card(run, None).buttons}


STANDING = {"run_hand_over", "run_report", "run_abort"}


def test_a_well_service_needs_nothing_more_and_the_card_is_green(house: House) -> None:
    run = house.start("it")
    assert offered(run) == {"step_run health/1", "step_skip health/1", *STANDING}
    run = house.step("health")
    assert "not needed" in "\n".join(map(str, run_card(run, None).lines))
    assert (run_card(run, None).tone, run.over is not None) == (Tone.GOOD, True)
    assert offered(run) == {"step_run health/2", *STANDING}


def test_a_failure_leads_through_hand_and_rollback_to_green(house: House) -> None:
    house.start("it")
    house.web.answer = Page(503)
    run = house.step("health")
    assert offered(run) == {"step_run health/2", "step_done hand/1", "step_skip hand/1", *STANDING}
    house.press("step_done", "hand/1", OMID)
    job = house.press("step_run", "back/1")
    assert job is not None
    assert job.state is JobState.OFFERED
    assert "v2 → v1" in "\n".join(str(each.value) for each in house.desk.card(job).facts)
    house.web.answer = Page(200)
    house.approve(job)
    house.work()
    run = house.step("again")
    assert [each.state for each in (run.tries(name)[-1] for name in ("health", "hand", "back", "again"))] == [
        StepState.FAILED, StepState.DONE, StepState.PASSED, StepState.PASSED,
    ]  # fmt: skip
    assert run_card(run, None).tone is Tone.GOOD
    assert "step_run back/2" not in offered(run)


def test_what_is_not_known_is_never_green(house: House) -> None:
    house.start("it")
    house.web.answer = house.away
    house.step("health")
    house.press("step_skip", "back/1")
    assert run_card(house.run, None).tone is Tone.UNKNOWN


@pytest.mark.parametrize(
    ("action", "value", "why"),
    [
        ("step_run", "health/1", "U0SARA was first"),
        ("step_run", "again/1", "not the turn of Health again yet"),
        ("step_run", "hand/1", "done by hand"),
        ("step_done", "back/1", "not the turn of Back"),
        ("step_run", "nothing/1", "no step"),
        ("step_run", "health/9", "tried 1 times"),
        ("step_run", "health", "older version"),
        ("step_run", "health/1/2", "older version"),
    ],
)
def test_a_click_that_may_not_be_is_told_why(house: House, action: str, value: str, why: str) -> None:
    house.start("it")
    house.web.answer = Page(503)
    house.step("health")
    before = house.run
    with pytest.raises(Refusal, match=why):
        house.press(action, value, OMID)
    assert house.run == before


def test_the_second_of_two_who_press_is_told_who_was_first(house: House) -> None:
    house.start("it")
    house.press("step_run", "health/1", SARA)
    with pytest.raises(Refusal, match="U0SARA pressed for health already"):
        house.press("step_run", "health/1", OMID)
    with pytest.raises(Refusal, match="U0SARA pressed for health already"):
        house.press("step_skip", "health/1", OMID)
    assert "waits for a worker" in str(RunBoard(house.performer, house.misprints, "").posting(house.run.id, shown=True))


def test_a_step_whose_worker_died_says_interrupted_and_can_be_run_again(house: House) -> None:
    house.start("it")
    job = house.press("step_run", "health/1")
    assert job is not None
    house.records.change(house.run.id, lambda run: begun(run, "health", 1, job.id, SARA.person, house.clock.now()))
    house.jobs.change(job.id, lambda each: replace(each.moved(JobState.RUNNING), started=house.clock.now()))
    house.clock.advance(60)
    house.desk.tend()
    last = house.run.last("health")
    assert last is not None
    assert last.state is StepState.INTERRUPTED
    assert "step_run health/2" in offered(house.run)
    assert house.step("health").tries("health")[-1].state is StepState.PASSED


def test_a_result_is_taken_only_from_the_job_that_holds_the_attempt(house: House) -> None:
    run = begun(house.start("it"), "health", 1, "mine", SARA.person, house.clock.now())
    other = finished(run, "health", "other", Result(StepState.PASSED, Text("x")), house.clock.now())
    assert other == run


def test_an_ended_run_does_nothing_more_and_says_who_ended_it(house: House) -> None:
    house.start("it")
    house.press("run_hand_over", "", OMID)
    with pytest.raises(Refusal, match="look after this run already"):
        house.press("run_hand_over", "", OMID)
    house.press("run_abort", "", OMID)
    assert house.run.lead == "U0OMID"
    assert offered(house.run) == set()
    for action in ("step_run", "step_skip", "run_abort", "run_hand_over"):
        with pytest.raises(Refusal, match="U0OMID ended this run"):
            house.press(action, "health/1" if action.startswith("step") else "")


def test_an_edited_file_changes_no_run(house: House) -> None:
    run = house.start("it")
    house.shelf.files["it"] = {"title": "Other", "steps": STEPS[:1]}
    assert house.library.find("it").title == "Other"
    assert house.run.runbook == run.runbook


def test_a_run_is_stored_whole(house: House) -> None:
    house.start("it")
    house.web.answer = Page(503, "broken", 0.2)
    run = house.step("health")
    assert decoded(encoded(run)) == run
    assert "broken" in str(run.said[-1].text)


def fired(house: House, labels: dict[str, str], **words: str) -> str:
    seen = notices.Seen(notices.fingerprint_of(labels), labels, words, house.clock.now(), None, "")
    notice = notices.Notice("am", "r", {"alertname": labels["alertname"]}, (seen,))
    Ledger(house.state).fold(notice, house.clock.now(), lambda group, change: ())
    return notice.group


def test_two_who_press_an_alerts_button_get_one_run_with_its_labels(house: House) -> None:
    group_id = fired(house, ALERT)
    group = Ledger(house.state).load(group_id)
    assert group is not None
    card = group_card(group, group_id, runbook=house.library.of(group) is not None)
    assert "alert_runbook" in {each.action for each in card.buttons}
    assert house.desk.press(Press("alert_runbook", group_id, SARA, "C0ALERTS")) is None
    told = house.desk.press(Press("alert_runbook", group_id, OMID, "C0ALERTS"))
    assert isinstance(told, Card)
    assert "U0SARA started this runbook" in str(told.title)
    (run,) = house.records.all()
    assert (run.channel, run.labels, run.alert, run.group) == ("C0ALERTS", ALERT, "Slow", group_id)


def test_an_annotation_chooses_before_the_matchers_and_an_alert_without_a_runbook_has_no_button(house: House) -> None:
    house.shelf.files["a-first"] = {"title": "First", "answers": [{"alertname": "/.*/"}], "steps": STEPS[:1]}
    ledger = Ledger(house.state)
    for labels, words, expected in (
        (ALERT, {"runbook": "it"}, "it"),
        ({**ALERT, "alertname": "Other"}, {"runbook": "gone"}, "a-first"),
    ):
        group = ledger.load(fired(house, labels, **words))
        assert group is not None
        found = house.library.of(group)
        assert found is not None
        assert found.name == expected
    del house.shelf.files["a-first"]
    other = ledger.load(fired(house, {**ALERT, "alertname": "Third"}))
    assert other is not None
    assert house.library.of(other) is None


def test_the_report_tells_when_who_what_and_how_long_and_formats_nothing_of_others(house: House) -> None:
    group_id = fired(house, {**ALERT, "alertname": "Slow"})
    house.clock.advance(60)
    held = Acknowledged(OMID.person, house.clock.now(), "x", {})
    Ledger(house.state).change(group_id, lambda group: replace(group, acknowledged=held))
    house.clock.advance(60)
    house.desk.press(Press("alert_runbook", group_id, SARA, "C0ALERTS"))
    house.run_id = house.records.all()[0].id
    house.web.answer = Page(0, why="# [x](http://evil) | **")
    house.step("health")
    answer = house.ask("report", house.run_id)
    assert isinstance(answer, Said)
    written = "\n".join(map(str, answer.card.lines))
    assert "Time to acknowledge: 1 min after the alert fired" in written
    assert "Time to mitigate: not known" in written
    assert "Health: **FAIL** by U0SARA" in written
    assert "[x](http" not in written
    assert r"\[x\]" in written


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "1 runbooks"),
        (("help",), "/runbook"),
        (("runs",), "The newest runs"),
        (("show", "it"), "It"),
        (("show", "nothing"), "There is no runbook nothing."),
        (("show",), "Which runbook?"),
        (("report",), "Of which run?"),
        (("report", "nothing"), "I no longer know this run"),
        (("nothing",), "There is no runbook nothing."),
        (("it", "now", "please"), "/runbook does not know that."),
        (("<!channel>",), "There is no runbook <!channel>."),
    ],
)
def test_words_get_an_answer_and_start_nothing(house: House, words: tuple[str, ...], expected: str) -> None:
    answer = house.ask(*words)
    assert isinstance(answer, Said)
    assert expected in str(answer.card.title)
    assert house.records.all() == ()


def test_a_run_is_not_started_from_the_terminal_where_nobody_would_see_it(house: House) -> None:
    assert "worked through in Slack" in str(house.ask("it", actor=someone("host", Surface.TERMINAL)))
    assert house.records.all() == ()


def test_a_button_works_for_thirty_days_and_then_says_so(house: House) -> None:
    house.start("it")
    house.clock.advance(timedelta(days=29).total_seconds())
    assert house.step("health").tries("health")[-1].state is StepState.PASSED
    house.clock.advance(timedelta(days=31).total_seconds())
    with pytest.raises(Refusal, match="older than 30 days"):
        house.press("step_run", "health/2")
