"""Listeners: ack, ask the desk, say. Nothing is decided here.

- Every command and click is acknowledged before anything else, because Slack waits three seconds and the desk may
  look at a database. A submitted code or form is the exception: the desk judges it at once, and the ack carries the
  answer. What stands behind a form answers within two seconds.
- What Slack brings twice happens once: the trigger's id is claimed in the state for ten minutes, over all processes.
  Without the state nothing happens, as everywhere behind the desk.
- An answer is in the asker's tongue. Where Slack waits for an ack, the tongue is what is known of them already.
- The words of a slash command come with `&`, `<` and `>` as entities.
- A payload is never logged and never part of an error: it may carry a code.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, assert_never

from slack_bolt import Ack, App

from bot.slack.blocks import JSON
from bot.slack.chat import Chat
from bot.slack.errors import ErrorFunnel
from bot.slack.modals import (
    FORM,
    QUESTION,
    answered,
    asked,
    card_view,
    errors_answer,
    explanation_view,
    form_view,
    home_view,
    question_view,
    typed_code,
    update_answer,
    waiting_view,
)
from bot.slack.payloads import action_id, action_value, actor_of, channel_of, view_of, words_of
from bot.slack.speech import ONLY_ENGLISH, Speech
from handlers.core.door.consent import Rejected
from handlers.core.door.desk import Accepted, Began, Challenge, Said
from handlers.core.ports import State
from handlers.core.words.answers import Actor, Invocation, JobId, PersonId, Press, Surface
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import Problem, Refusal
from handlers.core.words.forms import Form
from handlers.core.words.text import Text
from handlers.core.words.tongues import Tongue

HEALTH = re.compile(r"\Ahealth_[a-z]+\Z")
SEEN_SECONDS = 600
ANYTHING = re.compile(r"[\s\S]*")
# A button that opens an address also reports the press, and Slack warns the presser when nobody answers.
LINK = re.compile(r"\Alink_[0-9]+\Z")


class Desk(Protocol):
    """What of the desk Slack needs; see handlers.core.door.desk."""

    def ask(self, invocation: Invocation) -> Said | Began:
        """See the desk."""

    def challenge(self, job_id: JobId, actor: Actor) -> Challenge:
        """See the desk."""

    def approve(self, challenge: str, actor: Actor, code: str) -> Accepted | Rejected:
        """See the desk."""

    def cancel(self, job_id: JobId, actor: Actor) -> None:
        """See the desk."""

    def asks(self, action: str) -> bool:
        """See the desk."""

    def press(self, press: Press) -> Card | Form | None:
        """See the desk."""


class Listeners:
    """What happens when somebody types, presses or submits. `wake`: a job's card may have to change. `home`: how things
    stand, for the Home tab of that person; None for who may not see it."""

    def __init__(
        self,
        desk: Desk,
        chat: Chat,
        state: State,
        wake: Callable[[], None],
        home: Callable[[Actor], Card | None] = lambda actor: None,
        speech: Speech = ONLY_ENGLISH,
    ) -> None:
        self._desk = desk
        self._chat = chat
        self._state = state
        self._wake = wake
        self._home, self._speech = home, speech
        self._funnel = ErrorFunnel(chat, speech)
        self._commands: tuple[str, ...] = ()

    def register(self, app: App, commands: Sequence[str]) -> None:
        """Listens for these commands (without their slash), and for every click and modal."""
        self._commands = tuple(commands)
        for command in commands:
            app.command(f"/{command}")(self._command(command))
        app.action("confirm")(self.confirm)
        app.action("job_cancel")(self.cancel)
        for command in ("restore", "rotate"):
            app.action(f"{command}_pick")(self._pick(command))
        app.action(HEALTH)(self.look)
        app.action(re.compile(r"\A(alert|step|run|access|task)_[a-z_]+\Z"))(self.press)
        app.action(LINK)(acknowledge)
        app.action(ANYTHING)(self.outdated)
        app.view(QUESTION)(self.submit)
        app.view(FORM)(self.answer)
        app.view(ANYTHING)(acknowledge)
        app.view_closed(ANYTHING)(acknowledge)
        app.event("app_home_opened")(self.home)
        app.error(self._funnel.caught)

    def _command(self, command: str) -> Callable[[Ack, JSON], None]:
        def typed(ack: Ack, body: JSON) -> None:
            ack()
            if self._first(body):
                self._ask(command, words_of(body.get("text")), body)

        return typed

    def _ask(self, command: str, words: tuple[str, ...], body: JSON) -> None:
        answer = self._desk.ask(Invocation(command, words, actor_of(body), channel_of(body)))
        match answer:
            case Said(card, file):
                if file is not None:
                    self._chat.deliver(actor_of(body).person, file.name, file.data, card.title)
                self._tell(body, card)
            case Began():
                self._wake()
            case _:
                assert_never(answer)

    def _pick(self, command: str) -> Callable[[Ack, JSON], None]:
        """A button that stands for typing `/<command> <its value>` here."""

        def picked(ack: Ack, body: JSON) -> None:
            ack()
            if self._first(body):
                self._ask(command, words_of(action_value(body)), body)

        return picked

    def look(self, ack: Ack, body: JSON) -> None:
        """A button that stands for typing `/health <section> <target>` here."""
        ack()
        if self._first(body):
            self._ask("health", (action_id(body).removeprefix("health_"), *words_of(action_value(body))), body)

    def confirm(self, ack: Ack, body: JSON) -> None:
        """Opens the question for a code."""
        ack()
        if not self._first(body):
            return
        try:
            waiting = waiting_view(self._tongue(body, ask=False))
            view_id = self._chat.open_view(str(body.get("trigger_id", "")), waiting)
        except Refusal as refusal:
            self._tell(body, _explained(refusal.text))
            return
        self._chat.update_view(view_id, self._question(body))

    def _question(self, body: JSON) -> JSON:
        tongue = self._tongue(body)
        try:
            challenge = self._desk.challenge(JobId(action_value(body)), actor_of(body))
        except Problem as problem:
            return explanation_view(problem.text, tongue)
        return question_view(challenge.summary, challenge.id, tongue, channel_of(body))

    def submit(self, ack: Ack, body: JSON) -> None:
        """Judges a code within the ack."""
        if not self._first(body):
            return  # the other delivery of the same press answers it
        view = view_of(body)
        challenge, channel = asked(view)
        tongue = self._tongue(body, channel, ask=False)
        try:
            answer = self._desk.approve(challenge, actor_of(body), typed_code(view))
        except Problem as problem:
            ack(**update_answer(explanation_view(problem.text, tongue)))
            return
        match answer:
            case Accepted():
                ack()
                self._wake()
            case Rejected(text, again=True):
                ack(**errors_answer(text, tongue))
            case Rejected(text):
                ack(**update_answer(explanation_view(text, tongue)))
            case _:
                assert_never(answer)

    def cancel(self, ack: Ack, body: JSON) -> None:
        """Asks a job to stop."""
        ack()
        if not self._first(body):
            return
        try:
            self._desk.cancel(JobId(action_value(body)), actor_of(body))
        except Refusal as refusal:
            self._tell(body, _explained(refusal.text))
        self._wake()

    def press(self, ack: Ack, body: JSON) -> None:
        """A button that is no job's."""
        ack()
        if not self._first(body):
            return
        press = Press(action_id(body), action_value(body), actor_of(body), channel_of(body))
        if self._desk.asks(press.action):
            self._ask_more(press, str(body.get("trigger_id", "")), body)
        elif (card := self._pressed(press)) is not None:
            self._tell(
                body,
                card
                if isinstance(card, Card)
                else _explained(Text("This button asks for more, and there is no place for it. Press it in Slack.")),
            )
        self._wake()

    def _pressed(self, press: Press) -> Card | Form | None:
        try:
            return self._desk.press(press)
        except Problem as problem:
            return _explained(problem.text)

    def _ask_more(self, press: Press, trigger: str, body: JSON) -> None:
        """A place first, because the trigger lives three seconds; then the form."""
        try:
            view_id = self._chat.open_view(trigger, waiting_view(self._tongue(body, ask=False)))
        except Refusal as refusal:
            self._tell(body, _explained(refusal.text))
            return
        self._chat.update_view(view_id, _view(self._pressed(press), press.channel, self._tongue(body)))

    def answer(self, ack: Ack, body: JSON) -> None:
        """A form was filled in: what follows is shown in its place, within the ack. A view that is updated beside the
        ack would race with it."""
        if not self._first(body):
            return  # the other delivery of the same press answers it
        try:
            action, value, channel, typed = answered(view_of(body))
            said = self._pressed(Press(action, value, actor_of(body), channel, typed))
        except Refusal as refusal:
            said, channel = _explained(refusal.text), ""
        ack(**update_answer(_view(said, channel, self._tongue(body, channel, ask=False))))
        self._wake()

    def outdated(self, ack: Ack, body: JSON) -> None:
        """A button nobody answers to any more. Buttons live as long as their messages."""
        ack()
        if self._first(body) and channel_of(body):
            text = Text("This button is from an older version of me and does nothing. Type the command again.")
            self._tell(body, _explained(text))

    def home(self, body: JSON) -> None:
        """Shows the Home tab."""
        event = body.get("event") or {}
        if event.get("tab", "home") == "home" and isinstance(event.get("user"), str):
            actor = Actor(PersonId(event["user"]), str(body.get("team_id") or ""), Surface.SLACK)
            tongue = self._speech.of_person(actor.person)
            self._chat.publish_home(event["user"], home_view(self._commands, self._home(actor), tongue))

    def _first(self, body: Mapping[str, Any]) -> bool:
        """Whether this press or command was not seen before. Raises OutsideError without the state."""
        trigger = str(body.get("trigger_id") or "")
        if not trigger:
            return True
        key = f"seen:{hashlib.sha256(trigger.encode()).hexdigest()[:40]}"
        return self._state.put_if(key, b"1", None, seconds=SEEN_SECONDS) is not None

    def _tongue(self, body: JSON, channel: str = "", *, ask: bool = True) -> Tongue:
        return self._funnel.tongue(body, channel, ask=ask)

    def _tell(self, body: JSON, card: Card) -> None:
        self._funnel.tell(body, card)


def _view(said: Card | Form | None, channel: str, tongue: Tongue) -> JSON:
    match said:
        case Form():
            return form_view(said, channel, tongue)
        case Card():
            return card_view(said, tongue)
        case None:
            return card_view(Card(Text("Done."), Tone.GOOD), tongue)
        case _:
            assert_never(said)


def acknowledge(ack: Ack) -> None:
    """For what needs no answer."""
    ack()


def _explained(text: Text) -> Card:
    return Card(title=text, tone=Tone.WARNING)
