"""Who always comes second: nothing happens, they hear why, and nobody waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from handlers.core.door.approval import Decision, Gate
from handlers.core.door.consent import Rejected
from handlers.core.door.records import Jobs
from handlers.core.door.work import Work
from handlers.core.ports import Factor
from handlers.core.words.answers import JobId, PersonId, Surface
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.jobs import JobState
from handlers.core.words.text import Text
from tests.fakes import FakeEntropy, FakeFactors, MemoryState, someone
from tests.handlers.test_approval import House as Gates
from tests.handlers.test_approval import fail
from tests.handlers.test_desk import SARA, House, die


class Losing(MemoryState):
    """Somebody else is always first at keys that begin so; `lets`: the first so many writes of ours go through."""

    first_at = "nothing"
    lets = 0

    def put_if(
        self, key: str, value: bytes, version: str | None, *, seconds: int | None = None, touch: str = ""
    ) -> str | None:
        if key.startswith(self.first_at):
            self.lets -= 1
            if self.lets < 0:
                return None
        return super().put_if(key, value, version, seconds=seconds, touch=touch)


class Marked(FakeFactors):
    """The durable record was always changed by somebody else just now."""

    def mark(
        self, factor: Factor, team: str, *, used: bool, locked: bool, failures: int = 0, floor_step: int = 0
    ) -> Factor | None:
        return None


def gates() -> tuple[Gates, Losing]:
    house = Gates()
    state = Losing(house.clock)
    house.state = state
    house.gate = Gate(state, house.factors, house.clock, FakeEntropy())
    return house, state


@pytest.mark.parametrize("lets", [0, 1], ids=["the first record", "the challenge"])
def test_a_challenge_that_cannot_be_stored_is_not_opened(lets: int) -> None:
    house, state = gates()
    state.first_at, state.lets = "gate:", lets
    with pytest.raises(OutsideError, match="at once"):
        house.gate.open(SARA, "plan")
    assert state.get("gate:U0SARA") is None or lets


def test_a_code_whose_use_cannot_be_stored_is_not_accepted_and_good_afterwards() -> None:
    house, state = gates()
    challenge = house.gate.open(SARA, "plan")
    state.first_at = "gate:"
    with pytest.raises(OutsideError, match="Nothing was approved"):
        house.submit(challenge, house.code())
    state.first_at = "nothing"
    assert house.submit(challenge, house.code()) is Decision.ACCEPTED


def test_who_is_overtaken_while_the_first_record_is_made_goes_on_with_the_other_one() -> None:
    house, state = gates()
    other = Gate(state, house.factors, house.clock, FakeEntropy(2))
    incarnation = state.incarnation

    def overtaken() -> str:
        state.incarnation = incarnation  # type: ignore[method-assign]
        other.open(SARA, "other")
        return incarnation()

    state.incarnation = overtaken  # type: ignore[method-assign]
    challenge = house.gate.open(SARA, "plan")
    assert house.submit(challenge, house.code()) is Decision.ACCEPTED


@pytest.mark.parametrize("used", [False, True], ids=["a first code", "a wrong code"])
def test_what_cannot_be_kept_durably_is_not_judged(used: bool) -> None:
    house = Gates()
    factors = Marked()
    factors.add("U0SARA", used=used)
    gate = Gate(house.state, factors, house.clock, FakeEntropy())
    challenge = gate.open(SARA, "plan")
    house.clock.advance(95)  # codes of before have run out
    with pytest.raises(OutsideError, match="at once"):
        gate.submit(SARA, challenge, "plan", "000000" if used else house.code())


def test_a_lock_that_cannot_be_lifted_stays() -> None:
    house = Gates()
    for _ in range(10):
        fail(house, 1)
        house.clock.advance(3600)
    factors = Marked()
    factors._factors = house.factors._factors
    gate = Gate(house.state, factors, house.clock, FakeEntropy())
    with pytest.raises(OutsideError, match="at once"):
        gate.unlock(SARA.person)
    with pytest.raises(Refusal, match="locked until"):
        house.gate.open(SARA, "plan")


def test_a_challenge_of_before_the_lock_is_answered_with_the_lock() -> None:
    house = Gates()
    for _ in range(9):
        fail(house, 1)
        house.clock.advance(3600)
    first, second = house.gate.open(SARA, "plan"), house.gate.open(SARA, "plan")
    assert house.submit(first, "000000") is Decision.HARD_LOCKED
    assert house.submit(second, house.code()) is Decision.HARD_LOCKED


# -- jobs ------------------------------------------------------------------------------------------------------


@pytest.fixture
def house() -> House:
    found = House()
    found.state = Losing(found.clock)
    found.desk, found.jobs = found.new_desk(), Jobs(found.state)
    return found


def first_at(house: House, prefix: str, lets: int = 0) -> None:
    assert isinstance(house.state, Losing)
    house.state.first_at, house.state.lets = prefix, lets


Touch = Callable[[House, JobId], object]
TOUCHES: dict[str, tuple[str, Touch, str]] = {
    "a change": ("job:", lambda h, job: h.jobs.change(job, lambda each: each.noted(Text("x"))), "changed the same job"),
    "a claim": ("busy:", lambda h, job: h.jobs.claim(h.loaded(job)), "asked for the same target"),
    "a confirmation": ("approved:", lambda h, job: h.jobs.confirm(job, "d", SARA.person), "confirmed the same job"),
    "the same id": ("job:", lambda h, job: h.jobs.create(replace(h.loaded(job), notes=())), "got the same id"),
}


@pytest.mark.parametrize(("prefix", "touch", "why"), TOUCHES.values(), ids=TOUCHES)
def test_who_always_comes_second_at_a_job_hears_so(house: House, prefix: str, touch: Touch, why: str) -> None:
    job = house.began("destroy")
    before = house.loaded(job)
    first_at(house, prefix)
    with pytest.raises(OutsideError, match=why):
        touch(house, job)
    assert house.loaded(job) == before
    assert house.jobs.confirmed(job, "d") == ()


def test_a_card_that_cannot_be_marked_is_marked_by_whoever_is_always_first(house: House) -> None:
    first_at(house, "dirty:")
    job = house.began("add")
    house.desk.work(job)
    assert house.loaded(job).state is JobState.DONE


def test_one_code_confirms_once(house: House) -> None:
    job = house.began("destroy")
    assert house.jobs.confirm(job, "d", SARA.person) == (SARA.person,)
    with pytest.raises(Refusal, match="confirmed this already"):
        house.jobs.confirm(job, "d", SARA.person)
    assert house.jobs.confirm(job, "d", PersonId("U0OMID")) == (SARA.person, "U0OMID")
    assert house.jobs.confirm(job, "e", SARA.person) == (SARA.person,)


def test_a_job_that_does_not_exist_is_not_changed(house: House) -> None:
    assert house.jobs.change(JobId("none"), lambda each: each) is None
    with pytest.raises(Refusal, match="already ended"):
        house.desk.cancel(JobId("none"), SARA)


# -- work ------------------------------------------------------------------------------------------------------


def test_whose_job_was_cancelled_between_the_lease_and_the_beginning_runs_nothing(house: House) -> None:
    job, put = house.began("add"), house.state.put_if

    def overtaken(key: str, value: bytes, version: str | None, **more: object) -> str | None:
        taken = put(key, value, version, **more)  # type: ignore[arg-type]
        if key == f"lease:{job}":
            house.state.put_if = put  # type: ignore[method-assign]
            house.desk.cancel(job, SARA)
        return taken

    house.state.put_if = overtaken  # type: ignore[method-assign]
    house.desk.work(job)
    assert house.doing.ran == []
    assert house.loaded(job).state is JobState.CANCELLED
    assert house.state.get(f"lease:{job}") is None


def test_a_worker_that_stops_ends_what_runs_at_its_next_check(house: House) -> None:
    def long(work: Work) -> None:
        house.desk.stop()
        work.check()

    house.doing.during = long
    job = house.began("add")
    house.desk.work(job)
    assert str(house.doing.recovered[0]) == "Its worker was stopped."


def test_a_job_that_is_handed_to_a_worker_which_stops_is_in_the_queue_again(house: House) -> None:
    job = house.began("add")
    house.queue.jobs.clear()
    house.desk.stop()
    house.desk.work(job)
    assert (house.queue.jobs, house.loaded(job).state, house.doing.ran) == ([job], JobState.QUEUED, [])
    house.desk.work(JobId("unknown"))
    assert house.queue.jobs == [job]


def test_what_is_true_is_asked_for_a_quarter_of_an_hour_and_then_left_to_the_next_worker(house: House) -> None:
    def broken(work: Work) -> None:
        raise OutsideError(Text("MongoDB went away."))

    house.doing.during, house.doing.unknown_for = broken, 1000
    job = house.began("add")
    with pytest.raises(OutsideError, match=r"could not be found out yet: MongoDB went away\."):
        house.desk.work(job)
    assert house.loaded(job).state is JobState.RUNNING
    assert house.doing.unknown_for == 910
    house.doing.unknown_for = 1
    house.desk.tend()
    assert house.loaded(job).state is JobState.RUNNING, "not known yet: the next round looks again"
    house.desk.tend()
    assert house.loaded(job).state is JobState.INTERRUPTED


def test_a_lease_that_somebody_else_has_by_now_is_not_taken_back(house: House) -> None:
    seen = []

    def paused(work: Work) -> None:
        house.clock.advance(25)
        assert house.new_desk()._shift.adopt(work.job.id)
        house.desk.beat()
        with pytest.raises(OutsideError, match="lost touch"):
            work.check()
        seen.append(True)

    house.doing.during = paused
    house.desk.work(house.began("add"))
    assert seen


def test_who_finds_its_job_ended_by_another_stops(house: House) -> None:
    def ended(work: Work) -> None:
        other = house.new_desk()
        house.state.flush()
        house.doing.begun = (replace(work.job, state=JobState.RUNNING),)
        other.find_lost()
        other.tend()
        assert house.loaded(work.job.id).state is JobState.INTERRUPTED
        house.clock.advance(25)
        house.desk.beat()
        work.check()

    house.doing.during = ended
    job = house.began("add")
    house.desk.work(job)
    assert "lost touch" in str(house.doing.recovered[-1])
    assert house.loaded(job).state is JobState.INTERRUPTED


def test_what_has_no_record_any_more_does_not_settle(house: House) -> None:
    def settled(work: Work) -> None:
        house.state.flush()
        work.settle()

    house.doing.during = settled
    house.desk.work(house.began("add"))
    assert str(house.doing.recovered[0]) == "The record of this job is gone."


def test_an_end_is_stored_when_the_state_is_back_after_a_while(house: House) -> None:
    slept = []

    def back() -> None:
        slept.append(1)
        house.state.away = len(slept) < 120

    def gone(work: Work) -> None:
        house.state.away = True
        house.clock.on_sleep = back

    house.doing.during = gone
    job = house.began("add")
    with pytest.raises(OutsideError):
        house.desk.work(job)
    assert len(slept) == 119


def test_a_job_of_the_terminal_is_not_queued_for_a_worker(house: House) -> None:
    job = house.began("add", actor=someone("U0SARA", Surface.TERMINAL))
    assert house.queue.jobs == []
    house.desk.work(job)
    assert house.loaded(job).state is JobState.DONE


def test_a_dead_workers_job_is_adopted_by_one_worker(house: House) -> None:
    job = house.began("add")
    die(house, job)
    house.clock.advance(25)
    house.new_desk().tend()
    house.new_desk().tend()
    assert house.doing.recovered == [None]


def test_a_code_that_looks_like_one_among_the_words_is_refused_where_it_was_typed(house: House) -> None:
    answer = house.ask("123456")
    assert "looks like a code" in str(getattr(answer, "card").title)  # noqa: B009


def test_what_was_decided_while_a_code_was_typed_is_said(house: House) -> None:
    job = house.began("destroy")
    challenge = house.desk.challenge(job, SARA).id
    house.desk.cancel(job, SARA)
    answer = house.desk.approve(challenge, SARA, house.code())
    assert isinstance(answer, Rejected)
    assert not answer.again
    assert "already decided" in str(answer.text)
