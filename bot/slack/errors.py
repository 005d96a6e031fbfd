"""What went wrong while answering Slack: said to the person, kept for the operator, without the payload.

- The person reads a sentence and a reference; the log has the same reference and where it happened.
- Of an error only its kind and the places it went through are logged, its words only when they are the house's own:
  another library's words may quote the payload, and the payload may hold a code.
- A failure to tell is logged and ends there.
"""

from __future__ import annotations

import logging
import secrets
import traceback

from slack_bolt import BoltResponse
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.request import BoltRequest

from bot.slack.blocks import JSON
from bot.slack.chat import Chat
from bot.slack.modals import explanation_view, update_answer
from bot.slack.payloads import actor_of, channel_of, response_url_of, view_of
from bot.slack.speech import Speech
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import Problem, Refusal
from handlers.core.words.text import Code, Text
from handlers.core.words.tongues import Tongue

log = logging.getLogger(__name__)


class ErrorFunnel:
    """Bolt's `app.error`, and the way an answer takes to the asker."""

    def __init__(self, chat: Chat, speech: Speech) -> None:
        self._chat = chat
        self._speech = speech

    def tell(self, body: JSON, card: Card) -> None:
        """Shows a card to the asker alone: by the address that came with the payload, else as an ephemeral. Raises
        Refusal or OutsideError when neither worked."""
        url, channel = response_url_of(body), channel_of(body)
        tongue = self.tongue(body)
        if url:
            try:
                self._chat.respond(url, card, tongue)
                return
            except Problem as problem:
                log.warning("response_url failed, trying an ephemeral: %s", problem)
        if channel:
            self._chat.whisper(channel, actor_of(body).person, card, tongue)

    def tongue(self, body: JSON, channel: str = "", *, ask: bool = True) -> Tongue:
        """Of what only the asker sees; `channel`: where, when the body does not say. `ask`: not where Slack waits for
        an ack. Never raises."""
        channel = channel or channel_of(body)
        try:
            return self._speech.of_person(actor_of(body).person, channel, ask=ask)
        except Refusal:
            return self._speech.of_channel(channel)

    def caught(self, error: Exception, request: BoltRequest, body: JSON) -> BoltResponse:
        """Whatever a listener raised, or a request nobody listens for."""
        if isinstance(error, BoltUnhandledRequestError):
            log.info("Slack sent something nobody listens for: %s", str(request.body.get("type", "a command"))[:40])
            return BoltResponse(status=404, body="")
        reference = secrets.token_hex(4)
        words = str(error) if isinstance(error, Problem) else "not repeated here"
        places = "".join(traceback.format_tb(error.__traceback__))
        log.error("ref %s: %s (%s)\n%s", reference, type(error).__name__, words, places)
        text = _apology(error, reference)
        if view_of(body) and body.get("type") == "view_submission":
            return BoltResponse(status=200, body=update_answer(explanation_view(text, self.tongue(body, ask=False))))
        try:
            self.tell(body, Card(title=text, tone=Tone.BAD))
        except Problem as problem:
            log.warning("ref %s: the asker could not be told: %s", reference, problem)
        return BoltResponse(status=200, body="")


def _apology(error: Exception, reference: str) -> Text:
    if isinstance(error, Problem):
        return Text(
            "{reason} Nothing was changed. Reference: {reference}", reason=error.text, reference=Code(reference)
        )
    return Text("Something went wrong, and nothing was changed. Reference: {reference}", reference=Code(reference))
