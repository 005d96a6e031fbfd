"""A desk with runbooks and what stands around it, all fake."""

from __future__ import annotations

from handlers.beginnings import Beginnings
from handlers.core.alerts.ledger import Ledger
from handlers.core.door.alarms import Alarms
from handlers.core.door.approval import Gate
from handlers.core.door.desk import Accepted, Began, Desk, Outside, Said
from handlers.core.door.permits import Permits
from handlers.core.door.policy_data import read
from handlers.core.door.records import Jobs
from handlers.core.door.rules import NoRules, Rules
from handlers.core.runbooks.library import Library
from handlers.core.runbooks.misprints import Misprints
from handlers.core.runbooks.run_records import RunRecords
from handlers.core.runbooks.runs import Run
from handlers.core.words.answers import Actor, Invocation, JobId, Press, TargetName
from handlers.core.words.forms import Form
from handlers.core.words.jobs import Job, JobState
from handlers.deeds import Hands
from handlers.handwork import Handwork
from handlers.looks import Eyes
from handlers.performing import Performer
from handlers.runbooks import RunbookHandler
from handlers.steps import SHAPES
from tests.fake_probes import AWAY, FakeMetrics, FakeNetwork, FakeProgram, FakeServices, FakeWeb, rollbacks_of
from tests.fakes import (
    FakeClock,
    FakeEntropy,
    FakeFactors,
    FakePeople,
    MemoryAudit,
    MemoryQueue,
    MemoryState,
    someone,
)
from tests.handlers.test_runbooks import Files

SARA, SHOP = someone("U0SARA"), TargetName("shop")


class _Book:
    """The rules in a file's data."""

    def __init__(self, data: object) -> None:
        self._rules, problems = read(data)
        assert problems == ()

    def current(self) -> Rules:
        return self._rules


class House:
    """See the module."""

    away = AWAY

    def __init__(self, files: dict[str, object], rules: object = None) -> None:
        self.clock, self.web, self.shelf = FakeClock(), FakeWeb(), Files(**files)
        self.state, self.queue, entropy = MemoryState(self.clock), MemoryQueue(), FakeEntropy()
        self.factors = FakeFactors()
        self.factors.add("U0SARA")
        self.records, self.jobs = RunRecords(self.state), Jobs(self.state)
        self.library = Library(self.shelf, SHAPES)
        self.metrics, self.services = FakeMetrics(), FakeServices()
        eyes = Eyes(self.web, FakeNetwork(), self.clock, self.metrics, health_url="http://backend/health")
        hands = Hands(self.clock, FakeProgram(), {}, rollbacks=rollbacks_of(self.services, self.clock, eyes))
        self.performer = Performer(self.records, self.jobs, eyes, hands, self.clock)
        gate = Gate(self.state, self.factors, self.clock, entropy)
        self.people, audit = FakePeople(), MemoryAudit()
        book = NoRules() if rules is None else _Book(rules)
        permits = Permits(gate, self.people, book, audit, self.clock)
        beginnings = Beginnings(self.library, Ledger(self.state), entropy, SHOP)
        handler = RunbookHandler(beginnings, self.performer, Handwork(self.performer, permits))
        outside = Outside(self.state, self.queue, audit, self.people, self.clock, entropy, book)
        self.desk = Desk({"runbook": handler}, gate, outside, (handler,))
        alarms = Alarms(self.state, audit, self.clock, entropy)
        self.misprints = Misprints(self.library, alarms, self.clock, SARA, "")
        self.run_id = ""

    @property
    def run(self) -> Run:
        found = self.records.load(self.run_id)
        assert found is not None
        return found

    def ask(self, *words: str, actor: Actor = SARA) -> Said | Began:
        return self.desk.ask(Invocation("runbook", words, actor, "C0OPS"))

    def start(self, name: str) -> Run:
        assert "is started" in str(self.ask(name))
        self.run_id = self.records.all()[0].id
        return self.run

    def press(self, action: str, value: str, actor: Actor = SARA, **fields: str) -> Job | None:
        """Presses a button of the run, and answers what it asks; the job that it led to."""
        before = set(self.state.keys("job:"))
        whole = f"{self.run_id}/{value}" if value else self.run_id
        said = self.desk.press(Press(action, whole, actor, "C0OPS"))
        if isinstance(said, Form):
            typed = {"note": "because", "person": actor.person, **fields}
            said = self.desk.press(Press(said.action, said.value, actor, "C0OPS", typed))
        assert said is None
        new = set(self.state.keys("job:")) - before
        return self.jobs.load(JobId(new.pop().removeprefix("job:"))) if new else None

    def step(self, name: str) -> Run:
        """Runs a step to its end."""
        self.press("step_run", f"{name}/{self.run.next_attempt(name)}")
        self.work()
        return self.run

    def work(self) -> None:
        self.queue.hand_out(self.desk.work)

    def approve(self, job: Job) -> None:
        assert job.state is JobState.OFFERED
        code = self.factors.code("U0SARA", int(self.clock.now().timestamp()) // 30)
        assert isinstance(self.desk.approve(self.desk.challenge(job.id, SARA).id, SARA, code), Accepted)
