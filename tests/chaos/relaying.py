"""A bot that relays alerts, an Alertmanager that is played, and what must be true of the channel when all is quiet.

- `Sender` repeats a webhook until it is answered with 200, as Alertmanager does after 5xx and broken connections;
  `Peers` are two real Alertmanagers that know nothing of each other and tell the same.
- The truth is which alerts of each group fire, as it was said last. `Floor.problems` compares it with what people see,
  alert by alert.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import random
import re
import secrets
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import redis

from bot.adapters.state_redis import RedisState
from handlers.core.alerts.books import Member
from handlers.core.alerts.ledger import Ledger
from handlers.core.alerts.notices import group_id
from handlers.core.words.errors import OutsideError
from sandbox.demo import tour
from sandbox.demo.stage import MANIFEST
from sandbox.servers import alerting
from sandbox.servers.alertmanager import Alertmanager
from sandbox.servers.bot import Bot
from sandbox.servers.redis import RedisServer
from sandbox.slack.server import LocalSlack
from tests.chaos.hurried_bot import FASTER

ALERTS, RECEIVER = "C0ALERTS", "negahban"
TOKEN = secrets.token_urlsafe(24)
NOWHERE = "mongodb://127.0.0.1:9/shop"
GROUP = re.compile(r"Group\d{3}")
PATIENCE_SECONDS = 60.0
EACH = 5
EVERY, NEVER = frozenset(range(EACH)), "0001-01-01T00:00:00Z"


class HurriedBot(Bot):
    """See hurried_bot."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.chaos.hurried_bot", "serve"]


@dataclass
class Truth:
    """Which alerts of each group fire, and since when."""

    groups: dict[str, frozenset[int]] = field(default_factory=dict)
    started: dict[tuple[str, int], datetime] = field(default_factory=dict)
    ended: dict[tuple[str, int], datetime] = field(default_factory=dict)

    def now(self, name: str, firing: frozenset[int]) -> None:
        """From now on these fire, and no others."""
        before, now = self.groups.get(name, frozenset()), datetime.now(UTC)
        for number in firing - before:
            self.started[name, number] = now
        for number in before - firing:
            self.ended[name, number] = now
        self.groups[name] = firing

    def changed(self, draw: random.Random) -> tuple[str, frozenset[int]]:
        """Some group as it might be next: wholly turned over, or in one alert."""
        name = draw.choice(sorted(self.groups))
        firing = self.groups[name]
        if draw.random() < 0.5:
            return name, frozenset() if firing else EVERY
        return name, firing ^ {draw.randrange(EACH)}


@dataclass
class Sender:
    """Alertmanager as the bot sees it. `ports`: each message goes to all of them at the same time, as from peers."""

    ports: Sequence[int]
    pause: float = 0.05
    truth: Truth = field(default_factory=Truth)
    answers: list[tuple[int, float]] = field(default_factory=list)
    """Every answer's status (0: none) and how long it took."""

    def send(self, name: str, firing: frozenset[int] = EVERY) -> None:
        """Says it until it is taken. Raises TimeoutError."""
        self.truth.now(name, firing)
        body = self._body(name, firing)
        with ThreadPoolExecutor(len(self.ports)) as pool:
            list(pool.map(lambda port: self._insisted(port, body), self.ports))

    def _body(self, name: str, firing: frozenset[int]) -> bytes:
        alerts = [
            {
                "status": "firing" if number in firing else "resolved",
                "labels": labels(name, number),
                "annotations": {"summary": summary(number)},
                "startsAt": self.truth.started[name, number].isoformat(),
                "endsAt": NEVER if number in firing else self.truth.ended[name, number].isoformat(),
            }
            for number in sorted(EVERY)
            if (name, number) in self.truth.started
        ]
        status = "firing" if firing else "resolved"
        message = {"version": "4", "status": status, "receiver": RECEIVER, "groupLabels": {"alertname": name}}
        return json.dumps({**message, "alerts": alerts}).encode()

    def _insisted(self, port: int, body: bytes) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while self._once(port, body) != 200:
            if time.monotonic() > end:
                raise TimeoutError("a webhook was not taken in a minute")
            time.sleep(0.1)

    def _once(self, port: int, body: bytes) -> int:
        began, status = time.monotonic(), 0
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/webhooks/alertmanager", body, {"Authorization": f"Bearer {TOKEN}"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            with error:
                status = error.code
        except (OSError, http.client.HTTPException):
            pass
        self.answers.append((status, time.monotonic() - began))
        return status

    def play(self, groups: int, draw: random.Random) -> None:
        """All of them fire; meanwhile some of what fires ends, and some of that comes back."""
        for number in range(groups):
            self.send(f"Group{number:03d}")
            self.change(draw)
            time.sleep(draw.random() * 2 * self.pause)

    def change(self, draw: random.Random) -> None:
        """Perhaps one group is different."""
        if draw.random() < 0.5:
            self.send(*self.truth.changed(draw))


@dataclass
class Peers:
    """Two Alertmanagers, each of which is told everything, as by Prometheus, and tells one bot."""

    alertmanagers: Sequence[Alertmanager]
    truth: Truth = field(default_factory=Truth)
    answers: list[tuple[int, float]] = field(default_factory=list)

    def send(self, name: str, firing: frozenset[int] = EVERY) -> None:
        """Both know it when this returns."""
        before = self.truth.groups.get(name, frozenset())
        self.truth.now(name, firing)
        for number in firing ^ before:
            for peer in self.alertmanagers:
                alerting.fire(
                    peer.url,
                    labels(name, number),
                    summary=summary(number),
                    over=number not in firing,
                    started=self.truth.started[name, number],
                )


def labels(name: str, number: int) -> dict[str, str]:
    """Of one alert."""
    return {"alertname": name, "severity": "warning", "instance": f"host-{number}"}


def summary(number: int) -> str:
    """What one alert says; by it its line in the card is found."""
    return f"host-{number} is slow"


@dataclass
class Floor:
    """Redis, a strict Slack in a hurry, and bots."""

    redis: RedisServer
    slack: LocalSlack
    bots: list[Bot]
    ledger: Ledger
    seen: dict[int, dict[str, Member]] = field(default_factory=dict)
    """The members of every shared card, by its number."""

    def free_the_lease(self) -> None:
        """As when the fifteen seconds of a relay that was killed are over."""
        with redis.Redis.from_url(self.redis.url) as client:
            client.delete("negahban:relay")

    def look(self) -> None:
        """Remembers who shares the card of now."""
        with suppress(OutsideError):
            book = self.ledger.book(ALERTS)
            if book.shared is not None:
                self.seen[book.serial] = dict(book.shared.members)

    def metric(self, bot: Bot, name: str) -> float:
        """One measure of a bot."""
        with urllib.request.urlopen(f"http://127.0.0.1:{bot.port}/metrics", timeout=10) as answer:
            words = answer.read().decode()
        return float(re.findall(rf"^{name} (\S+)$", words, re.MULTILINE)[0])

    def cards(self) -> tuple[dict[str, list[str]], list[str]]:
        """The titles of own cards by group, and the words of shared cards."""
        own: dict[str, list[str]] = {}
        shared: list[str] = []
        for message in self.slack.person("U0SARA").messages(ALERTS):
            words = tour.words(message)
            if "share this card" in words or "before they could be posted" in words:
                shared.append(words)
            elif found := GROUP.search(words):
                own.setdefault(found.group(), []).append(words)
        return own, shared

    def problems(self, truth: Mapping[str, frozenset[int]]) -> list[str]:
        """What is not as it should be; empty when all is well."""
        self.look()
        own, shared = self.cards()
        wrong = [f"{name} has {len(cards)} cards" for name, cards in own.items() if len(cards) > 1]
        for name, firing in truth.items():
            if name in own:
                words = own[name][-1]
                told = {number for number in EVERY if f"{summary(number)} (" in words}
                if told != firing or (f"{name}: over" in words) == bool(firing):
                    wrong.append(f"the card of {name} says {sorted(told)}, and {sorted(firing)} fire")
            else:
                members = [each[_id(name)] for each in self.seen.values() if _id(name) in each]
                if not members or members[-1].firing != len(firing):
                    wrong.append(f"{name} has no card, and shares {members}")
        if len(shared) != len(self.seen):
            wrong.append(f"{len(shared)} shared cards, not {len(self.seen)}")
        for words, there in zip(shared, self.seen.values(), strict=False):
            wrong += _miscounted(words, list(there.values()))
        return wrong

    def settled(self, sender: Sender | Peers, seconds: float = PATIENCE_SECONDS) -> dict[str, int]:
        """Waits until all is as it should be, and stays so; figures for the report."""
        end = time.monotonic() + seconds
        while (problems := self.problems(sender.truth.groups)) and time.monotonic() < end:
            time.sleep(0.2)
        assert problems == [], "\n".join(problems)
        while any(self.metric(bot, "negahban_relay_oldest_unsent_seconds") for bot in self.bots):
            assert time.monotonic() < end, "something is still unsent"
            time.sleep(0.2)
        assert self.problems(sender.truth.groups) == []
        assert [self.metric(bot, "negahban_alerts_lost_total") for bot in self.bots] == [0] * len(self.bots)
        own, _ = self.cards()
        return {
            "groups": len(sender.truth.groups),
            "alerts": len(sender.truth.started),
            "own cards": len(own),
            "webhooks": len(sender.answers),
        }


def _id(name: str) -> str:
    return group_id("default", RECEIVER, {"alertname": name})


def _miscounted(words: str, members: list[Member]) -> list[str]:
    firing = sum(1 for each in members if each.firing)
    if not members:
        return [] if "fires again and has its own card" in words else ["a shared card that nobody is in says otherwise"]
    right = f"Many alerts: {firing} groups" if firing else f"{len(members)} groups of alerts fired and are over"
    return [] if right in words else [f"a shared card does not say: {right}"]


@contextmanager
def floor(*, storm: int, bots: int = 1) -> Iterator[Floor]:
    """Everything, running."""
    with ExitStack() as ending:
        server = ending.enter_context(RedisServer())
        slack = ending.enter_context(LocalSlack(manifest=MANIFEST))
        slack.speed(FASTER)
        folder = ending.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-backups-"))
        given = {
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
            "SLACK_API_URL": slack.api_url,
            "REDIS_URL": server.url,
            "MONGODB_URI": NOWHERE,
            "BACKUP_DIR": folder,
            "BACKUP_SCHEDULE": "off",
            "SCRUB_SCHEDULE": "off",
            "MIGRATE_COMMAND": "true",
            "MASTER_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "WEBHOOK_TOKEN": TOKEN,
            "ALERTS_CHANNEL": ALERTS,
            "ALERTS_STORM": str(storm),
        }
        state = RedisState(server.url)
        ending.callback(state.close)
        running: list[Bot] = [ending.enter_context(HurriedBot(given, "serve")) for _ in range(bots)]
        yield Floor(server, slack, running, Ledger(state))


@contextmanager
def peers(bots: Sequence[Bot]) -> Iterator[Peers]:
    """An Alertmanager for each bot: the one that Debian's stable release has and the newest one, in turn."""
    with ExitStack() as ending:
        webhooks = [f"http://127.0.0.1:{bot.port}/webhooks/alertmanager" for bot in bots]
        yield Peers(
            [
                ending.enter_context(Alertmanager(alerting.configuration(webhook, TOKEN), part))
                for webhook, part in zip(
                    webhooks, itertools.cycle(["alertmanager", "newer-alertmanager"]), strict=False
                )
            ]
        )


@contextmanager
def meanwhile(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Something that goes on in a thread until the block ends; its failure is ours."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(work, stop)
        try:
            yield
        finally:
            stop.set()
        going.result(PATIENCE_SECONDS)


def fault_of(slack: LocalSlack, kind: str) -> int:
    """How many calls met this fault."""
    return sum(1 for each in slack.log() if each["fault"] == kind)


def marks(slack: LocalSlack) -> dict[str, int]:
    """How often each mark was accepted as a message."""
    found: dict[str, int] = {}
    for call in slack.log():
        if call["method"] == "chat.postMessage" and call["answer"].get("ok"):
            metadata = call["args"]["metadata"]
            name = (json.loads(metadata) if isinstance(metadata, str) else metadata)["event_payload"]["id"]
            found[name] = found.get(name, 0) + 1
    return found
