"""The stage: MongoDB, Redis, a local Slack and the bot, all on loopback, each with a shop inside or around it.

- Started in order, ended in the opposite one, whatever happened; each server's guard ends it when we are killed.
- People are enrolled as on a real host: by `python -m bot enroll`, with two codes that follow each other.
"""

from __future__ import annotations

import base64
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from sandbox import parts
from sandbox.demo import authenticator, service, shop
from sandbox.servers.alerting import configuration
from sandbox.servers.alertmanager import Alertmanager
from sandbox.servers.backend import Backend
from sandbox.servers.bot import Bot
from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from sandbox.slack.server import LocalSlack

MANIFEST = Path(__file__).parents[2] / "deploy" / "slack-manifest.yaml"
DATABASE = "shop"
MIGRATE = "echo npm run migrate:up would run here"
_KEY = re.compile(r"type this key: ([A-Z2-7 ]+)")


class EnrolmentFailed(Exception):
    """`python -m bot enroll` did not end well; the text holds what it said."""


class Stage:
    """Everything the demo shows. `more`: settings of the bot besides those it needs. `slack_port` 0: a free one.
    `alerting`: an Alertmanager tells the bot about alerts, if this machine has one; `serving`: the shop has a service,
    if it has Node."""

    def __init__(
        self,
        *,
        slack_port: int = 0,
        more: Mapping[str, str] | None = None,
        planted: bool = True,
        alerting: bool = False,
        serving: bool = False,
    ) -> None:
        self.mongod = Mongod()
        self.redis = RedisServer()
        self.slack = LocalSlack(manifest=MANIFEST, port=slack_port)
        self.given: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self._typed: dict[str, int] = {}
        self._more = dict(more or {})
        self._planted = planted
        here = alerting and parts.find("alertmanager") is not None
        self.alertmanager: Alertmanager | None = Alertmanager("") if here else None
        self._serving = serving and parts.find("node") is not None
        self.service: Backend | None = None
        self._ending = ExitStack()
        self._bot: Bot | None = None

    @property
    def uri(self) -> str:
        """The shop's database."""
        return self.mongod.uri(DATABASE)

    @property
    def bot(self) -> Bot:
        """The running bot."""
        if self._bot is None:
            raise RuntimeError("the stage has not been started")
        return self._bot

    def __enter__(self) -> Stage:
        try:
            for server in (self.mongod, self.redis, self.slack):
                self._ending.enter_context(server)
            if self._planted:
                shop.plant(self.uri)
            folder = Path(self._ending.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-backups-")))
            self.given = self._settings(folder)
            if self._serving:
                self.given |= self._served()
            self._bot = Bot(self.given)
            self.enrol("U0SARA")
            self._ending.enter_context(self._bot)
            if self.alertmanager is not None:
                webhook = f"http://127.0.0.1:{self._bot.port}/webhooks/alertmanager"
                self.alertmanager.configuration = configuration(webhook, self.given["WEBHOOK_TOKEN"])
                self._ending.enter_context(self.alertmanager)
        except BaseException:
            self._ending.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def fresh_code(self, person: str) -> str:
        """What the person's app shows, once it is one they did not type yet: a code typed twice ends the operation."""
        while self.spent(person, step := authenticator.step_now()):
            time.sleep(authenticator.STEP_SECONDS - time.time() % authenticator.STEP_SECONDS + 0.2)
        self._typed[person] = step
        return authenticator.code(self.keys[person], step)

    def spent(self, person: str, step: int) -> bool:
        """Whether the code of this step was typed by us, so that it counts for nothing now."""
        return step <= self._typed.get(person, 0)

    def enrol(self, person: str) -> None:
        """Enrols a person by the command line, as whoever holds the host would."""
        environment = Bot(self.given).environment()
        with subprocess.Popen(
            [sys.executable, "-m", "bot", "enroll", person],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            text=True,
            start_new_session=True,  # without a terminal the codes are read from standard input
        ) as process:
            said = self._talked_through(person, process)
            if process.wait(60) != 0:
                raise EnrolmentFailed(said)

    def _talked_through(self, person: str, process: subprocess.Popen[str]) -> str:
        if process.stdin is None or process.stdout is None:
            raise EnrolmentFailed("no pipes")
        said = ""
        for line in process.stdout:
            said += line
            match = _KEY.search(line)
            if match is not None:
                key = match.group(1).replace(" ", "")
                step = authenticator.step_now()
                process.stdin.write(f"{authenticator.code(key, step - 1)}\n{authenticator.code(key, step)}\n")
                process.stdin.close()
                self.keys[person], self._typed[person] = key, step
        return said

    def _served(self) -> dict[str, str]:
        folder = Path(self._ending.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-service-")))
        self.service = self._ending.enter_context(service.backend(folder))
        return service.settings(folder, self.service)

    def _settings(self, folder: Path) -> dict[str, str]:
        return {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_SIGNING_SECRET": self.slack.signing_secret,
            "SLACK_API_URL": self.slack.api_url,
            "REDIS_URL": self.redis.url,
            "MONGODB_URI": self.uri,
            "BACKUP_DIR": str(folder),
            "BACKUP_SCHEDULE": "off",
            "SCRUB_SCHEDULE": "off",
            "MIGRATE_COMMAND": MIGRATE,
            "MASTER_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "OPS_CHANNEL": "C0OPS",
            "AUDIT_CHANNEL": "C0AUDIT",
            "ALERTS_CHANNEL": "C0ALERTS",
            "WEBHOOK_TOKEN": secrets.token_urlsafe(24),
            **({} if self.alertmanager is None else {"ALERTMANAGER_URL": self.alertmanager.url}),
            **self._more,
        }
