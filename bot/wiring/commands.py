"""What each command of the command line starts."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from types import FrameType

from bot import checking, languages, terminal
from bot.adapters.clock import SystemClock
from bot.adapters.state_redis import RedisState
from bot.attendance import Attendance
from bot.beginning import Beginning
from bot.following import Following
from bot.picturing import Picturing
from bot.relay import JobBoard, Relay
from bot.remembering import Remembering
from bot.scheduler import Scheduler
from bot.settings import Settings
from bot.supervisor import Supervisor
from bot.watching import Watching
from bot.wiring.alerting import alerts_of, routes_of
from bot.wiring.auditing import audited
from bot.wiring.boards import boards, home_of, pictures_of, sheets_of, sketches_of, watch_of
from bot.wiring.checks import FILES, check_table
from bot.wiring.entrance import Nobody
from bot.wiring.ground import Members, rule_book
from bot.wiring.health import keeper_of
from bot.wiring.house import House, build
from bot.wiring.own import accepted_tokens, takes_alerts
from bot.worker import Worker
from handlers.checks import printed
from handlers.core.backups.timelines import Follower
from handlers.core.door.approval import WORKSPACE
from handlers.core.door.rules import RuleBook
from handlers.core.door.seeds import recovery_codes, spelled
from handlers.core.door.tellings import enrolled_at_host
from handlers.core.ports import People
from handlers.core.words.answers import Actor, PersonId, Surface
from handlers.core.words.audit import AuditEvent
from handlers.core.words.digests import Json
from handlers.core.words.errors import OutsideError
from handlers.core.words.tongues import Tongue

COMMANDS = ("backup", "restore", "health", "rotate", "runbook", "audit")
WORKER_NICENESS = 10
INTAKE_SECONDS = 0.3
TOKEN_SECONDS = 2.0
CLAIM_SECONDS = 5.0
"""How old what Slack said about a person may be when their job begins."""
# At what Slack takes (five messages and edits a second) one is on its way at a time, and these are enough until an
# answer takes six seconds. With a Slack that takes a hundred a second, in 100 ms each, 20 are.
SENDERS = 32

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
            return checking.run(check_table(given), offline=options.offline, files=FILES)
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
            return terminal.who_can(rule_book(given).current(), options.operation, options.target, SystemClock().now())
        case "health":
            spelled = None if options.format == "text" else partial(printed.spelled, form=options.format)
            return _terminal(given).run("health", *options.words, spelled=spelled)
        case "runbook":
            return _terminal(given).run("runbook", *options.words)
        case "audit":
            return audited(given, options)
        case other:
            raise AssertionError(f"no command {other}")


def _at_the_terminal() -> Tongue:
    """As POSIX chooses among its variables (IEEE 1003.1, 8.2)."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    return languages.of_locale(next((os.environ[name] for name in names if os.environ.get(name)), ""))


def _terminal(given: Settings) -> terminal.Terminal:
    return terminal.Terminal(build(given, Nobody()).desk, WORKSPACE, tongue=_at_the_terminal())


def _enroll(given: Settings, user: str) -> int:
    house = build(given, Nobody())

    class Enrolment:
        """The factors, with the time; told to the person and to the audit's channel."""

        def begin(self, person: PersonId, team: str) -> tuple[str, str]:
            return house.entrance.factors.begin(person, team)

        def enroll(self, person: PersonId, team: str, seed: str, first: str, second: str) -> tuple[str, ...]:
            recovery = recovery_codes(house.ground.entropy)
            host = Actor(terminal.HOST, team, Surface.TERMINAL)
            house.entrance.outside.audit.write(AuditEvent("factor.enrolling", "allow", host, target=person))
            house.entrance.factors.enroll(person, team, seed, first, second, house.ground.clock.now(), recovery)
            house.entrance.telling.tell(enrolled_at_host(person))
            return tuple(spelled(each) for each in recovery)

    return terminal.enroll(Enrolment(), user, WORKSPACE)


def _run(given: Settings) -> int:
    return _serve(given, Supervisor([sys.executable, "-m", "bot", "worker", "--child"]))


def _serve(given: Settings, worker: Supervisor | None) -> int:
    from bot.adapters.web_probe import WebProbe
    from bot.enrolling import EnrolPage
    from bot.heartbeat import Heartbeat, alive
    from bot.intake import ALERTMANAGER, CI, Intake
    from bot.measuring import Kept, Proved, relayed
    from bot.serving import Serving, ready  # imported only where it is used: Slack's libraries cost 30 MB
    from bot.slack.app import SlackApp
    from bot.slack.chat import Chat, slack_client
    from bot.slack.groups import Roster
    from bot.slack.listeners import Listeners
    from bot.slack.people import SlackPeople
    from bot.slack.speech import Speech
    from bot.web import Measure, Spread, WebServer, application
    from bot.wiring.tracing import JOBS, Tracing

    client = slack_client(given.slack_bot_token, given.slack_api_url)
    chat, clock = Chat(client), SystemClock()
    people = SlackPeople(chat, clock)
    roster = Roster(chat, lambda: house.ground.rules.current().groups, clock)
    house = build(given, people, roster.members)
    usual, named = languages.chosen(given.chat_language)
    speech = Speech(languages.tongues(), named, usual, people)
    tracing = Tracing(given, clock)
    shown = {JOBS: JobBoard(house.desk, chat.direct), **boards(given, house)}
    relay = Relay(
        tracing.boards(shown, house.desk, house.copies.targets),
        house.ground.state,
        chat,
        clock,
        senders=SENDERS,
        spoken=speech.of_posting,
    )
    quick, graded = RedisState(given.redis_url, seconds=INTAKE_SECONDS), routes_of(given).severities.of
    tokens = accepted_tokens(given, house.ground.audit)
    intake = Intake(tracing.taking(alerts_of(given, quick, graded)), tokens or given.webhook_token, relay.wake)
    webhooks = dict.fromkeys((ALERTMANAGER, CI), intake) if takes_alerts(given) else {}
    watching = Watching(watch_of(given, house))

    def wake() -> None:
        relay.wake()
        watching.wake()

    listeners = Listeners(
        tracing.desk(house.desk), chat, house.ground.state, wake, home_of(given, house, people).card, speech
    )
    slack = SlackApp(client, given.slack_signing_secret, listeners, COMMANDS)
    socket = slack.socket(given.slack_app_token) if given.slack_mode == "socket" else None
    connected = None if socket is None else lambda: socket.connected
    checks = ready(house.ground.state, connected, worker, lambda: intake.closing)
    slack_app = slack.wsgi() if socket is None else None
    proved, kept = Proved(house.copies.live, clock), Kept(house.ground.state, house.copies.targets, clock)
    page = EnrolPage(house.entrance.enrolments) if given.bot_url else None
    well = alive(checks, Attendance(house.ground.state), relay.oldest_unsent_seconds)
    heartbeat = Heartbeat(given.heartbeat_url, WebProbe(), well, clock, given.heartbeat_seconds)

    def measures() -> tuple[Measure | Spread, ...]:
        return (*proved(), *kept(), *relayed(relay, intake), *heartbeat.measures())

    app = application(checks, slack_app, measures, webhooks, page)
    serving = Serving(
        WebServer(app, given.http_host, given.http_port, intake.refused), relay, slack, socket, worker, intake
    )
    stopping = threading.Event()
    _until_signalled(stopping.set)
    _log.info("the bot is starting")
    _started(house, "serve" if worker is None else "run")
    beside = (
        roster,
        watching,
        Watching(house.ground.notary if worker is None else None, "the audit record"),  # else the worker does it
        Watching(tokens, "the webhook's token", round_seconds=TOKEN_SECONDS),
        Picturing(pictures_of(given, house, chat)),
        Picturing(sketches_of(given, house, chat), "a step"),
        Picturing(sheets_of(given, house, chat), "a look at the metrics"),
        heartbeat,
        tracing,
    )
    with ExitStack() as stack:
        for each in beside:
            stack.enter_context(each)
        serving.run(stopping)
    return 0


def _work(given: Settings, *, child: bool) -> int:
    # Compression may use every core; whoever answers people goes first. Its children inherit this.
    os.nice(WORKER_NICENESS)
    people, members, roster = _known(given, lambda: house.ground.rules)
    house = build(given, people, members)
    rounds = {
        "secrets": house.reminders.round,
        "updates": house.updates.round,
        "looks": house.looks.round,
        "growth": keeper_of(given, house.ground.state, house.copies.targets).round,
        "the audit record": house.ground.notary.round,
        "the broken glass": house.entrance.glass.remind,
        "who is there": Attendance(house.ground.state).note,
    }
    scheduler = Scheduler(house.rota, house.copies.catalogues, rounds=rounds)
    worker = Worker(house.desk, house.ground.queue.consume, scheduler)
    _until_signalled(worker.stop)
    _started(house, "worker")
    if child:
        threading.Thread(target=_stop_with_parent, args=(worker.stop,), name="parent", daemon=True).start()
    followed = house.copies.targets.values() if given.backup_pitr else ()
    followers = {each.name: Follower(each.name, each.database, each.store, house.ground.clock) for each in followed}
    remembering = Remembering(house.runs.performer.hands.rollbacks, house.ground.state, given.rollback_look_seconds)
    with (
        roster,
        Following(followers, house.ground.state, house.ground.clock),
        Beginning(house.vigil.round),
        remembering,
    ):
        worker.run()
    return 0


def _started(house: House, command: str) -> None:
    """Recorded with the rules that hold from now on. A record that cannot be written stops no start: alerts go on."""
    facts: dict[str, Json] = {"command": command, "policy": house.entrance.outside.rules.current().version}
    try:
        house.entrance.outside.audit.write(AuditEvent("bot.started", "allow", None, facts=facts))
    except OutsideError as error:
        _log.error("%s", error)


def _known(given: Settings, rules: Callable[[], RuleBook]) -> tuple[People, Members, AbstractContextManager[object]]:
    """Who says, when a job is about to run, whether its people still are members and in which groups. Without a token
    nobody does, and what destroys is refused."""
    if not given.slack_bot_token:
        return Nobody(), dict, nullcontext()
    from bot.slack.chat import Chat, slack_client  # imported only where it is used: Slack's libraries cost 30 MB
    from bot.slack.groups import Roster
    from bot.slack.people import SlackPeople

    chat, clock = Chat(slack_client(given.slack_bot_token, given.slack_api_url)), SystemClock()
    roster = Roster(chat, lambda: rules().current().groups, clock)
    return SlackPeople(chat, clock, CLAIM_SECONDS), roster.members, roster


def _stop_with_parent(stop: Callable[[], None]) -> None:
    sys.stdin.buffer.read()
    stop()


def _until_signalled(stop: Callable[[], None]) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
