"""What each command of the command line starts."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from bot import checking, terminal
from bot.adapters.audit_file import read_lines
from bot.adapters.clock import SystemClock
from bot.adapters.state_redis import RedisState
from bot.following import Following
from bot.intake import ALERTMANAGER, CI, Intake
from bot.measuring import Kept, Proved, relayed
from bot.picturing import Picturing
from bot.relay import JobBoard, Relay
from bot.scheduler import Scheduler
from bot.settings import Settings
from bot.supervisor import Supervisor
from bot.watching import Watching
from bot.web import WebServer, application
from bot.wiring.alerting import alerts_of
from bot.wiring.boards import boards, pictures_of, watch_of
from bot.wiring.checks import check_table
from bot.wiring.house import Nobody, build, rule_book
from bot.worker import Worker
from handlers.core import audit
from handlers.core.answers import PersonId
from handlers.core.approval import WORKSPACE
from handlers.core.timelines import Follower

COMMANDS = ("backup", "restore", "health", "rotate", "runbook", "audit")
WORKER_NICENESS = 10
INTAKE_SECONDS = 0.3
SENDERS = 3

_log = logging.getLogger(__name__)


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
            return checking.run(check_table(given), offline=options.offline)
        case "enroll":
            return _enroll(given, options.user)
        case "backup":
            return _terminal(given).run("backup", "now")
        case "backups":
            return _terminal(given).run("backup", "list")
        case "verify":
            return _terminal(given).run("backup", "verify", *options.backup)
        case "drill":
            return _terminal(given).run("backup", "drill", *options.backup)
        case "restore":
            person = options.person or input("Your Slack id (like U0123456789): ").strip()
            return _terminal(given).run("restore", *options.words, person=person)
        case "policy":
            return terminal.who_can(rule_book(given).current(), options.operation, options.target)
        case "health":
            return _terminal(given).run("health", *options.words)
        case "runbook":
            return _terminal(given).run("runbook", *options.words)
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
    relay = Relay({"": JobBoard(house.desk), **boards(given, house)}, house.state, chat, clock, senders=SENDERS)
    intake = Intake(
        alerts_of(given, RedisState(given.redis_url, seconds=INTAKE_SECONDS)), given.webhook_token, relay.wake
    )
    webhooks = dict.fromkeys((ALERTMANAGER, CI), intake) if given.webhook_token else {}
    watching = Watching(watch_of(given, house))

    def wake() -> None:
        relay.wake()
        watching.wake()

    listeners = Listeners(house.desk, chat, house.state, wake)
    slack = SlackApp(client, given.slack_signing_secret, listeners, COMMANDS)
    socket = slack.socket(given.slack_app_token) if given.slack_mode == "socket" else None
    connected = None if socket is None else lambda: socket.connected
    checks, slack_app = ready(house.state, connected, worker), slack.wsgi() if socket is None else None
    proved, kept = Proved(house.catalogues, clock), Kept(house.state, house.targets, clock)
    app = application(checks, slack_app, lambda: (*proved(), *kept(), *relayed(relay, intake)), webhooks)
    serving = Serving(WebServer(app, given.http_host, given.http_port), relay, slack, socket, worker, intake)
    stopping = threading.Event()
    _until_signalled(stopping.set)
    _log.info("the bot is starting")
    with watching, Picturing(pictures_of(given, house, chat)):
        serving.run(stopping)
    return 0


def _work(given: Settings, *, child: bool) -> int:
    # Compression may use every core; whoever answers people goes first. Its children inherit this.
    os.nice(WORKER_NICENESS)
    house = build(given, Nobody())
    worker = Worker(
        house.desk, house.queue.consume, Scheduler(house.rota, house.targets, reminders=house.reminders.round)
    )
    _until_signalled(worker.stop)
    if child:
        threading.Thread(target=_stop_with_parent, args=(worker.stop,), name="parent", daemon=True).start()
    followed = house.targets.values() if given.backup_pitr else ()
    followers = {each.name: Follower(each.name, each.database, each.store, house.clock) for each in followed}
    with Following(followers, house.state):
        worker.run()
    return 0


def _stop_with_parent(stop: Callable[[], None]) -> None:
    sys.stdin.buffer.read()
    stop()


def _until_signalled(stop: Callable[[], None]) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
