"""The databases that are looked after, and the backups of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from bot.adapters.command import ShellCommand
from bot.adapters.mongo import MongoDatabase
from bot.settings import Settings
from bot.wiring.backups import backup_schedule, checked, laboratory, retention
from bot.wiring.ground import Ground
from bot.wiring.servers import servers_of
from handlers.backup import BackupHandler
from handlers.core.backups.catalogue import Catalogue, Catalogues
from handlers.core.backups.holdings import Holdings
from handlers.core.backups.keeping import Keeping
from handlers.core.door.records import Jobs
from handlers.core.formats.objects import Packing
from handlers.core.ports import Target
from handlers.core.restores.restorations import Restorations
from handlers.core.rotation.data_key_books import DataKeyBook
from handlers.core.rotation.estates import Estate
from handlers.core.words.answers import TargetName
from handlers.restore import RestoreHandler


@dataclass(frozen=True, slots=True)
class Copies:
    """See the module. `name`: the live target's; `servers`: where else can be restored to."""

    name: TargetName
    targets: Mapping[TargetName, Target]
    servers: Mapping[TargetName, Target]
    catalogues: Catalogues
    holdings: Holdings
    backup: BackupHandler
    restore: RestoreHandler

    @property
    def live(self) -> Catalogues:
        """The catalogue of the live target alone."""
        return {self.name: self.catalogues[self.name]}


def copies_of(given: Settings, ground: Ground, estate: Estate) -> Copies:
    """`estate`: the secrets, some of which encrypt a part of the data. Connects nothing yet. Raises Refusal for what is
    wrong."""
    store, clock = ground.store, ground.clock
    database = database_of(given, given.mongodb_uri)
    name = TargetName(database.name)
    migrate, keys = ShellCommand(given.migrate_command, given.mongodb_uri), DataKeyBook(estate, name)
    targets = {name: Target(name, database, store, migrate, keys)}
    servers = servers_of(given, name, store, partial(database_of, given))
    everywhere = {**targets, **servers}
    catalogues = {each: Catalogue(each, store) for each in everywhere}
    holdings = Holdings(
        everywhere, catalogues, clock, lambda target: checked(catalogues[target]), servers=frozenset(servers)
    )
    keeping = Keeping(holdings, ground.state, clock, retention(given), backup_schedule(given))
    backup = BackupHandler(everywhere, catalogues, Jobs(ground.state), clock, keeping, laboratory(given, database))
    restore = RestoreHandler(
        Restorations(everywhere, catalogues, clock, keeping.lock_until, servers),
        keep_hours=given.restore_undo_hours,
        blocks_writes=given.restore_block_writes,
    )
    return Copies(name, targets, servers, catalogues, holdings, backup, restore)


def database_of(given: Settings, uri: str) -> MongoDatabase:
    """The database of an address, packed and loaded as the settings say. Connects nothing yet. Raises Refusal."""
    return MongoDatabase(
        uri,
        packing=Packing(given.backup_zstd_level, given.backup_age_recipients),
        zstd_threads=given.backup_zstd_threads,
        identities=given.backup_age_identity,
        loader=given.restore_loader,
    )
