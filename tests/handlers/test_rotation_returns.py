"""Rotations that end otherwise than they were begun: back, left to a person, or not begun at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from handlers.core.door.desk import Began
from handlers.core.rotation.secret_stores import Sealed
from handlers.core.words.answers import JobId
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from tests.fakes import Killed
from tests.handlers.test_rotations import AWS, FIRST, SARA, House, state_of, text_of


def offered(house: House, *words: str) -> JobId:
    """A plan that somebody looks at and has not confirmed."""
    answer = house.ask(*words)
    assert isinstance(answer, Began)
    return answer.job


def confirmed(house: House, job: JobId) -> Job:
    """It gets its code and its worker."""
    house.clock.advance(60)
    challenge = house.desk.challenge(job, SARA)
    house.desk.approve(challenge.id, SARA, house.factors.code("U0SARA", int(house.clock.now().timestamp()) // 30))
    house.desk.work(job)
    return house.job(job)


def died(house: House, call: str, nth: int = 1, *, after: bool = False) -> JobId:
    """A rotation of the key ring whose worker ended at that call."""
    job = house.queued("jwt")
    house.faults.kill(call, nth, after=after)
    with pytest.raises(Killed):
        house.desk.work(job)
    return job


def test_a_store_that_gives_back_something_else_is_not_promoted_from() -> None:
    house = House()
    real = house.secrets.value
    house.secrets.value = lambda place, version: (  # type: ignore[method-assign]
        Sealed(b"something else") if "-accept-" in version else real(place, version)
    )
    job = house.done("jwt")
    assert (job.state, state_of(job)) == (JobState.FAILED, "aborted")
    assert "does not give back what it was given" in text_of(house.desk.card(job))
    assert house.secrets.seen("jwt") == FIRST["jwt"]
    assert house.secrets.look("jwt").pending is None


def test_whoever_takes_over_from_a_dead_worker_goes_back_where_the_store_is_not_to_be_trusted() -> None:
    house = House()
    session = house.apps["jwt"].session()
    job = died(house, "secrets.promote", after=True)
    real = house.secrets.value
    house.secrets.value = lambda place, version: (  # type: ignore[method-assign]
        Sealed(b"something else") if "-sign-" in version else real(place, version)
    )
    ended = house.rescued(job)
    assert (ended.state, state_of(ended)) == (JobState.INTERRUPTED, "rolled_back")
    assert "does not give back what it was given" in text_of(house.desk.card(ended))
    assert house.secrets.seen("jwt") == FIRST["jwt"]
    assert house.secrets.look("jwt").pending is None
    assert house.apps["jwt"].lets_in(session)


def test_what_somebody_put_there_while_its_worker_was_dead_is_left_and_a_person_is_asked() -> None:
    house = House()
    job = died(house, "secrets.stage", 2)
    house.secrets.put("jwt", b"by hand")
    ended = house.rescued(job)
    assert (ended.state, state_of(ended)) == (JobState.FAILED, "needs")
    said = text_of(house.desk.card(ended))
    assert "jwt is not what it was: somebody else changed it" in said
    assert "Somebody else changed jwt meanwhile, so nothing more was touched" in said
    assert house.secrets.seen("jwt") == b"by hand"
    assert house.secrets.look("jwt").pending is None


def test_a_worker_that_died_on_the_way_back_is_not_followed_forward_when_the_program_is_well_again() -> None:
    house = House()
    app = house.apps["api-key"]
    app.broken = lambda value: value != FIRST["api-key"]
    job = house.queued("api-key")
    house.faults.kill("app.roll_out", 2)
    with pytest.raises(Killed):
        house.desk.work(job)
    app.broken = lambda value: False
    ended = house.rescued(job)
    assert (ended.state, state_of(ended)) == (JobState.INTERRUPTED, "rolled_back")
    assert set(app.values) == {house.secrets.seen("api-key")} == {FIRST["api-key"]}
    assert len(house.secrets.versions("api-key")) == 1


def test_a_program_that_cannot_be_asked_on_the_way_back_is_asked_again() -> None:
    house = House()
    app = house.apps["api-key"]
    app.broken = lambda value: value != FIRST["api-key"]
    job = house.queued("api-key")
    house.faults.fail("app.roll_out", 2)
    house.desk.work(job)
    assert (house.job(job).state, state_of(house.job(job))) == (JobState.FAILED, "rolled_back")
    assert house.faults.calls.count("app.roll_out") == 3
    assert set(app.values) == {house.secrets.seen("api-key")} == {FIRST["api-key"]}


def test_an_access_key_that_aws_does_not_take_back_is_told_to_a_person() -> None:
    house = House()
    house.keys.propagation = 10_000

    def refuses(key: str) -> None:
        raise OutsideError(Text("AWS forbids it."), permanent=True)

    house.keys.delete = refuses  # type: ignore[method-assign]
    job = house.done("s3")
    assert (job.state, state_of(job)) == (JobState.FAILED, "needs")
    said = text_of(house.desk.card(job))
    assert "AWS does not know the new access key" in said
    assert "What was made for it is left: AWS forbids it." in said
    assert house.secrets.seen("s3") == FIRST["s3"]
    assert [each.active for _, each in house.keys.keys.values()] == [True, False], "at least nobody gets in with it"


def test_an_access_key_that_aws_does_not_take_back_at_once_is_taken_back_a_little_later() -> None:
    house = House()
    house.keys.propagation = 10_000
    job = house.queued("s3")
    house.faults.fail("keys.delete")
    house.desk.work(job)
    assert (house.job(job).state, state_of(house.job(job))) == (JobState.FAILED, "aborted")
    assert house.secrets.look("s3").pending is None
    assert list(house.keys.keys) == ["AKIAFIRST"]


def test_whoever_takes_over_is_not_stopped_by_a_program_that_does_not_answer_for_a_while() -> None:
    house = House()
    job = died(house, "secrets.promote", after=True)
    house.faults.revive()
    house.faults.fail("app.roll_out")
    house.clock.advance(40)
    house.new_desk().tend()
    assert house.job(job).state is JobState.RUNNING
    assert house.secrets.seen("jwt") != FIRST["jwt"]
    ended = house.rescued(job)
    assert (ended.state, state_of(ended)) == (JobState.DONE, "soaking")


def test_a_worker_that_died_when_the_new_value_was_removed_already_is_followed_back() -> None:
    house = House()
    house.done("s3")
    job = house.queued("s3", "rollback")
    house.faults.kill("secrets.remove", after=True)
    with pytest.raises(Killed):
        house.desk.work(job)
    ended = house.rescued(job)
    assert state_of(ended) == "rolled_back"
    assert house.secrets.seen("s3") == FIRST["s3"]
    assert len(house.secrets.versions("s3")) == 1
    assert list(house.keys.keys) == ["AKIAFIRST"]


def test_a_seen_value_that_cannot_be_destroyed_does_not_come_back_and_a_person_is_asked() -> None:
    house = House()

    def refuses(place: str, version: str) -> None:
        raise OutsideError(Text("The store forbids it."), permanent=True)

    house.secrets.remove = refuses  # type: ignore[method-assign]
    job = house.done("api-key", "now!")
    assert (job.state, state_of(job)) == (JobState.FAILED, "needs")
    said = text_of(house.desk.card(job))
    assert "The store forbids it. The new value is in use and proved, but not everything old could be removed" in said
    assert set(house.apps["api-key"].values) == {house.secrets.seen("api-key")}
    assert house.secrets.seen("api-key") != FIRST["api-key"]


# -- not begun -------------------------------------------------------------------------------------------------------


def test_what_has_nothing_to_go_back_to_or_to_retire_is_refused() -> None:
    house = House()
    assert house.said("jwt", "retire").startswith("jwt has no old value that waits to be retired")
    assert house.said("jwt", "rollback").startswith("jwt has no rotation that can be rolled back")
    house.done("jwt")
    house.secrets.put("jwt", house.secrets.seen("jwt") + b" ")
    assert house.said("jwt", "rollback").startswith("jwt has no rotation that can be rolled back")


def test_a_strange_version_that_waits_is_told_and_not_touched() -> None:
    house = House()
    strange = "somebody-" * 4
    house.secrets.stage("jwt", strange, Sealed(b"by hand"), house.secrets.look("jwt").current_id)
    for words in ((), ("now!",)):
        said = house.said("jwt", *words)
        assert "jwt has another new version waiting, somebody-s" in said
        assert "Look who put it there" in said
    pending = house.secrets.look("jwt").pending
    assert pending is not None
    assert pending.id == strange


def test_an_old_value_that_was_retired_meanwhile_is_not_retired_twice() -> None:
    house = House()
    house.done("api-key")
    house.clock.advance(2 * 3600)
    waits = offered(house, "api-key", "retire")
    assert state_of(house.done("api-key", "retire")) == "retired"
    job = confirmed(house, waits)
    assert job.state is JobState.FAILED
    assert "That rotation is not waiting any more. Nothing was done." in text_of(house.desk.card(job))


def test_a_worker_whose_clock_is_behind_retires_nothing_too_early() -> None:
    house = House()
    house.done("api-key")
    house.clock.moment = datetime(2026, 11, 24, 4, 5, 1, tzinfo=UTC)
    job = house.queued("api-key", "retire")
    house.clock.moment = house.job(job).created - timedelta(seconds=60)
    house.desk.work(job)
    assert house.job(job).state is JobState.FAILED
    assert "The old value is still needed until" in text_of(house.desk.card(house.job(job)))
    assert len(house.secrets.versions("api-key")) == 2


def test_whoever_would_go_on_with_a_rotation_that_somebody_left_is_told_of_that_job() -> None:
    house = House()
    house.paused("api-key", "secrets.stage", 1)
    waits = offered(house, "api-key", "continue")
    left = house.done("api-key", "rollback")
    assert state_of(left) == "aborted"
    job = confirmed(house, waits)
    said = text_of(house.desk.card(job))
    assert job.state is JobState.FAILED
    assert "That rotation is not paused any more. Nothing was done." in said
    assert f"taken up by job {left.id}" in said
    assert "rests where it did" not in said
    assert house.secrets.seen("api-key") == FIRST["api-key"]


def test_whoever_would_go_on_and_cannot_yet_is_told_that_it_still_rests() -> None:
    house = House()
    house.paused("api-key", "secrets.stage", 1)
    job = house.queued("api-key", "continue")
    house.faults.fail("secrets.look")
    house.desk.work(job)
    assert house.job(job).state is JobState.FAILED
    assert "Nothing was begun: the rotation rests where it did." in text_of(house.desk.card(house.job(job)))
    assert state_of(house.done("api-key", "continue")) == "soaking"


def test_a_paused_rotation_whose_journal_is_gone_is_not_gone_on_with() -> None:
    house = House()
    house.paused("api-key", "secrets.stage", 1)
    waits = offered(house, "api-key", "continue")
    for each in house.artifacts.list("v1/secrets/api-key/"):
        house.artifacts.delete(each.key)
    job = confirmed(house, waits)
    assert job.state is JobState.FAILED
    assert "That rotation is not paused any more. Nothing was done." in text_of(house.desk.card(job))
    assert house.secrets.seen("api-key") == FIRST["api-key"]


def test_a_paused_job_that_is_found_while_somebody_goes_on_with_it_says_who_does() -> None:
    """The state was lost; one process looks for what was lost and reads the journal before the other writes into it."""
    house = House()
    paused = house.paused("jwt", "app.roll_out", 1)
    house.state.flush()
    house.factors.add("U0SARA")
    went_on: list[Job] = []
    house.faults.meanwhile("store.get", 1, lambda: went_on.append(house.done("jwt", "continue")))
    found = house.rescued(paused.id)
    assert state_of(went_on[0]) == "soaking"
    assert found.state is JobState.PAUSED
    assert f"taken up by job {went_on[0].id}" in text_of(house.desk.card(found))
    assert house.desk.card(found).buttons == ()


def test_a_rotation_that_lost_its_first_look_takes_no_access_key_away() -> None:
    """Which keys were there before is not written down; then any of them may be somebody's."""
    house = House()
    stranger = house.keys.make()
    began = house.clock.now().isoformat()
    house.estate.issuer(AWS).withdraw(None, {}, began)
    assert set(house.keys.keys) == {"AKIAFIRST", stranger.id}
    house.estate.issuer(AWS).withdraw(None, {"keys": ["AKIAFIRST"]}, began)
    assert set(house.keys.keys) == {"AKIAFIRST"}
