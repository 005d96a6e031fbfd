"""The `mongo` step over three real members: one that falls behind, and a primary that is killed. It never says that all
is well when it is not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from bot.adapters.clock import SystemClock
from bot.adapters.mongo.replica import ReplicaProbe
from handlers import looks
from handlers.core.runbooks.attempts import Result, StepState
from handlers.core.words.errors import OutsideError
from handlers.looks import Eyes
from sandbox.servers.mongod import Mongod, direct_client
from tests.conftest import needs
from tests.fake_probes import FakeNetwork, FakeWeb

GIVEN = {"lag_seconds": "2", "connections_left": "1"}
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def members() -> Iterator[Mongod]:
    needs("mongod")
    with Mongod(members=3) as running:
        yield running


class Step:
    """The step, as a runbook performs it."""

    def __init__(self, members: Mongod) -> None:
        self._members = members
        clock = SystemClock()
        self._eyes = Eyes(FakeWeb(), FakeNetwork(), clock, mongo=ReplicaProbe(members.uri("shop")))

    def look(self) -> Result:
        try:
            return looks.mongo(self._eyes, GIVEN, 6.0)
        except OutsideError as error:
            return looks.unknown(error.text)

    def until(self, wanted: Callable[[Result], bool], write: Any = None) -> list[Result]:
        """Looks again until it is so; everything it said."""
        said: list[Result] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not said or not wanted(said[-1]):
            assert time.monotonic() < deadline, said[-1] if said else "nothing"
            if write is not None:
                write.insert_one({"at": time.time()})
            time.sleep(0.2)
            said.append(self.look())
        return said

    def primary(self) -> int:
        for number, member in enumerate(self._members.members):
            try:
                with direct_client(member.port) as client:
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return number
            except Exception:  # noqa: BLE001,S112 it is dead
                continue
        return -1


def locked(client: Any) -> None:
    """Stands still. A member that has just begun refuses that for some seconds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            client.admin.command("fsync", lock=True)
        except OperationFailure:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        else:
            return


def passed(result: Result) -> bool:
    return result.state is StepState.PASSED


def test_a_member_that_stands_still_is_told_with_how_far_it_is_behind_and_is_well_again_afterwards(
    members: Mongod,
) -> None:
    step = Step(members)
    step.until(passed)
    behind = next(number for number in range(3) if number != step.primary())
    name = f"127.0.0.1:{members.members[behind].port}"
    with members.client() as client, direct_client(members.members[behind].port) as stands:
        write = client["shop"]["orders"]
        locked(stands)
        try:
            said = step.until(lambda result: result.state is StepState.FAILED, write)
        finally:
            stands.admin.command("fsyncUnlock")
        last = said[-1]
        assert f"{name} is " in str(last.text)
        assert " behind." in str(last.text)
        assert dict(last.facts)["Furthest behind"] != "0.0 s"
        assert all(each.state is StepState.PASSED for each in said[:-1])
        step.until(passed, write)


def test_a_member_that_is_set_to_stay_behind_is_told(members: Mongod) -> None:
    step = Step(members)
    step.until(passed)
    behind = next(number for number in range(3) if number != step.primary())
    with members.client() as client:

        def configured(**changes: Any) -> None:
            config = client.admin.command("replSetGetConfig")["config"]
            config["members"][behind].update(changes)
            config["version"] += 1
            client.admin.command("replSetReconfig", config)

        write = client["shop"]["orders"]
        configured(priority=0, secondaryDelaySecs=600)
        try:
            said = step.until(lambda result: result.state is StepState.FAILED, write)
            assert f"127.0.0.1:{members.members[behind].port} is " in str(said[-1].text)
            assert " behind." in str(said[-1].text)
        finally:
            configured(priority=1, secondaryDelaySecs=0)
        step.until(passed, write)


def test_a_primary_that_hangs_is_not_believed_to_be_well_because_the_others_still_call_it_the_primary(
    members: Mongod,
) -> None:
    step = Step(members)
    step.until(passed)
    hung = step.primary()
    name = f"127.0.0.1:{members.members[hung].port}"
    os.kill(members.members[hung].pid, signal.SIGSTOP)
    try:
        said = step.until(lambda result: f"{name} should be the primary and does not answer." in str(result.text))
        assert all(each.state is not StepState.PASSED for each in said)
        assert dict(said[-1].facts)["Primary"] == "none"
    finally:
        os.kill(members.members[hung].pid, signal.SIGCONT)
    step.until(passed)


def test_a_killed_primary_is_never_well_then_missing_then_a_dead_member_then_all_is_well_again(members: Mongod) -> None:
    step = Step(members)
    step.until(passed)
    killed = step.primary()
    name = f"127.0.0.1:{members.members[killed].port}"
    members.kill(killed)
    said = step.until(lambda result: step.primary() not in {-1, killed} and f"{name} is " in str(result.text))
    assert all(each.state is not StepState.PASSED for each in said)
    told = [str(each.text) for each in said]
    lost = [each for each in told if "There is no primary" in each or "does not answer" in each]
    assert lost, said
    assert said[-1].state is StepState.FAILED
    assert f"{name} is (not reachable/healthy)." in str(said[-1].text)
    primary = members.members[step.primary()].port
    assert dict(said[-1].facts)["Primary"] == f"127.0.0.1:{primary}"
    members.restart(killed)
    step.until(passed)
