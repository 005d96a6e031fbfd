"""Says things in Slack: posts, edits, thread replies, ephemerals, modals, pictures; and finds what was said before.

- One call each, never repeated by the library: its retry after a broken connection posts twice (slack_sdk
  `ConnectionErrorRetryHandler`, read in 3.47). Whoever calls decides, by what `Snag` says.
- Every message that must exist once carries a mark in its metadata; `find` looks for the mark before a second try.
- Nothing is unfurled, parsed or linked by Slack.
- Every call waits at most ten seconds.
"""

from __future__ import annotations

import functools
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse
from slack_sdk.webhook import WebhookClient

from bot.slack.blocks import JSON, Drawn, draw, draw_note
from bot.slack.mrkdwn import mrkdwn, plain_text
from bot.slack.snags import Snag, check_status, translated
from handlers.core.words.cards import Card
from handlers.core.words.errors import Problem
from handlers.core.words.postings import Document
from handlers.core.words.text import Code, Text
from handlers.core.words.tongues import ENGLISH, Tongue

TIMEOUT_SECONDS = 10
EVENT_TYPE = "negahban_card"
BEFORE, AFTER = timedelta(minutes=10), timedelta(minutes=15)
PAGES, PAGE = 10, 200
DRAWN = 64
ALT_LENGTH = 1000
# These read no JSON body, only form fields (docs.slack.dev/apis/web-api, "GET" methods).
READS = frozenset(
    {"auth.test", "conversations.history", "conversations.replies", "usergroups.users.list", "users.info"}
)


def slack_client(token: str, api_url: str) -> WebClient:
    """A client for Slack's Web API at `api_url`, without repetition."""
    # Without one the library reads the system's certificates anew for every call: tens of milliseconds of processor.
    trusted = ssl.create_default_context() if api_url.startswith("https:") else None
    return WebClient(token=token, base_url=api_url, timeout=TIMEOUT_SECONDS, ssl=trusted, retry_handlers=[])


class Chat:
    """Everything raises Refusal (with what the person can do) or Snag."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._drawn: dict[int, tuple[Card, Tongue, Drawn]] = {}
        self._drawing_lock = threading.Lock()

    def digest(self, card: Card, tongue: Tongue = ENGLISH) -> str:
        """Changes when what the card shows in Slack changes."""
        drawn = draw(card, tongue)
        with self._drawing_lock:
            self._drawn[id(card)] = (card, tongue, drawn)
            if len(self._drawn) > DRAWN:
                del self._drawn[next(iter(self._drawn))]
        return drawn.digest

    def _drawing(self, card: Card, tongue: Tongue) -> Drawn:
        """What was drawn for the digest is not drawn again for the message."""
        with self._drawing_lock:
            kept, spoken, drawn = self._drawn.pop(id(card), (None, None, None))
        same = kept is card and spoken is tongue
        return drawn if drawn is not None and same else draw(card, tongue)

    def post(
        self, channel: str, said: Card | Text, mark: str, thread: str | None = None, tongue: Tongue = ENGLISH
    ) -> str:
        """A new message, in the thread of `thread` if given; its ts, which names it inside the channel."""
        drawn = self._drawing(said, tongue) if isinstance(said, Card) else draw_note(said, tongue)
        response = self._call(
            "chat.postMessage",
            channel=channel,
            text=drawn.text,
            blocks=list(drawn.blocks),
            metadata={"event_type": EVENT_TYPE, "event_payload": {"id": mark}},
            unfurl_links=False,
            unfurl_media=False,
            parse="none",
            link_names=False,
            **({} if thread is None else {"thread_ts": thread}),
        )
        return _string(response, "ts", "chat.postMessage")

    def update(self, channel: str, ts: str, card: Card, tongue: Tongue = ENGLISH) -> None:
        """Shows a card in the place of what a message of ours said; its metadata stays."""
        drawn = self._drawing(card, tongue)
        blocks = list(drawn.blocks)
        self._call(
            "chat.update", channel=channel, ts=ts, text=drawn.text, blocks=blocks, parse="none", link_names=False
        )

    def find(self, channel: str, mark: str, near: datetime, thread: str | None = None) -> str | None:
        """The ts of our message with this mark, posted about `near` (ten minutes before to fifteen after; in a
        thread at any time). None: it is not there."""
        own = self._identity["bot_id"]
        for message in self._messages(channel, near, thread):
            metadata = message.get("metadata") or {}
            payload = metadata.get("event_payload") or {}
            ours = message.get("bot_id") == own and metadata.get("event_type") == EVENT_TYPE
            if ours and payload.get("id") == mark:
                return str(message["ts"])
        return None

    def _messages(self, channel: str, near: datetime, thread: str | None) -> Iterator[JSON]:
        cursor: str | None = None
        for _ in range(PAGES):
            asked: JSON = {"channel": channel, "limit": PAGE, "include_all_metadata": True}
            if cursor:
                asked["cursor"] = cursor
            if thread is not None:
                response = self._call("conversations.replies", ts=thread, **asked)
            else:
                asked["oldest"] = f"{(near - BEFORE).timestamp():.6f}"
                asked["latest"] = f"{(near + AFTER).timestamp():.6f}"
                response = self._call("conversations.history", **asked)
            yield from response.get("messages") or []
            cursor = (response.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return

    def upload(self, name: str, data: bytes, alt: Text) -> str:
        """Gives Slack a picture that is in no channel, for a card to show; its id. Slack may need seconds until a card
        can show it. What fails halfway leaves at most a file that nobody sees."""
        words = plain_text(alt, ALT_LENGTH)
        method = "files.completeUploadExternal"  # the last of three calls (docs.slack.dev/messaging/working-with-files)
        response = translated(
            method, lambda: self._client.files_upload_v2(content=data, filename=name, title=name, alt_txt=words)
        )
        files = response.get("files")
        if not isinstance(files, list) or not files or not isinstance(files[0].get("id"), str):
            raise _odd(method)
        return str(files[0]["id"])

    def deliver(self, person: str, name: str, data: bytes, words: Text) -> None:
        """Gives a person a file, in the conversation between them and the bot."""
        method, channel = "files.completeUploadExternal", self.direct(person)
        said = mrkdwn(words, ALT_LENGTH)  # unlike a title and an alternative text, Slack reads it as a message
        translated(
            method,
            lambda: self._client.files_upload_v2(
                content=data, filename=name, title=name, channel=channel, initial_comment=said
            ),
        )

    def attach(self, channel: str, document: Document, thread: str) -> None:
        """Puts a file into a thread. Slack shows it a moment after it said yes, and keeps no mark of ours with it: it
        is found again by its name."""
        title = plain_text(document.title, ALT_LENGTH)
        content = document.content.encode("utf-8", "replace")
        translated(
            "files.completeUploadExternal",
            lambda: self._client.files_upload_v2(
                content=content, filename=document.name, title=title, channel=channel, thread_ts=thread
            ),
        )

    def attached(self, channel: str, name: str, near: datetime, thread: str) -> str | None:
        """The ts of our message in a thread that has the file of this name. None: it is not there."""
        own = set(self._identity.values())
        for message in self._messages(channel, near, thread):
            ours = message.get("bot_id") in own or message.get("user") in own
            if ours and any(file.get("name") == name for file in message.get("files") or []):
                return str(message["ts"])
        return None

    def address(self, channel: str, ts: str) -> str:
        """A message's permanent link, as chat.getPermalink makes it; "" while Slack does not say where it is."""
        try:
            home = self._identity["url"]
        except Problem:
            return ""
        return f"{home.rstrip('/')}/archives/{channel}/p{ts.replace('.', '')}"

    def direct(self, person: str) -> str:
        """The channel of the conversation between a person and the bot."""
        response = self._call("conversations.open", users=person)
        channel = response.get("channel")
        if not isinstance(channel, dict) or not isinstance(channel.get("id"), str):
            raise _odd("conversations.open")
        return str(channel["id"])

    def whisper(self, channel: str, person: str, card: Card, tongue: Tongue = ENGLISH) -> None:
        """A message that only this person sees, for now."""
        drawn = draw(card, tongue)
        self._call(
            "chat.postEphemeral",
            channel=channel,
            user=person,
            text=drawn.text,
            blocks=list(drawn.blocks),
            parse="none",
            link_names=False,
        )

    def respond(self, response_url: str, card: Card, tongue: Tongue = ENGLISH) -> None:
        """The same through the address Slack gave with a command or click: five times, in thirty minutes."""
        drawn = draw(card, tongue)
        webhook = WebhookClient(response_url, timeout=TIMEOUT_SECONDS, retry_handlers=[])
        answer = translated(
            "response_url",
            lambda: webhook.send(
                text=drawn.text, blocks=list(drawn.blocks), response_type="ephemeral", replace_original=False
            ),
        )
        check_status("response_url", answer.status_code, answer.headers.get("Retry-After"))

    def open_view(self, trigger_id: str, view: JSON) -> str:
        """Opens a modal, within three seconds of the click; its id."""
        response = self._call("views.open", trigger_id=trigger_id, view=view)
        opened = response.get("view")
        if not isinstance(opened, dict) or not isinstance(opened.get("id"), str):
            raise _odd("views.open")
        return str(opened["id"])

    def update_view(self, view_id: str, view: JSON) -> None:
        """Shows another view in the place of an open one."""
        self._call("views.update", view_id=view_id, view=view)

    def publish_home(self, person: str, view: JSON) -> None:
        """Shows a person their Home tab."""
        self._call("views.publish", user_id=person, view=view)

    def user(self, person: str) -> JSON:
        """What Slack knows about a person, and their locale."""
        found = self._call("users.info", user=person, include_locale=True).get("user")
        if not isinstance(found, dict):
            raise _odd("users.info")
        return found

    def group(self, group: str) -> tuple[str, ...]:
        """Who is in a user group. Raises a permanent OutsideError for one that is not there."""
        found = self._call("usergroups.users.list", usergroup=group).get("users")
        if not isinstance(found, list):
            raise _odd("usergroups.users.list")
        return tuple(str(each) for each in found)

    def team(self) -> str:
        """The id of the workspace the bot is installed in."""
        return self._identity["team_id"]

    def name(self) -> str:
        """The bot's own user id. Asking also proves that the token works."""
        return self._identity["user_id"]

    @functools.cached_property
    def _identity(self) -> dict[str, str]:
        response = self._call("auth.test")
        return {name: _string(response, name, "auth.test") for name in ("bot_id", "team_id", "user_id", "url")}

    def _call(self, method: str, **arguments: Any) -> SlackResponse:
        call: Callable[..., SlackResponse] = self._client.api_call
        if method in READS:
            return translated(method, lambda: call(method, params=arguments))
        return translated(method, lambda: call(method, json=arguments))


def _string(response: SlackResponse, name: str, method: str) -> str:
    value = response.get(name)
    if not isinstance(value, str):
        raise _odd(method)
    return value


def _odd(method: str) -> Snag:
    """Slack said ok and left out what makes it so: whether it did it is not known."""
    return Snag(Text("Slack's answer to {method} is not complete.", method=Code(method)), ambiguous=True)
