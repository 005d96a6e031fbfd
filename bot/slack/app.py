"""The Bolt app, and the two ways Slack reaches it: Socket Mode, and signed HTTP.

- Twenty threads listen, so that slow answers do not keep others from being acknowledged (Bolt's default is five).
- Over HTTP the signature is always checked, also of what calls itself an SSL check, and with an empty secret nothing
  starts. It is checked before Bolt sees the request: Bolt logs the body of what is signed wrongly, and answers 500 to
  a timestamp that is not a number and to a body that is not UTF-8 (slack_bolt 1.30, slack_sdk 3.47).
- Socket Mode: the first connection is tried until it works or is stopped, waiting 1 to 30 s; the library keeps it.
- Going down takes nothing new and loses nothing taken: over HTTP what comes then is answered 503, which the proxy takes
  to another instance; a Socket Mode connection is closed as RFC 6455 (7.1.1) asks, and what Slack sent before it read
  that is still done. The library would close the socket at once and drop what it had received (slack_sdk 3.47).
- The tokens stay inside the clients: they are in no error and no log.
"""

from __future__ import annotations

import io
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.adapter.wsgi import SlackRequestHandler
from slack_sdk import WebClient
from slack_sdk.signature import SignatureVerifier

from bot.slack.listeners import Listeners
from bot.slack.quiet import quieten
from bot.slack.snags import translated
from handlers.core.words.errors import Problem, Refusal
from handlers.core.words.text import Code, Text

log = logging.getLogger(__name__)

LISTENER_THREADS = 20
PATH = "/slack/events"
MOST_BYTES = 1_000_000
WAITS_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
STOP_SECONDS = 15.0
FINISH_SECONDS = 5.0
"""How long what was taken may take to be acknowledged; Slack waits three."""
FAREWELL_SECONDS = 3.0
QUIET_SECONDS = 0.02
# A close frame, masked (with zeros) as a client's must be; its body: 1000, "normal closure" (RFC 6455, 5.5.1).
FAREWELL = bytes([0x88, 0x82, 0, 0, 0, 0]) + (1000).to_bytes(2, "big")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_LENGTH = re.compile(r"[0-9]{1,9}")
WsgiApp = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


class SlackApp:
    """One Bolt app with its listeners. `commands` are registered without their slash."""

    def __init__(self, client: WebClient, signing_secret: str, listeners: Listeners, commands: Sequence[str]) -> None:
        self._secret = signing_secret
        self._doorman: Doorman | None = None
        self._threads = ThreadPoolExecutor(LISTENER_THREADS, thread_name_prefix="slack-listener")
        self.bolt = App(
            name="slack_bolt.app",
            logger=quieten(),
            client=client,
            signing_secret=signing_secret,
            token_verification_enabled=False,
            ssl_check_enabled=False,
            raise_error_for_unhandled_request=True,
            listener_executor=self._threads,
        )
        listeners.register(self.bolt, commands)

    def socket(self, app_token: str) -> Socket:
        """A Socket Mode connection, not started yet."""
        return Socket(self.bolt, app_token)

    def wsgi(self) -> WsgiApp:
        """Answers `POST /slack/events`. Raises Refusal without a signing secret."""
        if not self._secret.strip():
            raise Refusal(Text("{name} is empty: requests could not be checked.", name=Code("SLACK_SIGNING_SECRET")))
        self._doorman = Doorman(SlackRequestHandler(self.bolt, PATH), self._secret)
        return self._doorman

    def close(self) -> None:
        """Takes nothing new; lets the listeners finish what they began."""
        if self._doorman is not None:
            self._doorman.close()
        self._threads.shutdown(wait=True)


class Doorman:
    """Lets in what Slack signed in the last five minutes (docs.slack.dev/authentication/verifying-requests-from-slack),
    and looks into nothing else: neither a body nor its bytes reach a log or an error. Once closed it lets nobody in."""

    def __init__(self, bolt: WsgiApp, secret: str) -> None:
        self._bolt = bolt
        self._verifier = SignatureVerifier(secret)
        self._changed = threading.Condition()
        self._closed, self._inside = False, 0

    @property
    def closed(self) -> bool:
        """Whether everybody is sent away."""
        return self._closed

    def close(self) -> None:
        """From now on everybody is sent away; waits for those inside."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: self._inside == 0, FINISH_SECONDS)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """One request."""
        if environ.get("REQUEST_METHOD") != "POST" or environ.get("PATH_INFO") != PATH:
            return _answer(start_response, "404 Not Found")
        length = str(environ.get("CONTENT_LENGTH") or "0")
        if not _LENGTH.fullmatch(length) or int(length) > MOST_BYTES:
            return _answer(start_response, "413 Content Too Large")
        body: bytes = environ["wsgi.input"].read(int(length))
        if not self._signed(environ, body):
            return _answer(start_response, "401 Unauthorized")
        with self._changed:
            if self._closed:
                return _answer(start_response, "503 Service Unavailable")
            self._inside += 1
        try:
            return self._bolt({**environ, "wsgi.input": io.BytesIO(body)}, start_response)
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def _signed(self, environ: WSGIEnvironment, body: bytes) -> bool:
        timestamp = str(environ.get("HTTP_X_SLACK_REQUEST_TIMESTAMP", ""))
        signature = str(environ.get("HTTP_X_SLACK_SIGNATURE", ""))
        if not _TIMESTAMP.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
            return False
        try:
            return self._verifier.is_valid(body.decode(), timestamp, signature)
        except UnicodeDecodeError:
            return False


def _answer(start_response: StartResponse, status: str) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "0")])
    return [b""]


class Counting(SocketModeHandler):
    """Bolt's handler, which knows whether something waits for its ack."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self._lock, self._busy = threading.Lock(), 0
        super().__init__(*given, **named)

    @property
    def idle(self) -> bool:
        """Whether everything that came is acknowledged."""
        return self._busy == 0

    def handle(self, client: Any, req: Any) -> None:
        """See the library."""
        with self._lock:
            self._busy += 1
        try:
            super().handle(client, req)
        finally:
            with self._lock:
                self._busy -= 1


class Socket:
    """A Socket Mode connection that is kept until it is stopped."""

    def __init__(self, bolt: App, app_token: str) -> None:
        self._handler: Any = Counting(bolt, app_token, ping_interval=5)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._connect, name="slack-socket", daemon=True)

    def start(self) -> None:
        """Connects in the background."""
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether Slack can reach the bot now."""
        return bool(self._handler.client.is_connected())

    def stop(self) -> None:
        """Takes nothing new; ends the connection when what came over it is done."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        self._take_leave()
        self._handler.close()

    def _take_leave(self) -> None:
        """Tells Slack that nothing more is read here, in a moment when nothing waits for its ack, and reads until Slack
        has answered: what it sent before is in the library's queue then, and `close` waits for that."""
        client = self._handler.client
        client.default_auto_reconnect_enabled = client.auto_reconnect_enabled = False
        session = client.current_session
        if session is None or not session.is_active():
            return
        self._until(lambda: self._handler.idle and client.message_queue.empty())
        try:
            with session.sock_send_lock:
                session.sock.sendall(FAREWELL)
        except (OSError, AttributeError):
            return  # the connection is gone
        self._until(lambda: not session.is_active())
        self._until(client.message_queue.empty)

    @staticmethod
    def _until(true: Callable[[], bool]) -> None:
        end = time.monotonic() + FAREWELL_SECONDS
        while not true() and time.monotonic() < end:
            time.sleep(QUIET_SECONDS)

    def _reach(self) -> None:
        self._handler.client.connect_to_new_endpoint(force=True)

    def _connect(self) -> None:
        tries = 0
        while not self._stopped.is_set():
            try:
                # Not `connect`: after a failure it would use its address, which works once, again.
                translated("apps.connections.open", self._reach)
                return
            except Problem as problem:
                wait = WAITS_SECONDS[min(tries, len(WAITS_SECONDS) - 1)]
                log.warning("no Socket Mode connection yet, trying again in %.0f s: %s", wait, problem)
                tries += 1
            self._stopped.wait(wait)
