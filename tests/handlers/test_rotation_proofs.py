"""What a rotation believes of programs: each thing that is not as it must be undoes it, and says which."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from handlers.core.rotation.data_keys import KeyCounts
from handlers.core.rotation.key_rings import signer
from handlers.core.rotation.secret_stores import Sealed
from handlers.core.words.jobs import Job, JobState
from tests.handlers.test_rotations import FIRST, House, state_of, text_of

NOW = datetime(2026, 11, 24, tzinfo=UTC)
MONTH = 31 * 86_400


def evidence(house: House) -> list[str]:
    """What the audit record says was seen."""
    return [str(each.facts["evidence"]) for each in house.audit.events if each.event == "rotate.proved"]


def undone(house: House, name: str, job: Job) -> str:
    """What the card says of a rotation that left everything as it was."""
    assert (job.state, state_of(job)) == (JobState.FAILED, "rolled_back")
    assert house.secrets.seen(name) == FIRST[name]
    assert set(house.apps[name].values) == {FIRST[name]}
    assert len(house.secrets.versions(name)) == 1
    return text_of(house.desk.card(job))


def test_a_program_that_does_not_work_with_the_new_value_gets_the_former_one_again() -> None:
    house = House()
    verified = house.apps["api-key"].verified
    house.apps["api-key"].verified = (  # type: ignore[method-assign]
        lambda value: verified(value) and value.reveal() == FIRST["api-key"]
    )
    assert "api does not work with the new value" in undone(house, "api-key", house.done("api-key"))


def test_tokens_that_are_refused_although_they_must_be_accepted_undo_it_before_anything_is_signed_anew() -> None:
    house = House()
    house.apps["jwt"].accepts = lambda token: signer(token) == "k-first"  # type: ignore[method-assign]
    assert "api refuses a token it must accept" in undone(house, "jwt", house.done("jwt"))
    assert evidence(house) == []


def test_a_login_that_the_old_key_still_signs_goes_back_to_where_both_keys_are_accepted() -> None:
    """Somebody may have a token of the new key by then."""
    house = House()
    app = house.apps["jwt"]
    old = app.session()
    app.log_in = lambda: old  # type: ignore[method-assign]
    between: list[Sealed] = []
    house.faults.meanwhile("app.roll_out", 2, lambda: between.append(house.ring().token(house.ring().active, NOW)))
    job = house.done("jwt")
    assert (job.state, state_of(job)) == (JobState.FAILED, "rolled_back")
    assert "A fresh login at api is signed by another key" in text_of(house.desk.card(job))
    assert house.ring().active == signer(old) != signer(between[0])
    assert app.lets_in(old)
    assert app.lets_in(between[0])
    assert len(evidence(house)) == 1, "while the old one signed, that was right"


def test_a_key_that_is_accepted_after_its_end_is_in_the_key_ring_again() -> None:
    """It would otherwise be retired for those who ask the bot, and not for those who have seen it."""
    house = House()
    house.done("jwt")
    house.clock.advance(MONTH)
    app, ring = house.apps["jwt"], house.ring()
    app.accepts = lambda token: True  # type: ignore[method-assign]
    job = house.done("jwt", "retire")
    assert (job.state, state_of(job)) == (JobState.FAILED, "aborted")
    assert "api still accepts a token of a key that is gone" in text_of(house.desk.card(job))
    assert house.ring() == ring
    del app.accepts
    assert state_of(house.done("jwt", "retire")) == "retired"


def test_what_a_program_cannot_answer_is_not_claimed() -> None:
    house = House()
    app = house.apps["jwt"]
    house.done("jwt")
    assert all("A fresh login at api works" in each for each in evidence(house))
    house.done("jwt", "rollback")
    house.audit.events.clear()
    app.log_in = lambda: None  # type: ignore[method-assign]
    app.accepts = lambda token: None  # type: ignore[method-assign]
    assert state_of(house.done("jwt")) == "soaking"
    assert len(evidence(house)) == 2
    assert not any("login" in each for each in evidence(house))


def test_a_program_that_does_not_count_its_data_is_rotated_and_nothing_is_claimed_of_it() -> None:
    house = House()
    house.apps["data"].data = None
    assert state_of(house.done("data")) == "soaking"
    assert len(evidence(house)) == 2
    assert not any("data" in each for each in evidence(house))


Counted = Callable[[KeyCounts], KeyCounts]


@pytest.mark.parametrize(
    ("counted", "told"),
    [
        pytest.param(
            lambda counts: KeyCounts("k-first", counts.keys, counts.opens),
            "api does not write under the key that it should yet",
            id="writes-under-the-old-one",
        ),
        pytest.param(
            lambda counts: KeyCounts(counts.active, counts.keys, counts.opens & {"k-first"}),
            "api cannot read its data under k-",
            id="opens-nothing-under-the-new-one",
        ),
    ],
)
def test_a_new_key_of_data_that_does_not_do_what_it_is_for_is_not_written_under(counted: Counted, told: str) -> None:
    house = House()
    app = house.apps["data"]
    real = app.encrypted

    def tells() -> KeyCounts | None:
        counts = real()
        assert counts is not None
        return counted(counts)

    app.encrypted = tells  # type: ignore[method-assign]
    job = house.done("data")
    assert (job.state, state_of(job)) == (JobState.FAILED, "rolled_back")
    assert told in text_of(house.desk.card(job))
    assert house.ring("data").active == "k-first"
    assert set((app.data or {}).values()) == {"k-first"}
    assert app.readable()


def test_data_that_comes_back_under_an_old_key_while_that_is_retired_brings_the_key_back() -> None:
    house = House()
    house.done("data")
    house.clock.advance(MONTH)
    app, ring = house.apps["data"], house.ring("data")
    job = house.queued("data", "retire")

    def restored() -> None:
        assert app.data is not None
        app.data["00"] = "k-first"

    house.faults.meanwhile("app.roll_out", 1, restored)
    house.desk.work(job)
    ended = house.job(job)
    assert (ended.state, state_of(ended)) == (JobState.FAILED, "aborted")
    assert "api has data under k-first, which the new value does not hold" in text_of(house.desk.card(ended))
    assert house.ring("data") == ring
    assert app.readable()


def test_data_that_no_key_opens_is_counted_and_stops_nothing() -> None:
    house = House()
    app = house.apps["data"]
    assert app.data is not None
    app.data["99"] = "k-forgotten"
    job = house.done("data")
    assert state_of(job) == "soaking"
    assert all("1 pieces of api are under keys that nobody has" in each for each in evidence(house))
    assert app.data["99"] == "k-forgotten"
    assert "1 pieces of data are under older keys" in text_of(house.desk.card(job))


def test_a_token_that_names_no_key_is_no_login() -> None:
    house = House()
    house.apps["jwt"].log_in = lambda: Sealed(b"hello")  # type: ignore[method-assign]
    job = house.done("jwt")
    assert state_of(job) == "needs", "the former value does not prove itself by that either"
    assert "is signed by another key" in text_of(house.desk.card(job))
