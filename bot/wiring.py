"""The wiring: which adapter stands behind which port, and what each command of the command line starts.

- The only reader of the settings, and the only place that knows both handlers and adapters.
- Adding a slash command is one line in COMMANDS; adding a store is one line in `_store`.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from bot import checking, terminal
from bot.adapters import yaml_file
from bot.adapters.audit_file import AuditFile, read_lines
from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.command import LocalProgram, ShellCommand, secrets_of
from bot.adapters.consumer import HttpConsumer
from bot.adapters.factors import StoredFactors
from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.accounts import MongoAccounts
from bot.adapters.mongo.scratch import ScratchMongod
from bot.adapters.mongo.scratch_server import ScratchServer
from bot.adapters.policy_file import PolicyFile
from bot.adapters.queue_dramatiq import DramatiqQueue
from bot.adapters.secrets_files import FileSecrets
from bot.adapters.state_redis import RedisState
from bot.adapters.store_directory import DirectoryStore
from bot.adapters.totp import Totp
from bot.examining import Threads
from bot.following import Following
from bot.intake import ALERTMANAGER, CI, Intake
from bot.measuring import Kept, Proved, relayed
from bot.picturing import Picturing
from bot.relay import JobBoard, Relay
from bot.relay.ports import Board
from bot.runbooks import ChannelNotices, DeskBackups, Folder
from bot.scheduler import Scheduler
from bot.settings import Settings
from bot.supervisor import Supervisor
from bot.watching import Watching
from bot.web import WebServer, application
from bot.worker import Worker
from handlers.alerts import AlertBoard, Alerts, StormBoard
from handlers.backup import BackupHandler
from handlers.checks import metrics
from handlers.checks.backups import BackupsCheck
from handlers.checks.edge import EdgeCheck
from handlers.checks.metrics import DEFAULT, MetricsCheck, Question
from handlers.checks.mongo import MongoCheck
from handlers.checks.record import RecordCheck
from handlers.core import audit, programs, routes, secrets
from handlers.core.alarms import Alarms
from handlers.core.alertmanagers import Alertmanager
from handlers.core.answers import Actor, PersonId, Surface, TargetName
from handlers.core.approval import WORKSPACE, Gate
from handlers.core.catalogue import Catalogue, Catalogues
from handlers.core.desk import Desk, Handler, Outside
from handlers.core.drills import Laboratory
from handlers.core.errors import Refusal
from handlers.core.escalations import Step
from handlers.core.estates import Estate
from handlers.core.evidence import Check, Verdict
from handlers.core.holdings import Checked, Holdings
from handlers.core.keeping import Keeping
from handlers.core.ledger import Ledger
from handlers.core.library import Library
from handlers.core.misprints import Misprints
from handlers.core.objects import Packing
from handlers.core.pictures import Pictures
from handlers.core.plots import Gallery, Plotter
from handlers.core.ports import ArtifactStore, People, Standing, Target
from handlers.core.programs import Allowed
from handlers.core.records import Jobs
from handlers.core.restorations import Restorations
from handlers.core.retention import Policy
from handlers.core.rollbacks import CommandRollback
from handlers.core.rota import SCHEDULE, Chore, Duty, Rota
from handlers.core.rotations import Rotations
from handlers.core.routes import Route, Routes
from handlers.core.rules import NoRules, RuleBook
from handlers.core.run_records import RunRecords
from handlers.core.schedules import Schedule
from handlers.core.secret_stores import SecretStore
from handlers.core.standings import Reminders
from handlers.core.text import Text
from handlers.core.timelines import Follower
from handlers.core.vitals import Check as HealthCheck
from handlers.core.watch import Watch
from handlers.deeds import Hands
from handlers.health import HealthHandler
from handlers.looks import Eyes
from handlers.performing import Performer
from handlers.restore import RestoreHandler
from handlers.rotate import RotateHandler
from handlers.runbooks import NOTICE, Beginnings, RunBoard, RunbookHandler
from handlers.steps import SHAPES

COMMANDS = ("backup", "restore", "health", "rotate", "runbook")
WORKER_NICENESS = 10
TIDY_LINE = "20 * * * *"
INTAKE_SECONDS = 0.3

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
    rota: Rota
    state: RedisState
    queue: DramatiqQueue
    store: ArtifactStore
    factors: StoredFactors
    targets: Mapping[TargetName, Target]
    catalogues: Catalogues
    clock: SystemClock
    audit_path: Path
    alerts: Alerts
    performer: Performer
    library: Library
    reminders: Reminders


def build(given: Settings, people: People) -> House:
    """Connects nothing yet. Raises Refusal for what cannot be built."""
    clock, entropy = SystemClock(), SystemEntropy()
    state, queue, store = RedisState(given.redis_url), DramatiqQueue(given.redis_url), _store(given)
    audit_path = Path(given.audit_file or Path(given.backup_dir) / "audit.jsonl")
    database = MongoDatabase(
        given.mongodb_uri,
        packing=Packing(given.backup_zstd_level, given.backup_age_recipients),
        zstd_threads=given.backup_zstd_threads,
        identities=given.backup_age_identity,
        loader=given.restore_loader,
    )
    name = TargetName(database.name)
    targets = {name: Target(name, database, store, ShellCommand(given.migrate_command, given.mongodb_uri))}
    catalogues = {name: Catalogue(name, store)}
    jobs, schedule = Jobs(state), _schedule(given)
    holdings = Holdings(targets, catalogues, clock, lambda target: _checked(catalogues[target]))
    keeping = Keeping(holdings, state, clock, _policy(given), schedule)
    estate = _estate(given, store)
    handlers: dict[str, Handler] = {
        "backup": BackupHandler(targets, catalogues, jobs, clock, keeping, _laboratory(given, database)),
        "restore": RestoreHandler(
            Restorations(targets, catalogues, clock, keeping.lock_until),
            keep_hours=given.restore_undo_hours,
            blocks_writes=given.restore_block_writes,
        ),
        "rotate": RotateHandler(Rotations(estate)),
    }
    factors = StoredFactors(store, given.master_key, Totp())
    outside = Outside(state, queue, AuditFile(audit_path), people, clock, entropy, _rules(given))
    alerts, backups = _alerts(given, state), DeskBackups()
    library = Library(Folder(_runbooks_folder(given), clock), SHAPES)
    performer = _performer(given, outside, state, backups)
    runbook = RunbookHandler(Beginnings(library, Ledger(state), entropy, name), performer)
    handlers["runbook"] = runbook
    checks = _health_checks(given, targets, catalogues, holdings, audit_path)
    handlers["health"] = HealthHandler(targets, checks, Threads(), state, clock)
    desk = Desk(handlers, Gate(state, factors, clock, entropy), outside, (alerts, runbook))
    backups.desk = desk
    limit = timedelta(hours=given.backup_catch_up_hours)
    duty = Duty(schedule, WORKSPACE, given.ops_channel, limit, _chores(given))
    alarms = Alarms(state, outside.audit, clock, entropy)
    rota = Rota(desk, holdings, alarms, state, clock, duty)
    reminders = Reminders(estate, alarms, duty.actor, duty.channel)
    return House(
        desk,
        rota,
        state,
        queue,
        store,
        factors,
        targets,
        catalogues,
        clock,
        audit_path,
        alerts,
        performer,
        library,
        reminders,
    )


def _performer(given: Settings, outside: Outside, state: RedisState, backups: DeskBackups) -> Performer:
    from bot.adapters.alertmanager import HttpAlertmanager  # imported only where it is used
    from bot.adapters.mongo.replica import ReplicaProbe
    from bot.adapters.network_probe import NetworkProbe
    from bot.adapters.promql import HttpMetrics
    from bot.adapters.web_probe import WebProbe

    clock, program = outside.clock, LocalProgram(secrets_of(given.mongodb_uri))
    metrics = HttpMetrics(given.prometheus_url) if given.prometheus_url else None
    eyes = Eyes(WebProbe(), NetworkProbe(), clock, metrics, ReplicaProbe(given.mongodb_uri), given.backend_health_url,
                _places(given))  # fmt: skip
    alarms = Alarms(state, outside.audit, clock, outside.entropy)
    hands = Hands(
        clock=clock,
        program=program,
        programs=_programs(given),
        backups=backups,
        alertmanager=HttpAlertmanager(given.alertmanager_url) if given.alertmanager_url else None,
        notices=ChannelNotices(alarms, NOTICE),
        rollback=CommandRollback(program, given.rollback_plan_command, given.rollback_command)
        if given.rollback_command
        else None,
    )
    return Performer(RunRecords(state), Jobs(state), eyes, hands, clock)


def _health_checks(
    given: Settings,
    targets: Mapping[TargetName, Target],
    catalogues: Catalogues,
    holdings: Holdings,
    audit_path: Path,
) -> Mapping[str, HealthCheck]:
    """The sections of /health that are configured, in their order."""
    from bot.adapters.edge import HttpEdge  # imported only where it is used
    from bot.adapters.mongo.replica import ReplicaProbe
    from bot.adapters.mongo.status import ServerProbe
    from bot.adapters.promql import HttpMetrics

    clock = SystemClock()
    found: dict[str, HealthCheck] = {
        "mongo": MongoCheck(ReplicaProbe(given.mongodb_uri), ServerProbe(given.mongodb_uri))
    }
    if given.prometheus_url:
        found["metrics"] = MetricsCheck(HttpMetrics(given.prometheus_url), _questions(given))
    if given.public_url:
        found["edge"] = EdgeCheck(HttpEdge(), clock, given.public_url, given.allowed_origins)
    found["backups"] = BackupsCheck(targets, catalogues, holdings, clock)
    found["audit"] = RecordCheck(lambda: read_lines(audit_path))
    return found


def _questions(given: Settings) -> Sequence[Question]:
    if not given.health_queries:
        return DEFAULT
    found, problems = metrics.read(yaml_file.read(Path(given.health_queries)))
    if problems:
        raise Refusal(Text("HEALTH_QUERIES: {problems}.", problems="; ".join(problems[:10])))
    return found


def _misprints(given: Settings, house: House) -> Misprints:
    alarms = Alarms(house.state, AuditFile(house.audit_path), house.clock, SystemEntropy())
    actor = Actor(SCHEDULE, WORKSPACE, Surface.SCHEDULE)
    return Misprints(house.library, alarms, house.clock, actor, given.ops_channel)


def _runbooks_folder(given: Settings) -> Path:
    return Path(given.runbooks_dir) if given.runbooks_dir else Path(__file__).parents[1] / "runbooks"


def _programs(given: Settings) -> Mapping[str, Allowed]:
    if not given.runbook_programs:
        return {}
    found, problems = programs.read(yaml_file.read(Path(given.runbook_programs)))
    if problems:
        raise Refusal(Text("RUNBOOK_PROGRAMS: {problems}.", problems="; ".join(problems[:10])))
    return found


def _places(given: Settings) -> Mapping[str, tuple[str, ...]]:
    """What a step means by service, mongodb, prometheus, alertmanager."""
    urls = {"service": given.backend_health_url, "prometheus": given.prometheus_url}
    found = {name: (address,) for name, url in urls.items() if (address := _address(url))}
    hosts = tuple(_host_port(host, 27017) for host in urlsplit(given.mongodb_uri).netloc.rpartition("@")[2].split(","))
    peers = tuple(filter(None, map(_address, given.alertmanager_url)))
    srv = given.mongodb_uri.startswith("mongodb+srv")
    return {**found, **({} if srv else {"mongodb": hosts}), **({"alertmanager": peers} if peers else {})}


def _address(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return _host_port(host, 443 if parts.scheme == "https" else 80) if host else ""


def _host_port(host: str, port: int) -> str:
    return host if re.search(r":[0-9]+$", host) else f"{host}:{port}"


def _alerts(given: Settings, state: RedisState) -> Alerts:
    return Alerts(Ledger(state), SystemClock(), SystemEntropy(), _alertmanager(given))


def _rules(given: Settings) -> RuleBook:
    return PolicyFile(Path(given.policy_file), yaml_file.read) if given.policy_file else NoRules()


def _alertmanager(given: Settings) -> Alertmanager | None:
    if not given.alertmanager_url:
        return None
    from bot.adapters.alertmanager import HttpAlertmanager  # imported only where it is used

    return HttpAlertmanager(given.alertmanager_url)


def _boards(given: Settings, house: House) -> Mapping[str, Board]:
    ledger, refuge = Ledger(house.state), given.ops_channel
    board = AlertBoard(
        house.alerts,
        ledger,
        _routes(given),
        refuge,
        house.clock,
        threshold=given.alerts_storm,
        steps=tuple(Step(minutes, mention) for minutes, mention in given.alerts_escalation),
        silencing=bool(given.alertmanager_url),
        answered=lambda group: house.library.of(group) is not None,
    )
    return {
        "alert": board,
        "book": StormBoard(ledger, refuge),
        "run": RunBoard(house.performer, _misprints(given, house), refuge),
    }


def _watch(given: Settings, house: House) -> Watch | None:
    alertmanager = _alertmanager(given)
    return None if alertmanager is None else Watch(Ledger(house.state), alertmanager, house.clock)


def _plotter(given: Settings) -> Plotter | None:
    if not given.prometheus_url:
        return None
    from bot.adapters.plots import Plots  # imported only where it is used

    return Plots(given.prometheus_url)


def _pictures(given: Settings, house: House, gallery: Gallery) -> Pictures | None:
    plotter = _plotter(given)
    return None if plotter is None else Pictures(Ledger(house.state), house.state, plotter, gallery, house.clock)


def _routes(given: Settings) -> Routes:
    default = Route(given.alerts_channel)
    if not given.alerts_routes:
        return Routes(default)
    found, problems = routes.read(yaml_file.read(Path(given.alerts_routes)), default)
    if problems:
        raise Refusal(Text("ALERTS_ROUTES: {problems}.", problems="; ".join(problems[:10])))
    return found


def _estate(given: Settings, artifacts: ArtifactStore) -> Estate:
    managed = secrets.Managed()
    if given.secrets_config:
        managed, problems = secrets.read(yaml_file.read(Path(given.secrets_config)))
        if problems:
            raise Refusal(Text("SECRETS_CONFIG: {problems}.", problems="; ".join(problems[:10])))
    consumers = {
        each.name: {
            use.name: HttpConsumer(use, ShellCommand(use.roll_out, ""), ShellCommand(use.verify, ""))
            for use in each.uses
        }
        for each in managed.secrets.values()
    }
    stores = {name: _secret_store(given, spec) for name, spec in managed.stores.items()}
    accounts = {
        each.name: MongoAccounts(Path(each.admin_uri_file), canary=each.canary)
        for each in managed.secrets.values()
        if each.kind is secrets.Kind.MONGO_USER
    }
    return Estate(managed, stores, consumers, artifacts, SystemClock(), SystemEntropy(), accounts)


def _secret_store(given: Settings, spec: secrets.StoreSpec) -> SecretStore:
    if spec.kind == "files":
        return FileSecrets(Path(spec.where))
    if not given.vault_addr:
        raise Refusal(Text("SECRETS_CONFIG names a Vault, so VAULT_ADDR is needed."))
    from bot.adapters.vault import Login, VaultSecrets  # imported only where it is used

    return VaultSecrets(
        given.vault_addr, Login(given.vault_token, given.vault_role_id, given.vault_secret_id), spec.where
    )


def _laboratory(given: Settings, live: MongoDatabase) -> Laboratory:
    keys = given.backup_age_identity
    if given.drill_uri:
        return Laboratory(ScratchServer(given.drill_uri, live, identities=keys), given.drill_check)
    return Laboratory(ScratchMongod(given.drill_mongod, given.drill_dir, identities=keys), given.drill_check)


def _checked(catalogue: Catalogue) -> Checked:
    """What scrubs and drills found."""
    passed = (each for each in catalogue.dossier.history().evidence if each.verdict is Verdict.PASS)
    drilled = {each.backup for each in passed if each.check is Check.DRILL}
    return Checked(frozenset(catalogue.suspects()), frozenset(drilled))


def _schedule(given: Settings) -> Schedule | None:
    if not given.backup_schedule:
        return None
    return Schedule("backup", given.backup_schedule, given.backup_time_zone)


def _chores(given: Settings) -> tuple[Chore, ...]:
    zone = given.backup_time_zone
    lines = {
        "scrub": (given.scrub_schedule, "backup", ("verify",)),
        "drill": (given.drill_schedule, "backup", ("drill",)),
        "tidy": (TIDY_LINE, "restore", ("tidy",)),
    }
    return tuple(
        Chore(Schedule(name, line, zone), command, words) for name, (line, command, words) in lines.items() if line
    )


def _policy(given: Settings) -> Policy:
    return Policy(
        daily=given.backup_keep_daily,
        weekly=given.backup_keep_weekly,
        hourly=given.backup_keep_hourly,
        monthly=given.backup_keep_monthly,
        yearly=given.backup_keep_yearly,
        window=timedelta(days=given.backup_pitr_days) if given.backup_pitr else None,
    )


def _store(given: Settings) -> ArtifactStore:
    if given.backup_dir:
        return DirectoryStore(Path(given.backup_dir))
    from bot.adapters.store_s3 import S3Store  # imported only where it is used: boto3 costs 30 MB

    return S3Store(given.backup_s3_url, lock_mode=given.backup_lock_mode)


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
            return _terminal(given).run("backup", "verify", *options.backup)
        case "drill":
            return _terminal(given).run("backup", "drill", *options.backup)
        case "restore":
            person = options.person or input("Your Slack id (like U0123456789): ").strip()
            return _terminal(given).run("restore", *options.words, person=person)
        case "policy":
            return terminal.who_can(_rules(given).current(), options.operation, options.target)
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
    relay = Relay({"": JobBoard(house.desk), **_boards(given, house)}, house.state, chat, clock)
    intake = Intake(
        _alerts(given, RedisState(given.redis_url, seconds=INTAKE_SECONDS)), given.webhook_token, relay.wake
    )
    webhooks = dict.fromkeys((ALERTMANAGER, CI), intake) if given.webhook_token else {}
    watching = Watching(_watch(given, house))

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
    with watching, Picturing(_pictures(given, house, chat)):
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

    def drills() -> str:
        if given.drill_uri or shutil.which(given.drill_mongod):
            return ""
        return (
            f"{given.drill_mongod} is not on PATH: install it or set DRILL_MONGOD or DRILL_URI; backups go on without"
        )

    def slack() -> str:
        from bot.slack.chat import Chat, slack_client

        Chat(slack_client(given.slack_bot_token, given.slack_api_url)).team()
        return ""

    def managed() -> str:
        estate = _estate(given, house.store)
        for each in estate.managed.secrets.values():
            if estate.store(each).look(each.place).current is None:
                return f"{each.name} has no value yet"
        return ""

    def told() -> str:
        if given.ops_channel or not given.backup_schedule:
            return ""
        return "OPS_CHANNEL is not set: nobody would be told that a backup failed"

    def routed() -> str:
        _routes(given)
        return "" if given.webhook_token else "WEBHOOK_TOKEN is not set: no alerts are taken in"

    def runbooks() -> str:
        wrong = house.library.problems()
        return "; ".join(f"{name}: {problem}" for name, said in wrong.items() for problem in said)

    def alertmanager() -> str:
        from bot.adapters.alertmanager import HttpAlertmanager

        HttpAlertmanager(given.alertmanager_url).look()
        return ""

    def ruled() -> str:
        known = _rules(given).current()
        unknown = {each for rule in known.rules for each in rule.targets} - set(house.targets)
        if unknown:
            return f"POLICY_FILE names targets that are not configured: {', '.join(sorted(unknown))}"
        return ""

    def prometheus() -> str:
        plotter = _plotter(given)
        if plotter is not None:
            plotter.plot("vector(1)", "check", house.clock.now(), None)
        return ""

    return {
        "policy": ruled,
        "alerts": routed,
        "runbooks": runbooks,
        **({"Alertmanager": alertmanager} if given.alertmanager_url else {}),
        **({"Prometheus": prometheus} if given.prometheus_url else {}),
        **({"secrets": managed} if given.secrets_config else {}),
        "schedule": told,
        "Redis": state,
        f"backups ({house.store.describe()})": store,
        f"MongoDB ({database.name})": mongodb,
        "mongodump": lambda: _tool("mongodump"),
        **({"mongorestore": lambda: _tool("mongorestore")} if given.restore_loader == "mongorestore" else {}),
        "drills": drills,
        "Slack": slack,
    }


def _tool(name: str) -> str:
    return "" if shutil.which(name) else "not on PATH: install MongoDB's Database Tools"


def _until_signalled(stop: Callable[[], None]) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
