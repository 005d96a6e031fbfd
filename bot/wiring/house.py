"""The house: everything one process needs, built from the settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from bot.examining import Threads
from bot.runbooks import DeskBackups, Folder
from bot.settings import Settings
from bot.wiring.alerting import alerts_of
from bot.wiring.backups import backup_schedule, chores
from bot.wiring.copies import Copies, copies_of
from bot.wiring.entrance import Entrance, entrance_of
from bot.wiring.ground import Ground, Members, ground_of
from bot.wiring.health import health_checks, measured_then, readiness_of
from bot.wiring.own import own_consumers
from bot.wiring.rotating import estate_of
from bot.wiring.runbooks import performer_of, runbooks_folder
from handlers.alerts import Alerts
from handlers.beginnings import Beginnings
from handlers.checks.keeper import LookKeeper
from handlers.core.alerts.ledger import Ledger
from handlers.core.backups.rota import Duty, Rota
from handlers.core.door.approval import WORKSPACE
from handlers.core.door.desk import Desk, Handler
from handlers.core.door.records import Jobs
from handlers.core.health.upkeep import UpkeepBook
from handlers.core.ports import People
from handlers.core.rotation.estates import Estate
from handlers.core.rotation.key_holds import KeyHolds
from handlers.core.rotation.rotations import Rotations
from handlers.core.rotation.standings import Reminders
from handlers.core.runbooks.library import Library
from handlers.core.runbooks.misprints import Misprints
from handlers.core.runbooks.shelves import StoredSpares
from handlers.handwork import Handwork
from handlers.health import HealthHandler
from handlers.performing import Performer
from handlers.rotate import RotateHandler
from handlers.runbooks import RunbookHandler
from handlers.steps import SHAPES
from handlers.trail import TrailHandler
from handlers.updates import Updates
from handlers.vigil import Vigil


@dataclass(frozen=True, slots=True)
class Runs:
    """Runbooks, and what performs and begins them. `backups`: the desk, once there is one."""

    library: Library
    performer: Performer
    beginnings: Beginnings
    handler: RunbookHandler
    backups: DeskBackups


@dataclass(frozen=True, slots=True)
class House:
    """Everything that one process needs, built from the settings."""

    ground: Ground
    copies: Copies
    entrance: Entrance
    runs: Runs
    alerts: Alerts
    desk: Desk
    rota: Rota
    reminders: Reminders
    updates: Updates
    looks: LookKeeper
    misprints: Misprints
    vigil: Vigil


def build(given: Settings, people: People, members: Members = dict) -> House:
    """Connects nothing yet. `members`: of Slack's user groups, as known now. Raises Refusal for what is wrong."""
    ground = ground_of(given, members)
    state, clock, alarms = ground.state, ground.clock, ground.alarms
    own = own_consumers(given, ground.store, ground.audit, ground.recording.seal)
    estate, alerts = estate_of(given, ground.store, ground.audit, own), alerts_of(given, state)
    copies, entrance = copies_of(given, ground, estate), entrance_of(given, ground, people)
    estate = replace(estate, holds=KeyHolds(ground.store, copies.catalogues, copies.name, Jobs(state)))
    runs = _runs(given, ground, copies, entrance)
    limit = timedelta(hours=given.backup_catch_up_hours)
    duty = Duty(backup_schedule(given), WORKSPACE, given.ops_channel, limit, chores(given), frozenset(copies.servers))
    updates = Updates(UpkeepBook(state), alarms, clock, copies.targets, duty.actor, duty.channel)
    health, looks = _health(given, ground, copies, estate, runs.library)
    handlers: dict[str, Handler] = {
        "backup": copies.backup,
        "restore": copies.restore,
        "rotate": RotateHandler(Rotations(estate)),
        "audit": TrailHandler(ground.recording.lines, ground.recording.examine, ground.recording.seal),
        "access": entrance.access,
        "runbook": runs.handler,
        "health": health,
    }
    desk = Desk(handlers, entrance.gate, entrance.outside, (alerts, runs.handler, entrance.access, updates))
    runs.backups.desk = desk
    return House(
        ground=ground,
        copies=copies,
        entrance=entrance,
        runs=runs,
        alerts=alerts,
        desk=desk,
        rota=Rota(desk, copies.holdings, alarms, state, clock, duty),
        reminders=Reminders(estate, alarms, duty.actor, duty.channel),
        updates=updates,
        looks=looks,
        misprints=Misprints(runs.library, alarms, clock, duty.actor, duty.channel),
        vigil=Vigil(runs.beginnings, runs.performer, state, WORKSPACE, desk.press),
    )


def _runs(given: Settings, ground: Ground, copies: Copies, entrance: Entrance) -> Runs:
    state, backups = ground.state, DeskBackups()
    library = Library(Folder(runbooks_folder(given), ground.clock), SHAPES, StoredSpares(state))
    target = copies.targets[copies.name]
    performer = performer_of(given, entrance.outside, state, backups, ground.alarms, target)
    beginnings = Beginnings(library, Ledger(state), ground.entropy, copies.name)
    handler = RunbookHandler(beginnings, performer, Handwork(performer, entrance.permits))
    return Runs(library, performer, beginnings, handler, backups)


def _health(
    given: Settings, ground: Ground, copies: Copies, estate: Estate, library: Library
) -> tuple[HealthHandler, LookKeeper]:
    state, clock = ground.state, ground.clock
    checks = health_checks(given, copies.targets, copies.catalogues, copies.holdings, ground.recording, estate, state)
    ready = readiness_of(given, Ledger(state), library, clock)
    handler = HealthHandler(copies.targets, checks, Threads(), state, clock, ready, measured_then(given))
    pause_seconds = given.health_look_minutes * 60
    return handler, LookKeeper(state, checks, Threads(), clock, copies.targets, pause_seconds)
