"""A desk with second factors as they are stored, everybody's authenticator, and the page: all but Slack is real."""

from __future__ import annotations

import html
import io
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pyotp

from bot.adapters.factors import StoredFactors, StoredSeeds
from bot.adapters.totp import Totp
from bot.enrolling import EnrolPage
from handlers.access import AccessHandler
from handlers.core.door.alarms import Alarms
from handlers.core.door.approval import WORKSPACE, Gate
from handlers.core.door.consent import Rejected
from handlers.core.door.denials import Denials
from handlers.core.door.desk import Accepted, Desk, Outside
from handlers.core.door.enrolments import Enrolments
from handlers.core.door.glass import Glass
from handlers.core.door.permits import Permits
from handlers.core.door.records import Jobs
from handlers.core.door.rules import Rules
from handlers.core.door.tellings import TOLD, Tellings
from handlers.core.words.answers import Actor, JobId, PersonId, Press, Surface
from handlers.core.words.cards import Card
from handlers.core.words.jobs import Job
from tests.fakes import (
    FakeClock,
    FakeEntropy,
    FakePeople,
    MemoryAudit,
    MemoryQueue,
    MemoryState,
    MemoryStore,
    someone,
)
from tests.handlers.test_desk import Doing

KEY = bytes(range(32))
OPS, AUDIT = "C0OPS", "C0AUDIT"
SARA, OMID, LEILA = (someone(each) for each in ("U0SARA", "U0OMID", "U0LEILA"))


@dataclass
class Answered:
    """What the page answered."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def key(self) -> str:
        """What the page hid in its form."""
        return str(re.findall(r'name="key" value="([a-z2-7]+)"', self.body)[0])

    @property
    def seed(self) -> str:
        """What it showed to type."""
        return str(re.findall(r"</svg><p>.*? <code dir=\"ltr\">([A-Z2-7 ]+)</code>", self.body)[0]).replace(" ", "")

    @property
    def recovery(self) -> list[str]:
        """The recovery codes it showed."""
        return re.findall(r'<li><code dir="ltr">([a-z2-7-]+)</code></li>', self.body)


class Book:
    """Rules that a test can change."""

    def __init__(self) -> None:
        self.rules = Rules()

    def current(self) -> Rules:
        """The rules of now."""
        return self.rules


class House:
    """See the module. Sara has a factor from the host."""

    def __init__(self) -> None:
        self.clock, self.entropy, self.book = FakeClock(), FakeEntropy(), Book()
        self.state, self.queue, self.audit = MemoryState(self.clock), MemoryQueue(), MemoryAudit()
        self.people, self.store, self.doing = FakePeople(), MemoryStore(self.clock), Doing()
        self.factors, self.seeds = StoredFactors(self.store, KEY, Totp()), StoredSeeds(self.store, KEY, Totp())
        self.keys: dict[str, str] = {}
        self.seen: set[JobId] = set()
        self.jobs = Jobs(self.state)
        bot = Actor(PersonId("negahban"), WORKSPACE, Surface.SCHEDULE)
        alarms = Alarms(self.state, self.audit, self.clock, self.entropy)
        telling = Tellings(alarms, bot, AUDIT)
        glass = Glass(self.state, self.book, self.audit, self.clock, alarms, bot, AUDIT)
        self.gate = Gate(self.state, self.factors, self.clock, self.entropy)
        self.enrolments = Enrolments(self.seeds, self.gate, self.state, self.audit, self.clock, self.entropy, telling)
        permits = Permits(self.gate, self.people, self.book, self.audit, self.clock)
        access = AccessHandler(
            self.enrolments,
            self.seeds,
            self.gate,
            self.book,
            self.clock,
            telling,
            glass,
            Denials(self.state, permits, self.audit, self.clock),
            "https://bot.example/",
        )
        outside = Outside(
            self.state, self.queue, self.audit, self.people, self.clock, self.entropy, self.book, telling, glass
        )
        self.desk = Desk({"do": self.doing, "access": access}, self.gate, outside, (access,))
        self.page = EnrolPage(self.enrolments)
        self.host_enrols(SARA)

    def host_enrols(self, actor: Actor) -> None:
        """As at the host's terminal, long enough ago for its codes to be over."""
        seed, _ = self.factors.begin(actor.person, WORKSPACE)
        self.keys[actor.person] = seed
        self.factors.enroll(actor.person, WORKSPACE, seed, self.code(actor, -1), self.code(actor), self.clock.now())
        self.clock.advance(60)

    def code(self, actor: Actor, steps: int = 0) -> str:
        """What the person's app shows, or showed."""
        return pyotp.TOTP(self.keys[actor.person]).at(int(self.clock.now().timestamp()) + 30 * steps)

    # -- Slack -------------------------------------------------------------------------------------------------

    def press(self, actor: Actor, action: str, value: str = "me", channel: str = AUDIT) -> Card | None:
        """A button."""
        said = self.desk.press(Press(action, value, actor, channel))
        assert said is None or isinstance(said, Card)
        return said

    def invited(self, actor: Actor, tongue: str = "") -> tuple[str, str]:
        """The path of the link, for a reader of this tongue, and the binding code."""
        card = self.press(actor, "access_enrol", channel="")
        assert card is not None
        address = card.links[0].address(tongue) if tongue else card.links[0].url
        return address.removeprefix("https://bot.example"), str(card.facts[0].value)

    def offered(self) -> Job:
        """The job that waits for codes and was not seen before."""
        found = [each for each in self.jobs.active() if each.id not in self.seen]
        self.seen.update(each.id for each in found)
        return found[0]

    def confirmed(self, job: JobId, actor: Actor) -> Accepted | Rejected:
        """The person confirms it with a fresh code."""
        self.clock.advance(31)
        return self.desk.approve(self.desk.challenge(job, actor).id, actor, self.code(actor))

    def done(self, action: str, value: str, by: Actor) -> Job:
        """Somebody presses, confirms, and a worker does it."""
        self.press(by, action, value)
        job = self.offered()
        assert self.confirmed(job.id, by) == Accepted(job.id)
        self.desk.work(job.id)
        ended = self.jobs.load(job.id)
        assert ended is not None
        return ended

    def told(self, kind: str) -> dict[str, str]:
        """What was said, by where: a channel, or a person."""
        found = (self.jobs.load(JobId(each.removeprefix("job:"))) for each in self.state.keys("job:"))
        return {
            each.plan.channel: str(each.outcome.text)
            for each in found
            if each is not None and each.plan.operation == TOLD and each.outcome is not None
            if each.plan.arguments["kind"] == f"access-{kind}"
        }

    # -- the page ----------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None, kind: str = "") -> Answered:
        """One request of a browser."""
        body, said = urlencode(fields or {}).encode(), list[Any]()
        path, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": kind or "application/x-www-form-urlencoded",
            "wsgi.input": io.BytesIO(body),
        }
        answer = b"".join(self.page(environ, lambda status, headers: said.append((status, headers))))
        return Answered(int(said[0][0][:3]), dict(said[0][1]), html.unescape(answer.decode()))

    def post(self, path: str, step: str, key: str = "", **fields: str) -> Answered:
        """A form of the page."""
        return self.ask("POST", path, {"step": step, "key": key, **fields})

    def shown(self, actor: Actor, proof: str = "", tongue: str = "") -> tuple[str, Answered]:
        """Up to the page that shows the seed, which the person's app reads."""
        path, binding = self.invited(actor, tongue)
        page = self.post(path, "bind", code=binding)
        if proof:
            page = self.post(path, "prove", page.key, code=proof)
        assert page.status == 200, page.body
        self.keys[actor.person] = page.seed
        return path, page

    def finished(self, actor: Actor, proof: str = "") -> tuple[str, list[str]]:
        """Through the page to its end: which enrolment waits, and the recovery codes."""
        path, page = self.shown(actor, proof)
        self.clock.advance(30)
        page = self.post(path, "codes", page.key, first=self.code(actor, -1), second=self.code(actor))
        assert page.status == 200, page.body
        keys = [each.key for each in self.store.list(f"candidates/workspace.{actor.person}/")]
        return keys[-1].rpartition("/")[2].removesuffix(".json"), page.recovery
