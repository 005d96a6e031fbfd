"""A desk with a runbook that rolls back for real: Redis, files, and either containers or the stand-in of Kubernetes.

- Every process builds its own from `given`. Points are those of tests.chaos.house: `put.0001.before` is the moment
  before the journal's second record, `up.1.after` the one after the first change of what runs, `beat.2.before` one in
  the middle of a change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.adapters.clock import SystemEntropy
from bot.adapters.command import LocalProgram
from bot.adapters.compose import ComposeServices, Project
from bot.adapters.kubernetes.asking import connected
from bot.adapters.kubernetes.services import KubernetesServices
from bot.adapters.network_probe import NetworkProbe
from bot.adapters.state_redis import RedisState
from bot.adapters.web_probe import WebProbe
from handlers import looks
from handlers.beginnings import Beginnings
from handlers.core.alerts.ledger import Ledger
from handlers.core.door.approval import Gate
from handlers.core.door.desk import Accepted, Desk, Outside
from handlers.core.door.permits import Permits
from handlers.core.door.records import Jobs
from handlers.core.door.rules import NoRules
from handlers.core.runbooks.attempts import Result
from handlers.core.runbooks.deployments import Change, Seen, Services, Version
from handlers.core.runbooks.known_good import KnownGood
from handlers.core.runbooks.library import Library
from handlers.core.runbooks.probes import Finished
from handlers.core.runbooks.rollbacks import Rollbacks
from handlers.core.runbooks.run_records import RunRecords
from handlers.core.runbooks.runbooks import read
from handlers.core.runbooks.runs import Run
from handlers.core.words.answers import JobId, Press
from handlers.core.words.errors import OutsideError
from handlers.deeds import Hands
from handlers.handwork import Handwork
from handlers.looks import Eyes, unknown
from handlers.performing import Performer
from handlers.runbooks import RunbookHandler
from handlers.steps import SHAPES
from tests.chaos.house import SARA, SHOP, Break, BreakingStore, QuickClock
from tests.fakes import FakeFactors, FakePeople, MemoryAudit, MemoryQueue

RUNBOOK = {"title": "Back", "steps": [{"name": "back", "kind": "rollback", "title": "Back", "timeout": 8}]}
RUN = "run1"


class BreakingServices:
    """The real ones, with moments around and in the middle of what is changed."""

    takes_back = True

    def __init__(self, inner: Services, breaking: Break) -> None:
        self._inner, self._breaking = inner, breaking

    def look(self) -> Seen:
        return self._inner.look()

    def fetch(self, versions: Mapping[str, Version], seconds: float) -> None:
        self._inner.fetch(versions, seconds)

    def put(self, changes: Sequence[Change], seconds: float, beat: Iterable[None] = ()) -> Finished:
        self._breaking.at("up", "before")
        ended = self._inner.put(changes, seconds, self._beats(beat))
        self._breaking.at("up", "after")
        return ended

    def _beats(self, beat: Iterable[None]) -> Iterator[None]:
        for each in beat:
            self._breaking.at("beat", "before")
            yield each


class Empty:
    """A shelf without files."""

    def look(self) -> dict[str, object]:
        return {}


@dataclass
class RollbackHouse:
    """The desk and what a test asks about."""

    desk: Desk
    state: RedisState
    rollbacks: Rollbacks
    records: RunRecords
    jobs: Jobs
    factors: FakeFactors
    clock: QuickClock

    def offered(self) -> JobId:
        """Presses Run: the plan that waits for a code."""
        runbook, problems = read("back", RUNBOOK, SHAPES)
        assert runbook is not None, problems
        if self.records.load(RUN) is None:
            run = Run(RUN, runbook, SHOP, "C0OPS", SARA.person, SARA.person, self.clock.now())
            self.records.create(run)
        before = set(self.state.keys("job:"))
        assert self.desk.press(Press("step_run", f"{RUN}/back/{self.run.next_attempt('back')}", SARA, "C0OPS")) is None
        (new,) = set(self.state.keys("job:")) - before
        return JobId(new.removeprefix("job:"))

    def confirm(self, job: JobId) -> None:
        """The right code."""
        step = int(self.clock.now().timestamp()) // 30
        challenge = self.desk.challenge(job, SARA)
        assert isinstance(self.desk.approve(challenge.id, SARA, self.factors.code(SARA.person, step)), Accepted)

    @property
    def run(self) -> Run:
        found = self.records.load(RUN)
        assert found is not None
        return found


def rollback_house(given: Mapping[str, Any], breaking: Break | None = None) -> RollbackHouse:
    """Builds one."""
    breaking, clock, entropy, factors = breaking or Break(), QuickClock(), SystemEntropy(), FakeFactors()
    factors.add(SARA.person)
    state, store = RedisState(given["redis"]), BreakingStore(Path(given["folder"]))
    store.breaking = breaking
    services = BreakingServices(services_of(given), breaking)
    eyes = Eyes(WebProbe(), NetworkProbe(), clock, health_url=given["health"])

    def well(seconds: float) -> Result:
        try:
            return looks.http(eyes, {}, seconds)
        except OutsideError as error:
            return unknown(error.text)

    known = KnownGood(SHOP, state, store, clock) if given["by"] == "compose" else None
    rollbacks = Rollbacks(SHOP, services, store, clock, well, known)
    hands = Hands(clock, LocalProgram(), {}, rollbacks=rollbacks)
    performer = Performer(RunRecords(state), Jobs(state), eyes, hands, clock)
    gate, audit = Gate(state, factors, clock, entropy), MemoryAudit()
    handwork = Handwork(performer, Permits(gate, FakePeople(), NoRules(), audit, clock))
    handler = RunbookHandler(Beginnings(Library(Empty(), SHAPES), Ledger(state), entropy, SHOP), performer, handwork)
    outside = Outside(state, MemoryQueue(), audit, FakePeople(), clock, entropy)
    desk = Desk({"runbook": handler}, gate, outside, (handler,))
    return RollbackHouse(desk, state, rollbacks, performer.records, performer.jobs, factors, clock)


def services_of(given: Mapping[str, Any]) -> Services:
    """The real ones."""
    if given["by"] == "kubernetes":
        return KubernetesServices(connected(given["config"]), "default", ["api", "web"])
    project = Project(given["project"], (given["file"],), ("web",), tuple(given["compose"]), (given["engine"],))
    return ComposeServices(project, LocalProgram())
