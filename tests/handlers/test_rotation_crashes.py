"""A rotation whose process ends, or whose outside fails, before or after every single call it makes.

- Whatever stops when: the job ends, its card says what is so, programs use what the store calls current, fresh logins
  work, nothing half-made is left, and the next rotation can begin.
- Nobody who had a session before is logged out, but by what says so (retiring, an emergency).
- One fault never ends in "needs a person".
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.core.accounts import Credentials
from handlers.core.answers import JobId
from handlers.core.errors import OutsideError
from handlers.core.jobs import Job, JobState
from handlers.core.rotation_journals import unclosed
from handlers.core.secret_stores import Sealed
from sandbox.servers.openbao import OpenBao
from tests.conftest import needs
from tests.fake_secrets import FaultyFiles, FaultyVault
from tests.fakes import Faults, Killed
from tests.handlers.test_rotations import House, Real, state_of, text_of


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked for, of which secret, after what. `logs_out`: whether old sessions may end by it."""

    secret: str
    words: tuple[str, ...]
    before: tuple[str, ...] = ()
    logs_out: bool = False


CASES = {
    "key-ring": Case("jwt", ("jwt",)),
    "user-pair": Case("mongo", ("mongo",)),
    "retire-user": Case("mongo", ("mongo", "retire"), ("mongo",)),
    "roll-back-user": Case("mongo", ("mongo", "rollback"), ("mongo",)),
    "emergency-user": Case("mongo", ("mongo", "now!")),
    "generic": Case("api-key", ("api-key",)),
    "retire-key": Case("jwt", ("jwt", "retire"), ("jwt",), logs_out=True),
    "retire-generic": Case("api-key", ("api-key", "retire"), ("api-key",)),
    "roll-back-key": Case("jwt", ("jwt", "rollback"), ("jwt",)),
    "roll-back-generic": Case("api-key", ("api-key", "rollback"), ("api-key",)),
    "emergency-key": Case("jwt", ("jwt", "now!"), logs_out=True),
    "emergency-generic": Case("api-key", ("api-key", "now!")),
}
WAYS = ("killed-before", "killed-after", "failed-before", "failed-after")
WRITES = ("secrets.stage", "secrets.promote", "secrets.remove")
CHANGES = (*WRITES, "app.roll_out", "accounts.prepare", "accounts.lock", "store.put_new")
"""What has an effect. After anything else nothing has changed, so before it is the same moment."""
FULL = os.environ.get("CHAOS") == "full"
SLOWLY = CASES if FULL else ("key-ring", "retire-key", "user-pair")
FAR_TOO_LONG = 40 * 86_400


def begun(case: Case, real: Real | None) -> tuple[House, JobId]:
    """A house in which the job waits for its worker."""
    house = House(Faults(), real=real)
    if case.before:
        house.done(*case.before)
    if "retire" in case.words:
        house.clock.advance(FAR_TOO_LONG)
    return house, house.queued(*case.words)


@cache
def calls(name: str) -> tuple[str, ...]:
    """The calls of a run without faults."""
    house, job = begun(CASES[name], None)
    so_far = len(house.faults.calls)
    house.desk.work(job)
    assert house.job(job).state is JobState.DONE
    return tuple(house.faults.calls[so_far:])


def points(*outside: str, cases: Iterable[str] = CASES) -> list[object]:
    """Every call of every case, by its place among the calls of its name, in every way."""
    found: list[object] = []
    for name in cases:
        counts: dict[str, int] = {}
        for call in calls(name):
            counts[call] = counts.get(call, 0) + 1
            if not call.startswith(("secrets.", "app.", "store.", "accounts.")) or (
                outside and not call.startswith(outside)
            ):
                continue
            nth = counts[call]
            ways = WAYS if call in CHANGES or FULL else ("killed-before", "failed-before")
            found += [pytest.param(name, call, nth, way, id=f"{name}-{call}-{nth}-{way}") for way in ways]
    return found


def struck(case: Case, call: str, nth: int, way: str, real: Real | None) -> tuple[House, Job]:
    """The job after its fault, ended by whoever had to."""
    house, job = begun(case, real)
    session = house.apps["jwt"].session() if case.secret == "jwt" else None
    plan: Callable[..., None] = house.faults.kill if way.startswith("killed") else house.faults.fail
    plan(call, nth, after=way.endswith("after"))
    with contextlib.suppress(Killed):
        house.desk.work(job)
    ended = house.rescued(job)
    if session is not None and not case.logs_out:
        assert house.apps["jwt"].lets_in(session)
    return house, ended


def whole(house: House, case: Case, job: Job) -> None:
    """What must be true in the end."""
    assert job.state.final, job.state
    assert job.outcome is not None
    state = state_of(job)
    assert state in {"", "soaking", "retired", "rolled_back", "aborted"}, str(job.outcome.text)
    assert str(job.outcome.text) in text_of(house.desk.card(job))
    app = house.apps[case.secret]
    assert set(app.values) == {house.secrets.seen(case.secret)}
    assert house.secrets.look(case.secret).pending is None
    if case.secret == "jwt":
        assert app.lets_in(app.session())
    if case.secret == "mongo":
        assert house.accounts.lets_in(Credentials.read(Sealed(house.secrets.seen("mongo"))))
    assert unclosed(house.artifacts) == ()
    # A rotation that is not a gap in the list can be followed by the next one.
    next_one = house.done(case.secret, "now!")
    assert state_of(next_one) == "retired", text_of(house.desk.card(next_one))
    assert len(house.secrets.versions(case.secret)) == 1


@pytest.mark.parametrize(("name", "call", "nth", "way"), points())
def test_one_fault_anywhere_leaves_nobody_locked_out(name: str, call: str, nth: int, way: str) -> None:
    case = CASES[name]
    house, job = struck(case, call, nth, way, None)
    whole(house, case, job)


@pytest.mark.parametrize(("name", "call", "nth", "way"), points(*(("secrets.",) if FULL else WRITES)))
def test_one_fault_of_a_store_of_files_leaves_nobody_locked_out(
    tmp_path: Path, name: str, call: str, nth: int, way: str
) -> None:
    case = CASES[name]
    house, job = struck(case, call, nth, way, lambda faults: FaultyFiles(tmp_path, faults))
    whole(house, case, job)


@pytest.fixture(scope="module")
def openbao() -> Iterator[OpenBao]:
    needs("bao")
    with OpenBao() as running:
        yield running


@pytest.mark.parametrize(("name", "call", "nth", "way"), points(*WRITES, cases=SLOWLY))
def test_one_fault_at_a_write_to_vault_leaves_nobody_locked_out(
    openbao: OpenBao, name: str, call: str, nth: int, way: str
) -> None:
    case = CASES[name]
    house, job = struck(case, call, nth, way, lambda faults: FaultyVault(openbao, faults))
    whole(house, case, job)


@settings(max_examples=1500 if FULL else 150, deadline=None)
@given(
    st.sampled_from(sorted(CASES)),
    st.tuples(st.integers(1, 160), st.booleans()),
    st.tuples(st.integers(1, 160), st.booleans()),
    st.booleans(),
)
def test_two_faults_anywhere_leave_nobody_locked_out(
    name: str, first: tuple[int, bool], second: tuple[int, bool], dies: bool
) -> None:
    """Of all calls, those of the state and of the audit record too. The worst end is that a person is asked."""
    case = CASES[name]
    house, job = begun(case, None)
    session = house.apps["jwt"].session() if case.secret == "jwt" else None
    (house.faults.kill if dies else house.faults.fail)("*", first[0])
    house.faults.fail("*", second[0], after=second[1])
    with contextlib.suppress(Killed, OutsideError):
        house.desk.work(job)
    if house.rescued(job).state is JobState.QUEUED:
        house.desk.work(job)  # the queue hands it out again
    ended = house.job(job)
    assert ended.state.final
    if session is not None and not case.logs_out:
        assert house.apps["jwt"].lets_in(session)
    if state_of(ended) != "needs":
        whole(house, case, ended)
