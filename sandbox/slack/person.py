"""One person at the local Slack, driven from a script: what they do and what they see."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from sandbox.slack.errors import JSON

_T = TypeVar("_T")
_TIMEOUT_SECONDS = 20.0
_OPENER = build_opener(ProxyHandler({}))


class Person:
    """Acts through the same endpoints as the page. Answers are the endpoints' JSON."""

    def __init__(self, url: str, user_id: str) -> None:
        self._url = url.rstrip("/")
        self.id = user_id

    def command(self, channel: str, text: str) -> JSON:
        """Types a slash command; waits for the app's ack (3 s at most)."""
        return self._post("/ui/command", {"channel": channel, "text": text})

    def say(self, channel: str, text: str, thread_ts: str | None = None) -> JSON:
        """Types a message."""
        return self._post("/ui/message", {"channel": channel, "text": text, "thread_ts": thread_ts})

    def click(
        self,
        channel: str,
        message_ts: str,
        action_id: str,
        *,
        block_id: str | None = None,
        value: object = None,
    ) -> JSON:
        """Clicks a button of a message, or chooses `value` in a select."""
        target = {"channel": channel, "message_ts": message_ts}
        return self._act(target, action_id, block_id, value)

    def click_in_view(self, view_id: str, action_id: str, *, block_id: str | None = None, value: object = None) -> JSON:
        """Clicks a button of a modal or of the Home tab, or chooses `value` in a select."""
        return self._act({"view_id": view_id}, action_id, block_id, value)

    def _act(self, target: JSON, action_id: str, block_id: str | None, value: object) -> JSON:
        given = {} if value is None else {"value": value}
        return self._post("/ui/action", {**target, "action_id": action_id, "block_id": block_id, **given})

    def views(self) -> list[JSON]:
        """The open modals, the top one last."""
        return list(self._get("/ui/views")["stack"])

    def submit(self, view_id: str, values: Mapping[str, Mapping[str, object]]) -> JSON:
        """Fills in a modal by block and action id, and submits it."""
        return self._post("/ui/view/submit", {"view_id": view_id, "values": values})

    def close(self, view_id: str, *, everything: bool = False) -> JSON:
        """Closes a modal, or the whole stack."""
        return self._post("/ui/view/close", {"view_id": view_id, "all": everything})

    def open_home(self) -> JSON:
        """Opens the app's Home tab."""
        return self._post("/ui/home/open", {})

    def home(self) -> JSON | None:
        """The Home tab as the app published it."""
        view: JSON | None = self._get("/ui/home")["view"]
        return view

    def messages(self, channel: str) -> list[JSON]:
        """What the person sees in a channel, oldest first, ephemerals included."""
        return list(self._get(f"/ui/channels/{quote(channel)}")["messages"])

    def thread(self, channel: str, ts: str) -> list[JSON]:
        """A thread, its first message first."""
        return list(self._get(f"/ui/threads/{quote(channel)}/{quote(ts)}")["messages"])

    def state(self) -> JSON:
        """Team, people, channels and commands."""
        return self._get("/ui/state")

    def wait_for(self, predicate: Callable[[], _T], timeout: float = 10.0, what: str = "") -> _T:
        """Asks again until the answer is true, and returns it. Raises TimeoutError."""
        end = time.monotonic() + timeout
        while not (found := predicate()):
            if time.monotonic() > end:
                raise TimeoutError(f"waited {timeout} s for {what or predicate}")
            time.sleep(0.05)
        return found

    def wait_for_message(self, channel: str, matches: Callable[[JSON], bool], timeout: float = 10.0) -> JSON:
        """The newest message in a channel that matches. Raises TimeoutError."""

        def newest() -> list[JSON]:
            return [each for each in self.messages(channel) if matches(each)]

        return self.wait_for(newest, timeout, f"a message in {channel}")[-1]

    def wait_for_view(self, callback_id: str, timeout: float = 10.0) -> JSON:
        """The open modal with this callback id. Raises TimeoutError."""

        def top() -> list[JSON]:
            return [each for each in self.views() if each["callback_id"] == callback_id]

        return self.wait_for(top, timeout, f"the modal {callback_id}")[-1]

    def _get(self, path: str) -> JSON:
        return self._ask(Request(f"{self._url}{path}?as={quote(self.id)}"))

    def _post(self, path: str, data: JSON) -> JSON:
        body = json.dumps({"as": self.id, **data}).encode()
        return self._ask(Request(self._url + path, body, {"Content-Type": "application/json"}))

    def _ask(self, request: Request) -> JSON:
        """The answer, also when it is a refusal (`{"ok": false, "error": ...}`)."""
        try:
            with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                data: Any = json.loads(answer.read())
        except HTTPError as refusal:
            with refusal:
                data = json.loads(refusal.read())
            if request.get_method() == "GET":
                raise LookupError(data.get("error", "refused")) from None
        return dict(data)
