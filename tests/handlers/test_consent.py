"""Consent: nothing that destroys runs without everybody's code whom the rules of that moment ask for."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from handlers.core import rules
from handlers.core.answers import Actor, Invocation, JobId, PersonId
from handlers.core.approval import Gate
from handlers.core.consent import Rejected
from handlers.core.desk import Accepted, Began, Desk, Outside, Said
from handlers.core.errors import Refusal
from handlers.core.job_cards import Wording, job_card
from handlers.core.jobs import JobState
from handlers.core.policy import Permission
from handlers.core.rules import Rules
from handlers.core.text import Text
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
    found, problems = rules.read({"people": PEOPLE | people, "rules": given})
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


@pytest.mark.parametrize(
    ("actor", "why"),
    [(NIMA, "does not let you agree"), (someone("U0STRANGER"), "does not let you agree")],
    ids=["not a lead", "not named"],
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


def test_somebody_who_left_the_policy_cannot_run_what_they_asked_for(team: Team) -> None:
    job = team.began("add", actor=NIMA)
    team.book.rules = policy(nima={"slack": ["U0OTHER"], "roles": ["operator"]})
    team.desk.work(job)
    assert team.doing.ran == []


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


ACTORS = st.sampled_from([SARA, OMID, OMID_TOO, LEILA, NIMA, someone("U0STRANGER")])
FULL = os.environ.get("CHAOS") == "full"


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
        job, known = work.job, self.team.book.rules
        given = self.codes.get((job.id, job.plan.digest), set())
        asker = job.plan.actor.person
        need = known.need(asker, rules.Wish(Permission.DESTROY, job.plan.operation, job.target, job.plan.channel))
        if isinstance(need, Text):
            self.bad.append("the asker may not do this any more")
        elif asker not in given:
            self.bad.append("the asker's code is missing")
        elif known.agreed(asker, need, given) < need.approvals:
            self.bad.append("too few agreed")
        elif job.plan.policy != known.version:
            self.bad.append("the policy was another one")
        if self.team.doing.ran.count(job.id) > 1:
            self.bad.append("it ran twice")

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
