"""Consent: nothing that destroys runs without everybody's code whom the rules of that moment ask for."""

from __future__ import annotations

from collections.abc import Set
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from handlers.core.door import policy_data, rules
from handlers.core.door.approval import Gate
from handlers.core.door.consent import Rejected
from handlers.core.door.desk import Accepted, Began, Desk, Outside, Said
from handlers.core.door.policy import Permission
from handlers.core.door.rules import Rules
from handlers.core.words.answers import Actor, Invocation, JobId, PersonId, Surface
from handlers.core.words.errors import Refusal
from handlers.core.words.job_cards import Wording, job_card
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from tests.depth import FULL
from tests.fakes import someone
from tests.handlers.test_desk import House

SARA, OMID, OMID_TOO, LEILA, NIMA = (someone(each) for each in ("U0SARA", "U0OMID", "W0OMID", "U0LEILA", "U0NIMA"))
PEOPLE: dict[str, dict[str, Any]] = {
    "sara": {"slack": ["U0SARA"], "roles": ["operator", "lead"]},
    "omid": {"slack": ["U0OMID", "W0OMID"], "roles": ["operator", "lead"]},
    "leila": {"slack": ["U0LEILA"], "roles": ["lead"]},
    "nima": {"slack": ["U0NIMA"], "roles": ["operator"]},
}


def policy(count: int = 1, **people: Any) -> Rules:
    destroying: dict[str, Any] = {"allow": ["operator"], "may": "destroy"}
    if count:
        destroying["approvals"] = {"count": count, "from": ["lead"]}
    given = [{"allow": ["operator", "lead"], "may": "operate"}, destroying]
    found, problems = policy_data.read({"people": PEOPLE | people, "rules": given})
    assert problems == ()
    return found


class Book:
    """Rules that a test can change."""

    def __init__(self) -> None:
        self.rules = policy()

    def current(self) -> Rules:
        return self.rules


class Team(House):
    """A desk under rules."""

    def __init__(self) -> None:
        self.book = Book()
        super().__init__()
        for each in (OMID, OMID_TOO, LEILA, NIMA):
            self.factors.add(each.person)

    def new_desk(self) -> Desk:
        gate = Gate(self.state, self.factors, self.clock, self.entropy)
        outside = Outside(self.state, self.queue, self.audit, self.people, self.clock, self.entropy, self.book)
        return Desk({"do": self.doing}, gate, outside)

    def code_of(self, actor: Actor) -> str:
        return self.factors.code(actor.person, int(self.clock.now().timestamp()) // 30)

    def confirm(self, job: JobId, actor: Actor) -> Accepted | Rejected:
        return self.desk.approve(self.desk.challenge(job, actor).id, actor, self.code_of(actor))


@pytest.fixture
def team() -> Team:
    return Team()


def test_a_second_person_must_agree_with_their_own_code(team: Team) -> None:
    job = team.began("destroy")
    assert team.confirm(job, SARA) == Accepted(job)
    assert team.loaded(job).state is JobState.OFFERED
    assert team.queue.jobs == []
    assert team.confirm(job, LEILA) == Accepted(job)
    assert team.queue.jobs == [job]
    team.desk.work(job)
    assert team.doing.ran == [job]
    assert team.loaded(job).confirmed_by == ("U0SARA", "U0LEILA")


def test_an_offer_to_which_too_few_agreed_ends_and_says_who_had_confirmed(team: Team) -> None:
    job = team.began("destroy")
    team.confirm(job, SARA)
    team.clock.advance(16 * 60)
    team.desk.tend()
    assert team.audit.events[-1].facts == {"job": job, "confirmed": "1"}
    outcome = team.loaded(job).outcome
    assert outcome is not None
    assert "Too few people agreed" in str(outcome.text)


@pytest.mark.parametrize(
    ("actor", "why"),
    [
        (NIMA, "does not let you agree"),
        (someone("U0STRANGER"), "does not let you agree"),
        (replace(LEILA, team="A0BEFORE"), "Only U0SARA"),
        (replace(LEILA, team="Z9AFTER"), "Only U0SARA"),
        (replace(LEILA, surface=Surface.SCHEDULE), "Only U0SARA"),
    ],
    ids=["not a lead", "not named", "of a workspace", "of another workspace", "not a person"],
)
def test_who_may_not_agree_is_told_so(team: Team, actor: Actor, why: str) -> None:
    team.factors.add(actor.person)
    job = team.began("destroy")
    team.confirm(job, SARA)
    with pytest.raises(Refusal, match=why):
        team.desk.challenge(job, actor)
    assert ("challenge.denied", "deny") in team.events()


def test_the_asker_confirms_first_and_once(team: Team) -> None:
    job = team.began("destroy")
    with pytest.raises(Refusal, match="First"):
        team.desk.challenge(job, LEILA)
    team.confirm(job, SARA)
    with pytest.raises(Refusal, match="others must agree"):
        team.desk.challenge(job, SARA)


def test_a_second_account_of_the_asker_cannot_agree(team: Team) -> None:
    job = team.began("destroy", actor=OMID)
    team.confirm(job, OMID)
    with pytest.raises(Refusal, match="does not let you"):
        team.desk.challenge(job, OMID_TOO)


def test_two_accounts_of_one_person_agree_once(team: Team) -> None:
    team.book.rules = policy(2)
    job = team.began("destroy")
    team.confirm(job, SARA)
    team.confirm(job, OMID)
    with pytest.raises(Refusal, match="agreed to this already"):
        team.desk.challenge(job, OMID_TOO)
    team.desk.work(job)
    assert team.doing.ran == []


@pytest.mark.parametrize("standing", ["guest", "gone", "bot", "unknown"])
def test_who_agrees_must_be_a_full_member(team: Team, standing: Any) -> None:
    job = team.began("destroy")
    team.confirm(job, SARA)
    team.people.standings["U0LEILA"] = standing
    with pytest.raises(Refusal):
        team.desk.challenge(job, LEILA)


def test_who_agrees_must_be_enrolled(team: Team) -> None:
    team.factors._factors.pop("U0LEILA")
    job = team.began("destroy")
    team.confirm(job, SARA)
    with pytest.raises(Refusal, match="second factor"):
        team.desk.challenge(job, LEILA)


def test_a_policy_that_changed_after_the_confirmation_voids_it(team: Team) -> None:
    job = team.began("destroy")
    team.confirm(job, SARA)
    team.confirm(job, LEILA)
    team.book.rules = policy(more={"slack": ["U0MORE"], "roles": ["lead"]})
    team.desk.work(job)
    assert team.doing.ran == []
    outcome = team.loaded(job).outcome
    assert outcome is not None


@pytest.mark.parametrize(
    "asker", [{"slack": ["U0SARA"], "roles": ["lead"]}, {"slack": ["U0OTHER"], "roles": ["operator"]}], ids=str
)
def test_who_would_agree_hears_that_the_policy_changed_and_not_that_they_are_not_named(
    team: Team, asker: dict[str, Any]
) -> None:
    job = team.began("destroy")
    team.confirm(job, SARA)
    team.book.rules = policy(sara=asker)
    with pytest.raises(Refusal, match="policy was changed after this was asked for"):
        team.desk.challenge(job, LEILA)
    assert team.loaded(job).confirmed_by == ("U0SARA",)


def test_while_something_else_works_on_the_target_nobody_is_asked_for_a_code(team: Team) -> None:
    job, other = team.began("destroy"), team.began("add")
    with pytest.raises(Refusal, match="U0SARA started do add on shop"):
        team.desk.challenge(job, SARA)
    team.desk.work(other)
    assert team.confirm(job, SARA) == Accepted(job)


def test_an_offer_that_has_ended_or_is_not_known_is_over(team: Team) -> None:
    job = team.began("destroy")
    team.clock.advance(16 * 60)
    team.desk.tend()
    for each in (job, JobId("unknown")):
        with pytest.raises(Refusal, match="This offer is over"):
            team.desk.challenge(each, SARA)


def test_what_was_taken_back_while_a_used_code_was_judged_stays_taken_back(team: Team) -> None:
    first, second = team.began("destroy"), team.began("destroy")
    question = team.desk.challenge(second, SARA)
    assert team.confirm(first, SARA) == Accepted(first)
    team.audit.faults.meanwhile("audit.write", 2, lambda: team.desk.cancel(second, SARA))
    answer = team.desk.approve(question.id, SARA, team.code_of(SARA))
    assert isinstance(answer, Rejected)
    assert "This code was used before" in str(answer.text)
    assert [event for event, _ in team.events()][-2:] == ["job.locked", "job.cancel"]
    ended = team.loaded(second)
    assert (ended.state, str(ended.outcome and ended.outcome.text)) == (
        JobState.CANCELLED,
        "Cancelled by U0SARA before it began.",
    )


def reason_of(team: Team, job: JobId) -> str:
    """Why it did not run."""
    team.desk.work(job)
    assert team.doing.ran == []
    return str(team.doing.recovered[-1])


def confirmed_by_both(team: Team) -> JobId:
    job = team.began("destroy")
    team.confirm(job, SARA)
    team.confirm(job, LEILA)
    return job


def test_what_was_confirmed_before_the_state_was_restarted_is_not_run_after_it(team: Team) -> None:
    """A replica that takes over may not know yet that it ran."""
    job = confirmed_by_both(team)
    team.state.restart()
    assert "restarted after this was confirmed" in reason_of(team, job)


def test_after_a_restart_who_confirms_again_still_needs_the_others(team: Team) -> None:
    job = team.began("destroy")
    team.confirm(job, SARA)
    team.state.restart()
    team.clock.advance(120)  # codes of before have run out
    team.desk.challenge(job, SARA)
    team.clock.advance(120)
    assert team.confirm(job, SARA) == Accepted(job)
    assert team.loaded(job).state is JobState.OFFERED


def test_what_no_worker_took_for_half_an_hour_is_not_done_by_one_that_comes_late(team: Team) -> None:
    job = confirmed_by_both(team)
    team.clock.advance(30 * 60 + 1)
    assert "30 minutes ago" in reason_of(team, job)


def test_somebody_who_left_the_policy_cannot_run_what_they_asked_for(team: Team) -> None:
    job = team.began("add", actor=NIMA)
    team.book.rules = policy(nima={"slack": ["U0OTHER"], "roles": ["operator"]})
    team.desk.work(job)
    assert team.doing.ran == []


@pytest.mark.parametrize("who", ["U0SARA", "U0LEILA"], ids=["the asker", "who agreed"])
@pytest.mark.parametrize("standing", ["guest", "gone", "bot", "unknown"])
def test_an_account_that_does_not_count_any_more_voids_what_it_confirmed(team: Team, who: str, standing: Any) -> None:
    job = team.began("destroy")
    team.confirm(job, SARA)
    team.confirm(job, LEILA)
    team.people.standings[who] = standing
    team.desk.work(job)
    assert team.doing.ran == []
    outcome = team.loaded(job).outcome
    assert outcome is not None
    assert team.loaded(job).state is JobState.FAILED


@pytest.mark.parametrize(("standing", "runs"), [("unknown", True), ("gone", False), ("guest", False)])
def test_what_destroys_nothing_waits_for_no_slack_but_a_member_who_left_begins_nothing(
    team: Team, standing: Any, runs: bool
) -> None:
    job = team.began("add", actor=NIMA)
    team.people.standings["U0NIMA"] = standing
    team.desk.work(job)
    assert bool(team.doing.ran) is runs


def test_what_destroys_nothing_needs_nobody_else(team: Team) -> None:
    job = team.began("add", actor=NIMA)
    team.desk.work(job)
    assert team.doing.ran == [job]


def test_nobody_whom_no_rule_names_is_heard(team: Team) -> None:
    answer = team.ask("hello", actor=someone("U0STRANGER"))
    assert isinstance(answer, Said)
    assert "does not name you" in str(answer.card.title)


def test_the_card_says_who_confirmed_and_how_many_are_missing(team: Team) -> None:
    team.book.rules = policy(2)
    job = team.began("destroy")
    words = [str(job_card(team.loaded(job), Wording(Text("It"))).lines[-1])]
    for actor in (SARA, LEILA):
        team.confirm(job, actor)
        words.append(str(job_card(team.loaded(job), Wording(Text("It"))).lines[-1]))
    assert words == [
        "First U0SARA confirms it, then 2 more must agree.",
        "U0SARA confirmed it. 2 more must agree, with their own code.",
        "U0SARA confirmed it. U0LEILA agreed. 1 more must agree, with their own code.",
    ]


def wrongly(team: Team, job: Job, given: Set[PersonId]) -> list[str]:
    """Why a job that runs now must not, when these people's codes were given for its plan."""
    known, asker, plan = team.book.rules, job.plan.actor.person, job.plan
    need = known.need(asker, rules.Wish(Permission.DESTROY, plan.operation, plan.target, plan.channel))
    found = ["it ran twice"] if team.doing.ran.count(job.id) > 1 else []
    if isinstance(need, Text):
        return [*found, "the asker may not do this any more"]
    if asker not in given:
        return [*found, "the asker's code is missing"]
    if known.agreed(asker, need, given) < need.approvals:
        return [*found, "too few agreed"]
    if any(team.people.standings.get(each, "member") != "member" for each in given):
        return [*found, "somebody who confirmed is no member any more"]
    return [*found, "the policy was another one"] if plan.policy != known.version else found


ACTORS = st.sampled_from([SARA, OMID, OMID_TOO, LEILA, NIMA, someone("U0STRANGER")])


class Operations(RuleBasedStateMachine):
    """Everything that can happen to jobs that destroy, in any order, through two desks."""

    def __init__(self) -> None:
        super().__init__()
        self.team = Team()
        self.team.doing.during = self.began
        self.desks = [self.team.desk, self.team.new_desk()]
        self.jobs: list[JobId] = []
        self.questions: list[tuple[JobId, Actor, str]] = []
        self.codes: dict[tuple[JobId, str], set[PersonId]] = {}
        """Whose right codes were taken for a job and a digest."""
        self.bad: list[str] = []

    @initialize(count=st.integers(0, 2))
    def begin(self, count: int) -> None:
        self.team.book.rules = policy(count)

    def began(self, work: Any) -> None:
        """A job runs: everything the rules of now ask for must have happened."""
        given = self.codes.get((work.job.id, work.job.plan.digest), set())
        self.bad += wrongly(self.team, work.job, given)

    @rule(actor=ACTORS, which=st.integers(0, 1))
    def ask(self, actor: Actor, which: int) -> None:
        answer = self.desks[which].ask(Invocation("do", ("destroy",), actor, "C0OPS"))
        if isinstance(answer, Began):
            self.jobs.append(answer.job)
        else:
            assert str(answer.card.title)

    @rule(data=st.data(), actor=ACTORS, which=st.integers(0, 1))
    def question(self, data: st.DataObject, actor: Actor, which: int) -> None:
        if self.jobs:
            job = data.draw(st.sampled_from(self.jobs))
            with suppress(Refusal):
                self.questions.append((job, actor, self.desks[which].challenge(job, actor).id))

    @rule(data=st.data(), right=st.booleans(), thief=st.none() | ACTORS, which=st.integers(0, 1))
    def submit(self, data: st.DataObject, right: bool, thief: Actor | None, which: int) -> None:
        if not self.questions:
            return
        job, owner, challenge = data.draw(st.sampled_from(self.questions))
        actor = thief or owner
        code = self.team.code_of(actor)
        code = code if right else f"{(int(code) + 1) % 1_000_000:06d}"
        held = self.team.jobs.load(job)
        answer = self.desks[which].approve(challenge, actor, code)
        if isinstance(answer, Accepted):
            assert held is not None
            assert right
            assert actor == owner
            self.codes.setdefault((job, held.plan.digest), set()).add(actor.person)
        else:
            assert str(answer.text)

    @rule(data=st.data(), actor=ACTORS, which=st.integers(0, 1))
    def confirm(self, data: st.DataObject, actor: Actor, which: int) -> None:
        """The usual way: the button, then the code, some time after the last one."""
        if self.jobs:
            self.confirmed(data.draw(st.sampled_from(self.jobs[-2:])), actor, which)

    def confirmed(self, job: JobId, actor: Actor, which: int) -> None:
        self.team.clock.advance(31)
        held = self.team.jobs.load(job)
        with suppress(Refusal):
            challenge = self.desks[which].challenge(job, actor).id
            if isinstance(self.desks[which].approve(challenge, actor, self.team.code_of(actor)), Accepted):
                assert held is not None
                self.codes.setdefault((job, held.plan.digest), set()).add(actor.person)

    @rule(
        asker=st.sampled_from([SARA, OMID, NIMA]),
        others=st.lists(st.sampled_from([SARA, OMID, OMID_TOO, LEILA, NIMA]), max_size=4),
        between=st.sampled_from(["nothing", "nothing", "plan", "policy", "queued"]),
        which=st.integers(0, 1),
    )
    def live(self, asker: Actor, others: list[Actor], between: str, which: int) -> None:
        """A job from its question to its end, with perhaps one thing that changes before it runs."""
        answer = self.desks[which].ask(Invocation("do", ("destroy",), asker, "C0OPS"))
        if not isinstance(answer, Began):
            return
        self.jobs.append(answer.job)
        for number, actor in enumerate((asker, *others)):
            self.confirmed(answer.job, actor, (which + number) % 2)
        if between == "plan":
            self.changed(answer.job, 2)
        elif between == "policy":
            people = {"leila": {"slack": ["U0LEILA"], "roles": ["lead", "viewer"]}}
            self.team.book.rules = policy(1, **people)
        elif between == "queued":
            self.queued(answer.job)
        for desk in self.desks:
            desk.work(answer.job)

    @rule(data=st.data(), size=st.integers(0, 3))
    def tamper(self, data: st.DataObject, size: int) -> None:
        if self.jobs:
            self.changed(data.draw(st.sampled_from(self.jobs)), size)

    def changed(self, job: JobId, size: int) -> None:
        self.team.jobs.change(job, lambda each: replace(each, plan=replace(each.plan, arguments={"size": size})))

    @rule(data=st.data())
    def pretend(self, data: st.DataObject) -> None:
        """Somebody writes into the state that a job is queued."""
        if self.jobs:
            self.queued(data.draw(st.sampled_from(self.jobs)))

    def queued(self, job: JobId) -> None:
        self.team.jobs.change(job, lambda each: each.moved(JobState.QUEUED) if each.state is JobState.OFFERED else each)

    @rule(count=st.integers(0, 2), left=st.booleans())
    def govern(self, count: int, left: bool) -> None:
        changed: dict[str, Any] = {"omid": {"slack": ["U0ELSE"], "roles": ["operator", "lead"]}} if left else {}
        self.team.book.rules = policy(count, **changed)

    @rule(person=ACTORS, standing=st.sampled_from(["member", "guest", "gone", "unknown"]))
    def standing(self, person: Actor, standing: Any) -> None:
        self.team.people.standings[person.person] = standing

    @rule(seconds=st.sampled_from([5, 31, 130, 1000]))
    def wait(self, seconds: int) -> None:
        self.team.clock.advance(seconds)
        self.desks[0].tend()

    @rule(data=st.data(), which=st.integers(0, 1))
    def work(self, data: st.DataObject, which: int) -> None:
        if self.jobs:
            self.desks[which].work(data.draw(st.sampled_from(self.jobs)))

    @rule(data=st.data(), actor=ACTORS)
    def cancel(self, data: st.DataObject, actor: Actor) -> None:
        if self.jobs:
            with suppress(Refusal):
                self.desks[1].cancel(data.draw(st.sampled_from(self.jobs)), actor)

    @invariant()
    def nothing_ran_that_must_not(self) -> None:
        assert self.bad == []


Operations.TestCase.settings = settings(
    max_examples=10_000 if FULL else 150,
    stateful_step_count=30,
    deadline=timedelta(seconds=20),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestOperations = Operations.TestCase
