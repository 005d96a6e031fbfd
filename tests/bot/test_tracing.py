"""What is noted of a job, a webhook and a card, and what never is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.relay import JobBoard, Relay
from bot.spans import Span
from bot.tracing import TracedBoard, TracedDesk, TracedJobs, TracedTaking, spans_of
from handlers.core.alerts.notices import Notice
from handlers.core.words.answers import JobId, Press
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Job, JobState, Outcome, Progress
from handlers.core.words.text import Bytes, Code, Text
from sandbox.slack.server import LocalSlack
from tests.bot.access_house import AUDIT, LEILA, OMID, SARA, House
from tests.bot.slack.stage import job
from tests.bot.test_relay import staged
from tests.fakes import FakeClock

TARGETS = frozenset({"shop"})
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@dataclass
class Heard:
    """Keeps what was noted."""

    spans: list[Span] = field(default_factory=list)

    def note(self, span: Span) -> None:
        self.spans.append(span)

    def named(self, name: str) -> list[Span]:
        """Those with that name."""
        return [each for each in self.spans if each.name == name]


def second(count: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=count)


def test_a_job_is_what_was_waited_for_what_was_worked_and_the_whole_until_it_is_shown() -> None:
    clock = FakeClock(NOON)
    ran = replace(job(clock), created=NOON, started=second(30))  # type: ignore[arg-type]
    ended = replace(ran.moved(JobState.DONE), ended=second(90))
    assert list(spans_of(ended, second(90), second(92), TARGETS)) == [
        Span(
            "backup.now",
            NOON,
            second(92),
            "j1",
            whole=True,
            facts={
                "negahban.operation": "backup.now",
                "negahban.target": "shop",
                "negahban.state": "done",
                "negahban.asked_from": "slack",
            },
        ),
        Span("waiting", NOON, second(30), "j1"),
        Span("working", second(30), second(90), "j1"),
    ]
    [told, *_] = spans_of(ended, second(90), second(92), ())
    assert "negahban.target" not in told.facts
    never = replace(ended, started=None, state=JobState.EXPIRED)
    assert [(each.name, each.ended) for each in spans_of(never, second(90), second(92), TARGETS)][1:] == [
        ("waiting", second(90))
    ]


@pytest.mark.parametrize(
    ("state", "wrong"),
    [(JobState.DONE, ""), (JobState.CANCELLED, ""), (JobState.FAILED, "failed"), (JobState.INTERRUPTED, "interrupted")],
)
def test_only_what_failed_or_was_interrupted_is_wrong(state: JobState, wrong: str) -> None:
    ended = replace(job(FakeClock(NOON)), state=state, started=NOON)  # type: ignore[arg-type]
    whole, _, working = spans_of(ended, second(1), second(2), TARGETS)
    assert (whole.wrong, working.wrong) == (wrong, wrong)


def test_through_the_relay_a_job_leaves_its_stages_without_their_values_and_its_whole_once_it_is_shown(
    server: LocalSlack,
) -> None:
    stage, heard = staged(server), Heard()
    board = TracedJobs(stage.desk, TARGETS, JobBoard(stage.desk), heard, stage.clock)
    relay = Relay({"": board}, stage.state, stage.chat, stage.clock)

    def at(changed: Job, seconds: float) -> Job:
        stage.desk.put(changed)
        stage.settle(relay)
        stage.clock.passed += seconds
        return changed

    began = job(stage.clock, started=stage.clock.now())
    dumped = Progress(Text("Copying {name}", name=Code("secret-collection")), 10, 100)
    at(replace(began, progress=dumped), 20)
    at(replace(began, progress=replace(dumped, done_bytes=90)), 10)
    at(replace(began, progress=Progress(Text("Reading {size} back", size=Bytes(5)))), 30)
    assert [each.name for each in heard.spans if each.job and each.name != "showing a card"] == ["Copying {name}"]
    ended = stage.clock.now()
    outcome = Outcome(JobState.DONE, Text("All is well."), {})
    at(replace(began.moved(JobState.DONE), outcome=outcome, ended=ended, progress=None), 1)
    [copying], [reading] = heard.named("Copying {name}"), heard.named("Reading {size} back")
    assert copying.ended == reading.began
    assert (copying.ended - copying.began).total_seconds() >= 30
    assert reading.ended == ended
    [whole] = heard.named("backup.now")
    assert whole.whole
    assert (whole.began, whole.job) == (began.created, "j1")
    assert ended <= whole.ended <= stage.clock.now()
    assert len(heard.named("showing a card")) >= 3
    assert {each.job for each in heard.spans} == {"j1"}
    assert "secret-collection" not in repr(heard.spans)


def test_a_job_that_is_gone_leaves_nothing_behind(server: LocalSlack) -> None:
    stage, heard = staged(server), Heard()
    board = TracedJobs(stage.desk, TARGETS, JobBoard(stage.desk), heard, stage.clock)
    stage.desk.put(replace(job(stage.clock), progress=Progress(Text("Copying"))))
    assert board.posting("j1", shown=False) is not None
    stage.desk.jobs.clear()
    assert board.posting("j1", shown=True) is None
    assert (board._since, board._stages, heard.spans) == ({}, {}, [])


def test_of_another_card_it_is_noted_how_long_a_change_waited_and_which_card_it_is(server: LocalSlack) -> None:
    stage, heard = staged(server), Heard()
    stage.desk.put(job(stage.clock))
    board = TracedBoard("alert", JobBoard(stage.desk), heard, stage.clock)
    board.begin(["j1"])
    board.posting("j1", shown=False)
    first = stage.clock.now()
    stage.clock.passed += 7
    board.posting("j1", shown=False)
    board.placed("j1", "C0OPS", "")
    [span] = heard.spans
    assert (span.name, dict(span.facts), span.job) == ("showing a card", {"negahban.card": "alert.j1"}, "")
    assert (span.ended - first).total_seconds() >= 7


def test_of_a_click_it_is_noted_what_was_pressed_and_by_its_kind_what_went_wrong_and_no_code() -> None:
    house, heard = House(), Heard()
    desk = TracedDesk(house.desk, heard, house.clock)
    enrolment, _ = house.finished(LEILA)
    desk.press(Press("access_admit", f"U0LEILA.{enrolment}", SARA, AUDIT))
    waiting = house.offered()
    challenge = desk.challenge(waiting.id, SARA)
    desk.approve(challenge.id, SARA, "000000")
    house.clock.advance(31)
    code = house.code(SARA)
    desk.approve(desk.challenge(waiting.id, SARA).id, SARA, code)
    judged = heard.named("judging a code")
    assert [(each.job, each.facts["negahban.accepted"]) for each in judged] == [("", "no"), (waiting.id, "yes")]
    with pytest.raises(Exception) as caught:
        desk.cancel(JobId("no such job"), OMID)
    assert [each.wrong for each in heard.named("cancel")] == [type(caught.value).__name__]
    said = repr(heard.spans)
    assert code not in said
    assert challenge.id not in said
    assert SARA.person not in said
    assert [each.wrong for each in heard.named("access_admit")] == [""]
    assert desk.asks("access_admit") == house.desk.asks("access_admit")


class Full:
    """Takes nothing in."""

    def take_in(self, notice: Notice) -> None:
        raise OutsideError(Text("Redis is away."))

    def take_report(self, tool: str, repo: str, ref: str, body: bytes) -> None:
        return None


def test_of_a_webhook_it_is_noted_which_card_it_is_for_and_no_label() -> None:
    heard, clock = Heard(), FakeClock(NOON)
    taking = TracedTaking(Full(), heard, clock)
    notice = Notice(source="default", receiver="ops", labels={"alertname": "Secret"}, alerts=())
    with pytest.raises(OutsideError):
        taking.take_in(notice)
    taking.take_report("trivy", "shop", "main", b"{}")
    refused, report = heard.spans
    assert (refused.wrong, dict(refused.facts)) == ("OutsideError", {"negahban.card": f"alert.{notice.group}"})
    assert (report.name, report.wrong, dict(report.facts)) == ("taking a report in", "", {})
    assert "Secret" not in repr(heard.spans)
