"""The house: everything one process needs, built from the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bot.adapters import yaml_file
from bot.adapters.audit_file import AuditFile, read_lines
from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.command import ShellCommand
from bot.adapters.factors import StoredFactors
from bot.adapters.mongo import MongoDatabase
from bot.adapters.policy_file import PolicyFile
from bot.adapters.queue_dramatiq import DramatiqQueue
from bot.adapters.state_redis import RedisState
from bot.adapters.totp import Totp
from bot.examining import Threads
from bot.runbooks import DeskBackups, Folder
from bot.settings import Settings
from bot.wiring.alerting import alerts_of
from bot.wiring.backups import artifact_store, backup_schedule, checked, chores, laboratory, retention
from bot.wiring.health import health_checks
from bot.wiring.rotating import estate_of
from bot.wiring.runbooks import performer_of, runbooks_folder
from handlers.alerts import Alerts
from handlers.backup import BackupHandler
from handlers.core.alarms import Alarms
from handlers.core.answers import Actor, TargetName
from handlers.core.approval import WORKSPACE, Gate
from handlers.core.catalogue import Catalogue, Catalogues
from handlers.core.desk import Desk, Handler, Outside
from handlers.core.holdings import Holdings
from handlers.core.keeping import Keeping
from handlers.core.ledger import Ledger
from handlers.core.library import Library
from handlers.core.misprints import Misprints
from handlers.core.objects import Packing
from handlers.core.ports import ArtifactStore, People, Standing, Target
from handlers.core.records import Jobs
from handlers.core.restorations import Restorations
from handlers.core.rota import Duty, Rota
from handlers.core.rotations import Rotations
from handlers.core.rules import NoRules, RuleBook
from handlers.core.standings import Reminders
from handlers.health import HealthHandler
from handlers.performing import Performer
from handlers.restore import RestoreHandler
from handlers.rotate import RotateHandler
from handlers.runbooks import Beginnings, RunbookHandler
from handlers.steps import SHAPES
from handlers.trail import TrailHandler


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
    misprints: Misprints


def build(given: Settings, people: People) -> House:
    """Connects nothing yet. Raises Refusal for what cannot be built."""
    clock, entropy = SystemClock(), SystemEntropy()
    state, queue, store = RedisState(given.redis_url), DramatiqQueue(given.redis_url), artifact_store(given)
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
    jobs, schedule = Jobs(state), backup_schedule(given)
    holdings = Holdings(targets, catalogues, clock, lambda target: checked(catalogues[target]))
    keeping = Keeping(holdings, state, clock, retention(given), schedule)
    estate = estate_of(given, store)
    handlers: dict[str, Handler] = {
        "backup": BackupHandler(targets, catalogues, jobs, clock, keeping, laboratory(given, database)),
        "restore": RestoreHandler(
            Restorations(targets, catalogues, clock, keeping.lock_until),
            keep_hours=given.restore_undo_hours,
            blocks_writes=given.restore_block_writes,
        ),
        "rotate": RotateHandler(Rotations(estate)),
        "audit": TrailHandler(lambda: read_lines(audit_path)),
    }
    factors = StoredFactors(store, given.master_key, Totp())
    outside = Outside(state, queue, AuditFile(audit_path), people, clock, entropy, rule_book(given))
    alerts, backups = alerts_of(given, state), DeskBackups()
    library = Library(Folder(runbooks_folder(given), clock), SHAPES)
    alarms = Alarms(state, outside.audit, clock, entropy)
    performer = performer_of(given, outside, state, backups, alarms)
    runbook = RunbookHandler(Beginnings(library, Ledger(state), entropy, name), performer)
    handlers["runbook"] = runbook
    checks = health_checks(given, targets, catalogues, holdings, audit_path)
    handlers["health"] = HealthHandler(targets, checks, Threads(), state, clock)
    desk = Desk(handlers, Gate(state, factors, clock, entropy), outside, (alerts, runbook))
    backups.desk = desk
    limit = timedelta(hours=given.backup_catch_up_hours)
    duty = Duty(schedule, WORKSPACE, given.ops_channel, limit, chores(given))
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
        Misprints(library, alarms, clock, duty.actor, duty.channel),
    )


def rule_book(given: Settings) -> RuleBook:
    """Raises Refusal for a policy file that cannot be used."""
    return PolicyFile(Path(given.policy_file), yaml_file.read) if given.policy_file else NoRules()
