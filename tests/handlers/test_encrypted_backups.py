"""Encrypted backups, as the handlers see them: a key is needed to unpack, and for nothing else."""

from __future__ import annotations

import pyrage
import pytest

from handlers.backup import BackupHandler
from handlers.core.backups.catalogue import Catalogue, data_key
from handlers.core.backups.holdings import Holdings
from handlers.core.backups.keeping import Keeping
from handlers.core.door.records import Jobs
from handlers.core.formats.objects import Packing
from handlers.core.ports import Target
from handlers.core.restores.drills import Laboratory
from handlers.core.words.answers import BackupId, Confirm, Invocation
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import JobState
from tests.chaos.damage import SARA, SHOP, QuietWork, World, job_of, world
from tests.fake_database import FakeCommand, FakeScratch
from tests.fakes import MemoryState


@pytest.fixture(scope="module")
def made() -> World:
    return world(encrypted=True)


def test_an_encrypted_backup_is_named_so_and_says_for_whom(made: World) -> None:
    manifest = made.first
    assert manifest.packing.recipients == made.database.packing.recipients
    assert manifest.data.key.endswith("/data.archive.zst.age")
    assert made.get(manifest.data.key).startswith(b"age-encryption.org/v1\n")
    assert world(encrypted=False).first.data.key.endswith("/data.archive.zst")


def test_without_its_key_a_restore_is_refused_before_anything_is_done(made: World) -> None:
    there = made.copy()
    there.database.secret = str(pyrage.x25519.Identity.generate())
    before, artifacts = there.live(), dict(there.store.artifacts)
    with pytest.raises(Refusal, match=f"encrypted for .*{made.first.packing.recipients[0]}.* no key that opens it"):
        there.restore()
    assert there.live() == before
    assert there.store.artifacts == artifacts  # no journal, no safety backup


def test_the_host_that_asks_needs_no_key(made: World) -> None:
    there = made.copy()
    there.database.secret = str(pyrage.x25519.Identity.generate())

    def with_key() -> None:
        del there.database.secret

    there.restore(with_key)


def test_a_checksum_is_compared_without_a_key(made: World) -> None:
    there = made.copy()
    there.database.secret = str(pyrage.x25519.Identity.generate())
    target = Target(SHOP, there.database, there.store, FakeCommand())
    targets, catalogues, state = {SHOP: target}, {SHOP: Catalogue(SHOP, there.store)}, MemoryState(there.clock)
    keeping, laboratory = (
        Keeping(Holdings(targets, catalogues, there.clock), state, there.clock),
        Laboratory(FakeScratch()),
    )
    handler = BackupHandler(targets, catalogues, Jobs(state), there.clock, keeping, laboratory)
    answer = handler.ask(Invocation("backup", ("verify", made.first.id), SARA, "C0OPS"))
    assert not isinstance(answer, Confirm)
    job = job_of("backup.verify", {"backup": made.first.id}, there.clock, "verify")
    assert handler.run(QuietWork(job)).state is JobState.DONE


def test_what_an_unfinished_backup_left_is_removed_however_it_was_packed(made: World) -> None:
    there, backup = made.copy(), BackupId(made.first.id.replace("first", "other"))
    keys = [data_key(SHOP, backup, packing) for packing in (Packing(), Packing(3, ("age1x",)))]
    for key in keys:
        there.put(key, b"half")
    catalogue = Catalogue(SHOP, there.store)
    catalogue.forget_data(backup)
    assert not set(keys) & set(there.store.artifacts)
    catalogue.forget_data(made.first.id)
    assert made.first.data.key in there.store.artifacts
