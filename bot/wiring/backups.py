"""What stands behind backups and restores: the store, retention, schedules, drills."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.adapters.mongo import MongoDatabase
from bot.adapters.mongo.scratch import ScratchMongod
from bot.adapters.mongo.scratch_server import ScratchServer
from bot.adapters.store_directory import DirectoryStore
from bot.settings import Settings
from handlers.core.backups.catalogue import Catalogue
from handlers.core.backups.holdings import Checked
from handlers.core.backups.retention import Policy
from handlers.core.backups.rota import Chore
from handlers.core.backups.schedules import Schedule
from handlers.core.formats.evidence import Check, Verdict
from handlers.core.ports import ArtifactStore
from handlers.core.restores.drills import Laboratory

TIDY_LINE = "20 * * * *"


def laboratory(given: Settings, live: MongoDatabase) -> Laboratory:
    """Where drills restore."""
    keys = given.backup_age_identity
    if given.drill_uri:
        return Laboratory(ScratchServer(given.drill_uri, live, identities=keys), given.drill_check)
    return Laboratory(ScratchMongod(given.drill_mongod, given.drill_dir, identities=keys), given.drill_check)


def checked(catalogue: Catalogue) -> Checked:
    """What scrubs and drills found."""
    passed = (each for each in catalogue.dossier.history().evidence if each.verdict is Verdict.PASS)
    drilled = {each.backup for each in passed if each.check is Check.DRILL}
    return Checked(frozenset(catalogue.suspects()), frozenset(drilled))


def backup_schedule(given: Settings) -> Schedule | None:
    """None: no backups by themselves."""
    if not given.backup_schedule:
        return None
    return Schedule("backup", given.backup_schedule, given.backup_time_zone)


def chores(given: Settings) -> tuple[Chore, ...]:
    """What is done by the clock besides backups."""
    zone = given.backup_time_zone
    lines = {
        "scrub": (given.scrub_schedule, "backup", ("verify",)),
        "drill": (given.drill_schedule, "backup", ("drill",)),
        "scorecard": (given.scorecard_schedule, "health", ("audit",)),
        "tidy": (TIDY_LINE, "restore", ("tidy",)),
    }
    return tuple(
        Chore(Schedule(name, line, zone), command, words) for name, (line, command, words) in lines.items() if line
    )


def retention(given: Settings) -> Policy:
    """Which copies stay."""
    return Policy(
        daily=given.backup_keep_daily,
        weekly=given.backup_keep_weekly,
        hourly=given.backup_keep_hourly,
        monthly=given.backup_keep_monthly,
        yearly=given.backup_keep_yearly,
        window=timedelta(days=given.backup_pitr_days) if given.backup_pitr else None,
    )


def artifact_store(given: Settings) -> ArtifactStore:
    """Where backups are kept. Connects nothing yet."""
    if given.backup_dir:
        return DirectoryStore(Path(given.backup_dir))
    from bot.adapters.store_s3 import S3Store  # imported only where it is used: boto3 costs 30 MB

    return S3Store(
        given.backup_s3_url,
        lock_mode=given.backup_lock_mode,
        read_timeout_seconds=given.backup_s3_timeout_seconds,
    )
