"""Rotations, through the desk: nobody is locked out, whatever stops when."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from handlers.core.accounts import Credentials
from handlers.core.alarms import Alarms
from handlers.core.answers import Actor, Invocation, JobId, Surface
from handlers.core.approval import Gate
from handlers.core.cards import Card
from handlers.core.desk import Began, Desk, Outside, Said
from handlers.core.errors import OutsideError, Refusal
from handlers.core.estates import Estate
from handlers.core.jobs import Job, JobState
from handlers.core.key_rings import KeyRing
from handlers.core.rota import SCHEDULE
from handlers.core.rotation_journals import RotationJournal, unclosed
from handlers.core.rotations import Rotations
from handlers.core.secret_stores import Sealed
from handlers.core.secrets import Kind, Managed, Secret, StoreSpec, Use
from handlers.core.standings import REMIND, Reminders
from handlers.rotate import RotateHandler
from tests.fake_secrets import FakeAccounts, FakeApp, FaultySecrets, MemorySecrets, first_ring, first_user
from tests.fakes import (
    FakeClock,
    FakeEntropy,
    FakeFactors,
    FakePeople,
    Faults,
    MemoryAudit,
    MemoryQueue,
    MemoryState,
    MemoryStore,
    someone,
)

SARA = someone("U0SARA")
USE = Use("api", check="http://api/me", verify="verify", seconds=3)
JWT = Secret("jwt", Kind.JWT, "app", "jwt", overlap=timedelta(days=30), uses=(USE,))
PLAIN = Secret("api-key", Kind.GENERIC, "app", "api-key", overlap=timedelta(hours=1), uses=(USE,))
SINGLE = Secret("session", Kind.JWT, "app", "session", single_value=True, uses=(USE,))
PAIR = Secret("mongo", Kind.MONGO_USER, "app", "mongo", timedelta(days=90), users=("app_a", "app_b"), uses=(USE,))
FIRST = {
    "mongo": first_user(),
    "jwt": first_ring(),
    "api-key": b"the-first-value-CANARY",
    "session": b"the-first-session-CANARY",
}


Real = Callable[[Faults], FaultySecrets]


class House:
    """A desk with /rotate, and what stands around it."""

    def __init__(self, faults: Faults | None = None, *secrets: Secret, real: Real | None = None) -> None:
        self.clock, self.entropy, self.faults = FakeClock(), FakeEntropy(), faults or Faults()
        self.state, self.audit = MemoryState(self.clock, self.faults), MemoryAudit(faults=self.faults)
        self.artifacts = MemoryStore(self.clock, faults=self.faults)
        self.queue, self.factors = MemoryQueue(), FakeFactors()
        self.factors.add("U0SARA")
        self.secrets: MemorySecrets | FaultySecrets = MemorySecrets(self.clock, self.faults)
        if real is not None:
            self.secrets = real(self.faults)
        managed = {each.name: each for each in secrets or (JWT, PLAIN, SINGLE, PAIR)}
        self.accounts = FakeAccounts(
            {"app_a": (Credentials.read(Sealed(FIRST["mongo"])).password, "rw"), "app_b": ("x", "all")}, self.faults
        )
        self.apps: dict[str, FakeApp] = {}
        for name in managed:
            self.secrets.put(name, FIRST[name])
            app = FakeApp(lambda name=name: self.secrets.seen(name), self.faults)  # type: ignore[misc]
            app.clock = self.clock
            self.apps[name] = app
        self.managed = Managed({"app": StoreSpec("app", "memory")}, managed)
        self.desk = self.new_desk()

    def new_desk(self) -> Desk:
        """Another process."""
        consumers = {name: {"api": app} for name, app in self.apps.items()}
        self.estate = estate = Estate(
            self.managed,
            {"app": self.secrets},
            consumers,
            self.artifacts,
            self.clock,
            self.entropy,
            {"mongo": self.accounts},
        )
        self.handler = RotateHandler(Rotations(estate))
        gate = Gate(self.state, self.factors, self.clock, self.entropy)
        outside = Outside(self.state, self.queue, self.audit, FakePeople(), self.clock, self.entropy)
        return Desk({"rotate": self.handler}, gate, outside)

    def ask(self, *words: str) -> Said | Began:
        return self.desk.ask(Invocation("rotate", words, SARA, "C0OPS"))

    def said(self, *words: str) -> str:
        answer = self.ask(*words)
        assert isinstance(answer, Said), answer
        return text_of(answer.card)

    def queued(self, *words: str) -> JobId:
        self.clock.advance(60)
        answer = self.ask(*words)
        assert isinstance(answer, Began), text_of(answer.card)
        challenge = self.desk.challenge(answer.job, SARA)
        code = self.factors.code("U0SARA", int(self.clock.now().timestamp()) // 30)
        self.desk.approve(challenge.id, SARA, code)
        return answer.job

    def done(self, *words: str) -> Job:
        job = self.queued(*words)
        self.desk.work(job)
        return self.job(job)

    def job(self, job: JobId) -> Job:
        found = self.desk.load(job)
        assert found is not None
        return found

    def rescued(self, job: JobId) -> Job:
        """Another process finds the job after the lease has run out."""
        self.faults.revive()
        self.desk = self.new_desk()
        for _ in range(5):
            self.clock.advance(40)
            self.desk.find_lost()
            self.desk.tend()
            if self.job(job).state.final:
                break
        return self.job(job)

    def ring(self, name: str = "jwt") -> KeyRing:
        return KeyRing.read(Sealed(self.secrets.seen(name)))


def text_of(card: Card) -> str:
    parts = [card.title, *card.lines, *(each.value for each in card.facts), *(each.label for each in card.buttons)]
    return "\n".join(map(str, parts))


def state_of(job: Job) -> str:
    assert job.outcome is not None
    return str(job.outcome.facts.get("state", ""))


def test_a_key_ring_accepts_both_keys_and_then_signs_with_the_new_one() -> None:
    house = House()
    before = house.apps["jwt"].session()
    job = house.done("jwt")
    assert (job.state, state_of(job)) == (JobState.DONE, "soaking")
    ring = house.ring()
    assert ring.active != "k-first"
    assert set(ring.keys) == {"k-first", ring.active}
    assert house.apps["jwt"].lets_in(before)


def test_the_old_key_is_retired_when_the_longest_token_has_ended_and_not_before() -> None:
    house = House()
    before = house.apps["jwt"].session()
    house.done("jwt")
    assert "would log people out" in house.said("jwt", "retire")
    house.clock.advance(31 * 86_400)
    job = house.done("jwt", "retire")
    assert (job.state, state_of(job)) == (JobState.DONE, "retired")
    assert not house.apps["jwt"].lets_in(before)
    assert len(house.secrets.versions("jwt")) == 1
    assert "No secret is due" in house.said("due")


def test_a_rotation_can_be_rolled_back_without_logging_anybody_out() -> None:
    house = House()
    before = house.apps["jwt"].session()
    house.done("jwt")
    between = house.apps["jwt"].session()
    job = house.done("jwt", "rollback")
    assert (job.state, state_of(job)) == (JobState.DONE, "rolled_back")
    assert house.ring().active == "k-first"
    assert house.apps["jwt"].lets_in(before)
    assert house.apps["jwt"].lets_in(between)


def test_an_emergency_has_no_overlap_and_the_plan_says_what_breaks() -> None:
    house = House()
    before = house.apps["jwt"].session()
    answer = house.ask("jwt", "now!")
    assert isinstance(answer, Began)
    assert "Everybody is logged out" in text_of(house.desk.card(house.job(answer.job)))
    job = house.done("jwt", "now!")
    assert (job.state, state_of(job)) == (JobState.DONE, "retired")
    assert not house.apps["jwt"].lets_in(before)
    assert len(house.secrets.versions("jwt")) == 1


def test_a_program_with_one_value_is_refused_unless_the_log_out_is_accepted() -> None:
    assert "everybody would be logged out" in House().said("session")
    accepting = Secret("session", Kind.JWT, "app", "session", single_value=True, accept_logout=True, uses=(USE,))
    house = House(None, accepting)
    answer = house.ask("session")
    assert isinstance(answer, Began)
    assert "Everybody is logged out" in text_of(house.desk.card(house.job(answer.job)))


def test_a_generic_secret_gets_a_new_value_and_the_old_one_is_destroyed_later() -> None:
    house = House()
    job = house.done("api-key")
    assert state_of(job) == "soaking"
    assert house.secrets.seen("api-key") != FIRST["api-key"]
    assert len(house.secrets.versions("api-key")) == 2
    house.clock.advance(2 * 3600)
    assert state_of(house.done("api-key", "retire")) == "retired"
    assert len(house.secrets.versions("api-key")) == 1


@pytest.mark.parametrize("name", ["jwt", "api-key"])
def test_a_proof_that_fails_puts_the_former_value_back(name: str) -> None:
    house = House()
    app = house.apps[name]
    app.broken = lambda value: value != FIRST[name]
    job = house.done(name)
    assert (job.state, state_of(job)) == (JobState.FAILED, "rolled_back")
    assert house.secrets.seen(name) == FIRST[name]
    assert app.values == [FIRST[name]] * 2
    assert "is not healthy" in text_of(house.desk.card(job))


def test_a_replica_that_does_not_read_anew_stops_the_rotation_before_the_new_key_signs() -> None:
    house = House()
    house.apps["jwt"].lame = {1}
    before = house.apps["jwt"].session()
    job = house.done("jwt")
    assert state_of(job) == "rolled_back"
    assert "does not use the new version yet" in text_of(house.desk.card(job))
    assert house.apps["jwt"].lets_in(before)


def test_when_neither_value_works_a_person_is_asked() -> None:
    house = House()
    house.apps["jwt"].broken = lambda value: True
    job = house.done("jwt")
    assert (job.state, state_of(job)) == (JobState.FAILED, "needs")
    assert "Needs a person" in text_of(house.desk.card(job))
    assert "in need of a person" in house.said("status")


def test_what_somebody_else_put_there_meanwhile_is_not_touched() -> None:
    house = House()
    job = house.queued("api-key")
    house.secrets.put("api-key", b"by hand")
    house.desk.work(job)
    assert "was changed since you confirmed" in text_of(house.desk.card(house.job(job)))
    assert house.secrets.seen("api-key") == b"by hand"


def test_no_value_is_in_a_card_a_record_or_a_journal() -> None:
    house = House()
    rings = [house.ring()]
    for name in ("jwt", "api-key"):
        house.done(name)
        rings.append(house.ring())
    house.done("jwt", "rollback")
    values = {key for ring in rings for key in ring.keys.values()} | {FIRST["api-key"].decode()}
    values.add(house.secrets.seen("api-key").decode())
    told = [repr(each) for each in house.audit.events]
    told += [house.artifacts.get(each.key, version=each.version).decode() for each in house.artifacts.list("")]  # type: ignore[union-attr]
    told += [house.state.get(key).value.decode() for key in house.state.keys("")]  # type: ignore[union-attr]
    told += [json.dumps(house.said("status"))]
    for value in values:
        assert not any(value in each for each in told)


def test_a_pair_of_users_takes_turns_and_the_idle_one_is_locked_when_it_is_retired() -> None:
    house = House()
    old = Credentials.read(Sealed(FIRST["mongo"]))
    assert state_of(house.done("mongo")) == "soaking"
    new = Credentials.read(Sealed(house.secrets.seen("mongo")))
    assert new.username == "app_b"
    assert house.accounts.users["app_b"][1] == "rw", "its roles had drifted"
    assert house.accounts.lets_in(old)
    assert house.accounts.lets_in(new)
    assert state_of(house.done("mongo", "retire")) == "retired"
    assert not house.accounts.lets_in(old)
    assert house.accounts.lets_in(new)
    assert state_of(house.done("mongo")) == "soaking"
    assert Credentials.read(Sealed(house.secrets.seen("mongo"))).username == "app_a"


def test_a_stored_user_that_is_not_of_the_pair_is_not_touched() -> None:
    house = House()
    house.secrets.put("mongo", Credentials("root", "elsewhere").sealed().reveal())
    before = dict(house.accounts.users)
    job = house.done("mongo")
    assert state_of(job) == "aborted"
    assert "not one of the pair" in text_of(house.desk.card(job))
    assert house.accounts.users == before


@pytest.mark.parametrize("call", ["secrets.stage", "secrets.promote"])
@pytest.mark.parametrize("name", ["jwt", "api-key", "mongo"])
def test_an_answer_that_was_lost_is_looked_after_and_the_rotation_goes_on(name: str, call: str) -> None:
    house = House()
    house.faults.fail(call, after=True)
    assert state_of(house.done(name)) == "soaking"


def test_whoever_was_replaced_writes_nothing_more_into_the_journal() -> None:
    house = House()
    first = RotationJournal(house.artifacts, "jwt", JobId("job"))
    first.write("intent", "promote.sign", now=house.clock.now())
    second = RotationJournal(house.artifacts, "jwt", JobId("job")).read()
    second.write("taken", now=house.clock.now())
    with pytest.raises(OutsideError, match="Another worker took this rotation over"):
        first.write("done", "promote.sign", now=house.clock.now())
    assert [each.what for each in second.read().entries] == ["intent", "taken"]


def test_a_worker_that_was_replaced_in_the_middle_does_nothing_more() -> None:
    """The first worker hangs in a roll-out; another one rescues the job; the first one wakes up."""
    house = House()
    job = house.queued("jwt")
    rolling, app = house.apps["jwt"].roll_out, house.apps["jwt"]

    def hanging(beat: object = ()) -> None:
        app.roll_out = rolling  # type: ignore[method-assign]
        house.clock.advance(40)
        house.new_desk().tend()
        rolling()

    app.roll_out = hanging  # type: ignore[method-assign]
    before = app.session()
    house.desk.work(job)
    assert house.job(job).state.final
    assert state_of(house.job(job)) == "soaking"
    assert app.lets_in(before)
    assert set(app.values) == {house.secrets.seen("jwt")}
    assert unclosed(house.artifacts) == ()


def test_two_people_cannot_rotate_the_same_secret_at_once() -> None:
    house = House()
    house.queued("jwt")
    house.clock.advance(60)
    answer = house.ask("jwt")
    assert isinstance(answer, Began)
    with pytest.raises(Refusal, match="One at a time"):
        house.desk.challenge(answer.job, SARA)


@pytest.mark.parametrize(
    "words", [("nothing",), ("jwt", "twice"), ("a", "b", "c"), ("\x00",), ("../jwt",), ("x" * 4000,)]
)
def test_what_means_nothing_is_refused_in_a_sentence(words: tuple[str, ...]) -> None:
    assert len(House().said(*words)) < 400


def test_a_secret_is_due_seven_days_before_and_when_it_is_too_old() -> None:
    house = House()
    assert "No secret is due" in house.said("due")
    house.clock.advance(84 * 86_400)
    assert "due in" in house.said("due")
    house.clock.advance(7 * 86_400)
    assert "old, due" in house.said("due")


def reminded(house: House) -> list[str]:
    """The titles of all reminders, the oldest first."""
    alarms = Alarms(house.state, house.audit, house.clock, house.entropy)
    actor = Actor(SCHEDULE, "T1", Surface.SCHEDULE)
    for _ in range(2):  # two workers
        Reminders(house.estate, alarms, actor, "C0OPS").round()
    jobs = [house.job(JobId(key.removeprefix("job:"))) for key in house.state.keys("job:")]
    found = sorted((each for each in jobs if each.plan.operation == REMIND), key=lambda each: each.created)
    return [str(house.desk.card(each).title) for each in found]


def test_somebody_is_reminded_a_week_before_and_on_the_day_and_the_card_says_when_it_is_done() -> None:
    house = House(None, JWT)
    assert reminded(house) == []
    house.clock.advance(84 * 86_400)
    assert reminded(house) == ["jwt should be rotated within a week"]
    house.clock.advance(7 * 86_400)
    assert reminded(house) == ["jwt was looked after", "jwt must be rotated: it is too old"]
    house.done("jwt")
    assert reminded(house)[-1] == "jwt was looked after"
    house.clock.advance(31 * 86_400)
    for _ in range(2):
        assert reminded(house).count("The old jwt waits to be retired") == 1


def test_a_store_that_does_not_answer_neither_raises_nor_closes_a_reminder() -> None:
    house = House(None, JWT)
    house.clock.advance(91 * 86_400)
    before = reminded(house)
    for _ in range(2):
        house.faults.fail("secrets.look")
    assert reminded(house) == before
    house.faults.fail("secrets.look")
    assert "secrets need a look" in house.said("due")


def test_a_user_that_does_not_get_in_is_given_to_nobody() -> None:
    house = House()
    house.accounts.prepare = lambda new, like: None  # type: ignore[method-assign]
    job = house.done("mongo")
    assert state_of(job) == "aborted"
    assert house.secrets.seen("mongo") == FIRST["mongo"]
    assert not any(call == "secrets.promote" for call in house.faults.calls)
