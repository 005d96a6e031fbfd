"""A rotation whose process ends, or whose outside fails, before or after every single call it makes.

- Whatever stops when: the job ends, its card says what is so, programs use what the store calls current, fresh logins
  work, nothing half-made is left, and the next rotation can begin.
- Nobody who had a session before is logged out, but by what says so (retiring, an emergency).
- One fault never ends in "needs a person".
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3.session
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handlers.core.rotation.access_keys import KeyPair
from handlers.core.rotation.accounts import Credentials
from handlers.core.rotation.rotation_journals import unclosed
from handlers.core.rotation.rotation_plans import past
from handlers.core.rotation.secret_stores import Sealed
from handlers.core.rotation.secrets import Kind
from handlers.core.words.answers import JobId
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Job, JobState
from sandbox.aws import AwsAccount
from sandbox.kube.server import Kube
from sandbox.servers.openbao import OpenBao
from tests.depth import FULL
from tests.fake_secrets import FaultyAws, FaultyFiles, FaultyKube, FaultyVault
from tests.fakes import Faults, Killed
from tests.handlers.test_rotations import (
    AWS,
    DATA,
    DOOR,
    FACTORS,
    JWT,
    PAIR,
    PLAIN,
    SEALS,
    House,
    Real,
    key_in_use,
    seeds_of,
    state_of,
    text_of,
)


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked for, of which secret, after what. `logs_out`: whether old sessions may end by it. `rests`: the call
    after which a rotation was paused before; `pauses`: after which this one is."""

    secret: str
    words: tuple[str, ...]
    before: tuple[str, ...] = ()
    logs_out: bool = False
    rests: tuple[str, int] | None = None
    pauses: tuple[str, int] | None = None

    @property
    def briefly(self) -> bool:
        """What is mostly the same as in another case; all of it is in `make chaos`."""
        return self.secret in {"factors", "webhook", "seals"} or bool(self.rests or self.pauses)


CASES = {
    "key-ring": Case("jwt", ("jwt",)),
    "user-pair": Case("mongo", ("mongo",)),
    "retire-user": Case("mongo", ("mongo", "retire"), ("mongo",)),
    "roll-back-user": Case("mongo", ("mongo", "rollback"), ("mongo",)),
    "emergency-user": Case("mongo", ("mongo", "now!")),
    "generic": Case("api-key", ("api-key",)),
    "access-key": Case("s3", ("s3",)),
    "retire-access-key": Case("s3", ("s3", "retire"), ("s3",)),
    "roll-back-access-key": Case("s3", ("s3", "rollback"), ("s3",)),
    "emergency-access-key": Case("s3", ("s3", "now!")),
    "retire-key": Case("jwt", ("jwt", "retire"), ("jwt",), logs_out=True),
    "retire-generic": Case("api-key", ("api-key", "retire"), ("api-key",)),
    "roll-back-key": Case("jwt", ("jwt", "rollback"), ("jwt",)),
    "roll-back-generic": Case("api-key", ("api-key", "rollback"), ("api-key",)),
    "emergency-key": Case("jwt", ("jwt", "now!"), logs_out=True),
    "emergency-generic": Case("api-key", ("api-key", "now!")),
    "factor-key": Case("factors", ("factors",)),
    "retire-factor-key": Case("factors", ("factors", "retire"), ("factors",)),
    "roll-back-factor-key": Case("factors", ("factors", "rollback"), ("factors",)),
    "emergency-factor-key": Case("factors", ("factors", "now!")),
    "webhook-token": Case("webhook", ("webhook",)),
    "retire-webhook-token": Case("webhook", ("webhook", "retire"), ("webhook",)),
    "roll-back-webhook-token": Case("webhook", ("webhook", "rollback"), ("webhook",)),
    "emergency-webhook-token": Case("webhook", ("webhook", "now!")),
    "audit-key": Case("seals", ("seals",)),
    "retire-audit-key": Case("seals", ("seals", "retire"), ("seals",)),
    "roll-back-audit-key": Case("seals", ("seals", "rollback"), ("seals",)),
    "emergency-audit-key": Case("seals", ("seals", "now!")),
    "pause-key": Case("jwt", ("jwt",), pauses=("app.roll_out", 1)),
    "pause-user": Case("mongo", ("mongo",), pauses=("secrets.promote", 1)),
    "pause-access-key": Case("s3", ("s3",), pauses=("keys.make", 1)),
    "pause-generic": Case("api-key", ("api-key",), pauses=("secrets.stage", 1)),
    "pause-factor-key": Case("factors", ("factors",), pauses=("secrets.promote", 1)),
    "pause-webhook-token": Case("webhook", ("webhook",), pauses=("secrets.promote", 1)),
    "pause-audit-key": Case("seals", ("seals",), pauses=("secrets.promote", 1)),
    "continue-factor-key": Case("factors", ("factors", "continue"), rests=("secrets.promote", 1)),
    "continue-webhook-token": Case("webhook", ("webhook", "continue"), rests=("secrets.promote", 1)),
    "continue-audit-key": Case("seals", ("seals", "continue"), rests=("secrets.promote", 1)),
    "leave-factor-key": Case("factors", ("factors", "rollback"), rests=("secrets.promote", 1)),
    "leave-webhook-token": Case("webhook", ("webhook", "rollback"), rests=("secrets.promote", 1)),
    "leave-audit-key": Case("seals", ("seals", "rollback"), rests=("secrets.promote", 1)),
    "continue-key": Case("jwt", ("jwt", "continue"), rests=("app.roll_out", 1)),
    "continue-signing-key": Case("jwt", ("jwt", "continue"), rests=("secrets.promote", 2)),
    "continue-user": Case("mongo", ("mongo", "continue"), rests=("secrets.promote", 1)),
    "continue-access-key": Case("s3", ("s3", "continue"), rests=("keys.make", 1)),
    "continue-generic": Case("api-key", ("api-key", "continue"), rests=("secrets.stage", 1)),
    "leave-key": Case("jwt", ("jwt", "rollback"), rests=("secrets.promote", 2)),
    "leave-user": Case("mongo", ("mongo", "rollback"), rests=("secrets.promote", 1)),
    "leave-access-key": Case("s3", ("s3", "rollback"), rests=("keys.make", 1)),
    "leave-generic": Case("api-key", ("api-key", "rollback"), rests=("secrets.stage", 1)),
    "data-key": Case("data", ("data",)),
    "retire-data-key": Case("data", ("data", "retire"), ("data",)),
    "roll-back-data-key": Case("data", ("data", "rollback"), ("data",)),
    "pause-data-key": Case("data", ("data",), pauses=("app.reencrypt", 1)),
    "continue-data-key": Case("data", ("data", "continue"), rests=("app.reencrypt", 1)),
    "leave-data-key": Case("data", ("data", "rollback"), rests=("app.reencrypt", 1)),
    "re-encrypt": Case("data", ("data", "reencrypt"), ("data",)),
}
ALL = (JWT, PLAIN, PAIR, AWS, FACTORS, DOOR, SEALS)
BRIEF = ("killed-after", "failed-before")
WAYS = ("killed-before", "killed-after", "failed-before", "failed-after")
WRITES = ("secrets.stage", "secrets.promote", "secrets.remove")
CHANGES = (
    *WRITES,
    "app.roll_out",
    "app.reencrypt",
    "accounts.prepare",
    "accounts.lock",
    "store.put_new",
    "keys.make",
    "keys.switch",
    "keys.delete",
)
"""What has an effect. After anything else nothing has changed, so before it is the same moment."""
EFFECTS = tuple(each for each in CHANGES if each != "store.put_new")
"""Those on the secret, its store, its programs and who accepts it; the others are the bot's own notes."""
FEWEST = 300
DOUBLE = (
    "The former value is stored again, but a consumer does not work with it",
    "Somebody else changed",
    "so I do not go back to it by myself",
    "What was made for it is left",
    "but not everything old could be removed",
)
"""What a person is asked for, and after which two faults: docs/rotation.md lists the same."""
SLOWLY = CASES if FULL else ("key-ring", "retire-key", "user-pair", "continue-key")
STRUCK = EFFECTS if FULL else WRITES
IN_KUBERNETES = CASES if FULL else (*SLOWLY, "data-key")
FAR_TOO_LONG = 40 * 86_400


def begun(case: Case, real: Real | None, arrange: Callable[[House], None] | None = None) -> tuple[House, JobId]:
    """A house in which the job waits for its worker. `arrange`: what else stands around it, before anything happens."""
    house = House(Faults(), *(each for each in ALL if each.name == case.secret), real=real)
    if arrange is not None:
        arrange(house)
    if case.before:
        house.done(*case.before)
    if "retire" in case.words:
        house.clock.advance(FAR_TOO_LONG)
    if "reencrypt" in case.words:
        house.apps["data"].data = {f"{number:02}": "k-first" for number in range(8)}  # as a restore brings them back
    if case.rests:
        assert house.paused(case.secret, *case.rests).state is JobState.PAUSED
    job = house.queued(*case.words)
    if case.pauses:
        house.faults.meanwhile(*case.pauses, lambda: house.pause(case.secret))
    return house, job


@cache
def calls(name: str) -> tuple[str, ...]:
    """The calls of a run without faults."""
    house, job = begun(CASES[name], None)
    so_far = len(house.faults.calls)
    house.desk.work(job)
    assert house.job(job).state is (JobState.PAUSED if CASES[name].pauses else JobState.DONE)
    return tuple(house.faults.calls[so_far:])


def points(*outside: str, cases: Iterable[str] = CASES, full: bool = FULL) -> list[Any]:
    """Every call of every case, by its place among the calls of its name, in every way."""
    found: list[Any] = []
    for name in cases:
        counts: dict[str, int] = {}
        for call in calls(name):
            counts[call] = counts.get(call, 0) + 1
            if not call.startswith(("secrets.", "app.", "store.", "accounts.", "keys.")) or (
                outside and not call.startswith(outside)
            ):
                continue
            nth = counts[call]
            ways: tuple[str, ...] = WAYS if call in CHANGES or full else ("killed-before", "failed-before")
            if CASES[name].briefly and not full:
                ways = BRIEF if call in CHANGES else ()
            found += [pytest.param(name, call, nth, way, id=f"{name}-{call}-{nth}-{way}") for way in ways]
    return found


def struck(case: Case, call: str, nth: int, way: str, real: Real | None) -> tuple[House, Job]:
    """The job after its fault, ended by whoever had to."""
    house, job = begun(case, real)
    return house, survived(house, job, case, call, nth, way)


def survived(
    house: House, job: JobId, case: Case, call: str, nth: int, way: str, away: Callable[[], None] | None = None
) -> Job:
    """The same, in a house that stands. `away`: what happens while nobody is at work."""
    session = house.apps["jwt"].session() if case.secret == "jwt" else None
    plan: Callable[..., None] = house.faults.kill if way.startswith("killed") else house.faults.fail
    plan(call, nth, after=way.endswith("after"))
    with contextlib.suppress(Killed):
        house.desk.work(job)
    if away is not None:
        away()
    ended = house.rescued(job)
    if session is not None and not case.logs_out:
        assert house.apps["jwt"].lets_in(session)
    return ended


def whole(house: House, case: Case, job: Job) -> None:
    """What must be true in the end."""
    assert job.state.final, job.state
    assert job.outcome is not None
    state = state_of(job)
    ends = {"", "soaking", "retired", "rolled_back", "aborted", "paused", "reencrypted", "stopped"}
    assert state in ends, str(job.outcome.text)
    assert str(job.outcome.text) in text_of(house.desk.card(job))
    if past(house.artifacts, case.secret).paused:
        assert state in {"", "paused"}
        assert "has been paused" in house.said("due")
        assert state_of(house.done(case.secret, "continue")) == "soaking"
    app = house.apps[case.secret]
    assert set(app.values) == {house.secrets.seen(case.secret)}
    assert house.secrets.look(case.secret).pending is None
    if case.secret == "jwt":
        assert app.lets_in(app.session())
    if case.secret == "mongo":
        assert house.accounts.lets_in(Credentials.read(Sealed(house.secrets.seen("mongo"))))
    if case.secret == "factors":
        assert len(seeds_of(house, key_in_use(house))) == 2
    if case.secret == "s3":
        assert house.keys.lets_in(KeyPair.read(Sealed(house.secrets.seen("s3"))))
        assert not any(house.keys.deleted.values())
    if case.secret == "data":
        assert app.readable()
        assert len(app.data or ()) == 8
    assert unclosed(house.artifacts) == ()
    house.faults.calm()  # somebody's pause may come too late for a rotation that failed
    if case.secret == "data":
        everything_under_one_key(house)
        return
    # A rotation that is not a gap in the list can be followed by the next one.
    next_one = house.done(case.secret, "now!")
    assert state_of(next_one) == "retired", text_of(house.desk.card(next_one))
    assert len(house.secrets.versions(case.secret)) == 1
    if case.secret == "s3":
        assert list(house.keys.keys) == [KeyPair.read(Sealed(house.secrets.seen("s3"))).id]


def everything_under_one_key(house: House) -> None:
    """The next rotation of a data key, its re-encryption and its end."""
    house.clock.advance(FAR_TOO_LONG)
    next_one = house.done("data")
    assert state_of(next_one) == "soaking", text_of(house.desk.card(next_one))
    assert set((house.apps["data"].data or {}).values()) == {house.ring("data").active}
    house.clock.advance(FAR_TOO_LONG)
    last = house.done("data", "retire")
    assert state_of(last) == "retired", text_of(house.desk.card(last))
    assert list(house.ring("data").keys) == [house.ring("data").active]
    assert house.apps["data"].readable()
    assert len(house.secrets.versions("data")) == 1


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


@pytest.mark.parametrize(("name", "call", "nth", "way"), points(*STRUCK, cases=SLOWLY))
def test_one_fault_at_an_effect_beside_vault_leaves_nobody_locked_out(
    openbao: OpenBao, name: str, call: str, nth: int, way: str
) -> None:
    case = CASES[name]
    house, job = struck(case, call, nth, way, lambda faults: FaultyVault(openbao, faults))
    whole(house, case, job)


@pytest.mark.parametrize(("name", "call", "nth", "way"), points(*STRUCK, cases=SLOWLY))
def test_one_fault_at_an_effect_beside_secrets_manager_leaves_nobody_locked_out(
    account: AwsAccount, monkeypatch: pytest.MonkeyPatch, name: str, call: str, nth: int, way: str
) -> None:
    for variable, value in account.environment().items():
        monkeypatch.setenv(variable, value)
    client, case = boto3.session.Session().client("secretsmanager"), CASES[name]
    house, job = struck(case, call, nth, way, lambda faults: FaultyAws(client, faults))
    whole(house, case, job)


@pytest.mark.parametrize(("name", "call", "nth", "way"), points(*STRUCK, cases=IN_KUBERNETES))
def test_one_fault_at_an_effect_beside_kubernetes_leaves_nobody_locked_out(
    kube: Kube, tmp_path: Path, name: str, call: str, nth: int, way: str
) -> None:
    case = CASES[name]
    house, job = struck(case, call, nth, way, lambda faults: FaultyKube(kube, tmp_path / "config", faults))
    whole(house, case, job)


@settings(max_examples=1500 if FULL else 150, deadline=None)
@given(
    st.sampled_from(sorted(CASES)),
    st.tuples(st.integers(1, 160), st.booleans()),
    st.tuples(st.integers(1, 160), st.booleans()),
    st.booleans(),
)
@example(name="pause-webhook-token", first=(155, False), second=(130, False), dies=True)
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
        return
    assert "Needs a person" in text_of(house.desk.card(ended))
    assert any(each in str(ended.outcome and ended.outcome.text) for each in DOUBLE), ended.outcome


OF_STORES = {
    "memory": points(full=True),
    "files": points("secrets.", full=True),
    "vault": points(*EFFECTS, full=True),
    "secrets_manager": points(*EFFECTS, full=True),
    "kubernetes": points(*EFFECTS, full=True),
}
"""What `make chaos` runs over each store."""


def test_the_matrix_has_every_kind_in_every_store_on_both_sides_of_every_effect() -> None:
    kinds = {each.name: each.kind for each in (*ALL, DATA)}
    assert set(kinds.values()) == set(Kind)
    for name in kinds:
        mine = [case for case in CASES.values() if case.secret == name]
        words = {case.words[1:] for case in mine if not case.rests}
        assert words >= {(), ("retire",), ("rollback",)}, name
        assert words >= {("now!",)} or name == "data"
        assert {case.words[1:] for case in mine if case.rests} >= {("continue",), ("rollback",)}
        assert any(case.pauses for case in mine)
    for store, found in OF_STORES.items():
        struck_at: dict[tuple[str, str, int], set[str]] = {}
        for case, call, nth, way in (each.values for each in found):
            struck_at.setdefault((case, call, nth), set()).add(way)
        assert all(ways == set(WAYS) for ways in struck_at.values())
        assert {CASES[case].secret for case, _, _ in struck_at} == set(kinds)
        counts = {kinds[name].value: sum(CASES[each.values[0]].secret == name for each in found) for name in kinds}
        print(f"{store}: {len(found)} cases; {counts}")
        assert len(found) >= FEWEST
    assert len(points()) >= FEWEST, "so many are in each run of the tests"
