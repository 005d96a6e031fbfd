"""The relay against the local Slack: one message a job, each note once, whatever breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.relay import JobBoard, Relay
from bot.relay.lease import Lease
from bot.relay.shown import Record
from bot.slack.chat import Chat
from handlers.core.ports import Held
from handlers.core.words.answers import Actor, JobId, PersonId, Surface
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.postings import Document
from handlers.core.words.text import Text
from handlers.core.words.tongues import ENGLISH, Tongue
from sandbox.slack.server import LocalSlack
from tests.bot.slack.stage import JSON, HandClock, job, new_chat
from tests.fakes import MemoryState


@dataclass
class JobDesk:
    """Jobs and what their cards say; a change marks the card dirty, as the real desk does."""

    state: MemoryState
    jobs: dict[str, Job] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    on_card: Callable[[Job], None] = lambda job: None

    def put(self, changed: Job) -> None:
        self.jobs[changed.id] = changed
        held = self.state.get(f"dirty:{changed.id}")
        assert self.state.put_if(f"dirty:{changed.id}", b"1", None if held is None else held.version)

    def load(self, job_id: JobId) -> Job | None:
        return self.jobs.get(job_id)

    def card(self, job: Job) -> Card:
        if job.id in self.broken:
            raise KeyError("a fault in a card")
        card = Card(Text("Job {id}", id=job.id), Tone.WORKING, (Text("It is {state}.", state=job.state.value),))
        if job.outcome is not None:
            card = replace(card, tone=Tone.GOOD, lines=(job.outcome.text,))
        self.on_card(job)
        return card


@dataclass
class Stage:
    """A local Slack, and all that a relay needs."""

    slack: LocalSlack
    clock: HandClock
    state: MemoryState
    desk: JobDesk
    chat: Chat

    def relay(self) -> Relay:
        return Relay({"": JobBoard(self.desk)}, self.state, self.chat, self.clock)

    def settle(self, relay: Relay, passes: int = 60) -> None:
        """Lets time pass until nothing is dirty."""
        for _ in range(passes):
            self.clock.passed += relay.tick()
            if not self.state.keys("dirty:"):
                return
        raise AssertionError("still dirty")

    def messages(self, channel: str = "C0OPS", person: str = "U0SARA") -> list[JSON]:
        return self.slack.person(person).messages(channel)

    def thread(self, ts: str, channel: str = "C0OPS") -> list[str]:
        return [each["text"] for each in self.slack.person("U0SARA").thread(channel, ts)[1:]]

    def calls(self, method: str) -> int:
        return sum(call["method"] == method for call in self.slack.log())


@pytest.fixture
def stage(server: LocalSlack) -> Stage:
    return staged(server)


def staged(slack: LocalSlack) -> Stage:
    slack.reset()
    clock = HandClock()
    state = MemoryState(clock)
    return Stage(slack, clock, state, JobDesk(state), new_chat(slack))


def noted(job: Job, *notes: str) -> Job:
    for note in notes:
        job = job.noted(Text(note))
    return job


def done(job: Job) -> Job:
    job = job if job.state is not JobState.RUNNING else job.moved(JobState.DONE)
    return replace(job, outcome=Outcome(JobState.DONE, Text("All is well."), {}), ended=datetime.now(UTC))


def test_a_job_is_one_message_edited_in_place_with_its_notes_in_the_thread_in_order(stage: Stage) -> None:
    relay = stage.relay()
    running = job(stage.clock)
    stage.desk.put(running)
    stage.settle(relay)
    stage.desk.put(noted(running, "one", "two"))
    stage.settle(relay)
    stage.desk.put(done(noted(running, "one", "two", "three")))
    stage.settle(relay)
    [message] = stage.messages()
    assert "All is well." in message["text"]
    assert stage.thread(message["ts"]) == ["one", "two", "three"]


def test_nothing_is_sent_when_the_card_says_the_same(stage: Stage) -> None:
    relay = stage.relay()
    stage.desk.put(job(stage.clock))
    stage.settle(relay)
    before = len(stage.slack.log())
    stage.desk.put(job(stage.clock, confirmed_by=("U0SARA",)))
    stage.settle(relay)
    assert len(stage.slack.log()) == before


def test_changes_that_a_newer_one_told_too_or_that_changed_nothing_are_counted_as_saved(stage: Stage) -> None:
    relay = stage.relay()
    running = job(stage.clock)

    def change(changed: Job) -> None:
        stage.desk.jobs[changed.id] = changed
        held = stage.state.get("cause")
        version = None if held is None else held.version
        assert stage.state.put_if("cause", b"", version, touch=f"dirty:{changed.id}")

    for _ in range(3):
        change(replace(running, state=JobState.QUEUED))
    relay.tick()
    assert (stage.calls("chat.postMessage"), relay.tally.saved) == (1, 2)
    change(replace(running, state=JobState.QUEUED))
    relay.tick()
    assert (stage.calls("chat.update"), relay.tally.saved) == (0, 3)
    change(running)
    relay.tick()  # too early for an edit
    change(noted(running, "one"))
    change(done(noted(running, "one")))
    stage.settle(relay)
    assert (stage.calls("chat.postMessage"), stage.calls("chat.update"), relay.tally.saved) == (2, 1, 5)


def test_progress_is_edited_every_three_seconds_and_the_end_after_one(stage: Stage) -> None:
    relay = stage.relay()
    running = job(stage.clock)
    stage.desk.put(replace(running, state=JobState.QUEUED))
    relay.tick()
    stage.desk.put(running)
    stage.clock.passed += 2.9
    relay.tick()
    assert "queued" in stage.messages()[0]["text"]
    stage.clock.passed += 0.1
    relay.tick()
    assert "running" in stage.messages()[0]["text"]
    stage.desk.put(done(running))
    stage.clock.passed += 0.9
    relay.tick()
    assert "running" in stage.messages()[0]["text"]
    stage.clock.passed += 0.1
    relay.tick()
    assert "All is well." in stage.messages()[0]["text"]


def test_many_cards_at_work_leave_room_for_ends_in_slacks_budget(stage: Stage) -> None:
    relay = stage.relay()
    jobs = [job(stage.clock, f"j{number}") for number in range(10)]
    for each in jobs:
        stage.desk.put(replace(each, state=JobState.QUEUED))
    stage.settle(relay, 200)
    started, rounds = stage.clock.passed, 0
    while stage.clock.passed - started < 59:
        rounds += 1
        for each in jobs:
            stage.desk.put(replace(each, state=[JobState.RUNNING, JobState.QUEUED][rounds % 2]))
        stage.clock.passed += max(0.5, relay.tick())
    assert 30 <= stage.calls("chat.update") <= 40
    stage.desk.put(done(jobs[0]))
    stage.clock.passed += 1
    relay.tick()
    assert any("All is well." in each["text"] for each in stage.messages())


def test_posts_in_one_channel_are_a_second_apart_and_other_channels_do_not_wait(stage: Stage) -> None:
    relay = stage.relay()
    for number, channel in enumerate(("C0OPS", "C0OPS", "C0ALERTS")):
        stage.desk.put(job(stage.clock, f"j{number}", channel))
    relay.tick()
    assert (len(stage.messages()), len(stage.messages("C0ALERTS"))) == (1, 1)
    stage.clock.passed += 0.9
    relay.tick()
    assert len(stage.messages()) == 1
    stage.clock.passed += 0.4
    relay.tick()
    assert len(stage.messages()) == 2


@pytest.mark.parametrize("kind", ["lost_answer", "500", "503", "error:internal_error", "429", "error:fatal_error"])
def test_a_failed_post_leaves_one_message_and_each_note_once(stage: Stage, kind: str) -> None:
    relay = stage.relay()
    stage.slack.fault("chat.postMessage", kind)
    stage.desk.put(noted(job(stage.clock), "one"))
    relay.tick()
    stage.settle(relay)
    stage.slack.fault("chat.postMessage", kind)
    stage.desk.put(done(noted(job(stage.clock), "one", "two")))
    stage.settle(relay)
    [message] = stage.messages()
    assert "All is well." in message["text"]
    assert stage.thread(message["ts"]) == ["one", "two"]


def test_a_failed_search_after_a_lost_answer_is_repeated_before_anything_is_posted(stage: Stage) -> None:
    relay = stage.relay()
    stage.slack.fault("chat.postMessage", "lost_answer")
    stage.slack.fault("conversations.history", "500", times=2)
    stage.desk.put(job(stage.clock))
    stage.settle(relay)
    assert len(stage.messages()) == 1
    assert stage.calls("chat.postMessage") == 1


@pytest.mark.parametrize("kind", ["lost_answer", "500", "429"])
def test_a_failed_edit_is_made_up_for(stage: Stage, kind: str) -> None:
    relay = stage.relay()
    stage.desk.put(job(stage.clock))
    stage.settle(relay)
    stage.slack.fault("chat.update", kind)
    stage.desk.put(done(job(stage.clock)))
    stage.settle(relay)
    assert "All is well." in stage.messages()[0]["text"]


def test_several_senders_share_one_budget_and_leave_each_card_to_one_of_them(stage: Stage) -> None:
    relay = Relay({"": JobBoard(stage.desk)}, stage.state, stage.chat, stage.clock, senders=8)
    channels = ("C0OPS", "C0ALERTS", "C0AUDIT")
    for number in range(12):
        stage.desk.put(job(stage.clock, f"j{number}", channels[number % 3]))
    relay.tick()
    assert stage.calls("chat.postMessage") == 3, "one in each channel, whoever was first"
    stage.settle(relay, 200)
    relay.stop()
    for channel in channels:
        assert len(stage.messages(channel)) == 4


def test_an_edit_that_fails_is_tried_ever_more_slowly(stage: Stage) -> None:
    relay = stage.relay()
    stage.desk.put(job(stage.clock))
    stage.settle(relay)
    before = stage.calls("chat.update")
    stage.slack.fault("chat.update", "500", times=None)
    stage.desk.put(job(stage.clock, state=JobState.QUEUED))
    began = stage.clock.passed
    while stage.clock.passed - began < 120:
        stage.clock.passed += relay.tick()
    assert stage.calls("chat.update") - before <= 8


def test_who_is_asked_to_slow_down_waits_as_long_and_others_go_on(stage: Stage) -> None:
    relay = stage.relay()
    stage.desk.put(job(stage.clock, "j1"))
    stage.slack.fault("chat.postMessage", "429", retry_after=30)
    relay.tick()
    stage.desk.put(job(stage.clock, "j2", "C0ALERTS"))
    relay.tick()
    assert len(stage.messages("C0ALERTS")) == 1
    stage.clock.passed += 29
    relay.tick()
    assert stage.messages() == []
    stage.clock.passed += 1.1
    relay.tick()
    assert len(stage.messages()) == 1


def test_a_limited_edit_does_not_keep_another_card_from_being_posted(stage: Stage) -> None:
    relay = stage.relay()
    stage.desk.put(job(stage.clock, "j1"))
    stage.settle(relay)
    stage.clock.passed += 3
    stage.slack.fault("chat.update", "429", retry_after=30)
    stage.desk.put(done(job(stage.clock, "j1")))
    stage.desk.put(job(stage.clock, "j2"))
    relay.tick()
    relay.tick()
    assert len(stage.messages()) == 2
    assert stage.calls("chat.update") == 1
    stage.clock.passed += 30.1
    relay.tick()
    assert "All is well." in stage.messages()[0]["text"]


def test_a_message_that_was_removed_is_posted_anew_and_its_notes_are_not_repeated(stage: Stage) -> None:
    relay = stage.relay()
    stage.desk.put(noted(job(stage.clock), "one"))
    stage.settle(relay)
    [message] = stage.messages()
    stage.chat._call("chat.delete", channel="C0OPS", ts=message["ts"])
    stage.desk.put(done(noted(job(stage.clock), "one", "two")))
    stage.settle(relay)
    *_, shown = stage.messages()
    assert "All is well." in shown["text"]
    assert stage.thread(shown["ts"]) == ["two"]


@pytest.mark.parametrize("why", ["edit_window_closed", "cant_update_message"])
def test_a_message_that_may_no_longer_be_edited_is_followed_by_a_new_one(stage: Stage, why: str) -> None:
    relay = stage.relay()
    stage.desk.put(job(stage.clock))
    stage.settle(relay)
    stage.slack.fault("chat.update", f"error:{why}")
    stage.desk.put(done(job(stage.clock)))
    stage.settle(relay)
    first, second = stage.messages()
    assert "All is well." not in first["text"]
    assert "All is well." in second["text"]


def test_a_card_that_is_removed_again_and_again_is_given_up(stage: Stage) -> None:
    relay = stage.relay()
    stage.desk.put(job(stage.clock))
    stage.settle(relay)
    stage.slack.fault("chat.update", "error:message_not_found", times=None)
    for number in range(8):
        stage.desk.put(job(stage.clock, state=[JobState.QUEUED, JobState.RUNNING][number % 2]))
        stage.settle(relay)
    assert stage.calls("chat.postMessage") == 6


def test_where_the_bot_is_no_member_the_asker_gets_the_card_directly_with_the_reason(stage: Stage) -> None:
    relay = stage.relay()
    stage.desk.put(noted(job(stage.clock, channel="C0RANDOM"), "one"))
    stage.settle(relay)
    assert stage.messages("C0RANDOM") == []
    [message] = stage.messages("D00SARA")
    assert "/invite" in message["text"]
    assert stage.thread(message["ts"], "D00SARA") == ["one"]


@pytest.mark.parametrize("kind", ["lost_answer", "500"])
def test_a_direct_card_too_is_there_once_after_a_lost_answer(stage: Stage, kind: str) -> None:
    relay = stage.relay()
    stage.desk.put(job(stage.clock, channel="C0RANDOM"))
    relay.tick()
    stage.slack.fault("chat.postMessage", kind)
    stage.settle(relay)
    assert len(stage.messages("D00SARA")) == 1


def test_a_scheduled_job_whose_channel_refuses_waits_for_the_invitation(stage: Stage) -> None:
    relay = stage.relay()
    scheduled = job(stage.clock, channel="C0RANDOM")
    actor = Actor(PersonId("schedule"), "", Surface.SCHEDULE)
    stage.desk.put(replace(scheduled, plan=replace(scheduled.plan, actor=actor)))
    for _ in range(5):
        stage.clock.passed += 10 + relay.tick()
    assert stage.messages("C0RANDOM") == []
    stage.slack._with(lambda site: site.workspace.channels["C0RANDOM"].members.append("U0BOT"))
    stage.clock.passed += 60
    stage.settle(relay)
    assert len(stage.messages("C0RANDOM")) == 1


def test_what_cannot_be_shown_a_day_after_the_job_ended_is_given_up(stage: Stage) -> None:
    relay = stage.relay()
    stage.slack.fault("chat.postMessage", "error:invalid_blocks", times=None)
    stage.desk.put(done(job(stage.clock)))
    relay.tick()
    stage.clock.passed += 3600
    relay.tick()
    assert stage.state.keys("dirty:") == ("dirty:j1",)
    stage.clock.passed += 24 * 3600
    relay.tick()
    assert stage.state.keys("dirty:") == ()


def test_a_fault_in_one_card_does_not_stop_the_others(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    relay = stage.relay()
    stage.desk.broken = {"j1"}
    stage.desk.put(job(stage.clock, "j1"))
    stage.desk.put(job(stage.clock, "j2"))
    relay.tick()
    assert [each["text"].splitlines()[0] for each in stage.messages()] == ["⏳ Job j2"]
    assert "a fault" in caplog.text
    stage.desk.broken = set()
    stage.settle(relay)
    assert len(stage.messages()) == 2


def test_a_change_during_the_sending_is_sent_too(stage: Stage) -> None:
    relay = stage.relay()
    stage.desk.put(job(stage.clock))
    changed: list[int] = []

    def finish(each: Job) -> None:
        if not changed:
            changed.append(1)
            stage.desk.put(done(each))

    stage.desk.on_card = finish
    relay.tick()
    assert stage.state.keys("dirty:") == ("dirty:j1",)
    stage.settle(relay)
    assert "All is well." in stage.messages()[0]["text"]


@pytest.mark.parametrize(("surface", "channel"), [(Surface.TERMINAL, "terminal"), (Surface.SCHEDULE, "")])
def test_a_job_that_has_no_channel_is_shown_nowhere(stage: Stage, surface: Surface, channel: str) -> None:
    asked = job(stage.clock, channel=channel)
    actor = replace(asked.plan.actor, surface=surface)
    stage.desk.put(replace(asked, plan=replace(asked.plan, actor=actor)))
    stage.relay().tick()
    assert stage.state.keys("dirty:") == ()
    assert stage.slack.log() == []


def test_a_mark_without_a_job_is_removed(stage: Stage) -> None:
    stage.state.put_if("dirty:nothing", b"1", None)
    stage.relay().tick()
    assert stage.state.keys("dirty:") == ()


def test_only_the_relay_with_the_lease_acts_and_another_follows_when_it_dies(stage: Stage) -> None:
    first, second = stage.relay(), stage.relay()
    stage.desk.put(job(stage.clock))
    first.tick()
    stage.desk.put(done(job(stage.clock)))
    stage.clock.passed += 5
    second.tick()
    assert "running" in stage.messages()[0]["text"]
    stage.clock.passed += 10.1
    second.tick()
    assert "All is well." in stage.messages()[0]["text"]
    first.tick()
    assert stage.calls("chat.postMessage") == 1


def test_a_relay_that_no_longer_acts_has_nothing_unsent(stage: Stage) -> None:
    first, second = stage.relay(), stage.relay()
    stage.slack.fault("chat.postMessage", "429", retry_after=15)
    stage.desk.put(job(stage.clock))
    first.tick()
    stage.clock.passed += 15.1
    assert first.oldest_unsent_seconds() > 15
    stage.settle(second)
    first.tick()
    assert first.oldest_unsent_seconds() == 0


def test_who_takes_over_goes_on_with_the_budget_of_the_one_before(stage: Stage) -> None:
    first = stage.relay()
    stage.desk.put(job(stage.clock))
    stage.settle(first)
    first.stop()
    stage.desk.put(job(stage.clock, "j2"))
    second = stage.relay()
    second.tick()
    assert stage.calls("chat.postMessage") == 1, "less than a second after the other one"
    stage.settle(second)
    assert stage.calls("chat.postMessage") == 2
    assert (first.tally.posts, second.tally.posts) == (1, 1)


def test_a_budget_that_cannot_be_read_is_an_empty_one(stage: Stage) -> None:
    stage.state.put_if("budget", b"[]", None)
    stage.desk.put(job(stage.clock))
    stage.settle(stage.relay())
    assert stage.calls("chat.postMessage") == 1


def test_a_stopped_relay_hands_over_at_once(stage: Stage) -> None:
    first, second = stage.relay(), stage.relay()
    first.tick()
    first.stop()
    stage.desk.put(job(stage.clock))
    second.tick()
    assert len(stage.messages()) == 1


def test_a_lease_whose_answer_was_lost_is_still_held(stage: Stage) -> None:
    lossy = Crashing(stage.state, at=1, error=OutsideError(Text("lost")), after=True)
    relay = Relay({"": JobBoard(stage.desk)}, lossy, stage.chat, stage.clock)
    stage.desk.put(job(stage.clock))
    with pytest.raises(OutsideError):
        relay.tick()
    for _ in range(4):
        stage.clock.passed += relay.tick()
    assert len(stage.messages()) == 1


def test_cards_that_lost_their_records_with_the_state_are_found_again(stage: Stage) -> None:
    relay = stage.relay()
    stage.desk.put(noted(job(stage.clock), "one", "two"))
    stage.settle(relay)
    old = replace(done(noted(job(stage.clock), "one", "two", "three")), created=datetime.now(UTC))
    stage.state.flush()
    stage.clock.passed += 120
    stage.desk.put(old)
    stage.settle(stage.relay())
    [message] = stage.messages()
    assert "All is well." in message["text"]
    assert stage.thread(message["ts"]) == ["one", "two", "three"]


def test_the_thread_wakes_and_stops(stage: Stage) -> None:
    relay = stage.relay()
    relay.start()
    try:
        stage.desk.put(job(stage.clock))
        relay.wake()
        stage.slack.person("U0SARA").wait_for(stage.messages, 5, "the card")
    finally:
        relay.stop()
    assert stage.state.get("relay") is None


class Killed(BaseException):
    """The process is gone."""


class Crashing:
    """A state or chat that kills its process at its nth call, before or after it happened."""

    def __init__(self, inner: Any, at: int, error: BaseException, *, after: bool) -> None:
        self._inner, self._left, self._error, self._after = inner, at, error, after

    def _counted(self, call: Callable[[], Any]) -> Any:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise self._error
        answer = call()
        if self._left == 0:
            raise self._error
        return answer

    def get(self, key: str) -> Held | None:
        answer: Held | None = self._inner.get(key)
        return answer

    def put_if(
        self, key: str, value: bytes, version: str | None, *, seconds: int | None = None, touch: str = ""
    ) -> str | None:
        answer: str | None = self._counted(lambda: self._inner.put_if(key, value, version, seconds=seconds))
        return answer

    def delete_if(self, key: str, version: str) -> bool:
        return bool(self._counted(lambda: self._inner.delete_if(key, version)))

    def keys(self, prefix: str) -> tuple[str, ...]:
        answer: tuple[str, ...] = self._inner.keys(prefix)
        return answer

    def incarnation(self) -> str:
        return "1"

    def digest(self, card: Card, tongue: Tongue = ENGLISH) -> str:
        return str(self._inner.digest(card, tongue))

    def address(self, channel: str, ts: str) -> str:
        return ""

    def post(
        self, channel: str, said: Card | Text, mark: str, thread: str | None = None, tongue: Tongue = ENGLISH
    ) -> str:
        return str(self._counted(lambda: self._inner.post(channel, said, mark, thread, tongue)))

    def update(self, channel: str, ts: str, card: Card, tongue: Tongue = ENGLISH) -> None:
        self._counted(lambda: self._inner.update(channel, ts, card, tongue))

    def find(self, channel: str, mark: str, near: datetime, thread: str | None = None) -> str | None:
        answer: str | None = self._inner.find(channel, mark, near, thread)
        return answer

    def attach(self, channel: str, document: Document, thread: str) -> None:
        self._counted(lambda: self._inner.attach(channel, document, thread))

    def attached(self, channel: str, name: str, near: datetime, thread: str) -> str | None:
        answer: str | None = self._inner.attached(channel, name, near, thread)
        return answer

    def direct(self, person: str) -> str:
        return str(self._inner.direct(person))


def _story(stage: Stage, relay: Relay) -> None:
    """A job with two notes, from its beginning to its end."""
    stage.desk.put(noted(job(stage.clock), "one"))
    stage.settle(relay)
    stage.desk.put(done(noted(job(stage.clock), "one", "two")))
    stage.settle(relay)


@pytest.mark.parametrize("part", ["state", "chat"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_call_the_next_relay_leaves_one_message_and_each_note_once(
    server: LocalSlack, part: str, after: bool
) -> None:
    crashes = 0
    for at in range(1, 40):
        stage = staged(server)
        state: Any = Crashing(stage.state, at, Killed(), after=after) if part == "state" else stage.state
        chat: Any = Crashing(stage.chat, at, Killed(), after=after) if part == "chat" else stage.chat
        try:
            _story(stage, Relay({"": JobBoard(stage.desk)}, state, chat, stage.clock))
        except Killed:
            crashes += 1
        else:
            break
        stage.clock.passed += 15.1
        if "two" not in str(stage.desk.jobs):
            stage.desk.put(done(noted(job(stage.clock), "one", "two")))
        stage.settle(stage.relay())
        [message] = stage.messages()
        assert "All is well." in message["text"], at
        assert stage.thread(message["ts"]) == ["one", "two"], at
    assert crashes >= {"state": 10, "chat": 4}[part]


def test_a_relay_that_was_asleep_while_another_took_over_posts_nothing(stage: Stage) -> None:
    sleepy, other = stage.relay(), stage.relay()
    sleepy.tick()
    stage.desk.put(job(stage.clock))
    slept: list[int] = []

    def sleep(each: Job) -> None:
        if not slept:
            slept.append(1)
            stage.clock.passed += 16
            other.tick()

    stage.desk.on_card = sleep
    sleepy.tick()
    assert stage.calls("chat.postMessage") == 1
    stage.clock.passed += timedelta(seconds=2).total_seconds()
    stage.settle(other)
    assert len(stage.messages()) == 1


def test_a_relay_whose_lease_is_somebody_elses_by_now_posts_nothing(stage: Stage) -> None:
    sleepy = stage.relay()
    sleepy.tick()
    stage.desk.put(job(stage.clock))

    def lose(each: Job) -> None:
        stage.clock.passed += 16
        assert Lease(stage.state, stage.clock).held()

    stage.desk.on_card = lose
    sleepy.tick()
    assert stage.calls("chat.postMessage") == 0


def test_a_record_that_somebody_else_changed_is_not_overwritten(stage: Stage) -> None:
    first, second = Record(stage.state, "j1"), Record(stage.state, "j1")
    second.store(ts="2")
    with pytest.raises(OutsideError):
        first.store(ts="1")
    assert Record(stage.state, "j1").shown.ts == "2"


def test_another_card_of_the_same_channel_waits_too_when_posting_is_limited(stage: Stage) -> None:
    relay = stage.relay()
    stage.slack.fault("chat.postMessage", "429", retry_after=30)
    stage.desk.put(job(stage.clock, "j1"))
    relay.tick()
    stage.desk.put(job(stage.clock, "j2"))
    stage.clock.passed += 29
    relay.tick()
    assert stage.calls("chat.postMessage") == 1


def test_another_card_waits_too_when_edits_are_limited(stage: Stage) -> None:
    relay = stage.relay()
    for number in ("j1", "j2"):
        stage.desk.put(job(stage.clock, number))
    stage.settle(relay)
    stage.clock.passed += 3
    stage.slack.fault("chat.update", "429", retry_after=30)
    stage.desk.put(done(job(stage.clock, "j1")))
    relay.tick()
    stage.desk.put(done(job(stage.clock, "j2")))
    stage.clock.passed += 29
    relay.tick()
    assert stage.calls("chat.update") == 1
