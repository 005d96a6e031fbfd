"""Rollbacks over fakes: what is planned, what is done, and that a worker may die between any two calls.

Safeguards that were seen to matter by taking them away: the journal's fence, the look for other open rollbacks, the
return, the plan made anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from handlers.core.runbooks.attempts import Result, StepState
from handlers.core.runbooks.deployments import Version
from handlers.core.runbooks.known_good import MOST_SETS, KnownGood
from handlers.core.runbooks.probes import Finished
from handlers.core.runbooks.rollback_journals import changes_of, open_rollbacks
from handlers.core.runbooks.rollbacks import MOST_CHANGES, RESUME_SECONDS, WATCH_SECONDS, Rollbacks
from handlers.core.words.answers import JobId, Plan, TargetName
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from tests.fake_probes import FakeServices, v
from tests.fakes import FakeClock, Faults, Killed, MemoryState, MemoryStore, someone
from tests.handlers.test_contention import Losing

SHOP = TargetName("shop")
PASS, FAIL, UNKNOWN = StepState.PASSED, StepState.FAILED, StepState.UNKNOWN
NOW, WELL = {"api": v("a2"), "web": v("w2")}, {"api": v("a1"), "web": v("w1")}


@dataclass
class World:
    """One target. `good`: the versions in which the service is well."""

    clock: FakeClock = field(default_factory=FakeClock)
    good: list[dict[str, Version]] = field(default_factory=lambda: [WELL])
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock, self.faults)
        self.state = MemoryState(self.clock)
        self.services = FakeServices(dict(NOW), dict(WELL), faults=self.faults)
        self.rollbacks = Rollbacks(SHOP, self.services, self.store, self.clock, self.well)
        self.known = KnownGood(SHOP, self.state, self.store, self.clock)

    def well(self, seconds: float) -> Result:
        with self.faults.at("well"):
            fine = self.services.now in self.good
        return Result(PASS, Text("It is well.")) if fine else Result(FAIL, Text("It is not well."))

    def job(self, name: str = "one") -> Job:
        changes = {"changes": [each.to_json() for each in self.rollbacks.plan()]}
        plan = Plan("runbook.destroy", SHOP, changes, someone(), "C0OPS", "", name)
        return Job.from_bytes(Job(JobId(name), plan, JobState.RUNNING, self.clock.now()).to_bytes())

    def run(self, job: Job | None = None) -> Result:
        return self.rollbacks.run(job or self.job(), 60, lambda: None)


@pytest.fixture
def world() -> World:
    return World()


def test_what_was_confirmed_runs_and_is_well(world: World) -> None:
    result = world.run()
    assert (result.state, world.services.now) == (PASS, WELL)
    assert result.facts == (("api", "a2 → a1"), ("web", "w2 → w1"))
    assert "Now api runs a1, web runs w1." in str(result.text)
    assert open_rollbacks(world.store, SHOP) == ()


def test_without_health_it_returns_to_where_it_was_and_says_so(world: World) -> None:
    world.good = []
    result = world.run()
    assert (result.state, world.services.now) == (FAIL, NOW)
    assert "It is not well. I returned to where it was. Now api runs a2, web runs w2." in str(result.text)


@pytest.mark.parametrize("when", ["services.put 1", "services.put 2", "services.put 3", "services.put 4"])
def test_a_platform_that_fails_on_the_way_is_taken_back_or_somebody_is_called(world: World, when: str) -> None:
    world.good = []
    job = world.job()
    call, nth = when.split()
    world.faults.fail(call, int(nth))
    result = world.run(job)
    assert result.state is FAIL
    back = int(nth) < 3
    assert ("I returned" in str(result.text), "Somebody must look now" in str(result.text)) == (back, not back)
    assert (world.services.now == NOW) is back
    assert open_rollbacks(world.store, SHOP) == ()


def test_what_somebody_else_changed_meanwhile_is_left_alone(world: World) -> None:
    world.good = []
    world.services.during = lambda: world.services.now.update(api=v("a3")) if len(world.services.puts) == 2 else None
    job = world.job()
    world.clock.on_sleep = lambda: world.services.now.update(api=v("a3"))
    result = world.run(job)
    assert result.state is FAIL
    assert world.services.now == {"api": v("a3"), "web": v("w2")}


def test_a_plan_that_is_not_the_confirmed_one_any_more_does_nothing(world: World) -> None:
    job = world.job()
    world.services.now["api"] = v("a9")
    with pytest.raises(Refusal, match="changed since"):
        world.run(job)
    assert world.services.puts == []


def test_what_cannot_be_had_is_refused_in_the_plan(world: World) -> None:
    world.services.missing = {"w1"}
    with pytest.raises(Refusal, match="w1 is not here"):
        world.rollbacks.plan()


def test_the_version_that_was_just_left_is_not_where_the_next_one_goes(world: World) -> None:
    world.run()
    world.services.before = dict(NOW)
    with pytest.raises(Refusal, match="rolled back from"):
        world.rollbacks.plan()


def test_there_are_never_two_of_one_target(world: World) -> None:
    first, second = world.job("one"), world.job("two")
    refused: list[str] = []

    def meanwhile() -> None:
        world.services.during = None
        with pytest.raises(Refusal, match="not over yet") as caught:
            world.run(second)
        refused.append(str(caught.value))
        with pytest.raises(Refusal, match="not over yet"):
            world.rollbacks.plan()

    world.services.during = meanwhile
    assert world.run(first).state is PASS
    assert len(refused) == 1
    assert len(world.services.puts) == 1


def test_two_that_plan_at_the_same_moment_are_not_both_done(world: World) -> None:
    first, second = world.job("one"), world.job("two")
    plan = world.services.fetch
    others: list[str] = []

    def overtaken(versions: dict[str, Version], seconds: float) -> None:
        """Between the first one's plan and its journal, the second one is begun and dies."""
        plan(versions, seconds)
        world.services.fetch = plan  # type: ignore[method-assign]
        world.faults.kill("services.put")
        with pytest.raises(Killed):
            world.run(second)
        world.faults.revive()
        others.append("begun")

    world.services.fetch = overtaken  # type: ignore[assignment,method-assign]
    with pytest.raises(Refusal, match="not over yet"):
        world.run(first)
    assert others == ["begun"]
    assert world.rollbacks.resume(second, 60) is not None


def calls_of(good: list[dict[str, Version]]) -> list[str]:
    """Every call of a whole rollback after its plan."""
    world = World(good=good)
    job = world.job()
    before = len(world.faults.calls)
    world.run(job)
    return world.faults.calls[before:]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("good", [[WELL], []], ids=["health comes", "health never comes"])
def test_a_worker_that_dies_between_any_two_calls_leaves_something_that_comes_to_a_true_end(
    good: list[dict[str, Version]], after: bool
) -> None:
    calls = calls_of(good)
    assert {"store.put_new", "services.put", "well"} <= set(calls)
    for number in range(1, len(calls) + 1):
        world = World(good=good)
        job = world.job()
        world.faults.kill("*", number, after=after)
        with pytest.raises(Killed):
            world.run(job)
        world.faults.revive()
        lost = world.rollbacks.lost()
        assert [each.id for each in lost] in ([], [job.id])
        result = world.rollbacks.resume(job, 60)
        if result is None:
            assert world.services.now == NOW
        elif result.state is PASS:
            assert (world.services.now, good) == (WELL, [WELL])
        else:
            assert world.services.now == NOW
            assert "Nothing had been changed" in str(result.text) or not good
        assert open_rollbacks(world.store, SHOP) == ()
        assert result == world.rollbacks.resume(job, 60), "an end stays as it is"


def test_a_rescuer_that_dies_too_is_rescued(world: World) -> None:
    job = world.job()
    world.faults.kill("services.put", 1, after=True)
    with pytest.raises(Killed):
        world.run(job)
    for nth in (1, 2, 3):
        world.faults.revive()
        world.faults.kill("store.put_new", nth)
        with pytest.raises(Killed):
            world.rollbacks.resume(job, 60)
    world.faults.revive()
    result = world.rollbacks.resume(job, 60)
    assert result is not None
    assert (result.state, world.services.now) == (PASS, WELL)


def test_a_replaced_worker_does_nothing_more_and_tells_what_the_other_one_found(world: World) -> None:
    world.good = []
    job = world.job()
    other: list[Result | None] = []

    def taken_over() -> None:
        world.services.during = None
        other.append(world.rollbacks.resume(job, 60))
        world.good = [WELL]

    world.services.during = taken_over
    result = world.run(job)
    assert [result] == other
    assert result.state is FAIL, "this one would have found it well"


def test_once_it_was_decided_to_return_nobody_goes_forward_again(world: World) -> None:
    world.good = []
    job = world.job()
    world.faults.kill("services.put", 3)
    with pytest.raises(Killed):
        world.run(job)
    world.faults.revive()
    before = len(world.services.puts)
    result = world.rollbacks.resume(job, 60)
    assert result is not None
    assert (result.state, world.services.now) == (FAIL, NOW)
    assert {each.after.id for put in world.services.puts[before:] for each in put} == {"a2", "w2"}


def test_a_worker_that_died_before_its_first_change_left_nothing_to_do(world: World) -> None:
    job = world.job()
    world.faults.kill("store.put_new", 2)
    with pytest.raises(Killed):
        world.run(job)
    world.faults.revive()
    result = world.rollbacks.resume(job, 60)
    assert result is not None
    assert "Nothing had been changed" in str(result.text)
    assert world.services.puts == []


def test_a_worker_that_may_not_go_on_stops_and_another_one_ends_it(world: World) -> None:
    job, gone = world.job(), OutsideError(Text("This worker lost touch."))
    checks: list[int] = []

    def check() -> None:
        checks.append(1)
        if len(checks) > 3:
            raise gone

    with pytest.raises(OutsideError, match="lost touch"):
        world.rollbacks.run(job, 60, check)
    assert open_rollbacks(world.store, SHOP) == (job.id,)
    result = world.rollbacks.resume(job, 60)
    assert result is not None
    assert result.state is PASS


def test_what_was_left_hours_ago_is_told_and_not_done_again(world: World) -> None:
    job = world.job()
    world.faults.kill("services.put", 2)
    with pytest.raises(Killed):
        world.run(job)
    world.faults.revive()
    world.clock.advance(3 * 3600)
    result = world.rollbacks.resume(job, 60)
    assert result is not None
    assert (result.state, world.services.now) == (UNKNOWN, {"api": v("a1"), "web": v("w2")})
    assert "not done again by itself" in str(result.text)
    assert "Now api runs a1, web runs w2" in str(result.text)


def test_more_than_a_card_can_show_is_not_planned(world: World) -> None:
    names = [f"api-{number}" for number in range(MOST_CHANGES + 1)]
    world.services.now = dict.fromkeys(names, v("v2"))
    world.services.before = dict.fromkeys(names, v("v1"))
    with pytest.raises(Refusal, match="A rollback of 41 services is more than I show on a card"):
        world.rollbacks.plan()
    del world.services.before[names[0]]
    assert len(world.rollbacks.plan()) == MOST_CHANGES


def test_a_platform_that_remembers_of_nothing_what_ran_before_has_nothing_to_go_back_to(world: World) -> None:
    world.services.before = {}
    with pytest.raises(Refusal, match="Nothing here has an earlier version"):
        world.rollbacks.plan()


@pytest.mark.parametrize("changes", ["api", 1, [["api", ["a2", "", ""]]], [["api", ["a2"], ["a1"]]]], ids=str)
def test_what_is_no_plan_of_a_rollback_is_never_done(world: World, changes: Any) -> None:
    job = world.job()
    broken = replace(job, plan=replace(job.plan, arguments={"changes": changes}))
    with pytest.raises(ValueError, match="change"):
        changes_of(broken)
    with pytest.raises(ValueError, match="change"):
        world.run(broken)
    assert (world.services.puts, open_rollbacks(world.store, SHOP)) == ([], ())


def test_what_the_last_rollback_that_helped_left_counts_and_not_that_of_one_that_did_not(world: World) -> None:
    world.run(world.job("helped"))
    world.services.now, world.services.before = dict(NOW), {"api": v("a0"), "web": v("w0")}
    world.clock.advance(60)
    failed = world.run(world.job("no-help"))
    assert (failed.state, world.services.now) == (FAIL, NOW)
    world.services.before = {"api": v("a0"), "web": v("w2")}
    assert [each.service for each in world.rollbacks.plan()] == ["api"], "what did not help is no reason against it"
    world.services.now, world.services.before = dict(WELL), dict(NOW)
    with pytest.raises(Refusal, match="The version of api before this one is a2, which was rolled back from"):
        world.rollbacks.plan()


def taken(world: World) -> None:
    """Another worker takes the rollback over, and dies when it wants to change something."""
    world.services.during = None
    world.faults.kill("services.put")
    (job,) = world.rollbacks.lost()
    with pytest.raises(Killed):
        world.rollbacks.resume(job, 60)
    world.faults.revive()


def test_a_replaced_worker_waits_for_the_other_ones_end(world: World) -> None:
    job = world.job()
    other: list[Result | None] = []

    def ended() -> None:
        if world.clock.now() - began > timedelta(seconds=10):
            world.clock.on_sleep = None
            other.append(world.rollbacks.resume(job, 60))

    began = world.clock.now()
    world.services.during, world.clock.on_sleep = lambda: taken(world), ended
    result = world.run(job)
    assert [result] == other
    assert result.state is PASS
    assert world.clock.now() - began > timedelta(seconds=10)


def test_a_replaced_worker_whose_successor_never_ends_says_that_it_is_not_known(world: World) -> None:
    job, began = world.job(), world.clock.now()
    world.services.during = lambda: taken(world)
    with pytest.raises(OutsideError, match="took this rollback over and has not ended it yet"):
        world.run(job)
    assert world.clock.now() - began >= timedelta(seconds=WATCH_SECONDS)
    assert open_rollbacks(world.store, SHOP) == (job.id,)


@pytest.mark.parametrize(
    ("good", "answer", "expected", "why"),
    [
        ([WELL], Finished(0, ""), PASS, "2 services went back. It is well."),
        ([], Finished(0, ""), FAIL, "did not help, and was not taken back: It is not well."),
        ([], Finished(3, "no"), FAIL, "did not help, and was not taken back: It ended with 3."),
        ([], Finished(None, ""), UNKNOWN, "did not help, and was not taken back: It was not done in"),
    ],
    ids=["well", "no health", "failed", "stopped"],
)
def test_where_nothing_can_be_taken_back_it_stays_and_that_is_said(
    world: World, good: list[dict[str, Version]], answer: Finished, expected: StepState, why: str
) -> None:
    world.good, world.services.takes_back, world.services.answer = good, False, answer
    result = world.run()
    assert result.state is expected
    assert why in str(result.text)
    assert " Now " not in str(result.text), "what runs there cannot be seen"
    assert len(world.services.puts) == 1


def test_what_a_dead_worker_did_where_nothing_can_be_seen_is_not_known_and_not_done_again(world: World) -> None:
    world.services.takes_back = False
    job = world.job()
    world.faults.kill("services.put", 2)
    with pytest.raises(Killed):
        world.run(job)
    world.faults.revive()
    result = world.rollbacks.resume(job, 60)
    assert result is not None
    assert result.state is StepState.INTERRUPTED
    assert "What was done is not known. It can be run again." in str(result.text)
    assert len(world.services.puts) == 1


@pytest.mark.parametrize("health", [True, False], ids=["well", "not well"])
def test_what_was_left_hours_ago_and_came_there_is_well_only_when_health_says_so(world: World, health: bool) -> None:
    job = world.job()
    world.faults.kill("well")
    with pytest.raises(Killed):
        world.run(job)
    world.faults.revive()
    world.clock.advance(RESUME_SECONDS + 60)
    world.good = [WELL] if health else []
    result = world.rollbacks.resume(job, 60)
    assert result is not None
    assert (result.state, world.services.now, len(world.services.puts)) == (PASS if health else UNKNOWN, WELL, 1)
    assert ("It is well." in str(result.text), "not done again by itself" in str(result.text)) == (health, not health)


def test_without_a_health_address_it_is_done_and_nobody_knows_whether_it_helped(world: World) -> None:
    rollbacks = replace(world.rollbacks, well=None)
    result = rollbacks.run(world.job(), 60, lambda: None)
    assert (result.state, world.services.now) == (UNKNOWN, WELL)
    assert "no health address that could tell whether that helped. Now api runs a1, web runs w1." in str(result.text)


def test_a_platform_that_does_not_say_what_runs_now_is_not_guessed_at(world: World) -> None:
    job = world.job()
    world.services.during = lambda: world.faults.fail("services.look")
    result = world.run(job)
    assert result.state is PASS
    assert str(result.text).endswith("Now it is not known what runs.")


# -- what is known good --------------------------------------------------------------------------------------------


def seen(world: World, versions: dict[str, Version], *, rounds: int = 2, good: bool = True) -> None:
    world.services.now = dict(versions)
    world.good = [dict(versions)] if good else []
    for _ in range(rounds):
        world.known.look(world.services, world.well, 5)
        world.clock.advance(30)


def test_only_what_was_well_in_two_rounds_is_known_good(world: World) -> None:
    seen(world, WELL, rounds=1)
    assert world.known.sets() == ()
    seen(world, WELL, rounds=1)
    assert [each.versions for each in world.known.sets()] == [WELL]
    seen(world, NOW, good=False)
    assert [each.versions for each in world.known.sets()] == [WELL]


def test_what_changed_while_it_was_looked_at_is_not_noted(world: World) -> None:
    world.services.now = dict(WELL)

    def well(seconds: float) -> Result:
        world.services.now["web"] = v("w2")
        return Result(PASS, Text(""))

    for _ in range(3):
        world.services.now["web"] = v("w1")
        assert not world.known.look(world.services, well, 5)
    assert world.known.sets() == ()


def test_back_is_always_backwards(world: World) -> None:
    oldest = {"api": v("a0"), "web": v("w0")}
    for versions in (oldest, WELL, NOW):
        seen(world, versions)
    newest = world.known.before({"api": v("a9"), "web": v("w9")})
    assert newest is not None
    assert newest.versions == NOW
    back = world.known.before(NOW)
    assert back is not None
    assert back.versions == WELL
    seen(world, WELL)
    again = world.known.before(WELL)
    assert again is not None
    assert again.versions == oldest, "not forward to what was left"
    assert world.known.before(oldest) is None


def test_what_is_known_good_is_found_again_when_the_state_was_lost(world: World) -> None:
    for versions in (WELL, NOW):
        seen(world, versions)
    world.state.flush()
    assert {each.name for each in world.known.sets()} == {each.name for each in world.known.sets()} != set()
    back = world.known.before({"api": v("a9"), "web": v("w9")})
    assert back is not None
    assert back.versions == NOW
    seen(world, NOW)
    assert len(world.known.sets()) == 2


def test_the_history_is_bounded_in_both_places(world: World) -> None:
    for number in range(MOST_SETS + 5):
        seen(world, {"api": v(f"a{number}")})
    assert len(world.known.sets()) == MOST_SETS
    assert len(world.store.list("v1/shop/known-good/")) == MOST_SETS
    assert world.known.sets()[0].versions == {"api": v(f"a{MOST_SETS + 4}")}
    assert world.clock.now() - world.known.sets()[-1].last < timedelta(days=1)


def test_who_is_overtaken_while_noting_what_is_good_counts_on_top_of_the_other_one(world: World) -> None:
    state = Losing(world.clock)
    other = KnownGood(SHOP, world.state, world.store, world.clock)
    plain = world.state.put_if

    def overtaken(*given: Any, **more: Any) -> str | None:
        world.state.put_if = plain  # type: ignore[method-assign]
        other.note(WELL)
        return plain(*given, **more)

    world.state.put_if = overtaken  # type: ignore[method-assign]
    world.known.note(WELL)
    assert [each.versions for each in world.known.sets()] == [WELL], "seen well twice"
    state.first_at = "known-good:"
    with pytest.raises(OutsideError, match="Too many changed what is known good at once"):
        KnownGood(SHOP, state, world.store, world.clock).note(WELL)
    assert state.keys("") == ()


@pytest.mark.parametrize("versions", [[], {"api": "a1"}, {"api": ["a1"]}], ids=["no versions", "a word", "too little"])
def test_what_is_stored_as_known_good_and_cannot_be_read_is_no_place_to_go_back_to(world: World, versions: Any) -> None:
    seen(world, WELL)
    held = world.state.get("known-good:shop")
    assert held is not None
    stored = json.loads(held.value)
    stored[0]["versions"] = versions
    world.state.put_if("known-good:shop", json.dumps(stored).encode(), held.version)
    rollbacks = replace(world.rollbacks, known=world.known)
    world.services.before = None
    with pytest.raises(OutsideError, match="known good cannot be read") as caught:
        rollbacks.plan()
    assert caught.value.permanent


def test_a_platform_that_remembers_nothing_goes_back_to_what_was_known_good(world: World) -> None:
    world.services.before = None
    rollbacks = Rollbacks(SHOP, world.services, world.store, world.clock, world.well, world.known)
    with pytest.raises(Refusal, match="no older version"):
        rollbacks.plan()
    seen(world, WELL)
    seen(world, NOW, good=False)
    assert [str(each.after) for each in rollbacks.plan()] == ["a1", "w1"]
    del world.services.now["web"]
    with pytest.raises(Refusal, match="start it first"):
        rollbacks.plan()


def test_a_version_is_said_by_its_tag_and_a_short_digest() -> None:
    assert str(Version("sha256:" + "ab" * 32, "shop:v2")) == "shop:v2 (abababababab)"
    assert str(Version("sha256:" + "ab" * 32)) == "abababababab"
    assert str(Version("v2")) == "v2"
