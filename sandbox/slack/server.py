"""The local Slack as a thing to start and stop: a server in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web

from sandbox.slack.errors import JSON
from sandbox.slack.manifest import DEFAULT_MANIFEST, read_manifest
from sandbox.slack.person import Person
from sandbox.slack.seed import DEFAULT_SEED, Seed
from sandbox.slack.site import Site
from sandbox.slack.web_api import Tokens

_T = TypeVar("_T")
_START_SECONDS = 10.0


class LocalSlack:
    """A Slack workspace on loopback with one app installed.

    `manifest` None: every scope the app may want. `delivery` ("socket" or "http") None: as the manifest's
    `socket_mode_enabled` says. `request_url`: the app's one address in HTTP mode, instead of the manifest's.
    """

    def __init__(
        self,
        seed: Seed = DEFAULT_SEED,
        manifest: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        rate_limits: bool = True,
        *,
        delivery: str | None = None,
        request_url: str | None = None,
        tokens: Tokens | None = None,
        file_delay: float = 0.3,
    ) -> None:
        self._seed = seed
        self._manifest = DEFAULT_MANIFEST if manifest is None else read_manifest(manifest)
        self._host, self._port = host, port
        self._rate_limits, self._file_delay = rate_limits, file_delay
        self._how, self._request_url = delivery, request_url
        self._tokens = tokens or Tokens.fresh()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._site: Site | None = None
        self._ready = threading.Event()
        self._stopping: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self.url = ""

    @property
    def api_url(self) -> str:
        """The base of the Web API, as `WebClient(base_url=...)` and SLACK_API_URL take it."""
        return f"{self.url}/api/"

    @property
    def bot_token(self) -> str:
        """The app's bot token."""
        return self._tokens.bot

    @property
    def app_token(self) -> str:
        """The app-level token for Socket Mode."""
        return self._tokens.app

    @property
    def signing_secret(self) -> str:
        """The secret that HTTP deliveries are signed with."""
        return self._tokens.signing_secret

    def start(self) -> LocalSlack:
        """Serves. Raises OSError if the port is taken."""
        self._thread = threading.Thread(target=self._run, name="local-slack", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_SECONDS):
            raise OSError("the local Slack did not start")
        if self._failure is not None:
            raise self._failure
        if self._site is None:
            raise OSError("the local Slack did not start: its thread printed why")
        return self

    def stop(self) -> None:
        """Closes every connection and ends the thread."""
        if self._loop is not None and self._stopping is not None and self._thread is not None:
            if self._thread.is_alive():
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(_START_SECONDS)

    def __enter__(self) -> LocalSlack:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        site = Site(
            self._seed,
            self._manifest,
            self._tokens,
            rate_limits=self._rate_limits,
            file_delay=self._file_delay,
        )
        if self._how == "http" or self._request_url is not None:
            site.delivery.use_http(self._request_url)
        elif self._how == "socket":
            site.delivery.use_socket()
        runner = web.AppRunner(site.application(), shutdown_timeout=1.0)
        await runner.setup()
        try:
            place = web.TCPSite(runner, self._host, self._port)
            await place.start()
            port = runner.addresses[0][1]
            self.url = f"http://{self._host}:{port}"
            site.at(self.url)
            self._site, self._loop, self._stopping = site, asyncio.get_running_loop(), asyncio.Event()
            self._ready.set()
            await self._stopping.wait()
        finally:
            await runner.cleanup()

    def _ask(self, work: Coroutine[Any, Any, _T]) -> _T:
        if self._loop is None:
            work.close()
            raise RuntimeError("the local Slack is not running")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _with(self, work: Callable[[Site], _T]) -> _T:
        async def run() -> _T:
            if self._site is None:
                raise RuntimeError("the local Slack is not running")
            return work(self._site)

        return self._ask(run())

    def person(self, user_id: str) -> Person:
        """Acts as one of the seeded people."""
        return Person(self.url, user_id)

    def fault(
        self,
        method: str,
        kind: str,
        *,
        times: int | None = 1,
        retry_after: int = 1,
        seconds: float = 1.0,
    ) -> None:
        """Puts a fault in force (see faults.py). Raises ValueError on an unknown kind."""
        self._with(lambda site: site.faults.add(method, kind, times=times, retry_after=retry_after, seconds=seconds))

    def change_user(self, user_id: str, **changes: Any) -> None:
        """Deactivates an account, makes it a guest, …: fields of SeedUser."""
        self._with(lambda site: site.workspace.change_user(user_id, **changes))

    def change_usergroup(self, group_id: str, users: tuple[str, ...] | None) -> None:
        """Other members for a user group; None: it is removed."""
        self._with(lambda site: site.workspace.change_usergroup(group_id, users))

    def clear_faults(self) -> None:
        """Ends every fault."""
        self._with(lambda site: site.faults.clear())

    def disconnect(self, reason: str = "refresh_requested", *, connection: int | None = None) -> None:
        """Asks Socket Mode connections to reconnect; "drop" breaks off without a word."""
        if self._site is None:
            raise RuntimeError("the local Slack is not running")
        self._ask(self._site.socket_mode.disconnect(reason, connection=connection))

    def speed(self, factor: float) -> None:
        """Makes the rate limits' clock run faster."""
        self._with(lambda site: site.rates.set_speed(factor))

    def advance(self, seconds: float) -> None:
        """Ages triggers, response URLs, file processing and retry delays."""
        self._with(lambda site: site.clock.advance(seconds))

    def log(self) -> list[JSON]:
        """Every call of the app, without its tokens."""
        return self._with(lambda site: site.journal.entries())

    def reset(self) -> None:
        """The seed again."""
        self._with(lambda site: site.reset())

    def deliver_by_http(self, request_url: str | None = None) -> None:
        """From now on by signed HTTP."""
        self._with(lambda site: site.delivery.use_http(request_url))

    def deliver_by_socket(self) -> None:
        """From now on by Socket Mode."""
        self._with(lambda site: site.delivery.use_socket())

    def connections(self) -> list[int]:
        """How many envelopes each open Socket Mode connection was sent."""
        return self._with(lambda site: site.socket_mode.delivered())

    def wait_for_connections(self, count: int = 1, timeout: float = 10.0) -> None:
        """Waits until the app holds this many connections. Raises TimeoutError."""
        end = time.monotonic() + timeout
        while len(self.connections()) < count:
            if time.monotonic() > end:
                raise TimeoutError(f"fewer than {count} Socket Mode connections after {timeout} s")
            time.sleep(0.02)
