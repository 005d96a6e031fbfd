"""Fakes for the Slack side: a clock that is moved by hand, a state in memory, and a desk that does as it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.slack.app import SlackApp, Socket
from bot.slack.chat import Chat, slack_client
from bot.slack.listeners import Listeners
from handlers.core.door.consent import Rejected
from handlers.core.door.desk import Accepted, Began, Challenge, Said
from handlers.core.words.answers import Actor, Invocation, JobId, PersonId, Plan, Press, Surface, TargetName
from handlers.core.words.cards import Button, Card, Tone
from handlers.core.words.forms import Form
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Code, Text
from sandbox.slack.server import LocalSlack
from tests.fakes import MemoryState

MANIFEST = Path(__file__).parents[3] / "deploy" / "slack-manifest.yaml"
JSON = dict[str, Any]


class HandClock:
    """Time that passes when it is told to. It starts at the real time of day, because Slack stamps with that."""

    def __init__(self) -> None:
        self._started = datetime.now(UTC)
        self.passed = 0.0

    def now(self) -> datetime:
        return self._started + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds


@dataclass
class ToldDesk:
    """Answers what a test put into it, and remembers what it was asked."""

    answer: Said | Began | Exception = field(default_factory=lambda: Said(Card(Text("Fine"))))
    challenged: Challenge | Exception | None = None
    approved: Accepted | Rejected | Exception = field(default_factory=lambda: Accepted(JobId("j1")))
    cancelled: Exception | None = None
    asked: list[Invocation] = field(default_factory=list)
    challenges: list[tuple[str, Actor]] = field(default_factory=list)
    codes: list[tuple[str, Actor, str]] = field(default_factory=list)
    cancels: list[tuple[str, Actor]] = field(default_factory=list)
    pressed: list[Press] = field(default_factory=list)
    answered: Card | Form | None = None
    before: Callable[[], object] = lambda: None

    def ask(self, invocation: Invocation) -> Said | Began:
        self.before()
        self.asked.append(invocation)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def challenge(self, job_id: JobId, actor: Actor) -> Challenge:
        self.before()
        self.challenges.append((job_id, actor))
        if isinstance(self.challenged, Exception):
            raise self.challenged
        return self.challenged or Challenge("ch1", job_id, SUMMARY)

    def approve(self, challenge: str, actor: Actor, code: str) -> Accepted | Rejected:
        self.codes.append((challenge, actor, code))
        if isinstance(self.approved, Exception):
            raise self.approved
        return self.approved

    def asks(self, action: str) -> bool:
        return action == "alert_silence"

    def press(self, press: Press) -> Card | Form | None:
        self.pressed.append(press)
        if isinstance(self.cancelled, Exception):
            raise self.cancelled
        return self.answered

    def cancel(self, job_id: JobId, actor: Actor) -> None:
        self.cancels.append((job_id, actor))
        if self.cancelled is not None:
            raise self.cancelled


SUMMARY = Card(
    Text("Restore {backup}", backup=Code("b1")),
    tone=Tone.WARNING,
    lines=(Text("Replaces everything in {target}.", target=Code("shop")),),
    buttons=(Button("confirm", Text("Confirm"), "j1"),),
)


@dataclass
class Rig:
    """A bot beside the local Slack, and what it was told."""

    slack: LocalSlack
    desk: ToldDesk
    state: MemoryState
    clock: HandClock
    chat: Chat
    app: SlackApp
    wakes: list[int]

    def anew(self) -> Rig:
        """Forgets everything that happened; the connection stays."""
        self.slack.reset()
        self.slack.clear_faults()
        self.state.flush()
        self.desk.__dict__.update(ToldDesk().__dict__)
        self.wakes.clear()
        return self

    def post(self, *buttons: Button, channel: str = "C0OPS") -> str:
        """A card of the bot with buttons; its ts."""
        return self.chat.post(channel, Card(Text("A card"), buttons=buttons), "mark")


def new_chat(slack: LocalSlack) -> Chat:
    """A chat with the bot's token."""
    return Chat(slack_client(slack.bot_token, slack.api_url))


@contextmanager
def rig(slack: LocalSlack, *, socket: bool = True) -> Iterator[Rig]:
    """A running bot; connected by Socket Mode unless told otherwise."""
    clock, desk, wakes = HandClock(), ToldDesk(), list[int]()
    state, chat = MemoryState(clock), new_chat(slack)
    listeners = Listeners(desk, chat, state, lambda: wakes.append(1))
    app = SlackApp(slack_client(slack.bot_token, slack.api_url), slack.signing_secret, listeners, ("backup", "restore"))
    connection: Socket | None = None
    if socket:
        connection = app.socket(slack.app_token)
        connection.start()
        slack.wait_for_connections(1)
    try:
        yield Rig(slack, desk, state, clock, chat, app, wakes)
    finally:
        if connection is not None:
            connection.stop()
        app.close()


def job(clock: HandClock, job_id: str = "j1", channel: str = "C0OPS", **changes: Any) -> Job:
    """A running backup that Sara asked for."""
    actor = Actor(PersonId("U0SARA"), "T0LOCAL", Surface.SLACK)
    plan = Plan("backup.now", TargetName("shop"), {}, actor, channel, clock.now().isoformat(), "n")
    return replace(Job(JobId(job_id), plan, JobState.RUNNING, clock.now()), **changes)
