"""A run: whose turn it is, who did what, what its card offers, and how it reads afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from handlers.alerts import Alerts
from handlers.core.alerts import notices
from handlers.core.alerts.alert_cards import group_card
from handlers.core.alerts.ledger import Ledger
from handlers.core.door.alarms import Alarm, Alarms
from handlers.core.door.desk import Said
from handlers.core.runbooks import runs
from handlers.core.runbooks.attempts import Result, StepState
from handlers.core.runbooks.misprints import Misprints
from handlers.core.runbooks.probes import Page
from handlers.core.runbooks.run_cards import run_card
from handlers.core.runbooks.run_records import RunRecords, decoded, encoded
from handlers.core.runbooks.run_reports import report
from handlers.core.runbooks.runs import MOST_SAID, Run, begun, finished
from handlers.core.words.answers import JobId, Press, Surface
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.jobs import JobState
from handlers.core.words.postings import Document
from handlers.core.words.text import Linked, Text
from handlers.runbooks import NOTICE, PAGE, RunBoard
from tests.fakes import FakeEntropy, MemoryAudit, someone
from tests.handlers.run_house import SHOP, House
from tests.handlers.test_contention import Losing

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


def board(house: House) -> RunBoard:
    return RunBoard(house.performer, Ledger(house.state), house.misprints, "")


def printed(house: House) -> Card:
    answer = house.ask("report", house.run_id, actor=someone("host", Surface.TERMINAL))
    assert isinstance(answer, Said)
    return answer.card


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
        ("step_skip", "health/2", "Health is not open any more"),
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


def test_a_step_that_the_bot_does_is_not_done_by_hand(house: House) -> None:
    house.start("it")
    with pytest.raises(Refusal, match="Health is something I do: press Run, or Skip"):
        house.press("step_done", "health/1")
    assert house.run.attempts == {}


def test_what_is_not_needed_and_what_is_settled_is_not_done(house: House) -> None:
    house.start("it")
    house.step("health")
    with pytest.raises(Refusal, match="Back is not needed after what was found"):
        house.press("step_run", "back/1")
    house.web.answer = Page(503)
    house.step("health")
    house.press("step_done", "hand/1")
    with pytest.raises(Refusal, match="By hand is settled and is not done twice"):
        house.press("step_done", "hand/2", OMID)
    assert len(house.run.tries("hand")) == 1


def test_what_destroys_and_failed_is_offered_again_with_a_code(house: House) -> None:
    house.web.answer = Page(503)
    house.start("it")
    house.step("health")
    house.press("step_done", "hand/1")
    job = house.press("step_run", "back/1")
    assert job is not None
    house.approve(job)
    house.work()
    (button,) = [each for each in run_card(house.run, None).buttons if each.value == f"{house.run_id}/back/2"][:1]
    assert (str(button.label), button.primary, button.danger) == ("Run again: 3…", False, True)


def test_what_a_runbook_is_for_stands_on_the_card_until_something_was_done(house: House) -> None:
    house.shelf.files["it"] = {"title": "It", "text": "For slow answers.", "steps": STEPS}
    run = house.start("it")
    assert str(run_card(run, None).lines[0]) == "For slow answers."
    assert "For slow answers." not in map(str, run_card(house.step("health"), None).lines)


def test_a_full_thread_keeps_what_came_first_and_the_card_and_the_report_go_on(house: House) -> None:
    house.start("it")
    said = tuple(runs.Said(house.clock.now(), Text("{n}", n=str(n))) for n in range(MOST_SAID))
    house.records.change(house.run_id, lambda run: replace(run, said=said))
    run = house.step("health")
    assert run.said == said
    assert "PASS" in str(run_card(run, None).lines[0])
    with pytest.raises(Refusal, match=f"python -m bot runbook report {house.run_id}"):
        house.press("run_report", "")
    assert "Health: **PASS** by U0SARA" in "\n".join(map(str, printed(house).lines))


def test_the_second_of_two_who_press_is_told_who_was_first(house: House) -> None:
    house.start("it")
    house.press("step_run", "health/1", SARA)
    with pytest.raises(Refusal, match="U0SARA pressed for health already"):
        house.press("step_run", "health/1", OMID)
    with pytest.raises(Refusal, match="U0SARA pressed for health already"):
        house.press("step_skip", "health/1", OMID)
    assert "waits for a worker" in str(board(house).posting(house.run.id, shown=True))


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
    with pytest.raises(Refusal, match="U0OMID looks after this run already"):
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


def test_after_a_run_was_ended_an_alerts_button_starts_another_one(house: House) -> None:
    group_id = fired(house, ALERT)
    house.desk.press(Press("alert_runbook", group_id, SARA, "C0ALERTS"))
    house.run_id = house.records.all()[0].id
    house.press("run_abort", "")
    house.clock.advance(60)
    assert house.desk.press(Press("alert_runbook", group_id, OMID, "C0ALERTS")) is None
    assert [(run.by, run.closed is None) for run in house.records.all()] == [("U0OMID", True), ("U0SARA", False)]


def test_an_alert_that_is_gone_starts_nothing_and_says_so(house: House) -> None:
    with pytest.raises(Refusal, match="No runbook answers this, or nothing of it fires any more"):
        house.desk.press(Press("alert_runbook", "nobody", SARA, "C0ALERTS"))
    group_id = fired(house, ALERT)
    over(house, group_id)
    with pytest.raises(Refusal, match="No runbook answers this, or nothing of it fires any more"):
        house.desk.press(Press("alert_runbook", group_id, SARA, "C0ALERTS"))
    assert house.records.all() == ()


def test_who_always_comes_second_at_a_run_is_told_to_try_again(house: House) -> None:
    run = house.start("it")
    state = Losing(house.clock)
    records = RunRecords(state)
    records.create(run)
    state.first_at = "run"
    with pytest.raises(OutsideError, match="Too many changed the same run at once"):
        records.change(run.id, lambda each: replace(each, why="x"))
    with pytest.raises(OutsideError, match="Too many started the same runbook at once"):
        records.of_alert("g.0.it", "mine")
    assert records.all() == (run,)
    assert records.change("gone", lambda each: replace(each, why="x")) is None


def alert_card(house: House, group_id: str) -> str:
    group = Ledger(house.state).load(group_id)
    assert group is not None
    return " | ".join(str(fact.value) for fact in group_card(group, group_id).facts if str(fact.label) == "Runbook")


def test_the_alerts_card_says_who_runs_a_runbook_where_how_far_and_what_came_of_it(house: House) -> None:
    group_id = fired(house, ALERT)
    house.desk.press(Press("alert_runbook", group_id, SARA, "C0ALERTS"))
    house.run_id = house.records.all()[0].id
    board = RunBoard(house.performer, Ledger(house.state), house.misprints, "")
    board.posting(house.run_id, shown=False)
    assert "U0SARA runs It since" in alert_card(house, group_id)
    assert "step 1 of 4 is next" in alert_card(house, group_id)
    board.placed(house.run_id, "C0ALERTS", "https://shop.slack.com/archives/C0ALERTS/p1")
    group = Ledger(house.state).load(group_id)
    assert group is not None
    [handling] = group.handled
    [fact] = [each for each in group_card(group, group_id).facts if str(each.label) == "Runbook"]
    assert Linked("It", handling.link) in fact.value.values.values()
    house.step("health")
    board.posting(house.run_id, shown=True)
    told = alert_card(house, group_id)
    assert "It, started by U0SARA, done: 1 pass" in told
    group = Ledger(house.state).load(group_id)
    assert group is not None
    assert group.handled[0].link == handling.link, "what came of it leads there too"


def test_a_run_that_somebody_ended_is_told_with_who_did_and_a_new_round_tells_nothing_of_it(house: House) -> None:
    group_id = fired(house, ALERT)
    house.desk.press(Press("alert_runbook", group_id, SARA, "C0ALERTS"))
    house.run_id = house.records.all()[0].id
    house.press("run_abort", "", OMID)
    board = RunBoard(house.performer, Ledger(house.state), house.misprints, "")
    board.posting(house.run_id, shown=True)
    assert "ended by U0OMID: nothing was done" in alert_card(house, group_id)
    house.clock.advance(60)
    Ledger(house.state).change(group_id, lambda group: replace(group, serial=1, first=house.clock.now()))
    assert alert_card(house, group_id) == ""


def test_a_change_of_a_run_makes_the_alerts_card_be_shown_anew_and_the_same_again_does_not(house: House) -> None:
    group_id = fired(house, ALERT)
    house.desk.press(Press("alert_runbook", group_id, SARA, "C0ALERTS"))
    house.run_id = house.records.all()[0].id
    board, dirty = RunBoard(house.performer, Ledger(house.state), house.misprints, ""), f"dirty:alert.{group_id}"
    for expected in (True, False):
        held = house.state.get(dirty)
        assert held is not None or not expected
        if held is not None:
            house.state.delete_if(dirty, held.version)
        board.posting(house.run_id, shown=True)
        assert (house.state.get(dirty) is not None) == expected
        if (held := house.state.get(dirty)) is not None:
            house.state.delete_if(dirty, held.version)


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
    answered = (OMID.person, house.clock.now())
    Ledger(house.state).change(group_id, lambda group: replace(group, answered=answered))
    house.clock.advance(60)
    house.desk.press(Press("alert_runbook", group_id, SARA, "C0ALERTS"))
    house.run_id = house.records.all()[0].id
    house.web.answer = Page(0, why="# [x](http://evil) | **")
    house.step("health")
    written = "\n".join(map(str, printed(house).lines))
    assert "Time to acknowledge: 1 min after the alert fired" in written
    assert "Time to mitigate: not known" in written
    assert "Health: **FAIL** by U0SARA" in written
    assert "[x](http" not in written
    assert r"\[x\]" in written


def test_the_report_names_the_picture_of_its_own_alert_and_not_of_another_round(house: House) -> None:
    group_id, ledger = fired(house, ALERT), Ledger(house.state)
    house.desk.press(Press("alert_runbook", group_id, SARA, "C0ALERTS"))
    (run,) = house.records.all()
    assert "Pictures" not in report(run, ledger.load(group_id))
    ledger.change(group_id, lambda group: replace(group, picture="F7"))
    assert "- `F7`: what the alert measured" in report(run, ledger.load(group_id))
    over(house, group_id)
    house.clock.advance(3600)
    assert fired(house, ALERT) == group_id
    ledger.change(group_id, lambda group: replace(group, picture="F8"))
    assert "Pictures" not in report(run, ledger.load(group_id))


def test_a_long_report_is_printed_in_pages_that_lose_no_line(house: House) -> None:
    house.start("it")
    house.web.answer = Page(0, why="refused " * 20)
    for _ in range(12):
        house.step("health")
    pages = [str(each) for each in printed(house).lines]
    assert len(pages) > 1
    assert all(len(each) <= PAGE + 1 for each in pages)
    assert "\n".join(pages) == report(house.run, None).rstrip("\n")


def test_the_list_says_which_files_are_wrong_and_which_of_them_serve_as_they_were(house: House) -> None:
    house.ask()
    house.shelf.files["it"] = {"title": "It", "steps": []}
    house.shelf.files["new"] = {}
    answer = house.ask()
    assert isinstance(answer, Said)
    assert answer.card.tone is Tone.WARNING
    listed, *wrong = map(str, answer.card.lines)
    assert listed == "it: It (4 steps)"
    assert wrong[0] == "it is wrong: steps: expected a list of 1 to 20. The last good version of it is used."
    assert wrong[1].startswith("new is wrong: title: expected a text")
    assert "last good version" not in wrong[1]


def test_a_step_that_tells_a_channel_and_a_wrong_file_have_cards_of_their_own(house: House) -> None:
    alarms = Alarms(house.state, MemoryAudit(), house.clock, FakeEntropy())
    alarms.tell(Alarm("runbook", NOTICE, SHOP, Text("Shop is slow."), {}), OMID, "C0TEAM")
    (told,) = cards(house)
    assert (str(told.title), told.tone, str(told.footer)) == ("Shop is slow.", Tone.WARNING, "U0OMID")
    house.shelf.files["it"] = {}
    misprints = Misprints(house.library, alarms, house.clock, SARA, "C0TEAM")
    told_of = RunBoard(house.performer, Ledger(house.state), misprints, "")
    assert told_of.begin(["run"]) == {}
    titles = {str(each.title) for each in cards(house)}
    assert titles == {"Shop is slow.", "A runbook cannot be used as it is written"}


def cards(house: House) -> list[Card]:
    found = [house.jobs.load(JobId(key.removeprefix("job:"))) for key in house.state.keys("job:")]
    return [house.desk.card(each) for each in found if each is not None]


def test_a_run_that_is_gone_has_no_card_and_tells_its_alert_nothing(house: House) -> None:
    assert board(house).posting("gone", shown=True) is None
    before = house.state.writes
    board(house).placed("gone", "C0OPS", "https://shop.slack.com/archives/C0OPS/p1")
    assert house.state.writes == before


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


def test_a_report_is_put_into_the_thread_as_a_file_once_whoever_asks_at_the_same_time(house: House) -> None:
    house.start("it")
    house.step("health")
    house.press("run_report", "", SARA)
    with pytest.raises(Refusal, match="just now"):
        house.press("run_report", "", OMID)
    assert "just now" in str(house.ask("report", house.run_id))
    posting = board(house).posting(house.run_id, shown=True)
    assert posting is not None
    (file,) = [each for each in posting.notes if isinstance(each, Document)]
    assert file.name == f"it-{house.run_id}-1.md"
    assert "# It: 2026-11-24" in file.content
    house.clock.advance(61)
    assert "comes into its thread" in str(house.ask("report", house.run_id))
    posting = board(house).posting(house.run_id, shown=True)
    assert posting is not None
    assert len({each.name for each in posting.notes if isinstance(each, Document)}) == 2
    assert decoded(encoded(house.run)) == house.run


def test_an_output_that_is_too_long_for_the_thread_is_there_with_its_end_and_whole_as_a_file(house: House) -> None:
    page = "\n".join(f"line {number}" for number in range(1, 41))
    house.web.answer = Page(503, page, 0.1)
    house.start("it")
    house.step("health")
    house.web.answer = Page(200, "short", 0.1)
    house.step("health")
    posting = board(house).posting(house.run_id, shown=True)
    assert posting is not None
    (file,) = [each for each in posting.notes if isinstance(each, Document)]
    assert (file.name, file.content) == (f"it-{house.run_id}-health-1.txt", page)
    said = [str(each) for each in posting.notes if isinstance(each, Text)]
    assert [each for each in said if "line 40" in each and "line 21" in each and "line 20" not in each]
    assert [each for each in said if "short" in each]
    assert decoded(encoded(house.run)) == house.run
    assert "The whole output" not in str(printed(house).lines), "it is no event of the report"
    house.state.delete_if(key := f"output:{house.run_id}/health/1", held(house, key))
    posting = board(house).posting(house.run_id, shown=True)
    assert posting is not None
    assert "is not kept any more" in str(posting.notes[1])


def held(house: House, key: str) -> str:
    found = house.state.get(key)
    assert found is not None
    return found.version


def test_the_time_to_acknowledge_is_known_when_the_alert_is_over_and_is_not_another_rounds(house: House) -> None:
    group_id = fired(house, {**ALERT, "alertname": "Slow"})
    ledger, alerts = Ledger(house.state), Alerts(Ledger(house.state), house.clock, FakeEntropy())
    house.desk.press(Press("alert_runbook", group_id, SARA, "C0ALERTS"))
    house.run_id = house.records.all()[0].id
    house.clock.advance(120)
    alerts.press(Press("alert_ack", group_id, OMID, "C0ALERTS"))
    house.clock.advance(600)
    over(house, group_id)
    group = ledger.load(group_id)
    assert group is not None
    assert group.acknowledged is None
    written = "\n".join(map(str, printed(house).lines))
    assert "Time to acknowledge: 2 min after the alert fired" in written
    assert "Time to resolve: 12 min after the alert fired" in written
    assert "U0OMID acknowledged the alert" in written
    house.clock.advance(3600)
    fired(house, {**ALERT, "alertname": "Slow"})
    after = ledger.load(group_id)
    assert after is not None
    assert after.answered is None
    alerts.press(Press("alert_ack", group_id, SARA, "C0ALERTS"))
    written = "\n".join(map(str, printed(house).lines))
    assert "acknowledged the alert" not in written
    assert "Time to resolve: not known" in written


def over(house: House, group_id: str) -> None:
    ledger = Ledger(house.state)
    group = ledger.load(group_id)
    assert group is not None
    (alert,) = group.alerts.values()
    seen = notices.Seen(next(iter(group.alerts)), alert.labels, {}, alert.started, house.clock.now(), "")
    ledger.fold(notices.Notice("am", "r", group.labels, (seen,)), house.clock.now(), lambda group, change: ())
