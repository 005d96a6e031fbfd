"""The desk: what is asked, approved and worked, and what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest

from handlers.core.door.approval import Gate
from handlers.core.door.consent import Rejected
from handlers.core.door.desk import Accepted, Began, Desk, Outside, Pressable, Said
from handlers.core.door.policy import Permission
from handlers.core.door.records import Jobs
from handlers.core.door.work import Work
from handlers.core.words.answers import (
    Actor,
    Confirm,
    Draft,
    Invocation,
    JobId,
    Reply,
    Start,
    Surface,
    TargetName,
)
from handlers.core.words.cards import Card
from handlers.core.words.errors import Cancelled, Damage, OutsideError, Refusal
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Text
from tests.fakes import (
    FakeClock,
    FakeEntropy,
    FakeFactors,
    FakePeople,
    MemoryAudit,
    MemoryQueue,
    MemoryState,
    someone,
)

SARA, OMID = someone("U0SARA"), someone("U0OMID")


@dataclass
class Doing:
    """A handler that does what a test tells it."""

    permissions: Mapping[str, Permission] = field(
        default_factory=lambda: {
            "read": Permission.READ,
            "do.add": Permission.OPERATE,
            "do.destroy": Permission.DESTROY,
        }
    )
    ran: list[JobId] = field(default_factory=list)
    recovered: list[Text | None] = field(default_factory=list)
    during: object = None
    unknown_for: int = 0
    nothing_remains: bool = False
    begun: tuple[Job, ...] = ()

    def ask(self, invocation: Invocation) -> Reply | Start | Confirm:
        match invocation.words:
            case ("add",):
                return Start(Draft("do.add", TargetName("shop"), {"size": 1}))
            case ("look",):
                return Start(Draft("do.add", TargetName("shop"), lane="look"))
            case ("destroy",):
                return Confirm(Draft("do.destroy", TargetName("shop"), {"size": 1}))
            case ("unlisted",):
                return Start(Draft("do.unlisted", TargetName("shop")))
            case ("sneak",):
                return Confirm(Draft("do.add", TargetName("shop")))
            case _:
                return Reply(Card(Text("words")))

    def describe(self, job: Job) -> Card:
        return Card(Text("{state}", state=job.state.value))

    def run(self, work: Work) -> Outcome:
        self.ran.append(work.job.id)
        if callable(self.during):
            self.during(work)
        return Outcome(JobState.DONE, Text("It is done."), {})

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        if self.unknown_for:
            self.unknown_for -= 1
            raise OutsideError(Text("MongoDB does not answer."))
        self.recovered.append(reason)
        state = JobState.INTERRUPTED if reason is None else JobState.FAILED
        return Outcome(state, Text("Looked, and it is as before."), {}, again=self.nothing_remains)

    def lost(self) -> tuple[Job, ...]:
        return self.begun


class House:
    """A desk and what stands around it."""

    def __init__(self) -> None:
        self.clock, self.entropy = FakeClock(), FakeEntropy()
        self.state, self.queue, self.audit = MemoryState(self.clock), MemoryQueue(), MemoryAudit()
        self.people, self.factors, self.doing = FakePeople(), FakeFactors(), Doing()
        self.factors.add("U0SARA")
        self.pressables: Sequence[Pressable] = ()
        self.desk = self.new_desk()
        self.jobs = Jobs(self.state)

    def new_desk(self) -> Desk:
        """Another process."""
        gate = Gate(self.state, self.factors, self.clock, self.entropy)
        outside = Outside(self.state, self.queue, self.audit, self.people, self.clock, self.entropy)
        return Desk({"do": self.doing}, gate, outside, self.pressables)

    def ask(self, *words: str, actor: Actor = SARA) -> Said | Began:
        return self.desk.ask(Invocation("do", words, actor, "C0OPS"))

    def began(self, *words: str, actor: Actor = SARA) -> JobId:
        answer = self.ask(*words, actor=actor)
        assert isinstance(answer, Began), answer
        return answer.job

    def code(self) -> str:
        return self.factors.code("U0SARA", int(self.clock.now().timestamp()) // 30)

    def approve(self, job: JobId) -> Accepted | Rejected:
        return self.desk.approve(self.desk.challenge(job, SARA).id, SARA, self.code())

    def loaded(self, job: JobId) -> Job:
        found = self.desk.load(job)
        assert found is not None
        return found

    def events(self) -> list[tuple[str, str]]:
        return [(each.event, each.decision) for each in self.audit.events]


@pytest.fixture
def house() -> House:
    return House()


def refused(answer: Said | Began) -> str:
    assert isinstance(answer, Said)
    return str(answer.card.title)


def test_words_change_nothing(house: House) -> None:
    assert isinstance(house.ask("hello"), Said)
    assert house.state.writes == 0


def test_an_operation_that_adds_begins_at_once_and_is_queued(house: House) -> None:
    job = house.began("add")
    assert house.queue.jobs == [job]
    house.desk.work(job)
    assert house.loaded(job).state is JobState.DONE
    assert house.doing.ran == [job]


@pytest.mark.parametrize("standing", ["guest", "bot", "gone", "unknown"])
def test_only_full_members_are_heard(house: House, standing: str) -> None:
    house.people.standings["U0OMID"] = standing  # type: ignore[assignment]
    refused(house.ask("hello", actor=OMID))
    refused(house.ask("add", actor=OMID))
    assert house.queue.jobs == []
    assert house.events() == [("denied", "deny"), ("denied", "deny")]


def test_an_operation_nobody_listed_is_refused(house: House) -> None:
    assert "does not list" in refused(house.ask("unlisted"))
    assert house.queue.jobs == []


def test_a_command_nobody_listed_is_refused(house: House) -> None:
    answer = house.desk.ask(Invocation("other", (), SARA, "C0OPS"))
    assert "no command" in refused(answer)


def test_what_destroys_does_not_begin_without_a_code(house: House) -> None:
    job = house.began("destroy")
    assert house.loaded(job).state is JobState.OFFERED
    house.desk.work(job)
    assert house.doing.ran == []
    assert house.queue.jobs == []


def test_what_destroys_runs_after_the_code_of_who_asked(house: House) -> None:
    job = house.began("destroy")
    assert house.approve(job) == Accepted(job)
    house.desk.work(job)
    assert house.loaded(job).state is JobState.DONE


def test_who_is_not_enrolled_is_told_how_to_be(house: House) -> None:
    assert "enroll U0OMID" in refused(house.ask("destroy", actor=OMID))


def test_only_who_asked_can_confirm(house: House) -> None:
    house.factors.add("U0OMID")
    job = house.began("destroy")
    with pytest.raises(Refusal, match="Only"):
        house.desk.challenge(job, OMID)
    challenge = house.desk.challenge(job, SARA)
    answer = house.desk.approve(
        challenge.id, OMID, house.factors.code("U0OMID", int(house.clock.now().timestamp()) // 30)
    )
    assert isinstance(answer, Rejected)
    assert house.loaded(job).state is JobState.OFFERED


def test_a_wrong_code_approves_nothing_and_may_be_corrected(house: House) -> None:
    job = house.began("destroy")
    challenge = house.desk.challenge(job, SARA)
    answer = house.desk.approve(challenge.id, SARA, f"{(int(house.code()) + 1) % 1_000_000:06d}")
    assert isinstance(answer, Rejected)
    assert answer.again
    assert house.loaded(job).state is JobState.OFFERED
    assert house.desk.approve(challenge.id, SARA, house.code()) == Accepted(job)


def test_no_code_is_ever_written_down(house: House) -> None:
    job = house.began("destroy")
    house.approve(job)
    house.desk.work(job)
    code = house.code()
    assert code not in repr(house.audit.events)
    assert all(code.encode() not in held[0].value for held in house.state._values.values())


def test_a_plan_that_was_changed_after_its_approval_is_not_run(house: House) -> None:
    job = house.began("destroy")
    house.approve(job)
    house.jobs.change(job, lambda each: replace(each, plan=replace(each.plan, arguments={"size": 2})))
    house.desk.work(job)
    assert house.doing.ran == []
    assert house.loaded(job).state is JobState.FAILED


def test_a_job_that_nobody_approved_is_not_run_even_if_it_says_it_is_queued(house: House) -> None:
    job = house.began("destroy")
    house.jobs.change(job, lambda each: each.moved(JobState.QUEUED))
    house.desk.work(job)
    assert house.doing.ran == []


def test_a_handler_cannot_pass_an_addition_off_as_confirmed(house: House) -> None:
    refused(house.ask("sneak"))


def test_an_offer_ends_after_a_quarter_of_an_hour(house: House) -> None:
    job = house.began("destroy")
    house.clock.advance(15 * 60 + 1)
    with pytest.raises(Refusal, match="15 minutes"):
        house.desk.challenge(job, SARA)
    house.desk.tend()
    assert house.loaded(job).state is JobState.OFFERED, "a code of the last moment may still be being judged"
    house.clock.advance(30)
    house.desk.tend()
    assert house.loaded(job).state is JobState.EXPIRED


def test_an_offer_that_nobody_confirmed_is_recorded_once_when_it_ends(house: House) -> None:
    job = house.began("destroy")
    house.clock.advance(16 * 60)
    house.desk.tend()
    house.new_desk().tend()
    ended = house.audit.events[-1]
    assert house.events() == [("asked", "allow"), ("job.offered", "allow"), ("job.expired", "deny")]
    assert (ended.actor, ended.target, ended.operation) == (SARA, "shop", "do.destroy")
    assert ended.digest == house.loaded(job).plan.digest
    assert ended.facts == {"job": job, "confirmed": "0"}
    outcome = house.loaded(job).outcome
    assert outcome is not None
    assert "Nobody confirmed it" in str(outcome.text)


def test_a_record_that_cannot_be_read_is_told_and_keeps_nobody_from_looking_after_the_others(house: House) -> None:
    jobs = [house.began("destroy") for _ in range(3)]
    torn = house.state.get(f"job:{jobs[1]}")
    assert torn is not None
    assert house.state.put_if(f"job:{jobs[1]}", torn.value[:-9], torn.version)
    house.clock.advance(16 * 60)
    with pytest.raises(Damage, match=jobs[1]):
        house.desk.tend()
    assert [house.loaded(each).state for each in (jobs[0], jobs[2])] == [JobState.EXPIRED] * 2
    with pytest.raises(Damage, match=jobs[1]):
        house.desk.tend()


def test_a_job_of_a_kind_that_this_version_does_not_know_keeps_nobody_from_looking_after_the_others(
    house: House,
) -> None:
    jobs = [house.began("destroy") for _ in range(3)]
    newer = house.state.get(f"job:{jobs[1]}")
    assert newer is not None
    assert house.state.put_if(f"job:{jobs[1]}", newer.value.replace(b'"do.destroy"', b'"later.do"'), newer.version)
    house.clock.advance(16 * 60)
    with pytest.raises(Damage, match=jobs[1]):
        house.desk.tend()
    assert [house.loaded(each).state for each in (jobs[0], jobs[2])] == [JobState.EXPIRED] * 2
    assert house.loaded(jobs[1]).state is JobState.OFFERED, "a worker that knows it looks after it"


def made_strange(house: House, job: JobId, operation: bytes = b"later.do") -> None:
    """The job is of a kind that only another version of the bot knows."""
    known = house.state.get(f"job:{job}")
    assert known is not None
    for name in (b'"do.add"', b'"do.destroy"'):
        if name in known.value:
            strange = known.value.replace(name, b'"' + operation + b'"')
            assert house.state.put_if(f"job:{job}", strange, known.version)


def tended(house: House, seconds: int) -> None:
    """A worker tends for so long."""
    for _ in range(seconds // 10):
        house.clock.advance(10)
        with suppress(Damage):
            house.desk.tend()


def test_a_queued_job_of_an_unknown_kind_stays_for_a_worker_that_knows_it(house: House) -> None:
    job = house.began("add")
    made_strange(house, job)
    house.desk.work(job)
    assert house.loaded(job).state is JobState.QUEUED
    tended(house, 20 * 60)
    assert house.loaded(job).state is JobState.QUEUED
    gate = Gate(house.state, house.factors, house.clock, house.entropy)
    outside = Outside(house.state, house.queue, house.audit, house.people, house.clock, house.entropy)
    house.doing.permissions = {**house.doing.permissions, "later.do": Permission.OPERATE}
    house.queue.jobs.clear()
    later = Desk({"do": house.doing, "later": house.doing}, gate, outside)
    later.tend()
    assert house.queue.jobs == [job]
    later.work(job)
    assert house.loaded(job).state is JobState.DONE


def test_a_queued_job_of_an_unknown_kind_that_nobody_takes_ends_with_a_card_and_leaves_its_lane(house: House) -> None:
    job = house.began("add")
    made_strange(house, job)
    house.desk.work(job)
    assert "One at a time" in refused(house.ask("add"))
    tended(house, 31 * 60)
    ended = house.loaded(job)
    assert (ended.state, str(ended.outcome.text if ended.outcome else "")) == (
        JobState.FAILED,
        "No worker took it in 30 minutes. Nothing was changed.",
    )
    assert str(house.desk.card(ended).title) == "later do of shop: failed"
    house.desk.tend()
    house.began("add")


def test_a_running_job_of_an_unknown_kind_is_ended_when_nobody_was_at_work_on_it_for_half_an_hour(house: House) -> None:
    job = house.began("add")
    house.jobs.change(job, lambda each: replace(each.moved(JobState.RUNNING), started=house.clock.now()))
    made_strange(house, job)
    tended(house, 29 * 60)
    assert house.loaded(job).state is JobState.RUNNING
    assert house.state.put_if(f"lease:{job}", b"", None, seconds=60), "a worker that knows it took it"
    tended(house, 29 * 60)
    assert house.loaded(job).state is JobState.RUNNING
    tended(house, 2 * 60)
    ended = house.loaded(job)
    assert ended.state is JobState.INTERRUPTED
    assert "No worker that runs knows later do" in str(ended.outcome.text if ended.outcome else "")
    assert house.events()[-1] == ("job.ended", "error")
    house.desk.tend()
    house.began("add")


def test_an_offer_of_an_unknown_kind_is_shown_can_be_withdrawn_and_is_confirmed_by_nobody(house: House) -> None:
    first, second = house.began("destroy"), house.began("destroy")
    for job in (first, second):
        made_strange(house, job)
    assert "later do of shop?" in str(house.desk.card(house.loaded(first)).title)
    with pytest.raises(Refusal):
        house.desk.challenge(first, SARA)
    house.desk.cancel(first, SARA)
    assert house.loaded(first).state is JobState.CANCELLED
    tended(house, 31 * 60)
    assert house.loaded(second).state is JobState.EXPIRED


def test_an_offer_whose_end_cannot_be_recorded_stays_until_it_can_and_confirms_nothing_meanwhile(house: House) -> None:
    job = house.began("destroy")
    house.clock.advance(16 * 60)
    house.audit.away = True
    with pytest.raises(OutsideError):
        house.desk.tend()
    assert house.loaded(job).state is JobState.OFFERED
    house.audit.away = False
    with pytest.raises(Refusal, match="15 minutes"):
        house.desk.challenge(job, SARA)
    house.desk.tend()
    assert (house.events()[-1], house.loaded(job).state) == (("job.expired", "deny"), JobState.EXPIRED)


def test_a_job_that_no_worker_took_is_recorded_as_failed_when_it_is_given_up(house: House) -> None:
    job = house.began("add")
    house.clock.advance(30 * 60 + 1)
    house.desk.tend()
    assert house.loaded(job).state is JobState.FAILED
    assert house.events()[-1] == ("job.abandoned", "error")
    house.desk.work(job)
    assert house.doing.ran == []


def test_an_offer_that_is_taken_back_while_it_ends_stays_taken_back(house: House) -> None:
    job = house.began("destroy")
    house.clock.advance(16 * 60)
    house.audit.faults.meanwhile("audit.write", 1, lambda: house.desk.cancel(job, SARA))
    house.desk.tend()
    ended = house.loaded(job)
    assert (ended.state, str(ended.outcome and ended.outcome.text)) == (
        JobState.CANCELLED,
        "Cancelled by U0SARA before it began.",
    )


def test_a_job_that_a_worker_takes_while_it_is_given_up_runs_to_its_end(house: House) -> None:
    job = house.began("add")
    house.clock.advance(30 * 60 + 1)
    house.audit.faults.meanwhile("audit.write", 1, lambda: house.new_desk().work(job))
    house.desk.tend()
    assert house.doing.ran == [job]
    assert house.loaded(job).state is JobState.DONE


def test_the_second_who_asks_is_told_who_was_first(house: House) -> None:
    house.began("add")
    assert "U0SARA" in refused(house.ask("add", actor=OMID))


def test_what_has_a_lane_of_its_own_goes_on_beside_the_rest(house: House) -> None:
    add, look = house.began("add"), house.began("look")
    house.desk.work(look)
    house.desk.work(add)
    assert [house.loaded(job).state for job in (add, look)] == [JobState.DONE, JobState.DONE]


def test_in_one_lane_there_is_one_at_a_time(house: House) -> None:
    look = house.began("look")
    assert "One at a time" in refused(house.ask("look"))
    house.desk.work(look)
    house.began("look")


def test_what_has_a_lane_of_its_own_does_not_hold_up_a_confirmation(house: House) -> None:
    job = house.began("destroy")
    house.began("look")
    assert house.approve(job) == Accepted(job)


def test_a_record_that_comes_back_takes_its_own_lane_again(house: House) -> None:
    look = house.loaded(house.began("look"))
    house.state.flush()
    house.jobs.restore(look)
    assert house.jobs.holder(look.target, "look") == look
    house.began("add")
    assert "One at a time" in refused(house.ask("look"))


def test_a_target_is_free_again_when_its_job_has_ended(house: House) -> None:
    house.desk.work(house.began("add"))
    house.began("add")


def test_a_job_runs_once_however_often_it_is_handed_out(house: House) -> None:
    job = house.began("add")
    house.desk.work(job)
    house.desk.work(job)
    house.new_desk().work(job)
    assert house.doing.ran == [job]


def test_without_an_audit_record_nothing_begins(house: House) -> None:
    house.audit.away = True
    with pytest.raises(OutsideError):
        house.ask("add")
    assert house.queue.jobs == []
    assert house.jobs.active() == ()


def test_a_failure_asks_what_is_true(house: House) -> None:
    def broken(work: Work) -> None:
        raise OutsideError(Text("mongodump ended with 1."))

    house.doing.during = broken
    job = house.began("add")
    house.desk.work(job)
    assert [str(reason) for reason in house.doing.recovered] == ["mongodump ended with 1."]
    assert house.loaded(job).state is JobState.FAILED


def test_what_is_true_is_asked_until_it_can_be_known(house: House) -> None:
    def broken(work: Work) -> None:
        raise OutsideError(Text("MongoDB went away."))

    house.doing.during, house.doing.unknown_for = broken, 3
    job = house.began("add")
    house.desk.work(job)
    assert house.loaded(job).state is JobState.FAILED
    assert len(house.doing.recovered) == 1


def die(house: House, job: JobId) -> None:
    """A worker that begins a job and is killed: nothing of it runs any more, its lease runs out."""

    class Killed(BaseException):
        pass

    def killed(work: Work) -> None:
        raise Killed

    house.doing.during = killed
    with pytest.raises(Killed):
        house.desk.work(job)
    house.doing.during = None


def test_a_dead_workers_job_is_looked_at_and_not_repeated(house: House) -> None:
    job = house.began("add")
    die(house, job)
    assert house.loaded(job).state is JobState.RUNNING
    other = house.new_desk()
    house.clock.advance(25)
    other.tend()
    assert house.loaded(job).state is JobState.INTERRUPTED
    assert house.doing.recovered == [None]
    assert house.doing.ran == [job]


def test_a_living_workers_job_is_left_alone(house: House) -> None:
    other, seen = house.new_desk(), []

    def long(work: Work) -> None:
        for _ in range(30):
            house.clock.advance(2)
            house.desk.beat()
            other.tend()
            work.check()
        seen.append(True)

    house.doing.during = long
    job = house.began("add")
    house.desk.work(job)
    assert seen
    assert house.loaded(job).state is JobState.DONE
    assert house.doing.recovered == []


def test_a_worker_that_cannot_renew_its_lease_stops_before_another_takes_over(house: House) -> None:
    def cut_off(work: Work) -> None:
        house.state.away = True
        house.clock.advance(14)
        house.desk.beat()
        work.check()
        house.clock.advance(2)
        house.clock.on_sleep = lambda: setattr(house.state, "away", False)
        house.state.away = False
        work.check()

    house.doing.during = cut_off
    job = house.began("add")
    house.desk.work(job)
    assert "lost touch" in str(house.doing.recovered[0])


def stopped(house: House) -> None:
    """The worker is told to stop in the middle of its next job."""

    def going_down(work: Work) -> None:
        house.desk.stop()
        work.check()

    house.doing.during = going_down


def test_a_stopped_workers_job_of_which_nothing_remains_is_begun_anew_by_another(house: House) -> None:
    stopped(house)
    house.doing.nothing_remains = True
    job = house.began("add")
    house.desk.work(job)
    waiting = house.loaded(job)
    assert (waiting.state, waiting.outcome) == (JobState.QUEUED, None)
    assert [str(note) for note in waiting.notes] == ["Its worker was stopped, so it is begun anew."]
    assert house.queue.jobs == [job, job]
    assert ("job.handed", "unknown") in house.events()
    house.doing.during = None
    house.new_desk().work(job)
    assert house.loaded(job).state is JobState.DONE
    assert house.doing.ran == [job, job]


def test_a_stopped_workers_job_of_which_something_may_remain_ends_and_is_not_repeated(house: House) -> None:
    stopped(house)
    job = house.began("add")
    house.desk.work(job)
    assert house.loaded(job).state is JobState.FAILED
    assert "worker was stopped" in str(house.doing.recovered[0])
    assert house.queue.jobs == [job]


def test_a_stopped_workers_job_that_cannot_be_handed_on_ends_and_says_how_it_is(house: House) -> None:
    def going_down(work: Work) -> None:
        house.desk.stop()
        house.audit.faults.fail("audit.write")
        work.check()

    house.doing.during, house.doing.nothing_remains = going_down, True
    job = house.began("add")
    house.desk.work(job)
    ended = house.loaded(job)
    assert (ended.state, str(ended.outcome and ended.outcome.text)) == (
        JobState.FAILED,
        "Looked, and it is as before.",
    )
    assert house.queue.jobs == [job]
    assert house.events()[-1] == ("job.ended", "error")


def test_what_a_code_confirmed_is_never_begun_anew(house: House) -> None:
    stopped(house)
    house.doing.nothing_remains = True
    job = house.began("destroy")
    house.approve(job)
    house.desk.work(job)
    assert house.loaded(job).state is JobState.FAILED
    assert house.doing.ran == [job]


def test_a_dead_workers_job_is_not_begun_anew_even_when_nothing_remains(house: House) -> None:
    house.doing.nothing_remains = True
    job = house.began("add")
    die(house, job)
    house.clock.advance(25)
    house.new_desk().tend()
    assert house.loaded(job).state is JobState.INTERRUPTED


def test_a_job_that_ran_for_an_hour_and_was_handed_on_is_not_given_up_as_too_old(house: House) -> None:
    stopped(house)
    house.doing.nothing_remains = True
    job = house.began("add")
    house.clock.advance(3600)
    house.desk.work(job)
    house.new_desk().tend()
    assert house.loaded(job).state is JobState.QUEUED


def test_a_worker_that_was_told_to_stop_begins_nothing_more(house: House) -> None:
    job = house.began("add")
    house.desk.stop()
    house.desk.work(job)
    assert house.loaded(job).state is JobState.QUEUED
    assert house.doing.ran == []


def test_a_job_without_a_worker_is_queued_again(house: House) -> None:
    job = house.began("add")
    house.clock.advance(31)
    house.desk.tend()
    assert house.queue.jobs == [job, job]


def test_a_flush_while_a_job_runs_does_not_lose_its_end(house: House) -> None:
    def flushed(work: Work) -> None:
        house.state.flush()
        house.desk.beat()
        work.note(Text("still here"))

    house.doing.during = flushed
    job = house.began("add")
    house.desk.work(job)
    ended = house.loaded(job)
    assert ended.state is JobState.DONE
    assert [str(note) for note in ended.notes] == ["still here"]


def test_a_job_whose_record_was_lost_with_its_worker_is_found_by_what_it_left(house: House) -> None:
    job = house.began("add")
    die(house, job)
    house.doing.begun = (house.loaded(job),)
    house.state.flush()
    house.desk.find_lost()
    house.desk.tend()
    assert house.loaded(job).state is JobState.INTERRUPTED


def test_cancelling_stops_a_running_job(house: House) -> None:
    def long(work: Work) -> None:
        house.desk.cancel(work.job.id, OMID)
        house.desk.beat()
        work.check()

    house.doing.during = long
    job = house.began("add")
    house.desk.work(job)
    assert house.loaded(job).state is JobState.CANCELLED
    assert house.loaded(job).cancelled_by == "U0OMID"


def test_cancelling_a_waiting_job_ends_it_and_frees_the_target(house: House) -> None:
    job = house.began("add")
    house.desk.cancel(job, SARA)
    assert house.loaded(job).state is JobState.CANCELLED
    house.desk.work(job)
    assert house.doing.ran == []
    house.began("add")


def test_after_it_settled_a_job_cannot_be_cancelled(house: House) -> None:
    def settled(work: Work) -> None:
        work.settle()
        with pytest.raises(Refusal, match="too late"):
            house.desk.cancel(work.job.id, SARA)
        house.desk.beat()
        work.check()

    house.doing.during = settled
    job = house.began("add")
    house.desk.work(job)
    assert house.loaded(job).state is JobState.DONE


def test_a_job_somebody_cancelled_does_not_settle(house: House) -> None:
    def late(work: Work) -> None:
        house.desk.cancel(work.job.id, SARA)
        with pytest.raises(Cancelled):
            work.settle()
        raise OutsideError(Text("stopped"))

    house.doing.during = late
    house.desk.work(house.began("add"))
    assert len(house.doing.recovered) == 1


def test_every_change_marks_the_card_dirty(house: House) -> None:
    job = house.began("add")
    dirty = house.state.get(f"dirty:{job}")
    house.desk.work(job)
    after = house.state.get(f"dirty:{job}")
    assert dirty is not None
    assert after is not None
    assert dirty.version != after.version


def test_a_schedule_never_destroys(house: House) -> None:
    answer = house.ask("destroy", actor=someone("U0SARA", Surface.SCHEDULE))
    assert "schedule" in refused(answer)


def test_what_happened_is_in_the_audit_record_in_order(house: House) -> None:
    job = house.began("destroy")
    house.approve(job)
    house.desk.work(job)
    assert house.events() == [
        ("asked", "allow"),
        ("job.offered", "allow"),
        ("challenge.opened", "allow"),
        ("code.accepted", "allow"),
        ("job.started", "allow"),
        ("job.ended", "allow"),
    ]
