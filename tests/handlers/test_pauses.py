"""A rotation that rests, through the desk: wherever it does, nobody is locked out, and it can go on or back."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from handlers.core.door.desk import Began
from handlers.core.rotation.rotation_journals import unclosed
from handlers.core.rotation.rotation_plans import past
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job, JobState
from tests.fakes import Faults, Killed
from tests.handlers.test_rotations import FIRST, SARA, House, reminded, state_of, text_of

NAMES = ("jwt", "mongo", "s3", "api-key")
DAY = 86_400


@cache
def records(name: str) -> int:
    """How often a rotation writes into its journal."""
    house = House()
    job = house.queued(name)
    before = house.faults.calls.count("store.put_new")
    house.desk.work(job)
    return house.faults.calls.count("store.put_new") - before


MOMENTS = [pytest.param(name, nth, id=f"{name}-{nth}") for name in NAMES for nth in range(1, records(name) + 1)]


def seen_by_programs(house: House, name: str) -> None:
    """What must be true at any time, for a secret of which two values are accepted."""
    app = house.apps[name]
    if name == "jwt":
        assert all(app.lets_in(app.session(replica)) for replica in range(2))
    if name == "api-key":
        assert len(set(app.values)) == 1


@pytest.mark.parametrize(("name", "nth"), MOMENTS)
def test_a_rotation_that_was_paused_anywhere_goes_on_to_the_same_end(name: str, nth: int) -> None:
    house = House()
    session = house.apps["jwt"].session()
    job = house.paused(name, "store.put_new", nth)
    if job.state is not JobState.PAUSED:
        assert state_of(job) == "soaking"  # it was too late
        return
    seen_by_programs(house, name)
    house.clock.advance(3 * DAY)
    house.desk = house.new_desk()
    ended = house.done(name, "continue")
    assert (ended.state, state_of(ended)) == (JobState.DONE, "soaking"), text_of(house.desk.card(ended))
    assert house.secrets.seen(name) != FIRST[name]
    assert set(house.apps[name].values) == {house.secrets.seen(name)}
    assert len(house.secrets.versions(name)) == (3 if name == "jwt" else 2)
    assert house.secrets.look(name).pending is None
    assert house.apps["jwt"].lets_in(session)
    assert unclosed(house.artifacts) == ()
    assert len(house.keys.keys) == (2 if name == "s3" else 1)


@pytest.mark.parametrize(("name", "nth"), MOMENTS)
def test_a_rotation_that_was_paused_anywhere_goes_back_and_nobody_is_logged_out(name: str, nth: int) -> None:
    house = House()
    app = house.apps["jwt"]
    session = app.session()
    if house.paused(name, "store.put_new", nth).state is not JobState.PAUSED:
        return
    between = app.session()
    ended = house.done(name, "rollback")
    assert ended.state is JobState.DONE
    assert state_of(ended) in {"aborted", "rolled_back"}, text_of(house.desk.card(ended))
    assert set(house.apps[name].values) == {house.secrets.seen(name)}
    if name == "jwt":
        assert house.ring().active == "k-first"
    else:
        assert house.secrets.seen(name) == FIRST[name]
    assert app.lets_in(session)
    assert app.lets_in(between)
    assert house.secrets.look(name).pending is None
    assert unclosed(house.artifacts) == ()
    assert not any(house.keys.deleted.values())
    assert state_of(house.done(name)) == "soaking"


def rests(house: House, name: str = "jwt") -> Job:
    return house.paused(name, "app.roll_out", 1)


def test_the_card_of_a_paused_rotation_says_so_and_has_both_ways_on_it() -> None:
    house = House()
    card = house.desk.card(rests(house))
    said = text_of(card)
    assert str(card.title) == "Rotation of jwt: paused"
    assert "It rests before this step: Proving it from the user's side (both keys accepted)" in said
    assert "Both values are accepted for as long as it rests" in said
    assert "the overlap of 30 days begins when the rest of it is done" in said
    assert [(each.action, each.value) for each in card.buttons] == [
        ("rotate_pick", "jwt continue"),
        ("rotate_pick", "jwt rollback"),
    ]


def test_a_running_rotation_has_a_button_to_pause_it_and_an_emergency_has_none() -> None:
    for words, wanted in ((("jwt",), ["jwt pause"]), (("jwt", "now!"), [])):
        house = House()
        job = house.queued(*words)
        seen: list[str] = []

        def look(house: House = house, job: object = job, seen: list[str] = seen) -> None:
            buttons = house.desk.card(house.job(job)).buttons  # type: ignore[arg-type]
            seen.extend(each.value for each in buttons if each.action == "rotate_pick")

        house.faults.meanwhile("app.roll_out", 1, look)
        house.desk.work(job)
        assert seen == wanted


def test_going_on_and_back_need_a_code_and_pausing_does_not() -> None:
    house = House()
    rests(house)
    for words in ("continue", "rollback"):
        answer = house.ask("jwt", words)
        assert isinstance(answer, Began)
        assert house.job(answer.job).state is JobState.OFFERED
    assert any(each.event == "rotate.pause" for each in house.audit.events)


def test_the_overlap_begins_when_the_rest_is_done() -> None:
    house = House()
    rests(house)
    house.clock.advance(40 * DAY)
    house.done("jwt", "continue")
    assert "would log people out" in house.said("jwt", "retire")
    house.clock.advance(31 * DAY)
    assert state_of(house.done("jwt", "retire")) == "retired"


def test_a_paused_rotation_is_reminded_of_and_never_counts_as_done() -> None:
    house = House()
    rests(house)
    assert reminded(house) == ["The rotation of jwt is paused"]
    assert "its rotation has been paused" in house.said("due")
    assert past(house.artifacts, "jwt").turned is None
    house.done("jwt", "continue")
    assert reminded(house) == ["jwt was looked after"]


def test_a_paused_rotation_outlives_the_state_and_every_process() -> None:
    house = House()
    job = rests(house)
    house.state.flush()
    house.desk = house.new_desk()
    found = house.rescued(job.id)
    assert found.state is JobState.PAUSED
    assert "It rests before this step" in text_of(house.desk.card(found))
    house.factors.add("U0SARA")
    assert state_of(house.done("jwt", "continue")) == "soaking"


def test_the_job_that_took_it_up_is_the_one_that_is_rescued() -> None:
    house = House()
    paused = rests(house)
    job = house.queued("jwt", "continue")
    house.faults.kill("secrets.stage")
    with pytest.raises(Killed):
        house.desk.work(job)
    house.faults.revive()
    house.state.flush()
    ended = house.rescued(job)
    assert ended.state.final
    assert state_of(ended) in {"soaking", "rolled_back"}
    assert house.desk.load(paused.id) is None


def test_once_somebody_went_back_nobody_goes_forward_again() -> None:
    house = House()
    rests(house)
    job = house.queued("jwt", "rollback")
    house.faults.kill("secrets.promote", after=True)
    with pytest.raises(Killed):
        house.desk.work(job)
    ended = house.rescued(job)
    assert state_of(ended) == "rolled_back"
    assert house.secrets.seen("jwt") == FIRST["jwt"]


def test_while_it_rests_nothing_else_is_begun_and_the_answer_says_what_can_be_done() -> None:
    house = House()
    rests(house)
    for words in ((), ("now!",), ("pause",)):
        assert "`/rotate jwt continue` goes on with it" in house.said("jwt", *words)
    for words in (("continue",), ("pause",)):
        assert house.said("api-key", *words).startswith("No rotation of api-key is")


def test_two_who_go_on_and_back_at_once_do_one_of_it() -> None:
    house = House()
    rests(house)
    house.queued("jwt", "continue")
    house.clock.advance(60)
    answer = house.ask("jwt", "rollback")
    assert isinstance(answer, Began)
    with pytest.raises(Refusal, match="One at a time"):
        house.desk.challenge(answer.job, house.job(answer.job).plan.actor)


def test_what_somebody_put_there_by_hand_while_it_rested_is_not_touched() -> None:
    house = House()
    rests(house, "mongo")
    house.secrets.put("mongo", b"by hand")
    for words in ("continue", "rollback"):
        assert "Somebody changed mongo by hand" in house.said("mongo", words)
    assert house.secrets.seen("mongo") == b"by hand"


def test_a_changed_entry_is_put_back_before_it_goes_on() -> None:
    house = House()
    rests(house)
    secret = house.managed.secrets["jwt"]
    house.managed.secrets["jwt"] = replace(secret, place="other")  # type: ignore[index]
    assert "was changed while its rotation was paused" in house.said("jwt", "continue")
    house.managed.secrets["jwt"] = secret  # type: ignore[index]
    assert state_of(house.done("jwt", "continue")) == "soaking"


def test_it_can_rest_more_than_once() -> None:
    house = House(Faults())
    rests(house)
    job = house.queued("jwt", "continue")
    house.faults.meanwhile("secrets.promote", 1, lambda: house.pause("jwt"))
    house.desk.work(job)
    again = house.job(job)
    assert again.state is JobState.PAUSED
    assert [each.value for each in house.desk.card(again).buttons] == ["jwt continue", "jwt rollback"]
    assert state_of(house.done("jwt", "continue")) == "soaking"


@pytest.mark.parametrize("call", ["secrets.promote", "app.roll_out"])
def test_a_secret_of_which_one_value_works_does_not_rest_between_the_two(call: str) -> None:
    house = House()
    job = house.queued("api-key")
    said: list[str] = []
    house.faults.meanwhile(call, 1, lambda: said.append(house.said("api-key", "pause")))
    house.desk.work(job)
    assert "too late to pause" in said[0]
    assert state_of(house.job(job)) == "soaking"


def test_a_paused_rotation_whose_entry_was_taken_out_holds_up_nobody() -> None:
    house = House()
    job = rests(house)
    house.state.flush()
    del house.managed.secrets["jwt"]  # type: ignore[attr-defined]
    assert house.rescued(job.id).state is JobState.PAUSED


def test_a_dead_workers_rotation_waits_for_its_entry_and_holds_up_nobody_else() -> None:
    house = House()
    job = house.queued("jwt")
    house.faults.kill("secrets.promote", after=True)
    with pytest.raises(Killed):
        house.desk.work(job)
    secret = house.managed.secrets["jwt"]
    house.managed.secrets["jwt"] = replace(secret, place="other")  # type: ignore[index]
    assert house.rescued(job).state is JobState.RUNNING
    assert state_of(house.done("api-key")) == "soaking"
    house.managed.secrets["jwt"] = secret  # type: ignore[index]
    assert state_of(house.rescued(job)) == "soaking"


@pytest.mark.parametrize("words", ["continue", "rollback"])
def test_what_is_taken_up_after_somebody_may_have_seen_the_new_value_cannot_be_cancelled(words: str) -> None:
    """The question of that button says that nothing has been changed yet."""
    house = House()
    rests(house)
    job = house.queued("jwt", words)
    seen: list[bool] = []
    house.faults.meanwhile("store.put_new", 1, lambda: seen.append(house.job(job).settled))
    house.desk.work(job)
    assert seen == [True]


def re_encrypting() -> tuple[House, Job]:
    """A rotation of a key of data, paused after its first batch."""
    house = House()
    return house, house.paused("data", "app.reencrypt", 1)


def test_a_re_encryption_rests_between_two_batches_and_goes_on_with_what_is_left() -> None:
    house, job = re_encrypting()
    app = house.apps["data"]
    assert job.state is JobState.PAUSED
    assert app.data is not None
    assert len(set(app.data.values())) == 2
    assert app.readable()
    house.clock.advance(30 * DAY)
    ended = house.done("data", "continue")
    assert (state_of(ended), ended.outcome and ended.outcome.facts["left"]) == ("soaking", 0)
    assert set(app.data.values()) == {house.ring("data").active}
    assert unclosed(house.artifacts) == ()
    with pytest.raises(AssertionError, match="on its way"):  # the overlap began when it went on
        house.queued("data", "retire")


def test_a_re_encryption_that_rests_can_go_back_and_everything_stays_readable() -> None:
    house, _ = re_encrypting()
    ended = house.done("data", "rollback")
    assert (ended.state, state_of(ended)) == (JobState.DONE, "rolled_back"), text_of(house.desk.card(ended))
    ring, app = house.ring("data"), house.apps["data"]
    assert ring.active == "k-first"
    assert app.data is not None
    assert set(app.data.values()) <= ring.keys.keys()
    assert app.readable()
    assert past(house.artifacts, "data").paused == ""


@pytest.mark.parametrize("words", [("data", "retire"), ("data", "reencrypt"), ("data",)])
def test_while_a_rotation_of_a_key_of_data_rests_nothing_else_begins(words: tuple[str, ...]) -> None:
    """Not even the end of the one before it, whose key the resting one may still need."""
    house = House()
    house.done("data")
    house.clock.advance(3 * DAY)
    assert house.paused("data", "app.roll_out", 1).state is JobState.PAUSED
    keys = house.ring("data").keys
    assert "is paused" in house.said(*words)
    assert house.ring("data").keys == keys
    assert state_of(house.done("data", "continue")) == "soaking"
    assert house.apps["data"].readable()


def test_a_plan_of_before_the_pause_is_refused_when_it_is_confirmed_afterwards() -> None:
    house = House()
    shown = house.ask("data")
    assert isinstance(shown, Began)
    assert house.paused("data", "secrets.stage", 1).state is JobState.PAUSED
    house.clock.advance(60)
    challenge = house.desk.challenge(shown.job, SARA)
    house.desk.approve(challenge.id, SARA, house.factors.code("U0SARA", int(house.clock.now().timestamp()) // 30))
    house.desk.work(shown.job)
    assert "is paused" in text_of(house.desk.card(house.job(shown.job)))
    assert state_of(house.done("data", "continue")) == "soaking"


def test_a_re_encryption_of_its_own_is_cancelled_and_not_paused() -> None:
    house = House()
    house.done("data")
    app = house.apps["data"]
    app.data = {f"{number:02}": "k-first" for number in range(8)}
    job = house.queued("data", "reencrypt")
    said: list[str] = []
    house.faults.meanwhile("app.reencrypt", 1, lambda: said.append(house.said("data", "pause")))
    house.desk.work(job)
    assert "cancel it on its card" in said[0]
    assert state_of(house.job(job)) == "reencrypted"


def test_a_pause_that_comes_after_the_end_is_not_one() -> None:
    house, asked = House(), list[Began]()

    def ask() -> None:
        answer = house.ask("jwt", "pause")
        assert isinstance(answer, Began)
        asked.append(answer)

    job = house.queued("jwt")
    house.faults.meanwhile("app.roll_out", 2, ask)
    house.desk.work(job)
    assert state_of(house.job(job)) == "soaking"
    house.desk.work(asked[0].job)
    late = house.job(asked[0].job)
    assert late.state is JobState.FAILED
    assert "The rotation of jwt has ended. Nothing is paused." in text_of(house.desk.card(late))
    assert state_of(house.job(job)) == "soaking"
    assert past(house.artifacts, "jwt").paused == ""


def test_a_pause_that_was_asked_for_twice_is_one_and_the_second_says_so() -> None:
    house, asked = House(), list[Began]()

    def ask() -> None:
        house.pause("jwt")
        answer = house.ask("jwt", "pause")
        assert isinstance(answer, Began)
        asked.append(answer)

    job = house.queued("jwt")
    house.faults.meanwhile("app.roll_out", 1, ask)
    house.desk.work(job)
    assert house.job(job).state is JobState.PAUSED
    house.desk.work(asked[0].job)
    second = house.job(asked[0].job)
    assert second.state is JobState.DONE
    said = text_of(house.desk.card(second))
    assert "`/rotate jwt continue` goes on with it" in said
    assert "The pause was asked for before that" in said
    ended = house.done("jwt", "continue")
    assert (ended.state, state_of(ended)) == (JobState.DONE, "soaking"), "the second mark is not one for the rest"


@pytest.mark.parametrize("words", ["now!", "retire", "rollback"])
def test_what_goes_to_its_end_in_a_few_minutes_is_not_paused(words: str) -> None:
    house, said = House(), list[str]()
    if words != "now!":
        house.done("jwt")
        house.clock.advance(31 * DAY)
    job = house.queued("jwt", words)
    house.faults.meanwhile("app.roll_out", 1, lambda: said.append(house.said("jwt", "pause")))
    house.desk.work(job)
    assert said[0].startswith("Only a rotation with an overlap can be paused")
    assert state_of(house.job(job)) == ("rolled_back" if words == "rollback" else "retired")


def test_a_rotation_that_goes_back_is_not_paused_again() -> None:
    house, said = House(), list[str]()
    rests(house)
    job = house.queued("jwt", "rollback")
    house.faults.meanwhile("app.roll_out", 1, lambda: said.append(house.said("jwt", "pause")))
    house.desk.work(job)
    assert said[0].startswith("Only a rotation with an overlap can be paused")
    assert state_of(house.job(job)) == "rolled_back"
