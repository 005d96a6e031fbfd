"""The gate's rules: one person, one plan, one code, once."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.door.approval import (
    CHALLENGE_SECONDS,
    QUARANTINE_SECONDS,
    Decision,
    Gate,
    Open,
    Record,
    Submission,
    decide,
)
from handlers.core.words.errors import Damage, OutsideError, Refusal
from tests.fakes import FakeClock, FakeEntropy, FakeFactors, Faults, MemoryState, someone

SARA, OMID = someone("U0SARA"), someone("U0OMID")


class House:
    """A gate and what stands around it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.state = MemoryState(self.clock)
        self.factors = FakeFactors()
        self.factors.add("U0SARA")
        self.gate = Gate(self.state, self.factors, self.clock, FakeEntropy())

    @property
    def step(self) -> int:
        return int(self.clock.now().timestamp()) // 30

    def code(self, back: int = 0) -> str:
        return self.factors.code("U0SARA", self.step - back)

    def submit(self, challenge: str, code: str, digest: str = "plan") -> Decision:
        return self.gate.submit(SARA, challenge, digest, code)[0]


@pytest.fixture
def house() -> House:
    return House()


def test_the_right_code_is_accepted_once(house: House) -> None:
    challenge = house.gate.open(SARA, "plan")
    assert house.submit(challenge, house.code()) is Decision.ACCEPTED
    assert house.submit(challenge, house.code()) is Decision.SPENT


def test_a_code_is_spent_for_every_other_challenge_too(house: House) -> None:
    first, second = house.gate.open(SARA, "plan"), house.gate.open(SARA, "other")
    assert house.submit(first, house.code()) is Decision.ACCEPTED
    assert house.submit(second, house.code(), "other") is Decision.REPLAYED
    house.clock.advance(30)
    assert house.submit(second, house.code(), "other") is Decision.ACCEPTED


def test_a_code_older_than_the_last_spent_one_is_spent(house: House) -> None:
    first, second = house.gate.open(SARA, "plan"), house.gate.open(SARA, "other")
    assert house.submit(first, house.code()) is Decision.ACCEPTED
    assert house.submit(second, house.code(back=1), "other") is Decision.SPENT


def test_the_code_of_the_step_before_is_accepted_and_the_one_before_that_is_not(house: House) -> None:
    challenge = house.gate.open(SARA, "plan")
    assert house.submit(challenge, house.code(back=2)) is Decision.WRONG
    assert house.submit(challenge, house.code(back=1)) is Decision.ACCEPTED


def test_the_code_of_the_next_step_is_wrong(house: House) -> None:
    challenge = house.gate.open(SARA, "plan")
    assert house.submit(challenge, house.code(back=-1)) is Decision.WRONG


def test_a_code_confirms_only_the_plan_it_was_asked_for(house: House) -> None:
    challenge = house.gate.open(SARA, "plan")
    assert house.submit(challenge, house.code(), "another plan") is Decision.UNKNOWN
    assert house.submit(challenge, house.code()) is Decision.ACCEPTED


def test_another_person_cannot_answer_and_costs_no_try(house: House) -> None:
    house.factors.add("U0OMID")
    challenge = house.gate.open(SARA, "plan")
    code = house.factors.code("U0OMID", house.step)
    for _ in range(5):
        assert house.gate.submit(OMID, challenge, "plan", code)[0] is Decision.UNKNOWN
    assert house.submit(challenge, house.code()) is Decision.ACCEPTED


def test_who_is_not_enrolled_gets_no_challenge(house: House) -> None:
    with pytest.raises(Refusal):
        house.gate.open(OMID, "plan")


def test_a_challenge_ends_after_two_minutes(house: House) -> None:
    challenge = house.gate.open(SARA, "plan")
    house.clock.advance(CHALLENGE_SECONDS - 1)
    late = house.gate.open(SARA, "plan")
    house.clock.advance(1)
    assert house.submit(challenge, house.code()) is Decision.EXPIRED
    assert house.submit(late, house.code()) is Decision.ACCEPTED


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "12345a", "\uff11\uff12\uff13\uff14\uff15\uff16", "١٢٣٤٥٦", "123456\n"]
)
def test_what_is_not_six_ascii_digits_costs_no_try(house: House, typed: str) -> None:
    challenge = house.gate.open(SARA, "plan")
    for _ in range(5):
        assert house.submit(challenge, typed) is Decision.MALFORMED
    assert house.submit(challenge, house.code()) is Decision.ACCEPTED


def test_spaces_and_hyphens_in_a_code_are_forgiven(house: House) -> None:
    challenge = house.gate.open(SARA, "plan")
    code = house.code()
    assert house.submit(challenge, f" {code[:3]}-{code[3:]} ") is Decision.ACCEPTED


def wrong(house: House) -> str:
    return f"{(int(house.code()) + 1) % 1_000_000:06d}"


def test_three_wrong_codes_kill_a_challenge(house: House) -> None:
    challenge = house.gate.open(SARA, "plan")
    assert [house.submit(challenge, wrong(house)) for _ in range(3)] == [Decision.WRONG, Decision.WRONG, Decision.DEAD]
    assert house.submit(challenge, house.code()) is Decision.DEAD


def fail(house: House, times: int) -> Decision:
    decision = Decision.UNKNOWN
    for _ in range(times):
        decision = house.submit(house.gate.open(SARA, "plan"), wrong(house))
    return decision


def test_five_wrong_codes_in_a_row_lock_for_a_quarter_of_an_hour(house: House) -> None:
    assert fail(house, 4) is Decision.WRONG
    challenge, spare = house.gate.open(SARA, "plan"), house.gate.open(SARA, "plan")
    assert house.submit(challenge, wrong(house)) is Decision.LOCKED
    assert house.submit(spare, house.code()) is Decision.LOCKED
    with pytest.raises(Refusal):
        house.gate.open(SARA, "plan")
    house.clock.advance(15 * 60)
    assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.ACCEPTED


def test_a_right_code_forgets_the_wrong_ones_before(house: House) -> None:
    fail(house, 4)
    assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.ACCEPTED
    house.clock.advance(60)
    assert fail(house, 4) is Decision.WRONG


def test_ten_wrong_codes_in_a_row_lock_beyond_the_loss_of_the_state(house: House) -> None:
    for _ in range(10):
        fail(house, 1)
        house.clock.advance(3600)
    with pytest.raises(Refusal):
        house.gate.open(SARA, "plan")
    house.state.flush()
    house.clock.advance(3600)
    with pytest.raises(Refusal):
        house.gate.open(SARA, "plan")


def test_enrolling_anew_lifts_the_lock_of_ten_wrong_codes(house: House) -> None:
    for _ in range(10):
        fail(house, 1)
        house.clock.advance(3600)
    house.factors.add("U0SARA", floor_step=house.step - 1, used=True)
    assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.ACCEPTED


def test_enrolling_anew_forgets_every_wrong_code(house: House) -> None:
    fail(house, 4)
    house.factors.add("U0SARA", floor_step=house.step - 1, used=True)
    house.clock.advance(60)
    for number in range(4):
        assert house.submit(house.gate.open(SARA, "plan"), f"00000{number}") is Decision.WRONG
    assert house.submit(house.gate.open(SARA, "plan"), "000009") is Decision.LOCKED


@pytest.mark.parametrize(
    ("failures", "minutes"), [(1, 0), (4, 0), (5, 15), (6, 15), (7, 15), (8, 60), (9, 60), (10, 0)], ids=str
)
def test_how_long_so_many_wrong_codes_in_a_row_lock(failures: int, minutes: int) -> None:
    now = 1_000_000
    record = Record("life", failures=failures - 1, challenges={"c": Open("plan", now + 60)})
    after, decision = decide(record, Submission("c", "plan", None), floor_step=0, now=now)
    assert after.failures == failures
    assert after.locked_until == (now + minutes * 60 if minutes else 0)
    expected = Decision.HARD_LOCKED if failures == 10 else Decision.LOCKED if minutes else Decision.WRONG
    assert decision is expected


def test_a_challenge_lives_for_two_minutes_to_the_second(house: House) -> None:
    first, second = house.gate.open(SARA, "plan"), house.gate.open(SARA, "plan")
    house.clock.advance(119)
    assert house.submit(first, "000000") is Decision.WRONG
    house.clock.advance(1)
    assert house.submit(second, house.code()) is Decision.EXPIRED


def test_a_right_code_clears_what_was_counted() -> None:
    now = 1_000_000
    record = Record("life", failures=5, locked_until=now - 1, challenges={"c": Open("plan", now + 60)})
    after, decision = decide(record, Submission("c", "plan", 7), floor_step=6, now=now)
    assert decision is Decision.ACCEPTED
    assert (after.failures, after.locked_until, after.last_step) == (0, 0, 7)
    assert after.challenges["c"].state == "confirmed"


def test_an_older_enrolment_lifts_nothing(house: House) -> None:
    house.factors.add("U0SARA", floor_step=house.step - 10)
    fail(house, 4)
    house.factors.add("U0SARA", floor_step=house.step - 20)
    assert house.submit(house.gate.open(SARA, "plan"), "000000") is Decision.LOCKED


@pytest.mark.parametrize("stored", [b"not JSON", b"[]", b"{}", b'{"challenges": 1}', b'{"challenges": {"a": 1}}'])
def test_a_record_that_cannot_be_read_is_damage_and_accepts_nothing(stored: bytes) -> None:
    with pytest.raises(Damage):
        Record.from_bytes(stored)


def test_a_challenge_cannot_be_guessed(house: House) -> None:
    assert len(house.gate.open(SARA, "plan")) >= 20, "a hundred bits"


def test_losing_the_state_gives_nobody_more_guesses(house: House) -> None:
    for _ in range(10):
        fail(house, 1)
        house.state.flush()
        house.clock.advance(3600)
    with pytest.raises(Refusal, match="locked until"):
        house.gate.open(SARA, "plan")


def test_a_right_code_forgets_the_durable_count_too(house: House) -> None:
    fail(house, 4)
    assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.ACCEPTED
    house.state.flush()
    house.gate.open(SARA, "plan")  # the wait for old codes begins when somebody asks
    house.clock.advance(120)
    assert fail(house, 4) is Decision.WRONG


@pytest.mark.parametrize("losses", [0, 12, 400], ids=["redis holds", "lost each month", "lost more than daily"])
def test_a_stolen_session_that_guesses_for_a_year_gets_ten_codes_judged(house: House, losses: int) -> None:
    """Every quarter of an hour of a year, whatever the gate lets through; nobody unlocks."""
    judged, every, year = 0, 900, 365 * 86_400
    for moment in range(0, year, every):
        house.clock.advance(every)
        if losses and moment // every % (year // every // losses) == 0:
            house.state.flush()
        try:
            challenge = house.gate.open(SARA, "plan")
        except Refusal:
            continue
        for _ in range(4):
            decision = house.submit(challenge, wrong(house))
            judged += decision in {Decision.WRONG, Decision.DEAD, Decision.LOCKED, Decision.HARD_LOCKED}
            if decision is not Decision.WRONG:
                break
    assert judged <= 10


def hard_locked(house: House) -> None:
    for _ in range(10):
        fail(house, 1)
        house.clock.advance(3600)


def test_an_unlocked_factor_accepts_the_next_code_and_no_older_one(house: House) -> None:
    hard_locked(house)
    code = house.code()
    assert house.gate.unlock(SARA.person)
    assert house.submit(house.gate.open(SARA, "plan"), code) is Decision.SPENT
    house.clock.advance(30)
    assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.ACCEPTED


def test_an_unlocked_factor_is_locked_again_by_ten_more_wrong_codes(house: House) -> None:
    hard_locked(house)
    house.gate.unlock(SARA.person)
    house.clock.advance(60)
    hard_locked(house)
    with pytest.raises(Refusal, match="locked until"):
        house.gate.open(SARA, "plan")


def test_what_is_not_locked_is_not_unlocked(house: House) -> None:
    fail(house, 4)
    assert not house.gate.unlock(SARA.person)
    assert not house.gate.unlock(OMID.person)


def test_no_state_means_no_approval(house: House) -> None:
    challenge = house.gate.open(SARA, "plan")
    house.state.away = True
    with pytest.raises(OutsideError):
        house.submit(challenge, house.code())


@pytest.mark.parametrize("loss", ["flush", "restart"])
def test_after_the_state_may_have_been_lost_a_used_factor_waits_until_old_codes_have_run_out(
    house: House, loss: str
) -> None:
    challenge = house.gate.open(SARA, "plan")
    code = house.code()
    assert house.submit(challenge, code) is Decision.ACCEPTED
    getattr(house.state, loss)()
    again = house.gate.open(SARA, "plan")
    assert house.submit(again, code) is not Decision.ACCEPTED
    house.clock.advance(30)
    assert house.submit(again, house.code()) is Decision.WAIT
    house.clock.advance(QUARANTINE_SECONDS - 30)
    assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.ACCEPTED


@pytest.mark.parametrize("lives", [1, 8], ids=["a life that sorts after", "a life that sorts before"])
def test_another_life_is_another_life_whatever_its_name(house: House, lives: int) -> None:
    for _ in range(lives):
        house.state.restart()
    assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.ACCEPTED
    house.state.restart()
    house.clock.advance(60)
    assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.WAIT


def test_a_factor_never_used_does_not_wait_after_the_state_was_lost(house: House) -> None:
    house.state.flush()
    assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.ACCEPTED


def test_codes_up_to_the_enrolment_are_spent(house: House) -> None:
    house.factors.add("U0SARA", floor_step=house.step)
    assert house.submit(house.gate.open(SARA, "plan"), house.code()) is Decision.SPENT


def test_many_who_type_the_same_code_at_once_get_one_yes(house: House) -> None:
    challenges = [house.gate.open(SARA, "plan") for _ in range(3)]
    code, decisions = house.code(), []
    barrier = threading.Barrier(24)

    def submit(number: int) -> None:
        barrier.wait()
        decisions.append(house.submit(challenges[number % 3], code))

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert decisions.count(Decision.ACCEPTED) == 1
    assert set(decisions) == {Decision.ACCEPTED, Decision.SPENT, Decision.REPLAYED}


steps = st.one_of(st.none(), st.integers(0, 12))


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "none"]), st.sampled_from(["p", "q"]), steps, st.integers(0, 50)),
        max_size=40,
    )
)
def test_no_sequence_accepts_a_step_twice_or_an_earlier_one(
    sequence: list[tuple[str, str, int | None, int]],
) -> None:
    record = Record("life", challenges={"a": Open("p", 400), "b": Open("q", 400)})
    accepted: list[int] = []
    now = 0
    for challenge, digest, step, later in sequence:
        now += later
        before = record
        record, decision = decide(record, Submission(challenge, digest, step), floor_step=2, now=now)
        assert record.last_step >= before.last_step
        if decision is Decision.ACCEPTED:
            assert step is not None
            assert step > max([2, *accepted])
            assert digest == {"a": "p", "b": "q"}[challenge]
            accepted.append(step)
        if decision is Decision.UNKNOWN:
            assert record is before
    assert len(accepted) <= 2
    assert Record.from_bytes(record.to_bytes()) == record


def test_ten_wrong_codes_lock_also_when_that_could_not_be_kept_beside_the_backups() -> None:
    house = House()
    faults = Faults()
    house.factors = FakeFactors(faults)
    house.factors.add("U0SARA")
    house.gate = Gate(house.state, house.factors, house.clock, FakeEntropy())
    for _ in range(9):
        fail(house, 1)
        house.clock.advance(3601)
    last, spare = house.gate.open(SARA, "plan"), house.gate.open(SARA, "plan")
    faults.fail("factors.mark")
    with pytest.raises(OutsideError):
        house.submit(last, wrong(house))
    house.clock.advance(61)
    with pytest.raises(Refusal, match="locked until somebody else unlocks it"):
        house.gate.open(SARA, "plan")
    assert house.submit(spare, house.code()) is Decision.HARD_LOCKED
    factor = house.factors.get(SARA.person, "workspace")
    assert factor is not None
    assert factor.locked, "it is kept there as soon as it can be"
