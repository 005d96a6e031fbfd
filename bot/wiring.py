"""The wiring: which adapter stands behind which port, and what each command of the command line starts.

- The only reader of the settings, and the only place that knows both handlers and adapters.
- Adding a slash command is one line in COMMANDS; adding a store is one line in `_store`.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from bot import checking, terminal
from bot.adapters.audit_file import AuditFile, read_lines
from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.command import ShellCommand
from bot.adapters.factors import StoredFactors
from bot.adapters.mongo import MongoDatabase
from bot.adapters.queue_dramatiq import DramatiqQueue
from bot.adapters.state_redis import RedisState
from bot.adapters.store_directory import DirectoryStore
from bot.adapters.totp import Totp
from bot.relay import Relay
from bot.settings import Settings
from bot.supervisor import Supervisor
from bot.web import WebServer, application
from bot.worker import Worker
from handlers.backup import BackupHandler
from handlers.core import audit
from handlers.core.answers import Actor, PersonId, TargetName
from handlers.core.approval import WORKSPACE, Gate
from handlers.core.catalogue import Catalogue
from handlers.core.desk import Desk, Handler, Outside
from handlers.core.ports import ArtifactStore, People, Standing, Target
from handlers.core.records import Jobs
from handlers.restore import RestoreHandler

COMMANDS = ("backup", "restore")
WORKER_NICENESS = 10

_log = logging.getLogger(__name__)


class Nobody:
    """People, where Slack is not asked."""

    def standing(self, actor: Actor) -> Standing:
        """Nothing is known."""
        return "unknown"


@dataclass(frozen=True, slots=True)
class House:
    """Everything that one process needs, built from the settings."""

    desk: Desk
    state: RedisState
    queue: DramatiqQueue
    store: ArtifactStore
    factors: StoredFactors
    targets: Mapping[TargetName, Target]
    clock: SystemClock
    audit_path: Path


def build(given: Settings, people: People) -> House:
    """Connects nothing yet. Raises Refusal for what cannot be built."""
    clock, entropy = SystemClock(), SystemEntropy()
    state, queue, store = RedisState(given.redis_url), DramatiqQueue(given.redis_url), _store(given)
    audit_path = Path(given.audit_file or Path(given.backup_dir) / "audit.jsonl")
    database = MongoDatabase(given.mongodb_uri, loader=given.restore_loader)
    name = TargetName(database.name)
    targets = {name: Target(name, database, store, ShellCommand(given.migrate_command, given.mongodb_uri))}
    catalogues = {name: Catalogue(name, store)}
    jobs = Jobs(state)
    handlers: dict[str, Handler] = {
        "backup": BackupHandler(targets, catalogues, jobs, clock),
        "restore": RestoreHandler(targets, catalogues, clock),
    }
    factors = StoredFactors(store, given.master_key, Totp())
    outside = Outside(state, queue, AuditFile(audit_path), people, clock, entropy)
    desk = Desk(handlers, Gate(state, factors, clock, entropy), outside)
    return House(desk, state, queue, store, factors, targets, clock, audit_path)


def _store(given: Settings) -> ArtifactStore:
    if given.backup_dir:
        return DirectoryStore(Path(given.backup_dir))
    from bot.adapters.store_s3 import S3Store  # imported only where it is used: boto3 costs 30 MB

    return S3Store(given.backup_s3_url)


def command(given: Settings, options: Namespace) -> int:
    """Runs one command of the command line: the exit code."""
    match options.command:
        case "run":
            return _run(given)
        case "serve":
            return _serve(given, None)
        case "worker":
            return _work(given, child=options.child)
        case "check":
            return checking.run(_checks(given), offline=options.offline)
        case "enroll":
            return _enroll(given, options.user)
        case "backup":
            return _terminal(given).run("backup", "now")
        case "backups":
            return _terminal(given).run("backup", "list")
        case "verify":
            return _terminal(given).run("backup", "verify", options.backup)
        case "restore":
            person = options.person or input("Your Slack id (like U0123456789): ").strip()
            return _terminal(given).run("restore", options.backup, person=person)
        case "audit":
            path = Path(options.path) if options.path else build(given, Nobody()).audit_path
            return terminal.audit_verdict(audit.verify(read_lines(path)), str(path))
        case other:
            raise AssertionError(f"no command {other}")


def _terminal(given: Settings) -> terminal.Terminal:
    return terminal.Terminal(build(given, Nobody()).desk, WORKSPACE)


def _enroll(given: Settings, user: str) -> int:
    house = build(given, Nobody())

    class Enrolment:
        """The factors, with the time."""

        def begin(self, person: PersonId, team: str) -> tuple[str, str]:
            return house.factors.begin(person, team)

        def enroll(self, person: PersonId, team: str, seed: str, first: str, second: str) -> None:
            house.factors.enroll(person, team, seed, first, second, house.clock.now())

    return terminal.enroll(Enrolment(), user, WORKSPACE)


def _run(given: Settings) -> int:
    return _serve(given, Supervisor([sys.executable, "-m", "bot", "worker", "--child"]))


def _serve(given: Settings, worker: Supervisor | None) -> int:
    from bot.serving import Serving, ready  # imported only where it is used: Slack's libraries cost 30 MB
    from bot.slack.app import SlackApp
    from bot.slack.chat import Chat, slack_client
    from bot.slack.listeners import Listeners
    from bot.slack.people import SlackPeople

    client = slack_client(given.slack_bot_token, given.slack_api_url)
    chat, clock = Chat(client), SystemClock()
    house = build(given, SlackPeople(chat, clock))
    relay = Relay(house.desk, house.state, chat, clock)
    listeners = Listeners(house.desk, chat, house.state, relay.wake)
    slack = SlackApp(client, given.slack_signing_secret, listeners, COMMANDS)
    socket = slack.socket(given.slack_app_token) if given.slack_mode == "socket" else None
    connected = None if socket is None else lambda: socket.connected
    app = application(ready(house.state, connected, worker), slack.wsgi() if socket is None else None)
    serving = Serving(WebServer(app, given.http_host, given.http_port), relay, slack, socket, worker)
    stopping = threading.Event()
    _until_signalled(stopping.set)
    _log.info("the bot is starting")
    serving.run(stopping)
    return 0


def _work(given: Settings, *, child: bool) -> int:
    # Compression may use every core; whoever answers people goes first. Its children inherit this.
    os.nice(WORKER_NICENESS)
    house = build(given, Nobody())
    worker = Worker(house.desk, house.queue.consume)
    _until_signalled(worker.stop)
    if child:
        threading.Thread(target=_stop_with_parent, args=(worker.stop,), name="parent", daemon=True).start()
    worker.run()
    return 0


def _stop_with_parent(stop: Callable[[], None]) -> None:
    sys.stdin.buffer.read()
    stop()


def _checks(given: Settings) -> checking.Checks:
    house = build(given, Nobody())
    database = next(iter(house.targets.values())).database

    def state() -> str:
        house.state.incarnation()
        return "; ".join(str(warning) for warning in house.state.check())

    def store() -> str:
        house.store.list("v1/")
        return ""

    def mongodb() -> str:
        database.facts()
        return ""

    def slack() -> str:
        from bot.slack.chat import Chat, slack_client

        Chat(slack_client(given.slack_bot_token, given.slack_api_url)).team()
        return ""

    return {
        "Redis": state,
        f"backups ({house.store.describe()})": store,
        f"MongoDB ({database.name})": mongodb,
        "mongodump": lambda: _tool("mongodump"),
        **({"mongorestore": lambda: _tool("mongorestore")} if given.restore_loader == "mongorestore" else {}),
        "Slack": slack,
    }


def _tool(name: str) -> str:
    return "" if shutil.which(name) else "not on PATH: install MongoDB's Database Tools"


def _until_signalled(stop: Callable[[], None]) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
