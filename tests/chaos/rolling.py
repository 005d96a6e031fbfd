"""Two `serve` and two `worker` behind the shipped nginx, under load, and each replaced in turn as an update does it.

- The load: people who type commands and press a button, an Alertmanager, and one backup after the other.
- What was typed and pressed is known; the audit record says what came of it: each once, or it was lost or doubled.
- A command that Slack calls failed is counted apart: whoever typed it saw an error, though it was done once.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bot.adapters.state_redis import RedisState
from handlers.core.alerts.ledger import Ledger
from sandbox.demo import tour
from sandbox.demo.stage import MANIFEST
from sandbox.servers.bot import Bot
from sandbox.servers.nginx import Nginx
from sandbox.servers.redis import RedisServer
from sandbox.slack.person import Person
from sandbox.slack.server import LocalSlack
from tests.chaos.hurried_bot import FASTER
from tests.chaos.relaying import ALERTS, TOKEN, Floor, Sender

OPS, BACKUPS = "C0OPS", "C0AUDIT"
"""Where is typed, and where backups are asked for: a channel of their own, because it is read again and again."""
PRESSED = "Pressed"
"""The alert whose buttons are pressed."""
CONF = Path(__file__).parents[2] / "deploy" / "nginx" / "negahban.conf"
_ENDED = re.compile(r"Backup of \S+: (done|failed|interrupted|cancelled)")
END_SECONDS, SEEN_SECONDS = 60.0, 60.0


class Part(Bot):
    """One process of the bot, in a hurry (see hurried_bot)."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.chaos.hurried_bot", self._command]

    def replace(self) -> float:
        """Asks it to end, waits until it has, and starts it anew; the seconds it took to end."""
        began = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        self._hear("exit", END_SECONDS)
        took = time.monotonic() - began
        self.restart()
        return took

    @property
    def dumps(self) -> bool:
        """Whether it is in the middle of a backup."""
        with suppress(psutil.NoSuchProcess):
            return any(each.name() == "mongodump" for each in psutil.Process(self.pid).children(recursive=True))
        return False


def balancer(ports: list[int]) -> str:
    """What the shipped proxy does with requests, without its TLS, before these instances."""
    shipped = CONF.read_text()
    zones = "\n".join(line for line in shipped.splitlines() if line.startswith("limit_req"))
    inside = shipped[shipped.index("    set $negahban") :].replace("${NEGAHBAN_UPSTREAM}", "instances")
    assert "${" not in inside
    # As with the addresses of a name, which is how it is shipped: none is given up because it was away once.
    members = " ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in ports)
    return f"{zones}\nupstream instances {{ {members} }}\nserver {{ listen 127.0.0.1:{{port}};\n{inside}"


@dataclass
class Load:
    """What people did, and how long Slack waited for each ack."""

    typed: list[str] = field(default_factory=list)
    pressed: int = 0
    waited: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """What Slack called failed: the word typed, or the button."""
    backups: list[str] = field(default_factory=list)
    """How each backup ended, by its card."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def _timed(self, word: str, began: float, answer: dict[str, Any]) -> None:
        with self.lock:
            self.waited.append(time.perf_counter() - began)
            if not answer["ok"]:
                self.failed.append(f"{word}: {answer.get('error')}")

    def types(self, person: Person, stop: threading.Event, pause: float = 0.2) -> None:
        """A command after the other, each with a word of its own."""
        number = 0
        while not stop.wait(pause):
            word = f"{person.id.lower()}-{number}"
            number += 1
            with self.lock:
                self.typed.append(word)
            began = time.perf_counter()
            self._timed(word, began, person.command(OPS, f"/runbook {word}"))

    def presses(self, person: Person, stop: threading.Event) -> None:
        """Acknowledges an alert and takes it back, as soon as its card shows the other button."""
        actions = ("alert_ack", "alert_unack")
        while not stop.is_set():
            action = actions[self.pressed % 2]
            card = person.wait_for_message(ALERTS, _shows(action), SEEN_SECONDS)
            began = time.perf_counter()
            self._timed(action, began, person.click(ALERTS, card["ts"], action))
            self.pressed += 1

    def backs_up(self, person: Person, stop: threading.Event) -> None:
        """One backup after the other."""
        known: set[str] = set()
        while not stop.is_set():
            answer = person.command(BACKUPS, "/backup now")
            try:
                card = person.wait_for_message(
                    BACKUPS, lambda each: ended(each) and each["ts"] not in known, SEEN_SECONDS
                )
            except TimeoutError as error:
                seen = [tour.words(each) for each in person.messages(BACKUPS)][-5:]
                raise TimeoutError(f"no backup ended; Slack said {answer}; there is {seen}") from error
            known.add(card["ts"])
            found = _ENDED.search(tour.words(card))
            self.backups.append("" if found is None else found[1])

    @property
    def p99(self) -> float:
        """In seconds, as the person waits: the local Slack's page is in it."""
        return statistics.quantiles(self.waited, n=100, method="inclusive")[98]


def _shows(action: str) -> Callable[[Any], bool]:
    return lambda message: PRESSED in tour.words(message) and tour.has_button(message, action)


def ended(message: Any) -> bool:
    """Whether this is the card of a backup that has ended."""
    return _ENDED.search(tour.words(message)) is not None


@dataclass
class Fleet:
    """All of it, running."""

    slack: LocalSlack
    proxy: Nginx
    serves: list[Part]
    workers: list[Part]
    floor: Floor
    folder: Path
    given: dict[str, str]

    def records(self) -> list[dict[str, Any]]:
        """The audit record."""
        return [json.loads(line) for line in (self.folder / "audit.jsonl").read_text().splitlines()]

    def asked(self) -> Counter[str]:
        """How often each word of /runbook came to the desk."""
        asked = (each for each in self.records() if each["event"] == "asked" and each["operation"] == "runbook.ask")
        return Counter(each["facts"]["words"] for each in asked)

    def answered(self, person: Person) -> Counter[str]:
        """How often each word was answered to whoever typed it."""
        mark = f"{person.id.lower()}-"
        # A message says everything twice: in its blocks, and as the text of a notification.
        words = (set(tour.words(each).replace(".", " ").split()) for each in person.messages(OPS))
        return Counter(each for said in words for each in said if each.startswith(mark))

    def pressed(self) -> int:
        """How many presses of the two buttons came to the desk."""
        wanted = {"alert_ack", "alert_unack"}
        return sum(1 for each in self.records() if each["event"] == "pressed" and each["operation"] in wanted)

    def handed(self) -> int:
        """How many backups were handed on by a worker that was stopped."""
        return sum(1 for each in self.records() if each["event"] == "job.handed")

    def manifests(self) -> int:
        """How many backups there are."""
        return sum(1 for each in self.folder.rglob("manifest.json"))


@contextmanager
def fleet(uri: str, mode: str) -> Iterator[Fleet]:
    """`mode`: socket or http, how Slack reaches the bot; webhooks always come through the proxy."""
    with ExitStack() as ending:
        redis = ending.enter_context(RedisServer())
        slack = ending.enter_context(LocalSlack(manifest=MANIFEST))
        slack.speed(FASTER)
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-backups-")))
        given = {
            "SLACK_MODE": mode,
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
            "SLACK_API_URL": slack.api_url,
            "REDIS_URL": redis.url,
            "MONGODB_URI": uri,
            "BACKUP_DIR": str(folder),
            "BACKUP_SCHEDULE": "off",
            "SCRUB_SCHEDULE": "off",
            "MASTER_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "WEBHOOK_TOKEN": TOKEN,
            "ALERTS_CHANNEL": ALERTS,
            "ALERTS_STORM": "100",
            "OPS_CHANNEL": OPS,
        }
        serves = [Part(given, "serve") for _ in range(2)]
        proxy = ending.enter_context(Nginx(balancer([each.port for each in serves])))
        if mode == "http":
            slack.deliver_by_http(f"http://127.0.0.1:{proxy.port}/slack/events")
        state = RedisState(redis.url)
        ending.callback(state.close)
        workers = [Part(given, "worker") for _ in range(2)]
        for each in (*serves, *workers):
            ending.enter_context(each)
        floor = Floor(redis, slack, list(serves), Ledger(state))
        try:
            yield Fleet(slack, proxy, serves, workers, floor, folder, given)
        except BaseException:
            for each in (*serves, *workers):
                print(f"---- {' '.join(each.command()[1:])}, alive: {each.alive}\n{each.log_tail(60)}")
            raise


def sender(proxy: Nginx) -> Sender:
    """An Alertmanager that sends through the proxy."""
    return Sender([proxy.port])
