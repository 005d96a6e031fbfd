"""A desk with runbooks and what stands around it, all fake."""

from __future__ import annotations

from handlers.core.alarms import Alarms
from handlers.core.answers import Actor, Invocation, JobId, Press, TargetName
from handlers.core.approval import Gate
from handlers.core.desk import Accepted, Began, Desk, Outside, Said
from handlers.core.jobs import Job, JobState
from handlers.core.ledger import Ledger
from handlers.core.library import Library
from handlers.core.misprints import Misprints
from handlers.core.records import Jobs
from handlers.core.run_records import RunRecords
from handlers.core.runs import Run
from handlers.deeds import Hands
from handlers.looks import Eyes
from handlers.performing import Performer
from handlers.runbooks import Beginnings, RunbookHandler
from handlers.steps import SHAPES
from tests.fake_probes import AWAY, FakeNetwork, FakeProgram, FakeRollback, FakeWeb
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


class House:
    """See the module."""

    away = AWAY

    def __init__(self, files: dict[str, object]) -> None:
        self.clock, self.web, self.shelf = FakeClock(), FakeWeb(), Files(**files)
        self.state, self.queue, entropy = MemoryState(self.clock), MemoryQueue(), FakeEntropy()
        self.factors = FakeFactors()
        self.factors.add("U0SARA")
        self.records, self.jobs = RunRecords(self.state), Jobs(self.state)
        self.library = Library(self.shelf, SHAPES)
        eyes = Eyes(self.web, FakeNetwork(), self.clock, health_url="http://backend/health")
        hands = Hands(self.clock, FakeProgram(), {}, rollback=FakeRollback())
        self.performer = Performer(self.records, self.jobs, eyes, hands, self.clock)
        handler = RunbookHandler(Beginnings(self.library, Ledger(self.state), entropy, SHOP), self.performer)
        gate = Gate(self.state, self.factors, self.clock, entropy)
        audit = MemoryAudit()
        outside = Outside(self.state, self.queue, audit, FakePeople(), self.clock, entropy)
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

    def press(self, action: str, value: str, actor: Actor = SARA) -> Job | None:
        """Presses a button of the run; the job that it led to."""
        before = set(self.state.keys("job:"))
        whole = f"{self.run_id}/{value}" if value else self.run_id
        assert self.desk.press(Press(action, whole, actor, "C0OPS")) is None
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
