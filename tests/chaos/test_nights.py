"""A night with real parts: two bots over one Redis, one folder and one MongoDB make one backup, and old ones go."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.command import ShellCommand
from handlers.core.backups.catalogue import folder
from handlers.core.backups.holdings import Holdings
from handlers.core.backups.rota import Duty, Rota, noted
from handlers.core.backups.schedules import Schedule, Ticks
from handlers.core.door.alarms import Alarms
from handlers.core.formats.manifests import BackupKind, Manifest
from handlers.core.ports import Target
from handlers.core.words.answers import BackupId, JobId
from handlers.core.words.jobs import JobState
from sandbox.servers.mongod import Mongod
from tests.chaos.house import SHOP, House, house
from tests.fakes import MemoryAudit, MemoryQueue

MINUTELY = Schedule("backup", "* * * * *")


class Bot:
    """One bot of several, whose clock is `ahead`."""

    def __init__(self, mongod: Mongod, database: str, redis_url: str, place: Path, path: str) -> None:
        uri = mongod.uri(database)
        self.house: House = house(uri, redis_url, place, path)
        target = Target(SHOP, self.house.database, self.house.store, ShellCommand("", uri))
        holdings = Holdings({SHOP: target}, {SHOP: self.house.catalogue}, self.house.clock)
        alarms = Alarms(self.house.state, MemoryAudit(), self.house.clock, SystemEntropy())
        duty = Duty(MINUTELY, "T0LOCAL", "C0OPS")
        self.rota = Rota(self.house.desk, holdings, alarms, self.house.state, self.house.clock, duty)

    def set_ahead(self, ahead: timedelta) -> None:
        """Less than a minute: the file system's clock and this one still agree."""
        clock = self.house.clock
        clock.now = lambda: SystemClock.now(clock) + ahead  # type: ignore[method-assign]

    def round(self) -> list[JobId]:
        """One round; what it queued was worked to its end."""
        queue = self.house.desk._queue
        assert isinstance(queue, MemoryQueue)
        self.rota.round(SHOP)
        done = list(queue.jobs)
        queue.hand_out(self.house.desk.work)
        return done


def plant(bot: Bot, manifest: Manifest, nights: int) -> list[BackupId]:
    """Older backups of the same content, the oldest first."""
    store, found = bot.house.store, []
    for back in reversed(range(1, nights + 1)):
        made = manifest.created - timedelta(days=back)
        backup = BackupId(f"{made:%Y%m%dt%H%M%Sz}-aaaaaa")
        data = replace(manifest.data, key=f"{folder(SHOP, backup)}/data.archive.zst")
        store.put_new(data.key, b"".join(store.read(manifest.data.key)))
        older = replace(manifest, id=backup, created=made, data=data, slice=None, torn="planted")
        store.put_new(f"{folder(SHOP, backup)}/manifest.json", older.to_bytes())
        found.append(backup)
    return found


def test_two_bots_make_one_backup_at_a_tick_and_then_let_the_oldest_go(
    mongod: Mongod, database: str, redis_url: str, tmp_path: Path, tools_path: str
) -> None:
    with mongod.client() as client:
        client[database]["orders"].insert_many([{"n": number} for number in range(100)])
    bots = [Bot(mongod, database, redis_url, tmp_path, tools_path) for _ in range(2)]
    first = bots[0].house
    assert [bot.round() for bot in bots] == [[], []]
    tick = MINUTELY.following(first.clock.now())
    for bot in bots:
        bot.set_ahead(tick - SystemClock().now() + timedelta(seconds=1))
    (backup,), second = (bot.round() for bot in bots)
    assert first.loaded(backup).state is JobState.DONE
    (manifest,) = first.catalogue.listing().manifests
    assert manifest.kind is BackupKind.SCHEDULED
    assert Ticks(first.state, MINUTELY, SHOP).job(tick) == backup
    # The pruning of the same tick was asked for by whoever came first after the backup.
    prunings = [*second, *(job for bot in bots for job in bot.round())]
    assert [first.loaded(job).plan.operation for job in prunings] == ["backup.prune"]

    old = plant(bots[0], manifest, 40)
    for bot in bots:
        bot.rota._watched.clear()
        bot.set_ahead(tick - SystemClock().now() + timedelta(seconds=62))
    jobs = [job for _ in range(3) for bot in bots for job in bot.round()]
    assert [first.loaded(job).plan.operation for job in jobs] == ["backup.now", "backup.prune"]
    pruned = first.loaded(jobs[1])
    assert pruned.state is JobState.DONE
    assert pruned.outcome is not None
    assert pruned.outcome.facts["deleted"] == old[:3]
    listing = bots[1].house.catalogue.listing()
    assert (len(listing.manifests), listing.absent, listing.leftovers) == (39, frozenset(), ())
    assert noted(first.state, {SHOP: None})[SHOP].good == 42
    for bot in bots:
        bot.house.database.close()
