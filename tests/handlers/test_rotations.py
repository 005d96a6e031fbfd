"""Rotations, through the desk: nobody is locked out, whatever stops when."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.adapters.factors.records import Records
from bot.adapters.own_keys import OwnConsumer, OwnValues
from bot.adapters.signing import FACTORS as FACTORS_KEY
from bot.adapters.signing import derived
from handlers.core.backups.catalogue import Catalogue
from handlers.core.backups.rota import SCHEDULE
from handlers.core.door.alarms import Alarms
from handlers.core.door.approval import Gate
from handlers.core.door.desk import Began, Desk, Outside, Said
from handlers.core.door.records import Jobs
from handlers.core.ports import Factor
from handlers.core.rotation.access_keys import KeyPair
from handlers.core.rotation.accounts import Credentials
from handlers.core.rotation.estates import OWN_CONSUMER, Estate
from handlers.core.rotation.key_holds import KeyHolds
from handlers.core.rotation.key_rings import KeyRing
from handlers.core.rotation.recorded_secrets import RecordedSecrets
from handlers.core.rotation.rotation_journals import RotationJournal, unclosed
from handlers.core.rotation.rotation_plans import shown
from handlers.core.rotation.rotations import Rotations
from handlers.core.rotation.secret_stores import Consumer, Sealed
from handlers.core.rotation.secrets import OWN, Kind, Managed, Secret, StoreSpec, Use
from handlers.core.rotation.standings import REMIND, Reminders
from handlers.core.words.answers import Actor, Invocation, JobId, PersonId, Surface, TargetName
from handlers.core.words.cards import Card
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from handlers.rotate import RotateHandler
from tests.fake_secrets import (
    FakeAccounts,
    FakeApp,
    FakeKeys,
    FaultySecrets,
    MemorySecrets,
    first_key,
    first_ring,
    first_user,
)
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
AWS = Secret("s3", Kind.AWS_KEY, "app", "s3", overlap=timedelta(days=1), iam_user="uploader", uses=(USE,))
FACTORS = Secret("factors", Kind.FACTOR_KEY, "app", "factors", overlap=timedelta(hours=1), uses=(USE,))
DOOR = Secret("webhook", Kind.WEBHOOK_TOKEN, "app", "webhook", overlap=timedelta(hours=1), uses=(USE,))
SEALS = Secret("seals", Kind.AUDIT_KEY, "app", "seals", overlap=timedelta(hours=1), uses=(USE,))
SEED, MASTER = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", b"m" * 32
DATA = Secret("data", Kind.ENCRYPTION_KEY, "app", "data", overlap=timedelta(days=1), uses=(USE,))
SHOP = TargetName("shop")
FIRST = {
    "factors": b"the-first-factor-key-CANARY",
    "webhook": b"the-first-webhook-token-CANARY",
    "seals": b"the-first-audit-key-CANARY",
    "data": first_ring(),
    "s3": first_key(),
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
        managed = {each.name: each for each in secrets or (JWT, PLAIN, SINGLE, PAIR, AWS, DATA)}
        self.accounts = FakeAccounts(
            {"app_a": (Credentials.read(Sealed(FIRST["mongo"])).password, "rw"), "app_b": ("x", "all")}, self.faults
        )
        self.keys = FakeKeys(self.clock, self.faults)
        self.apps: dict[str, FakeApp] = {}
        for name in managed:
            self.secrets.put(name, FIRST[name])
            app = FakeApp(lambda name=name: self.secrets.seen(name), self.faults)  # type: ignore[misc]
            app.clock = self.clock
            self.apps[name] = app
            if name == "data":
                app.data = {f"{number:02}": "k-first" for number in range(8)}
        self.own = {name: self._bot(managed[name]) for name in managed if managed[name].kind in OWN}
        self.managed = Managed({"app": StoreSpec("app", "memory")}, managed)
        self.desk = self.new_desk()
        self.clock.on_sleep = lambda: self.desk.beat()  # as a worker's other thread does

    def _bot(self, secret: Secret) -> OwnConsumer:
        """The bot as a consumer of a key of its own."""
        values = OwnValues(self.secrets, secret.place)
        if secret.kind is Kind.FACTOR_KEY:
            self.records = Records(
                self.artifacts, MASTER, lambda: tuple(derived(each.reveal(), FACTORS_KEY) for each in values.all())
            )
            for person in (SARA.person, PersonId("U0OMID")):
                factor = Factor(person, floor_step=7, used=True, locked=person != SARA.person, version=1)
                assert self.records.put(factor, "T1", SEED, ("recovery",))
            return OwnConsumer(self._resealed, self.records.examine)
        return OwnConsumer(lambda value: value in values.all())

    def _resealed(self, value: Sealed) -> bool:
        self.records.reseal(derived(value.reveal(), FACTORS_KEY))
        return True

    def new_desk(self) -> Desk:
        """Another process."""
        consumers: dict[str, dict[str, Consumer]] = {name: {"api": app} for name, app in self.apps.items()}
        for name, bot in self.own.items():
            consumers[name][OWN_CONSUMER] = bot
        self.estate = estate = Estate(
            self.managed,
            {"app": RecordedSecrets(self.secrets, self.audit)},
            consumers,
            self.artifacts,
            self.clock,
            self.entropy,
            {"mongo": self.accounts},
            {"s3": self.keys},
            KeyHolds(self.artifacts, {SHOP: Catalogue(SHOP, self.artifacts)}, SHOP, Jobs(self.state)),
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
        if self.job(answer.job).state is JobState.QUEUED:
            return answer.job
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

    def pause(self, name: str) -> None:
        """Somebody asks for it, and another thread of a worker does it."""
        with contextlib.suppress(OutsideError):
            answer = self.ask(name, "pause")
            if isinstance(answer, Began):
                self.desk.work(answer.job)

    def paused(self, name: str, call: str, nth: int) -> Job:
        """A rotation that somebody pauses when it has made that call."""
        job = self.queued(name)
        self.faults.meanwhile(call, nth, lambda: self.pause(name))
        self.desk.work(job)
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
    with pytest.raises(OutsideError, match="Another worker took this over"):
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


@pytest.mark.parametrize("call", ["secrets.stage", "secrets.promote", "app.roll_out"])
@pytest.mark.parametrize("word", ["", "now!", "rollback", "retire"])
def test_whoever_asks_for_a_secret_that_is_being_rotated_is_told_of_the_job_at_work(word: str, call: str) -> None:
    """And not of a strange version that waits, which is the rotation's own."""
    house, said = House(), list[str]()
    job = house.queued("jwt")
    house.faults.meanwhile(call, 1, lambda: said.append(house.said("jwt", *filter(None, [word]))))
    house.desk.work(job)
    assert f"A rotation of jwt is at work: job {job}" in said[0]
    assert state_of(house.job(job)) == "soaking"


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


DAY = 86_400 + 600


def key_of(house: House) -> KeyPair:
    return KeyPair.read(Sealed(house.secrets.seen("s3")))


@pytest.mark.parametrize("seconds", [0, 1, 7, 15, 30, 59, 60])
def test_a_new_access_key_is_given_to_programs_when_aws_knows_it_everywhere(seconds: int) -> None:
    house = House()
    house.keys.propagation = seconds
    given: list[bool] = []
    rolling = house.apps["s3"].roll_out

    def seen(beat: object = ()) -> None:
        given.extend(house.keys.lets_in(key_of(house)) for _ in range(6))
        rolling()

    house.apps["s3"].roll_out = seen  # type: ignore[method-assign]
    assert state_of(house.done("s3")) == "soaking"
    assert given == [True] * 6
    assert len(house.keys.keys) == 2


def test_an_old_access_key_is_switched_off_for_a_day_and_then_deleted() -> None:
    house = House()
    house.done("s3")
    assert "would log people out" not in house.said("s3", "retire")
    house.clock.advance(DAY)
    assert state_of(house.done("s3", "retire")) == "soaking"
    assert [each.active for _, each in house.keys.keys.values()] == [False, True]
    assert "still needed" in house.said("s3", "retire")
    house.desk = house.new_desk()
    house.clock.advance(DAY)
    assert "waits to be retired" in house.said("due")
    assert state_of(house.done("s3", "retire")) == "retired"
    assert house.keys.deleted == {"AKIAFIRST": False}
    assert list(house.keys.keys) == [key_of(house).id]
    assert len(house.secrets.versions("s3")) == 1


def test_an_access_key_that_somebody_still_uses_is_not_retired() -> None:
    house = House()
    house.done("s3")
    house.clock.advance(DAY)
    house.keys.used["AKIAFIRST"] = house.clock.now() - timedelta(hours=2)
    job = house.done("s3", "retire")
    assert "Somebody used the old access key" in text_of(house.desk.card(job))
    assert all(each.active for _, each in house.keys.keys.values())


def test_an_access_key_that_was_switched_on_again_is_not_deleted() -> None:
    house = House()
    house.done("s3")
    house.clock.advance(DAY)
    house.done("s3", "retire")
    house.clock.advance(DAY)
    house.keys.switch("AKIAFIRST", active=True)
    assert "switched the old access key on again" in text_of(house.desk.card(house.done("s3", "retire")))
    assert house.keys.deleted == {}


def test_going_back_switches_the_old_access_key_on_again() -> None:
    house = House()
    house.done("s3")
    house.clock.advance(DAY)
    house.done("s3", "retire")
    house.keys.propagation = 40
    given: list[bool] = []
    rolling = house.apps["s3"].roll_out

    def seen(beat: object = ()) -> None:
        given.extend(house.keys.lets_in(key_of(house)) for _ in range(6))
        rolling()

    house.apps["s3"].roll_out = seen  # type: ignore[method-assign]
    assert state_of(house.done("s3", "rollback")) == "rolled_back"
    assert given == [True] * 6
    assert key_of(house).id == "AKIAFIRST"
    assert list(house.keys.keys) == ["AKIAFIRST"]
    assert set(house.keys.deleted.values()) == {False}


def test_a_rotation_of_an_access_key_begins_only_while_there_is_one() -> None:
    house = House()
    house.keys.make()
    job = house.done("s3")
    assert "there are two" in text_of(house.desk.card(job))
    assert state_of(job) == "aborted"
    assert len(house.keys.keys) == 2
    assert house.keys.deleted == {}


def test_a_stored_access_key_that_is_not_the_users_is_not_rotated() -> None:
    house = House()
    house.keys.switch("AKIAFIRST", active=False)
    assert "none of this user's active ones" in house.said("s3")


@pytest.mark.parametrize("used", [False, True])
def test_an_access_key_whose_secret_was_lost_is_deleted_unless_somebody_has_used_it(used: bool) -> None:
    house = House()
    making = house.keys.make

    def lost() -> KeyPair:
        made = making()
        if used:
            house.keys.used[made.id] = house.clock.now()
        raise OutsideError(Text("The answer was lost."))

    house.keys.make = lost  # type: ignore[method-assign]
    assert state_of(house.done("s3")) == "aborted"
    assert len(house.keys.keys) == (2 if used else 1)
    assert list(house.keys.deleted.values()) == ([] if used else [False])


@pytest.mark.parametrize("name", ["jwt", "api-key", "s3"])
def test_an_emergency_whose_proof_fails_stays_with_the_new_value_and_asks_a_person(name: str) -> None:
    house = House()
    house.apps[name].broken = lambda value: value != FIRST[name]
    job = house.done(name, "now!")
    assert (job.state, state_of(job)) == (JobState.FAILED, "needs")
    assert house.secrets.seen(name) != FIRST[name]
    said = text_of(house.desk.card(job))
    assert "Needs a person" in said
    assert "I do not go back to it by myself" in said
    assert "in need of a person" in house.said("status")


@pytest.mark.parametrize("words", ["retire", "rollback", "now!"])
@pytest.mark.parametrize("name", ["jwt", "api-key", "s3"])
def test_a_person_ends_an_emergency_that_stayed(name: str, words: str) -> None:
    house = House()
    house.apps[name].broken = lambda value: value != FIRST[name]
    house.done(name, "now!")
    house.apps[name].broken = lambda value: False
    if words == "retire" and name == "s3":
        house.clock.advance(DAY)
    job = house.done(name, words)
    wanted = {"rollback": "rolled_back", "retire": "soaking" if name == "s3" else "retired", "now!": "retired"}[words]
    assert state_of(job) == wanted, text_of(house.desk.card(job))
    assert (house.secrets.seen(name) == FIRST[name]) is (words == "rollback")
    assert house.apps[name].values == [house.secrets.seen(name)] * 2


def seeds_of(house: House, *keys: bytes) -> list[tuple[str, bool, int, int]]:
    """What stands in the records that count, opened with nothing but these keys."""
    records, found = Records(house.artifacts, b"-" * 32, lambda: keys), []
    for person in (SARA.person, PersonId("U0OMID")):
        kept = records.latest(person, "T1")
        assert kept is not None
        found.append((records.seed(kept, "T1"), kept.factor.locked, kept.factor.floor_step, kept.factor.codes_left))
    return found


def key_in_use(house: House) -> bytes:
    return derived(house.secrets.seen("factors"), FACTORS_KEY)


def test_second_factors_are_encrypted_with_the_new_key_and_are_what_they_were() -> None:
    house = House(None, FACTORS)
    before, old = seeds_of(house, key_in_use(house)), key_in_use(house)
    assert state_of(house.done("factors")) == "soaking"
    assert seeds_of(house, key_in_use(house)) == before == [(SEED, False, 7, 1), (SEED, True, 7, 1)]
    with pytest.raises(Damage):
        seeds_of(house, old)
    assert seeds_of(house, key_in_use(house), old) == before, "both keys are readable meanwhile"
    house.clock.advance(2 * 3600)
    assert state_of(house.done("factors", "retire")) == "retired"
    assert len(house.secrets.versions("factors")) == 1


def test_going_back_encrypts_second_factors_with_the_former_key_again() -> None:
    house = House(None, FACTORS)
    before, old = seeds_of(house, key_in_use(house)), key_in_use(house)
    house.done("factors")
    assert state_of(house.done("factors", "rollback")) == "rolled_back"
    assert key_in_use(house) == old
    assert seeds_of(house, old) == before


def test_what_was_encrypted_with_the_former_key_meanwhile_is_encrypted_anew_before_that_key_goes() -> None:
    """A process that had read the former key wrote with it once more."""
    house = House(None, FACTORS)
    old = key_in_use(house)
    house.done("factors")
    late = Records(house.artifacts, b"-" * 32, lambda: (old, key_in_use(house)))
    kept = late.latest(SARA.person, "T1")
    assert kept is not None
    assert late.put(replace(kept.factor, version=kept.factor.version + 1, floor_step=8), "T1", SEED)
    house.clock.advance(2 * 3600)
    assert state_of(house.done("factors", "retire")) == "retired"
    assert [each[2] for each in seeds_of(house, key_in_use(house))] == [8, 7]


def test_a_second_factor_that_no_key_opens_stops_a_rotation_before_it_begins() -> None:
    house = House(None, FACTORS)
    stranger = Records(house.artifacts, b"s" * 32)
    assert stranger.put(Factor(PersonId("U0EVE"), floor_step=1, used=True, locked=False, version=1), "T1", SEED)
    first = key_in_use(house)
    with pytest.raises(OutsideError, match="cannot be decrypted"):
        house.ask("factors")
    assert key_in_use(house) == first
    assert len(seeds_of(house, first)) == 2


def test_a_new_token_is_given_to_nobody_before_the_webhook_lets_it_in() -> None:
    house = House(None, DOOR)
    seen: list[bytes] = []
    knocks = iter((False, True, True, False, *([True] * 20)))

    def knock(value: Sealed) -> bool:
        seen.append(value.reveal())
        return next(knocks)

    house.own["webhook"] = OwnConsumer(knock)
    house.desk = house.new_desk()
    house.faults.meanwhile("secrets.promote", 1, lambda: seen.append(b"promoted"))
    assert state_of(house.done("webhook")) == "soaking"
    assert seen.index(b"promoted") == 9
    assert set(seen[:9]) == {house.secrets.seen("webhook")}


def test_a_webhook_that_never_lets_the_new_token_in_keeps_the_former_one() -> None:
    house = House(None, DOOR)
    house.own["webhook"] = OwnConsumer(lambda value: value.reveal() == FIRST["webhook"])
    house.desk = house.new_desk()
    job = house.done("webhook")
    assert state_of(job) == "aborted"
    assert "does not let the new token in" in text_of(house.desk.card(job))
    assert house.secrets.seen("webhook") == FIRST["webhook"]


def test_an_entry_that_was_edited_after_the_code_voids_the_approval() -> None:
    house = House()
    job = house.queued("mongo")
    house.managed.secrets["mongo"] = replace(PAIR, admin_uri_file="/elsewhere")  # type: ignore[index]
    house.desk.work(job)
    assert "is not the one that was confirmed" in text_of(house.desk.card(house.job(job)))
    assert house.secrets.seen("mongo") == FIRST["mongo"]
    assert not any(call.startswith("accounts.") for call in house.faults.calls)


def test_a_secret_that_was_edited_to_point_at_another_host_points_nobody_there() -> None:
    """Who changes users, and where, is in the file; of the stored value only the name of the user is taken."""
    house = House()
    edited = {
        **json.loads(FIRST["mongo"]),
        "host": "evil.example:27017",
        "uri": "mongodb://evil.example/",
        "roles": ["root"],
    }
    house.secrets.put("mongo", json.dumps(edited).encode())
    assert state_of(house.done("mongo")) == "soaking"
    assert b"evil" not in house.secrets.seen("mongo")
    assert set(json.loads(house.secrets.seen("mongo"))) == {"username", "password", "version"}
    assert house.accounts.users["app_b"][1] == "rw"


def test_the_card_of_a_rotation_says_from_which_version_to_which_and_has_the_ways_on() -> None:
    house = House()
    answer = house.ask("jwt")
    assert isinstance(answer, Began)
    facts = {str(each.label): str(each.value) for each in house.desk.card(house.job(answer.job)).facts}
    job = house.done("jwt")
    made = [str(each.value) for each in house.desk.card(job).facts if str(each.label) == "To version"]
    assert list(facts)[:5] == ["Kind", "Store", "From version", "To version", "Used by"]
    assert made == [shown(house.secrets.look("jwt").current_id)]
    assert [(each.action, each.value) for each in house.desk.card(job).buttons] == [
        ("rotate_pick", "jwt retire"),
        ("rotate_pick", "jwt rollback"),
    ]
    house.clock.advance(31 * 86_400)
    for words in ("retire", "rollback"):
        asked = house.ask("jwt", words)
        assert isinstance(asked, Began)
        assert house.job(asked.job).state is JobState.OFFERED, "nothing happens before a code"


def test_the_card_lists_all_steps_and_ticks_those_that_are_done() -> None:
    house, seen = House(), list[list[str]]()
    job = house.queued("jwt")
    house.faults.meanwhile("app.roll_out", 1, lambda: seen.append(steps_of(house, job)))
    house.faults.meanwhile("app.accepts", 5, lambda: seen.append(steps_of(house, job)))
    house.desk.work(job)
    assert [len(each) for each in seen] == [8, 8]
    assert ["".join(line[0] for line in each) for each in seen] == ["✓✓▶○○○○○", "✓✓✓✓✓✓✓▶"]
    assert seen[0][0] == "✓ Keeping the new value beside the current one (both keys accepted)"
    assert steps_of(house, job) == [], "what is done is told in one sentence"


def test_where_a_person_is_asked_for_and_both_values_are_kept_both_ways_are_buttons() -> None:
    house = House()
    house.apps["api-key"].broken = lambda value: value != FIRST["api-key"]
    job = house.done("api-key", "now!")
    assert state_of(job) == "needs"
    assert [each.value for each in house.desk.card(job).buttons] == ["api-key retire", "api-key rollback"]


def steps_of(house: House, job: JobId) -> list[str]:
    """The lines of its card that are steps."""
    return [each for each in map(str, house.desk.card(house.job(job)).lines) if each[0] in "✓▶○"]


def test_versions_that_were_found_are_shown_short_and_told_apart() -> None:
    found = [f"found-{number:032x}" for number in range(100)]
    said = [shown(each) for each in found]
    assert len(set(said)) == 100
    assert max(map(len, said)) <= 14
